//! What `explain` says, and what it does not: what is fetched cannot be had offline,
//! and credentials are not shown.

#![allow(clippy::unwrap_used)]

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use postern_auth::Auth;
use postern_authz::Authz;
use postern_cli::chain::Chain;
use postern_cli::edge::Sent;
use postern_cli::explain::{Answering, explain};
use postern_cli::policy::Policy;

/// A chain of `auth` alone.
fn only_auth(text: &str) -> Chain {
    let policy = Policy::parse(Path::new("auth.yaml"), "auth", text).unwrap();
    let mut chain = Chain::new(Duration::from_secs(1_795_478_400));
    chain.mount::<Auth>("auth", &policy.node, &|_| None).unwrap();
    chain
}

#[test]
fn keys_that_are_fetched_are_said_to_be_missing() {
    let text = "providers:\n  keys:\n    api_key:\n      remote:\n        cluster: idp\n        \
                uri: https://id.example.com/api-keys.json\n";
    let chain = only_auth(text);
    let sent = Sent {
        method: b"GET".to_vec(),
        path: b"/whoami".to_vec(),
        headers: vec![
            (b"host".to_vec(), b"api.example.com".to_vec()),
            (b"x-api-key".to_vec(), b"some-key".to_vec()),
        ],
        ..Sent::default()
    };
    let explained = explain(&chain, &sent, Answering(None));
    assert_eq!(explained.refused(), Some(503));
    let text = explained.to_text();
    assert!(text.contains("(keys_unavailable)"), "{text}");
    assert!(text.contains("offline nothing is fetched: give the key that is missing by"), "{text}");
    assert!(text.contains("retry-after: "), "{text}");
}

/// Where a policy has credentials stand, `explain` shows none, though the upstream
/// gets them.
#[test]
fn credentials_are_hidden_wherever_the_policy_has_them_stand() {
    let provider = |name: &str, from: &str| {
        format!(
            "  {name}:\n    api_key:\n      forward: true\n      from: [{from}]\n      keys:\n        \
             - {{id: {name}, sha256: {}, subject: northwind}}\n",
            postern_core::digest::hex(&postern_core::digest::sha256(b"sekret"))
        )
    };
    let mut policy = "providers:\n".to_owned();
    for (name, from) in [
        ("header", "{header: {name: x-shop-token, prefix: \"Token \"}}"),
        ("query", "{query: shop_key}"),
        ("cookie", "{cookie: shop}"),
    ] {
        policy.push_str(&provider(name, from));
    }
    policy.push_str("rules:\n  - name: all\n    match: {paths: [/**]}\n    ");
    policy.push_str("require: {any_of: [header, query, cookie]}\n");
    let policy = Policy::parse(Path::new("auth.yaml"), "auth", &policy).unwrap();
    let mut chain = Chain::new(Duration::from_secs(1_795_478_400));
    chain.mount::<Auth>("auth", &policy.node, &|_| None).unwrap();
    for (path, (name, value), shown) in [
        ("/a?x=1", ("x-shop-token", "Token sekret"), "x-shop-token: ***"),
        ("/a?x=1&shop_key=sekret", ("accept", "*/*"), "GET /a?x=1&shop_key=***"),
        ("/a?x=1", ("cookie", "shop=sekret"), "cookie: ***"),
    ] {
        let sent = Sent {
            method: b"GET".to_vec(),
            path: path.as_bytes().to_vec(),
            headers: vec![
                (b"host".to_vec(), b"api.example.com".to_vec()),
                (name.as_bytes().to_vec(), value.as_bytes().to_vec()),
            ],
            ..Sent::default()
        };
        let explained = explain(&chain, &sent, Answering(None));
        let (text, json) = (explained.to_text(), explained.to_json().to_string());
        assert!(text.contains("(authenticated)") && text.contains(shown), "{text}");
        for told in [text, json] {
            assert!(!told.contains("sekret") && told.contains("***"), "{told}");
        }
    }
}

/// What would be refused passes: that is no refusal, and said.
#[test]
fn a_verdict_that_is_only_told_is_marked() {
    let text = "providers: {keys: {api_key: {remote: {cluster: a, uri: http://a/b}}}}\n\
                rules: [{name: all, match: {}, require: {any_of: [keys]}, report_only: true}]\n";
    let chain = only_auth(text);
    let sent = Sent {
        method: b"GET".to_vec(),
        path: b"/whoami".to_vec(),
        headers: vec![(b"host".to_vec(), b"api.example.com".to_vec())],
        certificate: true,
        ..Sent::default()
    };
    let explained = explain(&chain, &sent, Answering(None));
    assert_eq!(explained.refused(), None);
    let expected = "GET api.example.com/whoami\n\
                    the client's certificate is not looked at: offline there is no TLS\n\n\
                    auth  deny  rule all  (missing_credential) [shadow]\n\n\
                    to the upstream: GET /whoami\n";
    let text = explained.to_text();
    assert!(text.starts_with(expected), "{text}");
    assert_eq!(explained.to_json().get("certificate_not_looked_at"), Some(&true.into()));
}

/// A candidate decides beside the current rules: what it would do is said.
#[test]
fn the_verdict_that_does_not_count_is_told_too() {
    let explained = |mode: &str| {
        let rule = "name: sale\n  match: {paths: [/sale]}\n  subject:";
        let text = format!(
            "rules:\n- {rule} anyone\ncandidate:\n  mode: {mode}\n  rules:\n  - {}  identified\n",
            rule.replace("\n", "\n  ")
        );
        let policy = Policy::parse(Path::new("authz.yaml"), "authz", &text).unwrap();
        let mut chain = only_auth(
            "providers: {keys: {api_key: {remote: {cluster: a, uri: http://a/b}}}}\n\
             rules: [{name: all, match: {}, require: {none: true}}]\n",
        );
        chain.mount::<Authz>("authz", &policy.node, &|_| None).unwrap();
        let headers = vec![(b"host".to_vec(), b"api.example.com".to_vec())];
        let (method, path) = (b"GET".to_vec(), b"/sale".to_vec());
        let text =
            explain(&chain, &Sent { method, path, headers, ..Sent::default() }, Answering(None));
        text.to_text().lines().find(|line| line.starts_with("authz")).unwrap().to_owned()
    };
    assert_eq!(
        explained("shadow"),
        "authz  allow  rule sale  (allowed) [shadow: deny sale (identity_required)]"
    );
    assert_eq!(
        explained("enforce"),
        "authz  deny  rule sale  (identity_required) [current: allow sale (allowed)]"
    );
}

/// Where Envoy's own filter says who calls, nobody does offline.
#[test]
fn everybody_is_anonymous_without_jwt_authn() {
    let text = "identity: {jwt_authn: {payload: p}}\n\
                rules: [{name: all, match: {}, subject: identified}]\n";
    let policy = Policy::parse(Path::new("authz.yaml"), "authz", text).unwrap();
    let mut chain = Chain::new(Duration::from_secs(1_795_478_400));
    chain.mount::<Authz>("authz", &policy.node, &|_| None).unwrap();
    let headers = vec![(b"host".to_vec(), b"api.example.com".to_vec())];
    let (method, path) = (b"GET".to_vec(), b"/a".to_vec());
    let explained =
        explain(&chain, &Sent { method, path, headers, ..Sent::default() }, Answering(None));
    let expected = "GET api.example.com/a\n\n\
                    authz  deny  rule all  (identity_required)\n\
                    \x20        identity is from `jwt_authn`, which `explain` does not run: \
                    judged as \
                    anonymous\n";
    let text = explained.to_text();
    assert!(text.starts_with(expected), "{text}");
    let json = explained.to_json();
    assert_eq!(json.get("judged_as_anonymous"), Some(&serde_json::json!(["authz"])));
}

#[test]
fn every_command_helps() {
    for command in ["check", "apply", "explain", "schema", "reference"] {
        for flag in ["--help", "-h"] {
            let tool = Command::new(env!("CARGO_BIN_EXE_postern")).args([command, flag]).output();
            let tool = tool.unwrap();
            let said = String::from_utf8(tool.stdout).unwrap();
            assert!(tool.status.success(), "{command} {flag}");
            assert!(said.contains(&format!("Usage: postern {command} ")), "{said}");
        }
    }
}

/// `--json` is the tool's own, and curl's where a body follows.
#[test]
fn json_is_sent_as_curl_sends_it() {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("json");
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(&folder).unwrap();
    let policy = "limits: [{id: a, match: {}, quota: 1, window: 1s}]\n";
    std::fs::write(folder.join("rate-limit.yaml"), policy).unwrap();
    let mut tool = Command::new(env!("CARGO_BIN_EXE_postern"));
    tool.args(["explain", "curl", "--json", "{}", "a/b", "--json", "--policies"]).arg(folder);
    let said = tool.output().unwrap();
    let said: serde_json::Value = serde_json::from_slice(&said.stdout).unwrap();
    let headers = [("accept", "application/json"), ("content-type", "application/json")];
    assert_eq!(said.pointer("/request/method"), Some(&"POST".into()));
    let sent = said.pointer("/upstream/headers").unwrap().as_array().unwrap();
    for (name, value) in headers {
        assert!(sent.contains(&serde_json::json!([name, value])), "{sent:?}");
    }
}
