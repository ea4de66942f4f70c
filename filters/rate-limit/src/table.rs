//! Where counts are kept: a table of fixed size in the data that all workers
//! share. That map knows no deletion, so its keys are a fixed set: the slots.
//!
//! A slot holds up to [`WAYS`] counts. Counts of which nothing is used any more
//! make room first. If a slot is full of others, the one of which the smallest
//! share is used is forgotten; its caller then starts with a whole limit. So a
//! flood of new callers pushes out other new callers, but nobody who has used
//! up a limit.
//!
//! The table has four places for each key of its capacity: at the capacity a
//! slot is overfull with a chance of about one in a million.

use std::cell::OnceCell;
use std::hash::Hasher;
use std::num::NonZeroU64;

use postern_core::{Host, StoreError, Stored, shared};
use siphasher::sip128::{Hasher128, SipHasher13};

use crate::bucket::{Allowance, Spent, State};

/// Counts in a slot.
pub(crate) const WAYS: usize = 16;

/// Places for each key of the capacity.
const PLACES_PER_KEY: u64 = 4;

/// How often a write is tried again. A conflict means that another worker's
/// write succeeded; only with far more workers than cores is this many likely.
const TRIES: usize = 256;

/// The first part of every key in the shared data. Changes with the format.
const PREFIX: &str = "rate-limit-1";

/// The hash of a bucket's name, under a secret of this host: nobody can choose
/// names that fall into one slot, or that pass for another's.
type Hash = [u8; 16];

const ENTRY: usize = 16 + State::SIZE;

/// The table.
#[derive(Debug)]
pub(crate) struct Table {
    slots: NonZeroU64,
    secret: OnceCell<[u8; 16]>,
}

impl Table {
    /// A table for `capacity` callers at a time. Another capacity than before
    /// puts counts into other slots: they start anew.
    pub(crate) fn new(capacity: u64) -> Self {
        let ways = u64::try_from(WAYS).unwrap_or(1);
        let slots = capacity.saturating_mul(PLACES_PER_KEY).div_ceil(ways).next_power_of_two();
        Table { slots: NonZeroU64::new(slots).unwrap_or(NonZeroU64::MIN), secret: OnceCell::new() }
    }

    /// Takes one request from the bucket named `key`, and says how many others
    /// had to be forgotten. `None`: the shared data cannot be read or written.
    pub(crate) fn spend(
        &self,
        host: &dyn Host,
        key: &[u8],
        allowance: &Allowance,
    ) -> Option<(Spent, usize)> {
        let hash = self.hash(host, key)?;
        let slot = self.slot(&hash);
        for _ in 0..TRIES {
            let now = u64::try_from(host.now().as_nanos()).unwrap_or(u64::MAX);
            let seen = host.load(&slot);
            let mut entries = match &seen {
                Stored::Absent => Vec::new(),
                Stored::Value(bytes, _) => decode(bytes),
                Stored::Unavailable => return None,
            };
            let state = entries.iter().find(|(h, _)| *h == hash).map(|(_, state)| *state);
            let spent = allowance.spend(state, now);
            if !spent.changed {
                return Some((spent, 0));
            }
            entries.retain(|(h, state)| *h != hash && !state.is_idle(now));
            let evicted = make_room(&mut entries, now);
            entries.push((hash, spent.state));
            match host.store(&slot, &encode(&entries), &seen) {
                Ok(()) => return Some((spent, evicted)),
                Err(StoreError::Conflict) => {}
                Err(StoreError::Unavailable) => return None,
            }
        }
        None
    }

    fn hash(&self, host: &dyn Host, key: &[u8]) -> Option<Hash> {
        let secret = match self.secret.get() {
            Some(secret) => *secret,
            None => {
                let secret = shared::secret(host, &format!("{PREFIX}/secret"))?;
                *self.secret.get_or_init(|| secret)
            }
        };
        let mut hasher = SipHasher13::new_with_key(&secret);
        hasher.write(key);
        Some(hasher.finish128().as_bytes())
    }

    fn slot(&self, hash: &Hash) -> String {
        let (low, _) = hash.split_first_chunk::<8>().unwrap_or((&[0; 8], &[]));
        let number = u64::from_le_bytes(*low).checked_rem(self.slots.get()).unwrap_or(0);
        format!("{PREFIX}/{number:x}")
    }
}

/// Forgets the least used until there is room for one more.
fn make_room(entries: &mut Vec<(Hash, State)>, now: u64) -> usize {
    let mut evicted = 0usize;
    while entries.len() >= WAYS {
        let least = (0..entries.len()).min_by_key(|i| entries.get(*i).map(|(_, s)| s.used(now)));
        entries.swap_remove(least.unwrap_or(0));
        evicted = evicted.saturating_add(1);
    }
    evicted
}

fn encode(entries: &[(Hash, State)]) -> Vec<u8> {
    let mut out = Vec::with_capacity(entries.len().saturating_mul(ENTRY));
    for (hash, state) in entries {
        out.extend_from_slice(hash);
        out.extend_from_slice(&state.to_bytes());
    }
    out
}

/// Leaves out what it did not write.
fn decode(bytes: &[u8]) -> Vec<(Hash, State)> {
    let (entries, _) = bytes.as_chunks::<ENTRY>();
    entries
        .iter()
        .filter_map(|entry| {
            let (hash, rest) = entry.split_first_chunk::<16>()?;
            let (state, _) = rest.split_first_chunk::<{ State::SIZE }>()?;
            Some((*hash, State::from_bytes(state)?))
        })
        .collect()
}
