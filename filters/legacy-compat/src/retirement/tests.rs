#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

use std::time::Duration;

use postern_core::config::parse_json;
use postern_core::fake::FakeHost;
use postern_core::{Filter, HeaderEdit, Headers, Outcome, Request, Response, Step};

use super::imf_date;
use crate::{LegacyCompat, Stream};

fn filter(retirement: &str) -> LegacyCompat {
    let policy = format!(
        r#"{{"dialects": {{"old": {{"headers": {{"set": {{"x-old": "1"}}}}}}}},
            "rules": [{{"name": "r", "match": {{"paths": ["/r"]}}, "dialect": "old",
                       "retirement": {retirement}}}]}}"#
    );
    LegacyCompat::configure(&parse_json(policy.as_bytes()).unwrap(), &|_| None)
        .unwrap_or_else(|e| panic!("{e}"))
}

fn mistakes(retirement: &str) -> Vec<String> {
    let policy = format!(r#"{{"rules": [{{"name": "r", "retirement": {retirement}}}]}}"#);
    let node = parse_json(policy.as_bytes()).unwrap();
    let errors = LegacyCompat::configure(&node, &|_| None).unwrap_err();
    errors.problems().iter().map(ToString::to_string).collect()
}

fn asked(filter: &LegacyCompat, at: u64) -> (Stream, Outcome) {
    let host = FakeHost::at(Duration::from_secs(at));
    asked_of(filter, &host)
}

fn asked_of(filter: &LegacyCompat, host: &FakeHost) -> (Stream, Outcome) {
    let headers = [(":method", "GET"), (":authority", "a.example"), (":path", "/r")];
    let request = Request::new(Headers::new(headers), true);
    let mut stream = Stream::default();
    let outcome = filter.request_headers(&mut stream, &request, host);
    (stream, outcome)
}

/// The code of the refusal and its `retry-after`; an empty one if it goes on.
fn fate(filter: &LegacyCompat, at: u64) -> (String, Option<String>) {
    match asked(filter, at).1.step {
        Step::Refuse(refusal) => {
            let after = refusal.headers.iter().find(|(name, _)| name == "retry-after");
            let after = after.map(|(_, value)| String::from_utf8(value.clone()).unwrap());
            (format!("{} {}", refusal.status, refusal.code), after)
        }
        _ => (String::new(), None),
    }
}

/// 2026-06-01T00:00:00Z.
const JUNE: u64 = 1_780_272_000;

#[test]
fn every_answer_tells_of_it() {
    let filter = filter(
        r#"{"deprecated": "2026-06-01T00:00:00Z", "sunset": "2027-06-01T00:00:00Z", "links": [
            {"rel": "deprecation", "href": "https://example.com/old", "type": "text/html"},
            {"rel": "successor-version", "href": "/v3"}]}"#,
    );
    let (mut stream, _) = asked(&filter, JUNE);
    let response = Response::new(Headers::new([(":status", "200"), ("link", "</x>")]), true);
    let outcome = filter.response_headers(&mut stream, &response, &FakeHost::default());
    let said: Vec<(&str, &str)> = outcome
        .headers
        .iter()
        .map(|edit| match edit {
            HeaderEdit::Set(name, value) | HeaderEdit::Append(name, value) => {
                (name.as_ref(), std::str::from_utf8(value).unwrap())
            }
            HeaderEdit::Remove(name) => (name.as_ref(), "removed"),
        })
        .collect();
    assert_eq!(
        said,
        [
            ("x-old", "1"),
            ("deprecation", "@1780272000"),
            ("sunset", "Tue, 01 Jun 2027 00:00:00 GMT"),
            ("link", r#"<https://example.com/old>; rel="deprecation"; type="text/html""#),
            ("link", r#"</v3>; rel="successor-version""#),
        ]
    );
    // Those of the answer stay beside them.
    assert!(matches!(outcome.headers.last(), Some(HeaderEdit::Append(..))));
}

#[test]
fn after_its_sunset_it_is_gone_unless_told_otherwise() {
    let gone = filter(r#"{"sunset": "2026-06-01T00:00:00Z"}"#);
    assert_eq!(fate(&gone, JUNE - 1), (String::new(), None));
    assert_eq!(fate(&gone, JUNE), ("410 retired".to_owned(), None));
    let stays = filter(r#"{"sunset": "2026-06-01T00:00:00Z", "after_sunset": "serve"}"#);
    assert_eq!(fate(&stays, JUNE + 1), (String::new(), None));
}

#[test]
fn a_brown_out_keeps_its_times() {
    let brown_out = |left: &str| ("503 brown_out".to_owned(), Some(left.to_owned()));
    let none = || (String::new(), None);
    let once = filter(
        r#"{"brown_outs": [{"from": "2026-06-01T00:00:00Z", "until": "2026-06-01T01:00:00Z"}]}"#,
    );
    assert_eq!(fate(&once, JUNE - 1), none());
    assert_eq!(fate(&once, JUNE), brown_out("3600"));
    assert_eq!(fate(&once, JUNE + 3_599), brown_out("1"));
    assert_eq!(fate(&once, JUNE + 3_600), none());
    // From midnight of UTC on.
    let daily = filter(r#"{"brown_outs": [{"every": "1d", "lasts": "10m"}]}"#);
    assert_eq!(fate(&daily, JUNE + 86_400), brown_out("600"));
    assert_eq!(fate(&daily, JUNE + 86_400 + 600), none());
    // From its beginning on, and no longer than it lasts.
    let from = filter(
        r#"{"brown_outs": [{"from": "2026-06-01T00:00:30Z", "until": "2026-06-01T02:00:35Z",
            "every": "1h", "lasts": "1m"}]}"#,
    );
    assert_eq!(fate(&from, JUNE + 29), none());
    assert_eq!(fate(&from, JUNE + 30 + 3_600), brown_out("60"));
    assert_eq!(fate(&from, JUNE + 90), none());
    assert_eq!(fate(&from, JUNE + 30 + 7_200), brown_out("5"));
}

#[test]
fn a_share_is_drawn_by_lot() {
    let some = filter(r#"{"brown_outs": [{"share": 20}]}"#);
    let host = FakeHost::at(Duration::from_secs(JUNE));
    let refused =
        (0..2_000).filter(|_| matches!(asked_of(&some, &host).1.step, Step::Refuse(_))).count();
    assert!((320..480).contains(&refused), "{refused} of 2000");
    // The next request may pass: nobody is told to wait.
    let told = (0..100).map(|_| asked_of(&some, &host).1.step).all(|step| match step {
        Step::Refuse(refusal) => refusal.headers.iter().all(|(name, _)| name != "retry-after"),
        _ => true,
    });
    assert!(told);
}

#[test]
fn what_became_of_it_is_recorded() {
    let gone = filter(r#"{"sunset": "2026-06-01T00:00:00Z"}"#);
    let record = |at| {
        let outcome = asked(&gone, at).1;
        (String::from_utf8(outcome.record.unwrap().to_json("v")).unwrap(), outcome.count)
    };
    let (said, counted) = record(JUNE - 1);
    assert!(said.contains(r#""retirement":"served""#), "{said}");
    assert_eq!(counted, [0, 9]);
    let (said, counted) = record(JUNE);
    assert!(
        said.contains(r#""code":"retired""#) && said.contains(r#""retirement":"gone""#),
        "{said}"
    );
    assert_eq!(counted, [1, 11]);
    let names: Vec<_> = gone.metrics().into_iter().map(|m| m.name.into_owned()).collect();
    assert_eq!(
        names[9..],
        [
            "retiring_requests.r.served",
            "retiring_requests.r.brown_out",
            "retiring_requests.r.gone",
            "retiring_clients.r",
            "retiring_last_use.r",
        ]
    );
}

#[test]
fn every_mistake_is_told() {
    let path = "rules[0].retirement";
    assert_eq!(
        mistakes(
            r#"{"deprecated": "2026-06-01T00:00:00Z", "sunset": "2026-05-01T00:00:00Z",
                "links": [{"rel": "a", "href": "a b"}, {"rel": "a", "href": "/a", "type": "\"x"}],
                "brown_outs": [{}, {"every": "1d"}, {"every": "1m", "lasts": "1m"},
                               {"from": "2026-06-01T00:00:00Z", "until": "2026-06-01T00:00:00Z"}]}"#
        ),
        [
            format!("{path}.sunset: a sunset is no earlier than `deprecated`"),
            format!(
                "{path}.links[0]: `href` is a URI: no blanks, quotes or angle brackets, ASCII alone"
            ),
            format!("{path}.links[1]: `type` is a media type such as `text/html`"),
            format!(
                "{path}.brown_outs[0]: that refuses everything for good: expected a `share` below \
                 `100`, an `until`, or `every` and `lasts`"
            ),
            format!(
                "{path}.brown_outs[1]: `every` and `lasts` go together: `every: 1d, lasts: 10m`"
            ),
            format!(
                "{path}.brown_outs[1]: that refuses everything for good: expected a `share` below \
                 `100`, an `until`, or `every` and `lasts`"
            ),
            format!(
                "{path}.brown_outs[2]: expected `lasts` of at least `1s`, and shorter than `every`"
            ),
            format!("{path}.brown_outs[3]: expected `until` after `from`"),
        ]
    );
}

#[test]
fn dates_are_written_as_http_has_them() {
    for (at, written) in [
        (0, "Thu, 01 Jan 1970 00:00:00 GMT"),
        (784_111_777, "Sun, 06 Nov 1994 08:49:37 GMT"),
        (951_782_400, "Tue, 29 Feb 2000 00:00:00 GMT"),
        (JUNE, "Mon, 01 Jun 2026 00:00:00 GMT"),
        (4_107_542_399, "Sun, 28 Feb 2100 23:59:59 GMT"),
        (4_107_542_400, "Mon, 01 Mar 2100 00:00:00 GMT"),
        (253_402_300_799, "Fri, 31 Dec 9999 23:59:59 GMT"),
    ] {
        assert_eq!(imf_date(at), written);
    }
}
