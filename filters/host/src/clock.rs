//! When the proxy is to call a root context.

use std::cell::Cell;
use std::time::Duration;

use postern_core::Host;
use proxy_wasm::hostcalls;

use crate::attributes::Proxy;

/// The period of ticks: one per root context, set as seldom as can be. Two things
/// are done in a tick: the filter's work when it is due, and counts are told.
#[derive(Debug, Default)]
pub(crate) struct Clock {
    /// As the proxy has it; zero: it does not tick.
    period: Cell<Duration>,
    /// When the filter's work is due, since the Unix epoch.
    due: Cell<Duration>,
}

/// As soon as the proxy can.
pub(crate) const SOON: Duration = Duration::from_millis(1);
/// Between ticks that nobody asked for.
const RESTING: Duration = Duration::from_secs(60);
/// How long counts are kept at most.
const COUNTING: Duration = Duration::from_millis(5);

impl Clock {
    /// The filter's work is due no later than that.
    pub(crate) fn at_least(&self, period: Duration) {
        let period = period.max(SOON);
        let due = Proxy.now().saturating_add(period);
        self.due.set(self.due.get().min(due));
        self.no_later(period);
    }

    /// Counts are kept, to be told soon; `false` if nothing was counted lately:
    /// then this one may as well be told at once.
    pub(crate) fn counts(&self) -> bool {
        let counting = self.is_counting();
        if !counting {
            self.no_later(COUNTING);
        }
        counting
    }

    fn is_counting(&self) -> bool {
        !self.period.get().is_zero() && self.period.get() <= COUNTING
    }

    /// A tick came: is the filter's work due? If so, [`Clock::set`] has to follow.
    pub(crate) fn is_due(&self, now: Duration) -> bool {
        let left = self.due.get().saturating_sub(now);
        // Nothing is ever due later than that: the clock was turned back.
        left < SOON || left > RESTING
    }

    /// The work was done at `now` and is due again after `period`.
    pub(crate) fn set_due(&self, now: Duration, period: Option<Duration>) {
        let period = period.unwrap_or(RESTING).clamp(SOON, RESTING);
        self.due.set(now.saturating_add(period));
    }

    /// The end of a tick: the next one comes when the work is due, or sooner if
    /// something was counted.
    pub(crate) fn go_on(&self, now: Duration, counted: bool) {
        let left = self.due.get().saturating_sub(now).max(SOON);
        self.set(if counted { left.min(COUNTING) } else { left });
    }

    fn no_later(&self, period: Duration) {
        if self.period.get().is_zero() || period < self.period.get() {
            self.set(period);
        }
    }

    fn set(&self, period: Duration) {
        if self.period.replace(period) != period {
            hostcalls::set_tick_period(period).unwrap_or_default();
        }
    }
}
