#![allow(clippy::unwrap_used, clippy::panic)]

use postern_core::config::parse_json;
use postern_core::fake::FakeHost;
use postern_core::{Filter, HeaderEdit, Headers, Outcome, Request, Response, Step};
use serde_json::Value;

use crate::{LegacyCompat, Stream};

mod digests;
mod unseen;

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
    let long = seen(&filter, "/a/b", &[("content-length", "2000000")], b"1");
    assert_eq!(would(&long), "unfit:too_large");
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

/// An answer that turns out to be too long: what would have become of it.
fn long_answer_of(answers: &str) -> String {
    let filter = filter(&format!(r#""answers": {answers}"#));
    let (host, mut stream) = (FakeHost::default(), Stream::default());
    let lines = [(":method", "GET"), (":authority", "a.example"), (":path", "/a/b")];
    let request =
        filter.request_headers(&mut stream, &Request::new(Headers::new(lines), true), &host);
    let head = [(":status", "200"), ("content-type", "application/json")];
    let held =
        filter.response_headers(&mut stream, &Response::new(Headers::new(head), false), &host);
    assert!(matches!(held.step, Step::Hold));
    would(&Seen { request, answer: filter.response_body_over_cap(&mut stream) })
}

#[test]
fn of_what_is_too_long_it_says_what_becomes_of_the_headers() {
    let asks =
        r#"{"when": {"body": [{"at": "a", "exact": ["1"]}]}, "edit": {"scalars": "string"}}"#;
    let then = |case: &str| long_answer_of(&format!("[{asks}, {case}]"));
    assert!(then(r#"{"headers": {"set": {"x-a": "1"}}}"#).starts_with("change:"));
    assert_eq!(then(r#"{"headers": {"remove": ["x-none"]}}"#), "same");
    assert_eq!(then(r#"{"edit": {}}"#), "same");
    assert_eq!(then(r#"{"edit": {"nulls": "empty"}}"#), "unfit:too_large");
    assert!(then(r#"{"text": "gone", "content_type": "text/plain"}"#).starts_with("change:"));
}

#[test]
fn an_answer_that_could_not_be_edited_is_not_held_for_a_trial() {
    let of = |answers: &str, kind: &str| {
        let filter = filter(&format!(r#""answers": {answers}"#));
        let (host, mut stream) = (FakeHost::default(), Stream::default());
        let lines = [(":method", "GET"), (":authority", "a.example"), (":path", "/a/b")];
        let request =
            filter.request_headers(&mut stream, &Request::new(Headers::new(lines), true), &host);
        let head = [(":status", "200"), ("content-type", kind)];
        let response = Response::new(Headers::new(head), false);
        would(&Seen { request, answer: filter.response_headers(&mut stream, &response, &host) })
    };
    assert_eq!(of(r#"[{"edit": {"scalars": "string"}}]"#, "text/html"), "unfit:not_json");
    assert_eq!(of(r#"[{"edit": {}}]"#, "application/json"), "same");
}

/// As it stands in the record of an answer: what would have become of it.
fn answer_of(answers: &str, headers: &[(&str, &str)], body: &[u8]) -> String {
    would(&seen(&filter(&format!(r#""answers": {answers}"#)), "/a/b", headers, body))
}

#[test]
fn it_sees_what_is_asked_of_an_answers_headers_and_body() {
    let by_header = r#"[{"when": {"headers": [{"name": "x-kind", "exact": ["old"]}]}, "edit": {"scalars": "string"}}]"#;
    let body = br#"{"a":1,"e":{"code":404}}"#;
    let change = answer_of(by_header, &[("x-kind", "old")], body);
    assert!(change.starts_with("change:"), "{change}");
    assert_eq!(answer_of(by_header, &[("x-kind", "new")], body), "same");
    let by_body = r#"[{"when": {"body": [{"at": "e.code", "exact": ["404"]}]}, "edit": {"scalars": "string"}}]"#;
    assert_eq!(answer_of(by_body, &[], body), change);
    assert_eq!(answer_of(by_body, &[], br#"{"a":1,"e":{"code":405}}"#), "same");
    // What cannot be read decides nothing, nor what is not there or too long.
    assert_eq!(answer_of(by_body, &[], b"{"), "same");
    assert_eq!(answer_of(by_body, &[], b""), "same");
    assert_eq!(answer_of(by_body, &[("content-length", "2000000")], b""), "same");
    assert_eq!(answer_of(by_body, &[("content-encoding", "br")], body), "same");
    // The body decides that a header is set, and nothing else.
    let header = r#"[{"when": {"body": [{"at": "e.code", "exact": ["404"]}]}, "headers": {"set": {"x-a": "1"}}}]"#;
    assert!(answer_of(header, &[], body).starts_with("change:"));
    assert_eq!(answer_of(header, &[("x-a", "1")], body), "same");
    // The first case that is asked nothing of the body counts where the others do not hold.
    let both = format!(
        "[{}, {}",
        by_body.trim_matches(['[', ']']),
        r#"{"headers": {"set": {"x-a": "1"}}}]"#
    );
    assert_eq!(answer_of(&both, &[("x-a", "1")], br#"{"e":{"code":405}}"#), "same");
    assert!(answer_of(&both, &[], br#"{"e":{"code":405}}"#).starts_with("change:"));
}

const FORM: [(&str, &str); 1] = [("content-type", "application/x-www-form-urlencoded")];

/// A request with a body, as it ends up: `None`, the body was too long.
fn posted(filter: &LegacyCompat, headers: &[(&str, &str)], body: Option<&[u8]>) -> Outcome {
    let host = FakeHost::default();
    let mut stream = Stream::default();
    let head = [(":method", "POST"), (":authority", "a.example"), (":path", "/a/b")];
    let request = Request::new(Headers::new([&head[..], headers].concat()), false);
    let first = filter.request_headers(&mut stream, &request, &host);
    assert!(first.publish.iter().any(|(key, value)| *key == "path" && &**value == b"/a/b"));
    if !matches!(first.step, Step::Hold) {
        return first;
    }
    assert_eq!(first.headers, []);
    // What is known by then is told: the body may never end.
    assert_eq!(record(&first)["shadow_request"], "held");
    match body {
        Some(body) => filter.request_body(&mut stream, body, &host),
        None => filter.request_body_over_cap(&mut stream),
    }
}

fn request_of(outcome: &Outcome) -> String {
    assert_eq!((outcome.headers.as_slice(), &outcome.body), (&[][..], &None));
    assert!(matches!(outcome.step, Step::Continue));
    let record = record(outcome);
    assert_eq!((&record["rule"], &record["code"]), (&"kept".into(), &"matched".into()));
    record["shadow_request"].as_str().unwrap().to_owned()
}

#[test]
fn it_sees_a_requests_body() {
    let tried = r#""request": {"path": "/c/{body.id}", "body": {"from": "form", "to": "json"}}"#;
    let tried = filter(tried);
    let change = request_of(&posted(&tried, &FORM, Some(b"id=7&n=1")));
    assert!(change.starts_with("change:"), "{change}");
    assert_eq!(request_of(&posted(&tried, &FORM, Some(b"id=7&n=1"))), change);
    assert_ne!(request_of(&posted(&tried, &FORM, Some(b"id=7&n=2"))), change);
    assert_ne!(request_of(&posted(&tried, &FORM, Some(b"id=8&n=1"))), change);
    // What would have been refused: another type, too long, without what the path needs.
    let json = [("content-type", "application/json")];
    assert_eq!(request_of(&posted(&tried, &json, Some(b"{}"))), "unfit:request");
    assert_eq!(request_of(&posted(&tried, &FORM, None)), "unfit:request");
    assert_eq!(request_of(&posted(&tried, &FORM, Some(b"n=1"))), "unfit:request");
    // Of what is too long, the headers are edited all the same.
    let body = r#""body": {"on_mismatch": "original"}"#;
    let long = filter(&format!(r#""request": {{"path": "/c", {body}}}"#));
    let small = request_of(&posted(&long, &json, Some(b"{")));
    assert!(small.starts_with("change:"), "{small}");
    assert_eq!(request_of(&posted(&long, &json, None)), small);
    // What would stay as it is.
    let plain = filter(r#""request": {"body": {"from": "json", "on_mismatch": "original"}}"#);
    assert_eq!(request_of(&posted(&plain, &json, None)), "same");
    assert_eq!(request_of(&posted(&plain, &json, Some(b"{"))), "same");
    assert_eq!(request_of(&posted(&plain, &json, Some(b""))), "same");
    assert_eq!(request_of(&posted(&plain, &FORM, Some(b"a=1"))), "same");
}

#[test]
fn a_request_that_waits_for_its_body_anyway_is_rewritten_once() {
    let policy = r#"{"rules": [
        {"name": "tried", "mode": "shadow", "match": {"paths": ["/a/b"]},
         "request": {"body": {"from": "form", "to": "json"}}},
        {"name": "kept", "match": {"paths": ["/a/b"]},
         "request": {"path": "/c", "body": {"from": "form", "edit": {"steps": [{"rename": {"from": "a", "to": "b"}}]}}}}]}"#;
    let filter = LegacyCompat::configure(&parse_json(policy.as_bytes()).unwrap(), &|_| None);
    let outcome = posted(&filter.unwrap(), &FORM, Some(b"a=1"));
    assert_eq!(outcome.body.as_deref(), Some(&b"b=1"[..]));
    assert!(outcome.headers.contains(&HeaderEdit::set(":path", "/c")));
    let record = record(&outcome);
    assert_eq!((&record["rule"], &record["code"]), (&"kept".into(), &"rewritten".into()));
    assert!(record["shadow_request"].as_str().unwrap().starts_with("change:"), "{record}");
}

#[test]
fn a_request_that_is_refused_does_not_wait() {
    let policy = r#"{"hosts": [{"names": ["a.example"], "dialect": "old", "unmatched": "refuse"}],
        "dialects": {"old": {}}, "rules": [
        {"name": "tried", "mode": "shadow", "match": {"paths": ["/a/b"]},
         "request": {"body": {"from": "form", "to": "json"}}}]}"#;
    let filter = LegacyCompat::configure(&parse_json(policy.as_bytes()).unwrap(), &|_| None);
    let outcome = posted(&filter.unwrap(), &FORM, Some(b"a=1"));
    assert!(matches!(&outcome.step, Step::Refuse(refusal) if refusal.status == 404));
    // Its body will not come.
    assert_eq!(record(&outcome)["shadow_request"], "held");
}
