//! Callers that are over their limit at the service, and until when: asking about
//! them would change nothing.
//!
//! A table of fixed size in each VM. A caller has four places, chosen by its hash,
//! which nobody outside can choose; of those the one that ends first makes room. One
//! that is forgotten costs a question, nothing else.

use std::time::Duration;

use crate::allowance::Left;
use crate::table::Hash;

const WAYS: usize = 4;

/// The table.
#[derive(Debug, Default)]
pub(crate) struct Near {
    /// In sets of [`WAYS`]; made when it is first written.
    places: Vec<Option<Entry>>,
    sets: usize,
    /// The longest that one is remembered.
    longest: Duration,
}

#[derive(Clone, Debug)]
struct Entry {
    hash: Hash,
    over: Over,
}

/// A caller over its limit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Over {
    /// Since the Unix epoch.
    pub(crate) until: Duration,
    /// A request that costs less may pass.
    pub(crate) cost: u64,
    /// Which of the limit's windows, its quota, and what was said of it.
    pub(crate) window: usize,
    pub(crate) quota: u64,
    pub(crate) left: Left,
}

impl Near {
    /// A table for about so many, each for so long at most.
    pub(crate) fn new(remembered: u64, longest: Duration) -> Self {
        let remembered = usize::try_from(remembered).unwrap_or(0);
        Near { places: Vec::new(), sets: remembered.div_ceil(WAYS), longest }
    }

    /// Is a request of this caller, at this cost, refused in any case?
    pub(crate) fn look(&self, hash: &Hash, cost: u64, now: Duration) -> Option<Over> {
        let set = self.places.chunks_exact(WAYS).nth(self.set(hash)?)?;
        let mut own = set.iter().flatten().filter(|entry| entry.hash == *hash);
        let over = own.next().map(|entry| &entry.over)?;
        let left = over.until.saturating_sub(now);
        // More than the longest: the clock was set back.
        if left.is_zero() || left > self.longest || cost < over.cost {
            return None;
        }
        let seconds = u64::try_from(left.as_millis().div_ceil(1_000)).unwrap_or(u64::MAX);
        let left = over.left.in_seconds(seconds, now);
        Some(Over { left, ..over.clone() })
    }

    /// A caller is over its limit.
    pub(crate) fn note(&mut self, hash: &Hash, over: Over, now: Duration) {
        let Some(set) = self.set(hash).filter(|_| over.until > now) else { return };
        if self.places.is_empty() {
            self.places.resize(self.sets.saturating_mul(WAYS), None);
        }
        let Some(places) = self.places.chunks_exact_mut(WAYS).nth(set) else { return };
        let own = places.iter().position(|p| p.as_ref().is_some_and(|e| e.hash == *hash));
        let first = || {
            let ends = |p: &Option<Entry>| p.as_ref().map(|entry| entry.over.until);
            places.iter().enumerate().min_by_key(|(_, place)| ends(place)).map(|(at, _)| at)
        };
        let at = own.or_else(first);
        if let Some(place) = at.and_then(|at| places.get_mut(at)) {
            *place = Some(Entry { hash: *hash, over });
        }
    }

    fn set(&self, hash: &Hash) -> Option<usize> {
        // The table of counts goes by the lower half.
        let (_, high) = hash.split_last_chunk::<8>()?;
        let number = usize::try_from(u64::from_le_bytes(*high) >> 32).ok()?;
        number.checked_rem(self.sets)
    }
}
