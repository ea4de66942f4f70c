//! Tables by the proxy's numbers, which it counts up: no client chooses them, so that they
//! need no hash that resists floods.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

/// A table of any size.
pub(crate) type Numbers<T> = HashMap<u32, T, BuildHasherDefault<Spread>>;

/// Spreads a number over the word (Fibonacci hashing).
#[derive(Default)]
pub(crate) struct Spread(u64);

impl Hasher for Spread {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|byte| self.write_u32(u32::from(*byte)));
    }

    fn write_u32(&mut self, number: u32) {
        self.0 = (self.0 ^ u64::from(number)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    }
}

/// Of so many numbers in a row each has a place of its own.
const PLACES: usize = 64;

/// A table in which the newest numbers are found without a hash.
pub(crate) struct Newest<T> {
    places: Box<[Option<(u32, T)>]>,
    /// Those whose place was taken.
    more: Numbers<T>,
}

impl<T> Default for Newest<T> {
    fn default() -> Self {
        Newest { places: (0..PLACES).map(|_| None).collect(), more: Numbers::default() }
    }
}

impl<T> Newest<T> {
    /// Keeps a value under a number that has none.
    pub(crate) fn insert(&mut self, number: u32, value: T) {
        debug_assert!(!self.has(number), "{number} stands there already");
        match self.places.get_mut(place(number)) {
            Some(place @ None) => *place = Some((number, value)),
            _ => drop(self.more.insert(number, value)),
        }
    }

    pub(crate) fn get_mut(&mut self, number: u32) -> Option<&mut T> {
        match self.places.get_mut(place(number)) {
            Some(Some((own, value))) if *own == number => Some(value),
            _ if self.more.is_empty() => None,
            _ => self.more.get_mut(&number),
        }
    }

    pub(crate) fn remove(&mut self, number: u32) -> Option<T> {
        match self.places.get_mut(place(number))?.take_if(|(own, _)| *own == number) {
            Some((_, value)) => Some(value),
            None if self.more.is_empty() => None,
            None => self.more.remove(&number),
        }
    }

    pub(crate) fn has(&self, number: u32) -> bool {
        let placed = self.places.get(place(number)).and_then(Option::as_ref);
        placed.is_some_and(|(own, _)| *own == number) || self.more.contains_key(&number)
    }
}

fn place(number: u32) -> usize {
    usize::try_from(number).unwrap_or_default() % PLACES
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn it_is_a_table(steps in prop::collection::vec((0u8..4, 0u32..300), 0..600)) {
            let (mut newest, mut plain) = (Newest::default(), HashMap::new());
            for (at, (step, number)) in steps.into_iter().enumerate() {
                match step {
                    0 | 1 if !plain.contains_key(&number) => {
                        newest.insert(number, at);
                        plain.insert(number, at);
                    }
                    2 => prop_assert_eq!(newest.remove(number), plain.remove(&number)),
                    _ => prop_assert_eq!(newest.get_mut(number), plain.get_mut(&number)),
                }
                prop_assert_eq!(newest.has(number), plain.contains_key(&number));
            }
        }
    }
}
