//! A scope, as a policy may name it.

use postern_core::config::schema::Schema;
use postern_core::config::{At, Decode, Errors, decode_text};

/// A scope token (RFC 6749 §3.3), 1–128 characters: it can stand in a
/// challenge as it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scope(String);

const EXPECTED: &str =
    "a scope of 1 to 128 printable ASCII characters without blank, `\"` and `\\`";

impl Scope {
    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Decode for Scope {
    fn decode(at: At<'_>, errors: &mut Errors) -> Option<Self> {
        decode_text(at, errors, EXPECTED, |text| {
            let token = |b: u8| (0x21..=0x7e).contains(&b) && b != b'"' && b != b'\\';
            if (1..=128).contains(&text.len()) && text.bytes().all(token) {
                Ok(Scope(text.to_owned()))
            } else {
                Err(format!("expected {EXPECTED}"))
            }
        })
    }

    fn schema() -> Schema {
        Schema::Text { expected: EXPECTED, pattern: Some(r"^[!#-\[\]-~]{1,128}$") }
    }
}
