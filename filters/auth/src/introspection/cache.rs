//! What one VM remembers: a bounded number of values, the least used of which
//! is forgotten first.

use std::collections::{BTreeMap, HashMap};

use super::shared::Fingerprint;

/// Values by the fingerprint of a token.
#[derive(Debug)]
pub(super) struct Cache<V> {
    capacity: usize,
    values: HashMap<Fingerprint, (V, u64)>,
    /// Who was used when; the first is forgotten first.
    order: BTreeMap<u64, Fingerprint>,
    uses: u64,
}

impl<V> Cache<V> {
    pub(super) fn new(capacity: usize) -> Self {
        Cache { capacity, values: HashMap::new(), order: BTreeMap::new(), uses: 0 }
    }

    /// A value, which is used by that.
    pub(super) fn get(&mut self, key: &Fingerprint) -> Option<&V> {
        let (value, used) = self.values.get_mut(key)?;
        self.uses = self.uses.saturating_add(1);
        self.order.remove(used);
        *used = self.uses;
        self.order.insert(*used, *key);
        Some(value)
    }

    /// Remembers a value in place of what was there.
    pub(super) fn put(&mut self, key: Fingerprint, value: V) {
        self.remove(&key);
        while self.values.len() >= self.capacity {
            let Some((_, oldest)) = self.order.pop_first() else { break };
            self.values.remove(&oldest);
        }
        self.uses = self.uses.saturating_add(1);
        self.order.insert(self.uses, key);
        self.values.insert(key, (value, self.uses));
    }

    pub(super) fn remove(&mut self, key: &Fingerprint) {
        if let Some((_, used)) = self.values.remove(key) {
            self.order.remove(&used);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// Against a list in the order of use.
        #[test]
        fn the_least_used_is_forgotten_first(
            capacity in 1usize..5,
            steps in prop::collection::vec((0u8..3, 0u8..8, any::<u16>()), 0..200),
        ) {
            let mut cache = Cache::new(capacity);
            let mut model: Vec<(u8, u16)> = Vec::new();
            for (what, key, value) in steps {
                let place = model.iter().position(|(k, _)| *k == key);
                match what {
                    0 => {
                        let found = place.map(|at| model.remove(at));
                        model.extend(found);
                        prop_assert_eq!(cache.get(&[key; 32]).copied(), found.map(|(_, v)| v));
                    }
                    1 => {
                        place.map(|at| model.remove(at));
                        if model.len() == capacity {
                            model.remove(0);
                        }
                        model.push((key, value));
                        cache.put([key; 32], value);
                    }
                    _ => {
                        place.map(|at| model.remove(at));
                        cache.remove(&[key; 32]);
                    }
                }
                prop_assert_eq!(cache.values.len(), model.len());
                prop_assert_eq!(cache.order.len(), model.len());
            }
        }
    }
}
