//! The metrics: a fixed set per configuration.

use postern_core::Metric;

use crate::reason::Reason;
use crate::rule::Rule;

/// Where each metric stands in the list.
#[derive(Debug)]
pub(crate) struct Metrics {
    list: Vec<Metric>,
    /// By rule: its own counter.
    rules: Vec<(usize, usize)>,
}

/// The mode in which a decision counted.
const MODE: &str = "enforce";

impl Metrics {
    pub(crate) fn new<'r>(rules: impl Iterator<Item = &'r Rule>) -> Self {
        let mut list: Vec<Metric> = Reason::ALL
            .into_iter()
            .map(|reason| {
                let effect = reason.decision().as_str();
                Metric::counter(format!("decisions.{MODE}.{effect}.{}", reason.code()))
            })
            .collect();
        let mut own = Vec::new();
        for (index, rule) in rules.enumerate().filter(|(_, rule)| rule.counted) {
            own.push((index, list.len()));
            list.push(Metric::counter(format!("rule_decisions.{}", rule.name.as_str())));
        }
        Metrics { list, rules: own }
    }

    pub(crate) fn list(&self) -> &[Metric] {
        &self.list
    }

    /// The counters of a decision, by its reason and its rule's place.
    pub(crate) fn of(&self, reason: Reason, rule: Option<usize>) -> Vec<usize> {
        let own = rule.and_then(|rule| self.rules.iter().find(|(index, _)| *index == rule));
        let mut counters = Vec::with_capacity(2);
        counters.push(reason.index());
        counters.extend(own.map(|(_, counter)| *counter));
        counters
    }
}
