//! What is fetched cannot be had offline; `explain` says so.

#![allow(clippy::unwrap_used)]

use std::path::Path;
use std::time::Duration;

use postern_auth::Auth;
use postern_cli::chain::Chain;
use postern_cli::edge::Sent;
use postern_cli::explain::{Answering, explain};
use postern_cli::policy::Policy;

#[test]
fn keys_that_are_fetched_are_said_to_be_missing() {
    let text = "providers:\n  keys:\n    api_key:\n      remote:\n        cluster: idp\n        \
                uri: https://id.example.com/api-keys.json\n";
    let policy = Policy::parse(Path::new("auth.yaml"), "auth", text).unwrap();
    let mut chain = Chain::new(Duration::from_secs(1_795_478_400));
    chain.mount::<Auth>("auth", &policy.node, &|_| None).unwrap();
    let sent = Sent {
        method: b"GET".to_vec(),
        path: b"/whoami".to_vec(),
        headers: vec![
            (b"host".to_vec(), b"api.example.com".to_vec()),
            (b"x-api-key".to_vec(), b"some-key".to_vec()),
        ],
        ..Sent::default()
    };
    let explained = explain(&chain, &sent, Answering(None));
    assert_eq!(explained.refused(), Some(503));
    let text = explained.to_text();
    assert!(text.contains("(keys_unavailable)"), "{text}");
    assert!(text.contains("offline nothing is fetched: give the key that is missing by"), "{text}");
    assert!(text.contains("retry-after: "), "{text}");
}
