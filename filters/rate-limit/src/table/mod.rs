//! The local engine: counts in a table of fixed size in the data that all workers
//! share. That map knows no deletion, so its keys are a fixed set: the slots.
//!
//! A slot holds the counts of up to [`WAYS`] callers. Counts of which nothing is
//! used any more make room first. If a slot is full of others, the one of which
//! the smallest share is used is forgotten, but not what it had used: the slot
//! notes, for its limit, the most that was forgotten, and whoever is new to the
//! slot starts from there. So however many callers there are, none gets more than
//! its limit. What they may get is less: with N callers in the time in which a
//! limit comes back, a new one starts with about N / (4 × capacity) requests spent.
//! (For more than [`WAYS`] limits that overflow in one slot at once, what was used
//! least of theirs goes.)
//!
//! The table has four places for each key of its capacity: at the capacity a
//! slot is overfull with a chance of about one in a million.

mod slot;

use std::cell::OnceCell;
use std::num::NonZeroU64;

use postern_core::{Host, StoreError, Stored, shared};
use siphasher::sip128::{Hasher128, SipHasher13};

use crate::allowance::{Allowance, Cells, Spent};
pub(crate) use slot::{Hash, Tag, WAYS};

/// How many slots are looked at to see how full the table is.
pub(crate) const LOOKED_AT: u64 = 32;

/// Places for each key of the capacity.
const PLACES_PER_KEY: u64 = 4;

/// How often a write is tried again. A conflict means that another worker's
/// write succeeded; only with far more workers than cores is this many likely.
pub(crate) const TRIES: usize = 256;

/// The first part of every key in the shared data. Changes with the format.
const PREFIX: &str = "rate-limit-3";

/// The table.
#[derive(Debug)]
pub(crate) struct Table {
    slots: NonZeroU64,
    secret: OnceCell<[u8; 16]>,
}

/// The hash of what the names of most of a limit's buckets have in common, begun once.
#[derive(Clone, Default)]
pub(crate) struct Begun(OnceCell<SipHasher13>);

impl Begun {
    pub(crate) fn or_begin(
        &self,
        begin: impl FnOnce() -> Option<SipHasher13>,
    ) -> Option<SipHasher13> {
        if let Some(begun) = self.0.get() {
            return Some(*begun);
        }
        let begun = begin()?;
        Some(*self.0.get_or_init(|| begun))
    }
}

impl std::fmt::Debug for Begun {
    /// A secret is in it.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Begun")
    }
}

/// Whose count it is, and what of.
#[derive(Clone, Debug)]
pub(crate) struct Bucket<'p> {
    pub(crate) hash: Hash,
    pub(crate) tag: Tag,
    pub(crate) allowance: &'p Allowance,
}

/// What a request would come to, before it is written.
pub(crate) struct Look {
    pub(crate) spent: Spent,
    slot: String,
    bytes: Vec<u8>,
    seen: Stored,
    now: u64,
}

impl Table {
    /// A table for `capacity` callers at a time. Another capacity than before
    /// puts counts into other slots: they start anew.
    pub(crate) fn new(capacity: u64) -> Self {
        let ways = u64::try_from(WAYS).unwrap_or(1);
        let slots = capacity.saturating_mul(PLACES_PER_KEY).div_ceil(ways).next_power_of_two();
        Table { slots: NonZeroU64::new(slots).unwrap_or(NonZeroU64::MIN), secret: OnceCell::new() }
    }

    /// A hasher for the names of buckets, keyed by a secret of this host: nobody can
    /// choose names that fall into one slot, or that pass for another's. `None`: the
    /// shared data cannot be read or written.
    pub(crate) fn hasher(&self, host: &dyn Host) -> Option<SipHasher13> {
        let secret = match self.secret.get() {
            Some(secret) => *secret,
            None => {
                let secret = shared::secret(host, &format!("{PREFIX}/secret"))?;
                *self.secret.get_or_init(|| secret)
            }
        };
        Some(SipHasher13::new_with_key(&secret))
    }

    /// Takes `cost` from a bucket, if there is as much left, and says how many other
    /// callers had to be forgotten. `None`: the shared data cannot be read or written.
    pub(crate) fn spend(
        &self,
        host: &dyn Host,
        bucket: &Bucket<'_>,
        cost: u64,
    ) -> Option<(Spent, usize)> {
        self.update(host, bucket, |allowance, found, now| allowance.spend(found, cost, now))
    }

    /// Takes what was not known when it was spent.
    pub(crate) fn charge(
        &self,
        host: &dyn Host,
        bucket: &Bucket<'_>,
        cost: u64,
    ) -> Option<(Spent, usize)> {
        self.update(host, bucket, |allowance, found, now| allowance.charge(found, cost, now))
    }

    /// Gives back what was not used of what was `charged`.
    pub(crate) fn give(
        &self,
        host: &dyn Host,
        bucket: &Bucket<'_>,
        cost: u64,
        charged: &Spent,
    ) -> Option<(Spent, usize)> {
        let give = |allowance: &Allowance, found: Option<&Cells>, now| {
            allowance.give(found, cost, charged, now)
        };
        self.update(host, bucket, give)
    }

    fn update(
        &self,
        host: &dyn Host,
        bucket: &Bucket<'_>,
        change: impl Fn(&Allowance, Option<&Cells>, u64) -> Spent,
    ) -> Option<(Spent, usize)> {
        for _ in 0..TRIES {
            let mut look = self.read(host, bucket, clock(host), &change)?;
            match look.write(host, bucket) {
                Ok(forgotten) => return Some((look.spent, forgotten)),
                Err(StoreError::Conflict) => {}
                Err(StoreError::Unavailable) => return None,
            }
        }
        None
    }

    /// What taking `cost` would come to.
    pub(crate) fn look(
        &self,
        host: &dyn Host,
        bucket: &Bucket<'_>,
        cost: u64,
        now: u64,
    ) -> Option<Look> {
        self.read(host, bucket, now, |allowance, found, now| allowance.spend(found, cost, now))
    }

    fn read(
        &self,
        host: &dyn Host,
        bucket: &Bucket<'_>,
        now: u64,
        change: impl Fn(&Allowance, Option<&Cells>, u64) -> Spent,
    ) -> Option<Look> {
        let slot = self.slot(&bucket.hash);
        let (bytes, seen) = match host.load(&slot) {
            Stored::Absent => (Vec::new(), Stored::Absent),
            Stored::Value(bytes, token) => (bytes, Stored::Value(Vec::new(), token)),
            Stored::Unavailable => return None,
        };
        let found = slot::find(&bytes, &bucket.hash).or_else(|| {
            let rest = slot::rest(&bytes, &bucket.tag)?;
            bucket.allowance.inherit(&rest, now)
        });
        let spent = change(bucket.allowance, found.as_ref(), now);
        Some(Look { spent, slot, bytes, seen, now })
    }

    fn slot(&self, hash: &Hash) -> String {
        let (low, _) = hash.split_first_chunk::<8>().unwrap_or((&[0; 8], &[]));
        // The number of slots is a power of two.
        self.name(u64::from_le_bytes(*low) & self.slots.get().wrapping_sub(1))
    }

    fn name(&self, number: u64) -> String {
        let mut name = String::with_capacity(32);
        name.push_str(PREFIX);
        name.push('/');
        let digits =
            16u32.saturating_sub(number.leading_zeros().checked_div(4).unwrap_or(0)).max(1);
        for place in (0..digits).rev() {
            let nibble = number.checked_shr(place.saturating_mul(4)).unwrap_or(0) & 15;
            let digit = u32::try_from(nibble).ok().and_then(|n| char::from_digit(n, 16));
            name.push(digit.unwrap_or('0'));
        }
        name
    }

    /// The share of places in use, in thousandths, as some slots from `first` on
    /// show it. `None`: the shared data cannot be read.
    pub(crate) fn fill(&self, host: &dyn Host, first: u64) -> Option<u64> {
        let (now, looked_at) = (clock(host), LOOKED_AT.min(self.slots.get()));
        let mut used = 0usize;
        for number in (0..looked_at).map(|n| first.wrapping_add(n)) {
            match host.load(&self.name(number & self.slots.get().wrapping_sub(1))) {
                Stored::Absent => {}
                Stored::Value(bytes, _) => used = used.saturating_add(slot::in_use(&bytes, now)),
                Stored::Unavailable => return None,
            }
        }
        let places = looked_at.saturating_mul(u64::try_from(WAYS).unwrap_or(1));
        u64::try_from(used).ok()?.saturating_mul(1_000).checked_div(places)
    }
}

impl Look {
    /// Writes it, if there is anything to write; says how many other callers had to
    /// be forgotten.
    ///
    /// # Errors
    /// Another worker wrote meanwhile, or the shared data cannot be written.
    pub(crate) fn write(
        &mut self,
        host: &dyn Host,
        bucket: &Bucket<'_>,
    ) -> Result<usize, StoreError> {
        if !self.spent.changed {
            return Ok(0);
        }
        let Bucket { hash, tag, .. } = bucket;
        let forgotten = slot::write(&mut self.bytes, hash, tag, &self.spent.cells, self.now);
        host.store(&self.slot, &self.bytes, &self.seen)?;
        Ok(forgotten)
    }
}

/// Nanoseconds since the Unix epoch.
pub(crate) fn clock(host: &dyn Host) -> u64 {
    u64::try_from(host.now().as_nanos()).unwrap_or(u64::MAX)
}

/// The end of a bucket's name.
pub(crate) fn finish(hasher: &SipHasher13) -> Hash {
    hasher.finish128().as_bytes()
}
