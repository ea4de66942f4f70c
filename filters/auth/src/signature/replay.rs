//! Signatures that count once. What was used is kept in the map that all
//! workers share, in tables of a fixed size, one per key: a caller who fills
//! his table hurts nobody else.
//!
//! Nothing is evicted before its time: where a fresh nonce finds its slot full
//! of nonces that still count, it is turned away for now. A replay is never let
//! through for want of room.

use postern_core::digest::{hex, sha256};
use postern_core::{Host, StoreError, Stored};

/// Nonces in one slot. With a table half full, fewer than one slot in a
/// thousand is.
pub(crate) const WAYS: usize = 32;

/// Bytes of a kept nonce: its digest, and until when it counts.
const DIGEST: usize = 16;
const ENTRY: usize = DIGEST + 4;

/// How often a slot is tried that other workers write to.
const TRIES: usize = 16;

/// Something that may be used once, until a time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Once {
    /// The shared value that it belongs into.
    slot: String,
    digest: [u8; DIGEST],
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

impl Once {
    /// A nonce of `keyid` in a table of `slots` slots; it counts until `until`,
    /// in seconds since the Unix epoch.
    pub(crate) fn new(provider: &str, keyid: &str, nonce: &str, slots: u64, until: i64) -> Self {
        let keyid = sha256(keyid.as_bytes());
        let digest = sha256(&[&keyid, nonce.as_bytes()].concat());
        let (digest, rest) =
            digest.split_first_chunk::<DIGEST>().map_or(([0; DIGEST], [0; 8]), |(d, rest)| {
                (*d, rest.first_chunk::<8>().copied().unwrap_or_default())
            });
        let slot = u64::from_le_bytes(rest).checked_rem(slots).unwrap_or_default();
        let table = hex(keyid.first_chunk::<8>().map_or(&[][..], |head| head));
        Once {
            slot: format!("auth.nonces.{provider}.{table}.{slots}.{slot}"),
            digest,
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
        if out.len() >= WAYS.saturating_mul(ENTRY) {
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

    use postern_core::fake::FakeHost;
    use proptest::prelude::*;

    use super::*;

    fn host(seconds: u64) -> FakeHost {
        FakeHost::at(Duration::from_secs(seconds))
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
        let once = |n: usize, until| Once::new("p", "k", &n.to_string(), 1, until);
        for n in 0..WAYS {
            assert_eq!(once(n, 110 + n as i64).spend(&host), Ok(()));
        }
        assert_eq!(once(WAYS, 200).spend(&host), Err(Spent::Full { retry_after: 11 }));
        assert_eq!(once(0, 110).spend(&host), Err(Spent::Replayed));
        host.set_now(Duration::from_secs(111));
        assert_eq!(once(WAYS, 200).spend(&host), Ok(()), "room for one");
        assert_eq!(once(WAYS + 1, 200).spend(&host), Err(Spent::Full { retry_after: 1 }));
        assert_eq!(once(1, 111).spend(&host), Err(Spent::Replayed));
        assert_eq!(host.shared_len(), 1);
    }

    #[test]
    fn a_map_that_does_not_answer_lets_nothing_through() {
        struct Deaf;
        impl Host for Deaf {
            fn now(&self) -> Duration {
                Duration::ZERO
            }
            fn property(&self, _: &[&str]) -> Option<Vec<u8>> {
                None
            }
            fn verify(&self, _: &postern_core::SignatureCheck<'_>) -> Option<bool> {
                None
            }
            fn load(&self, _: &str) -> Stored {
                Stored::Absent
            }
            fn store(&self, _: &str, _: &[u8], _: &Stored) -> Result<(), StoreError> {
                Err(StoreError::Conflict)
            }
        }
        let once = Once::new("p", "k", "n", 1, 9);
        assert_eq!(once.spend(&Deaf), Err(Spent::Full { retry_after: 1 }));
    }

    #[test]
    fn half_full_tables_hardly_ever_turn_away() {
        let host = host(100);
        let (slots, mut turned_away) = (64, 0);
        for n in 0..slots * WAYS / 2 {
            let once = Once::new("p", "k", &n.to_string(), slots as u64, 200);
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
            slots in 1u64..4,
            steps in prop::collection::vec((0u8..120, 0u32..20, 0u32..4, any::<bool>()), 1..300),
        ) {
            let host = host(1000);
            let mut model: BTreeMap<u8, u32> = BTreeMap::new();
            let mut now = 1000u32;
            for (nonce, life, passed, garbage) in steps {
                now += passed;
                host.set_now(Duration::from_secs(u64::from(now)));
                let once = Once::new("p", "k", &nonce.to_string(), slots, i64::from(now + life));
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
                        prop_assert!(live >= WAYS);
                    }
                }
            }
            prop_assert!(host.shared_len() as u64 <= slots);
        }
    }
}
