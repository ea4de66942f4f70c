//! Decisions that are more than that a rule lets pass.

use postern_core::identity::Seen;
use postern_core::{HeaderEdit, Host, Outcome};

use crate::facts::Facts;
use crate::judged::{Judged, name_of, opinion};
use crate::metrics::Side;
use crate::reason::Reason;
use crate::rollout::Decides;
use crate::rule_set::Ruling;
use crate::{Authz, Beside};

impl Authz {
    /// A decision that is more than that a rule lets pass, or not the only one.
    #[inline(never)]
    pub(crate) fn settle(
        &self,
        current: Ruling<'_>,
        facts: &Facts<'_>,
        identity: &Seen<'_>,
        due: &mut Vec<HeaderEdit>,
        host: &dyn Host,
    ) -> Outcome {
        let mut count = Vec::new();
        let mut judged = match &self.candidate {
            None => Judged::alone(current),
            Some(Beside { rules, rollout }) => {
                let mut other = rules.decide(facts);
                // Whoever means that a rule asks for more does not mean that another goes.
                if other.intended && other.reason != Reason::DenyRule {
                    other.intended = current.reason == Reason::Allowed
                        && name_of(self.rules.rule(&current)) == name_of(rules.rule(&other));
                }
                let opinions = [opinion(&current), opinion(&other)];
                match rollout.weigh(identity, opinions, host, &mut count) {
                    Decides::Current => Judged { other: Some(other), ..Judged::alone(current) },
                    Decides::CurrentAgain => {
                        Judged { other: Some(other), taken_back: true, ..Judged::alone(current) }
                    }
                    Decides::Candidate(mode) => {
                        let current = Some(current);
                        Judged {
                            side: Side::Candidate,
                            mode,
                            other: current,
                            ..Judged::alone(other)
                        }
                    }
                }
            }
        };
        let is_unsure = |ruling: &Ruling<'_>| ruling.reason == Reason::CannotEvaluate;
        if is_unsure(&judged.ruling) || judged.other.as_ref().is_some_and(is_unsure) {
            judged.unsure = self.unsure(&judged, facts);
        }
        let mut outcome = match judged.ruling.reason {
            Reason::Allowed => self.allow(&judged, facts.asked.target, due),
            _ => self.refuse(&judged),
        };
        outcome.count.extend(judged.other.map(|other| self.metrics.shadow(other.reason)));
        outcome.count.extend(count.into_iter().map(|place| self.metrics.rollout(place)));
        outcome
    }

    #[cold]
    fn unsure(&self, judged: &Judged<'_>, facts: &Facts<'_>) -> [Option<String>; 2] {
        let of = |side, ruling: &Ruling<'_>| self.rules_of(side)?.unsure(ruling, facts);
        let other = judged.other.as_ref().and_then(|other| of(judged.side.other(), other));
        [of(judged.side, &judged.ruling), other]
    }
}
