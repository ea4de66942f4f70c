//! The table in shared data: workers that interleave, its bound, eviction.

use std::cell::Cell;
use std::collections::HashMap;

use postern_core::fake::{Fault, Vm};
use postern_core::{Host, Stored};
use proptest::prelude::*;

use super::*;
use crate::bucket::{Algorithm, Allowance, State};
use crate::table::{Table, WAYS};

fn gcra(quota: u32) -> Allowance {
    Allowance::new(Algorithm::Gcra, quota, 60, quota).unwrap()
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
                    let (spent, _) = theirs.spend(&host, b"northwind", &gcra(100)).unwrap();
                    by_others.set(by_others.get() + usize::from(spent.admitted));
                }
            }
        });
        let mut by_us = 0;
        for _ in 0..200 {
            let (spent, _) = ours.spend(&busy, b"northwind", &gcra(100)).unwrap();
            by_us += usize::from(spent.admitted);
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
    table.spend(&host, b"a", &gcra(5)).unwrap();
    let tries = Cell::new(0);
    let busy = Vm::interleaved(&host, || {
        tries.set(tries.get() + 1);
        Table::new(1024).spend(&host, b"a", &gcra(1_000_000)).unwrap();
    });
    assert_eq!(table.spend(&busy, b"a", &gcra(1_000_000)), None);
    assert_eq!(tries.get(), 256);

    let dead = FakeHost::at(START);
    dead.break_shared(Fault::Unavailable);
    assert_eq!(table.spend(&dead, b"a", &gcra(5)), None);
    let filter =
        rate_limit(r#"{"limits": [{"id": "a", "match": {}, "quota": 1, "window": "1s"}]}"#);
    let request = Headers::new([(":path", "/"), (":method", "GET"), (":authority", "a")]);
    let outcome =
        filter.request_headers(&mut Stream::default(), &Request::new(request, true), &dead);
    assert_eq!(outcome.count, [crate::counter::UNAVAILABLE]);
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
        let fixed = Allowance::new(Algorithm::FixedWindow, 4, 10, 1).unwrap();
        let mut model: HashMap<u32, State> = HashMap::new();
        let mut now = START;
        for (key, gap, hurry) in steps {
            now += Duration::from_millis(if hurry { 0 } else { gap / 100 });
            host.set_now(now);
            let allowance = if key % 2 == 0 { gcra(3) } else { fixed };
            let at = u64::try_from(now.as_nanos()).unwrap();
            let expected = allowance.spend(model.get(&key).copied(), at);
            if expected.changed {
                model.insert(key, expected.state);
            }
            let (spent, evicted) = table.spend(&host, &key.to_le_bytes(), &allowance).unwrap();
            prop_assert_eq!(spent, expected);
            prop_assert_eq!(evicted, 0);
        }
    }
}

#[test]
fn the_table_is_bounded() {
    let host = FakeHost::at(START);
    let table = Table::new(1024);
    let mut evicted = 0;
    for n in 0..20_000u32 {
        evicted += table.spend(&host, &n.to_le_bytes(), &gcra(5)).unwrap().1;
    }
    assert_eq!(host.shared_len(), 4096 / WAYS + 1, "the slots, and the secret");
    assert_eq!(evicted, 20_000 - 4096, "every place is used");
    // Once nothing of them is used any more, they make room by themselves.
    host.set_now(START + Duration::from_secs(61));
    for n in 0..1024u32 {
        assert_eq!(table.spend(&host, &n.to_le_bytes(), &gcra(5)).unwrap().1, 0);
    }
}

/// A flood of callers, far past the capacity, frees nobody who used up a limit.
#[test]
fn a_flood_of_new_callers_frees_no_old_one() {
    let host = FakeHost::at(START);
    let table = Table::new(1024);
    let heavy: Vec<String> = (0..200).map(|n| format!("heavy {n}")).collect();
    for key in &heavy {
        for _ in 0..5 {
            assert!(table.spend(&host, key.as_bytes(), &gcra(5)).unwrap().0.admitted);
        }
    }
    for n in 0..50_000u32 {
        table.spend(&host, &n.to_le_bytes(), &gcra(5)).unwrap();
    }
    for key in &heavy {
        assert!(!table.spend(&host, key.as_bytes(), &gcra(5)).unwrap().0.admitted, "{key}");
    }
    // A new caller is kept in an overfull slot, so that it is limited too.
    for n in 50_000..50_100u32 {
        let passed = (0..50)
            .filter(|_| table.spend(&host, &n.to_le_bytes(), &gcra(5)).unwrap().0.admitted)
            .count();
        assert_eq!(passed, 5);
    }
}

/// In a slot that is full, whoever used the smallest share goes, whatever the
/// algorithm and however large the limit.
#[test]
fn the_least_used_is_forgotten_first() {
    let host = FakeHost::at(START);
    let fixed = Allowance::new(Algorithm::FixedWindow, 1000, 3600, 1).unwrap();
    // Five of a thousand used, against one of five.
    let (small, large) = (gcra(5), fixed);
    let now = u64::try_from(START.as_nanos()).unwrap();
    let mut used = None;
    for _ in 0..5 {
        used = Some(large.spend(used, now).state);
    }
    let one_of_five = small.spend(None, now).state;
    assert!(used.unwrap().used(now) < one_of_five.used(now));
    assert!(one_of_five.used(now) > 0);
    assert_eq!(one_of_five.used(now + 12_000_000_000), 0);

    let table = Table::new(1024);
    // Many callers with large limits hardly used, then callers with small ones.
    for n in 0..4096u32 {
        table.spend(&host, format!("large {n}").as_bytes(), &large).unwrap();
    }
    for n in 0..1500u32 {
        table.spend(&host, &n.to_le_bytes(), &small).unwrap();
    }
    let kept = (0..1500u32)
        .filter(|n| table.spend(&host, &n.to_le_bytes(), &small).unwrap().0.remaining == 3)
        .count();
    assert_eq!(kept, 1500, "those with large limits made room");
}

#[test]
fn shared_data_that_are_not_ours_do_no_harm() {
    let host = FakeHost::at(START);
    let filter =
        rate_limit(r#"{"limits": [{"id": "a", "match": {}, "quota": 2, "window": "60s"}]}"#);
    host.store("rate-limit-1/secret", b"short", &Stored::Absent).unwrap();
    assert_eq!(passed(&filter, &host, &[], 5), 2);
    // Every slot is overwritten with garbage: the counts are lost, nothing else.
    for n in 0..65_536u32 {
        let key = format!("rate-limit-1/{n:x}");
        let seen = host.load(&key);
        host.store(&key, &[0xff; 100], &seen).unwrap();
    }
    assert_eq!(passed(&filter, &host, &[], 5), 2);
}

#[test]
fn workers_find_the_same_slot() {
    let host = FakeHost::at(START);
    let (a, b) = (Table::new(1024), Table::new(1024));
    assert_eq!(a.spend(&host, b"k", &gcra(3)).unwrap().0.remaining, 2);
    assert_eq!(b.spend(&host, b"k", &gcra(3)).unwrap().0.remaining, 1);
    // Another host has another secret: its slots cannot be foretold.
    let slots = |host: &FakeHost| {
        (0..4096u32)
            .filter(|n| host.load(&format!("rate-limit-1/{n:x}")) != Stored::Absent)
            .collect::<Vec<_>>()
    };
    let other = FakeHost::at(START);
    other.random();
    Table::new(1024).spend(&other, b"k", &gcra(3)).unwrap();
    assert_ne!(slots(&host), slots(&other));
}
