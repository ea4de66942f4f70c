//! Answers that need not be held to their end: what becomes of them is known before.

use postern_core::Response;

use super::*;

/// A rule with these answers, over a dialect with a fault.
pub(super) fn filter(answers: &str) -> LegacyCompat {
    let policy = format!(
        r#"{{"max_body":1024,"dialects":{{"old":{{"headers":{{"set":{{"x-old":"1"}}}},
            "answers":[{{"when":{{"status":["5xx"]}},"status":500,"text":"fault","content_type":"text/plain"}}]}}}},
            "rules":[{{"name":"r","match":{{"paths":["/**"]}},"dialect":"old","answers":{answers}}}]}}"#
    );
    LegacyCompat::configure(&parse_json(policy.as_bytes()).unwrap(), &|_| None)
        .unwrap_or_else(|e| panic!("{e}"))
}

pub(super) const JSON: (&str, &str) = ("content-type", "application/json");

pub(super) struct Answer<'a> {
    /// `upstream`, `filter` or `proxy`.
    pub(super) origin: &'a str,
    pub(super) status: &'a str,
    pub(super) headers: &'a [(&'a str, &'a str)],
}

pub(super) const UPSTREAM: Answer<'_> =
    Answer { origin: "upstream", status: "200", headers: &[JSON] };

/// What is done when the headers of an answer came, and the stream.
pub(super) fn at_headers(filter: &LegacyCompat, answer: &Answer<'_>) -> (Outcome, Stream) {
    let (host, mut stream) = (FakeHost::default(), Stream::default());
    let own = [(":method", "GET"), (":authority", "api.example"), (":path", "/1")];
    filter.request_headers(&mut stream, &Request::new(Headers::new(own), true), &host);
    match answer.origin {
        "filter" => {
            let state = format!(r#"{{"status":{},"code":"c","by":"auth"}}"#, answer.status);
            host.set_property("postern.refusal", state.as_bytes());
        }
        "proxy" => host.set_property("response.code_details", b"no_route"),
        _ => {}
    }
    let all = [&[(":status", answer.status)], answer.headers].concat();
    let response = Response::new(Headers::new(all.iter().copied()), false);
    let outcome = filter.response_headers(&mut stream, &response, &host);
    (outcome, stream)
}

/// The step, the status or headers, the body, and what the record says of the answer.
pub(super) fn told(outcome: &Outcome) -> String {
    let record = outcome.record.as_ref().map(|r| String::from_utf8(r.to_json("v")).unwrap());
    let answer = record.as_deref().and_then(|r| r.split_once(r#""answer":""#));
    let answer = answer.and_then(|(_, rest)| rest.split('"').next()).unwrap_or("-");
    match &outcome.step {
        Step::Hold => "hold".to_owned(),
        Step::Reply(reply) => {
            format!("reply {} {} ({answer})", reply.status, String::from_utf8_lossy(&reply.body))
        }
        Step::Continue => {
            let names = outcome.headers.iter().map(|edit| edit.name().to_owned());
            format!("pass {} ({answer})", names.collect::<Vec<_>>().join(" "))
        }
        other => panic!("{other:?}"),
    }
}

#[track_caller]
pub(super) fn check(answers: &str, answer: &Answer<'_>, expected: &str) {
    assert_eq!(told(&at_headers(&filter(answers), answer).0), expected);
}

const EDIT: &str = r#"[{"edit":{"scalars":"string"}}]"#;
const EDIT_OR_FAULT: &str =
    r#"[{"when":{"status":["2xx","4xx"]},"edit":{"scalars":"string"},"on_mismatch":"fault"}]"#;

#[test]
fn what_cannot_be_edited_does_not_wait_for_its_end() {
    for (headers, why) in [
        (&[("content-type", "text/html")][..], "not_json"),
        (&[][..], "not_json"),
        (&[JSON, ("content-encoding", "br")], "unknown_coding"),
        (&[JSON, ("content-range", "bytes 0-1/2")], "partial"),
    ] {
        let answer = Answer { headers, ..UPSTREAM };
        check(EDIT, &answer, &format!("pass x-old ({why})"));
        check(EDIT_OR_FAULT, &answer, &format!("reply 500 fault ({why})"));
        // The gateway's own come as a whole, and the filters around this one see them.
        let answer = Answer { headers, origin: "filter", status: "403" };
        check(EDIT, &answer, &format!("pass x-old ({why})"));
        check(EDIT_OR_FAULT, &answer, "hold");
    }
    check(EDIT, &UPSTREAM, "hold");
    check(EDIT_OR_FAULT, &UPSTREAM, "hold");
}

#[test]
fn a_body_that_is_made_anew_does_not_wait_for_the_one_that_was() {
    let constant =
        r#"[{"when":{"status":[200,404]},"status":404,"text":"gone","content_type":"text/plain"}]"#;
    check(constant, &UPSTREAM, "reply 404 gone (rewritten)");
    let json = r#"[{"json":{"status":"{$status}"}}]"#;
    check(json, &UPSTREAM, r#"reply 200 {"status":200} (rewritten)"#);
    for origin in ["filter", "proxy"] {
        check(json, &Answer { origin, status: "404", headers: &[JSON] }, "hold");
    }
    // A short one costs less to wait for than the connection that a reply would close.
    for (status, length, expected) in [
        ("404", "1024", "hold"),
        ("404", "1025", "reply 404 gone (rewritten)"),
        ("500", "2", "reply 500 fault (rewritten)"),
    ] {
        let headers = &[JSON, ("content-length", length)];
        check(constant, &Answer { status, headers, ..UPSTREAM }, expected);
    }
}

#[test]
fn an_edit_that_changes_nothing_lets_the_answer_pass() {
    check(r#"[{"edit":{}}]"#, &UPSTREAM, "pass x-old (unchanged)");
    // To be JSON and whole it has to be looked at, and so to be undone.
    check(r#"[{"when":{"status":[200]},"edit":{},"on_mismatch":"fault"}]"#, &UPSTREAM, "hold");
    check(r#"[{"when":{"status":[200]},"edit":{},"on_too_large":"fault"}]"#, &UPSTREAM, "hold");
    check(r#"[{"edit":{},"status":201}]"#, &UPSTREAM, "hold");
    check(r#"[{"edit":{},"charset":"us-ascii"}]"#, &UPSTREAM, "hold");
    let packed = Answer { headers: &[JSON, ("content-encoding", "gzip")], ..UPSTREAM };
    check(r#"[{"edit":{}}]"#, &packed, "hold");
}

#[test]
fn what_is_too_long_passes_where_nothing_needs_editing_or_that_is_the_choice() {
    let when = r#"[{"when":{"status":[200]},"on_mismatch":"fault""#;
    let edit = r#""edit":{"scalars":"string"}"#;
    for (rest, expected) in [
        (r#""edit":{}}]"#.to_owned(), "pass x-old (too_large)"),
        (r#""edit":{},"on_too_large":"fault"}]"#.to_owned(), "reply 500 fault (too_large)"),
        // Half of the case would be no answer.
        (r#""edit":{},"status":201}]"#.to_owned(), "reply 500 fault (too_large)"),
        (format!("{edit}}}]"), "reply 500 fault (too_large)"),
        (format!(r#"{edit},"on_too_large":"original"}}]"#), "pass x-old (too_large)"),
    ] {
        let filter = filter(&format!("{when},{rest}"));
        // Told beforehand, and found out.
        let long = Answer { headers: &[JSON, ("content-length", "2000")], ..UPSTREAM };
        assert_eq!(told(&at_headers(&filter, &long).0), expected);
        let (held, mut stream) = at_headers(&filter, &UPSTREAM);
        assert_eq!(told(&held), "hold");
        assert_eq!(told(&filter.response_body_over_cap(&mut stream)), expected);
    }
}

/// Of a part that another body takes the place of, nothing is said any more.
#[test]
fn what_takes_the_place_of_a_part_is_whole() {
    let part = Answer {
        status: "206",
        headers: &[JSON, ("content-range", "bytes 0-1/2"), ("content-digest", "x"), ("x-a", "1")],
        ..UPSTREAM
    };
    for (answers, status) in [
        (r#"[{"json":{"a":1}}]"#, 200),
        (r#"[{"json":{"a":1},"status":203}]"#, 203),
        (r#"[{"when":{"status":[206]},"edit":{},"on_mismatch":"fault"}]"#, 500),
    ] {
        let (outcome, _) = at_headers(&filter(answers), &part);
        let Step::Reply(reply) = outcome.step else { panic!("{answers}") };
        assert_eq!(reply.status, status, "{answers}");
        let names: Vec<&str> = reply.headers.iter().map(|(name, _)| name.as_ref()).collect();
        assert_eq!(names, ["x-a", "x-old", "content-type"], "{answers}");
    }
    check(EDIT, &part, "pass x-old (partial)");
    check(r#"[{"headers":{"set":{"x-b":"1"}}}]"#, &part, "pass x-old x-b (headers_edited)");
}
