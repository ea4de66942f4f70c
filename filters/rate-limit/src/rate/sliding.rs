//! A window that slides: two aligned windows are counted, and the elder by the
//! share of it that the sliding one still covers, rounded up.

use super::{Algorithm, Cell, Rate, narrow};

pub(super) fn see(rate: &Rate, found: Option<Cell>, now: u64) -> (Cell, bool) {
    let into = now.checked_rem(rate.window).unwrap_or(0);
    // The end of the window after this one.
    let ends = now.saturating_sub(into).saturating_add(rate.window).saturating_add(rate.window);
    let (idle_at, part, before, moved) = match found {
        Some(cell) if cell.idle_at == ends => (ends, cell.part, cell.before, false),
        // Another worker is past the window's edge already.
        Some(cell) if cell.idle_at == ends.saturating_add(rate.window) => {
            (cell.idle_at, cell.part, cell.before, false)
        }
        Some(cell) if cell.idle_at.saturating_add(rate.window) == ends => {
            (ends, 0, cell.part, false)
        }
        // A clock that was set back, or another window than before.
        Some(cell) if cell.idle_at > now => (ends, cell.part, cell.before, true),
        Some(_) | None => (ends, 0, 0, false),
    };
    let kind = Algorithm::SlidingWindow;
    (Cell { kind, idle_at, part, before, scale: rate.quota, given: 0 }, moved)
}

pub(super) fn give(rate: &Rate, seen: Cell, cost: u64, charged: &Cell) -> Cell {
    let cost = narrow(cost);
    if seen.idle_at == charged.idle_at {
        Cell { part: seen.part.saturating_sub(cost), ..seen }
    } else if seen.idle_at == charged.idle_at.saturating_add(rate.window) {
        Cell { before: seen.before.saturating_sub(cost), ..seen }
    } else {
        seen
    }
}

pub(super) fn left(rate: &Rate, seen: &Cell, now: u64) -> u64 {
    rate.quota().saturating_sub(seen.part.into()).saturating_sub(carried(rate, seen, now))
}

/// What still counts of the window before.
fn carried(rate: &Rate, seen: &Cell, now: u64) -> u64 {
    share(seen.before, to_come(rate, seen, now), rate.window, true)
}

/// What is still to come of this window, no more than all of it.
fn to_come(rate: &Rate, seen: &Cell, now: u64) -> u64 {
    seen.idle_at.saturating_sub(rate.window).saturating_sub(now).min(rate.window)
}

pub(super) fn wait(rate: &Rate, seen: &Cell, units: u64, now: u64) -> u64 {
    if units <= left(rate, seen, now) {
        return 0;
    }
    let room = rate.quota().saturating_sub(units);
    let early = seen.idle_at.saturating_sub(rate.window).saturating_sub(now);
    if let Some(carried) = room.checked_sub(seen.part.into()) {
        // In this window, once so much of the one before counts no longer.
        return early.saturating_sub(until(rate, seen.before, carried));
    }
    // In the next one, where this one is the one before.
    early.saturating_add(rate.window).saturating_sub(until(rate, seen.part, room))
}

/// The longest stretch to come at which no more than `carried` of `spent` counts.
fn until(rate: &Rate, spent: u32, carried: u64) -> u64 {
    if u64::from(spent) <= carried {
        return rate.window;
    }
    share(narrow(carried), rate.window, spent.into(), false)
}

/// `part * of / all`. 64 bits do for all but large numbers in months.
fn share(part: u32, of: u64, all: u64, up: bool) -> u64 {
    if part == 0 {
        return 0;
    }
    match u64::from(part).checked_mul(of) {
        Some(product) if up => product.div_ceil(all.max(1)),
        Some(product) => product.checked_div(all).unwrap_or(0),
        None => {
            let product = u128::from(part).saturating_mul(of.into());
            let all = u128::from(all.max(1));
            let share =
                if up { product.div_ceil(all) } else { product.checked_div(all).unwrap_or(0) };
            u64::try_from(share).unwrap_or(u64::MAX)
        }
    }
}
