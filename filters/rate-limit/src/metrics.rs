//! The filter's metrics: a fixed set for each policy.

use postern_core::Metric;

use crate::observe::{Observe, Spoilt};
use crate::policy::Limit;

/// Indices of the counters.
pub(crate) const ALLOWED: usize = 0;
pub(crate) const REFUSED: usize = 1;
pub(crate) const UNLIMITED: usize = 2;
pub(crate) const NO_LIMIT: usize = 3;
pub(crate) const BAD_REQUEST: usize = 4;
pub(crate) const UNAVAILABLE: usize = 5;
pub(crate) const EVICTED: usize = 6;
pub(crate) const UNCORRECTED: usize = 7;
pub(crate) const LAPSED: usize = 8;

/// Their names.
pub(crate) const COUNTERS: &[&str] = &[
    "allowed",
    "refused",
    "unlimited",
    "no_limit",
    "bad_request",
    "unavailable",
    "evicted",
    "uncorrected",
    "lapsed",
];

/// The share of the table's places that are in use, in thousandths.
pub(crate) const FILL: usize = 9;

/// What became of a request in one limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    /// It was counted.
    Allowed,
    /// It was over the limit.
    Refused,
    /// It would have been, were the limit enforced.
    WouldRefuse,
    /// It was not for this limit to count: its caller has no limit.
    Unlimited,
}

const FATES: [(Fate, &str); 4] = [
    (Fate::Allowed, "allowed"),
    (Fate::Refused, "refused"),
    (Fate::WouldRefuse, "would_refuse"),
    (Fate::Unlimited, "unlimited"),
];

/// The counter of a limit, by its place in the policy.
pub(crate) fn of_limit(limit: usize, fate: Fate) -> usize {
    let fate = FATES.iter().position(|(own, _)| *own == fate).unwrap_or(0);
    let first = FILL.saturating_add(1);
    limit.saturating_mul(FATES.len()).saturating_add(first).saturating_add(fate)
}

/// What became of a report: `None`, it was said again.
const REPORTS: [(Option<Spoilt>, &str); 5] = [
    (None, "told"),
    (Some(Spoilt::Malformed), "malformed"),
    (Some(Spoilt::Duplicate), "duplicate"),
    (Some(Spoilt::Contradictory), "contradictory"),
    (Some(Spoilt::Incomplete), "incomplete"),
];

/// The counter of what is observed, by its place in a policy of so many limits.
pub(crate) fn of_report(limits: usize, place: usize, spoilt: Option<Spoilt>) -> usize {
    let report = REPORTS.iter().position(|(own, _)| *own == spoilt).unwrap_or(0);
    let first = of_limit(limits, Fate::Allowed);
    place.saturating_mul(REPORTS.len()).saturating_add(first).saturating_add(report)
}

/// All of them.
pub(crate) fn all<'a>(
    limits: impl Iterator<Item = &'a Limit>,
    observes: impl Iterator<Item = &'a Observe>,
) -> Vec<Metric> {
    let counters = COUNTERS.iter().map(|name| Metric::counter(*name));
    let fill = Metric::gauge("table_fill_permille");
    let decisions = limits.flat_map(|limit| {
        FATES.map(|(_, fate)| {
            Metric::counter(format!("limit_decisions.{}.{fate}", limit.id.as_str()))
        })
    });
    let reports = observes.flat_map(|observe| {
        REPORTS.map(|(_, outcome)| {
            Metric::counter(format!("limit_reports.{}.{outcome}", observe.id.as_str()))
        })
    });
    counters.chain([fill]).chain(decisions).chain(reports).collect()
}
