//! The filter as a whole: what a request becomes. What answers become is held
//! by the corpus, on the demo's policy.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod answers;
mod common;
mod faults;
mod framed;
mod hosts;
mod kept_secret;
mod passing;
mod requests;
mod slices;

use postern_core::config::parse_json;
use postern_core::fake::FakeHost;
use postern_core::{Filter, HeaderEdit, Headers, Outcome, Request, Step};

use crate::{LegacyCompat, Stream};

const POLICY: &str = r#"{
    "hosts": [{"names": ["old.example"], "dialect": "old", "unmatched": "refuse", "log_segments": 1}],
    "dialects": {"old": {}},
    "rules": [
        {"name": "private",
         "match": {"hosts": ["old.example"], "paths": ["/{user}/{key}/account.json"]},
         "request": {"path": "/account", "credential": {"basic": {"username": "{user}", "password": "{key}"}}}},
        {"name": "edit", "match": {"paths": ["/edit"]},
         "answers": [{"edit": {"scalars": "string"}}]}
    ]
}"#;

fn send(headers: &[(&str, &str)]) -> Outcome {
    let filter = LegacyCompat::configure(&parse_json(POLICY.as_bytes()).unwrap(), &|_| None);
    let request = Request::new(Headers::new(headers.iter().copied()), true);
    let host = FakeHost::default();
    filter.unwrap().request_headers(&mut Stream::default(), &request, &host)
}

fn get(method: &str, host: &str, path: &str, more: &[(&str, &str)]) -> Outcome {
    let own = [(":method", method), (":authority", host), (":path", path)];
    send(&[&own[..], more].concat())
}

/// The record as in the log, and the path that may be logged.
fn logged(outcome: &Outcome) -> (String, String) {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    let path = outcome.publish.iter().find(|(key, _)| *key == "path").unwrap();
    (text(&outcome.record.as_ref().unwrap().to_json("v")), text(&path.1))
}

#[test]
fn a_credential_stands_beside_one_that_the_client_sent() {
    let outcome =
        get("GET", "old.example", "/me/k1/account.json", &[("authorization", "Bearer x")]);
    assert_eq!(
        outcome.headers,
        [
            HeaderEdit::set(":path", "/account"),
            HeaderEdit::append("authorization", "Basic bWU6azE="),
        ]
    );
    let (record, path) = logged(&outcome);
    assert_eq!(path, "/me/***/account.json");
    assert!(record.contains(r#""host":"old.example""#) && !record.contains("k1"), "{record}");
}

#[test]
fn a_malformed_credential_is_challenged() {
    let outcome = get("GET", "old.example", "/m%3Ae/k1/account.json", &[]);
    let Step::Refuse(refusal) = &outcome.step else { panic!("refused") };
    assert_eq!((refusal.status, refusal.code), (401, "invalid_credential"));
    let challenge = br#"Basic realm="postern", charset="UTF-8""#;
    assert_eq!(refusal.headers, [("www-authenticate".into(), challenge.to_vec())]);
}

#[test]
fn a_change_keeps_its_conditions() {
    let names = |method| {
        let conditions = [("if-match", "\"a\""), ("if-none-match", "*")];
        let outcome = get(method, "api.example", "/edit", &conditions);
        outcome.headers.iter().map(|e| e.name().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(names("PUT"), ["accept-encoding"]);
    assert_eq!(names("GET").len(), 7);
    assert_eq!(names("HEAD").len(), 7);
}

#[test]
fn a_host_that_cannot_be_read_may_be_any() {
    for host in ["me:k1@old.example", "old.example,old.example", "old.example:x", "\u{e9}"] {
        let (record, path) = logged(&get("GET", host, "/me/k1/account.json", &[]));
        assert_eq!(path, "/me/...", "{host}");
        assert!(record.contains(r#""host":"-""#) && !record.contains("k1"), "{record}");
    }
    let (_, path) = logged(&get("GET", "api.example", "/me/k1/account.json", &[]));
    assert_eq!(path, "/me/k1/account.json");
}

#[test]
fn requests_without_anything_do_not_trap() {
    for headers in [&[][..], &[(":method", "CONNECT")], &[(":path", "")], &[(":path", "*")]] {
        send(headers);
    }
}
