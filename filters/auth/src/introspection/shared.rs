//! What all workers remember together: answers, and who is asking about what.
//!
//! A table of fixed size in the data that they share, since that knows no
//! deletion. A token never stands there, nor a plain digest of it: its
//! fingerprint is a MAC under a secret of this host, so nobody can choose
//! tokens that fall into one slot.

use std::cell::OnceCell;

use postern_core::{Host, StoreError, Stored, shared};

use super::slot::{Entry, Seen, Slot};

/// A token in the eyes of one provider.
pub(super) type Fingerprint = [u8; 32];

/// The first part of every key. Changes with the format.
const PREFIX: &str = "auth-introspection-2";

/// Each holds up to [`WAYS`](super::slot::WAYS) entries.
const SLOTS: u64 = 2_048;

/// A conflict means that another worker's write succeeded.
const TRIES: usize = 64;

/// The table.
#[derive(Debug, Default)]
pub(super) struct Shared {
    secret: OnceCell<[u8; 16]>,
}

/// What came of the attempt to be the one who asks.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Claim {
    /// This worker asks.
    Mine,
    /// Another asks, and its claim lapses then.
    Theirs(u64),
    /// The answer is there.
    Answered(Seen),
    /// There are no shared data: each worker asks for itself.
    Alone,
}

impl Shared {
    /// The fingerprint of a token; `scope` tells apart what may answer
    /// otherwise about the same token.
    pub(super) fn fingerprint(&self, host: &dyn Host, scope: &[u8], token: &[u8]) -> Fingerprint {
        // Without shared data a secret of this VM's own does as well.
        let common = || shared::secret(host, &format!("{PREFIX}/secret"));
        let secret = self.secret.get_or_init(|| common().unwrap_or_else(|| host.random()));
        hmac_sha256::HMAC::mac([scope, token].concat(), secret)
    }

    /// What is known of a token. Times are milliseconds since the Unix epoch.
    pub(super) fn look(&self, host: &dyn Host, token: &Fingerprint, now: u64) -> Seen {
        match host.load(&key(token)) {
            Stored::Value(bytes, _) => Slot::decode(&bytes, now).seen(token),
            Stored::Absent | Stored::Unavailable => Seen::default(),
        }
    }

    /// Claims the question about a token until then, unless it is answered or
    /// another has claimed it.
    pub(super) fn claim(
        &self,
        host: &dyn Host,
        token: &Fingerprint,
        now: u64,
        until: u64,
    ) -> Claim {
        let claimed = self.change(host, token, now, |slot| {
            let seen = slot.seen(token);
            match seen.claimed {
                _ if seen.answers(now) => return Err(Claim::Answered(seen)),
                Some(until) => return Err(Claim::Theirs(until)),
                None => {}
            }
            slot.put(*token, Entry::Claim { until });
            Ok(())
        });
        match claimed {
            Some(Ok(())) => Claim::Mine,
            Some(Err(other)) => other,
            None => Claim::Alone,
        }
    }

    /// Tells the others; ends the claim.
    pub(super) fn put(&self, host: &dyn Host, token: &Fingerprint, now: u64, entry: &Entry) {
        self.change(host, token, now, |slot| {
            slot.put(*token, entry.clone());
            Ok::<(), ()>(())
        });
        ring(host);
    }

    /// Ends the claim without an answer.
    pub(super) fn release(&self, host: &dyn Host, token: &Fingerprint, now: u64) {
        self.change(host, token, now, |slot| {
            slot.forget(token);
            Ok::<(), ()>(())
        });
        ring(host);
    }

    /// A number that changes after each change of what those who follow look for;
    /// `None`: it cannot be read.
    pub(super) fn bell(&self, host: &dyn Host) -> Option<u64> {
        rung(&host.load(&bell()))
    }

    /// `None`: the shared data cannot be read or written.
    fn change<E>(
        &self,
        host: &dyn Host,
        token: &Fingerprint,
        now: u64,
        change: impl Fn(&mut Slot) -> Result<(), E>,
    ) -> Option<Result<(), E>> {
        let key = key(token);
        for _ in 0..TRIES {
            let seen = host.load(&key);
            let mut slot = match &seen {
                Stored::Value(bytes, _) => Slot::decode(bytes, now),
                Stored::Absent => Slot::default(),
                Stored::Unavailable => return None,
            };
            if let Err(other) = change(&mut slot) {
                return Some(Err(other));
            }
            match host.store(&key, &slot.encode(), &seen) {
                Ok(()) => return Some(Ok(())),
                Err(StoreError::Conflict) => {}
                Err(StoreError::Unavailable) => return None,
            }
        }
        None
    }
}

/// One look shows all who follow, whatever they wait for, whether there is
/// something to see. If another worker rings at the same time, that is enough:
/// it wrote after this one's change.
fn ring(host: &dyn Host) {
    let seen = host.load(&bell());
    if let Some(times) = rung(&seen) {
        let _ = host.store(&bell(), &times.wrapping_add(1).to_le_bytes(), &seen);
    }
}

fn rung(stored: &Stored) -> Option<u64> {
    match stored {
        Stored::Value(bytes, _) => {
            Some(bytes.first_chunk().map_or(0, |bytes| u64::from_le_bytes(*bytes)))
        }
        Stored::Absent => Some(0),
        Stored::Unavailable => None,
    }
}

fn bell() -> String {
    format!("{PREFIX}/bell")
}

fn key(token: &Fingerprint) -> String {
    let head = token.first_chunk::<8>().copied().unwrap_or_default();
    format!("{PREFIX}/{:x}", u64::from_le_bytes(head).checked_rem(SLOTS).unwrap_or(0))
}
