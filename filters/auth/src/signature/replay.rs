//! Signatures that count once. What was used is kept in the map that all
//! workers share, in bounded tables, one per key: a caller who fills his table
//! hurts nobody else. All tables have the same number of slots, and their size
//! is what a slot holds: so a nonce is found again under another size.
//!
//! Nothing is evicted before its time: where a fresh nonce finds its slot full
//! of nonces that still count, it is turned away for now. A replay is never let
//! through for want of room.

use postern_core::digest::{hex, sha256};
use postern_core::{Host, StoreError, Stored};

/// Slots of every table.
const SLOTS: u64 = 256;

/// The fewest nonces in one slot. With a table half full, fewer than one slot in
/// a thousand is.
const LEAST_ROOM: usize = 32;

/// Bytes of a kept nonce: its digest, and until when it counts.
const DIGEST: usize = 16;
const ENTRY: usize = DIGEST + 4;

/// How often a slot is tried that other workers write to.
const TRIES: usize = 16;

/// Something that may be used once, until a time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Once {
    /// The shared value that it belongs into.
    pub(crate) slot: String,
    digest: [u8; DIGEST],
    /// Nonces that the slot may hold.
    room: usize,
    /// In seconds since the Unix epoch.
    until: u32,
}

/// Why it cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Spent {
    /// It was used before.
    Replayed,
    /// It cannot be told now. In how many seconds to try again, at least 1.
    Full { retry_after: u64 },
}

/// What each slot holds in a table of `nonces`.
pub(crate) fn room(nonces: u64) -> usize {
    usize::try_from(nonces.div_ceil(SLOTS)).unwrap_or(usize::MAX).max(LEAST_ROOM)
}

impl Once {
    /// A nonce of `keyid` in a table of `room` nonces a slot; it counts until
    /// `until`, in seconds since the Unix epoch.
    pub(crate) fn new(provider: &str, keyid: &str, nonce: &str, room: usize, until: i64) -> Self {
        let keyid = sha256(keyid.as_bytes());
        let digest = sha256(&[&keyid, nonce.as_bytes()].concat());
        let (digest, rest) =
            digest.split_first_chunk::<DIGEST>().map_or(([0; DIGEST], [0; 8]), |(d, rest)| {
                (*d, rest.first_chunk::<8>().copied().unwrap_or_default())
            });
        let slot = u64::from_le_bytes(rest) % SLOTS;
        let table = hex(keyid.first_chunk::<8>().map_or(&[][..], |head| head));
        Once {
            slot: format!("auth.nonces.{provider}.{table}.{slot}"),
            digest,
            room,
            until: u32::try_from(until.max(0)).unwrap_or(u32::MAX),
        }
    }

    /// Uses it up, for all workers.
    ///
    /// # Errors
    /// It was used, or that cannot be told.
    pub(crate) fn spend(&self, host: &dyn Host) -> Result<(), Spent> {
        let now = u32::try_from(host.now().as_secs()).unwrap_or(u32::MAX);
        for _ in 0..TRIES {
            let seen = host.load(&self.slot);
            let old: &[u8] = match &seen {
                Stored::Absent => &[],
                Stored::Value(value, _) => value,
                Stored::Unavailable => return Err(Spent::Full { retry_after: 1 }),
            };
            let value = self.added_to(old, now)?;
            match host.store(&self.slot, &value, &seen) {
                Ok(()) => return Ok(()),
                Err(StoreError::Conflict) => {}
                Err(StoreError::Unavailable) => break,
            }
        }
        Err(Spent::Full { retry_after: 1 })
    }

    /// The slot with this in it, and without what does not count any more.
    fn added_to(&self, slot: &[u8], now: u32) -> Result<Vec<u8>, Spent> {
        let mut out = Vec::with_capacity(slot.len().saturating_add(ENTRY));
        let mut soonest = u32::MAX;
        for entry in slot.chunks_exact(ENTRY) {
            let Some((digest, until)) = entry.split_first_chunk::<DIGEST>() else { continue };
            let until = u32::from_le_bytes(until.first_chunk().copied().unwrap_or_default());
            if until < now {
                continue;
            }
            if *digest == self.digest {
                return Err(Spent::Replayed);
            }
            soonest = soonest.min(until);
            out.extend_from_slice(entry);
        }
        if out.len() >= self.room.saturating_mul(ENTRY) {
            let retry_after = u64::from(soonest.saturating_sub(now)).saturating_add(1);
            return Err(Spent::Full { retry_after });
        }
        out.extend_from_slice(&self.digest);
        out.extend_from_slice(&self.until.to_le_bytes());
        Ok(out)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
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
        let once = |n: u32, size| Once::new("p", "k", &n.to_string(), room(size), 200);
        for n in 0..1000 {
            assert_eq!(once(n, 16_384).spend(&host), Ok(()));
        }
        for size in [1, 8192, 16_384, 20_000, 1_048_576] {
            for n in 0..1000 {
                assert_eq!(once(n, size).spend(&host), Err(Spent::Replayed), "{size}");
            }
        }
        // One that became smaller than what it holds forgets nothing of it.
        let nonces = in_one_slot(4);
        let once = |n: usize, room| Once::new("q", "k", &nonces[n], room, 200);
        for n in 0..3 {
            assert_eq!(once(n, 3).spend(&host), Ok(()));
        }
        assert_eq!(once(3, 1).spend(&host), Err(Spent::Full { retry_after: 101 }));
        assert_eq!(once(0, 1).spend(&host), Err(Spent::Replayed));
        assert_eq!(once(2, 1).spend(&host), Err(Spent::Replayed));
    }

    #[test]
    fn tables_hold_what_they_are_told_to() {
        assert_eq!([0, 1, 8192, 8193].map(room), [32, 32, 32, 33]);
        assert_eq!([16_384, 1_048_576].map(room), [64, 4096]);
    }

    #[test]
    fn a_nonce_counts_once_per_key_and_provider_until_its_time() {
        let host = host(100);
        let once =
            |provider: &str, keyid: &str, nonce: &str| Once::new(provider, keyid, nonce, 4, 130);
        assert_eq!(once("p", "k", "n").spend(&host), Ok(()));
        assert_eq!(once("p", "k", "n").spend(&host), Err(Spent::Replayed));
        assert_eq!(once("p", "k", "m").spend(&host), Ok(()));
        assert_eq!(once("p", "l", "n").spend(&host), Ok(()));
        assert_eq!(once("q", "k", "n").spend(&host), Ok(()));
        host.set_now(Duration::from_secs(130));
        assert_eq!(once("p", "k", "n").spend(&host), Err(Spent::Replayed), "the last second");
        host.set_now(Duration::from_secs(131));
        assert_eq!(once("p", "k", "n").spend(&host), Ok(()), "a signature that old is refused");
    }

    #[test]
    fn a_full_slot_turns_away_and_forgets_nothing() {
        let host = host(100);
        let nonces = in_one_slot(5);
        let once = |n: usize, until| Once::new("p", "k", &nonces[n], 3, until);
        for n in 0..3 {
            assert_eq!(once(n, 110 + n as i64).spend(&host), Ok(()));
        }
        assert_eq!(once(3, 200).spend(&host), Err(Spent::Full { retry_after: 11 }));
        assert_eq!(once(0, 110).spend(&host), Err(Spent::Replayed));
        host.set_now(Duration::from_secs(111));
        assert_eq!(once(3, 200).spend(&host), Ok(()), "room for one");
        assert_eq!(once(4, 200).spend(&host), Err(Spent::Full { retry_after: 1 }));
        assert_eq!(once(1, 111).spend(&host), Err(Spent::Replayed));
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

    #[test]
    fn half_full_tables_hardly_ever_turn_away() {
        let host = host(100);
        let (slots, mut turned_away) = (SLOTS as usize, 0);
        for n in 0..slots * LEAST_ROOM / 2 {
            let once = Once::new("p", "k", &n.to_string(), LEAST_ROOM, 200);
            turned_away += usize::from(once.spend(&host).is_err());
        }
        assert_eq!(turned_away, 0);
        assert!(host.shared_len() <= slots);
    }

    proptest! {
        /// Against a set that never forgets too early: what it has is never
        /// let through, what it has not is let through unless a slot is full.
        #[test]
        fn never_lets_a_replay_through(
            steps in prop::collection::vec(
                (0u8..12, 0u32..20, 0u32..4, any::<bool>(), 1usize..6), 1..300,
            ),
        ) {
            let host = host(1000);
            let nonces = in_one_slot(12);
            let mut model: BTreeMap<u8, u32> = BTreeMap::new();
            let mut now = 1000u32;
            for (nonce, life, passed, garbage, room) in steps {
                now += passed;
                host.set_now(Duration::from_secs(u64::from(now)));
                let own = &nonces[usize::from(nonce)];
                let once = Once::new("p", "k", own, room, i64::from(now + life));
                if garbage && host.load(&once.slot) == Stored::Absent {
                    // What somebody else left there is no reason to trap.
                    let _ = host.store(&once.slot, b"short", &Stored::Absent);
                }
                let counts = model.get(&nonce).is_some_and(|until| *until >= now);
                match once.spend(&host) {
                    Ok(()) => {
                        prop_assert!(!counts);
                        model.insert(nonce, now + life);
                    }
                    Err(Spent::Replayed) => prop_assert!(counts),
                    Err(Spent::Full { retry_after }) => {
                        prop_assert!(!counts && retry_after > 0);
                        let live = model.values().filter(|until| **until >= now).count();
                        prop_assert!(live >= room);
                    }
                }
            }
            prop_assert!(host.shared_len() <= 1);
        }
    }
}
