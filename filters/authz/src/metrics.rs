//! The metrics: a fixed set per configuration.

use postern_core::{Metric, Mode};

use crate::reason::Reason;
use crate::rollout;
use crate::rule::Rule;
use crate::rule_set::RuleSet;

/// Where each metric stands in the list.
#[derive(Debug)]
pub(crate) struct Metrics {
    list: Vec<Metric>,
    /// By rule of the current and of the candidate's: its own counter.
    rules: [Vec<(usize, usize)>; 2],
    /// The first one of [`rollout::metrics`].
    rollout: usize,
}

/// Whose rule decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    Current = 0,
    Candidate = 1,
}

impl Side {
    pub(crate) fn other(self) -> Self {
        match self {
            Side::Current => Side::Candidate,
            Side::Candidate => Side::Current,
        }
    }
}

impl Metrics {
    /// Without a candidate, decisions count in one mode only.
    pub(crate) fn new(current: &RuleSet, candidate: Option<&RuleSet>) -> Self {
        let modes: &[Mode] = match candidate {
            None => &[Mode::Enforce],
            Some(_) => &[Mode::Enforce, Mode::Cohort, Mode::Shadow],
        };
        let of_mode = |mode: &Mode| {
            let mode = mode.as_str();
            Reason::ALL.map(|reason| {
                let effect = reason.decision().as_str();
                Metric::counter(format!("decisions.{mode}.{effect}.{}", reason.code()))
            })
        };
        let mut list: Vec<Metric> = modes.iter().flat_map(of_mode).collect();
        // A rule that is in both has one counter.
        let mut place = |rule: &Rule| {
            let metric = Metric::counter(format!("rule_decisions.{}", rule.name.as_str()));
            list.iter().position(|known| *known == metric).unwrap_or_else(|| {
                list.push(metric);
                list.len().saturating_sub(1)
            })
        };
        let mut own = |rules: &RuleSet| -> Vec<(usize, usize)> {
            let counted = rules.iter().enumerate().filter(|(_, rule)| rule.counted);
            counted.map(|(index, rule)| (index, place(rule))).collect()
        };
        let rules = [own(current), candidate.map(own).unwrap_or_default()];
        let rollout = list.len();
        list.extend(rollout::metrics());
        Metrics { list, rules, rollout }
    }

    pub(crate) fn list(&self) -> &[Metric] {
        &self.list
    }

    /// The counters of a decision that counted, by its reason and its rule's place.
    pub(crate) fn of(
        &self,
        reason: Reason,
        mode: Mode,
        side: Side,
        rule: Option<usize>,
    ) -> Vec<usize> {
        let own = self.rules.get(side as usize).zip(rule).and_then(|(own, rule)| {
            own.iter().find(|(index, _)| *index == rule).map(|(_, counter)| *counter)
        });
        let mut counters = Vec::with_capacity(3);
        counters.push(place(reason, mode));
        counters.extend(own);
        counters
    }

    /// The counter of a decision that did not.
    pub(crate) fn shadow(&self, reason: Reason) -> usize {
        place(reason, Mode::Shadow)
    }

    /// One of [`rollout::metric`].
    pub(crate) fn rollout(&self, place: usize) -> usize {
        self.rollout.saturating_add(place)
    }
}

fn place(reason: Reason, mode: Mode) -> usize {
    let mode: usize = match mode {
        Mode::Enforce => 0,
        Mode::Cohort => 1,
        Mode::Shadow => 2,
    };
    mode.saturating_mul(Reason::ALL.len()).saturating_add(reason.index())
}
