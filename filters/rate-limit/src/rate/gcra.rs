//! The generic cell rate algorithm.

use super::cell::{GRAIN, SECOND};
use super::{Algorithm, Cell, Charged, SKEW, narrow, product};

/// Times in units of 1/`unit` of a nanosecond, in which a request costs `cost`:
/// nothing is rounded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Gcra {
    unit: u64,
    cost: u64,
    /// All of the burst.
    horizon: u64,
    scale: u32,
}

/// The largest horizon: four times that are 64 bits.
const WIDEST: u128 = 1 << 61;

/// The most that is used, owed units included.
const FARTHEST: u64 = 1 << 63;

/// Nanoseconds: 366 days.
const LONGEST_OWED: u64 = 366 * 86_400 * SECOND;

impl Gcra {
    pub(super) fn new(quota: u32, window: u64, burst: u32) -> Option<Self> {
        let common = common_divisor(u64::from(quota), window);
        let unit = u64::from(quota).checked_div(common)?;
        let cost = window.checked_div(common)?;
        let (window, quota, burst) = (u128::from(window), u128::from(quota), u128::from(burst));
        let horizon = u128::from(cost).checked_mul(burst)?;
        let (unit, cost) = if horizon <= WIDEST {
            (unit, cost)
        } else {
            // A large prime number in months: the fraction is rounded up, by less
            // than one in a thousand million.
            let nanoseconds = window.checked_mul(burst)?.checked_div(quota)?;
            let unit = WIDEST.checked_div(nanoseconds.checked_add(1)?)?.max(1);
            let cost = window.checked_mul(unit)?.div_ceil(quota);
            (u64::try_from(unit).ok()?, u64::try_from(cost).ok()?)
        };
        let horizon = cost.checked_mul(u64::try_from(burst).ok()?)?;
        let scale = horizon.checked_div(unit)?.div_ceil(GRAIN).max(1);
        Some(Gcra { unit, cost, horizon, scale: narrow(scale) })
    }

    pub(super) fn see(&self, found: Option<Cell>, now: u64) -> (Cell, bool) {
        let cell = found.unwrap_or(Cell {
            kind: Algorithm::Gcra,
            idle_at: 0,
            part: 0,
            before: 0,
            scale: self.scale,
            given: low(now.checked_div(GRAIN).unwrap_or(0)),
        });
        if cell.idle_at < now {
            return (Cell { idle_at: now, part: 0, scale: self.scale, ..cell }, false);
        }
        // Only a clock that was set back, or a limit that was made smaller, puts
        // it beyond what is owed: nothing is left, but it comes back from now on.
        let ahead = self.ahead(&cell, now);
        let owed = product(cell.before.into(), GRAIN).saturating_add(SKEW);
        if ahead > self.horizon.saturating_add(product(owed, self.unit)) {
            return (self.at(&cell, now, self.horizon), true);
        }
        (Cell { scale: self.scale, ..cell }, false)
    }

    pub(super) fn left(&self, seen: &Cell, now: u64) -> u64 {
        let left = self.horizon.saturating_sub(self.ahead(seen, now));
        left.checked_div(self.cost).unwrap_or(0)
    }

    /// More than is left is owed: it has to come back first, however long that takes,
    /// up to the longest time that there is.
    pub(super) fn take(&self, seen: Cell, cost: u64, now: u64) -> Cell {
        let taken = product(self.cost, cost);
        let most = self.horizon.saturating_add(product(LONGEST_OWED, self.unit));
        let used = self.ahead(&seen, now).saturating_add(taken);
        self.at(&seen, now, used.min(most).min(FARTHEST))
    }

    /// No more than cannot have come back by itself, whatever came between: what the
    /// time since then is too short for, or what would still have to come back of the
    /// state that it was charged to, less all that was given back since.
    pub(super) fn give(&self, seen: Cell, cost: u64, charged: Charged<'_>, now: u64) -> Cell {
        let given = product(self.cost, cost);
        let passed = product(now.saturating_sub(charged.at), self.unit);
        let since = seen.given.wrapping_sub(charged.cell.given);
        let since = product(self.cost, since.into());
        let rest = self.ahead(charged.cell, now).saturating_sub(since);
        let given = given.saturating_sub(passed).max(given.min(rest));
        let ahead = self.ahead(&seen, now);
        let given = given.min(ahead);
        // What had come back by itself was not given, and is not to be missing for those
        // who come later.
        let requests = given.div_ceil(self.cost.max(1));
        let all = seen.given.wrapping_add(low(requests));
        Cell { given: all, ..self.at(&seen, now, ahead.saturating_sub(given)) }
    }

    pub(super) fn without_debt(&self, cell: Cell, now: u64) -> Cell {
        if cell.before == 0 {
            return cell;
        }
        self.at(&cell, now, self.ahead(&cell, now).min(self.horizon))
    }

    pub(super) fn wait(&self, seen: &Cell, units: u64, now: u64) -> u64 {
        let needed = self.ahead(seen, now).saturating_add(product(self.cost, units));
        needed.saturating_sub(self.horizon).div_ceil(self.unit.max(1))
    }

    /// What is used, in units.
    fn ahead(&self, cell: &Cell, now: u64) -> u64 {
        let whole = product(cell.idle_at.saturating_sub(now), self.unit);
        whole.saturating_add(self.part(cell))
    }

    /// A part that was counted in smaller units is rounded up to the nanosecond.
    fn part(&self, cell: &Cell) -> u64 {
        u64::from(cell.part).min(self.unit)
    }

    /// So many units from now on.
    fn at(&self, seen: &Cell, now: u64, units: u64) -> Cell {
        let (whole, part) = if self.unit == 1 {
            (units, 0)
        } else {
            let whole = units.checked_div(self.unit).unwrap_or(0);
            (whole, units.checked_rem(self.unit).unwrap_or(0))
        };
        let owed = units.saturating_sub(self.horizon);
        let owed = if owed == 0 { 0 } else { owed.div_ceil(self.unit.max(1)).div_ceil(GRAIN) };
        Cell {
            idle_at: now.saturating_add(whole),
            part: narrow(part),
            before: narrow(owed),
            scale: self.scale,
            ..*seen
        }
    }
}

fn low(number: u64) -> u32 {
    u32::try_from(number & u64::from(u32::MAX)).unwrap_or(u32::MAX)
}

fn common_divisor(mut a: u64, mut b: u64) -> u64 {
    while let Some(rest) = b.checked_rem(a) {
        (a, b) = (rest, a);
    }
    b
}
