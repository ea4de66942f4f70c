use std::collections::BTreeSet;
use std::time::Duration;

use postern_core::fake::{FakeHost, Fault};
use proptest::prelude::*;

use super::*;

fn host(seconds: u64) -> FakeHost {
    FakeHost::at(Duration::from_secs(seconds))
}

/// Nonces of the key `k` that share a slot.
fn in_one_slot(count: usize) -> Vec<String> {
    let slot = |nonce: &str| Once::new("p", "k", nonce, 1, 0).slot;
    let all = (0..).map(|n: u32| n.to_string());
    all.filter(|nonce| slot(nonce) == slot("0")).take(count).collect()
}

#[test]
fn a_table_of_another_size_knows_what_was_used() {
    let host = host(100);
    let once = |n: u32, size| Once::new("p", "k", &n.to_string(), room(size), 100);
    for n in 0..1000 {
        assert_eq!(once(n, 16_384).spend(&host), Ok(()));
    }
    for size in [1, 8192, 16_384, 20_000, 1_048_576] {
        for n in 0..1000 {
            assert_eq!(once(n, size).spend(&host), Err(Spent::Replayed), "{size}");
        }
    }
    // One that became smaller than what it holds lets nothing of it through.
    let nonces = in_one_slot(4);
    let once = |n: usize, room| Once::new("q", "k", &nonces[n], room, 60 + n as i64);
    for n in 0..3 {
        assert_eq!(once(n, 3).spend(&host), Ok(()));
    }
    assert_eq!(once(3, 1).spend(&host), Ok(()));
    for n in 0..3 {
        assert_eq!(once(n, 3).spend(&host), Err(Spent::Forgotten));
    }
    assert_eq!(once(3, 3).spend(&host), Err(Spent::Replayed));
}

#[test]
fn tables_hold_what_they_are_told_to() {
    assert_eq!([0, 1, 8192, 8193].map(room), [32, 32, 32, 33]);
    assert_eq!([16_384, 1_048_576].map(room), [64, 4096]);
    let host = host(100);
    for n in 0..40_000 {
        let once = Once::new("p", "k", &n.to_string(), room(16_384), 100 + n / 100);
        host.set_now(Duration::from_secs(100 + n as u64 / 100));
        assert_eq!(once.spend(&host), Ok(()));
    }
    assert_eq!(host.shared_len(), SLOTS as usize);
    let Stored::Value(slot, _) = host.load(&Once::new("p", "k", "0", 1, 0).slot) else { panic!() };
    assert_eq!(slot.len(), 4 + 64 * ENTRY);
}

#[test]
fn a_nonce_counts_once_per_key_and_provider_as_long_as_any_policy_takes_it() {
    let host = host(100);
    let once = |provider: &str, keyid: &str, nonce: &str| Once::new(provider, keyid, nonce, 4, 100);
    assert_eq!(once("p", "k", "n").spend(&host), Ok(()));
    assert_eq!(once("p", "k", "n").spend(&host), Err(Spent::Replayed));
    assert_eq!(once("p", "k", "m").spend(&host), Ok(()));
    assert_eq!(once("p", "l", "n").spend(&host), Ok(()));
    assert_eq!(once("q", "k", "n").spend(&host), Ok(()));
    host.set_now(Duration::from_secs(4_000));
    assert_eq!(once("p", "k", "n").spend(&host), Err(Spent::Replayed), "the last second");
    host.set_now(Duration::from_secs(4_001));
    assert_eq!(once("p", "k", "n").spend(&host), Err(Spent::Forgotten), "too old for any policy");
    assert_eq!(Once::new("p", "k", "n", 4, 101).spend(&host), Ok(()), "another signature");
    host.set_now(Duration::from_secs(200));
    assert_eq!(once("p", "k", "n").spend(&host), Err(Spent::Replayed), "a clock that is set back");
    assert_eq!(once("p", "k", "m").spend(&host), Err(Spent::Replayed), "its slot was not touched");
}

#[test]
fn a_full_slot_forgets_the_oldest_and_refuses_what_is_no_younger() {
    let host = host(120);
    let nonces = in_one_slot(9);
    let once = |n: usize, created| Once::new("p", "k", &nonces[n], 3, created);
    for (n, created) in [(0, 110), (1, 112), (2, 111)] {
        assert_eq!(once(n, created).spend(&host), Ok(()));
    }
    assert_eq!(once(3, 113).spend(&host), Ok(()), "110 is forgotten");
    assert_eq!(once(0, 110).spend(&host), Err(Spent::Forgotten));
    assert_eq!(once(4, 110).spend(&host), Err(Spent::Forgotten), "it may have been that one");
    assert_eq!(once(4, 111).spend(&host), Ok(()), "111 is forgotten, one of the two");
    assert_eq!([1, 3].map(|n| once(n, 0).spend(&host)), [Err(Spent::Replayed); 2]);
    for n in [2, 4] {
        assert!(once(n, 111).spend(&host).is_err());
    }
    assert_eq!(once(5, 112).spend(&host), Ok(()));
    // As many in one second as it holds, and more.
    for n in [6, 7, 8] {
        assert_eq!(once(n, 120).spend(&host), Ok(()));
    }
    assert_eq!(
        once(5, 120).spend(&host),
        Ok(()),
        "a signature of its own; one of 120 is forgotten"
    );
    let full = Err(Spent::Full { retry_after: 1 });
    assert_eq!(once(0, 120).spend(&host), full);
    host.set_now(Duration::from_secs(121));
    assert_eq!(once(0, 120).spend(&host), Err(Spent::Forgotten));
    assert_eq!(once(0, 121).spend(&host), Ok(()));
    assert_eq!(host.shared_len(), 1);
}

#[test]
fn a_map_that_does_not_answer_lets_nothing_through() {
    for fault in [Fault::Unavailable, Fault::Conflict] {
        let deaf = host(0);
        deaf.break_shared(fault);
        let once = Once::new("p", "k", "n", 1, 9);
        assert_eq!(once.spend(&deaf), Err(Spent::Full { retry_after: 1 }), "{fault:?}");
    }
}

/// 3,000 signatures per second in a table of 16,384, on their way for up to two
/// seconds: it holds five seconds' worth.
#[test]
fn who_signs_a_lot_is_never_turned_away_and_nobody_replays_it() {
    let host = host(100_000);
    let mut sent: Vec<Once> = Vec::new();
    for n in 0..90_000_i64 {
        let now = 100_000 + n / 3_000;
        host.set_now(Duration::from_secs(now as u64));
        let once = Once::new("p", "k", &n.to_string(), room(16_384), now - n * 7 % 3);
        assert_eq!(once.spend(&host), Ok(()), "{n}");
        sent.push(once);
        // Somebody overheard some, of just now and of before.
        for back in [0, 1_000, 10_000, 60_000] {
            if n % 17 == 0 && n >= back {
                assert!(sent[(n - back) as usize].spend(&host).is_err(), "{n} {back}");
            }
        }
    }
    assert_eq!(host.shared_len(), SLOTS as usize);
}

#[derive(Clone, Debug)]
struct Step {
    nonce: u8,
    age: u32,
    passed: i32,
    room: usize,
    garbage: bool,
}

fn steps(passed: impl Strategy<Value = i32>) -> impl Strategy<Value = Vec<Step>> {
    let step = (0u8..24, 0u32..8, passed, 1usize..6, prop::bool::weighted(0.05));
    let step = step.prop_map(|(nonce, age, passed, room, garbage)| Step {
        nonce,
        age,
        passed,
        room,
        garbage,
    });
    prop::collection::vec(step, 1..300)
}

/// A signature by nonce and time, and what came of it.
type Came = (u8, u32, Result<(), Spent>);

/// Uses signatures over one slot; calls `each` with the time, the room, and what came.
fn run(
    steps: &[Step],
    mut each: impl FnMut(u32, usize, Came) -> Result<(), TestCaseError>,
) -> Result<(), TestCaseError> {
    let host = host(100_000);
    let nonces = in_one_slot(24);
    let mut now = 100_000_i32;
    for step in steps {
        now = now.saturating_add(step.passed).max(50_000);
        host.set_now(Duration::from_secs(now as u64));
        // A client's clock may be ahead.
        let created = (now + 2) as u32 - step.age;
        let nonce = &nonces[usize::from(step.nonce)];
        let once = Once::new("p", "k", nonce, step.room, i64::from(created));
        if step.garbage && host.load(&once.slot) == Stored::Absent {
            // What somebody else left there is no reason to trap.
            let _ = host.store(&once.slot, b"short", &Stored::Absent);
        }
        each(now as u32, step.room, (step.nonce, created, once.spend(&host)))?;
    }
    prop_assert!(host.shared_len() <= 1);
    Ok(())
}

proptest! {
    /// Against a set that forgets nothing: no signature passes twice, and one that
    /// was not used is refused only where more than the slot holds were that are no
    /// older.
    #[test]
    fn no_replay_passes_and_nothing_else_is_refused(
        steps in steps(prop_oneof![8 => 0..4, 1 => 3_800..4_200]),
    ) {
        let mut used: BTreeSet<(u8, u32)> = BTreeSet::new();
        let mut least = usize::MAX;
        run(&steps, |now, room, (nonce, created, came)| {
            least = least.min(room);
            let younger = used.iter().filter(|(_, at)| *at >= created).count();
            match came {
                Ok(()) => prop_assert!(used.insert((nonce, created)), "a replay"),
                Err(Spent::Replayed) => {
                    prop_assert!(used.iter().any(|(own, _)| *own == nonce), "it was never used");
                }
                Err(Spent::Forgotten) => prop_assert!(younger > least && created < now + 2),
                Err(Spent::Full { retry_after }) => {
                    prop_assert!(younger > least && (1..=3).contains(&retry_after));
                }
            }
            Ok(())
        })?;
    }

    /// Whatever the clock does.
    #[test]
    fn no_replay_passes_when_the_clock_jumps(
        steps in steps(prop_oneof![8 => 0..4, 2 => -9_000..9_000]),
    ) {
        let mut used: BTreeSet<(u8, u32)> = BTreeSet::new();
        run(&steps, |_, _, (nonce, created, came)| {
            if came.is_ok() {
                prop_assert!(used.insert((nonce, created)), "a replay");
            }
            Ok(())
        })?;
    }

    #[test]
    fn a_slot_reads_what_it_writes_and_nothing_else_panics(
        noise in prop::collection::vec(any::<u8>(), 0..200),
    ) {
        let slot = Slot::decode(&noise);
        let again = Slot::decode(&slot.encode());
        prop_assert_eq!((slot.forgotten, slot.entries), (again.forgotten, again.entries));
    }
}
