//! How much may be spent in what time: the arithmetic of one window. Pure
//! integers; time is nanoseconds since the Unix epoch.

mod cell;
mod fixed;
mod gcra;
mod sliding;

use std::time::Duration;

pub(crate) use cell::{Cell, SECOND};
use gcra::Gcra;

postern_core::config! {
    /// How requests are counted.
    pub choice Algorithm {
        /// The generic cell rate algorithm: `burst` requests at once, then
        /// evenly `quota` per `window`.
        Gcra = "gcra",
        /// `quota` requests in each `window`; windows begin at multiples of
        /// their length since the Unix epoch.
        FixedWindow = "fixed_window",
        /// `quota` requests in any stretch of a `window`, nearly: what was spent in
        /// the aligned window before counts by the share of it that the stretch
        /// still covers.
        SlidingWindow = "sliding_window",
    }
}

impl Algorithm {
    /// Part of a cell: what one algorithm counted means nothing to another.
    pub(crate) fn tag(self) -> u8 {
        match self {
            Algorithm::Gcra => b'g',
            Algorithm::FixedWindow => b'w',
            Algorithm::SlidingWindow => b's',
        }
    }

    fn of_tag(tag: u8) -> Option<Self> {
        match tag {
            b'g' => Some(Algorithm::Gcra),
            b'w' => Some(Algorithm::FixedWindow),
            b's' => Some(Algorithm::SlidingWindow),
            _ => None,
        }
    }
}

/// How far the clocks of two workers may seem apart: a read of the clock may
/// be older than the state that another worker has just written.
const SKEW: u64 = SECOND;

/// The longest that a caller may have to wait for all of its burst, and the
/// longest window.
pub(crate) const LONGEST: Duration = Duration::from_secs(366 * 86_400);

/// What was spent before, and may be given back.
#[derive(Clone, Copy)]
pub(crate) struct Charged<'c> {
    /// The state after it.
    pub(crate) cell: &'c Cell,
    /// Nanoseconds since the Unix epoch.
    pub(crate) at: u64,
}

/// So much in each window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    algorithm: Algorithm,
    quota: u32,
    window: u64,
    burst: u32,
    gcra: Gcra,
}

impl Rate {
    /// `window` in seconds; `burst` counts for [`Algorithm::Gcra`] alone.
    /// `None`: one of the numbers is 0, or the window, or the time in which a
    /// spent burst comes back, is longer than 366 days.
    #[must_use]
    pub fn new(algorithm: Algorithm, quota: u32, window: u64, burst: u32) -> Option<Self> {
        let window = window.checked_mul(SECOND)?;
        let longest = LONGEST.as_nanos();
        let horizon = u128::from(burst).saturating_mul(u128::from(window));
        let horizon = horizon.checked_div(u128::from(quota))?;
        let good = window > 0 && burst > 0 && horizon <= longest && u128::from(window) <= longest;
        let gcra = Gcra::new(quota, window, burst)?;
        good.then_some(Rate { algorithm, quota, window, burst, gcra })
    }

    /// The same with another quota, and a burst that comes back in time.
    pub(crate) fn with_quota(&self, quota: u32) -> Option<Self> {
        let longest = u64::try_from(LONGEST.as_nanos()).ok()?;
        let burst = u64::from(quota).saturating_mul(longest.checked_div(self.window)?);
        Rate::new(self.algorithm, quota, self.window(), narrow(burst).min(self.burst).max(1))
    }

    /// One of so many equal parts, rounded down, of one unit at least.
    pub(crate) fn share(&self, parts: u64) -> Option<Self> {
        let part = |whole: u32| u64::from(whole).checked_div(parts).map(|n| narrow(n).max(1));
        let (quota, burst) = (part(self.quota)?, part(self.burst)?);
        let share = Rate::new(self.algorithm, quota, self.window(), burst);
        share.or_else(|| self.with_quota(quota))
    }

    /// How it is counted.
    #[must_use]
    pub fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// Requests per window.
    #[must_use]
    pub fn quota(&self) -> u64 {
        u64::from(self.quota)
    }

    /// The window in seconds.
    #[must_use]
    pub fn window(&self) -> u64 {
        self.window.checked_div(SECOND).unwrap_or(0)
    }

    /// The most that can be spent at once.
    #[must_use]
    pub fn most(&self) -> u64 {
        u64::from(if self.algorithm == Algorithm::Gcra { self.burst } else { self.quota })
    }

    /// What was found, brought to `now`. `true`: it has to be written even if
    /// nothing is spent.
    pub(crate) fn see(&self, found: Option<Cell>, now: u64) -> (Cell, bool) {
        let found = found.filter(|cell| cell.kind == self.algorithm);
        match self.algorithm {
            Algorithm::Gcra => self.gcra.see(found, now),
            Algorithm::FixedWindow => fixed::see(self, found, now),
            Algorithm::SlidingWindow => sliding::see(self, found, now),
        }
    }

    /// How many units would pass now.
    pub(crate) fn left(&self, seen: &Cell, now: u64) -> u64 {
        match self.algorithm {
            Algorithm::Gcra => self.gcra.left(seen, now),
            Algorithm::FixedWindow => fixed::left(self, seen),
            Algorithm::SlidingWindow => sliding::left(self, seen, now),
        }
    }

    /// Spends, also more than is left: that has to come back first.
    pub(crate) fn take(&self, seen: Cell, cost: u64, now: u64) -> Cell {
        match self.algorithm {
            Algorithm::Gcra => self.gcra.take(seen, cost, now),
            _ => Cell { part: seen.part.saturating_add(narrow(cost)), ..seen },
        }
    }

    /// Gives back what was spent, when the cell was `charged`. What has come back by
    /// itself since then, or counts in another window, is not taken off what others
    /// have spent in this one.
    pub(crate) fn give(&self, seen: Cell, cost: u64, charged: Charged<'_>, now: u64) -> Cell {
        if charged.cell.kind != seen.kind {
            return seen;
        }
        match self.algorithm {
            Algorithm::Gcra => self.gcra.give(seen, cost, charged, now),
            Algorithm::FixedWindow => fixed::give(seen, cost, charged.cell),
            Algorithm::SlidingWindow => sliding::give(self, seen, cost, charged.cell),
        }
    }

    /// Nanoseconds until `units` would pass. `None`: never so many at once.
    pub(crate) fn wait(&self, seen: &Cell, units: u64, now: u64) -> Option<u64> {
        if units > self.most() {
            return None;
        }
        Some(match self.algorithm {
            Algorithm::Gcra => self.gcra.wait(seen, units, now),
            Algorithm::FixedWindow => fixed::wait(self, seen, units, now),
            Algorithm::SlidingWindow => sliding::wait(self, seen, units, now),
        })
    }

    /// Nanoseconds until nothing is used any more, or a fixed window ends.
    pub(crate) fn whole_in(&self, seen: &Cell, now: u64) -> u64 {
        let ends = seen.idle_at.saturating_sub(now);
        if self.algorithm == Algorithm::SlidingWindow && seen.part == 0 {
            let used = if seen.before == 0 { 0 } else { ends };
            return used.saturating_sub(self.window);
        }
        ends
    }

    /// What a caller starts from of whom nothing is known but that it may be one
    /// of those in `rest`: the same share is used.
    pub(crate) fn inherit(&self, rest: Cell, now: u64) -> Option<Cell> {
        let scale = self.see(None, now).0.scale;
        if rest.kind != self.algorithm || rest.is_idle(now) {
            return None;
        }
        if rest.scale == scale {
            return Some(self.without_debt(rest, now));
        }
        let scaled = |used: u64| {
            let wide = u128::from(used).saturating_mul(scale.into());
            let share = wide.div_ceil(u128::from(rest.scale.max(1)));
            u64::try_from(share).unwrap_or(u64::MAX)
        };
        Some(if self.algorithm == Algorithm::Gcra {
            let ahead = scaled(rest.idle_at.saturating_sub(now));
            self.without_debt(Cell { idle_at: now.saturating_add(ahead), scale, ..rest }, now)
        } else {
            let (part, before) = (scaled(rest.part.into()), scaled(rest.before.into()));
            Cell { part: narrow(part), before: narrow(before), scale, ..rest }
        })
    }

    /// What another owes beyond its limit is not a newcomer's: it starts with nothing left.
    fn without_debt(&self, rest: Cell, now: u64) -> Cell {
        match self.algorithm {
            Algorithm::Gcra => self.gcra.without_debt(rest, now),
            _ => rest,
        }
    }
}

/// [`u64::saturating_mul`]. WebAssembly has no product of 128 bits to tell an overflow by, so
/// that calls a function; mostly the two are short enough to see that there is none.
fn product(a: u64, b: u64) -> u64 {
    if a.leading_zeros().saturating_add(b.leading_zeros()) >= u64::BITS {
        a.wrapping_mul(b)
    } else {
        a.saturating_mul(b)
    }
}

fn narrow(number: u64) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_product_is_the_saturating_one() {
        let around = |bit: u32| [(1u64 << bit) - 1, 1u64 << bit, (1u64 << bit) + 1];
        let mut numbers: Vec<u64> = (0..u64::BITS).flat_map(around).collect();
        numbers.extend([u64::MAX, 6_700_417, 641]);
        for a in &numbers {
            for b in &numbers {
                assert_eq!(product(*a, *b), a.saturating_mul(*b), "{a} {b}");
            }
        }
    }
}
