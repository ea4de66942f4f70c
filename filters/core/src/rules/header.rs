//! Headers, and conditions on them.

use crate::bytes;
use crate::config::schema::Schema;
use crate::config::{At, Decode, Errors, Text, decode_text};
use crate::grammar;
use crate::headers::Headers;
use crate::truth::Truth;

/// The name of a header, in lower case.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HeaderName(String);

impl HeaderName {
    /// The name in lower case.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// A name in a type's declaration of defaults.
    #[must_use]
    pub fn from_static(name: &'static str) -> Self {
        HeaderName(name.to_ascii_lowercase())
    }
}

impl Decode for HeaderName {
    fn decode(at: At<'_>, errors: &mut Errors) -> Option<Self> {
        decode_text(at, errors, "a header name", |text| {
            let lower = text.to_ascii_lowercase();
            if grammar::is_header_name(&lower) {
                Ok(HeaderName(lower))
            } else {
                Err("expected a header name (RFC 9110 token)".to_owned())
            }
        })
    }

    fn schema() -> Schema {
        Schema::Text {
            expected: "a header name",
            pattern: Some("^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,256}$"),
        }
    }
}

/// A condition on a header; it holds if one of the header's values fulfils it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct HeaderMatch {
    name: HeaderName,
    test: Test,
}

impl HeaderMatch {
    /// The header that it looks at.
    #[must_use]
    pub fn name(&self) -> &HeaderName {
        &self.name
    }
}

/// What a value has to be.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Test {
    Exact(Vec<Text>),
    Prefix(Vec<Text>),
    /// Whatever it is: it is there, or is not.
    Present(bool),
}

impl Test {
    /// Exactly one has to be given.
    pub(crate) fn one_of(
        exact: Option<Vec<Text>>,
        prefix: Option<Vec<Text>>,
        present: Option<bool>,
        at: At<'_>,
        errors: &mut Errors,
    ) -> Option<Self> {
        match (exact, prefix, present) {
            (Some(list), None, None) if !list.is_empty() => Some(Test::Exact(list)),
            (None, Some(list), None) if !list.is_empty() => Some(Test::Prefix(list)),
            (None, None, Some(present)) => Some(Test::Present(present)),
            _ => {
                at.error(
                    errors,
                    "expected exactly one test of `exact`, `prefix` or `present`, not empty",
                );
                None
            }
        }
    }

    /// Is this value one of those meant?
    pub(crate) fn accepts(&self, value: &[u8]) -> bool {
        match self {
            Test::Exact(list) => list.iter().any(|t| t.as_str().as_bytes() == value),
            Test::Prefix(list) => list.iter().any(|t| value.starts_with(t.as_str().as_bytes())),
            Test::Present(present) => *present,
        }
    }
}

crate::config! {
    /// A condition on a header: its name and exactly one test. Of a header that
    /// is repeated one value is enough; in `authz`, `exact` and `prefix` of one whose
    /// values differ cannot be told, since servers differ on which one counts. The
    /// proxy makes one value, with commas, of many a repeated header before any filter
    /// sees it (`user-agent`, `accept`, `referer`, `origin`, `via`, …), so in `authz` a
    /// test that such a value does not fulfil as a whole is asked of its parts: it holds if
    /// all fulfil it, and cannot be told if some do.
    /// Blanks around a value are no part of it.
    struct HeaderMatchConfig {
        /// The header's name, in any case.
        name: HeaderName,
        /// A value is one of these.
        exact: Option<Vec<Text>>,
        /// A value begins with one of these.
        prefix: Option<Vec<Text>>,
        /// The header is there, or is not.
        present: Option<bool>,
    }
}

impl Decode for HeaderMatch {
    fn decode(at: At<'_>, errors: &mut Errors) -> Option<Self> {
        let HeaderMatchConfig { name, exact, prefix, present } =
            HeaderMatchConfig::decode(at, errors)?;
        if name.as_str() == "host" {
            at.error(errors, "the proxy has no header `host`: use `hosts` of the match");
            return None;
        }
        let test = Test::one_of(exact, prefix, present, at, errors)?;
        Some(HeaderMatch { name, test })
    }

    fn schema() -> Schema {
        HeaderMatchConfig::schema()
    }
}

impl HeaderMatch {
    /// Is there a value that fulfils it?
    #[must_use]
    pub fn holds(&self, headers: &Headers<'_>) -> bool {
        let mut values = headers.all(self.name.as_str());
        match &self.test {
            Test::Present(present) => values.next().is_some() == *present,
            test => values.any(|value| test.accepts(value)),
        }
    }

    /// The same where no doubt may pass: several values that differ say nothing. The
    /// proxy makes one value, with commas, of many a header that is repeated, whose parts
    /// may differ in what they say.
    pub(super) fn says(&self, headers: &Headers<'_>) -> Truth {
        let mut values = headers.all(self.name.as_str());
        if let Test::Present(present) = self.test {
            return (values.next().is_some() == present).into();
        }
        let Some(first) = values.next() else { return Truth::No };
        if values.any(|other| other != first) {
            return Truth::Unknown;
        }
        if self.test.accepts(first) {
            return Truth::Yes;
        }
        let mut parts = first.split(|b| *b == b',').map(<[u8]>::trim_ascii);
        if bytes::find(first, b',').is_none() || !parts.clone().any(|p| self.test.accepts(p)) {
            return Truth::No;
        }
        if parts.all(|p| self.test.accepts(p)) { Truth::Yes } else { Truth::Unknown }
    }
}
