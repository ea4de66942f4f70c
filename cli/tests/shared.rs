//! Two mounts of `rate-limit` whose policies stand in the bootstrap.

#![allow(clippy::unwrap_used, clippy::panic)]

use std::fs;

use postern_cli::check::check;

const POLICY: &str = r#"{"limits":[{"id":"a","match":{},"quota":1,"window":"1s"},{"id":"b","match":{},"quota":1,"window":"1s"}]}"#;
const OTHER: &str = r#"{"limits":[{"id":"b","match":{},"quota":9,"window":"1s"}]}"#;

fn mount(name: &str, vm_id: &str, policy: &str) -> String {
    let config = serde_json::json!({
        "name": name,
        "failure_policy": "FAIL_RELOAD",
        "reload_config": {"backoff": {"base_interval": "0.005s"}},
        "configuration": {"@type": "type.googleapis.com/google.protobuf.StringValue", "value": policy},
        "vm_config": {"vm_id": vm_id},
    });
    let kind = "type.googleapis.com/envoy.extensions.filters.http.wasm.v3.Wasm";
    let filter =
        serde_json::json!({"name": name, "typed_config": {"@type": kind, "config": config}});
    format!("          - {filter}\n")
}

/// What a bootstrap with these mounts is warned of.
fn warned(name: &str, mounts: &[String]) -> Vec<String> {
    let broken = include_str!("broken/bootstrap-slow-idle-timeout.yaml");
    let (head, _) = broken.split_once("          - name: auth\n").unwrap();
    let head = head.replace("stream_idle_timeout: 300s", "stream_idle_timeout: 10s");
    let folder = std::env::temp_dir().join(format!("postern-shared-{name}-{}", std::process::id()));
    fs::create_dir_all(&folder).unwrap();
    let file = folder.join("envoy.yaml");
    fs::write(&file, format!("{head}{}          - name: router\n", mounts.concat())).unwrap();
    let good = check(std::slice::from_ref(&file), &|_| None);
    fs::remove_dir_all(&folder).unwrap();
    let good = good.unwrap_or_else(|findings| panic!("{findings:#?}"));
    let place = format!("{}:", file.display());
    good.warnings().map(|w| w.to_string().replace(&place, "")).collect()
}

#[test]
fn two_that_count_in_one_are_named() {
    let twice = [mount("first", "same", POLICY), mount("second", "same", OTHER)];
    let path =
        "static_resources.listeners[0].filter_chains[0].filters[0].typed_config.http_filters";
    let found = warned("twice", &twice);
    let [found] = found.as_slice() else { panic!("{found:#?}") };
    let (_, said) = found.split_once(' ').unwrap();
    assert_eq!(
        said,
        format!(
            "{path}[1].typed_config.config: `first` and `second` both have a limit `b`, and count \
             in one: give each a `vm_id` of its own, or the limits other ids"
        )
    );
}

#[test]
fn those_that_do_not_are_not() {
    let own = [mount("first", "one", POLICY), mount("second", "other", OTHER)];
    assert_eq!(warned("own", &own), [""; 0]);
    let ids =
        [mount("first", "same", POLICY), mount("second", "same", &OTHER.replace("\"b\"", "\"c\""))];
    assert_eq!(warned("ids", &ids), [""; 0]);
}
