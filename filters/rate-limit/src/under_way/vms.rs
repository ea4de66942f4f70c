//! Which VMs are alive.
//!
//! A VM that traps says nothing any more, of its streams or of itself. So each that has
//! requests under way has a number in a list that all share, and counts up its beat there
//! each second. One whose beat stands still while another looks [`STILL`] times, a second
//! apart, is taken out of the list, and nothing that it held counts from then on. The
//! proxy's main thread has a VM that serves nobody: it looks on whatever becomes of all
//! others.
//!
//! Looks are counted, not time: when all stood still (a machine that slept), or when the
//! clock is set, nobody lapses.

use std::cell::{Cell, RefCell};
use std::time::Duration;

use postern_core::{Host, StoreError, Stored};

use super::Place;
use crate::service::Corrections;
use crate::table::TRIES;

/// The list: the next number, and for each VM its number and its beat.
const KEY: &str = "rate-limit-vms-1";

/// How often VMs beat and look.
pub(crate) const BEAT: Duration = Duration::from_secs(1);
/// Two looks are at least so far apart.
const APART: Duration = Duration::from_millis(900);
/// So many looks at a beat that stands still: its VM is no more. At [`BEAT`] these are
/// six to eight seconds.
pub(crate) const STILL: u32 = 6;
/// A VM that has not looked for so long, though time went by, may have been taken out.
const LATE: Duration = Duration::from_secs(4);

/// VMs in the list at most; those that trapped are in it until they lapse.
const VMS: usize = 4_096;
/// Places at most that could not be left yet.
const OWED: usize = 100_000;

/// This VM, whatever policies it has had.
#[derive(Debug, Default)]
pub(crate) struct Vm {
    /// Its number; none as long as nothing was under way.
    number: Cell<Option<u32>>,
    /// All that are alive, as last read.
    known: RefCell<Vec<Known>>,
    looked: Cell<Duration>,
    owed: RefCell<Vec<Place>>,
    /// What is to be told to a rate-limit service.
    pub(crate) corrections: Corrections,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Known {
    number: u32,
    beat: u32,
    /// How often it was looked at since it changed.
    still: u32,
}

impl Vm {
    /// Its number, which it gets when it first needs one. `None`: it cannot have one.
    pub(super) fn number(&self, host: &dyn Host) -> Option<u32> {
        let late = || {
            let now = host.now();
            now.saturating_sub(self.looked.get()) > LATE
        };
        if self.number.get().is_some() && late() {
            self.look(host);
        }
        match self.number.get() {
            Some(number) => Some(number),
            None => self.register(host),
        }
    }

    /// Does it count for others?
    pub(crate) fn is_registered(&self) -> bool {
        self.number.get().is_some()
    }

    /// Is a VM of this number alive? One that came after the last look is looked up.
    pub(super) fn is_alive(&self, host: &dyn Host, number: u32) -> bool {
        let knows = || self.known.borrow().iter().any(|known| known.number == number);
        knows() || {
            if let Some(list) = List::load(host) {
                self.learn(&list);
            }
            knows()
        }
    }

    /// Remembers a place that could not be left.
    pub(super) fn owe(&self, place: Place) {
        let mut owed = self.owed.borrow_mut();
        if owed.len() < OWED {
            owed.push(place);
        }
    }

    pub(super) fn owed(&self) -> Vec<Place> {
        self.owed.take()
    }

    /// Beats, and looks at the others; how many of them have lapsed?
    pub(super) fn tick(&self, host: &dyn Host) -> usize {
        let (now, looked) = (host.now(), self.looked.get());
        if now >= looked && now.saturating_sub(looked) < APART {
            return 0;
        }
        self.look(host)
    }

    fn look(&self, host: &dyn Host) -> usize {
        self.looked.set(host.now());
        for _ in 0..TRIES {
            let Some(list) = List::load(host) else { return 0 };
            let mut next = list.aged(&self.known.borrow(), 1);
            let own = self.number.get();
            let before = next.len();
            next.retain(|known| known.still < STILL || Some(known.number) == own);
            let lapsed = before.saturating_sub(next.len());
            let mut beats = false;
            for known in next.iter_mut().filter(|known| Some(known.number) == own) {
                *known = Known { beat: known.beat.wrapping_add(1), still: 0, ..*known };
                beats = true;
            }
            let written = if beats || lapsed > 0 { list.store(host, &next) } else { Ok(()) };
            match written {
                Ok(()) => {
                    if !beats {
                        // Others took it for dead: what it held has lapsed.
                        self.number.set(None);
                    }
                    self.known.replace(next);
                    return lapsed;
                }
                Err(StoreError::Conflict) => {}
                Err(StoreError::Unavailable) => return 0,
            }
        }
        0
    }

    fn register(&self, host: &dyn Host) -> Option<u32> {
        for _ in 0..TRIES {
            let list = List::load(host)?;
            let number = list.next;
            let mut next = list.aged(&self.known.borrow(), 0);
            if next.len() >= VMS {
                return None;
            }
            next.push(Known { number, beat: 0, still: 0 });
            let more = List { next: number.wrapping_add(1), ..list };
            match more.store(host, &next) {
                Ok(()) => {
                    self.number.set(Some(number));
                    self.looked.set(host.now());
                    self.known.replace(next);
                    return Some(number);
                }
                Err(StoreError::Conflict) => {}
                Err(StoreError::Unavailable) => return None,
            }
        }
        None
    }

    /// Who is there, without a look's effect on who is not.
    fn learn(&self, list: &List) {
        let mut known = self.known.borrow_mut();
        for (number, beat) in &list.vms {
            if !known.iter().any(|known| known.number == *number) {
                known.push(Known { number: *number, beat: *beat, still: 0 });
            }
        }
    }
}

/// The list as it was read.
struct List {
    next: u32,
    vms: Vec<(u32, u32)>,
    seen: Stored,
}

impl List {
    /// `None`: it cannot be had.
    fn load(host: &dyn Host) -> Option<Self> {
        let seen = host.load(KEY);
        let (bytes, seen) = match seen {
            Stored::Absent => (Vec::new(), Stored::Absent),
            Stored::Value(bytes, token) => (bytes, Stored::Value(Vec::new(), token)),
            Stored::Unavailable => return None,
        };
        let (words, _) = bytes.as_chunks::<4>();
        let mut words = words.iter().map(|word| u32::from_le_bytes(*word));
        let next = words.next().unwrap_or(0);
        let mut vms = Vec::new();
        while let Some(number) = words.next() {
            vms.push((number, words.next()?));
        }
        Some(List { next, vms, seen })
    }

    /// Those in it, each with how often it was looked at since its beat changed, and so
    /// many looks more.
    fn aged(&self, known: &[Known], looks: u32) -> Vec<Known> {
        let aged = |(number, beat): &(u32, u32)| {
            let before = known.iter().find(|known| known.number == *number && known.beat == *beat);
            let still = before.map_or(0, |known| known.still.saturating_add(looks));
            Known { number: *number, beat: *beat, still }
        };
        self.vms.iter().map(aged).collect()
    }

    fn store(&self, host: &dyn Host, vms: &[Known]) -> Result<(), StoreError> {
        let mut bytes = Vec::with_capacity(vms.len().saturating_mul(8).saturating_add(4));
        bytes.extend_from_slice(&self.next.to_le_bytes());
        for Known { number, beat, .. } in vms {
            bytes.extend_from_slice(&number.to_le_bytes());
            bytes.extend_from_slice(&beat.to_le_bytes());
        }
        host.store(KEY, &bytes, &self.seen)
    }
}
