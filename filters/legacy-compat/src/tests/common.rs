//! What rules have in common is kept once: each is still a rule of its own.

use postern_core::Response;

use super::*;

fn filter(policy: &str) -> Result<LegacyCompat, String> {
    LegacyCompat::configure(&parse_json(policy.as_bytes()).unwrap(), &|_| None)
        .map_err(|e| e.to_string())
}

const FAULT: &str =
    r#"{"when":{"status":["5xx"]},"status":500,"text":"fault","content_type":"text/plain"}"#;

/// The same words under two rules.
fn twice(dialects: [&str; 2], answers: &str) -> Result<LegacyCompat, String> {
    filter(&format!(
        r#"{{"dialects":{{"faults":{{"answers":[{FAULT}]}},"none":{{}},
            "reads":{{"answers":[{{"when":{{"status":[404]}},"edit":{{"scalars":"string"}}}}]}}}},
            "rules":[{{"name":"a","match":{{"paths":["/a/{{id}}"]}},"dialect":"{}","answers":{answers}}},
                     {{"name":"b","match":{{"paths":["/b/{{id}}"]}},"dialect":"{}","answers":{answers}}}]}}"#,
        dialects[0], dialects[1]
    ))
}

#[test]
fn the_same_answers_are_others_in_another_dialect() {
    let answers = r#"[{"when":{"status":[200]},"on_mismatch":"fault","json":{"a":"{b}"}}]"#;
    assert_eq!(twice(["faults", "faults"], answers).err(), None);
    assert_eq!(
        twice(["faults", "none"], answers).unwrap_err(),
        "rules[1].answers[0]: a `fault` needs a case for the status 502, here or in the dialect, \
         with a body of its own"
    );
    // Of the one dialect no answer is read, of the other all are.
    let filter = twice(["none", "reads"], r#"[{"when":{"status":[200]},"status":201}]"#).unwrap();
    let asks = |path: &str| {
        let own = [(":method", "GET"), (":authority", "a.example"), (":path", path)];
        let request = Request::new(Headers::new(own), true);
        let host = FakeHost::default();
        filter.request_headers(&mut Stream::default(), &request, &host).headers.len()
    };
    assert_eq!((asks("/a/1"), asks("/b/1")), (0, 7));
}

#[test]
fn a_mistake_is_told_for_each() {
    let why = "unknown conversion `nothing`, expected `string`, `number`, `money`, `cents`, `round`, \
               `lower`, `date`, `words`, `replace`, `join`, `or`, `optional` or `required`";
    assert_eq!(
        twice(["none", "none"], r#"[{"json":{"a":"{b | nothing}"}}]"#).unwrap_err(),
        format!("rules[0].answers[0].json.a: {why}\nrules[1].answers[0].json.a: {why}")
    );
}

/// By the names of its captures, and by where the whole stands.
#[test]
fn the_same_answers_take_each_rules_own_captures() {
    let filter = twice(["none", "none"], r#"[{"json":{"id":"{$capture.id}"}}]"#).unwrap();
    for (path, expected) in [("/a/1", r#"{"id":"1"}"#), ("/b/2", r#"{"id":"2"}"#)] {
        let own = [(":method", "GET"), (":authority", "a.example"), (":path", path)];
        let (host, mut stream) = (FakeHost::default(), Stream::default());
        filter.request_headers(&mut stream, &Request::new(Headers::new(own), true), &host);
        let head = [(":status", "200"), ("content-type", "application/json")];
        let response = Response::new(Headers::new(head), false);
        let made = filter.response_headers(&mut stream, &response, &host);
        let Step::Reply(reply) = made.step else { panic!("{path}") };
        assert_eq!(String::from_utf8(reply.body).unwrap(), expected);
    }
}

#[test]
fn a_requests_body_takes_captures_and_parameters() {
    let filter = filter(
        r#"{"rules":[{"name":"a","match":{"paths":["/a/{id}"]},"request":{"body":{"edit":{"steps":[
            {"set":{"at":"id","to":"{$capture.id}"}}, {"set":{"at":"page","to":"{$query.page}"}}]}}}}]}"#,
    );
    let filter = filter.unwrap();
    let own = [
        (":method", "POST"),
        (":authority", "a.example"),
        (":path", "/a/7?page=a+b&page=c"),
        ("content-type", "application/json"),
    ];
    let (host, mut stream) = (FakeHost::default(), Stream::default());
    filter.request_headers(&mut stream, &Request::new(Headers::new(own), false), &host);
    let body = filter.request_body(&mut stream, b"{}", &host).body.unwrap();
    assert_eq!(String::from_utf8(body).unwrap(), r#"{"id":"7","page":"a b"}"#);
}
