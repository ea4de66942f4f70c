//! How many different callers, in 256 bytes: HyperLogLog (Flajolet, Fusy,
//! Gandouet, Meunier 2007). The standard error is 6.5 %; up to about 15 it
//! says too many never, and seldom one too few.

const REGISTERS: usize = 256;
/// Bits of the hash that choose a register.
const INDEX_BITS: u32 = 8;
/// The greatest that a register can hold: what is left of the hash, and one.
const MAX_RANK: u8 = 57;

/// A set of which only the size can be told, roughly. Hashes have to be keyed,
/// so that nobody can choose what they fall on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sketch([u8; REGISTERS]);

impl Default for Sketch {
    fn default() -> Self {
        Sketch([0; REGISTERS])
    }
}

impl Sketch {
    /// Its bytes.
    pub const SIZE: usize = REGISTERS;

    /// Adds a caller by its hash.
    pub fn add(&mut self, hash: u64) {
        let register = usize::try_from(hash & 0xff).unwrap_or(0);
        let zeros = (hash >> INDEX_BITS).trailing_zeros();
        let rank = u8::try_from(zeros.saturating_add(1)).unwrap_or(MAX_RANK).min(MAX_RANK);
        if let Some(register) = self.0.get_mut(register) {
            *register = rank.max(*register);
        }
    }

    /// Adds what the other holds: who is in both counts once.
    pub fn merge(&mut self, other: &Sketch) {
        for (register, theirs) in self.0.iter_mut().zip(&other.0) {
            *register = (*theirs).max(*register);
        }
    }

    /// Whole callers, rounded down.
    #[must_use]
    pub fn count(&self) -> u64 {
        let m = REGISTERS as f64;
        let empty = self.0.iter().filter(|rank| **rank == 0).count();
        let sum: f64 = self.0.iter().map(|rank| 0.5f64.powi(i32::from(*rank))).sum();
        let raw = 0.7213 / (1.0 + 1.079 / m) * m * m / sum;
        let estimate = if raw <= 2.5 * m && empty > 0 { m * (m / empty as f64).ln() } else { raw };
        // Far below the bounds of either type.
        estimate.floor() as u64
    }

    /// Its registers.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// `None`: these are no registers.
    #[must_use]
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let registers: [u8; REGISTERS] = bytes.try_into().ok()?;
        registers.iter().all(|rank| *rank <= MAX_RANK).then_some(Sketch(registers))
    }
}

#[cfg(test)]
mod tests {
    use siphasher::sip::SipHasher13;

    use super::*;

    fn of(callers: std::ops::Range<u64>) -> Sketch {
        let mut sketch = Sketch::default();
        callers.for_each(|n| sketch.add(SipHasher13::new_with_keys(1, 2).hash(&n.to_le_bytes())));
        sketch
    }

    #[test]
    fn the_count_is_right_within_four_standard_errors() {
        for n in [0, 1, 5, 20, 100, 500, 640, 700, 2_000, 100_000] {
            let (got, allowed) = (of(0..n).count(), n / 4);
            assert!(got.abs_diff(n) <= allowed, "{n} callers are said to be {got}");
        }
    }

    #[test]
    fn few_are_never_said_to_be_more() {
        for start in 0..200 {
            for n in 0..16 {
                let got = of(start * 100..start * 100 + n).count();
                assert!(got <= n, "{n} callers are said to be {got}");
            }
        }
    }

    #[test]
    fn who_is_in_two_sketches_counts_once() {
        let mut merged = of(0..40);
        merged.merge(&of(20..60));
        assert_eq!(merged, of(0..60));
        merged.merge(&of(0..60));
        assert_eq!(merged, of(0..60));
    }

    #[test]
    fn only_registers_are_read() {
        let sketch = of(0..1_000);
        assert_eq!(Sketch::from_bytes(sketch.as_bytes()), Some(sketch));
        assert_eq!(Sketch::from_bytes(&[0; REGISTERS - 1]), None);
        assert_eq!(Sketch::from_bytes(&[MAX_RANK + 1; REGISTERS]), None);
    }

    #[test]
    fn no_hash_is_outside() {
        let mut sketch = Sketch::default();
        for hash in [0, u64::MAX, 0xff, !0xff, 1 << 63] {
            sketch.add(hash);
        }
        assert_eq!(Sketch::from_bytes(sketch.as_bytes()), Some(sketch));
    }
}
