//! What a caller may do: windows that are decided together, so that a request
//! is counted in all of them or in none.

use std::time::Duration;

use crate::rate::{Cell, Charged, Rate, SECOND};

/// The most windows of one limit.
pub(crate) const WINDOWS: usize = 8;

/// One window or several.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Allowance {
    first: Rate,
    more: Vec<Rate>,
}

impl Allowance {
    /// Of these windows; of more than eight, the first eight.
    #[must_use]
    pub fn new(first: Rate, mut more: Vec<Rate>) -> Self {
        more.truncate(WINDOWS.saturating_sub(1));
        Allowance { first, more }
    }

    /// The windows.
    pub fn rates(&self) -> impl Iterator<Item = &Rate> {
        std::iter::once(&self.first).chain(&self.more)
    }

    /// The part of it that one of so many gateways may give.
    pub(crate) fn share(&self, gateways: u64) -> Self {
        let share = |rate: &Rate| rate.share(gateways).unwrap_or(*rate);
        Allowance { first: share(&self.first), more: self.more.iter().map(share).collect() }
    }

    /// Spends `cost` in every window, if each has so much left, and one at least.
    pub(crate) fn spend(&self, found: Option<&Cells>, cost: u64, now: u64) -> Spent {
        let (seen, moved) = self.see(found, now);
        let needed = cost.max(1);
        let admitted = self.zip(&seen).all(|(rate, cell)| rate.left(cell, now) >= needed);
        let cells =
            if admitted { self.map(&seen, |r, cell| r.take(cell, cost, now)) } else { seen };
        Spent { cells, changed: moved || (admitted && cost > 0), admitted, cost: needed, now }
    }

    /// Spends what an answer says it has cost beyond what was spent, even where it is
    /// not left.
    pub(crate) fn charge(&self, found: Option<&Cells>, cost: u64, now: u64) -> Spent {
        let (seen, moved) = self.see(found, now);
        let cells = self.map(&seen, |rate, cell| rate.take(cell, cost, now));
        Spent { cells, changed: moved || cost > 0, admitted: true, cost: 1, now }
    }

    /// Gives back what was spent, as far as it would not have come back by itself by
    /// now. `charged`: how it was spent.
    pub(crate) fn give(
        &self,
        found: Option<&Cells>,
        cost: u64,
        charged: &Spent,
        now: u64,
    ) -> Spent {
        let (mut cells, moved) = self.see(found, now);
        let all = std::iter::once(&mut cells.first).chain(&mut cells.more);
        for ((rate, cell), charged_cell) in self.rates().zip(all).zip(charged.cells.iter()) {
            let charged = Charged { cell: charged_cell, at: charged.now };
            *cell = rate.give(*cell, cost, charged, now);
        }
        Spent { cells, changed: moved || cost > 0, admitted: true, cost: 1, now }
    }

    /// What a caller that the table does not know starts from.
    pub(crate) fn inherit(&self, rest: &Cells, now: u64) -> Option<Cells> {
        let start = |rate: &Rate, cell: Option<&Cell>| {
            let cell = cell.and_then(|cell| rate.inherit(*cell, now));
            cell.unwrap_or_else(|| rate.see(None, now).0)
        };
        let mut rest = rest.iter();
        let first = start(&self.first, rest.next());
        let more = self.more.iter().map(|rate| start(rate, rest.next())).collect();
        Some(Cells { first, more })
    }

    /// What is left of each window.
    pub(crate) fn left<'a>(&'a self, spent: &'a Spent) -> impl Iterator<Item = Left> + 'a {
        self.zip(&spent.cells).map(|(rate, cell)| left(rate, cell, spent))
    }

    /// What is left of the window, if there is only one.
    pub(crate) fn only_left(&self, spent: &Spent) -> Option<Left> {
        self.more.is_empty().then(|| left(&self.first, &spent.cells.first, spent))
    }

    fn see(&self, found: Option<&Cells>, now: u64) -> (Cells, bool) {
        let mut found = found.into_iter().flat_map(Cells::iter).copied();
        let (first, mut moved) = self.first.see(found.next(), now);
        let mut more = Vec::new();
        for rate in &self.more {
            let (cell, its) = rate.see(found.next(), now);
            moved |= its;
            more.push(cell);
        }
        (Cells { first, more }, moved)
    }

    fn map(&self, cells: &Cells, change: impl Fn(&Rate, Cell) -> Cell) -> Cells {
        let first = change(&self.first, cells.first);
        let more = self.more.iter().zip(&cells.more).map(|(r, c)| change(r, *c)).collect();
        Cells { first, more }
    }

    fn zip<'a>(&'a self, cells: &'a Cells) -> impl Iterator<Item = (&'a Rate, &'a Cell)> {
        self.rates().zip(cells.iter())
    }
}

fn left(rate: &Rate, cell: &Cell, spent: &Spent) -> Left {
    let remaining = rate.left(cell, spent.now);
    let whole_in = rate.whole_in(cell, spent.now);
    let enough = spent.admitted || remaining >= spent.cost;
    let units = if enough { remaining.saturating_add(1) } else { spent.cost };
    // What is never enough is no more so soon: a whole window is told.
    let never = || whole_in.max(rate.window().saturating_mul(SECOND));
    let more_in = rate
        .wait(cell, units, spent.now)
        .unwrap_or_else(|| if enough { whole_in } else { never() });
    Left {
        quota: rate.quota(),
        window: Some(rate.window()),
        remaining,
        more_ns: more_in,
        whole_ns: whole_in,
        at_ns: spent.now,
        enough,
    }
}

/// One caller's state: a cell for each window.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Cells {
    pub(crate) first: Cell,
    pub(crate) more: Vec<Cell>,
}

impl Cells {
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Cell> {
        std::iter::once(&self.first).chain(&self.more)
    }

    pub(crate) fn len(&self) -> usize {
        self.more.len().saturating_add(1)
    }

    /// Is nothing used in any window?
    pub(crate) fn is_idle(&self, now: u64) -> bool {
        self.iter().all(|cell| cell.is_idle(now))
    }

    /// The share that is used of the window of which most is.
    pub(crate) fn share(&self, now: u64) -> u64 {
        self.iter().map(|cell| cell.share(now)).max().unwrap_or(0)
    }

    /// What lets through nothing that either of two would refuse, if they are of
    /// the same windows; else the one of which more is used.
    pub(crate) fn fuller(self, other: Cells, now: u64) -> Cells {
        if self.len() != other.len() {
            return if self.share(now) >= other.share(now) { self } else { other };
        }
        let more = self.more.iter().zip(&other.more).map(|(a, b)| a.fuller(*b, now)).collect();
        Cells { first: self.first.fuller(other.first, now), more }
    }
}

/// What a request came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Spent {
    /// The state afterwards.
    pub(crate) cells: Cells,
    /// Does it have to be written?
    pub(crate) changed: bool,
    /// May the request pass?
    pub(crate) admitted: bool,
    /// What it needed.
    cost: u64,
    now: u64,
}

impl Spent {
    /// The same, if other limits refuse the request.
    pub(crate) fn not_taken(self, allowance: &Allowance, cost: u64) -> Spent {
        if !self.admitted {
            return self;
        }
        allowance.give(Some(&self.cells), cost, &self, self.now)
    }
}

fn nanoseconds(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

/// Where a caller stands in one window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Left {
    /// Requests per window.
    pub(crate) quota: u64,
    /// Seconds; 0: so many at a time. `None`: whoever reported it did not say.
    pub(crate) window: Option<u64>,
    /// Requests that would pass now.
    pub(crate) remaining: u64,
    /// Nanoseconds until there is more (for a refused request: enough).
    pub(crate) more_ns: u64,
    /// Nanoseconds until nothing is used any more.
    pub(crate) whole_ns: u64,
    /// When that was so, in nanoseconds since the Unix epoch.
    pub(crate) at_ns: u64,
    /// Was there enough for the request?
    pub(crate) enough: bool,
}

impl Left {
    /// In seconds, rounded up, as the next three.
    pub(crate) fn more_in(&self) -> u64 {
        self.more_ns.div_ceil(SECOND)
    }

    pub(crate) fn whole_in(&self) -> u64 {
        self.whole_ns.div_ceil(SECOND)
    }

    /// Since the Unix epoch: rounded once, so that it is never too early.
    pub(crate) fn more_at(&self) -> u64 {
        self.at_ns.saturating_add(self.more_ns).div_ceil(SECOND)
    }

    pub(crate) fn whole_at(&self) -> u64 {
        self.at_ns.saturating_add(self.whole_ns).div_ceil(SECOND)
    }

    /// Of somebody who says so in seconds.
    pub(crate) fn in_seconds(self, seconds: u64, now: Duration) -> Left {
        let ns = seconds.saturating_mul(SECOND);
        Left { more_ns: ns, whole_ns: ns, at_ns: nanoseconds(now), ..self }
    }

    /// Is it of requests at a time?
    pub(crate) fn is_at_once(&self) -> bool {
        self.window == Some(0)
    }
}
