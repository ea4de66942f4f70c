//! A configuration that went while a question of its own was open: the answer that
//! comes late changes nothing.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod built;

use built::{configured, headers};
use postern_module::{Module, ROOT};

const POLICY: &str = r#"{
    "providers": {"personal": {"introspection": {
        "cluster": "idp",
        "uri": "https://id.example.com/introspect",
        "bearer_env": "TOKEN"
    }}}
}"#;

/// A second root beside the first.
const OTHER: i32 = 100;

/// Two roots, of which the first has a request that waits for the answer to a
/// question; its token.
fn asking() -> (Module, u32) {
    let mut module = configured("auth", &[("TOKEN", "secret")], POLICY);
    module.proxy().sends_calls = true;
    module.create_root(OTHER).unwrap();
    assert!(module.configure_root(OTHER, POLICY).unwrap());
    let stream = module.stream_of(ROOT).unwrap();
    let request = headers(&[
        (":authority", "api.example.com"),
        (":path", "/"),
        (":method", "GET"),
        ("authorization", "Bearer pt_a"),
    ]);
    assert!(module.request_headers(stream, request, true).unwrap().paused);
    module.tick(OTHER).unwrap();
    assert_eq!(module.proxy().calls, [], "the other root has nobody to ask about");
    module.tick(ROOT).unwrap();
    let calls = module.proxy().calls.clone();
    let [call] = calls.as_slice() else { panic!("one question: {calls:?}") };
    assert_eq!(call.cluster, "idp");
    (module, call.token)
}

/// Brings the answer: which calls does it lead to?
fn answered(module: &mut Module, root: i32, token: u32) -> Vec<String> {
    let headers = headers(&[(":status", "200"), ("content-type", "application/json")]);
    let body = br#"{"active": true, "sub": "northwind"}"#;
    let event = module.call_answer(root, token, headers, body).unwrap();
    event.crossings.into_keys().collect()
}

#[test]
fn an_answer_in_time_is_shared() {
    let (mut module, token) = asking();
    let calls = answered(&mut module, ROOT, token);
    assert!(calls.iter().any(|call| call == "proxy_set_shared_data"), "{calls:?}");
    assert_eq!(answered(&mut module, ROOT, token), [""; 0], "it is taken once");
}

#[test]
fn an_answer_that_comes_too_late_reaches_nobody() {
    let (mut module, token) = asking();
    module.end(ROOT).unwrap();
    assert_eq!(answered(&mut module, ROOT, token), [""; 0]);
    assert_eq!(answered(&mut module, OTHER, token), [""; 0]);
}

#[test]
fn nor_a_new_root_with_the_number_of_the_old() {
    let (mut module, token) = asking();
    module.end(ROOT).unwrap();
    module.create_root(ROOT).unwrap();
    assert!(module.configure_root(ROOT, POLICY).unwrap());
    assert_eq!(answered(&mut module, ROOT, token), [""; 0]);
}

/// Envoy goes on to tick for a root that it has deleted, unless it is told not to.
#[test]
fn a_root_that_goes_tells_its_counts_and_wants_no_more_ticks() {
    let mut module = configured("auth", &[("TOKEN", "secret")], POLICY);
    module.tick(ROOT).unwrap();
    for _ in 0..3 {
        let stream = module.stream_of(ROOT).unwrap();
        let request = headers(&[(":authority", "a.example"), (":path", "/"), (":method", "GET")]);
        module.request_headers(stream, request, true).unwrap();
        assert_eq!(module.proxy().reply.take().map(|reply| reply.status), Some(401));
        module.end(stream).unwrap();
    }
    let counted = |module: &mut Module| {
        let metrics = &module.proxy().metrics;
        metrics.iter().find(|(name, _)| name.ends_with(".missing_credential")).map(|(_, n)| *n)
    };
    assert_eq!(counted(&mut module), Some(1), "the others are kept");
    assert_ne!(module.proxy().tick_period, 0);
    module.end(ROOT).unwrap();
    assert_eq!(counted(&mut module), Some(3));
    assert_eq!(module.proxy().tick_period, 0);
}
