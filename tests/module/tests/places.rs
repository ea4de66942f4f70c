//! Places of requests under way, in the compiled `rate-limit`: they are left at the end
//! of a stream, all policies of a VM share its number, and who takes none pays nothing.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod built;

use built::{configured, headers};
use postern_module::{Module, ROOT};

const ONE: &str =
    r#"{"limits":[{"id":"one","match":{"paths":["/one"]},"key":["address"],"concurrency":1}]}"#;
const VMS: &[u8] = b"rate-limit-vms-1";
const OTHER: i32 = 100;

/// Begins a stream; its number, if it passes.
fn begin(module: &mut Module, root: i32, path: &str) -> Option<i32> {
    module.proxy().set_property(&["source", "address"], b"192.0.2.1:4711");
    let stream = module.stream_of(root).unwrap();
    let request = headers(&[(":authority", "a.example"), (":path", path), (":method", "GET")]);
    module.request_headers(stream, request, true).unwrap();
    let refused = module.proxy().reply.take();
    if let Some(reply) = &refused {
        assert_eq!(reply.status, 429);
        module.end(stream).unwrap();
    }
    refused.is_none().then_some(stream)
}

fn calls(module: &mut Module, stream: i32) -> Vec<(String, u32)> {
    module.end(stream).unwrap().crossings.into_iter().collect()
}

#[test]
fn a_place_is_left_when_the_stream_is_deleted() {
    let mut module = configured("rate-limit", &[], ONE);
    let first = begin(&mut module, ROOT, "/one").unwrap();
    assert_eq!(begin(&mut module, ROOT, "/one"), None);
    let left = calls(&mut module, first);
    let count = |name: &str| (name.to_owned(), 1);
    assert_eq!(left, [count("proxy_get_shared_data"), count("proxy_set_shared_data")]);
    assert!(begin(&mut module, ROOT, "/one").is_some());
}

#[test]
fn who_takes_no_place_pays_nothing_at_the_end() {
    let mut module = configured("rate-limit", &[], ONE);
    let other = begin(&mut module, ROOT, "/other").unwrap();
    assert_eq!(calls(&mut module, other), []);
}

#[test]
fn all_policies_of_a_vm_share_its_number() {
    let mut module = configured("rate-limit", &[], ONE);
    let first = begin(&mut module, ROOT, "/one").unwrap();
    let list = |module: &mut Module| module.proxy().shared.get(VMS).unwrap().0.clone();
    let word = |bytes: &[u8], at: usize| {
        u32::from_le_bytes(bytes.get(at * 4..at * 4 + 4).unwrap().try_into().unwrap())
    };
    let before = list(&mut module);
    assert_eq!((before.len(), word(&before, 1)), (12, 0), "one VM, of number 0");
    // A new configuration is a new root; the former one ticks no more.
    module.create_root(OTHER).unwrap();
    assert!(module.configure_root(OTHER, ONE).unwrap());
    module.end(ROOT).unwrap();
    for _ in 0..20 {
        module.proxy().now += 1_000_000_000;
        module.tick(OTHER).unwrap();
    }
    let after = list(&mut module);
    assert_eq!((after.len(), word(&after, 1)), (12, 0), "it is the same");
    assert!(word(&after, 2) >= word(&before, 2) + 19, "and beats: {before:?}, {after:?}");
    assert_eq!(begin(&mut module, OTHER, "/one"), None);
    module.end(first).unwrap();
    assert!(begin(&mut module, OTHER, "/one").is_some());
}
