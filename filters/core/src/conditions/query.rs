//! Parameters of the query.

use crate::config::schema::Schema;
use crate::config::{At, Decode, Errors, Text};
use crate::rules::Test;
use crate::target::{Target, decode_form};
use crate::truth::Truth;

/// A condition on a parameter of the query.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueryMatch {
    name: Text,
    test: Test,
}

crate::config! {
    /// A condition on a parameter of the query: its name and exactly one test.
    /// Names and values are compared decoded. Where a parameter stands several
    /// times and its values differ in what they say, this cannot be told, since
    /// servers differ on which one counts.
    struct QueryMatchConfig {
        /// The parameter's name.
        name: Text,
        /// The value is one of these.
        exact: Option<Vec<Text>>,
        /// The value begins with one of these.
        prefix: Option<Vec<Text>>,
        /// The parameter is there, or is not.
        present: Option<bool>,
    }
}

impl QueryMatch {
    /// Does it hold? Without the parameter, `exact` and `prefix` do not.
    #[must_use]
    pub fn holds(&self, target: &Target<'_>) -> Truth {
        let mut values = target.query_values(self.name.as_str());
        if let Test::Present(present) = self.test {
            return (values.next().is_some() == present).into();
        }
        let mut said = values.map(|value| self.test.accepts(&decode_form(value)));
        let Some(first) = said.next() else { return Truth::No };
        if said.all(|other| other == first) { first.into() } else { Truth::Unknown }
    }
}

impl Decode for QueryMatch {
    fn decode(at: At<'_>, errors: &mut Errors) -> Option<Self> {
        let QueryMatchConfig { name, exact, prefix, present } =
            QueryMatchConfig::decode(at, errors)?;
        let test = Test::one_of(exact, prefix, present, at, errors)?;
        Some(QueryMatch { name, test })
    }

    fn schema() -> Schema {
        QueryMatchConfig::schema()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{decode, parse_json};

    #[track_caller]
    fn says(condition: &str, query: &str, expected: Truth) {
        let condition: QueryMatch = decode(&parse_json(condition.as_bytes()).unwrap()).unwrap();
        let path = format!("/{query}");
        let target = Target::parse(Some(path.as_bytes())).unwrap();
        assert_eq!(condition.holds(&target), expected, "{query}");
    }

    #[test]
    fn values_are_compared_decoded() {
        let exact = r#"{"name": "a b", "exact": ["x y", "z"]}"#;
        says(exact, "?a+b=x%20y", Truth::Yes);
        says(exact, "?%61%20b=z&c=1", Truth::Yes);
        says(exact, "?a+b=Z", Truth::No);
        says(exact, "?c=1", Truth::No);
        says(exact, "", Truth::No);
        says(r#"{"name": "a", "prefix": ["x"]}"#, "?a=xy", Truth::Yes);
        says(r#"{"name": "a", "prefix": ["x"]}"#, "?a", Truth::No);
    }

    #[test]
    fn a_parameter_that_says_two_things_says_nothing() {
        let exact = r#"{"name": "a", "exact": ["x", "y"]}"#;
        says(exact, "?a=x&a=y", Truth::Yes);
        says(exact, "?a=1&a=2", Truth::No);
        says(exact, "?a=x&a=1", Truth::Unknown);
        says(exact, "?a=1&%61=x", Truth::Unknown);
    }

    #[test]
    fn presence_is_told_of_any() {
        says(r#"{"name": "a", "present": true}"#, "?a&a=1", Truth::Yes);
        says(r#"{"name": "a", "present": true}"#, "?b", Truth::No);
        says(r#"{"name": "a", "present": false}"#, "?b", Truth::Yes);
    }
}
