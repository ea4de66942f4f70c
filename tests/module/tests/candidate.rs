//! What a candidate costs a request: for a caller without identity, its address.
//! The valve costs it nothing.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod built;

use built::{configured, headers};
use postern_module::{Event, Module};

const POLICY: &str = r#"{
    "rules": [{"name": "all", "match": {}, "subject": "anyone"}],
    "candidate": {"mode": "enforce", "rules": [
        {"name": "most", "match": {"paths": ["/a"]}, "subject": "anyone"}
    ]}
}"#;

const KNOWN: &[u8] = br#"{"v":1,"sub":"ann"}"#;
const ANYBODY: &[u8] = br#"{"v":1,"anonymous":true}"#;

fn ask(module: &mut Module, path: &str, identity: &[u8]) -> Event {
    let headers = headers(&[(":authority", "a.example.com"), (":path", path), (":method", "GET")]);
    let stream = module.stream().unwrap();
    module.proxy().set_property(&["postern.identity"], identity);
    module.request_headers(stream, headers, true).unwrap()
}

#[test]
fn a_candidate_costs_few_crossings() {
    let mut module = configured("authz", &[], POLICY);
    let mut calls = |path, identity| {
        let crossings = ask(&mut module, path, identity).crossings;
        let calls = crossings.iter().map(|(call, n)| format!("{} {n}", &call["proxy_".len()..]));
        calls.collect::<Vec<_>>().join(", ")
    };
    // The first one also learns what the workers share.
    assert_eq!(
        calls("/a", KNOWN),
        "get_header_map_pairs 1, get_property 2, get_shared_data 2, set_property 1, \
         set_shared_data 1"
    );
    let plain = "get_header_map_pairs 1, get_property 1, set_property 1";
    assert_eq!(calls("/a", KNOWN), plain);
    // Refused: the reply, the state that says why, and the request's number.
    assert_eq!(
        calls("/b", KNOWN),
        "get_header_map_pairs 1, get_property 2, send_local_response 1, set_property 2"
    );
    assert_eq!(calls("/a", ANYBODY), plain.replace("get_property 1", "get_property 2"));
}
