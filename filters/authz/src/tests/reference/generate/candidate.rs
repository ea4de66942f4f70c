//! A candidate that has to do with the current rules.

use proptest::prelude::*;
use proptest::sample::select;
use serde_json::{Value, json};

use super::super::Rollout;
use super::{named, rules};

/// How a candidate is rolled out, and its rules: some of the current ones, some of them
/// changed, and some of its own.
pub(in super::super) fn candidate(current: Vec<Value>) -> BoxedStrategy<Rollout> {
    let what = select(vec!["keep", "keep", "keep", "drop", "swap", "intend", "narrow"]);
    let changes = prop::collection::vec(what, current.len());
    let modes = select(vec!["shadow", "cohort", "cohort", "enforce"]);
    let share = select(vec![1, 30, 50, 70, 100]);
    (modes, share, any::<bool>(), changes, rules(), any::<bool>())
        .prop_map(move |(mode, share, with_sets, changes, others, appended)| {
            let mut others = others.into_iter();
            let mut own = Vec::new();
            for (mut rule, change) in current.iter().cloned().zip(changes) {
                match change {
                    "drop" => continue,
                    "swap" => {
                        let Some(mut other) = others.next() else { continue };
                        other["name"] = rule["name"].take();
                        rule = other;
                    }
                    "intend" => rule["intended"] = true.into(),
                    "narrow" => rule["subject"] = json!({"any_scope": ["t"]}),
                    _ => {}
                }
                own.push(rule);
            }
            if appended || own.is_empty() {
                // Under names that the current rules do not have.
                let more = named(others.collect()).into_iter().map(|mut rule| {
                    rule["name"] = format!("own-{}", rule["name"].as_str().unwrap()).into();
                    rule
                });
                own.extend(more);
            }
            if own.is_empty() {
                own.push(current.first().unwrap().clone());
            }
            Rollout { mode, share, rules: own, with_sets }
        })
        .boxed()
}
