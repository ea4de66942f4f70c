//! The type of a token, as its header says it (RFC 7519 §5.1, RFC 9068 §2.1).

use postern_core::config::schema::Schema;
use postern_core::config::{At, Decode, Errors, Text};

/// A value of `typ`, in lower case and without `application/`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenType(String);

const APPLICATION: &str = "application/";

impl TokenType {
    pub(crate) fn new(text: &str) -> Self {
        let lower = text.to_ascii_lowercase();
        TokenType(lower.strip_prefix(APPLICATION).unwrap_or(&lower).to_owned())
    }

    /// Is it the type of which this text says so?
    pub(crate) fn is(&self, text: &str) -> bool {
        let subtype = match text.split_at_checked(APPLICATION.len()) {
            Some((kind, subtype)) if kind.eq_ignore_ascii_case(APPLICATION) => subtype,
            _ => text,
        };
        self.0.eq_ignore_ascii_case(subtype)
    }
}

impl Decode for TokenType {
    fn decode(at: At<'_>, errors: &mut Errors) -> Option<Self> {
        Text::decode(at, errors).map(|text| TokenType::new(text.as_str()))
    }

    fn schema() -> Schema {
        Text::schema()
    }
}
