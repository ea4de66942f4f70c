//! What becomes of requests: parts from everywhere, credentials that are moved, bodies.

use super::*;

/// A policy of one rule that does this to requests.
pub(super) fn filter(request: &str) -> Result<LegacyCompat, String> {
    let policy = format!(
        r#"{{"max_body":1024,"date_formats":{{"old":"%d/%m/%Y","iso":"%Y-%m-%d"}},"rules":[
            {{"name":"r","match":{{"paths":["/old/{{id}}","/form"]}},"request":{request}}},
            {{"name":"one","match":{{"paths":["/one/{{id}}/{{rest:**}}"]}},"request":{request}}}]}}"#
    );
    LegacyCompat::configure(&parse_json(policy.as_bytes()).unwrap(), &|_| None)
        .map_err(|e| e.to_string())
}

struct Sent {
    filter: LegacyCompat,
    stream: Stream,
    outcome: Outcome,
}

fn sent(request: &str, method: &str, path: &str, headers: &[(&str, &str)], body: bool) -> Sent {
    let filter = filter(request).unwrap_or_else(|e| panic!("{e}"));
    let own = [(":method", method), (":authority", "api.example"), (":path", path)];
    let all = [&own[..], headers].concat();
    let request = Request::new(Headers::new(all.iter().copied()), !body);
    let mut stream = Stream::default();
    let outcome = filter.request_headers(&mut stream, &request, &FakeHost::default());
    Sent { filter, stream, outcome }
}

/// An outcome as a line each.
fn lines(outcome: &Outcome) -> String {
    let mut out = Vec::new();
    match &outcome.step {
        Step::Refuse(refusal) => out.push(format!("{} {}", refusal.status, refusal.code)),
        Step::Hold => out.push("held".to_owned()),
        _ => {}
    }
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    out.extend(outcome.headers.iter().map(|edit| match edit {
        HeaderEdit::Set(name, value) => format!("{name}: {}", text(value)),
        HeaderEdit::Append(name, value) => format!("+{name}: {}", text(value)),
        HeaderEdit::Remove(name) => format!("-{name}"),
    }));
    out.extend(outcome.body.iter().map(|body| text(body)));
    out.join("\n")
}

fn edits(request: &str, path: &str, headers: &[(&str, &str)]) -> String {
    lines(&sent(request, "GET", path, headers, false).outcome)
}

fn with_body(request: &str, content_type: &str, body: &str) -> String {
    let mut sent = sent(request, "POST", "/form", &[("content-type", content_type)], true);
    if !matches!(sent.outcome.step, Step::Hold) {
        return lines(&sent.outcome);
    }
    lines(&sent.filter.request_body(&mut sent.stream, body.as_bytes(), &FakeHost::default()))
}

#[test]
fn a_path_is_made_of_any_part() {
    let path = r#"{"path":"/new/{query.id ?? header.x-id ?? 'none'}","query":{"q":"{cookie.q}","id":"{query.id}"},"keep_query":["page"]}"#;
    assert_eq!(edits(path, "/old/1", &[]), ":path: /new/none");
    assert_eq!(edits(path, "/old/1", &[("x-id", "a b|é:,")]), ":path: /new/a%20b%7C%C3%A9%3A%2C");
    assert_eq!(
        edits(path, "/old/1?page=%7c:,&id=a:b%2Cc+d&x=1", &[("cookie", "p=0; q=\"v v\"")]),
        ":path: /new/a%3Ab%2Cc%20d?q=%22v%20v%22&id=a:b%2Cc+d&page=%7c:,"
    );
    for bad in ["/old/1?id=..", "/old/1?id=a%2Fb", "/old/1?id=a&id=b", "/old/1?id=%5c"] {
        assert_eq!(edits(path, bad, &[]), "400 bad_request", "{bad}");
    }
    // Twice the same is once.
    assert_eq!(edits(path, "/old/1?id=a&id=%61", &[]), ":path: /new/a?id=a");
    let needed = r#"{"path":"/new/{query.id}"}"#;
    assert_eq!(edits(needed, "/old/1", &[]), "400 bad_request");
}

/// In a query a `+` would be a blank.
#[test]
fn a_plus_of_the_path_is_one_in_the_query_too() {
    let path = |from: &str, request: &str| {
        let policy = format!(
            r#"{{"rules":[{{"name":"r","match":{{"paths":["/old/{{id}}"]}},"request":{request}}}]}}"#
        );
        let filter = LegacyCompat::configure(&parse_json(policy.as_bytes()).unwrap(), &|_| None);
        let own = [(":method", "GET"), (":authority", "a.example"), (":path", from)];
        let request = Request::new(Headers::new(own), true);
        lines(&filter.unwrap().request_headers(
            &mut Stream::default(),
            &request,
            &FakeHost::default(),
        ))
    };
    let query = r#"{"path":"/new","query":{"q":"{id}","own":"{query.own}"}}"#;
    assert_eq!(path("/old/a+b%2bc%20d", query), ":path: /new?q=a%2Bb%2bc%20d");
    assert_eq!(path("/old/a?own=a+b", query), ":path: /new?q=a&own=a+b");
    assert_eq!(path("/old/a+b", r#"{"path":"/new/{id}"}"#), ":path: /new/a+b");
}

#[test]
fn what_stays_of_a_query_stays_as_it_came() {
    let policy = r#"{"path":"/new","keep_query":["flag","page"]}"#;
    for (from, to) in [
        ("?flag", "?flag"),
        ("?flag=", "?flag="),
        ("?x&flag&&page=1=2&fl%61g", "?flag&page=1=2&fl%61g"),
        ("?x=flag", ""),
    ] {
        assert_eq!(edits(policy, &format!("/old/1{from}"), &[]), format!(":path: /new{to}"));
    }
}

#[test]
fn a_body_takes_headers_and_cookies() {
    let policy = r#"{"headers":{"remove":["x-site"]},"body":{"edit":{"steps":[
        {"set":{"at":"site","to":"{$header.X-Site}"}},
        {"set":{"at":"of.session","to":"{$cookie.s | or 'none'}"}}]}}}"#;
    let with = |headers: &[(&str, &str)]| {
        let headers = [&[("content-type", "application/json")], headers].concat();
        let mut sent = sent(policy, "POST", "/form", &headers, true);
        if !matches!(sent.outcome.step, Step::Hold) {
            return lines(&sent.outcome);
        }
        let done =
            sent.filter.request_body(&mut sent.stream, b"{\"a\": 1.0}", &FakeHost::default());
        lines(&done).lines().last().unwrap_or_default().to_owned()
    };
    assert_eq!(
        with(&[("x-site", "a \"b\""), ("cookie", "t=0; s=é%20")]),
        r#"{"a": 1.0,"site":"a \"b\"","of":{"session":"é%20"}}"#
    );
    assert_eq!(with(&[("x-site", "a")]), r#"{"a": 1.0,"site":"a","of":{"session":"none"}}"#);
    // What is not there does not fit, and of two that differ none is meant.
    assert_eq!(with(&[]), "400 unusable_body");
    assert_eq!(with(&[("x-site", "a"), ("x-site", "b")]), "400 bad_request");
    assert_eq!(with(&[("x-site", "a"), ("cookie", "s=1; s=2")]), "400 bad_request");
    assert_eq!(
        with(&[("x-site", "a"), ("x-site", "a")]),
        r#"{"a": 1.0,"site":"a","of":{"session":"none"}}"#
    );
    // Bytes that are no text are not made another one.
    let latin1 = [
        (":method", &b"POST"[..]),
        (":path", b"/form"),
        (":authority", b"a.example"),
        ("content-type", b"application/json"),
        ("x-site", b"caf\xe9"),
    ];
    let filter = filter(policy).unwrap();
    let (host, mut stream) = (FakeHost::default(), Stream::default());
    filter.request_headers(&mut stream, &Request::new(Headers::new(latin1), false), &host);
    assert_eq!(lines(&filter.request_body(&mut stream, b"{}", &host)), "400 unusable_body");
}

#[test]
fn a_query_changes_where_the_path_stays() {
    let query = r#"{"query":{"size":"{query.per_page}","site":"all"},"drop_query":["per_page"]}"#;
    assert_eq!(
        edits(query, "/old/1?a=%7c&per_page=5&site=x", &[]),
        ":path: /old/1?a=%7c&size=5&site=all"
    );
    assert_eq!(edits(query, "/old/1", &[]), ":path: /old/1?site=all");
    let drop = r#"{"drop_query":["_"]}"#;
    assert_eq!(edits(drop, "/old/1?_=1", &[]), ":path: /old/1");
    assert_eq!(edits(drop, "/old/1?%5F=1&a", &[]), ":path: /old/1?a");
    assert_eq!(edits(drop, "/old/1?a=1", &[]), "");
}

#[test]
fn headers_are_set_removed_renamed_copied_and_defaulted() {
    let headers = r#"{"headers":{"copy":{"X-A":"x-copy"},"rename":{"x-old":"x-new"},
        "default":{"x-d":"d","x-there":"d"},"remove":["x-r"],"set":{"x-s":"{query.s}","x-id":"{header.x-a ?? 'none'}"}}}"#;
    assert_eq!(
        edits(
            headers,
            "/old/1?s=a+%C3%A9",
            &[("x-a", "1"), ("x-old", "o1"), ("x-old", "o2"), ("x-there", "")]
        ),
        "x-copy: 1\nx-new: o1\n+x-new: o2\n-x-old\nx-d: d\n-x-r\nx-s: a é\nx-id: 1"
    );
    assert_eq!(edits(headers, "/old/1", &[]), "x-d: d\nx-there: d\n-x-r\nx-id: none");
    assert_eq!(edits(headers, "/old/1?s=+a", &[]), "400 bad_request");
}

#[test]
fn a_method_stands_elsewhere() {
    let policy = r#"{"method_override":{"header":"X-HTTP-Method-Override","query":"_method","methods":["PUT","DELETE"]}}"#;
    let send = |method: &str, path: &str, headers: &[(&str, &str)]| {
        lines(&sent(policy, method, path, headers, false).outcome)
    };
    let header = |value| [("x-http-method-override", value)];
    assert_eq!(send("POST", "/old/1", &header("put")), "-x-http-method-override\n:method: PUT");
    assert_eq!(
        send("POST", "/old/1?_method=DELETE&a=1", &[]),
        "-x-http-method-override\n:method: DELETE\n:path: /old/1?a=1"
    );
    assert_eq!(send("POST", "/old/1", &header("PATCH")), "400 bad_request");
    assert_eq!(send("POST", "/old/1?_method=PUT", &header("DELETE")), "400 bad_request");
    // Of a method that a cache or a link may send it does not count, and is taken out.
    assert_eq!(
        send("GET", "/old/1?_method=DELETE", &header("DELETE")),
        "-x-http-method-override\n:path: /old/1"
    );
}

#[test]
fn a_credential_is_moved_from_wherever_it_stands() {
    let query = r#"{"credential":{"bearer":"{query.token}"}}"#;
    let moved = sent(query, "GET", "/old/1?a=1&token=t1", &[], false);
    assert_eq!(lines(&moved.outcome), ":path: /old/1?a=1\n+authorization: Bearer t1");
    assert_eq!(logged(&moved.outcome).1, "/old/1?a=1&token=***");
    assert_eq!(edits(query, "/old/1", &[]), "");
    assert_eq!(edits(query, "/old/1?token=", &[]), "401 invalid_credential");
    assert_eq!(edits(query, "/old/1?token=a%20b", &[]), "401 invalid_credential");
    assert_eq!(edits(query, "/old/1?token=a&token=b", &[]), "400 bad_request");
    let cookie =
        r#"{"credential":{"basic":{"username":"{cookie.user}","password":"{cookie.key}"}}}"#;
    assert_eq!(
        edits(cookie, "/old/1", &[("cookie", "a=1; key=k1"), ("cookie", "user=me")]),
        "cookie: a=1\n+authorization: Basic bWU6azE="
    );
    assert_eq!(edits(cookie, "/old/1", &[("cookie", "key=k1")]), "-cookie");
    let header = r#"{"credential":{"bearer":"{header.X-Token}"}}"#;
    assert_eq!(
        edits(header, "/old/1", &[("x-token", "t1")]),
        "-x-token\n+authorization: Bearer t1"
    );
    // Two of them: auth gets both, and refuses.
    assert_eq!(
        edits(header, "/old/1", &[("x-token", "t1"), ("authorization", "Bearer t2")]),
        "-x-token\n+authorization: Bearer t1"
    );
    assert_eq!(
        filter(header).unwrap().credential_places(),
        [postern_core::filter::CredentialPlace::Header("x-token".to_owned())]
    );
}

#[test]
fn basic_becomes_a_key() {
    let key = r#"{"credential":{"key":{"header":"X-Api-Key","value":"{basic.password}"}}}"#;
    let basic = |value| edits(key, "/old/1", &[("authorization", value)]);
    assert_eq!(basic("Basic bWU6azE="), "-authorization\n+x-api-key: k1");
    assert_eq!(basic("basic bWU6azE="), "-authorization\n+x-api-key: k1");
    assert_eq!(basic("Basic bWU6IGsx"), "401 invalid_credential");
    for other in ["Bearer bWU6azE=", "Basic ???", "Basic bWU=", "Basic"] {
        assert_eq!(basic(other), "", "{other}");
    }
    let user = r#"{"credential":{"bearer":"{basic.username}"}}"#;
    let user = |value| edits(user, "/old/1", &[("authorization", value)]);
    assert_eq!(user("Basic dDE6"), "-authorization\n+authorization: Bearer t1");
    // Without the part that is meant nothing of it is left either.
    let password = r#"{"credential":{"key":{"header":"x-api-key","value":"{basic.password}"}}}"#;
    assert_eq!(
        edits(password, "/old/1", &[("authorization", "Basic OmsxOmsy")]),
        "-authorization\n+x-api-key: k1:k2"
    );
}

#[test]
fn forms_and_json_become_each_other() {
    let to_json = r#"{"body":{"from":"form","to":"json","edit":{"steps":[
        {"convert":{"at":["size"],"to":"number"}},{"rename":{"from":"q","to":"term"}}]}},
        "headers":{"set":{"x-q":"{body.q}"}},"query":{"size":"{body.size}"}}"#;
    const GONE: &str = "-content-encoding\n-content-md5\n-digest\n-content-digest\n-repr-digest\n";
    let form = "application/x-www-form-urlencoded; charset=utf-8";
    assert_eq!(
        with_body(to_json, form, "q=a+b&size=10"),
        format!(
            ":path: /form?size=10\nx-q: a b\n{GONE}content-type: application/json\n\
             {{\"term\":\"a b\",\"size\":10}}"
        )
    );
    assert_eq!(with_body(to_json, form, "size=ten"), "400 unusable_body");
    assert_eq!(with_body(to_json, form, "q=%ff"), "400 unusable_body");
    assert_eq!(with_body(to_json, "application/json", "{}"), "415 unusable_body");
    // An empty one stays: it may mean something else than an empty object.
    assert_eq!(with_body(to_json, form, ""), "");
    let to_form =
        r#"{"body":{"to":"form","edit":{"convert":[{"members":["on"],"to":"date old iso"}]}}}"#;
    assert_eq!(
        with_body(to_form, "application/json", r#"{"on":"2016-03-07","ids":[1.0,"x&y"]}"#),
        format!(
            "{GONE}content-type: application/x-www-form-urlencoded\n\
             on=07%2F03%2F2016&ids=1.0&ids=x%26y"
        )
    );
    assert_eq!(with_body(to_form, "application/json", r#"{"a":{}}"#), "400 unusable_body");
    assert_eq!(with_body(to_form, "application/json", "{"), "400 unusable_body");
}

#[test]
fn a_body_is_edited_whole_or_stays() {
    let edit = r#"{"body":{"edit":{"steps":[{"set":{"at":"id","to":"{$capture.id}"}}]},
        "on_mismatch":"original","on_too_large":"refuse"}}"#;
    let send = |content_type: &str, body: &str| {
        let headers = [("content-type", content_type)];
        let edit = edit.replace("{$capture.id}", "x");
        let mut sent = sent(&edit, "POST", "/form", &headers, true);
        if !matches!(sent.outcome.step, Step::Hold) {
            return lines(&sent.outcome);
        }
        let host = FakeHost::default();
        let outcome = match body.len() > 1024 {
            true => sent.filter.request_body_over_cap(&mut sent.stream),
            false => sent.filter.request_body(&mut sent.stream, body.as_bytes(), &host),
        };
        let shown = lines(&outcome);
        shown.lines().last().unwrap_or_default().to_owned()
    };
    assert_eq!(send("application/json", " {\"a\" : 1.0}\n"), " {\"a\" : 1.0,\"id\":\"x\"}");
    assert_eq!(send("application/vnd.x+json", "{}"), "{\"id\":\"x\"}");
    for stays in ["[1]", "{", "\u{feff}{}"] {
        assert_eq!(send("application/json", stays), "", "{stays}");
    }
    assert_eq!(send("text/plain", "{}"), "");
    assert_eq!(send("application/json", &"x".repeat(1025)), "413 body_too_large");
}

#[test]
fn a_credential_in_a_body_is_taken_out() {
    let moved = r#"{"body":{"from":"form"},"credential":{"basic":{"username":"{body.user}","password":"{body.key}"}}}"#;
    let form = "application/x-www-form-urlencoded";
    let out = with_body(moved, form, "user=me&key=k1&a=1");
    assert!(out.starts_with("+authorization: Basic bWU6azE=\n") && out.ends_with("\na=1"), "{out}");
    assert_eq!(with_body(moved, form, "key=k1&key=k2&a=1").lines().last(), Some("a=1"));
    assert_eq!(
        filter(r#"{"body":{"from":"form","on_too_large":"original"},"credential":{"bearer":"{body.t}"}}"#)
            .unwrap_err(),
        "rules[0].request.body: `body.t` is a credential: what cannot be read may hold it too, so \
         expected `refuse`\n\
         rules[1].request.body: `body.t` is a credential: what cannot be read may hold it too, so \
         expected `refuse`"
    );
}

#[test]
fn mistakes_are_named() {
    for (request, expected) in [
        (
            r#"{"path":"/{querry.x}"}"#,
            "path: `querry.x` is no part of a request, expected a capture, `query.NAME`, `header.NAME`, `cookie.NAME`, `body.NAME`, `basic.username` or `basic.password`",
        ),
        (
            r#"{"path":"/{query.x ?? 'a}"}"#,
            "path: a `{` has no `}`; a brace that is meant is written `{{`",
        ),
        (
            r#"{"path":"/x","drop_query":["a"]}"#,
            "drop_query[0]: beside a `path` all goes that `keep_query` does not name",
        ),
        (r#"{"keep_query":["a"]}"#, "keep_query[0]: `keep_query` needs a `path`"),
        (
            r#"{"method":"PUT","method_override":{"methods":["PUT"]}}"#,
            "method_override: expected a `header` or a `query` parameter that names the method\nmethod_override: `method` says already which method it is",
        ),
        (
            r#"{"headers":{"rename":{"x":"Host"}}}"#,
            "headers.rename.x: `host` is written by the proxy alone",
        ),
        (
            r#"{"headers":{"copy":{"x":"X"}}}"#,
            "headers.copy.x: expected another name than the header has",
        ),
        (
            r#"{"headers":{"set":{"x":"{body.a}"}}}"#,
            "headers.set.x: `body.a` needs a `body`, which says what is sent",
        ),
        (
            r#"{"headers":{"set":{"x":"{query.t}"}},"credential":{"bearer":"{query.t}"}}"#,
            "headers.set.x: `query.t` is a credential, which the upstream must not get",
        ),
        (
            r#"{"headers":{"copy":{"x-t":"x-u"}},"credential":{"bearer":"{header.x-t}"}}"#,
            "credential.bearer: `header.x-t` is a credential, which the upstream must not get",
        ),
        (
            r#"{"headers":{"set":{"x-k":"a"}},"credential":{"key":{"header":"x-k","value":"{query.t}"}}}"#,
            "headers.set.x-k: the credential sets `x-k` already",
        ),
        (
            r#"{"body":{"edit":{"steps":[{"set":{"at":"a","to":"{$status}"}}]}}}"#,
            "body: `$status` and `$refusal` are of answers, and this is a request",
        ),
    ] {
        let own: Vec<String> =
            expected.split('\n').map(|e| format!("rules[0].request.{e}")).collect();
        let found = filter(request).unwrap_err();
        let found: Vec<&str> = found.lines().filter(|l| l.starts_with("rules[0]")).collect();
        assert_eq!(found, own, "{request}");
    }
}
