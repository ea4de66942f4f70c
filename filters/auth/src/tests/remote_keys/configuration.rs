//! What is refused, and what is measured.

use super::*;

#[test]
fn a_configuration_that_does_not_fit_together_is_refused() {
    let complaint = |keys: Value| {
        let policy = json!({"providers": {"idp": {"jwt": {
            "issuer": "market", "audiences": ["api"], "algorithms": ["EdDSA"], "keys": keys,
        }}}});
        let node = parse_json(policy.to_string().as_bytes()).unwrap();
        Auth::configure(&node, &environment).map(drop).unwrap_err().to_string()
    };
    let remote = |more: Value| {
        let mut all = json!({"cluster": "idp", "uri": "https://id.example.com/jwks"});
        for (name, value) in more.as_object().unwrap() {
            all[name] = value.clone();
        }
        complaint(json!([{"remote": all}]))
    };
    let at = "providers.idp.jwt.keys[0].remote";
    for (more, expected) in [
        (json!({"timeout": "31s"}), ".timeout: expected at most `30s`"),
        (json!({"wait": "9s"}), ".wait: expected at most `8s`"),
        (json!({"cooldown": "10ms"}), ".cooldown: expected at least `1s`"),
        (json!({"max_bytes": 300_000}), ".max_bytes: expected at most 262144 here"),
        (
            json!({"refresh": {"min": "20m"}}),
            ".refresh.min: expected no more than `refresh.default`, which is `10m` unless given",
        ),
        (
            json!({"refresh": {"default": "2h"}}),
            ".refresh.default: expected no more than `refresh.max`, which is `1h` unless given",
        ),
        (
            json!({"stale_for": "10m"}),
            ".stale_for: expected no less than `refresh.max`, which is `1h` unless given",
        ),
        (
            json!({"refresh": {"max": "10s", "min": "5s"}}),
            ".refresh.max: expected no less than `refresh.default`, which is `10m` unless given",
        ),
        (
            json!({"refresh": {"default": "10s"}}),
            ".refresh.default: expected no less than `refresh.min`, which is `1m` unless given",
        ),
        (
            json!({"refresh": {"min": "90s", "default": "1500ms"}}),
            ".refresh.min: expected no more than `refresh.default`, which is `1500ms`",
        ),
        (
            json!({"refresh": {"default": "90s", "max": "75s"}}),
            ".refresh.default: expected no more than `refresh.max`, which is `75s`",
        ),
        (
            json!({"refresh": {"max": "30h"}}),
            ".refresh.max: expected no more than `stale_for`, which is `24h` unless given",
        ),
        (
            json!({"refresh": {"max": "30h"}, "stale_for": "29h"}),
            ".stale_for: expected no less than `refresh.max`, which is `30h`",
        ),
        (
            json!({"uri": "ftp://id.example.com"}),
            ".uri: expected an address such as `https://id.example.com/jwks.json`",
        ),
        (
            json!({"uri": "https://user@id.example.com/"}),
            ".uri: expected an address such as `https://id.example.com/jwks.json`",
        ),
    ] {
        assert_eq!(remote(more), format!("{at}{expected}"));
    }
    let one = json!({"remote": {"cluster": "idp", "uri": "https://id.example.com/jwks"}});
    assert_eq!(
        complaint(json!([one, one])),
        "providers.idp.jwt.keys[1].remote: the keys of a provider are fetched from one place only"
    );
    assert_eq!(
        complaint(json!([{"discovery": {"cluster": "idp"}}])),
        "providers.idp.jwt.keys[0].discovery: the issuer is no address: give the document's by `uri`"
    );
}

#[test]
fn metrics_tell_of_the_keys() {
    let site = Site::new(json!([{"discovery": {"cluster": "idp"}}]));
    let names: Vec<_> = site.auth.metrics().into_iter().map(|m| m.name.into_owned()).collect();
    for name in [
        "provider.idp.keys_fetches",
        "provider.idp.keys_fetch_failures",
        "provider.idp.keys_not_modified",
        "provider.idp.keys_known",
        "provider.idp.keys_age_seconds",
        "provider.idp.keys_last_success_seconds",
        "provider.idp.discovery_fetches",
    ] {
        assert!(names.iter().any(|n| n == name), "{name}: {names:?}");
    }
    let site = Site::new(remote());
    let metrics = site.auth.metrics();
    let work = site.auth.tick(&site.host);
    assert_eq!(metrics[work.count[0]].name, "provider.idp.keys_fetches");
    let body = json!({"keys": [mint::ed25519_jwk()]}).to_string().into_bytes();
    let answer = Answer::Response { status: 200, headers: Vec::new(), body: body.into() };
    let work = site.auth.task_answer(work.ask[0].id, &answer, &site.host);
    let known = work.gauges.iter().find(|(i, _)| metrics[*i].name.ends_with("keys_known"));
    assert_eq!(known.map(|(_, n)| *n), Some(1));
}
