//! What becomes of answers: cases that look at headers and bodies, headers, other forms.

use postern_core::Response;

use super::*;

fn filter(answers: &str) -> Result<LegacyCompat, String> {
    let policy = format!(
        r#"{{"max_body":1024,"dialects":{{"old":{{"json_type":"application/json; charset=utf-8",
            "headers":{{"set":{{"x-old":"1"}},"rename":{{"x-a":"x-b"}}}},
            "answers":[{{"when":{{"status":[5xx]}},"status":500,"text":"fault","content_type":"text/plain"}},
                       {{"when":{{"status":[404]}},"headers":{{"set":{{"x-last":"1"}}}}}}]}}}},
            "rules":[{{"name":"r","match":{{"paths":["/{{id}}"]}},"dialect":"old","answers":{answers}}}]}}"#
    )
    .replace("[5xx]", r#"["5xx"]"#);
    LegacyCompat::configure(&parse_json(policy.as_bytes()).unwrap(), &|_| None)
        .map_err(|e| e.to_string())
}

struct Answer<'a> {
    path: &'a str,
    status: &'a str,
    headers: &'a [(&'a str, &'a str)],
    body: &'a str,
}

const JSON: &[(&str, &str)] = &[("content-type", "application/json")];

/// The status, headers and body that come of an answer.
fn answered(answers: &str, answer: &Answer<'_>) -> String {
    let filter = filter(answers).unwrap_or_else(|e| panic!("{e}"));
    let mut stream = Stream::default();
    let own = [(":method", "GET"), (":authority", "api.example"), (":path", answer.path)];
    let request = Request::new(Headers::new(own), true);
    let host = FakeHost::default();
    let outcome = filter.request_headers(&mut stream, &request, &host);
    if let Step::Refuse(refusal) = outcome.step {
        return format!("{} {}", refusal.status, refusal.code);
    }
    let all = [&[(":status", answer.status)], answer.headers].concat();
    let empty = answer.body.is_empty();
    let response = Response::new(Headers::new(all.iter().copied()), empty);
    let mut outcome = filter.response_headers(&mut stream, &response, &host);
    if matches!(outcome.step, Step::Hold) {
        outcome = match answer.body.len() > 1024 {
            true => filter.response_body_over_cap(&mut stream),
            false => filter.response_body(&mut stream, answer.body.as_bytes(), &host),
        };
    }
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    if let Step::Reply(reply) = outcome.step {
        return format!("{} {}", reply.status, text(&reply.body));
    }
    // What describes the old body goes always.
    let edits = outcome.headers.iter().filter_map(|edit| match edit {
        HeaderEdit::Set(name, value) => Some(format!("{name}: {}", text(value))),
        HeaderEdit::Append(name, value) => Some(format!("+{name}: {}", text(value))),
        HeaderEdit::Remove(name) if name.starts_with('x') => Some(format!("-{name}")),
        HeaderEdit::Remove(_) => None,
    });
    edits.chain(outcome.body.iter().map(|body| text(body))).collect::<Vec<_>>().join("\n")
}

#[test]
fn a_body_decides() {
    let cases = r#"[
        {"when":{"status":[200],"body":[{"at":"error.code","exact":["404","none"]}]},"status":404,"json":{"error":"{error.code}"}},
        {"when":{"status":[200],"body":[{"at":"items.*.sold","exact":["true"]},{"at":"error","present":false}]},"headers":{"set":{"x-sold":"1"}}},
        {"when":{"status":[200],"body":[{"at":"error","present":true}]},"status":500,"text":"error","content_type":"text/plain"},
        {"when":{"status":[200]},"edit":{"scalars":"string"},"on_mismatch":"fault"}]"#;
    let ok =
        |body: &str| answered(cases, &Answer { path: "/1", status: "200", headers: JSON, body });
    assert_eq!(
        ok(r#"{"error":{"code":404}}"#),
        "x-old: 1\n:status: 404\ncontent-type: application/json; charset=utf-8\n{\"error\":404}"
    );
    assert_eq!(ok(r#"{"error":{"code":"none"}}"#).lines().last(), Some(r#"{"error":"none"}"#));
    assert_eq!(
        ok(r#"{"items":[{"sold":false},{"sold":true}],"error":null}"#),
        "x-old: 1\nx-sold: 1"
    );
    assert_eq!(
        ok(r#"{"error":{"code":405}}"#),
        "x-old: 1\n:status: 500\ncontent-type: text/plain\nerror"
    );
    assert_eq!(ok(r#"{ "a" : 1.0 }"#), "x-old: 1\n{ \"a\" : \"1.0\" }");
    // Of what cannot be read nothing holds, and the last case says what then.
    for bad in ["{", "nothing"] {
        assert_eq!(ok(bad), "x-old: 1\n:status: 500\ncontent-type: text/plain\nfault", "{bad}");
    }
    assert_eq!(ok(""), "500 fault");
    assert_eq!(ok(&format!("\"{}\"", "x".repeat(1100))), "500 fault");
    let text = [("content-type", "text/plain")];
    let body = r#"{"error":{"code":404}}"#;
    assert_eq!(
        answered(cases, &Answer { path: "/1", status: "200", headers: &text, body }),
        "500 fault"
    );
    assert_eq!(
        answered(cases, &Answer { path: "/1", status: "404", headers: JSON, body }),
        "x-old: 1\nx-last: 1"
    );
}

#[test]
fn headers_of_answers_decide_and_change() {
    let cases = r#"[{"when":{"headers":[{"name":"x-kind","exact":["a"]}]},"status":202,
        "headers":{"copy":{"x-kind":"x-copy"},"default":{"x-kind":"none","x-d":"d"},"remove":["x-r"]}}]"#;
    let with = |headers: &[(&str, &str)]| {
        answered(cases, &Answer { path: "/1", status: "200", headers, body: "b" })
    };
    assert_eq!(
        with(&[("x-kind", "a"), ("x-a", "1"), ("x-a", "2")]),
        "x-b: 1\n+x-b: 2\n-x-a\nx-old: 1\n:status: 202\nx-copy: a\nx-d: d\n-x-r"
    );
    assert_eq!(with(&[("x-kind", "b")]), "x-old: 1");
}

#[test]
fn answers_in_other_forms() {
    let ok = |cases: &str, path: &str, body: &str| {
        answered(cases, &Answer { path, status: "200", headers: JSON, body })
    };
    let jsonp = r#"[{"as":{"jsonp":{}},"charset":"us-ascii"}]"#;
    assert_eq!(
        ok(jsonp, "/1?callback=App.cb", "{\"a\": \"é\"}"),
        "x-old: 1\ncontent-type: application/javascript; charset=us-ascii\n/**/App.cb({\"a\": \"\\u00e9\"});"
    );
    assert_eq!(
        ok(jsonp, "/1", "{\"a\": 1.0}"),
        "x-old: 1\ncontent-type: application/json; charset=us-ascii\n{\"a\": 1.0}"
    );
    for bad in ["a(1)", "", "%3Cscript%3E", "a&callback=b()"] {
        assert_eq!(ok(jsonp, &format!("/1?callback={bad}"), "1"), "400 bad_request", "{bad}");
    }
    let xml = r#"[{"edit":{"steps":[{"remove":["x"]}]},"as":{"xml":{"root":"user","item":"i"}}}]"#;
    assert_eq!(
        ok(xml, "/1", r#"{"x":0,"a":[1.0]}"#),
        "x-old: 1\ncontent-type: application/xml; charset=utf-8\n\
         <?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<user><a><i>1.0</i></a></user>"
    );
    let form = r#"[{"json":{"id":"{id}","of":"{$query.of | or ''}"},"as":{"form":{}}}]"#;
    assert_eq!(
        ok(form, "/1?of=a+b", r#"{"id":12345678901234567890}"#),
        "x-old: 1\ncontent-type: application/x-www-form-urlencoded\nid=12345678901234567890&of=a%20b"
    );
    let constant = r#"[{"json":{"a":"é"},"charset":"iso-8859-1"}]"#;
    assert_eq!(ok(constant, "/1", "1"), "200 {\"a\":\"\u{fffd}\"}");
}

#[test]
fn mistakes_are_named() {
    for (answers, expected) in [
        (
            r#"[{"text":"x","content_type":"text/plain","charset":"us-ascii"}]"#,
            "answers[0]: `as` and `charset` are of JSON, and a `text` stays as it is",
        ),
        (
            r#"[{"as":{"xml":{"root":"a b"}}}]"#,
            "answers[0].as: `a b` is no name of an element: letters, digits, `_`, `-` and `.`",
        ),
        (
            r#"[{"when":{"body":[{"at":"a"}]}}]"#,
            "answers[0].when.body[0]: expected exactly one test of `exact` or `present`, not empty",
        ),
        (
            r#"[{"when":{"body":[{"at":"a","exact":[]}]}}]"#,
            "answers[0].when.body[0]: expected exactly one test of `exact` or `present`, not empty",
        ),
        (r#"[{"as":{"yaml":{}}}]"#, "answers[0].as: unknown key `yaml`, did you mean `xml`?"),
        (
            r#"[{"charset":"utf8"}]"#,
            "answers[0].charset: expected `utf-8`, `iso-8859-1` or `us-ascii`: did you mean `utf-8`?",
        ),
    ] {
        assert_eq!(filter(answers).unwrap_err(), format!("rules[0].{expected}"));
    }
}

#[test]
fn rules_match_query_client_and_content_type() {
    let policy = r#"{"rules":[
        {"name":"query","match":{"paths":["/a"],"query":[{"name":"v","exact":["1"]}]},"request":{"headers":{"set":{"x-rule":"query"}}}},
        {"name":"client","match":{"paths":["/a"],"client_addresses":["192.0.2.0/24"]},"request":{"headers":{"set":{"x-rule":"client"}}}},
        {"name":"type","match":{"paths":["/a"],"content_types":["text/*"]},"request":{"headers":{"set":{"x-rule":"type"}}}},
        {"name":"int","match":{"paths":["/i/{n:int}"]},"request":{"headers":{"set":{"x-rule":"int"}}}}]}"#;
    let filter =
        LegacyCompat::configure(&parse_json(policy.as_bytes()).unwrap(), &|_| None).unwrap();
    let rule = |path: &str, address: &str, more: &[(&str, &str)]| {
        let own = [(":method", "GET"), (":authority", "api.example"), (":path", path)];
        let all = [&own[..], more].concat();
        let request = Request::new(Headers::new(all.iter().copied()), true);
        let host = FakeHost::default();
        host.set_property("source.address", address.as_bytes());
        let outcome = filter.request_headers(&mut Stream::default(), &request, &host);
        let value = outcome.headers.iter().find_map(|edit| match edit {
            HeaderEdit::Set(_, value) => Some(String::from_utf8_lossy(value).into_owned()),
            _ => None,
        });
        value.unwrap_or_else(|| "-".to_owned())
    };
    let plain = [("content-type", "Text/Plain; charset=x")];
    assert_eq!(rule("/a?v=1", "192.0.2.1:1", &plain), "query");
    assert_eq!(rule("/a?v=1&v=2", "192.0.2.1:1", &plain), "client");
    assert_eq!(rule("/a", "198.51.100.1:1", &plain), "type");
    assert_eq!(rule("/a", "198.51.100.1:1", &[]), "-");
    assert_eq!(rule("/a", "/a/socket", &[("content-type", "text")]), "-");
    assert_eq!(rule("/i/12", "", &[]), "int");
    assert_eq!(rule("/i/x", "", &[]), "-");
}
