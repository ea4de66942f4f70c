//! What came of a scene.

use std::collections::BTreeSet;
use std::fmt::{Display, Formatter, Result as Written};
use std::time::{Duration, Instant};

use crate::drill::load::Sample;

/// The bound of every valve in the drill, as [`BOUND`] says it in YAML.
pub const WINDOW: Duration = Duration::from_secs(10);
const MINIMUM_REQUESTS: usize = 50;
const MINIMUM_CALLERS: usize = 5;
const ONE_IN: usize = 20;
/// The same for a policy.
pub const BOUND: &str = "valve: {window: 10s, minimum_requests: 50, minimum_callers: 5, share: 5}";

/// A scene's figures, and whether it held.
#[derive(Clone, Debug)]
pub struct Report {
    /// What was played.
    pub name: &'static str,
    /// Figures and findings.
    pub lines: Vec<Line>,
}

/// A figure or a finding in words.
#[derive(Clone, Debug)]
pub struct Line {
    /// Is it as it has to be?
    pub held: bool,
    /// Does that depend on how fast the machine is?
    pub timed: bool,
    /// The words.
    pub text: String,
}

impl Report {
    /// Nothing found yet.
    #[must_use]
    pub fn new(name: &'static str) -> Self {
        Report { name, lines: Vec::new() }
    }

    /// Adds a figure.
    pub fn tell(&mut self, text: impl Into<String>) {
        self.hold(true, text);
    }

    /// Adds what has to be so.
    pub fn hold(&mut self, held: bool, text: impl Into<String>) {
        self.lines.push(Line { held, timed: false, text: text.into() });
    }

    /// Adds what has to be so in time.
    pub fn hold_in_time(&mut self, held: bool, text: impl Into<String>) {
        self.lines.push(Line { held, timed: true, text: text.into() });
    }

    /// Did all of it hold?
    #[must_use]
    pub fn held(&self) -> bool {
        self.lines.iter().all(|line| line.held)
    }

    /// Did all of it hold that does not depend on how fast the machine is?
    #[must_use]
    pub fn held_at_any_pace(&self) -> bool {
        self.lines.iter().all(|line| line.held || line.timed)
    }
}

impl Display for Report {
    fn fmt(&self, f: &mut Formatter<'_>) -> Written {
        writeln!(f, "{}", self.name)?;
        for Line { held, text, .. } in &self.lines {
            writeln!(f, "  {}{text}", if *held { "" } else { "DOES NOT HOLD: " })?;
        }
        Ok(())
    }
}

/// What the callers saw of a candidate.
#[derive(Clone, Debug)]
pub struct Seen {
    /// Their requests since it was saved.
    pub requests: usize,
    /// Those of them that it refused.
    pub refused: usize,
    /// And whose they were.
    pub callers: usize,
    /// When the first was refused.
    pub first: Option<Instant>,
    /// When the bound of the valve was reached, as far as callers can tell.
    pub bound: Option<Instant>,
    /// When the last was refused.
    pub last: Option<Instant>,
}

impl Seen {
    /// Of answers in the order of their times, those after `since`.
    ///
    /// # Errors
    /// An answer that neither policy gives: a request was lost.
    pub fn of(samples: &[Sample], since: Instant) -> Result<Self, String> {
        let ours: Vec<Sample> = samples.iter().copied().filter(|s| s.at >= since).collect();
        for sample in &ours {
            if sample.status != 200 && !(sample.private && sample.is_refused()) {
                return Err(format!("an answer under load was {}", sample.status));
            }
        }
        let refused: Vec<&Sample> = ours.iter().filter(|s| s.is_refused()).collect();
        let first = refused.first().map(|s| s.at);
        Ok(Seen {
            requests: ours.len(),
            refused: refused.len(),
            callers: refused.iter().map(|s| s.caller).collect::<BTreeSet<_>>().len(),
            first,
            bound: first.and_then(|first| bound(&ours, first)),
            last: refused.last().map(|s| s.at),
        })
    }

    /// The figures in words; `since` is when the candidate was saved.
    #[must_use]
    pub fn told(&self, since: Instant) -> String {
        let Seen { requests, refused, callers, .. } = self;
        let Some((first, last)) = self.first.zip(self.last) else {
            return format!("of {requests} requests none was refused");
        };
        let bound = match self.bound {
            Some(bound) => format!(", the bound was reached at {}", after(since, bound)),
            None => String::new(),
        };
        format!(
            "of {requests} requests {refused} were wrongly refused, of {callers} callers: the \
             first {} after the save{bound}, the last {}",
            after(since, first),
            after(since, last)
        )
    }
}

/// From when on what was answered since `first` reaches the bound.
fn bound(samples: &[Sample], first: Instant) -> Option<Instant> {
    let (mut requests, mut refused) = (0, 0);
    let (mut callers, mut refused_callers) = (BTreeSet::new(), BTreeSet::new());
    for sample in samples.iter().filter(|s| s.at >= first) {
        requests += 1;
        callers.insert(sample.caller);
        if sample.is_refused() {
            refused += 1;
            refused_callers.insert(sample.caller);
        }
        if requests >= MINIMUM_REQUESTS
            && refused_callers.len() >= MINIMUM_CALLERS
            && refused * ONE_IN >= requests
            && refused_callers.len() * ONE_IN >= callers.len()
        {
            return Some(sample.at);
        }
    }
    None
}

/// From one to the other, in seconds.
#[must_use]
pub fn after(begun: Instant, ended: Instant) -> String {
    format!("{:.2} s", ended.saturating_duration_since(begun).as_secs_f64())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn samples(statuses: &[(u64, u16)]) -> (Instant, Vec<Sample>) {
        let begun = Instant::now();
        let at = |ms: u64| begun + Duration::from_millis(ms);
        let sample = |(ms, status)| Sample {
            at: at(ms),
            caller: ms as usize,
            private: true,
            status,
            took: Duration::ZERO,
        };
        (begun, statuses.iter().copied().map(sample).collect())
    }

    #[test]
    fn the_bound_is_reached_with_the_last_request_that_it_needs() {
        let all: Vec<_> = (0..100).map(|n| (n, if n < 10 { 200 } else { 403 })).collect();
        let (begun, samples) = samples(&all);
        let seen = Seen::of(&samples, begun).unwrap();
        // The fiftieth of those since the first refusal.
        assert_eq!(seen.bound, Some(begun + Duration::from_millis(59)));
        assert_eq!((seen.requests, seen.refused, seen.callers), (100, 90, 90));
        assert_eq!(
            seen.told(begun),
            "of 100 requests 90 were wrongly refused, of 90 callers: the first 0.01 s after the \
             save, the bound was reached at 0.06 s, the last 0.10 s"
        );
    }

    #[test]
    fn a_lost_request_is_an_error() {
        let (begun, samples) = samples(&[(0, 200), (1, 503)]);
        assert_eq!(Seen::of(&samples, begun).unwrap_err(), "an answer under load was 503");
    }

    #[test]
    fn one_line_that_does_not_hold_is_enough() {
        let mut report = Report::new("a scene");
        report.tell("1 of 2");
        assert!(report.held());
        report.hold_in_time(false, "b");
        assert!(!report.held() && report.held_at_any_pace());
        assert_eq!(report.to_string(), "a scene\n  1 of 2\n  DOES NOT HOLD: b\n");
        report.hold(false, "c");
        assert!(!report.held_at_any_pace());
    }
}
