//! Credentials that were checked, so that one that comes again costs no second
//! check: good ones, and, in a small table of its own, those whose signature
//! was bad. One table per provider and VM.

use std::collections::HashMap;
use std::hash::{BuildHasher, DefaultHasher, Hasher, RandomState};
use std::rc::Rc;

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

/// Checked credentials. Compared whole, byte for byte: no collision of hashes
/// can let one pass. Hashes are seeded anew in each VM.
#[derive(Debug)]
pub(crate) struct Cache {
    good: Generations<Rc<Known>>,
    bad: Generations<Refused>,
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

impl Cache {
    /// Room for so many good credentials, of 2 KiB each on average.
    pub(crate) fn new(size: usize) -> Self {
        Cache {
            good: Generations::new(size, size.saturating_mul(BYTES_PER_ENTRY)),
            bad: Generations::new(REFUSED, REFUSED * REFUSED_BYTES / 4),
        }
    }

    /// What is remembered of a credential at `now` (seconds since the Unix
    /// epoch). `keys` names the provider's keys at present; `holds` says
    /// whether what was learnt is still so.
    pub(crate) fn recall(
        &mut self,
        secret: &[u8],
        now: i64,
        keys: u64,
        holds: impl FnOnce(&Known) -> bool,
    ) -> Option<Remembered> {
        if let Some(known) = self.good.get(secret) {
            let expired = known.checked.expires.is_some_and(|end| now >= end);
            if !expired && holds(&known) {
                return Some(Remembered::Good(known));
            }
            self.good.forget(secret);
            return None;
        }
        let refused = self.bad.get(secret)?;
        (refused.keys == keys && now < refused.until).then_some(Remembered::Bad(refused.reason))
    }

    /// Keeps a good credential.
    pub(crate) fn keep(&mut self, secret: &[u8], known: &Rc<Known>) {
        self.good.put(secret, known.clone(), known.size().saturating_add(secret.len()));
    }

    /// Keeps one that was refused. Good ones never make room for it.
    pub(crate) fn refuse(&mut self, secret: &[u8], reason: Reason, now: i64, keys: u64) {
        if secret.len() <= REFUSED_BYTES {
            let until = now.saturating_add(REFUSED_FOR);
            self.bad.put(secret, Refused { reason, keys, until }, secret.len());
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

struct Half<T> {
    entries: HashMap<Box<[u8]>, (T, usize), ByTail>,
    bytes: usize,
}

/// How much of a credential its hash looks at, from the end: there stands the
/// signature of a token, in which all of it tells. Hashing a whole token, several
/// times a request, costs as much as reading its claims. Nobody makes good tokens
/// with the same tail; of refused ones there are too few for that to hurt.
const TAIL: usize = 64;

/// The standard library's keyed hash, over the tail alone.
#[derive(Clone, Debug, Default)]
struct ByTail(RandomState);

struct TailHasher(DefaultHasher);

impl BuildHasher for ByTail {
    type Hasher = TailHasher;

    fn build_hasher(&self) -> TailHasher {
        TailHasher(self.0.build_hasher())
    }
}

impl Hasher for TailHasher {
    fn write(&mut self, bytes: &[u8]) {
        self.0.write(bytes.get(bytes.len().saturating_sub(TAIL)..).unwrap_or(bytes));
    }

    fn finish(&self) -> u64 {
        self.0.finish()
    }
}

/// The keys are credentials.
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

/// A key, its value, and what it takes in bytes.
type Taken<T> = (Box<[u8]>, (T, usize));

impl<T> Half<T> {
    fn put(&mut self, key: Box<[u8]>, value: T, size: usize) {
        self.bytes = self.bytes.saturating_add(size);
        if let Some((_, former)) = self.entries.insert(key, (value, size)) {
            self.bytes = self.bytes.saturating_sub(former);
        }
    }

    fn take(&mut self, key: &[u8]) -> Option<Taken<T>> {
        let (key, value) = self.entries.remove_entry(key)?;
        self.bytes = self.bytes.saturating_sub(value.1);
        Some((key, value))
    }
}

impl<T: Clone> Generations<T> {
    fn new(entries: usize, bytes: usize) -> Self {
        let (entries, bytes) = (entries.div_ceil(2), bytes.div_ceil(2));
        Generations { young: Half::default(), old: Half::default(), entries, bytes }
    }

    fn get(&mut self, key: &[u8]) -> Option<T> {
        if let Some((value, _)) = self.young.entries.get(key) {
            return Some(value.clone());
        }
        let (key, (value, size)) = self.old.take(key)?;
        self.insert(key, value.clone(), size);
        Some(value)
    }

    fn put(&mut self, key: &[u8], value: T, size: usize) {
        if self.entries == 0 || size > self.bytes {
            return;
        }
        self.old.take(key);
        self.insert(key.into(), value, size);
    }

    fn insert(&mut self, key: Box<[u8]>, value: T, size: usize) {
        let full = self.young.entries.len() >= self.entries
            || self.young.bytes.saturating_add(size) > self.bytes;
        if full && !self.young.entries.contains_key(&key) {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.put(key, value, size);
    }

    fn forget(&mut self, key: &[u8]) {
        self.young.take(key);
        self.old.take(key);
    }
}

#[cfg(test)]
#[allow(clippy::indexing_slicing)]
mod tests {
    use std::collections::HashMap;

    use postern_core::identity::Caller;
    use proptest::prelude::*;

    use super::*;
    use crate::checked::Checked;

    fn known(sub: &str, expires: i64) -> Rc<Known> {
        let caller = Caller { sub: sub.to_owned(), ..Caller::default() };
        Rc::new(Known::new(Checked { expires: Some(expires), ..Checked::from(caller) }))
    }

    fn recall(cache: &mut Cache, secret: &str, now: i64, keys: u64) -> String {
        match cache.recall(secret.as_bytes(), now, keys, |_| true) {
            None => "-".to_owned(),
            Some(Remembered::Bad(reason)) => reason.code().to_owned(),
            Some(Remembered::Good(known)) => known.checked.caller.sub.clone(),
        }
    }

    #[test]
    fn credentials_with_one_tail_are_told_apart() {
        let mut cache = Cache::new(8);
        let tokens = ["a", "b"].map(|head| format!("{head}{}", "s".repeat(TAIL)));
        for token in &tokens {
            cache.keep(token.as_bytes(), &known(token, 100));
        }
        for token in &tokens {
            assert_eq!(recall(&mut cache, token, 99, 0), *token);
        }
        assert_eq!(recall(&mut cache, &"s".repeat(TAIL), 99, 0), "-");
    }

    #[test]
    fn entries_end_with_the_credential_and_with_its_key() {
        let mut cache = Cache::new(8);
        cache.keep(b"token", &known("a", 100));
        assert_eq!(recall(&mut cache, "token", 99, 0), "a");
        assert_eq!(recall(&mut cache, "token", 100, 0), "-");
        cache.keep(b"token", &known("a", 100));
        assert!(cache.recall(b"token", 1, 0, |_| false).is_none());
        assert_eq!(recall(&mut cache, "token", 1, 0), "-", "forgotten for good");
        for other in ["toke", "token ", "Token", ""] {
            assert_eq!(recall(&mut cache, other, 1, 0), "-");
        }
    }

    #[test]
    fn refusals_end_with_time_and_with_new_keys() {
        let mut cache = Cache::new(8);
        cache.refuse(b"bad", Reason::Signature, 10, 1);
        assert_eq!(recall(&mut cache, "bad", 69, 1), "bad_signature");
        assert_eq!(recall(&mut cache, "bad", 70, 1), "-");
        assert_eq!(recall(&mut cache, "bad", 11, 2), "-");
    }

    #[test]
    fn a_flood_of_bad_ones_pushes_no_good_one_out() {
        let mut cache = Cache::new(4);
        cache.keep(b"good", &known("a", 100));
        for n in 0..10_000u32 {
            cache.refuse(&n.to_le_bytes(), Reason::Signature, 1, 0);
        }
        assert_eq!(recall(&mut cache, "good", 1, 0), "a");
        assert!(cache.bad.young.entries.len() + cache.bad.old.entries.len() <= REFUSED);
    }

    #[test]
    fn a_size_of_zero_keeps_nothing() {
        let mut cache = Cache::new(0);
        cache.keep(b"good", &known("a", 100));
        assert_eq!(recall(&mut cache, "good", 1, 0), "-");
    }

    proptest! {
        /// Against a table without bounds: what is there is right, and what was
        /// used lately is there.
        #[test]
        fn the_cache_agrees_with_an_endless_one(
            size in 1usize..12,
            steps in prop::collection::vec((0u8..3, 0u8..20, 0i64..30), 1..200),
        ) {
            let mut cache = Cache::new(size);
            let mut model: HashMap<u8, (i64, i64)> = HashMap::new();
            // The keys used, the last one at the end, each once.
            let mut recent: Vec<u8> = Vec::new();
            for (now, (action, key, life)) in steps.into_iter().enumerate() {
                let now = now as i64;
                if action == 0 {
                    let serial = now;
                    cache.keep(&[key], &known(&serial.to_string(), now + life));
                    model.insert(key, (serial, now + life));
                    recent.retain(|k| *k != key);
                    recent.push(key);
                } else {
                    let seen = recall(&mut cache, std::str::from_utf8(&[key]).unwrap_or("?"), now, 0);
                    let expected = model.get(&key).filter(|(_, end)| now < *end);
                    if seen != "-" {
                        prop_assert_eq!(Some(seen), expected.map(|(serial, _)| serial.to_string()));
                        recent.retain(|k| *k != key);
                        recent.push(key);
                    } else if expected.is_some() {
                        // Gone only if a half table's worth of others came since.
                        let since = recent.iter().rev().take_while(|k| **k != key).count();
                        prop_assert!(since >= size.div_ceil(2), "{} others since", since);
                        model.remove(&key);
                    } else {
                        model.remove(&key);
                    }
                }
                let entries = cache.good.young.entries.len() + cache.good.old.entries.len();
                prop_assert!(entries <= size + 1, "{} entries", entries);
                let bytes: usize = cache.good.young.entries.values().map(|(_, s)| *s).sum();
                prop_assert_eq!(bytes, cache.good.young.bytes);
            }
        }
    }
}
