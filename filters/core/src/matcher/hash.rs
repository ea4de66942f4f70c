//! Tables of what policies name, by hash. No client chooses what goes into one, so a
//! hash without a secret is safe here.
//!
//! One kind of table for all: a map for each type of key would be much code.

use std::hash::{Hash, Hasher};
use std::rc::Rc;

use super::at;

/// Of a node and the literal under it.
pub(super) fn of_edge(above: u32, literal: &[u8]) -> u64 {
    let mut state = Fnv::default();
    state.write(&above.to_le_bytes());
    state.write(literal);
    state.finish()
}

/// Of anything.
pub(super) fn of<T: Hash + ?Sized>(value: &T) -> u64 {
    let mut state = Fnv::default();
    value.hash(&mut state);
    state.finish()
}

/// FNV-1a, 64 bits.
struct Fnv(u64);

impl Default for Fnv {
    fn default() -> Self {
        Fnv(0xcbf2_9ce4_8422_2325)
    }
}

impl Hasher for Fnv {
    fn write(&mut self, bytes: &[u8]) {
        for b in bytes {
            self.0 = (self.0 ^ u64::from(*b)).wrapping_mul(0x0000_0100_0000_01b3);
        }
    }

    /// Tables look at the lowest bits, which depend on all bytes.
    fn finish(&self) -> u64 {
        self.0 ^ self.0.rotate_left(32)
    }
}

/// The places in some list of what has a hash.
#[derive(Debug, Default)]
pub(super) struct Places {
    /// Both halves of the hash, and the place; [`FREE`]: there is none. A slot that is
    /// taken is followed by the next one that was free; at least a quarter is.
    slots: Vec<[u32; 3]>,
    count: usize,
}

const FREE: u32 = u32::MAX;

impl Places {
    /// The first place under a hash that is the one.
    pub(super) fn find(&self, hash: u64, is: impl Fn(u32) -> bool) -> Option<u32> {
        let (low, high) = halves(hash);
        for slot in self.order(low) {
            let [own_low, own_high, place] = *self.slots.get(slot)?;
            if place == FREE {
                return None;
            }
            if (own_low, own_high) == (low, high) && is(place) {
                return Some(place);
            }
        }
        None
    }

    /// Adds one behind the others of its hash.
    pub(super) fn add(&mut self, hash: u64, place: u32) {
        self.count = self.count.saturating_add(1);
        if self.count.saturating_mul(4) > self.slots.len().saturating_mul(3) {
            let more = self.slots.len().saturating_mul(2).max(8);
            let former = std::mem::replace(&mut self.slots, vec![[0, 0, FREE]; more]);
            former.into_iter().filter(|slot| slot[2] != FREE).for_each(|slot| self.put(slot));
        }
        let (low, high) = halves(hash);
        self.put([low, high, place]);
    }

    fn put(&mut self, new: [u32; 3]) {
        for slot in self.order(new[0]) {
            if let Some(slot) = self.slots.get_mut(slot)
                && slot[2] == FREE
            {
                *slot = new;
                return;
            }
        }
    }

    fn order(&self, low: u32) -> impl Iterator<Item = usize> + use<> {
        let last = self.slots.len().saturating_sub(1);
        (0..=last).map(move |step| at(low).wrapping_add(step) & last)
    }
}

fn halves(hash: u64) -> (u32, u32) {
    (hash as u32, (hash >> 32) as u32)
}

/// Values by text.
#[derive(Debug)]
pub(super) struct ByText<T> {
    all: Vec<(Box<[u8]>, T)>,
    places: Places,
}

impl<T> Default for ByText<T> {
    fn default() -> Self {
        ByText { all: Vec::new(), places: Places::default() }
    }
}

impl<T: Default> ByText<T> {
    /// The value of a text.
    pub(super) fn get(&self, text: &[u8]) -> Option<&T> {
        let place = self.place(text, of_edge(0, text))?;
        self.all.get(at(place)).map(|(_, value)| value)
    }

    /// The same; a new one if there is none yet. There is always one.
    pub(super) fn entry(&mut self, text: &[u8]) -> Option<&mut T> {
        let hash = of_edge(0, text);
        let place = match self.place(text, hash) {
            Some(place) => at(place),
            None => {
                let new = self.all.len();
                self.places.add(hash, super::small(new));
                self.all.push((text.into(), T::default()));
                new
            }
        };
        self.all.get_mut(place).map(|(_, value)| value)
    }

    /// All values.
    pub(super) fn values_mut(&mut self) -> impl Iterator<Item = &mut T> {
        self.all.iter_mut().map(|(_, value)| value)
    }

    fn place(&self, text: &[u8], hash: u64) -> Option<u32> {
        self.places
            .find(hash, |place| self.all.get(at(place)).is_some_and(|(own, _)| **own == *text))
    }
}

/// Values of which equal ones are one.
#[derive(Debug)]
pub struct Equal<T> {
    all: Vec<Rc<T>>,
    places: Places,
}

impl<T> Default for Equal<T> {
    fn default() -> Self {
        Equal { all: Vec::new(), places: Places::default() }
    }
}

impl<T: Hash + Eq> Equal<T> {
    /// The one that is equal, or this one from now on.
    pub fn one(&mut self, new: impl Into<Rc<T>>) -> Rc<T> {
        let new = new.into();
        let hash = of(&*new);
        let is = |place: u32| self.all.get(at(place)).is_some_and(|own| *own == new);
        match self.places.find(hash, is).and_then(|place| self.all.get(at(place))) {
            Some(same) => same.clone(),
            None => {
                self.places.add(hash, super::small(self.all.len()));
                self.all.push(new.clone());
                new
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_is_found_and_no_other() {
        let mut texts = ByText::<u32>::default();
        assert_eq!(texts.get(b"0"), None);
        for n in 0..1_000u32 {
            *texts.entry(n.to_string().as_bytes()).unwrap() = n;
        }
        for n in 0..1_000u32 {
            let text = n.to_string();
            assert_eq!(texts.get(text.as_bytes()), Some(&n));
            assert_eq!(texts.entry(text.as_bytes()), Some(&mut n.clone()));
        }
        assert_eq!(texts.get(b"1000"), None);
        assert_eq!(texts.values_mut().count(), 1_000);
        let free = texts.places.slots.iter().filter(|slot| slot[2] == FREE).count();
        assert!(free * 4 >= texts.places.slots.len(), "{free}");
    }

    #[test]
    fn all_of_one_hash_are_looked_at() {
        let mut places = Places::default();
        (0..20).for_each(|place| places.add(7, place));
        assert_eq!(places.find(7, |place| place == 19), Some(19));
        assert_eq!(places.find(7, |place| place == 20), None);
        assert_eq!(places.find(15, |_| true), None);
    }

    #[test]
    fn equal_ones_are_one() {
        let mut all = Equal::<String>::default();
        let (a, b, same) =
            (all.one("a".to_owned()), all.one("b".to_owned()), all.one("a".to_owned()));
        assert!(Rc::ptr_eq(&a, &same) && !Rc::ptr_eq(&a, &b));
    }
}
