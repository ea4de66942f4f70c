#![allow(clippy::unwrap_used, clippy::panic)]

use postern_core::config::parse_json;
use postern_core::fake::FakeHost;
use postern_core::{Filter, HeaderEdit, Headers, Outcome, Request, Response, Step};
use serde_json::Value;

use crate::{LegacyCompat, Stream};

/// What is enforced adds a header to every answer, and what is tried comes before it.
fn filter(tried: &str) -> LegacyCompat {
    let policy = format!(
        r#"{{"dialects": {{"old": {{"headers": {{"set": {{"x-old": "1"}}}}}}}}, "rules": [
            {{"name": "tried", "mode": "shadow", "match": {{"paths": ["/a/{{b}}"]}}, {tried}}},
            {{"name": "kept", "match": {{"paths": ["/a/**"]}}, "dialect": "old"}}]}}"#
    );
    LegacyCompat::configure(&parse_json(policy.as_bytes()).unwrap(), &|_| None)
        .unwrap_or_else(|e| panic!("{e}"))
}

struct Seen {
    request: Outcome,
    answer: Outcome,
}

/// One request, and its answer in JSON.
fn seen(filter: &LegacyCompat, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Seen {
    let host = FakeHost::default();
    let mut stream = Stream::default();
    let lines = [(":method", "GET"), (":authority", "a.example"), (":path", path)];
    let request = Request::new(Headers::new(lines), true);
    let request = filter.request_headers(&mut stream, &request, &host);
    assert!(filter.follows(&stream));
    let head = [(":status", "200"), ("content-type", "application/json")];
    let lines = [&head[..], headers].concat();
    let response = Response::new(Headers::new(lines.iter().copied()), body.is_empty());
    let mut answer = filter.response_headers(&mut stream, &response, &host);
    if matches!(answer.step, Step::Hold) {
        answer = filter.response_body(&mut stream, body, &host);
    }
    Seen { request, answer }
}

fn record(outcome: &Outcome) -> Value {
    serde_json::from_slice(&outcome.record.as_ref().unwrap().to_json("v")).unwrap()
}

/// What the record says would have become of the answer; nothing of it was done.
fn would(seen: &Seen) -> String {
    assert_eq!(seen.answer.body, None);
    assert_eq!(seen.answer.headers, [HeaderEdit::set("x-old", "1")]);
    assert!(matches!(seen.answer.step, Step::Continue));
    let record = record(&seen.answer);
    assert_eq!(record["rule"], "kept");
    assert_eq!(record["shadow"], "tried");
    record["shadow_answer"].as_str().unwrap().to_owned()
}

const EDIT: &str = r#""answers": [{"when": {"status": [200]}, "edit": {"scalars": "string"}}]"#;

#[test]
fn what_it_would_do_to_an_answer_is_recorded_and_not_done() {
    let filter = filter(EDIT);
    let change = seen(&filter, "/a/b", &[], br#"{"a":1}"#);
    let first = would(&change);
    assert!(first.starts_with("change:") && first.len() == 19, "{first}");
    assert_eq!(change.answer.count, [6]);
    // The same difference, and another.
    assert_eq!(would(&seen(&filter, "/a/b", &[], br#"{"a":1}"#)), first);
    assert_ne!(would(&seen(&filter, "/a/b", &[], br#"{"a":2}"#)), first);
    let same = seen(&filter, "/a/b", &[], br#"{"a":"1"}"#);
    assert_eq!((would(&same).as_str(), same.answer.count), ("same", vec![5]));
    let unfit = seen(&filter, "/a/b", &[], b"{");
    assert_eq!((would(&unfit).as_str(), unfit.answer.count), ("unfit:bad_json", vec![7]));
    // Without a body, and with one that is too long.
    assert_eq!(would(&seen(&filter, "/a/b", &[], b"")), "unfit:no_body");
    let long = seen(&filter, "/a/b", &[("content-length", "2000000")], b"");
    assert_eq!(would(&long), "unfit:no_body");
    // A tag of a body that would be another.
    let tagged = seen(&filter, "/a/b", &[("etag", "\"x\"")], br#"{"a":"1"}"#);
    assert!(would(&tagged).starts_with("change:"));
}

#[test]
fn what_it_would_do_to_a_request_is_recorded_and_not_done() {
    let filter = filter(r#""request": {"path": "/c/{b}", "headers": {"remove": ["x-none"]}}"#);
    let other = seen(&filter, "/a/b", &[], b"");
    assert_eq!(other.request.headers, []);
    let first = record(&other.request)["shadow_request"].as_str().unwrap().to_owned();
    assert!(first.starts_with("change:"), "{first}");
    let another = seen(&filter, "/a/x", &[], b"");
    assert_ne!(record(&another.request)["shadow_request"], first.as_str());
    // Its answers would stay: those of the dialect are not its own.
    assert_eq!(would(&other), "same");
}

#[test]
fn headers_alone_are_compared_without_the_body() {
    let filter = filter(r#""answers": [{"headers": {"set": {"x-a": "1"}, "remove": ["x-b"]}}]"#);
    let same = seen(&filter, "/a/b", &[("x-a", "1")], br#"{"a":1}"#);
    assert_eq!(would(&same), "same");
    for headers in [[("x-a", "2")], [("x-b", "1")]] {
        assert!(would(&seen(&filter, "/a/b", &headers, b"1")).starts_with("change:"));
    }
}

#[test]
fn a_body_that_is_rewritten_anyway_is_looked_at_as_it_came() {
    let policy = r#"{"rules": [
        {"name": "tried", "mode": "shadow", "match": {"paths": ["/a"]},
         "answers": [{"json": {"c": "{a}"}}]},
        {"name": "kept", "match": {"paths": ["/a"]}, "answers": [{"json": {"b": "{a}"}}]}]}"#;
    let filter = LegacyCompat::configure(&parse_json(policy.as_bytes()).unwrap(), &|_| None);
    let seen = seen(&filter.unwrap(), "/a", &[], br#"{"a":1}"#);
    assert_eq!(seen.answer.body.as_deref(), Some(&br#"{"b":1}"#[..]));
    let record = record(&seen.answer);
    assert_eq!(record["answer"], "rewritten");
    assert!(record["shadow_answer"].as_str().unwrap().starts_with("change:"), "{record}");
}

#[test]
fn it_does_not_count_where_nothing_else_matches() {
    let policy = r#"{"rules": [
        {"name": "tried", "mode": "shadow", "match": {"paths": ["/{user}/{key}"]},
         "request": {"path": "/a", "credential": {"basic": {"username": "{user}", "password": "{key}"}}}}]}"#;
    let filter = LegacyCompat::configure(&parse_json(policy.as_bytes()).unwrap(), &|_| None);
    let seen = seen(&filter.unwrap(), "/me/k1", &[], b"1");
    assert_eq!(seen.request.headers, []);
    let record = record(&seen.request);
    assert_eq!((&record["decision"], &record["code"]), (&"skip".into(), &"no_rule".into()));
    // What it knows to be a secret is none the less.
    let path = seen.request.publish.iter().find(|(key, _)| *key == "path").unwrap();
    assert_eq!(path.1.as_ref(), b"/me/***");
    assert_eq!(seen.answer.headers, []);
}
