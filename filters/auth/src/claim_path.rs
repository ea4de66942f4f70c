//! The way to a claim, into objects that hold others.

use postern_core::config::schema::Schema;
use postern_core::config::{At, Decode, Errors, Text, Value};
use postern_core::json::Json;

/// The longest way.
const MAX_STEPS: usize = 8;

/// A claim: `tenant`, or one inside others: `realm_access.roles`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClaimPath(Vec<String>);

impl ClaimPath {
    /// A text in which dots lead into objects; with a `://`, as issuers make
    /// names of their own from a URL, it is one name.
    fn parse(text: &str) -> Option<Self> {
        if text.contains("://") {
            return Some(ClaimPath(vec![text.to_owned()]));
        }
        let steps: Vec<String> = text.split('.').map(str::to_owned).collect();
        let good = steps.len() <= MAX_STEPS && steps.iter().all(|step| !step.is_empty());
        good.then_some(ClaimPath(steps))
    }

    /// A claim of this name.
    pub(crate) fn name(name: &str) -> Self {
        ClaimPath(vec![name.to_owned()])
    }

    /// The claim, if it is there and not `null`.
    pub(crate) fn find<'c, 'p>(&self, claims: &'c Json<'p>) -> Option<&'c Json<'p>> {
        let found = self.0.iter().try_fold(claims, |claim, step| claim.get(step));
        found.filter(|claim| !matches!(claim, Json::Null))
    }
}

impl std::fmt::Display for ClaimPath {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0.join("."))
    }
}

impl Decode for ClaimPath {
    fn decode(at: At<'_>, errors: &mut Errors) -> Option<Self> {
        const EXPECTED: &str =
            "the name of a claim, `outer.inner`, or a list of up to 8 names, one inside the other";
        match &at.node().value {
            Value::Text(_) => {
                let path = ClaimPath::parse(Text::decode(at, errors)?.as_str());
                if path.is_none() {
                    at.error(errors, format!("expected {EXPECTED}"));
                }
                path
            }
            Value::List(steps) if (1..=MAX_STEPS).contains(&steps.len()) => {
                let steps = Vec::<Text>::decode(at, errors)?;
                Some(ClaimPath(steps.iter().map(|step| step.as_str().to_owned()).collect()))
            }
            Value::List(_) => {
                at.error(errors, format!("expected {EXPECTED}"));
                None
            }
            _ => {
                at.expected(errors, EXPECTED);
                None
            }
        }
    }

    fn schema() -> Schema {
        let text = |expected| Schema::Text { expected, pattern: Some("^[^\\x00-\\x1f\\x7f]+$") };
        let names = Schema::List(Box::new(text("a name")));
        Schema::AnyOf(vec![text("a claim such as `outer.inner`"), names])
    }
}
