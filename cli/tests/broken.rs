//! Files with one misdeed each: `check` names it, whole, at its place.

#![allow(clippy::unwrap_used, clippy::panic)]

use std::path::Path;

use postern_cli::check::check;
use postern_cli::report;

#[test]
fn each_misdeed_is_named_at_its_place() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/broken");
    let expected = std::fs::read_to_string(folder.join("expected.txt")).unwrap();
    let mut files: Vec<_> = std::fs::read_dir(&folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|e| e == "yaml"))
        .collect();
    files.sort();
    assert!(files.len() >= 40, "{}", files.len());
    let mut found = String::new();
    for file in files {
        let findings = check(std::slice::from_ref(&file), &|_| None).unwrap_err();
        let [finding] = findings.as_slice() else { panic!("{file:?}: {findings:?}") };
        let line = finding.to_string();
        let prefix = format!("{}/", folder.display());
        found.push_str(line.strip_prefix(&prefix).unwrap());
        found.push('\n');

        // The span is shown, and programs get the same place.
        let text = report::text(&findings, false);
        assert!(text.contains('^') || text.contains("^_"), "{text}");
        let json = report::json(&findings);
        assert_eq!(json.pointer("/0/line"), Some(&finding.span.start.line.into()));
        assert_eq!(json.pointer("/0/message"), Some(&finding.message.as_str().into()));
    }
    assert_eq!(found, expected);
}

#[test]
fn all_files_are_named_at_once() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/broken");
    let files = ["authz-no-scopes.yaml", "not-yaml.yaml", "nowhere.yaml"].map(|f| folder.join(f));
    let findings = check(&files, &|_| None).unwrap_err();
    let places: Vec<_> = findings.iter().map(|f| f.span.start.line).collect();
    assert_eq!(places, [12, 11, 0]);
}

/// A folder with the demo's policies and bootstrap, edited.
fn demo(name: &str, edit: impl FnOnce(&Path)) -> Vec<String> {
    let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("../envoy");
    let to = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    let _ = std::fs::remove_dir_all(&to);
    std::fs::create_dir_all(to.join("filters")).unwrap();
    std::fs::copy(from.join("envoy.yaml"), to.join("envoy.yaml")).unwrap();
    for entry in std::fs::read_dir(from.join("filters")).unwrap() {
        let entry = entry.unwrap();
        std::fs::copy(entry.path(), to.join("filters").join(entry.file_name())).unwrap();
    }
    edit(&to);
    let secret = "c2VjcmV0LXNlY3JldC1zZWNyZXQtc2VjcmV0LTEyMzQ";
    let environment = |name: &str| name.starts_with("POSTERN_DEMO_").then(|| secret.to_owned());
    let findings = check(std::slice::from_ref(&to), &environment).err().unwrap_or_default();
    let prefix = format!("{}/", to.display());
    findings.iter().map(|f| f.to_string().replace(&prefix, "")).collect()
}

fn edit(file: &Path, from: &str, to: &str) {
    let text = std::fs::read_to_string(file).unwrap();
    assert!(text.contains(from), "{from}");
    std::fs::write(file, text.replacen(from, to, 1)).unwrap();
}

/// Each finding ends so.
#[track_caller]
fn finds(found: &[String], expected: &[&str]) {
    assert_eq!(found.len(), expected.len(), "{found:#?}");
    for (found, expected) in found.iter().zip(expected) {
        assert!(found.ends_with(expected), "{found}\n  expected {expected}");
    }
}

#[test]
fn the_demo_itself_is_good() {
    finds(&demo("good", |_| ()), &[]);
}

#[test]
fn a_policy_that_judges_nothing_is_named() {
    let unmounted = demo("unmounted", |folder| {
        let second = folder.join("filters/second.yaml");
        std::fs::write(
            second,
            "filter: rate-limit\nlimits: [{id: a, match: {}, quota: 1, window: 1s}]\n",
        )
        .unwrap();
    });
    finds(&unmounted, &["no bootstrap mounts this policy: requests would pass it unjudged"]);
    let disabled = demo("disabled", |folder| {
        edit(
            &folder.join("envoy.yaml"),
            "- name: authz\n",
            "- name: authz\n            disabled: true\n",
        );
    });
    finds(&disabled, &["disabled: requests would pass this filter unjudged"]);
}

#[test]
fn one_chain_has_one_auth() {
    let twice = demo("twice", |folder| {
        let auth = folder.join("filters/auth.yaml");
        std::fs::copy(auth, folder.join("filters/auth-2.yaml")).unwrap();
        edit(
            &folder.join("envoy.yaml"),
            "- name: rate-limit\n",
            "- name: auth-2\n            config_discovery:\n              config_source:\n                \
             path_config_source: {path: /etc/postern/config/auth-2.json}\n          - name: rate-limit\n",
        );
    });
    finds(&twice, &["`auth-2` and `auth` both publish the identity: one chain has one auth"]);
}

#[test]
fn a_plugin_is_not_named_as_a_state() {
    let named = demo("named", |folder| {
        let authz = folder.join("filters/authz.yaml");
        std::fs::copy(authz, folder.join("filters/identity.yaml")).unwrap();
        edit(&folder.join("filters/identity.yaml"), "filter: authz", "filter: authz");
    });
    finds(&named, &["`identity` cannot name a plugin: filters share a state of that name"]);
}

#[test]
fn a_rate_limit_service_is_asked_over_http2() {
    let service = |cluster: &str| {
        demo(&format!("service-{cluster}"), |folder| {
            let policy = folder.join("filters/rate-limit.yaml");
            let key = format!("service: {{cluster: {cluster}, domain: d, gateways: 2}}\nlimits:\n");
            edit(&policy, "limits:\n", &key);
            edit(&policy, "  - id: legacy\n", "  - id: legacy\n    engine: service\n");
        })
    };
    finds(
        &service("nowhere"),
        &[
            "service.cluster: the bootstrap has no cluster `nowhere`, expected one of `idp`, `rls`, `upstream`",
        ],
    );
    finds(
        &service("idp"),
        &[
            "service.cluster: the bootstrap's cluster `idp` does not speak HTTP/2, which gRPC needs: \
           expected `explicit_http_config: {http2_protocol_options: {}}` in its `HttpProtocolOptions`",
        ],
    );
}

#[test]
fn a_cluster_that_is_asked_has_to_be_there() {
    let provider = "providers:\n  far:\n    jwt:\n      issuer: https://far.example.com\n      \
                    audiences: [a]\n      algorithms: [RS256]\n      keys:\n        - discovery: \
                    {cluster: nowhere, jwks_cluster: nowhere-too}\n";
    let nowhere = demo("nowhere", |folder| {
        edit(&folder.join("filters/auth.yaml"), "providers:\n", provider);
    });
    let at = "providers.far.jwt.keys[0].discovery";
    finds(
        &nowhere,
        &[
            &format!(
                "{at}.cluster: the bootstrap has no cluster `nowhere`, expected one of `idp`, `rls`, `upstream`"
            ),
            &format!(
                "{at}.jwks_cluster: the bootstrap has no cluster `nowhere-too`, expected one of `idp`, `rls`, `upstream`"
            ),
        ],
    );
    // Where more come later, nobody can tell.
    let later = demo("later", |folder| {
        edit(&folder.join("filters/auth.yaml"), "providers:\n", provider);
        edit(
            &folder.join("envoy.yaml"),
            "static_resources:\n",
            "dynamic_resources: {cds_config: {path_config_source: {path: /etc/clusters.yaml}}}\n\
             static_resources:\n",
        );
    });
    finds(&later, &[]);
}

/// Providers that ask by `idp` and `upstream`, in each of the ways there are.
const ASKING: &str = "\
revoked: {remote: {cluster: idp, uri: https://a.example.com/revoked}}
providers:
  far:
    jwt:
      issuer: https://far.example.com
      audiences: [a]
      algorithms: [RS256]
      keys:
      - discovery: {cluster: idp, jwks_cluster: upstream}
  near:
    jwt:
      issuer: https://near.example.com
      audiences: [a]
      algorithms: [RS256]
      keys:
      - remote: {cluster: idp, uri: https://near.example.com/jwks}
  plain:
    jwt:
      issuer: https://plain.example.com
      audiences: [a]
      algorithms: [RS256]
      keys:
      - discovery: {cluster: idp, uri: http://plain.example.com/discovery}
  lists:
    api_key: {remote: {cluster: idp, uri: https://a.example.com/keys}}
  opaque:
    introspection:
      cluster: idp
      uri: https://far.example.com/introspect
      token_prefix: op_
      client: {id: a, secret_env: POSTERN_DEMO_A}
rules: [{name: all, match: {}, require: {none: true}}]
";

fn asking(name: &str, edit_bootstrap: impl FnOnce(&Path)) -> Vec<String> {
    demo(name, |folder| {
        std::fs::write(folder.join("filters/auth.yaml"), ASKING).unwrap();
        edit_bootstrap(&folder.join("envoy.yaml"));
    })
}

const CLUSTER: &str = "  - name: idp\n";

#[test]
fn what_is_for_https_goes_by_tls() {
    let clear = |path: &str, cluster: &str| {
        format!(
            "{path}: the bootstrap's cluster `{cluster}` has no TLS, and what is meant for an \
             `https` address would go in the clear, secrets too: expected a `transport_socket` with \
             an `UpstreamTlsContext`, or an address with `http://`"
        )
    };
    let all = [
        clear("revoked.remote.cluster", "idp"),
        clear("providers.far.jwt.keys[0].discovery.cluster", "idp"),
        clear("providers.far.jwt.keys[0].discovery.jwks_cluster", "upstream"),
        clear("providers.near.jwt.keys[0].remote.cluster", "idp"),
        clear("providers.lists.api_key.remote.cluster", "idp"),
        clear("providers.opaque.introspection.cluster", "idp"),
    ];
    let all: Vec<&str> = all.iter().map(String::as_str).collect();
    finds(&asking("clear", |_| ()), &all);
    let socket = |inner: &str| format!("{CLUSTER}    transport_socket: {inner}\n");
    let kind = "type.googleapis.com/envoy.extensions.transport_sockets";
    let raw = format!("{{name: r, typed_config: {{'@type': {kind}.raw_buffer.v3.RawBuffer}}}}");
    let wrapped = |inner: &str| {
        let tap = format!("'@type': {kind}.tap.v3.Tap");
        format!("{{name: t, typed_config: {{{tap}, transport_socket: {inner}}}}}")
    };
    for (name, inner) in [("raw", &raw), ("tapped", &wrapped(&raw))] {
        finds(&asking(name, |file| edit(file, CLUSTER, &socket(inner))), &all);
    }
    // Clusters that come later are not here to be looked at; these are.
    let later = asking("clear-later", |file| {
        let cds = "dynamic_resources: {cds_config: {path_config_source: {path: /a.yaml}}}\n";
        edit(file, "static_resources:\n", &format!("{cds}static_resources:\n"));
    });
    finds(&later, &all);
    let context = "common_tls_context: {validation_context: {trusted_ca: {filename: ca.pem}}}";
    let tls = format!(
        "{{name: s, typed_config: {{'@type': {kind}.tls.v3.UpstreamTlsContext, {context}}}}}"
    );
    let matches = format!("{CLUSTER}    transport_socket_matches: [{{name: a, match: {{}}}}]\n");
    let keys = [all[2]];
    for (name, cluster) in
        [("tls", &socket(&tls)), ("tapped-tls", &socket(&wrapped(&tls))), ("matched", &matches)]
    {
        finds(&asking(name, |file| edit(file, CLUSTER, cluster)), &keys);
    }
}

#[test]
fn a_server_has_to_show_whose_it_is() {
    let found = |name: &str, context: &str| {
        demo(name, |folder| {
            let kind = "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3";
            let tls = format!("'@type': {kind}.UpstreamTlsContext, common_tls_context: {context}");
            let socket = format!("    transport_socket: {{name: s, typed_config: {{{tls}}}}}\n");
            edit(&folder.join("envoy.yaml"), CLUSTER, &format!("{CLUSTER}{socket}"));
        })
    };
    let at = "static_resources.clusters[1].transport_socket.typed_config";
    let anybody = format!(
        "{at}: takes anybody's certificate for the server's: expected a `trusted_ca` in the \
         `validation_context`"
    );
    for (n, bad) in [
        "{}",
        "{validation_context: {}}",
        "{validation_context: {verify_certificate_hash: []}}",
        "{combined_validation_context: {default_validation_context: {crl: {filename: a}}}}",
    ]
    .into_iter()
    .enumerate()
    {
        finds(&found(&format!("anybody-{n}"), bad), &[&anybody]);
    }
    for (n, good) in [
        "{validation_context: {trusted_ca: {filename: a}}}",
        "{validationContext: {trustedCa: {filename: a}, trust_chain_verification: VERIFY_TRUST_CHAIN}}",
        "{validation_context: {system_root_certs: {}}}",
        "{validation_context: {verify_certificate_hash: [a]}}",
        "{validation_context: {verify_certificate_spki: [a]}}",
        "{validation_context_sds_secret_config: {name: a}}",
        "{combined_validation_context: {default_validation_context: {trusted_ca: {filename: a}}}}",
        "{combined_validation_context: {validation_context_sds_secret_config: {name: a}}}",
    ]
    .into_iter()
    .enumerate()
    {
        finds(&found(&format!("somebody-{n}"), good), &[]);
    }
    let untrusted = found(
        "untrusted",
        "{validation_context: {trusted_ca: {filename: a}, trust_chain_verification: ACCEPT_UNTRUSTED}}",
    );
    let expected = format!(
        "{at}.common_tls_context.validation_context.trust_chain_verification: expected \
         `VERIFY_TRUST_CHAIN`: `ACCEPT_UNTRUSTED` takes anybody's certificate for the server's"
    );
    finds(&untrusted, &[&expected]);
}

/// One caret, under the word, not under the whole condition.
#[test]
fn a_mistake_in_a_condition_is_pointed_at() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/broken");
    let file = folder.join("authz-condition-of-words.yaml");
    let findings = check(&[file], &|_| None).unwrap_err();
    let text = report::text(&findings, false);
    let shown: Vec<&str> = text.lines().skip(1).map(str::trim_end).collect();
    let expected = [
        "  |",
        "9 |     when: request.method == \"GET\" and path.name == \"a\"",
        "  |                                   ^",
        "",
    ];
    assert_eq!(shown, expected);
}
