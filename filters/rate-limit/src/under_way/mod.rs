//! Requests at a time: how many of a caller's are under way, counted in the data that
//! all workers share.
//!
//! A request takes a place by compare-and-swap when it is let through, and leaves it
//! when its stream is over, in whatever way. Places are counted for each VM: what one
//! held that is no more lapses with it ([`vms`]). So never more than the limit are under
//! way, and none is lost for good.
//!
//! That map knows no deletion, so its keys are a fixed set: the slots. A caller is in
//! its slot only while requests of it are under way, so that the table holds no more
//! than the proxy does.

mod request;
mod slot;
pub(crate) mod vms;

use postern_core::{Host, StoreError, Stored};

use crate::table::{Hash, TRIES};
pub(crate) use request::{Asked, Places};
use slot::Slot;
use vms::Vm;

/// The first part of every key in the shared data. Changes with the format.
const PREFIX: &str = "rate-limit-under-way-1";

/// The number of slots, a power of two: the same for each policy, so that one with another
/// `capacity` finds the places that are taken. They exist only while they are used, or were.
const SLOTS: u64 = 8_192;

/// The slots.
#[derive(Clone, Copy, Debug)]
pub(crate) struct UnderWay;

/// A place that a request has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) hash: Hash,
    /// The VM that counts it.
    pub(crate) vm: u32,
}

/// What came of a request for a place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Entered {
    /// How many were under way before.
    pub(crate) before: u32,
    /// `None`: there was none left.
    pub(crate) place: Option<Place>,
}

impl UnderWay {
    /// Takes a place, if fewer than `most` are under way. `None`: the shared data cannot
    /// be had, or there is no room in them.
    pub(crate) fn enter(
        &self,
        host: &dyn Host,
        vm: &Vm,
        hash: &Hash,
        most: u32,
    ) -> Option<Entered> {
        let number = vm.number(host)?;
        let key = Self::key(hash);
        for _ in 0..TRIES {
            let seen = host.load(&key);
            let mut slot = Slot::of(&seen)?;
            slot.retain(|number| vm.is_alive(host, number));
            let before = slot.count(hash);
            if before >= most {
                return Some(Entered { before, place: None });
            }
            slot.enter(hash, number)?;
            match host.store(&key, &slot.to_bytes(), &seen) {
                Ok(()) => {
                    return Some(Entered {
                        before,
                        place: Some(Place { hash: *hash, vm: number }),
                    });
                }
                Err(StoreError::Conflict) => {}
                Err(StoreError::Unavailable) => return None,
            }
        }
        None
    }

    /// Leaves a place. What cannot be written now is done with a later tick.
    pub(crate) fn leave(&self, host: &dyn Host, vm: &Vm, place: Place) {
        if !self.left(host, &place) {
            vm.owe(place);
        }
    }

    /// Beats, looks after the other VMs, and leaves what could not be left before; how
    /// many VMs have lapsed?
    pub(crate) fn tick(&self, host: &dyn Host, vm: &Vm) -> usize {
        for place in vm.owed() {
            self.leave(host, vm, place);
        }
        vm.tick(host)
    }

    fn left(&self, host: &dyn Host, place: &Place) -> bool {
        let key = Self::key(&place.hash);
        for _ in 0..TRIES {
            let seen = host.load(&key);
            let Some(mut slot) = Slot::of(&seen) else { return matches!(seen, Stored::Value(..)) };
            if !slot.leave(&place.hash, place.vm) {
                // It has lapsed.
                return true;
            }
            match host.store(&key, &slot.to_bytes(), &seen) {
                Ok(()) => return true,
                Err(StoreError::Conflict) => {}
                Err(StoreError::Unavailable) => return false,
            }
        }
        false
    }

    fn key(hash: &Hash) -> String {
        let (low, _) = hash.split_first_chunk::<8>().unwrap_or((&[0; 8], &[]));
        let number = u64::from_le_bytes(*low) & SLOTS.wrapping_sub(1);
        format!("{PREFIX}/{number:x}")
    }
}
