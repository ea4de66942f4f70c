//! The type of a token, as its header says it (RFC 7519 §5.1, RFC 9068 §2.1).

use postern_core::config::schema::Schema;
use postern_core::config::{At, Decode, Errors, Text};

/// A value of `typ`, in lower case and without `application/`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenType(String);

impl TokenType {
    pub(crate) fn new(text: &str) -> Self {
        let lower = text.to_ascii_lowercase();
        TokenType(lower.strip_prefix("application/").unwrap_or(&lower).to_owned())
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
