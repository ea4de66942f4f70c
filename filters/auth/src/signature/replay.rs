//! Signatures that count once. What was used is kept in the map that all
//! workers share, in bounded tables, one per key: a caller who fills his table
//! hurts nobody else. All tables have the same number of slots, and their size
//! is what a slot holds: so a nonce is found again under another size.
//!
//! A full slot forgets the oldest signature in it, and remembers how old that
//! was: what is no younger may be one that was forgotten, and is refused. So a
//! replay is never let through for want of room, and who signs a lot is not turned
//! away, as long as a slot holds what he signs while his requests are on their way.
//!
//! A key takes 256 slots of at most 20 bytes for each nonce and 4 more: 321 KiB
//! for 16,384 nonces.

#[cfg(test)]
mod tests;

use postern_core::digest::{hex, sha256};
use postern_core::{Host, StoreError, Stored};

/// The longest `max_age` in seconds.
pub(super) const LONGEST: u64 = 3600;

/// How long after `created` a nonce is kept, in seconds: as long as any policy
/// may take its signature (the largest `max_age` and `leeway`). The one in force
/// may be followed by one that takes older signatures.
const KEPT: u32 = LONGEST as u32 + 300;

/// The first part of every key. Changes with the format.
const PREFIX: &str = "auth.nonces.2";

/// Slots of every table.
const SLOTS: u64 = 256;

/// The fewest nonces in one slot: chance puts more into some than into others.
const LEAST_ROOM: usize = 32;

/// Bytes of a kept nonce: its digest, and when its signature was made.
const DIGEST: usize = 16;
const ENTRY: usize = DIGEST + 4;

/// How often a slot is tried that other workers write to.
const TRIES: usize = 16;

/// Something that may be used once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Once {
    /// The shared value that it belongs into.
    pub(crate) slot: String,
    digest: [u8; DIGEST],
    /// Nonces that the slot may hold.
    room: usize,
    /// When its signature was made, in seconds since the Unix epoch.
    created: u32,
}

/// Why it cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Spent {
    /// It was used before.
    Replayed,
    /// It may have been used: it is as old as what was forgotten. One that is
    /// signed now would pass.
    Forgotten,
    /// It cannot be told now. In how many seconds to try again, at least 1.
    Full { retry_after: u64 },
}

/// What each slot holds in a table of `nonces`.
pub(crate) fn room(nonces: u64) -> usize {
    usize::try_from(nonces.div_ceil(SLOTS)).unwrap_or(usize::MAX).max(LEAST_ROOM)
}

impl Once {
    /// A nonce of `keyid` in a table of `room` nonces a slot; its signature was
    /// made at `created`, in seconds since the Unix epoch.
    pub(crate) fn new(provider: &str, keyid: &str, nonce: &str, room: usize, created: i64) -> Self {
        let keyid = sha256(keyid.as_bytes());
        let digest = sha256(&[&keyid, nonce.as_bytes()].concat());
        let (digest, rest) =
            digest.split_first_chunk::<DIGEST>().map_or(([0; DIGEST], [0; 8]), |(d, rest)| {
                (*d, rest.first_chunk::<8>().copied().unwrap_or_default())
            });
        let slot = u64::from_le_bytes(rest) % SLOTS;
        let table = hex(keyid.first_chunk::<8>().map_or(&[][..], |head| head));
        Once {
            slot: format!("{PREFIX}.{provider}.{table}.{slot}"),
            digest,
            room: room.max(1),
            created: u32::try_from(created.max(0)).unwrap_or(u32::MAX),
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
            let mut slot = match &seen {
                Stored::Absent => Slot::default(),
                Stored::Value(value, _) => Slot::decode(value),
                Stored::Unavailable => return Err(Spent::Full { retry_after: 1 }),
            };
            slot.forget_before(now.saturating_sub(KEPT));
            slot.spend(self, now)?;
            match host.store(&self.slot, &slot.encode(), &seen) {
                Ok(()) => return Ok(()),
                Err(StoreError::Conflict) => {}
                Err(StoreError::Unavailable) => break,
            }
        }
        Err(Spent::Full { retry_after: 1 })
    }
}

/// What a slot holds.
#[derive(Debug, Default)]
struct Slot {
    /// When the youngest signature was made that was forgotten; 0: none was.
    forgotten: u32,
    entries: Vec<([u8; DIGEST], u32)>,
}

impl Slot {
    /// What it did not write is nothing.
    fn decode(bytes: &[u8]) -> Self {
        let Some((forgotten, rest)) = bytes.split_first_chunk() else { return Slot::default() };
        let entries = rest.chunks_exact(ENTRY);
        if !entries.remainder().is_empty() {
            return Slot::default();
        }
        let entry = |bytes: &[u8]| {
            let (digest, created) = bytes.split_first_chunk::<DIGEST>()?;
            Some((*digest, u32::from_le_bytes(*created.first_chunk()?)))
        };
        let forgotten = u32::from_le_bytes(*forgotten);
        Slot { forgotten, entries: entries.filter_map(entry).collect() }
    }

    fn encode(&self) -> Vec<u8> {
        let mut out =
            Vec::with_capacity(self.entries.len().saturating_mul(ENTRY).saturating_add(4));
        out.extend_from_slice(&self.forgotten.to_le_bytes());
        for (digest, created) in &self.entries {
            out.extend_from_slice(digest);
            out.extend_from_slice(&created.to_le_bytes());
        }
        out
    }

    /// Forgets what no policy takes any more. If the clock is set back, it may.
    fn forget_before(&mut self, end: u32) {
        let Slot { forgotten, entries } = self;
        entries.retain(|(_, created)| {
            let kept = *created >= end;
            if !kept {
                *forgotten = (*forgotten).max(*created);
            }
            kept
        });
    }

    fn spend(&mut self, once: &Once, now: u32) -> Result<(), Spent> {
        if self.entries.iter().any(|(digest, _)| *digest == once.digest) {
            return Err(Spent::Replayed);
        }
        if once.created <= self.forgotten {
            // Signing anew helps as soon as the clock is past that.
            let retry_after = u64::from(self.forgotten.saturating_sub(now)).saturating_add(1);
            let full = Spent::Full { retry_after: retry_after.min(u64::from(KEPT)) };
            return Err(if self.forgotten >= now { full } else { Spent::Forgotten });
        }
        self.entries.push((once.digest, once.created));
        while self.entries.len() > once.room {
            self.forget_oldest();
        }
        Ok(())
    }

    fn forget_oldest(&mut self) {
        let ages = self.entries.iter().enumerate().map(|(at, (_, created))| (*created, at));
        if let Some((created, at)) = ages.min() {
            self.entries.swap_remove(at);
            self.forgotten = self.forgotten.max(created);
        }
    }
}
