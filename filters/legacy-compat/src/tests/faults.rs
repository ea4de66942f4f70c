//! What an answer becomes that does not fit, and what the proxy answers by itself.

use postern_core::Response;

use super::*;

fn filter(policy: &str) -> Result<LegacyCompat, String> {
    LegacyCompat::configure(&parse_json(policy.as_bytes()).unwrap(), &|_| None)
        .map_err(|e| e.to_string())
}

/// A rule whose answer does not fit, over a dialect whose faults are these.
fn faults(fault: &str, own: &str) -> Result<LegacyCompat, String> {
    filter(&format!(
        r#"{{"dialects":{{"old":{{"headers":{{"set":{{"x-old":"1"}}}},"answers":[{fault}]}}}},
            "rules":[{{"name":"r","match":{{"paths":["/{{id}}"]}},"dialect":"old","answers":[{own}
                {{"when":{{"status":[200]}},"on_mismatch":"fault","json":{{"a":"{{b}}"}}}}]}}]}}"#
    ))
}

/// The status, the new headers and the body that an answer of the upstream becomes, the
/// record and the counters.
fn answered(filter: &LegacyCompat, path: &str, body: &str) -> (String, String, Vec<usize>) {
    let host = FakeHost::default();
    host.set_property("request.id", b"id-1");
    let (head, outcome) = answer(filter, path, &host, ("200", "upstream"), body);
    let record = String::from_utf8(outcome.record.unwrap().to_json("v")).unwrap();
    (head, record, outcome.count)
}

fn answer(
    filter: &LegacyCompat,
    path: &str,
    host: &FakeHost,
    (status, origin): (&str, &str),
    body: &str,
) -> (String, Outcome) {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let own = [(":method", "GET"), (":authority", "api.example"), (":path", path)];
    let mut stream = Stream::default();
    filter.request_headers(&mut stream, &Request::new(Headers::new(own), true), host);
    if origin == "proxy" {
        host.set_property("response.code_details", b"no_healthy_upstream");
    }
    let head = [(":status", status), ("content-type", "application/json")];
    let response = Response::new(Headers::new(head), false);
    let mut outcome = filter.response_headers(&mut stream, &response, host);
    if matches!(outcome.step, Step::Hold) {
        outcome = filter.response_body(&mut stream, body.as_bytes(), host);
    }
    if let Step::Reply(reply) = &outcome.step {
        return (text(&reply.body), outcome);
    }
    let mut shown: Vec<String> = outcome
        .headers
        .iter()
        .filter_map(|edit| match edit {
            HeaderEdit::Set(name, value) => Some(format!("{name}: {}", text(value))),
            _ => None,
        })
        .collect();
    shown.extend(outcome.body.as_deref().map(text));
    (shown.join("\n"), outcome)
}

#[test]
fn a_fault_that_needs_what_a_fault_may_lack_is_refused() {
    const PARTS: &str =
        "may not be there: expected `?? PATH` of what is, `| or 'TEXT'` or `| optional`";
    const TEXTS: &str = "may not fit what a client sends: expected no conversion but `string`, \
                         `lower`, `replace`, `words`, `or` and `optional`";
    let fault = |json: &str| format!(r#"{{"when":{{"status":["5xx"]}},"json":{json}}}"#);
    let old = "a `fault` becomes `dialects.old.answers[0].json`,";
    for (json, expected) in [
        (r#"{"e":"{$query.page}"}"#, format!("{old} whose `{{$query.page}}` {PARTS}")),
        (
            r#"{"e":"{$query.page | lower}"}"#,
            format!("{old} whose `{{$query.page | lower}}` {PARTS}"),
        ),
        (
            r#"{"e":"{$query.page ?? $status | money}"}"#,
            format!("{old} whose `{{$query.page ?? $status | money}}` {TEXTS}"),
        ),
        (
            r#"{"e":"{$refusal.code | number}"}"#,
            format!("{old} whose `{{$refusal.code | number}}` needs a number"),
        ),
        (
            r#"{"e":"of {$query.page | optional}"}"#,
            format!("{old} whose `{{$query.page | optional}}` needs a value"),
        ),
        (r#"{"e":{"f":"{$status}"}},"as":{"form":{}}"#, format!("{old} which `as` cannot hold")),
    ] {
        let told = format!("rules[0].answers[0]: {expected}");
        assert_eq!(faults(&fault(json), "").err(), Some(told), "{json}");
    }
    for json in [
        r#"{"e":"{$refusal.detail}","s":"{$status}","m":"{$status | money}"}"#,
        r#"{"e":"{$query.page ?? $refusal.code | lower}"}"#,
        r#"{"e":"{$query.page | or ''}","f":"{$query.page | optional}"}"#,
        r#"{"id":"{$refusal.instance}"}"#,
    ] {
        assert_eq!(faults(&fault(json), "").err(), None, "{json}");
    }
    // What no fault becomes may need what it likes.
    let never = r#"{"when":{"status":[404]},"json":{"e":"{$query.page}"}},"#;
    assert_eq!(faults(&format!("{never}{}", fault(r#"{"e":"{$status}"}"#)), "").err(), None);
}

#[test]
fn what_a_rule_says_of_faults_is_checked_for_the_dialects_answers_too() {
    let policy = |own: &str| {
        filter(&format!(
            r#"{{"dialects":{{"old":{{"answers":[
                {{"when":{{"status":["5xx"]}},"text":"fault","content_type":"text/plain"}},
                {{"when":{{"status":[200]}},"edit":{{}},"on_mismatch":"fault"}}]}}}},
                "rules":[{{"name":"r","match":{{"paths":["/{{id}}"]}},"dialect":"old","answers":[{own}]}}]}}"#
        ))
    };
    let of_502 = |rest: &str| format!(r#"{{"when":{{"status":[502]}}{rest}}}"#);
    assert_eq!(
        policy(&of_502("")).err().unwrap(),
        "rules[0].answers[0]: a `fault` needs a case for the status 502, here or in the dialect, \
         with a body of its own"
    );
    assert_eq!(
        policy(&of_502(r#","json":{"id":"{$capture.id | number}"}"#)).err().unwrap(),
        "rules[0].answers[0]: a `fault` becomes `rules[0].answers[0].json`, whose \
         `{$capture.id | number}` may not fit what a client sends: expected no conversion but \
         `string`, `lower`, `replace`, `words`, `or` and `optional`"
    );
    assert_eq!(policy(&of_502(r#","json":{"id":"{$capture.id}"}"#)).err(), None);
}

/// XML has no place for a control character, and only the client says that there is one.
#[test]
fn a_fault_that_cannot_be_rendered_is_the_gateways_own_and_told() {
    let fault = r#"{"when":{"status":["5xx"]},"status":500,"json":{"id":"{$query.id | or ''}"},"as":{"xml":{"root":"e"}}}"#;
    let own = r#"{"when":{"status":[404]},"json":{"id":"{$refusal.instance}"}},"#;
    let filter = faults(fault, own).unwrap();
    let (head, record, count) = answered(&filter, "/1?id=7", "{}");
    assert_eq!(
        head,
        "x-old: 1\n:status: 500\ncontent-type: application/xml; charset=utf-8\n\
         <?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<e><id>7</id></e>"
    );
    assert!(record.contains(r#""answer":"other_shape""#) && !record.contains("fault"), "{record}");
    assert_eq!(count, [crate::counter::ANSWER_MISMATCHED]);

    let (head, record, count) = answered(&filter, "/1?id=%01", "{}");
    assert_eq!(
        head,
        "x-old: 1\n:status: 502\ncontent-type: application/problem+json\n\
         {\"type\":\"https://postern.dev/problems/unusable-answer\",\"title\":\"Bad gateway\",\"status\":502,\
         \"detail\":\"the upstream's answer cannot be used\",\"instance\":\"id-1\",\"code\":\"unusable_answer\"}"
    );
    assert!(record.contains(r#""answer":"other_shape""#), "{record}");
    assert!(record.contains(r#""fault":"unrendered""#), "{record}");
    assert_eq!(count, [crate::counter::FAULT_UNRENDERED, crate::counter::ANSWER_MISMATCHED]);
    // And where there is no body to replace.
    let (_, _, count) = answered(&filter, "/1?id=%01", "");
    assert_eq!(count, [crate::counter::FAULT_UNRENDERED, crate::counter::ANSWER_MISMATCHED]);
}

#[test]
fn an_answer_that_is_no_filters_refusal_has_the_requests_id_where_it_is_asked_for() {
    let filter = faults(
        r#"{"when":{"status":["4xx","5xx"]},"json":{"error":"{$status}","id":"{$refusal.instance | or ''}"}}"#,
        "",
    )
    .unwrap();
    let get = |id: &[u8], of: (&str, &str), body: &str| {
        let host = FakeHost::default();
        host.set_property("request.id", id);
        answer(&filter, "/1", &host, of, body).0.lines().last().map(str::to_owned)
    };
    for of in [("503", "proxy"), ("404", "upstream")] {
        let expected = format!(r#"{{"error":{},"id":"id-1"}}"#, of.0);
        assert_eq!(get(b"id-1", of, "x"), Some(expected));
    }
    assert_eq!(get(b"id-1", ("200", "upstream"), "{}").unwrap(), r#"{"error":502,"id":"id-1"}"#);
    for none in [&b""[..], b"\xff"] {
        let expected = r#"{"error":404,"id":""}"#;
        assert_eq!(get(none, ("404", "upstream"), "x").as_deref(), Some(expected));
    }
}

#[test]
fn what_the_proxy_answers_by_itself_has_what_is_known_without_a_filter() {
    let local = |dialect: &str, own: &str| {
        filter(&format!(
            r#"{{"dialects":{{"old":{{"answers":[{dialect}]}}}},
                "local_replies":[{{"dialect":"old","answers":[{own}]}}],"rules":[]}}"#
        ))
    };
    let json = |json: &str| format!(r#"{{"when":{{"status":["4xx"]}},"json":{json}}}"#);
    let only =
        "and nothing is known there but `$status`: expected that, `| or 'TEXT'` or `| optional`";
    let id = json(r#"{"s":"{$status}","id":"{$refusal.instance}"}"#);
    assert_eq!(
        local("", &id).err().unwrap(),
        format!(
            "local_replies[0].answers[0]: no filter makes the answer to 400: `json` is one whose \
             `{{$refusal.instance}}` needs a value, {only}"
        )
    );
    assert_eq!(
        local(&id, "").err().unwrap(),
        format!(
            "local_replies[0]: no filter makes the answer to 400, the dialect's: `json` is one \
             whose `{{$refusal.instance}}` needs a value, {only}"
        )
    );
    assert_eq!(
        local("", &json(r#"{"m":"{message}"}"#)).err().unwrap(),
        "local_replies[0].answers[0]: no filter makes the answer to 400: it has no body that could \
         be read, expected a `text`, or a `json` without paths"
    );
    assert_eq!(
        local("", &json(r#"{"m":"é"},"charset":"iso-8859-1""#)).err().unwrap(),
        "local_replies[0].answers[0]: no filter makes the answer to 400: the proxy's configuration \
         is UTF-8, expected the `charset` `utf-8` or `us-ascii`"
    );
    let good = json(
        r#"{"s":"{$status}","id":"{$refusal.instance | or '-'}","m":"é"},"charset":"us-ascii""#,
    );
    let filter = local(&good, "").unwrap();
    let reply = filter.local_replies(404).pop().flatten().unwrap();
    assert_eq!(reply.body.as_deref(), Some(r#"{"s":404,"id":"-","m":"\u00e9"}"#));
    assert_eq!(filter.local_replies(503), [None]);
}
