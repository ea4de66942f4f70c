//! What a claim has to say.

use postern_core::Truth;
use postern_core::config::schema::Schema;
use postern_core::config::{At, Decode, Errors, Node, Text, Value};
use postern_core::rules::Match;
use postern_core::template::Template;
use serde_json::Value as Json;

use crate::facts::Facts;
use crate::number::Number;
use crate::unsure;

postern_core::config! {
    /// What a claim has to say. Of a list one item has to say it. A claim that is
    /// missing, or of another kind, says neither yes nor no: the rule cannot be
    /// evaluated.
    #[derive(PartialEq)]
    pub struct ClaimCondition {
        /// The claim: `sub`, `iss`, `client`, `provider`, `credential` or `plan`
        /// of the identity, or the name of a claim that it carries on.
        claim: Text,
        /// What it has to be.
        is: ClaimTest,
    }

    /// What a claim has to be. Kinds are told apart: `7` is not `"7"`.
    pub oneof ClaimTest {
        /// This text, number or boolean.
        exact: Exact(Scalar),
        /// One of these.
        any_of: AnyOf(Vec<Scalar>),
        /// A text that begins with this.
        prefix: Prefix(Text),
        /// A number that is this or greater.
        at_least: AtLeast(Number),
        /// A number that is this or less.
        at_most: AtMost(Number),
        /// A greater number.
        above: Above(Number),
        /// A lesser number.
        below: Below(Number),
        /// The text that the path has at this capture, decoded:
        /// `name` of `/user/{name}`.
        path: Path(Text),
        /// It is there, or is not; of any kind.
        present: Present(bool),
    }
}

impl PartialEq for ClaimTest {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (ClaimTest::Exact(a), ClaimTest::Exact(b)) => a == b,
            (ClaimTest::AnyOf(a), ClaimTest::AnyOf(b)) => a == b,
            (ClaimTest::Prefix(a), ClaimTest::Prefix(b))
            | (ClaimTest::Path(a), ClaimTest::Path(b)) => a == b,
            (ClaimTest::AtLeast(a), ClaimTest::AtLeast(b))
            | (ClaimTest::AtMost(a), ClaimTest::AtMost(b))
            | (ClaimTest::Above(a), ClaimTest::Above(b))
            | (ClaimTest::Below(a), ClaimTest::Below(b)) => a == b,
            (ClaimTest::Present(a), ClaimTest::Present(b)) => a == b,
            _ => false,
        }
    }
}

impl ClaimCondition {
    /// Does this request's caller have such a claim? `template` is the path
    /// template of the rule that matched.
    pub(crate) fn holds(&self, template: Option<&Template>, facts: &Facts<'_>) -> Truth {
        let claim = facts.caller.map_or(Ok(None), |caller| caller.claim(self.claim.as_str()));
        let Ok(claim) = claim else { return Truth::Unknown };
        if let ClaimTest::Present(present) = self.is {
            return (claim.is_some() == present).into();
        }
        let Some(claim) = claim else { return Truth::Unknown };
        // Not copied: a path may be long, and many rules may ask.
        let captured = |name: &str, text: &str| {
            template.and_then(|t| t.capture_is(facts.asked.target, name, text.as_bytes()))
        };
        match &claim {
            Json::Array(items) => Truth::any(items.iter().map(|item| self.is.says(item, captured))),
            one => self.is.says(one, captured),
        }
    }

    /// Why it says neither yes nor no, if it does.
    pub(crate) fn unsure(&self, template: Option<&Template>, facts: &Facts<'_>) -> Option<String> {
        if self.holds(template, facts) != Truth::Unknown {
            return None;
        }
        let name = crate::policy::shown(self.claim.as_str());
        let missing =
            facts.caller.is_none_or(|caller| caller.claim(self.claim.as_str()) == Ok(None));
        Some(match missing {
            true => format!("the claim `{name}` is not there"),
            false => unsure::cannot_be_judged(&name),
        })
    }

    /// Does it look at a variable part of the path?
    pub(crate) fn names_path(&self) -> bool {
        matches!(self.is, ClaimTest::Path(_))
    }

    /// Notes what cannot be meant; `at` is the list's place.
    pub(crate) fn check(&self, matches: &Match, at: At<'_>, index: usize, errors: &mut Errors) {
        let Value::List(items) = &at.node().value else { return };
        let Some(node) = items.get(index) else { return };
        let at = at.index(index, node);
        let inner = |key: &str, errors: &mut Errors, message: String| {
            let is = at.node().get("is").unwrap_or(at.node());
            let place: &Node = is.get(key).unwrap_or(is);
            at.key("is", is).key(key, place).error(errors, message);
        };
        match &self.is {
            ClaimTest::AnyOf(list) if list.is_empty() => {
                inner("any_of", errors, "expected at least one".to_owned());
            }
            ClaimTest::Path(name) => {
                let has = |t: &Template| t.names().any(|n| n == name.as_str());
                if matches.paths.is_empty() || !matches.paths.iter().all(has) {
                    let name = crate::policy::shown(name.as_str());
                    let message =
                        format!("expected each of the rule's `paths` to have `{{{name}}}`");
                    inner("path", errors, message);
                }
            }
            _ => {}
        }
    }
}

impl ClaimTest {
    /// What one value says; `captured`: is the part of the path of this name this text?
    fn says(&self, value: &Json, captured: impl Fn(&str, &str) -> Option<bool>) -> Truth {
        let order = |than: &Number, test: fn(std::cmp::Ordering) -> bool| {
            Number::of(value).and_then(|number| number.partial_cmp(than)).map(test).into()
        };
        match self {
            ClaimTest::Exact(scalar) => scalar.is(value).into(),
            ClaimTest::AnyOf(scalars) => {
                let mut known = scalars.iter().filter_map(|scalar| scalar.is(value)).peekable();
                if known.peek().is_none() { Truth::Unknown } else { known.any(|is| is).into() }
            }
            ClaimTest::Prefix(prefix) => {
                value.as_str().map(|text| text.starts_with(prefix.as_str())).into()
            }
            ClaimTest::AtLeast(than) => order(than, std::cmp::Ordering::is_ge),
            ClaimTest::AtMost(than) => order(than, std::cmp::Ordering::is_le),
            ClaimTest::Above(than) => order(than, std::cmp::Ordering::is_gt),
            ClaimTest::Below(than) => order(than, std::cmp::Ordering::is_lt),
            ClaimTest::Path(name) => {
                value.as_str().and_then(|text| captured(name.as_str(), text)).into()
            }
            // Asked before.
            ClaimTest::Present(_) => Truth::Unknown,
        }
    }
}

/// A text, a number or a boolean.
#[derive(Clone, Debug, PartialEq)]
pub enum Scalar {
    /// A text.
    Text(Box<str>),
    /// A number.
    Number(Number),
    /// `true` or `false`.
    Bool(bool),
}

impl Scalar {
    /// `None`: the value is of another kind.
    fn is(&self, value: &Json) -> Option<bool> {
        match (self, value) {
            (Scalar::Text(own), Json::String(text)) => Some(own.as_ref() == text),
            (Scalar::Bool(own), Json::Bool(other)) => Some(own == other),
            (Scalar::Number(own), Json::Number(_)) => Number::of(value).map(|n| n == *own),
            _ => None,
        }
    }
}

impl Decode for Scalar {
    fn decode(at: At<'_>, errors: &mut Errors) -> Option<Self> {
        match &at.node().value {
            Value::Text(text) => Some(Scalar::Text(text.as_str().into())),
            Value::Int(_) | Value::Large(_) | Value::Float(_) => {
                Number::decode(at, errors).map(Scalar::Number)
            }
            Value::Bool(boolean) => Some(Scalar::Bool(*boolean)),
            _ => {
                at.expected(errors, "a string, a number or a boolean");
                None
            }
        }
    }

    fn schema() -> Schema {
        Schema::AnyOf(vec![String::schema(), Number::schema(), Schema::Bool])
    }
}
