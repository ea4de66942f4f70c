//! An expression as it stands in a policy.

use postern_core::config::schema::Schema;
use postern_core::config::{At, Decode, Errors, decode_text};
use postern_core::rules::Match;

use super::parse::{Whole, parse};
use super::{Expression, MAX_LENGTH, Mistake, shown};
use crate::sets::SetReference;

const EXPECTED: &str = "a condition in CEL";

/// An expression, checked but for the parts of the path that it names: what these
/// are depends on the rule that it stands in.
#[derive(Clone, Debug)]
pub(crate) struct Condition {
    expression: Expression,
    /// Their names, and what is wrong where there is no such part.
    captures: Vec<(Box<str>, String)>,
}

impl Condition {
    /// Reads and checks an expression.
    ///
    /// # Errors
    /// The first mistake, with the column at which it shows.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        if text.len() > MAX_LENGTH {
            return Err(format!("expected at most {MAX_LENGTH} bytes, but found {}", text.len()));
        }
        let Whole { root, names_caller, captures } =
            parse(text).map_err(|mistake| mistake.shown_in(text))?;
        let unknown = |(at, name): (usize, Box<str>)| {
            let message = format!("the rule's `paths` have no `{{{}}}`", shown(&name));
            (name, Mistake::at(at, message).shown_in(text))
        };
        let captures: Vec<_> = captures.into_iter().map(unknown).collect();
        let names_path = !captures.is_empty();
        Ok(Condition { expression: Expression { root, names_caller, names_path }, captures })
    }

    /// The expression of a rule whose paths have these variable parts.
    ///
    /// # Errors
    /// It names another.
    pub(super) fn over(self, captures: &[&str]) -> Result<Expression, String> {
        match self.captures.into_iter().find(|(name, _)| !captures.contains(&&**name)) {
            Some((_, mistake)) => Err(mistake),
            None => Ok(self.expression),
        }
    }

    /// The same; `rule` is the place of the rule with these matches. `None`: it is
    /// wrong, which is noted.
    pub(crate) fn of_rule(
        self,
        matches: &Match,
        rule: At<'_>,
        errors: &mut Errors,
    ) -> Option<Expression> {
        let captures: Vec<&str> = matches.paths.iter().flat_map(|t| t.names()).collect();
        let node = rule.node().get("when").unwrap_or(rule.node());
        self.over(&captures).map_err(|mistake| rule.key("when", node).error(errors, mistake)).ok()
    }
}

impl Decode for Condition {
    fn decode(at: At<'_>, errors: &mut Errors) -> Option<Self> {
        decode_text(at, errors, EXPECTED, Condition::parse)
    }

    fn schema() -> Schema {
        let text = Schema::Text { expected: EXPECTED, pattern: None };
        Schema::AnyOf(vec![text, SetReference::schema()])
    }
}
