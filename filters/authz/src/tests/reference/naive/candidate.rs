//! Current rules and a candidate, side by side.

use std::collections::BTreeMap;

use serde_json::Value;

use super::super::{Asked, Both, Rollout, Said};
use super::decide;

/// For whom a cohort counts is a matter of a hash, which is nobody's to foretell: what was
/// seen of a caller has to stay so.
#[derive(Default)]
pub(in super::super) struct Callers(BTreeMap<String, bool>);

impl Callers {
    /// What is to be said of a request. `by_candidate`: whose the decision was.
    pub(in super::super) fn both(
        &mut self,
        current: &[Value],
        rollout: &Rollout,
        asked: &Asked,
        by_candidate: bool,
    ) -> Both {
        let (old, mut new) = (decide(current, asked), decide(&rollout.rules, asked));
        // Whoever asks for more means those whom the current rule of the same name allows.
        if new.reason != "deny_rule" {
            new.intended &= old.reason == "allowed" && old.rule == new.rule;
        }
        let counts = match rollout.mode {
            "shadow" => false,
            "enforce" => true,
            _ if rollout.share == 100 => true,
            _ => *self.0.entry(caller(asked)).or_insert(by_candidate),
        };
        let mut counted = Vec::new();
        match (old.reason == "allowed", new.reason == "allowed") {
            (true, false) if new.intended => counted.push("candidate.denies_intended"),
            (true, false) => {
                counted.push("candidate.denies");
                if counts {
                    counted.push("candidate.refused");
                }
            }
            (false, true) => counted.push("candidate.allows"),
            (false, false) if old.reason != new.reason => counted.push("candidate.other_reason"),
            _ => {}
        }
        let mode = if counts && rollout.mode == "cohort" { "cohort" } else { "enforce" };
        // Of the current rules nothing is intended.
        let old = Said { intended: false, ..old };
        let (decided, beside) = if counts { (new, old) } else { (old, new) };
        let counted = counted.into_iter().map(str::to_owned).collect();
        Both { decided, beside, by_candidate: counts, mode: mode.to_owned(), counted }
    }
}

/// By issuer and subject, or else by address: of an IPv6 address the network.
fn caller(asked: &Asked) -> String {
    match &asked.caller {
        Some(caller) => format!("{} {}", caller["iss"], caller["sub"]),
        None => asked.address.unwrap_or_default().to_owned(),
    }
}
