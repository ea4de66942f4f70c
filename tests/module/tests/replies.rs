//! Replies that the proxy will not send: nothing traps, and what may not pass does
//! not. Envoy 1.40 takes every reply; others, and older ones, refuse some.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod built;

use built::{configured, headers, load};
use postern_module::{Headers, Module};

const POLICY: &str = r#"{
    "hosts": [{"names": ["old.example"], "dialect": "old", "unmatched": "refuse"}],
    "dialects": {"old": {}},
    "rules": [{
        "name": "thing",
        "match": {"paths": ["/thing"]},
        "answers": [{"status": 202, "text": "new", "content_type": "text/plain"}]
    }]
}"#;

fn request(host: &str, path: &str) -> Headers {
    headers(&[(":method", "POST"), (":authority", host), (":path", path)])
}

/// A header that is not UTF-8 stands in it.
fn answer() -> Headers {
    let mut answer = headers(&[(":status", "200"), ("content-type", "text/plain")]);
    answer.push(("x-old".to_owned(), b"caf\xe9".to_vec()));
    answer
}

fn complaints(module: &mut Module) -> Vec<String> {
    let log = std::mem::take(&mut module.proxy().log);
    log.into_iter().filter(|line| line.contains("refused")).collect()
}

#[test]
fn a_request_whose_refusal_is_not_sent_does_not_pass() {
    let mut module = configured("legacy-compat", &[], POLICY);
    module.proxy().refuses_replies = true;
    let stream = module.stream().unwrap();
    let request = request("old.example", "/nothing");
    assert!(module.request_headers(stream, request, false).unwrap().paused);
    assert_eq!(complaints(&mut module), ["legacy-compat: the proxy refused a reply of status 404"]);
    // This filter is shown the body of a request that it has paused.
    assert!(module.request_body(stream, b"whole").unwrap().paused);
    let record = module.proxy().property(&["postern.legacy-compat"]).expect("a record").to_vec();
    let record = String::from_utf8_lossy(&record).into_owned();
    assert!(record.starts_with(r#"{"decision":"deny""#), "{record}");
    // The proxy's own answer, once it ends the stream, is another message.
    assert!(!module.response_headers(stream, answer(), false).unwrap().paused);
    assert!(!module.response_body(stream, b"late").unwrap().paused);
}

#[test]
fn without_a_configuration_neither() {
    let mut module = load("legacy-compat", &[]);
    module.proxy().refuses_replies = true;
    let stream = module.stream().unwrap();
    assert!(module.request_headers(stream, request("a.example", "/"), false).unwrap().paused);
    assert!(module.request_body(stream, b"whole").unwrap().paused);
    assert_eq!(complaints(&mut module), ["legacy-compat: the proxy refused a reply of status 500"]);
}

#[test]
fn an_answer_that_is_not_replaced_goes_on_as_it_is() {
    let mut module = configured("legacy-compat", &[], POLICY);
    module.proxy().refuses_replies = true;
    let stream = module.stream().unwrap();
    assert!(!module.request_headers(stream, request("a.example", "/thing"), true).unwrap().paused);
    assert!(!module.response_headers(stream, answer(), true).unwrap().paused);
    assert_eq!(module.proxy().response, answer());
    assert_eq!(complaints(&mut module), ["legacy-compat: the proxy refused a reply of status 202"]);
}

#[test]
fn a_reply_keeps_headers_that_are_not_utf_8() {
    let mut module = configured("legacy-compat", &[], POLICY);
    let stream = module.stream().unwrap();
    assert!(!module.request_headers(stream, request("a.example", "/thing"), true).unwrap().paused);
    assert!(module.response_headers(stream, answer(), true).unwrap().paused);
    let reply = module.proxy().reply.clone().expect("a reply");
    assert_eq!((reply.status, reply.body.as_slice()), (202, &b"new"[..]));
    let kept = ("x-old".to_owned(), b"caf\xe9".to_vec());
    assert!(reply.headers.contains(&kept), "{:?}", reply.headers);
    assert_eq!(complaints(&mut module), [""; 0]);
}
