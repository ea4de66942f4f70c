//! What is common to tables in the data that all workers share.

use crate::host::{Host, StoreError, Stored};

/// A conflict means that another worker's write succeeded, so the next load
/// finds what it wrote.
const TRIES: usize = 64;

/// The secret under `key` that keys a table's hashes, so that nobody outside can
/// choose what falls into one slot: made by the first worker that needs it, the
/// same for all of them, kept as long as the shared data are. `None`: those
/// cannot be read or written.
#[must_use]
pub fn secret(host: &dyn Host, key: &str) -> Option<[u8; 16]> {
    for _ in 0..TRIES {
        let seen = host.load(key);
        match &seen {
            Stored::Value(bytes, _) if bytes.len() == 16 => {
                return bytes.as_slice().try_into().ok();
            }
            // What is no secret was written by nobody here.
            Stored::Value(..) | Stored::Absent => {}
            Stored::Unavailable => return None,
        }
        let secret = host.random();
        match host.store(key, &secret, &seen) {
            Ok(()) => return Some(secret),
            Err(StoreError::Conflict) => {}
            Err(StoreError::Unavailable) => return None,
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fake::{FakeHost, Fault, Vm};

    #[test]
    fn workers_have_one_secret_whoever_comes_first() {
        let host = FakeHost::default();
        let theirs = std::cell::Cell::new(None);
        let busy = Vm::interleaved(&host, || theirs.set(secret(&host, "a/secret")));
        let ours = secret(&busy, "a/secret");
        assert!(ours.is_some());
        assert_eq!(ours, theirs.get(), "the other came between a load and its store");
        assert_eq!(secret(&host, "a/secret"), ours);
        assert_ne!(secret(&host, "b/secret"), ours);
    }

    #[test]
    fn what_is_no_secret_is_replaced() {
        let host = FakeHost::default();
        host.store("a", b"short", &Stored::Absent).unwrap();
        let made = secret(&host, "a");
        assert!(made.is_some());
        assert_eq!(secret(&host, "a"), made);
    }

    #[test]
    fn a_map_that_does_not_answer_has_none() {
        for fault in [Fault::Unavailable, Fault::Conflict] {
            let host = FakeHost::default();
            host.break_shared(fault);
            assert_eq!(secret(&host, "a"), None, "{fault:?}");
        }
    }
}
