//! Who came once. A credential is kept when it comes for the second time: most of a
//! flood of new ones never do, and keeping one means writing two kilobytes that are in
//! no cache of the core.

/// How many are noted in one place.
const WAYS: usize = 4;
/// The most places: 64 KiB.
const PLACES: usize = 4096;

/// Hashes that were met, the latest of each place. One that is forgotten too early, or
/// taken for another, costs a check or an entry, and nothing else.
#[derive(Debug)]
pub(super) struct Guests(Vec<[u32; WAYS]>);

impl Guests {
    /// For a table of so many entries: as many are noted, up to 16,384.
    pub(super) fn for_cache(entries: usize) -> Self {
        let places = entries.div_ceil(WAYS).next_power_of_two().min(PLACES);
        Guests(vec![[0; WAYS]; places])
    }

    #[cfg(test)]
    pub(super) fn places(&self) -> usize {
        self.0.len()
    }

    /// Was this hash met, and not asked about since? If not, it is now.
    pub(super) fn come_again(&mut self, hash: u64) -> bool {
        let (high, low) = ((hash >> 32) as u32, hash as u32);
        // 0 is nobody.
        let guest = low.max(1);
        let place = usize::try_from(high).unwrap_or_default() & self.0.len().saturating_sub(1);
        let Some(met) = self.0.get_mut(place) else { return false };
        if let Some(own) = met.iter_mut().find(|one| **one == guest) {
            *own = 0;
            return true;
        }
        met.rotate_right(1);
        let [latest, ..] = met;
        *latest = guest;
        false
    }
}
