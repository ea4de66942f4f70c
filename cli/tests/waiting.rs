//! Requests that wait, offline: the clock goes on as the filters ask for it.

#![allow(clippy::unwrap_used)]

use std::path::Path;
use std::time::Duration;

use postern_auth::Auth;
use postern_cli::chain::{Chain, Message, Traversal, World};
use postern_cli::policy::Policy;
use postern_core::digest::{hex, sha256};
use postern_core::{Answer, Ask};

const BEGAN: Duration = Duration::from_secs(1_795_478_400);

/// A provider whose keys are in a list that is fetched.
fn chain() -> Chain {
    let text = "providers:\n  keys:\n    api_key:\n      remote:\n        cluster: lists\n        \
                uri: https://id.example.com/api-keys.json\n";
    let policy = Policy::parse(Path::new("auth.yaml"), "auth", text).unwrap();
    let mut chain = Chain::new(BEGAN);
    chain.mount::<Auth>("auth", &policy.node, &|_| None).unwrap();
    chain
}

/// A server that fails so often before it answers.
struct Lists {
    failures: usize,
    asked: usize,
    list: Vec<u8>,
}

impl Lists {
    fn of(keys: usize, failures: usize) -> Self {
        let key = |n: usize| {
            let digest = hex(&sha256(format!("key-{n}").as_bytes()));
            format!(r#"{{"id":"k{n}","subject":"s{n}","sha256":"{digest}"}}"#)
        };
        let keys: Vec<String> = (0..keys).map(key).collect();
        let list = format!(r#"{{"keys":[{}]}}"#, keys.join(",")).into_bytes();
        Lists { failures, asked: 0, list }
    }
}

impl World for Lists {
    fn upstream(&mut self, _request: &Message) -> Message {
        Message { headers: vec![(":status".to_owned(), b"200".to_vec())], body: None }
    }

    fn answer(&mut self, _ask: &Ask) -> Answer {
        self.asked += 1;
        if self.asked <= self.failures {
            return Answer::Unavailable;
        }
        let body = self.list.clone().into();
        Answer::Response { status: 200, headers: Vec::new(), body }
    }
}

fn send(chain: &Chain, key: &str, world: &mut Lists) -> Traversal {
    let headers =
        [(":method", "GET"), (":path", "/"), (":authority", "a.example"), ("x-api-key", key)];
    let headers = headers.map(|(name, value)| (name.to_owned(), value.as_bytes().to_vec()));
    chain.send(Message { headers: headers.into(), body: None }, &[], world)
}

fn status(done: &Traversal) -> &str {
    std::str::from_utf8(done.response.header(":status").unwrap()).unwrap()
}

#[test]
fn a_list_that_is_read_in_slices_is_read_while_a_request_waits() {
    let (chain, mut world) = (chain(), Lists::of(3_000, 0));
    assert_eq!(status(&send(&chain, "key-2999", &mut world)), "200");
    assert!(chain.now() < BEGAN + Duration::from_secs(1), "{:?}", chain.now() - BEGAN);
    assert_eq!(status(&send(&chain, "key-3000", &mut world)), "401");
    assert_eq!(world.asked, 1);
}

#[test]
fn what_fails_is_asked_again_while_a_request_waits() {
    let (chain, mut world) = (chain(), Lists::of(3, 1));
    assert_eq!(status(&send(&chain, "key-2", &mut world)), "200");
    assert_eq!(world.asked, 2);
    let waited = chain.now() - BEGAN;
    let second = Duration::from_secs(1);
    assert!(second / 2 < waited && waited < 2 * second, "{waited:?}");
}

#[test]
fn the_clock_is_not_turned_back_after_a_wait() {
    let (chain, mut world) = (chain(), Lists::of(3, usize::MAX));
    let done = send(&chain, "key-2", &mut world);
    assert_eq!(status(&done), "503");
    assert!(done.response.header("retry-after").is_some());
    let (first, asked) = (chain.now(), world.asked);
    // At once, after one second and after two more; the next comes too late.
    assert_eq!(asked, 3);
    let waited = first - BEGAN;
    assert!(Duration::from_secs(2) < waited && waited < Duration::from_secs(4), "{waited:?}");
    assert_eq!(status(&send(&chain, "key-2", &mut world)), "503");
    assert_eq!((chain.now(), world.asked), (first, asked));
    chain.set_now(chain.now() + Duration::from_secs(60));
    world.failures = 0;
    assert_eq!(status(&send(&chain, "key-2", &mut world)), "200");
}
