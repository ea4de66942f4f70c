//! Trials where the rule that counts does not wait for the answer's body, or waits longer
//! than the trial.

use super::*;

/// A rule that counts with these answers, and one that is tried before it.
fn beside(tried: &str, counts: &str) -> LegacyCompat {
    let policy = format!(
        r#"{{"dialects": {{"old": {{"answers": [{{"when": {{"status": ["5xx"]}}, "status": 500,
            "text": "fault", "content_type": "text/plain"}}]}}}}, "rules": [
            {{"name": "tried", "mode": "shadow", "match": {{"paths": ["/a/b"]}}, "answers": [{tried}]}},
            {{"name": "kept", "match": {{"paths": ["/a/b"]}}, "dialect": "old", "answers": [{counts}]}}]}}"#
    );
    LegacyCompat::configure(&parse_json(policy.as_bytes()).unwrap(), &|_| None)
        .unwrap_or_else(|e| panic!("{e}"))
}

const GONE: &str = r#"{"status": 410, "text": "gone", "content_type": "text/plain"}"#;
const EDITED: &str = r#"{"edit": {"scalars": "string"}}"#;

/// What the record says of an answer that another takes the place of at its headers.
fn replaced(tried: &str, counts: &str, headers: &[(&str, &str)]) -> (String, Vec<usize>) {
    let seen = seen(&beside(tried, counts), "/a/b", headers, b"1");
    assert!(matches!(seen.answer.step, Step::Reply(_)), "{tried}");
    let record = record(&seen.answer);
    assert_eq!((&record["rule"], &record["shadow"]), (&"kept".into(), &"tried".into()));
    (record["shadow_answer"].as_str().unwrap().to_owned(), seen.answer.count)
}

#[test]
fn a_trial_is_judged_where_another_answer_takes_the_place_of_the_one_that_came() {
    let of = |tried: &str, headers: &[(&str, &str)]| replaced(tried, GONE, headers).0;
    // What it would have looked at has not come.
    assert_eq!(replaced(EDITED, GONE, &[]), ("unfit:not_seen".to_owned(), vec![2, 7]));
    let asks =
        r#"{"when": {"body": [{"at": "a", "exact": ["1"]}]}, "headers": {"set": {"x-a": "1"}}}"#;
    assert_eq!(of(asks, &[]), "unfit:not_seen");
    assert_eq!(of(EDITED, &[("content-encoding", "br")]), "unfit:unknown_coding");
    // The headers of the answer that came are there, whatever takes its place.
    let copies = r#"{"headers": {"copy": {"x-a": "x-b"}}}"#;
    assert!(of(copies, &[("x-a", "1")]).starts_with("change:"));
    assert_ne!(of(copies, &[("x-a", "2")]), of(copies, &[("x-a", "1")]));
    assert_eq!(replaced(copies, GONE, &[]), ("same".to_owned(), vec![2, 5]));
    let constant = r#"{"status": 404, "json": {"status": "{$status}"}}"#;
    let change = of(constant, &[]);
    assert!(change.starts_with("change:"), "{change}");
    // Nor does a fault in its place change what the answer was.
    let or_fault =
        r#"{"when": {"status": [200]}, "edit": {"scalars": "string"}, "on_mismatch": "fault"}"#;
    let part = [("content-range", "bytes 0-1/2")];
    assert_eq!(replaced(constant, or_fault, &part).0, of(constant, &part));
}

#[test]
fn what_the_headers_say_is_counted_once() {
    let filter = beside(r#"{"headers": {"set": {"x-a": "1"}}}"#, EDITED);
    let (host, mut stream) = (FakeHost::default(), Stream::default());
    let lines = [(":method", "GET"), (":authority", "a.example"), (":path", "/a/b")];
    filter.request_headers(&mut stream, &Request::new(Headers::new(lines), true), &host);
    let head = [(":status", "200"), ("content-type", "application/json")];
    let response = Response::new(Headers::new(head), false);
    let held = filter.response_headers(&mut stream, &response, &host);
    assert!(matches!(held.step, Step::Hold));
    let judged = record(&held)["shadow_answer"].clone();
    assert!(judged.as_str().unwrap().starts_with("change:"), "{judged}");
    let done = filter.response_body(&mut stream, br#"{"a":1}"#, &host);
    assert_eq!(done.body.as_deref(), Some(&br#"{"a":"1"}"#[..]));
    assert_eq!(record(&done)["shadow_answer"], judged);
    assert_eq!((held.count, done.count), (vec![6], vec![2]));
}

#[test]
fn a_constant_over_an_answer_without_a_body_is_a_change() {
    let seen = seen(&beside(GONE, r#"{"headers": {}}"#), "/a/b", &[], b"");
    assert!(record(&seen.answer)["shadow_answer"].as_str().unwrap().starts_with("change:"));
}
