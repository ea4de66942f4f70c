//! The last while, in buckets that slide.

use super::tally::{Kind, Tallies, Tally};

/// Buckets in a window: what is counted is between nine and ten of them old.
pub(crate) const BUCKETS: u64 = 10;

/// What was counted in the last while. Times are milliseconds since the Unix
/// epoch.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Window {
    /// The number of the newest bucket, counted from the epoch.
    newest: u64,
    /// By their numbers, in order; those without a request are left out.
    buckets: Vec<(u64, Tallies)>,
}

impl Window {
    /// Adds to the bucket of `now`, and forgets what is too old by then.
    ///
    /// A clock that goes back by less than a window finds the newest bucket still
    /// open; one that goes back farther was wrong before, and the window starts
    /// anew.
    pub(crate) fn add(&mut self, now: u64, bucket: Bucket, counted: &Tallies) {
        let number = bucket.of(now);
        if number.saturating_add(BUCKETS) <= self.newest {
            self.buckets.clear();
            self.newest = number;
        }
        self.newest = self.newest.max(number);
        let newest = self.newest;
        self.buckets.retain(|(number, _)| number.saturating_add(BUCKETS) > newest);
        if counted.is_empty() {
            return;
        }
        match self.buckets.last_mut() {
            Some((number, tallies)) if *number == newest => tallies.merge(counted),
            _ => self.buckets.push((newest, counted.clone())),
        }
    }

    /// All of it.
    pub(crate) fn total(&self) -> Tallies {
        let mut total = Tallies::default();
        self.buckets.iter().for_each(|(_, tallies)| total.merge(tallies));
        total
    }

    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.newest.to_le_bytes());
        for (number, tallies) in &self.buckets {
            for (kind, tally) in tallies.iter() {
                out.extend_from_slice(&number.to_le_bytes());
                out.push(u8::from(kind == Kind::Identified));
                tally.encode(out);
            }
        }
    }

    /// `None`: this is no window.
    pub(crate) fn decode(bytes: &[u8]) -> Option<Self> {
        let (newest, rest) = bytes.split_first_chunk::<8>()?;
        let mut window = Window { newest: u64::from_le_bytes(*newest), buckets: Vec::new() };
        let (entries, rest) = rest.as_chunks::<ENTRY>();
        if !rest.is_empty() {
            return None;
        }
        for entry in entries {
            let (number, entry) = entry.split_first_chunk::<8>()?;
            let (kind, tally) = entry.split_first()?;
            let number = u64::from_le_bytes(*number);
            let kind = match kind {
                0 => Kind::Anonymous,
                1 => Kind::Identified,
                _ => return None,
            };
            let last = window.buckets.last().map(|(number, _)| *number);
            if last.is_some_and(|last| last > number)
                || number > window.newest
                || number.saturating_add(BUCKETS) <= window.newest
            {
                return None;
            }
            if last != Some(number) {
                window.buckets.push((number, Tallies::default()));
            }
            let (_, tallies) = window.buckets.last_mut()?;
            *tallies.get_mut(kind) = Tally::decode(tally.try_into().ok()?)?;
        }
        Some(window)
    }
}

/// Bytes of one kind's tally in one bucket.
const ENTRY: usize = 9 + Tally::SIZE;

/// How long a bucket is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bucket {
    milliseconds: u64,
}

impl Bucket {
    /// The tenth of a window of that many milliseconds.
    pub(crate) fn in_window(milliseconds: u64) -> Self {
        Bucket { milliseconds: milliseconds.checked_div(BUCKETS).unwrap_or(1).max(1) }
    }

    /// The number of the bucket of a time.
    pub(crate) fn of(self, now: u64) -> u64 {
        now.checked_div(self.milliseconds).unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Bucket = Bucket { milliseconds: 1_000 };

    fn one(caller: u64) -> Tallies {
        let mut tallies = Tallies::default();
        tallies.add(Kind::Identified, caller, true);
        tallies
    }

    /// The requests that are left after additions at these seconds.
    #[track_caller]
    fn check(seconds: &[u64], expected: u32) {
        let mut window = Window::default();
        for second in seconds {
            window.add(second * 1_000 + 999, SECOND, &one(*second));
        }
        let requests: u32 = window.total().iter().map(|(_, tally)| tally.requests).sum();
        assert_eq!(requests, expected, "{seconds:?}");
        let mut bytes = Vec::new();
        window.encode(&mut bytes);
        assert_eq!(Window::decode(&bytes), Some(window), "{seconds:?}");
    }

    #[test]
    fn what_is_ten_buckets_old_is_forgotten() {
        check(&[], 0);
        check(&[100, 100, 109], 3);
        check(&[100, 105, 110], 2);
        check(&[100, 105, 200], 1);
    }

    #[test]
    fn a_clock_that_goes_back_loses_nothing_of_the_window() {
        check(&[100, 109, 105, 100], 4);
        // The buckets stay as old as they are: none is held open for it.
        check(&[100, 109, 105, 110], 3);
    }

    #[test]
    fn a_clock_that_was_far_ahead_starts_the_window_anew() {
        check(&[1_000_000, 100, 101], 2);
        check(&[110, 100], 1);
        check(&[u64::MAX / 2_000, 100], 1);
    }

    #[test]
    fn only_what_is_a_window_is_read() {
        let mut window = Window::default();
        window.add(100_000, SECOND, &one(1));
        window.add(101_000, SECOND, &one(2));
        let mut good = Vec::new();
        window.encode(&mut good);
        assert_eq!(Window::decode(&good), Some(window));
        let (ordered, unordered) = good.split_at(8);
        let (first, second) = unordered.split_at(ENTRY);
        assert_eq!(Window::decode(&[ordered, second, first].concat()), None, "order");
        assert_eq!(Window::decode(&good[..good.len() - 1]), None, "length");
        assert_eq!(Window::decode(&good[..7]), None, "head");
        for (place, byte, what) in [(8, 102, "future"), (8, 90, "too old"), (16, 2, "kind")] {
            let mut bad = good.clone();
            bad[place] = byte;
            assert_eq!(Window::decode(&bad), None, "{what}");
        }
    }
}
