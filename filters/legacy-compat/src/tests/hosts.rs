//! What is kept of a host is told as if it were not.

use super::*;

fn filter(shadow: bool) -> LegacyCompat {
    let tried = r#"{"name":"try","mode":"shadow","match":{"paths":["/try/**"]}}"#;
    let policy = format!(
        r#"{{"hosts":[{{"names":["old.example"],"dialect":"old","unmatched":"refuse","log_segments":1}},
                      {{"names":["*.b.example"],"dialect":"old"}}],
            "dialects":{{"old":{{}}}},"rules":[{}]}}"#,
        if shadow { tried } else { "" }
    );
    LegacyCompat::configure(&parse_json(policy.as_bytes()).unwrap(), &|_| None).unwrap()
}

/// The step, the record and the path, and is the answer looked at?
fn told(filter: &LegacyCompat, host: &str, path: &str) -> String {
    let own = [(":method", "GET"), (":authority", host), (":path", path)];
    let (request, mut stream) = (Request::new(Headers::new(own), true), Stream::default());
    let outcome = filter.request_headers(&mut stream, &request, &FakeHost::default());
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    let record = outcome.record.as_ref().unwrap().show("v", text);
    let (_, path) = logged(&outcome);
    let refused = matches!(outcome.step, Step::Refuse(_));
    format!("{refused} {record} {path} {}", filter.follows(&stream))
}

#[test]
fn hosts_that_alternate_have_each_its_own_record() {
    let hosts = [
        "api.example",
        "API.example:80",
        "api.exampl",
        "old.example",
        "x.b.example",
        "a,b",
        "-",
        "api.exampla",
        "b.example",
        "[::1]",
        "",
    ];
    for shadow in [false, true] {
        let kept = filter(shadow);
        for round in 0..5 {
            for host in hosts {
                for path in ["/a/b", "/a/b?x=1", "/try/b", "/a/c", "/a;b"] {
                    // Some come twice in a row.
                    for _ in 0..=round % 2 {
                        let anew = told(&filter(shadow), host, path);
                        assert_eq!(told(&kept, host, path), anew, "{host} {path}");
                    }
                }
            }
        }
    }
    let record = |host: &str, more: &str| {
        let own =
            r#"{"decision":"skip","rule":"-","code":"no_rule","version":"v","mode":"enforce""#;
        format!(r#"{own},"host":"{host}"{more}}}"#)
    };
    // The answers of a host with a dialect are looked at, and those to what is tried.
    for (shadow, host, path, more, is_followed) in [
        (false, "api.example", "/a/b", "", false),
        (false, "x.b.example", "/a/b", "", true),
        (true, "api.example", "/a/b", "", false),
        (true, "api.example", "/try/b", r#","shadow":"try","shadow_request":"same""#, true),
    ] {
        let expected = format!("false {} {path} {is_followed}", record(host, more));
        assert_eq!(told(&filter(shadow), host, path), expected, "{host} {path}");
    }
}
