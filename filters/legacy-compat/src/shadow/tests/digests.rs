//! Digests of differences: by them equal changes are known, and nothing else is.

use postern_core::Host as _;

use super::*;
use crate::blueprint::TRIAL_SECRET;

/// What the record says of a request to this Envoy.
fn request_on(host: &FakeHost, tried: &str, path: &str, headers: &[(&str, &str)]) -> String {
    let lines = [(":method", "GET"), (":authority", "a.example"), (":path", path)];
    let lines = [&lines[..], headers].concat();
    let request = Request::new(Headers::new(lines), true);
    let outcome = filter(tried).request_headers(&mut Stream::default(), &request, host);
    let record = record(&outcome)["shadow_request"].as_str().unwrap().to_owned();
    assert!(record.starts_with("change:"), "{record}");
    record
}

const TOLD: &str = r#""request": {"path": "/c/{b}"}"#;

#[test]
fn equal_changes_are_equal_on_all_workers_of_an_envoy_and_on_no_other() {
    let (one, other) = (FakeHost::default(), FakeHost::default());
    let first = request_on(&one, TOLD, "/a/b", &[]);
    assert_eq!(request_on(&one, TOLD, "/a/b", &[]), first);
    // A stand-in's randomness is the same each time.
    other.random();
    assert_ne!(request_on(&other, TOLD, "/a/b", &[]), first);
    // The key is where no log has it.
    assert!(
        matches!(one.load(TRIAL_SECRET), postern_core::host::Stored::Value(key, _) if key.len() == 16)
    );
    // Without shared data each worker has its own.
    one.break_shared(postern_core::fake::Fault::Unavailable);
    one.random();
    assert_ne!(request_on(&one, TOLD, "/a/b", &[]), first);
}

#[test]
fn of_credentials_it_holds_that_there_is_one() {
    let host = FakeHost::default();
    let key = r#""request": {"credential": {"key": {"header": "x-token", "value": "{query.k}"}}}"#;
    let with = |k: &str| request_on(&host, key, &format!("/a/b?k={k}"), &[]);
    assert_eq!(with("k1"), with("k2"));
    let basic = r#""request": {"credential": {"bearer": "{cookie.t}"}}"#;
    let with = |t: &str| request_on(&host, basic, "/a/b", &[("cookie", &format!("t={t}; a=1"))]);
    assert_eq!(with("k1"), with("k2"));
}
