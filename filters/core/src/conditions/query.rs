//! Parameters of the query.

use std::borrow::Cow;
use std::cell::OnceCell;
use std::collections::HashMap;

use crate::config::schema::Schema;
use crate::config::{At, Decode, Errors, Text};
use crate::rules::Test;
use crate::target::{Target, decode_form, form_pairs};
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
    /// servers differ on which one counts. Nor can it where it would hold with `;`
    /// between parameters but not without, or the other way round, since some servers
    /// take it for `&`.
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

/// So many different values of one parameter are told apart; what more of them say is
/// not known.
const MOST_VALUES: usize = 16;

/// The parameters of a request's query, taken apart when they are first looked at, once
/// for all rules.
#[derive(Debug, Default)]
pub struct Query(OnceCell<Read>);

/// Of a parameter cannot be told what it says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ambiguous {
    /// It has several values.
    Several,
    /// Servers differ on where it ends, and so on what it says or whether it is there.
    Boundary,
}

/// Read in two ways: with `&` between parameters, and with `;` as well, as some servers
/// do (it was so in HTML 4). `None`: there is no `;`.
#[derive(Debug)]
struct Read {
    usual: Parameters,
    also: Option<Parameters>,
}

/// By name, decoded.
type Parameters = HashMap<Vec<u8>, Values>;

/// The values of a parameter, decoded, each once.
#[derive(Debug, Default, PartialEq, Eq)]
struct Values {
    known: Vec<Vec<u8>>,
    /// There are more.
    more: bool,
}

impl Query {
    /// The one value that a parameter of `target` has, however the query is read.
    ///
    /// `None`: there is no such parameter.
    ///
    /// # Errors
    /// It has several values, or servers differ on which.
    pub fn value(&self, target: &Target<'_>, name: &str) -> Result<Option<&[u8]>, Ambiguous> {
        let Read { usual, also } = self.read(target);
        let values = usual.get(name.as_bytes());
        if also.as_ref().is_some_and(|also| also.get(name.as_bytes()) != values) {
            return Err(Ambiguous::Boundary);
        }
        match values.map(|values| (values.known.as_slice(), values.more)) {
            None => Ok(None),
            Some(([value], false)) => Ok(Some(value)),
            Some(_) => Err(Ambiguous::Several),
        }
    }

    fn read(&self, target: &Target<'_>) -> &Read {
        self.0.get_or_init(|| {
            let query = target.query().unwrap_or_default();
            let read = |separators: &'static [u8]| {
                let mut all = Parameters::new();
                for (name, value) in form_pairs(query, separators) {
                    all.entry(decode_form(name).into_owned()).or_default().add(decode_form(value));
                }
                all
            };
            Read { usual: read(b"&"), also: query.contains(&b';').then(|| read(b"&;")) }
        })
    }
}

impl Values {
    fn add(&mut self, value: Cow<'_, [u8]>) {
        if self.more || self.known.iter().any(|known| *known == *value) {
            return;
        }
        if self.known.len() < MOST_VALUES {
            self.known.push(value.into_owned());
        } else {
            self.more = true;
        }
    }
}

impl QueryMatch {
    /// The parameter that it looks at.
    #[must_use]
    pub fn name(&self) -> &str {
        self.name.as_str()
    }

    /// Does it hold for the query of `target`? Without the parameter, `exact` and
    /// `prefix` do not.
    #[must_use]
    pub fn holds(&self, query: &Query, target: &Target<'_>) -> Truth {
        let Read { usual, also } = query.read(target);
        let said = self.says(usual);
        let same = also.as_ref().is_none_or(|also| self.says(also) == said);
        if same { said } else { Truth::Unknown }
    }

    fn says(&self, parameters: &Parameters) -> Truth {
        let values = parameters.get(self.name.as_str().as_bytes());
        if let Test::Present(present) = self.test {
            return (values.is_some() == present).into();
        }
        let Some(values) = values else { return Truth::No };
        let mut said = values.known.iter().map(|value| self.test.accepts(value));
        let first = said.next().unwrap_or_default();
        if values.more || said.any(|other| other != first) { Truth::Unknown } else { first.into() }
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
        assert_eq!(condition.holds(&Query::default(), &target), expected, "{query}");
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
    fn what_a_semicolon_parts_for_some_cannot_be_told() {
        let exact = r#"{"name": "a", "exact": ["x"]}"#;
        says(exact, "?b=1;a=x", Truth::Unknown);
        says(exact, "?a=x;b=1", Truth::Unknown);
        says(exact, "?a=y;b=1", Truth::No);
        says(exact, "?b=1;c=2&a=x", Truth::Yes);
        says(exact, "?b=1%3Ba=x", Truth::No);
        says(r#"{"name": "a", "present": true}"#, "?b;a", Truth::Unknown);
        says(r#"{"name": "a", "present": true}"#, "?a;b", Truth::Unknown);
        says(r#"{"name": "a", "present": true}"#, "?a=1;b", Truth::Yes);
    }

    #[test]
    fn many_values_are_not_told_apart() {
        let query = |count: usize| {
            let values: Vec<String> = (0..count).map(|i| format!("a={i}")).collect();
            format!("?{}", values.join("&"))
        };
        says(r#"{"name": "a", "exact": ["x"]}"#, &query(MOST_VALUES), Truth::No);
        says(r#"{"name": "a", "exact": ["x"]}"#, &query(MOST_VALUES + 1), Truth::Unknown);
        says(r#"{"name": "a", "present": true}"#, &query(100), Truth::Yes);
    }

    #[test]
    fn a_value_is_the_one_of_all() {
        let value = |query: &str| {
            let path = format!("/{query}");
            let target = Target::parse(Some(path.as_bytes())).unwrap();
            Query::default().value(&target, "a").map(|value| value.map(<[u8]>::to_vec))
        };
        assert_eq!(value("?b=1"), Ok(None));
        assert_eq!(value("?a=1&%61=1"), Ok(Some(b"1".to_vec())));
        assert_eq!(value("?a=1&a=2"), Err(Ambiguous::Several));
        for unknown in ["?a=1;b", "?b;a=1"] {
            assert_eq!(value(unknown), Err(Ambiguous::Boundary), "{unknown}");
        }
    }

    #[test]
    fn presence_is_told_of_any() {
        says(r#"{"name": "a", "present": true}"#, "?a&a=1", Truth::Yes);
        says(r#"{"name": "a", "present": true}"#, "?b", Truth::No);
        says(r#"{"name": "a", "present": false}"#, "?b", Truth::Yes);
    }
}
