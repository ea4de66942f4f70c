//! A decision, and the one beside it that did not count.

use postern_core::record::Mode as Counted;
use serde_json::{Value, json};

use crate::metrics::Side;
use crate::reason::Reason;
use crate::rollout::Opinion;
use crate::rule::Rule;
use crate::rule_set::Ruling;

/// A decision that counts, and whose it is.
pub(crate) struct Judged<'r> {
    pub(crate) ruling: Ruling<'r>,
    pub(crate) side: Side,
    pub(crate) mode: Counted,
    /// The other one, if there are two.
    pub(crate) other: Option<Ruling<'r>>,
    /// It is a candidate that was taken back.
    pub(crate) taken_back: bool,
    /// What could not be evaluated: by the one that decided, and by the other.
    pub(crate) unsure: [Option<String>; 2],
}

impl<'r> Judged<'r> {
    pub(crate) fn alone(ruling: Ruling<'r>) -> Self {
        let (side, mode) = (Side::Current, Counted::Enforce);
        Judged { ruling, side, mode, other: None, taken_back: false, unsure: [None, None] }
    }

    /// Does nothing but the rule say what its record is?
    pub(crate) fn is_alone(&self) -> bool {
        let Judged { ruling: _, side, mode, other, taken_back, unsure } = self;
        let (is_current, counts) = (*side == Side::Current, *mode == Counted::Enforce);
        is_current && counts && other.is_none() && !taken_back && *unsure == [None, None]
    }
}

/// What it says to the valve.
pub(crate) fn opinion(ruling: &Ruling<'_>) -> Opinion {
    Opinion {
        allows: ruling.reason == Reason::Allowed,
        code: ruling.reason.code(),
        intended: ruling.intended,
    }
}

/// A decision that did not count, as it stands in a record.
pub(crate) fn beside(ruling: &Ruling<'_>, rule: Option<&Rule>) -> Value {
    let mut members = json!({
        "decision": ruling.reason.decision().as_str(),
        "rule": name_of(rule),
        "code": ruling.reason.code(),
        "mode": Counted::Shadow.as_str(),
    });
    if ruling.intended
        && let Value::Object(members) = &mut members
    {
        members.insert("intended".to_owned(), true.into());
    }
    members
}

/// The name of a rule in records; `-`: none decided.
pub(crate) fn name_of(rule: Option<&Rule>) -> &str {
    rule.map_or("-", |rule| rule.name.as_str())
}
