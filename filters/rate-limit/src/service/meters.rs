//! The metrics of a policy that asks a service: a fixed set.

use std::time::Duration;

use postern_core::Metric;
use postern_core::rules::Match;

use super::config::Engine;
use crate::policy::Limit;

/// What is counted: questions; requests refused by what is remembered; questions
/// without an answer; questions of one request that looks whether the service is back;
/// counts for which the service has no limit; questions that correct what requests cost.
const COUNTERS: [&str; 6] = [
    "service_asked",
    "service_remembered",
    "service_failed",
    "service_probes",
    "service_unmatched",
    "service_corrected",
];

/// See [`COUNTERS`].
#[derive(Clone, Copy, Debug)]
pub(crate) enum Counter {
    Asked,
    Remembered,
    Failed,
    Probes,
    Unmatched,
    Corrected,
}

/// How long questions took, answered or not: less than so many milliseconds.
const WITHIN: [(u128, &str); 9] = [
    (1, "1ms"),
    (2, "2ms"),
    (5, "5ms"),
    (10, "10ms"),
    (25, "25ms"),
    (50, "50ms"),
    (100, "100ms"),
    (1_000, "1s"),
    (u128::MAX, "more"),
];

/// What held in place of the service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fallback {
    Degraded,
    Opened,
    Closed,
}

const FALLBACKS: [(Fallback, &str); 3] =
    [(Fallback::Degraded, "degraded"), (Fallback::Opened, "opened"), (Fallback::Closed, "closed")];

/// The numbers of these metrics.
#[derive(Debug)]
pub(crate) struct Meters {
    first: usize,
    /// The limits that the service counts, by their places in the policy.
    limits: Vec<(usize, String)>,
}

impl Meters {
    pub(crate) fn new(limits: &[(Match, Limit)], first: usize) -> Self {
        let own = limits.iter().enumerate().filter(|(_, (_, l))| l.engine == Engine::Service);
        let limits = own.map(|(at, (_, limit))| (at, limit.id.as_str().to_owned())).collect();
        Meters { first, limits }
    }

    /// All of them, in order.
    pub(crate) fn all(&self) -> Vec<Metric> {
        let counters = COUNTERS.iter().map(|name| Metric::counter(*name));
        let latency =
            WITHIN.iter().map(|(_, word)| Metric::counter(format!("service_latency.{word}")));
        let fallbacks = self.limits.iter().flat_map(|(_, id)| {
            FALLBACKS.map(|(_, word)| Metric::counter(format!("limit_fallbacks.{id}.{word}")))
        });
        let state = [Metric::gauge("service_state")];
        counters.chain(latency).chain(state).chain(fallbacks).collect()
    }

    pub(crate) fn counter(&self, counter: Counter) -> usize {
        self.first.saturating_add(match counter {
            Counter::Asked => 0,
            Counter::Remembered => 1,
            Counter::Failed => 2,
            Counter::Probes => 3,
            Counter::Unmatched => 4,
            Counter::Corrected => 5,
        })
    }

    pub(crate) fn latency(&self, took: Duration) -> usize {
        let within = WITHIN.iter().position(|(most, _)| took.as_millis() < *most);
        let within = within.unwrap_or(WITHIN.len().saturating_sub(1));
        self.first.saturating_add(COUNTERS.len()).saturating_add(within)
    }

    pub(crate) fn state(&self) -> usize {
        self.first.saturating_add(COUNTERS.len()).saturating_add(WITHIN.len())
    }

    /// `None`: the service does not count this limit.
    pub(crate) fn fallback(&self, limit: usize, fallback: Fallback) -> Option<usize> {
        let own = self.limits.iter().position(|(at, _)| *at == limit)?;
        let word = FALLBACKS.iter().position(|(kind, _)| *kind == fallback)?;
        let before = own.saturating_mul(FALLBACKS.len()).saturating_add(word);
        Some(self.state().saturating_add(1).saturating_add(before))
    }
}
