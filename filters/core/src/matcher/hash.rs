//! Hashes of what policies name. No client chooses what goes into a table, so a
//! hash without a secret is safe here.

use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasherDefault, Hasher};

pub(crate) type Map<K, V> = HashMap<K, V, BuildHasherDefault<Fnv>>;
pub(crate) type Set<T> = HashSet<T, BuildHasherDefault<Fnv>>;

/// Of a node and the literal under it.
pub(super) fn of_edge(above: u32, literal: &[u8]) -> u64 {
    let mut state = Fnv::default();
    state.write(&above.to_le_bytes());
    state.write(literal);
    state.finish()
}

/// FNV-1a, 64 bits.
pub(crate) struct Fnv(u64);

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

    /// Tables look at the highest bits and at the lowest: both depend on all bytes.
    fn finish(&self) -> u64 {
        self.0 ^ self.0.rotate_left(32)
    }
}
