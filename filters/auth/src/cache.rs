//! Credentials that were checked, so that one that comes again is not checked each
//! time: good ones, and, in a small table of its own, those whose signature was bad.
//! One table per provider and VM.

mod guests;

use std::collections::HashMap;
use std::hash::{BuildHasher, BuildHasherDefault, Hasher, RandomState};
use std::rc::Rc;

use guests::Guests;

use crate::reason::Reason;
use crate::verdict::Known;

/// What a good entry may take on average, in bytes.
const BYTES_PER_ENTRY: usize = 2048;
/// The most refused credentials that are kept, and the longest in bytes.
const REFUSED: usize = 256;
const REFUSED_BYTES: usize = 4096;
/// How long a refusal is kept, in seconds: keys that come are noticed at once,
/// so this only bounds what a wrong memory could cost.
const REFUSED_FOR: i64 = 60;

/// How much of a credential its hash looks at, from the end: there stands the
/// signature of a token, in which all of it tells. Hashing a whole token costs as
/// much as reading its claims. Nobody makes good tokens with the same tail.
const TAIL: usize = 64;

/// Checked credentials. Compared whole, byte for byte: no collision of hashes
/// can let one pass. Hashes are seeded anew in each VM.
#[derive(Debug)]
pub(crate) struct Cache {
    seed: RandomState,
    good: Generations<Rc<Known>>,
    bad: Generations<Refused>,
    guests: Guests,
}

#[derive(Clone, Copy, Debug)]
struct Refused {
    reason: Reason,
    /// The keys that it was checked with.
    keys: u64,
    until: i64,
}

/// What is remembered of a credential.
#[derive(Debug)]
pub(crate) enum Remembered {
    Good(Rc<Known>),
    Bad(Reason),
}

/// A credential with its hash.
#[derive(Clone, Copy)]
pub(crate) struct Hashed<'a> {
    secret: &'a [u8],
    hash: u64,
}

impl Cache {
    /// Room for so many good credentials, of 2 KiB each on average.
    pub(crate) fn new(size: usize) -> Self {
        Cache {
            seed: RandomState::new(),
            good: Generations::new(size, size.saturating_mul(BYTES_PER_ENTRY)),
            bad: Generations::new(REFUSED, REFUSED * REFUSED_BYTES / 4),
            guests: Guests::for_cache(size),
        }
    }

    /// Hashes a credential, once for all that is asked about it.
    pub(crate) fn hashed<'a>(&self, secret: &'a [u8]) -> Hashed<'a> {
        let mut hasher = self.seed.build_hasher();
        hasher.write(secret.get(secret.len().saturating_sub(TAIL)..).unwrap_or(secret));
        Hashed { secret, hash: hasher.finish() }
    }

    /// What is remembered of a credential at `now` (seconds since the Unix
    /// epoch). `keys` names the provider's keys at present; `holds` says
    /// whether what was learnt is still so.
    pub(crate) fn recall(
        &mut self,
        credential: Hashed<'_>,
        now: i64,
        keys: u64,
        holds: impl FnOnce(&Known) -> bool,
    ) -> Option<Remembered> {
        if let Some(known) = self.good.get(credential) {
            let expired = known.checked.expires.is_some_and(|end| now >= end);
            if !expired && holds(&known) {
                return Some(Remembered::Good(known));
            }
            self.good.forget(credential);
            return None;
        }
        let refused = self.bad.get(credential)?;
        (refused.keys == keys && now < refused.until).then_some(Remembered::Bad(refused.reason))
    }

    /// Takes note of a good credential, and keeps it if it is `dear` to check, or was
    /// noted before: one that comes once takes no room and pushes nothing out.
    pub(crate) fn meet(&mut self, credential: Hashed<'_>, known: &Rc<Known>, dear: bool) {
        if dear || self.guests.come_again(credential.hash) {
            let size = known.size().saturating_add(credential.secret.len());
            self.good.put(credential, known.clone(), size);
        }
    }

    /// Keeps one that was refused. Good ones never make room for it.
    pub(crate) fn refuse(&mut self, credential: Hashed<'_>, reason: Reason, now: i64, keys: u64) {
        if credential.secret.len() <= REFUSED_BYTES {
            let until = now.saturating_add(REFUSED_FOR);
            self.bad.put(credential, Refused { reason, keys, until }, credential.secret.len());
        }
    }
}

/// A table of bounded size in two halves: the young one takes what is new or
/// used; when it is full the old one is dropped and it takes its place. What was
/// used within the last half table's worth of others stays.
#[derive(Debug)]
struct Generations<T> {
    young: Half<T>,
    old: Half<T>,
    /// Of one half.
    entries: usize,
    bytes: usize,
}

/// By hash. Of two credentials with one hash the later one stays.
struct Half<T> {
    entries: HashMap<u64, Entry<T>, BuildHasherDefault<AsItIs>>,
    bytes: usize,
}

struct Entry<T> {
    secret: Box<[u8]>,
    value: T,
    /// What it takes in bytes.
    size: usize,
}

/// The keys are hashes.
#[derive(Default)]
struct AsItIs(u64);

impl Hasher for AsItIs {
    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(*byte);
        }
    }

    fn write_u64(&mut self, hash: u64) {
        self.0 = hash;
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

/// The entries hold credentials.
impl<T> std::fmt::Debug for Half<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} entries of {} bytes", self.entries.len(), self.bytes)
    }
}

impl<T> Default for Half<T> {
    fn default() -> Self {
        Half { entries: HashMap::default(), bytes: 0 }
    }
}

impl<T> Half<T> {
    fn get(&self, credential: Hashed<'_>) -> Option<&T> {
        let entry = self.entries.get(&credential.hash)?;
        (*entry.secret == *credential.secret).then_some(&entry.value)
    }

    fn put(&mut self, hash: u64, entry: Entry<T>) {
        self.bytes = self.bytes.saturating_add(entry.size);
        if let Some(former) = self.entries.insert(hash, entry) {
            self.bytes = self.bytes.saturating_sub(former.size);
        }
    }

    fn take(&mut self, credential: Hashed<'_>) -> Option<Entry<T>> {
        self.get(credential)?;
        let entry = self.entries.remove(&credential.hash)?;
        self.bytes = self.bytes.saturating_sub(entry.size);
        Some(entry)
    }
}

impl<T: Clone> Generations<T> {
    fn new(entries: usize, bytes: usize) -> Self {
        let (entries, bytes) = (entries.div_ceil(2), bytes.div_ceil(2));
        Generations { young: Half::default(), old: Half::default(), entries, bytes }
    }

    fn get(&mut self, credential: Hashed<'_>) -> Option<T> {
        if let Some(value) = self.young.get(credential) {
            return Some(value.clone());
        }
        let entry = self.old.take(credential)?;
        let value = entry.value.clone();
        self.insert(credential.hash, entry);
        Some(value)
    }

    fn put(&mut self, credential: Hashed<'_>, value: T, size: usize) {
        if self.entries == 0 || size > self.bytes {
            return;
        }
        self.old.take(credential);
        self.insert(credential.hash, Entry { secret: credential.secret.into(), value, size });
    }

    fn insert(&mut self, hash: u64, entry: Entry<T>) {
        let full = self.young.entries.len() >= self.entries
            || self.young.bytes.saturating_add(entry.size) > self.bytes;
        if full && !self.young.entries.contains_key(&hash) {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.put(hash, entry);
    }

    fn forget(&mut self, credential: Hashed<'_>) {
        self.young.take(credential);
        self.old.take(credential);
    }
}

#[cfg(test)]
mod tests;
