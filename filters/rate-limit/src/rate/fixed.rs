//! Windows that begin at multiples of their length since the Unix epoch.

use super::{Algorithm, Cell, Rate, narrow};

pub(super) fn see(rate: &Rate, found: Option<Cell>, now: u64) -> (Cell, bool) {
    let into = now.checked_rem(rate.window).unwrap_or(0);
    let ends = now.saturating_sub(into).saturating_add(rate.window);
    let (idle_at, part, moved) = match found {
        Some(cell) if cell.idle_at == ends => (ends, cell.part, false),
        // Another worker is past the window's edge already.
        Some(cell) if cell.idle_at == ends.saturating_add(rate.window) => {
            (cell.idle_at, cell.part, false)
        }
        // A clock that was set back, or another window than before.
        Some(cell) if cell.idle_at > now => (ends, cell.part, true),
        Some(_) | None => (ends, 0, false),
    };
    let kind = Algorithm::FixedWindow;
    (Cell { kind, idle_at, part, before: 0, scale: rate.quota, given: 0 }, moved)
}

pub(super) fn give(seen: Cell, cost: u64, charged: &Cell) -> Cell {
    if seen.idle_at != charged.idle_at {
        return seen;
    }
    Cell { part: seen.part.saturating_sub(narrow(cost)), ..seen }
}

pub(super) fn left(rate: &Rate, seen: &Cell) -> u64 {
    rate.quota.saturating_sub(seen.part).into()
}

pub(super) fn wait(rate: &Rate, seen: &Cell, units: u64, now: u64) -> u64 {
    if units <= left(rate, seen) { 0 } else { seen.idle_at.saturating_sub(now) }
}
