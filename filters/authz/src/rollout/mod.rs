//! A candidate beside the current policy: how it is rolled out, and taken back.
//!
//! Both judge each request; one of them counts. Nothing here knows the language
//! of rules: it is told what each of the two says ([`Opinion`]).

mod caller;
mod cohort;
pub(crate) mod policy;
mod stored;
mod tally;
mod valve;
mod window;

#[cfg(test)]
mod tests;

use std::cell::Cell;

use postern_core::digest::sha256;
use postern_core::identity::Seen;
use postern_core::record::Mode as Counted;
use postern_core::{Host, Metric, Work};

use caller::Caller;
use cohort::Cohort;
use policy::{Mode, Percent};
use stored::Digest;
use tally::Kind;
pub(crate) use valve::PER_CALLER_AND_WINDOW;
use valve::{Evidence, TICK, Valve};

/// How a candidate is rolled out.
#[derive(Debug)]
pub(crate) struct Rollout {
    mode: Mode,
    cohort: Cohort,
    valve: Valve,
    /// What the gauge was set to.
    shown: Cell<Option<bool>>,
    /// What took it back, while that is not to be told.
    untold: Cell<Option<Evidence>>,
}

/// What a policy says of a request, as far as it is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Opinion {
    pub(crate) allows: bool,
    /// The stable reason code.
    pub(crate) code: &'static str,
    /// Is it a refusal that its author has marked as intended?
    pub(crate) intended: bool,
}

/// How the candidate differs from the current policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Difference {
    /// It refuses what is allowed.
    Denies,
    /// The same, and is meant to.
    DeniesIntended,
    /// It allows what is refused.
    Allows,
    /// Both refuse, for different reasons.
    OtherReason,
}

impl Difference {
    pub(crate) fn between(current: Opinion, candidate: Opinion) -> Option<Self> {
        match (current.allows, candidate.allows) {
            (true, false) if candidate.intended => Some(Difference::DeniesIntended),
            (true, false) => Some(Difference::Denies),
            (false, true) => Some(Difference::Allows),
            (false, false) if current.code != candidate.code => Some(Difference::OtherReason),
            (false, false) | (true, true) => None,
        }
    }
}

/// Which of the two decides a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Decides {
    /// The current policy.
    Current,
    /// The current one, since the candidate was taken back.
    CurrentAgain,
    /// The candidate, for this caller or for all.
    Candidate(Counted),
}

/// Metrics, by their places in [`metrics`].
pub(crate) mod metric {
    pub(crate) const DENIES: usize = 0;
    pub(crate) const DENIES_INTENDED: usize = 1;
    pub(crate) const ALLOWS: usize = 2;
    pub(crate) const OTHER_REASON: usize = 3;
    pub(crate) const REFUSED: usize = 4;
    pub(crate) const TRIPS: usize = 5;
    pub(crate) const UNSHARED: usize = 6;
    pub(crate) const TRIPPED: usize = 7;
}

/// The metrics, in the order of [`metric`].
pub(crate) fn metrics() -> impl Iterator<Item = Metric> {
    const COUNTERS: [&str; 7] = [
        // The candidate would refuse what the current policy allows,
        "candidate.denies",
        // and says that it means to;
        "candidate.denies_intended",
        // or allows what that refuses;
        "candidate.allows",
        // or both refuse, for different reasons.
        "candidate.other_reason",
        // Of the first kind, those that were refused indeed.
        "candidate.refused",
        "candidate.valve_trips",
        // Ticks at which the workers could not be told.
        "candidate.valve_unshared",
    ];
    let counters = COUNTERS.into_iter().map(Metric::counter);
    counters.chain([Metric::gauge("candidate.valve_tripped")])
}

/// What each VM says that begins with a candidate that was taken back: nobody has to
/// wonder why it does nothing.
const TAKEN_BACK_BEFORE: &str = "the candidate of this very policy was taken back before, and \
    stays so: the current rules decide; any change of the policy, of its current rules too, \
    gives it a new chance, unless its mode is `shadow`";

impl Rollout {
    pub(crate) fn new(mode: Mode, share: Percent, seed: &str, valve: policy::Valve) -> Self {
        Rollout {
            mode,
            cohort: Cohort::new(seed, share),
            valve: Valve::new(valve, Digest::default()),
            shown: Cell::new(None),
            untold: Cell::new(None),
        }
    }

    /// What workers count together, they count under one version of the policy.
    pub(crate) fn set_version(&mut self, version: &str) {
        let digest = sha256(version.as_bytes()).first_chunk().copied().unwrap_or_default();
        self.valve.set_policy(digest);
    }

    /// Compares, counts, and says which of the two decides; adds the places of
    /// metrics to increment to `count`.
    pub(crate) fn weigh(
        &self,
        identity: &Seen<'_>,
        [current, candidate]: [Opinion; 2],
        host: &dyn Host,
        count: &mut Vec<usize>,
    ) -> Decides {
        let caller = Caller::of(identity, host);
        let difference = Difference::between(current, candidate);
        let decides = self.decides(&caller, host);
        count.extend(difference.map(|difference| match difference {
            Difference::Denies => metric::DENIES,
            Difference::DeniesIntended => metric::DENIES_INTENDED,
            Difference::Allows => metric::ALLOWS,
            Difference::OtherReason => metric::OTHER_REASON,
        }));
        if matches!(decides, Decides::Candidate(_)) && difference == Some(Difference::Denies) {
            count.push(metric::REFUSED);
        }
        if current.allows && difference != Some(Difference::DeniesIntended) {
            self.valve.count(&caller, difference.is_some(), host);
        }
        decides
    }

    fn decides(&self, caller: &Caller, host: &dyn Host) -> Decides {
        match self.mode {
            Mode::Shadow => Decides::Current,
            _ if self.valve.is_tripped(host) => Decides::CurrentAgain,
            Mode::Cohort if self.cohort.has(&caller.key) => Decides::Candidate(Counted::Cohort),
            Mode::Cohort => Decides::Current,
            Mode::Enforce => Decides::Candidate(Counted::Enforce),
        }
    }

    /// Lets the valve look; metrics are named by their places in [`metric`].
    pub(crate) fn tick(&self, host: &dyn Host) -> Work {
        let was_tripped = self.valve.is_tripped(host);
        let ticked = self.valve.tick(host);
        let mut work = Work { again: Some(TICK), ..Work::default() };
        let evidence = ticked.tripped.or_else(|| self.untold.take());
        if ticked.replaced {
            // Gauge and log are those of the policy that is in force.
            self.untold.set(evidence);
            return work;
        }
        let tripped = self.valve.is_tripped(host);
        let shown = self.shown.replace(Some(tripped));
        if shown != Some(tripped) {
            work.gauges.push((metric::TRIPPED, u64::from(tripped)));
        }
        if shown.is_none() && was_tripped {
            work.log.push(TAKEN_BACK_BEFORE.to_owned());
        }
        if ticked.unshared {
            work.count.push(metric::UNSHARED);
        }
        if let Some(evidence) = evidence {
            work.count.push(metric::TRIPS);
            work.log.push(self.told(&evidence));
        }
        work
    }

    fn told(&self, evidence: &Evidence) -> String {
        let Evidence { kind, requests, refused, callers, refused_callers } = evidence;
        let kind = match kind {
            Kind::Anonymous => "anonymous",
            Kind::Identified => "identified",
        };
        let then = match self.mode {
            Mode::Shadow => "it counts for nobody, and would have been taken back",
            Mode::Cohort | Mode::Enforce => {
                "it is taken back: the current rules decide until the configuration changes"
            }
        };
        format!(
            "the candidate refuses {refused} of {requests} requests that the current rules \
             allow, of about {refused_callers} of {callers} {kind} callers: {then}"
        )
    }
}
