//! When the proxy is to call a root context.

use std::cell::Cell;
use std::time::Duration;

/// The period of ticks: one per root context, changed as seldom as can be. Two things
/// are done in a tick: the filter's work when it is due, and counts are told.
///
/// Times are since the Unix epoch, as the proxy tells them; they may go back. What
/// answers [`Period`] wants the proxy to be told of it.
#[derive(Debug, Default)]
pub(crate) struct Clock {
    /// As the proxy has it; zero: it does not tick.
    period: Cell<Duration>,
    /// When the filter's work is due,
    due: Cell<Duration>,
    /// and when that was said.
    said: Cell<Duration>,
    stopped: Cell<bool>,
}

/// A new period, if it is another one; zero: no more ticks.
pub(crate) type Period = Option<Duration>;

/// As soon as the proxy can.
pub(crate) const SOON: Duration = Duration::from_millis(1);
/// Between ticks that nobody asked for.
const RESTING: Duration = Duration::from_secs(60);
/// How long counts are kept at most.
const COUNTING: Duration = Duration::from_millis(5);

impl Clock {
    /// The filter's work is due no later than that.
    #[must_use]
    pub(crate) fn at_least(&self, now: Duration, period: Duration) -> Period {
        let period = period.max(SOON);
        let due = now.saturating_add(period);
        let ticks = !self.period.get().is_zero();
        // A tick that comes sooner stays: a new period begins anew.
        if ticks && due >= self.due.get() && !self.went_back(now) {
            return None;
        }
        self.due.set(if ticks { due } else { self.due.get().min(due) });
        self.said.set(now);
        self.no_later(period)
    }

    /// May a count be kept, to be told soon? Not if nothing was counted lately: then
    /// it may as well be told at once.
    #[must_use]
    pub(crate) fn counts(&self) -> (bool, Period) {
        let counting = !self.period.get().is_zero() && self.period.get() <= COUNTING;
        (counting, if counting { None } else { self.no_later(COUNTING) })
    }

    /// A tick came: is the filter's work due? If so, [`Clock::set_due`] has to follow.
    #[must_use]
    pub(crate) fn is_due(&self, now: Duration) -> bool {
        self.went_back(now) || self.due.get().saturating_sub(now) < SOON
    }

    /// What was due in a second would be due in an hour otherwise.
    fn went_back(&self, now: Duration) -> bool {
        now < self.said.get()
    }

    /// The work was done at `now` and is due again after `period`.
    pub(crate) fn set_due(&self, now: Duration, period: Option<Duration>) {
        let period = period.unwrap_or(RESTING).clamp(SOON, RESTING);
        self.due.set(now.saturating_add(period));
        self.said.set(now);
    }

    /// The end of a tick: the next one comes when the work is due, or sooner if
    /// something was counted.
    #[must_use]
    pub(crate) fn go_on(&self, now: Duration, counted: bool) -> Period {
        let left = self.due.get().saturating_sub(now).max(SOON);
        self.set(if counted { left.min(COUNTING) } else { left })
    }

    /// The proxy is done with the root context. Envoy goes on to tick for one that it
    /// has deleted, for as long as the VM lives, unless it is told not to.
    #[must_use]
    pub(crate) fn stop(&self) -> Period {
        let period = self.set(Duration::ZERO);
        self.stopped.set(true);
        period
    }

    fn no_later(&self, period: Duration) -> Period {
        let sooner = self.period.get().is_zero() || period < self.period.get();
        if sooner { self.set(period) } else { None }
    }

    fn set(&self, period: Duration) -> Period {
        let changes = !self.stopped.get() && self.period.replace(period) != period;
        changes.then_some(period)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: Duration = Duration::from_secs(1_800_000_000);

    fn ms(milliseconds: u64) -> Duration {
        Duration::from_millis(milliseconds)
    }

    fn at(milliseconds: u64) -> Duration {
        START.saturating_add(ms(milliseconds))
    }

    /// A clock whose work was done at [`START`] and is due after that.
    fn resting(period: u64) -> Clock {
        let clock = Clock::default();
        assert_eq!(clock.at_least(START, SOON), Some(SOON));
        assert!(clock.is_due(START), "the first tick brings work");
        clock.set_due(START, Some(ms(period)));
        assert_eq!(clock.go_on(START, false), Some(ms(period)));
        clock
    }

    #[test]
    fn work_keeps_its_time_however_often_counts_are_told() {
        let clock = resting(1_000);
        assert_eq!(clock.counts(), (false, Some(COUNTING)), "the first is told at once");
        assert_eq!(clock.counts(), (true, None), "the next ones are kept");
        assert!(!clock.is_due(at(5)));
        assert_eq!(clock.go_on(at(5), true), None);
        assert!(!clock.is_due(at(10)));
        assert_eq!(clock.go_on(at(10), false), Some(ms(990)));
        assert!(clock.is_due(at(1_000)));
        clock.set_due(at(1_000), None);
        assert_eq!(clock.go_on(at(1_000), false), Some(RESTING));
    }

    #[test]
    fn a_tick_that_is_close_to_its_time_is_in_time() {
        let clock = resting(1_000);
        assert!(clock.is_due(at(1_000).saturating_sub(Duration::from_micros(999))));
        assert!(!clock.is_due(at(999)));
    }

    #[test]
    fn a_clock_that_is_set_back_holds_nothing_up() {
        let clock = resting(1_000);
        let before = START.saturating_sub(ms(30_000));
        assert!(clock.is_due(before));
        clock.set_due(before, Some(ms(1_000)));
        assert_eq!(clock.go_on(before, false), None, "a second, as before");
        // And what is asked for after that is in the new time.
        let earlier = before.saturating_sub(ms(30_000));
        assert_eq!(clock.at_least(earlier, ms(100)), Some(ms(100)));
        assert!(!clock.is_due(earlier));
        assert!(clock.is_due(earlier.saturating_add(ms(100))));
    }

    #[test]
    fn a_wish_never_puts_an_earlier_tick_off() {
        let clock = resting(60_000);
        // The tick comes at 60 s; a period of 40 s would begin now.
        assert_eq!(clock.at_least(at(50_000), ms(40_000)), None);
        assert_eq!(clock.at_least(at(50_000), ms(5_000)), Some(ms(5_000)));
        assert!(clock.is_due(at(55_000)));
        // Counts tick already, and what is left of the time is kept in mind.
        let clock = resting(1_000);
        assert_eq!(clock.counts(), (false, Some(COUNTING)));
        assert_eq!(clock.at_least(at(1), ms(20)), None);
        assert_eq!(clock.go_on(at(5), false), Some(ms(16)));
    }

    #[test]
    fn a_clock_that_was_stopped_stays_so() {
        let clock = resting(1_000);
        assert_eq!(clock.stop(), Some(Duration::ZERO));
        assert_eq!(clock.stop(), None);
        assert_eq!(clock.counts(), (false, None), "what is counted now is told at once");
        assert_eq!(clock.at_least(at(1), SOON), None);
        assert_eq!(clock.go_on(at(1), true), None);
    }
}
