//! The table in shared data: workers that interleave, its bound, eviction.

mod forgotten;

use std::cell::Cell;
use std::collections::HashMap;
use std::hash::Hasher;

use postern_core::fake::{Fault, Vm};
use postern_core::{Host, Stored};
use proptest::prelude::*;

use super::*;
use crate::Allowance;
use crate::allowance::{Cells, Left};
use crate::rate::{Algorithm, Rate};
use crate::table::{Bucket, TRIES, Table, WAYS, finish};

fn gcra(quota: u32) -> Allowance {
    one(Algorithm::Gcra, quota, 60)
}

fn one(algorithm: Algorithm, quota: u32, window: u64) -> Allowance {
    Allowance::new(Rate::new(algorithm, quota, window, quota).unwrap(), Vec::new())
}

/// What came of one request of the caller `key`: may it pass, where does it stand now,
/// and how many others were forgotten for it?
fn spend(
    table: &Table,
    host: &dyn Host,
    key: &[u8],
    allowance: &Allowance,
) -> Option<(bool, Left, usize)> {
    let tag = [u8::try_from(allowance.rates().next().unwrap().quota() % 251).unwrap(); 4];
    spend_as(table, host, key, tag, allowance)
}

fn spend_as(
    table: &Table,
    host: &dyn Host,
    key: &[u8],
    tag: [u8; 4],
    allowance: &Allowance,
) -> Option<(bool, Left, usize)> {
    let mut hasher = table.hasher(host)?;
    hasher.write(key);
    let bucket = Bucket { hash: finish(&hasher), tag, allowance };
    let (spent, forgotten) = table.spend(host, &bucket, 1)?;
    let left = allowance.left(&spent).next().unwrap();
    Some((spent.admitted, left, forgotten))
}

/// Each worker is a VM with a table of its own over the same shared data.
#[test]
fn workers_that_interleave_give_nothing_away() {
    // How often the other worker comes in between, per load.
    for meddling in [0usize, 1, 2, 3] {
        let host = FakeHost::at(START);
        let (ours, theirs) = (Table::new(1024), Table::new(1024));
        let by_others = Cell::new(0usize);
        let turn = Cell::new(0usize);
        let busy = Vm::interleaved(&host, || {
            turn.set(turn.get() + 1);
            // Every third load is left alone, so that ours gets through.
            if !turn.get().is_multiple_of(3) {
                for _ in 0..meddling {
                    let (admitted, ..) = spend(&theirs, &host, b"northwind", &gcra(100)).unwrap();
                    by_others.set(by_others.get() + usize::from(admitted));
                }
            }
        });
        let mut by_us = 0;
        for _ in 0..200 {
            let (admitted, ..) = spend(&ours, &busy, b"northwind", &gcra(100)).unwrap();
            by_us += usize::from(admitted);
        }
        assert_eq!(by_us + by_others.get(), 100, "{meddling}");
        assert_eq!(by_others.get() > 0, meddling > 0);
    }
}

/// A store that never succeeds is given up, and refuses.
#[test]
fn what_cannot_be_counted_is_refused() {
    let host = FakeHost::at(START);
    let table = Table::new(1024);
    spend(&table, &host, b"a", &gcra(5)).unwrap();
    let tries = Cell::new(0);
    let busy = Vm::interleaved(&host, || {
        tries.set(tries.get() + 1);
        spend(&Table::new(1024), &host, b"a", &gcra(1_000_000)).unwrap();
    });
    assert_eq!(spend(&table, &busy, b"a", &gcra(1_000_000)), None);
    assert_eq!(tries.get(), TRIES);

    let dead = FakeHost::at(START);
    dead.break_shared(Fault::Unavailable);
    assert_eq!(spend(&table, &dead, b"a", &gcra(5)), None);
    let filter =
        rate_limit(r#"{"limits": [{"id": "a", "match": {}, "quota": 1, "window": "1s"}]}"#);
    let request = Headers::new([(":path", "/"), (":method", "GET"), (":authority", "a")]);
    let outcome =
        filter.request_headers(&mut Stream::default(), &Request::new(request, true), &dead);
    assert_eq!(outcome.count, [crate::metrics::UNAVAILABLE]);
    assert_eq!(outcome.record.unwrap().code, "unavailable");
    let Step::Refuse(refusal) = outcome.step else { panic!("refused") };
    assert_eq!((refusal.status, refusal.code), (503, "unavailable"));
    assert_eq!(own_fields(&refusal), ["retry-after: 1"]);
}

#[test]
fn counts_survive_another_policy() {
    let host = FakeHost::at(START);
    let policy = |quota: u32, more: &str| {
        rate_limit(&format!(
            r#"{{"limits": [{{"id": "a", "match": {{}}, "quota": {quota}, "window": "60s"}}{more}]}}"#
        ))
    };
    identify(&host, caller("northwind"));
    assert_eq!(passed(&policy(10, ""), &host, &[], 5), 5);
    let more = r#", {"id": "b", "match": {"paths": ["/b"]}, "quota": 1, "window": "1s"}"#;
    assert_eq!(passed(&policy(10, more), &host, &[], 20), 5);
    assert_eq!(passed(&policy(10, ""), &host, &[], 20), 0);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Up to the capacity the table is a plain map, whichever limits share it.
    #[test]
    fn up_to_its_capacity_the_table_is_a_map(
        steps in prop::collection::vec((0..1024u32, 0..3000u64, any::<bool>()), 2000),
    ) {
        let host = FakeHost::at(START);
        let table = Table::new(1024);
        let fixed = one(Algorithm::FixedWindow, 4, 10);
        let mut model: HashMap<u32, Cells> = HashMap::new();
        let mut now = START;
        for (key, gap, hurry) in steps {
            now += Duration::from_millis(if hurry { 0 } else { gap / 100 });
            host.set_now(now);
            let allowance = if key % 2 == 0 { &gcra(3) } else { &fixed };
            let at = u64::try_from(now.as_nanos()).unwrap();
            let expected = allowance.spend(model.get(&key), 1, at);
            let left = allowance.left(&expected).next().unwrap();
            prop_assert_eq!(
                spend(&table, &host, &key.to_le_bytes(), allowance).unwrap(),
                (expected.admitted, left, 0)
            );
            if expected.changed {
                model.insert(key, expected.cells);
            }
        }
    }
}

#[test]
fn shared_data_that_are_not_ours_do_no_harm() {
    let host = FakeHost::at(START);
    let filter =
        rate_limit(r#"{"limits": [{"id": "a", "match": {}, "quota": 2, "window": "60s"}]}"#);
    host.store("rate-limit-3/secret", b"short", &Stored::Absent).unwrap();
    assert_eq!(passed(&filter, &host, &[], 5), 2);
    // Every slot is overwritten with garbage: the counts are lost, nothing else.
    for n in 0..65_536u32 {
        let key = format!("rate-limit-3/{n:x}");
        let seen = host.load(&key);
        host.store(&key, &[0xff; 100], &seen).unwrap();
    }
    assert_eq!(passed(&filter, &host, &[], 5), 2);
}

#[test]
fn workers_find_the_same_slot() {
    let host = FakeHost::at(START);
    let (a, b) = (Table::new(1024), Table::new(1024));
    assert_eq!(spend(&a, &host, b"k", &gcra(3)).unwrap().1.remaining, 2);
    assert_eq!(spend(&b, &host, b"k", &gcra(3)).unwrap().1.remaining, 1);
    // Another host has another secret: its slots cannot be foretold.
    let slots = |host: &FakeHost| {
        (0..4096u32)
            .filter(|n| host.load(&format!("rate-limit-3/{n:x}")) != Stored::Absent)
            .collect::<Vec<_>>()
    };
    let other = FakeHost::at(START);
    other.random();
    spend(&Table::new(1024), &other, b"k", &gcra(3)).unwrap();
    assert_ne!(slots(&host), slots(&other));
}

proptest! {
    /// Whatever stands in a slot: nothing traps, and a caller has its limit at most.
    #[test]
    fn any_bytes_in_a_slot_do_no_harm(
        head in prop::sample::select(vec![1u8, 2, 9, 0x81, 0x80, 0xff]),
        mut bytes in prop::collection::vec(any::<u8>(), 0..200),
        kinds in prop::sample::select(b"gws".to_vec()),
    ) {
        let host = FakeHost::at(START);
        let table = Table::new(4);
        bytes.insert(0, head);
        for at in [21, 42, 63] {
            if let Some(byte) = bytes.get_mut(at) {
                *byte = kinds;
            }
        }
        host.store("rate-limit-3/0", &bytes, &Stored::Absent).unwrap();
        for limit in [gcra(3), one(Algorithm::FixedWindow, 3, 60), one(Algorithm::SlidingWindow, 3, 60)] {
            let passed = (0..9).filter(|_| spend(&table, &host, b"k", &limit).unwrap().0).count();
            prop_assert!(passed <= 3, "{}", passed);
        }
    }
}
