//! More streams that wait than may: what the shell itself answers.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod built;

use built::{configured, headers};
use postern_module::{Headers, ROOT};

/// The shell's bound.
const MOST: usize = 10_000;

const POLICY: &str = r#"{
    "providers": {"personal": {"introspection": {
        "cluster": "idp",
        "uri": "https://id.example.com/introspect",
        "bearer_env": "TOKEN",
        "max_waiting": 65536
    }}}
}"#;

fn request() -> Headers {
    headers(&[
        (":authority", "api.example.com"),
        (":path", "/"),
        (":method", "GET"),
        ("authorization", "Bearer pt_a"),
    ])
}

#[test]
fn who_cannot_wait_is_told_when_to_come_back_and_the_log_why() {
    let mut module = configured("auth", &[("TOKEN", "secret")], POLICY);
    for n in 0..MOST {
        let stream = module.stream().unwrap();
        let event = module.request_headers(stream, request(), true).unwrap();
        assert!(event.paused && module.proxy().reply.is_none(), "{n}");
    }
    assert_eq!(module.proxy().property(&["postern.auth"]), None);
    let stream = module.stream().unwrap();
    assert!(module.request_headers(stream, request(), true).unwrap().paused, "it is answered");
    let reply = module.proxy().reply.clone().expect("a reply");
    assert_eq!(reply.status, 503);
    let header = |name: &str| {
        let found = reply.headers.iter().find(|(own, _)| own == name);
        found.map(|(_, value)| String::from_utf8_lossy(value).into_owned())
    };
    assert_eq!(header("retry-after").as_deref(), Some("1"));
    assert_eq!(header("content-type").as_deref(), Some("application/problem+json"));
    let body = String::from_utf8_lossy(&reply.body).into_owned();
    assert!(body.contains(r#""code":"too_many_waiting""#), "{body}");
    let record = module.proxy().property(&["postern.auth"]).expect("a record").to_vec();
    let record = String::from_utf8_lossy(&record).into_owned();
    let expected = r#"{"decision":"deny","rule":"-","code":"too_many_waiting","version":""#;
    assert!(record.starts_with(expected), "{record}");
    let refusal = module.proxy().property(&["postern.refusal"]).expect("a refusal").to_vec();
    let refusal = String::from_utf8_lossy(&refusal).into_owned();
    assert!(refusal.contains(r#""by":"auth""#), "{refusal}");
}

/// The proxy may have answered meanwhile, too late itself, say: a second answer would cut
/// the first one off.
#[test]
fn a_request_that_is_answered_already_is_not_judged_any_more() {
    for answered in [false, true] {
        let mut module = configured("auth", &[("TOKEN", "secret")], POLICY);
        let stream = module.stream().unwrap();
        assert!(module.request_headers(stream, request(), true).unwrap().paused);
        if answered {
            module.response_headers(stream, headers(&[(":status", "408")]), true).unwrap();
        }
        module.proxy().now += 10_000_000_000;
        module.tick(ROOT).unwrap();
        let status = module.proxy().reply.as_ref().map(|reply| reply.status);
        assert_eq!(status, (!answered).then_some(503));
        assert_eq!(module.proxy().property(&["postern.auth"]).is_none(), answered);
    }
}
