//! What a claim has to say.

use postern_core::config::schema::Schema;
use postern_core::config::{At, Decode, Errors, Value, decode_text};
use postern_core::json::Json;
use regex_lite::{Regex, RegexBuilder};

use crate::claim_path::ClaimPath;

/// The longest pattern, and the longest text that is held to one, in bytes.
const MAX_PATTERN: usize = 256;
const MAX_MATCHED: usize = 1024;
/// The size of a compiled pattern in bytes: the time of a match grows with it.
const MAX_COMPILED: usize = 64 * 1024;

postern_core::config! {
    /// What a claim has to say. Of a list one item has to say it. A claim that
    /// is missing says nothing.
    pub struct ClaimMatch {
        /// The claim: a name, `outer.inner`, or a list of names, one inside
        /// the other. A name with `://` in it is one name, dots and all.
        claim: ClaimPath,
        /// What it has to be.
        is: ClaimTest,
    }

    /// What a claim has to be. Kinds are told apart: `7` is not `"7"`.
    pub oneof ClaimTest {
        /// This text, whole number or boolean.
        exact: Exact(Scalar),
        /// One of these.
        any_of: AnyOf(Vec<Scalar>),
        /// A text that this regular expression matches from its first to its
        /// last character.
        pattern: Pattern(Pattern),
    }
}

impl ClaimMatch {
    /// Which claim is meant.
    pub(crate) fn claim(&self) -> &ClaimPath {
        &self.claim
    }

    /// Do these claims say it?
    pub(crate) fn holds(&self, claims: &Json<'_>) -> bool {
        match self.claim.find(claims) {
            None => false,
            Some(Json::List(items)) => items.iter().any(|item| self.is.holds(item)),
            Some(value) => self.is.holds(value),
        }
    }

    /// Notes what cannot be meant; `at` is its place.
    pub(crate) fn check(&self, at: At<'_>, errors: &mut Errors) {
        let ClaimTest::AnyOf(values) = &self.is else { return };
        if values.is_empty()
            && let Some(is) = at.node().get("is")
            && let Some(list) = is.get("any_of")
        {
            at.key("is", is).key("any_of", list).error(errors, "expected at least one");
        }
    }
}

impl ClaimTest {
    fn holds(&self, value: &Json<'_>) -> bool {
        match self {
            ClaimTest::Exact(scalar) => scalar.is(value),
            ClaimTest::AnyOf(scalars) => scalars.iter().any(|scalar| scalar.is(value)),
            ClaimTest::Pattern(Pattern(regex)) => match value {
                Json::Text(text) => text.len() <= MAX_MATCHED && regex.is_match(text),
                _ => false,
            },
        }
    }
}

/// A text, a whole number or a boolean.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Scalar {
    /// A text.
    Text(String),
    /// A whole number.
    Int(i64),
    /// A larger one.
    Large(u64),
    /// `true` or `false`.
    Bool(bool),
}

impl Scalar {
    fn is(&self, value: &Json<'_>) -> bool {
        match (self, value) {
            (Scalar::Text(a), Json::Text(b)) => a == b,
            (Scalar::Int(a), Json::Int(b)) => a == b,
            (Scalar::Large(a), Json::Large(b)) => a == b,
            (Scalar::Bool(a), Json::Bool(b)) => a == b,
            _ => false,
        }
    }
}

impl Decode for Scalar {
    fn decode(at: At<'_>, errors: &mut Errors) -> Option<Self> {
        match &at.node().value {
            Value::Text(text) => Some(Scalar::Text(text.clone())),
            Value::Int(number) => Some(Scalar::Int(*number)),
            Value::Large(number) => Some(Scalar::Large(*number)),
            Value::Bool(boolean) => Some(Scalar::Bool(*boolean)),
            _ => {
                at.expected(errors, "a string, a whole number or a boolean");
                None
            }
        }
    }

    fn schema() -> Schema {
        Schema::AnyOf(vec![String::schema(), Schema::Count { min: 0, max: u64::MAX }, Schema::Bool])
    }
}

/// A regular expression for a whole text.
#[derive(Clone, Debug)]
pub struct Pattern(Regex);

impl Pattern {
    fn parse(text: &str) -> Result<Self, String> {
        if text.is_empty() || text.len() > MAX_PATTERN {
            return Err(format!("expected 1 to {MAX_PATTERN} bytes"));
        }
        // Alone first: `a)|(b` would be two halves inside the anchors.
        let compile = |text: &str| RegexBuilder::new(text).size_limit(MAX_COMPILED).build();
        compile(text)
            .and_then(|_| compile(&format!("^(?:{text})$")))
            .map(Pattern)
            .map_err(|e| format!("expected a regular expression: {e}"))
    }
}

impl Decode for Pattern {
    fn decode(at: At<'_>, errors: &mut Errors) -> Option<Self> {
        decode_text(at, errors, "a regular expression", Pattern::parse)
    }

    fn schema() -> Schema {
        Schema::Text { expected: "a regular expression of 1 to 256 bytes", pattern: None }
    }
}
