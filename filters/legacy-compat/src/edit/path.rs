//! Where an edit applies: `items.*.price`, `.` for the whole document.

use postern_core::config::schema::Schema;
use postern_core::config::{At, Decode, Errors, decode_text};

use crate::json::{Document, Kind, Value};

/// A path from the root.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Path(Vec<Step>);

/// One step of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// A member, or a place in a list.
    Name(String),
    /// Each item, or each member.
    Each,
}

/// Longer paths are refused: what is made on the way is bounded with it.
const LONGEST: usize = 16;
const EXPECTED: &str = "a path such as `items.*.price`, or `.` for the whole body";

impl Path {
    fn parse(text: &str) -> Result<Self, String> {
        if text == "." {
            return Ok(Path(Vec::new()));
        }
        let mut steps = Vec::new();
        let mut rest = text;
        loop {
            let (step, after) = match rest.strip_prefix('\'') {
                Some(quoted) => {
                    let (name, after) =
                        quoted.split_once('\'').ok_or("a quoted name has no closing `'`")?;
                    (Step::Name(name.to_owned()), after)
                }
                None => {
                    let end = rest.find('.').unwrap_or(rest.len());
                    let (name, after) = rest.split_at_checked(end).unwrap_or((rest, ""));
                    let step = if name == "*" { Step::Each } else { Step::Name(name.to_owned()) };
                    (step, after)
                }
            };
            if step == Step::Name(String::new()) {
                let text = text.escape_debug();
                return Err(format!("the path `{text}` has an empty step, expected {EXPECTED}"));
            }
            steps.push(step);
            match after.strip_prefix('.') {
                Some(next) => rest = next,
                None if after.is_empty() => break,
                None => return Err("after a quoted name a path goes on with a `.`".to_owned()),
            }
        }
        if steps.len() > LONGEST {
            return Err(format!("expected a path of at most {LONGEST} steps"));
        }
        Ok(Path(steps))
    }

    /// A member of the whole.
    pub(crate) fn of_member(name: &str) -> Self {
        Path(vec![Step::Name(name.to_owned())])
    }

    /// Is there a value here for which this holds?
    pub(crate) fn any(
        &self,
        document: &Document<'_>,
        mut holds: impl FnMut(&Value) -> bool,
    ) -> bool {
        any_at(document, document.root(), &self.0, &mut holds)
    }

    /// Its steps.
    pub(crate) fn steps(&self) -> &[Step] {
        &self.0
    }

    /// The way to the parent, and the last step, if that is a name.
    pub(crate) fn member(&self) -> Option<(&[Step], &str)> {
        match self.0.split_last() {
            Some((Step::Name(name), above)) => Some((above, name)),
            _ => None,
        }
    }

    /// What two paths begin with alike, and what is left of each.
    pub(crate) fn fork<'p>(&'p self, other: &'p Path) -> (&'p [Step], &'p [Step], &'p [Step]) {
        let same = self.0.iter().zip(&other.0).take_while(|(a, b)| a == b).count();
        let (common, rest) = self.0.split_at_checked(same).unwrap_or((&self.0, &[]));
        (common, rest, other.0.get(same..).unwrap_or_default())
    }
}

fn any_at(
    document: &Document<'_>,
    value: &Value,
    path: &[Step],
    holds: &mut impl FnMut(&Value) -> bool,
) -> bool {
    let Some((step, rest)) = path.split_first() else { return holds(value) };
    match (step, &value.kind) {
        (Step::Each, Kind::List(items)) => items.iter().any(|v| any_at(document, v, rest, holds)),
        (Step::Each, Kind::Object(all)) => {
            all.iter().any(|(_, v)| any_at(document, v, rest, holds))
        }
        (Step::Name(name), Kind::List(items)) => {
            let item = name.parse().ok().and_then(|at: usize| items.get(at));
            item.is_some_and(|v| any_at(document, v, rest, holds))
        }
        (Step::Name(name), _) => {
            document.member(value, name).is_some_and(|v| any_at(document, v, rest, holds))
        }
        (Step::Each, _) => false,
    }
}

impl Decode for Path {
    fn decode(at: At<'_>, errors: &mut Errors) -> Option<Self> {
        decode_text(at, errors, EXPECTED, Path::parse)
    }

    fn schema() -> Schema {
        Schema::Text { expected: EXPECTED, pattern: Some("^.+$") }
    }
}
