#![allow(clippy::indexing_slicing)]

use std::collections::HashMap;

use postern_core::identity::Caller;
use proptest::prelude::*;

use super::*;
use crate::checked::Checked;

fn known(sub: &str, expires: i64) -> Rc<Known> {
    let caller = Caller { sub: sub.to_owned(), ..Caller::default() };
    Rc::new(Known::new(Checked { expires: Some(expires), ..Checked::from(caller) }))
}

fn keep(cache: &mut Cache, secret: &[u8], known: &Rc<Known>) {
    cache.meet(cache.hashed(secret), known, true);
}

fn refuse(cache: &mut Cache, secret: &[u8], now: i64, keys: u64) {
    cache.refuse(cache.hashed(secret), Reason::Signature, now, keys);
}

fn recall(cache: &mut Cache, secret: &str, now: i64, keys: u64) -> String {
    match cache.recall(cache.hashed(secret.as_bytes()), now, keys, |_| true) {
        None => "-".to_owned(),
        Some(Remembered::Bad(reason)) => reason.code().to_owned(),
        Some(Remembered::Good(known)) => known.checked.caller.sub.clone(),
    }
}

#[test]
fn credentials_with_one_tail_are_told_apart() {
    let mut cache = Cache::new(8);
    let tokens = ["a", "b"].map(|head| format!("{head}{}", "s".repeat(TAIL)));
    for token in &tokens {
        keep(&mut cache, token.as_bytes(), &known(token, 100));
        assert_eq!(recall(&mut cache, token, 99, 0), *token);
    }
    // They have one place.
    assert_eq!(recall(&mut cache, &tokens[0], 99, 0), "-");
    assert_eq!(recall(&mut cache, &tokens[1], 99, 0), tokens[1]);
    refuse(&mut cache, tokens[0].as_bytes(), 10, 1);
    assert_eq!(recall(&mut cache, &tokens[1], 11, 1), tokens[1]);
    assert_eq!(recall(&mut cache, &tokens[0], 11, 1), "bad_signature");
    assert_eq!(recall(&mut cache, &"s".repeat(TAIL), 99, 0), "-");
}

#[test]
fn one_that_is_cheap_to_check_is_kept_when_it_comes_again() {
    let mut cache = Cache::new(8);
    let token = cache.hashed(b"token");
    for expected in ["-", "a"] {
        cache.meet(token, &known("a", 100), false);
        assert_eq!(recall(&mut cache, "token", 1, 0), expected);
    }
    // One that was dropped has to come twice again.
    cache.good.forget(token);
    for expected in ["-", "a"] {
        cache.meet(token, &known("a", 100), false);
        assert_eq!(recall(&mut cache, "token", 1, 0), expected);
    }
}

#[test]
fn a_flood_of_new_ones_pushes_nothing_out() {
    let mut cache = Cache::new(64);
    keep(&mut cache, b"good", &known("a", 100));
    for n in 0..10_000u32 {
        cache.meet(cache.hashed(&n.to_le_bytes()), &known("b", 100), false);
    }
    // Two hashes out of ten thousand may be taken for one.
    assert!(cache.good.young.entries.len() <= 2);
    assert_eq!(recall(&mut cache, "good", 1, 0), "a");
}

#[test]
fn as_many_are_noted_as_can_be_kept() {
    for (entries, places) in [(0, 1), (1, 1), (8, 2), (2000, 512), (1_000_000, 4096)] {
        assert_eq!(Guests::for_cache(entries).places(), places, "{entries}");
    }
    // All of two thousand in turn are known the next time, or nearly all.
    let cache = Cache::new(10_000);
    let mut guests = Guests::for_cache(10_000);
    let hashes: Vec<u64> = (0..2000u32).map(|n| cache.hashed(&n.to_le_bytes()).hash).collect();
    assert!(hashes.iter().all(|hash| !guests.come_again(*hash)));
    let known = hashes.iter().filter(|hash| guests.come_again(**hash)).count();
    assert!(known > 1980, "{known}");
}

#[test]
fn entries_end_with_the_credential_and_with_its_key() {
    let mut cache = Cache::new(8);
    keep(&mut cache, b"token", &known("a", 100));
    assert_eq!(recall(&mut cache, "token", 99, 0), "a");
    assert_eq!(recall(&mut cache, "token", 100, 0), "-");
    keep(&mut cache, b"token", &known("a", 100));
    assert!(cache.recall(cache.hashed(b"token"), 1, 0, |_| false).is_none());
    assert_eq!(recall(&mut cache, "token", 1, 0), "-", "forgotten for good");
    for other in ["toke", "token ", "Token", ""] {
        assert_eq!(recall(&mut cache, other, 1, 0), "-");
    }
}

#[test]
fn refusals_end_with_time_and_with_new_keys() {
    let mut cache = Cache::new(8);
    refuse(&mut cache, b"bad", 10, 1);
    assert_eq!(recall(&mut cache, "bad", 69, 1), "bad_signature");
    assert_eq!(recall(&mut cache, "bad", 70, 1), "-");
    assert_eq!(recall(&mut cache, "bad", 11, 2), "-");
}

#[test]
fn a_flood_of_bad_ones_pushes_no_good_one_out() {
    let mut cache = Cache::new(4);
    keep(&mut cache, b"good", &known("a", 100));
    for n in 0..10_000u32 {
        refuse(&mut cache, &n.to_le_bytes(), 1, 0);
    }
    assert_eq!(recall(&mut cache, "good", 1, 0), "a");
    assert!(cache.bad.young.entries.len() + cache.bad.old.entries.len() <= REFUSED);
}

#[test]
fn a_size_of_zero_keeps_nothing() {
    let mut cache = Cache::new(0);
    keep(&mut cache, b"good", &known("a", 100));
    assert_eq!(recall(&mut cache, "good", 1, 0), "-");
}

proptest! {
    /// Against a table without bounds: what is there is right, and what was
    /// used lately is there.
    #[test]
    fn the_cache_agrees_with_an_endless_one(
        size in 1usize..12,
        steps in prop::collection::vec((0u8..3, 0u8..20, 0i64..30), 1..200),
    ) {
        let mut cache = Cache::new(size);
        let mut model: HashMap<u8, (i64, i64)> = HashMap::new();
        // The keys used, the last one at the end, each once.
        let mut recent: Vec<u8> = Vec::new();
        for (now, (action, key, life)) in steps.into_iter().enumerate() {
            let now = now as i64;
            if action == 0 {
                let serial = now;
                keep(&mut cache, &[key], &known(&serial.to_string(), now + life));
                model.insert(key, (serial, now + life));
                recent.retain(|k| *k != key);
                recent.push(key);
            } else {
                let seen = recall(&mut cache, std::str::from_utf8(&[key]).unwrap_or("?"), now, 0);
                let expected = model.get(&key).filter(|(_, end)| now < *end);
                if seen != "-" {
                    prop_assert_eq!(Some(seen), expected.map(|(serial, _)| serial.to_string()));
                    recent.retain(|k| *k != key);
                    recent.push(key);
                } else if expected.is_some() {
                    // Gone only if a half table's worth of others came since.
                    let since = recent.iter().rev().take_while(|k| **k != key).count();
                    prop_assert!(since >= size.div_ceil(2), "{} others since", since);
                    model.remove(&key);
                } else {
                    model.remove(&key);
                }
            }
            let entries = cache.good.young.entries.len() + cache.good.old.entries.len();
            prop_assert!(entries <= size + 1, "{} entries", entries);
            let bytes: usize = cache.good.young.entries.values().map(|entry| entry.size).sum();
            prop_assert_eq!(bytes, cache.good.young.bytes);
        }
    }
}
