#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use std::collections::HashMap;

use proptest::prelude::*;

use super::*;

fn entry(digest: [u8; 32], id: &str) -> Entry<'_> {
    Entry {
        digest,
        id,
        subject: id,
        client: None,
        scopes: "",
        plan: None,
        not_before: None,
        expires: None,
    }
}

#[test]
fn what_is_put_in_comes_out() {
    let mut builder = Builder::default();
    let full = Entry {
        client: Some("shop"),
        scopes: "a:read b",
        plan: Some("tiny"),
        not_before: Some(10),
        expires: Some(20),
        subject: "northwind",
        ..entry([7; 32], "nw-1")
    };
    assert!(builder.add(&entry([1; 32], "plain")));
    assert!(builder.add(&full));
    assert!(builder.add(&Entry { digest: [8; 32], id: "nw-2", ..full }));
    let (list, twice) = builder.finish();
    assert_eq!((list.len(), twice), (3, 0));
    let found = list.find(&[7; 32]).unwrap();
    assert_eq!(found.checked("keys", 9), Err(Reason::ApiKeyNotYetValid));
    assert_eq!(found.checked("keys", 20), Err(Reason::ApiKeyExpired));
    let checked = found.checked("keys", 10).unwrap();
    assert_eq!(checked.expires, Some(20));
    let caller = checked.caller;
    assert_eq!((caller.sub.as_str(), caller.client.as_deref()), ("northwind", Some("shop")));
    assert_eq!((caller.scopes.as_str(), caller.plan.as_deref()), ("a:read b", Some("tiny")));
    assert_eq!((caller.credential.as_str(), caller.provider.as_str()), ("api_key:nw-1", "keys"));
    let plain = list.find(&[1; 32]).unwrap().checked("keys", 0).unwrap();
    assert_eq!(
        (plain.expires, plain.caller.client, plain.caller.scopes.as_str()),
        (None, None, "")
    );
    assert!(list.find(&[9; 32]).is_none());
    assert!(KeyList::default().find(&[9; 32]).is_none());
}

proptest! {
    /// Digests that crowd into few places; any number per slice; the set of
    /// another worker.
    #[test]
    fn it_is_a_map_in_which_the_first_wins(
        keys in prop::collection::vec((0u8..8, 0u8..3), 0..40),
        slice in 1usize..5,
    ) {
        let digest = |(a, b): (u8, u8)| {
            let mut digest = [0; 32];
            digest[0] = a / 4;
            digest[30] = a;
            digest[31] = b;
            digest
        };
        let mut builder = Builder::default();
        let mut model = HashMap::new();
        let ids: Vec<String> = (0..keys.len()).map(|n| format!("key-{n}")).collect();
        for (key, id) in keys.iter().zip(&ids) {
            prop_assert!(builder.add(&entry(digest(*key), id)));
            model.entry(*key).or_insert(id);
        }
        while !builder.index(slice) {}
        let (made, twice) = builder.finish();
        prop_assert_eq!(twice, keys.len() - model.len());
        let restored = KeyList::restore(made.to_bytes()).unwrap();
        for list in [&made, &restored] {
            prop_assert_eq!(list.len(), model.len());
            for a in 0..8 {
                for b in 0..3 {
                    let found = list.find(&digest((a, b))).map(|f| f.id().to_owned());
                    prop_assert_eq!(found.as_ref(), model.get(&(a, b)).copied());
                }
            }
        }
    }

    /// Whatever stands in the shared data: no panic.
    #[test]
    fn bytes_that_are_no_set_harm_nobody(
        mut bytes in prop::collection::vec(any::<u8>(), 0..200),
        slots in 0u32..5,
    ) {
        let _ = KeyList::restore(bytes.clone());
        let table = bytes.len() as u32;
        let slots = 1 << slots;
        bytes.extend((0..slots * 4).map(|n| (n * 31) as u8));
        for field in [table, slots, 3, FORMAT] {
            bytes.extend_from_slice(&field.to_le_bytes());
        }
        let list = KeyList::restore(bytes).unwrap();
        for first in 0..=255 {
            let mut digest = [0; 32];
            digest[0] = first;
            if let Some(found) = list.find(&digest) {
                let _ = found.checked("keys", 0);
            }
        }
    }
}
