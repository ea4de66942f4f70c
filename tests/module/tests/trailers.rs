//! What trailers say of a body's bytes is true of those bytes alone.

#![allow(clippy::unwrap_used, clippy::panic)]

mod built;

use built::{configured, headers};

const POLICY: &str = r#"{"rules": [
    {"name": "edited", "match": {"paths": ["/edited"]}, "answers": [{"edit": {"scalars": "string"}}]},
    {"name": "both", "match": {"paths": ["/both"]},
     "request": {"body": {"from": "json", "edit": {"scalars": "string"}}},
     "answers": [{"edit": {"scalars": "string"}}]}
]}"#;

/// The body and the trailers that come of an answer to a request with a body.
fn ended(path: &str, body: &str) -> (String, Vec<String>) {
    let mut module = configured("legacy-compat", &[], POLICY);
    let stream = module.stream().unwrap();
    let request = headers(&[
        (":method", "POST"),
        (":authority", "a.example"),
        (":path", path),
        ("content-type", "application/json"),
    ]);
    module.request_headers(stream, request, false).unwrap();
    module.request_body(stream, br#"{"asked":1}"#).unwrap();
    let head = headers(&[(":status", "200"), ("content-type", "application/json")]);
    module.response_headers(stream, head, false).unwrap();
    let trailers = headers(&[
        ("digest", "a"),
        ("x-end", "1"),
        ("content-digest", "a"),
        ("repr-digest", "a"),
        ("content-md5", "a"),
        ("etag", "a"),
    ]);
    assert!(!module.response_ending(stream, body.as_bytes(), trailers).unwrap().paused);
    let names = module.proxy().response_trailers.iter().map(|(name, _)| name.clone()).collect();
    (String::from_utf8(module.proxy().response_body.clone()).unwrap(), names)
}

#[test]
fn digests_go_from_the_trailers_of_a_body_that_changed() {
    assert_eq!(
        ended("/edited", r#"{"a":1}"#),
        (r#"{"a":"1"}"#.to_owned(), vec!["x-end".to_owned()])
    );
    // Of one that stays they are true.
    for (path, body) in [("/edited", "{"), ("/other", r#"{"a":1}"#), ("/both", "{")] {
        let (same, names) = ended(path, body);
        assert_eq!((same.as_str(), names.len()), (body, 6), "{path}");
    }
}
