//! The bytes of a slot: callers, and for each how many requests each VM has under way.
//!
//! An entry: the caller's hash, a byte with the number of VMs, and for each of those its
//! number and its count.

use postern_core::Stored;

use crate::table::Hash;

/// Callers in a slot at most. A slot that is fuller than that has more requests under
/// way than a proxy takes, or is none of ours.
const CALLERS: usize = 4_096;
/// VMs that a caller has requests in.
const VMS: usize = 255;

/// A slot's callers.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Slot(Vec<(Hash, Vec<Count>)>);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Count {
    vm: u32,
    requests: u32,
}

impl Slot {
    /// `None`: it cannot be read.
    pub(super) fn of(stored: &Stored) -> Option<Self> {
        match stored {
            Stored::Absent => Some(Slot::default()),
            Stored::Value(bytes, _) => Slot::read(bytes),
            Stored::Unavailable => None,
        }
    }

    fn read(mut bytes: &[u8]) -> Option<Self> {
        let mut callers = Vec::new();
        while !bytes.is_empty() {
            let (hash, rest) = bytes.split_first_chunk::<16>()?;
            let (count, rest) = rest.split_first()?;
            let (counts, rest) = rest.split_at_checked(usize::from(*count).checked_mul(8)?)?;
            let (counts, _) = counts.as_chunks::<8>();
            let counts = counts.iter().map(|[a, b, c, d, e, f, g, h]| Count {
                vm: u32::from_le_bytes([*a, *b, *c, *d]),
                requests: u32::from_le_bytes([*e, *f, *g, *h]),
            });
            callers.push((*hash, counts.collect()));
            bytes = rest;
        }
        Some(Slot(callers))
    }

    pub(super) fn to_bytes(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(self.0.len().saturating_mul(33));
        for (hash, counts) in &self.0 {
            out.extend_from_slice(hash);
            out.push(u8::try_from(counts.len()).unwrap_or(u8::MAX));
            for count in counts.iter().take(VMS) {
                out.extend_from_slice(&count.vm.to_le_bytes());
                out.extend_from_slice(&count.requests.to_le_bytes());
            }
        }
        out
    }

    /// Forgets what VMs held that are no more.
    pub(super) fn retain(&mut self, mut is_alive: impl FnMut(u32) -> bool) {
        for (_, counts) in &mut self.0 {
            counts.retain(|count| is_alive(count.vm));
        }
        self.0.retain(|(_, counts)| !counts.is_empty());
    }

    /// A caller's requests.
    pub(super) fn count(&self, hash: &Hash) -> u32 {
        let counts = self.0.iter().filter(|(own, _)| own == hash).flat_map(|(_, counts)| counts);
        counts.fold(0, |sum, count| sum.saturating_add(count.requests))
    }

    /// One more, in a VM. `None`: there is no room.
    pub(super) fn enter(&mut self, hash: &Hash, vm: u32) -> Option<()> {
        let at = self.0.iter().position(|(own, _)| own == hash);
        let at = match at {
            Some(at) => at,
            None if self.0.len() >= CALLERS => return None,
            None => {
                self.0.push((*hash, Vec::with_capacity(1)));
                self.0.len().saturating_sub(1)
            }
        };
        let (_, counts) = self.0.get_mut(at)?;
        if let Some(count) = counts.iter_mut().find(|count| count.vm == vm) {
            count.requests = count.requests.checked_add(1)?;
            return Some(());
        }
        (counts.len() < VMS).then(|| counts.push(Count { vm, requests: 1 }))
    }

    /// One less, in a VM. `false`: there is none.
    pub(super) fn leave(&mut self, hash: &Hash, vm: u32) -> bool {
        let Some((_, counts)) = self.0.iter_mut().find(|(own, _)| own == hash) else {
            return false;
        };
        let Some(count) = counts.iter_mut().find(|count| count.vm == vm) else { return false };
        count.requests = count.requests.saturating_sub(1);
        counts.retain(|count| count.requests > 0);
        self.0.retain(|(_, counts)| !counts.is_empty());
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slots_survive_the_wire() {
        let mut slot = Slot::default();
        for (hash, vm) in [([1; 16], 7), ([1; 16], 7), ([1; 16], 8), ([2; 16], 7)] {
            slot.enter(&hash, vm).unwrap();
        }
        assert_eq!(slot.count(&[1; 16]), 3);
        assert_eq!(slot.count(&[3; 16]), 0);
        assert_eq!(Slot::read(&slot.to_bytes()), Some(slot));
        assert_eq!(Slot::read(b""), Some(Slot::default()));
        assert_eq!(Slot::read(&[1; 16]), None, "cut");
        assert_eq!(Slot::read(&[1; 24]), None, "cut");
    }

    #[test]
    fn what_is_left_is_gone() {
        let mut slot = Slot::default();
        slot.enter(&[1; 16], 7).unwrap();
        slot.enter(&[1; 16], 8).unwrap();
        assert!(!slot.leave(&[1; 16], 9));
        assert!(!slot.leave(&[2; 16], 7));
        assert!(slot.leave(&[1; 16], 7));
        assert!(!slot.leave(&[1; 16], 7));
        slot.retain(|vm| vm != 8);
        assert_eq!(slot.to_bytes(), b"");
    }

    #[test]
    fn a_slot_has_an_end() {
        let mut slot = Slot::default();
        for n in 0..CALLERS {
            let mut hash = [0; 16];
            hash[..8].copy_from_slice(&(n as u64).to_le_bytes());
            assert_eq!(slot.enter(&hash, 1), Some(()));
        }
        assert_eq!(slot.enter(&[0xff; 16], 1), None);
        assert_eq!(slot.enter(&[0; 16], 1), Some(()), "who is there has room");
        for vm in 2..=255 {
            assert_eq!(slot.enter(&[0; 16], vm), Some(()));
        }
        assert_eq!(slot.enter(&[0; 16], 256), None);
        assert_eq!(Slot::read(&slot.to_bytes()), Some(slot));
    }
}
