//! The words of challenges (RFC 6749 §3.3, RFC 9110 §11.5) that policies name:
//! they stand in quoted strings as they are.

use crate::bytes;
use crate::config::schema::Schema;
use crate::config::{At, Decode, Errors, decode_text};

/// A protection space.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Realm(String);

const REALM: &str = "a realm of 1 to 128 printable ASCII characters without `\"` and `\\`";

impl Realm {
    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Default for Realm {
    fn default() -> Self {
        Realm("postern".to_owned())
    }
}

impl Decode for Realm {
    fn decode(at: At<'_>, errors: &mut Errors) -> Option<Self> {
        decode_text(at, errors, REALM, |text| {
            let good = |b: u8| (0x20..=0x7e).contains(&b) && b != b'"' && b != b'\\';
            if (1..=128).contains(&text.len()) && text.bytes().all(good) {
                Ok(Realm(text.to_owned()))
            } else {
                Err(format!("expected {REALM}"))
            }
        })
    }

    fn schema() -> Schema {
        Schema::Text { expected: REALM, pattern: Some(r"^[ !#-\[\]-~]{1,128}$") }
    }
}

/// A scope-token.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Scope(String);

const SCOPE: &str = "a scope of 1 to 256 printable ASCII characters without blank, `\"` and `\\`";

impl Scope {
    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Decode for Scope {
    fn decode(at: At<'_>, errors: &mut Errors) -> Option<Self> {
        decode_text(at, errors, SCOPE, |text| {
            if is_scope(text) {
                Ok(Scope(text.to_owned()))
            } else {
                Err(format!("expected {SCOPE}"))
            }
        })
    }

    fn schema() -> Schema {
        Schema::Text { expected: SCOPE, pattern: Some(r"^[!#-\[\]-~]{1,256}$") }
    }
}

/// The longest scope, in bytes.
pub(crate) const LONGEST_SCOPE: usize = 256;

/// Is this a scope-token, of 1 to 256 characters?
#[must_use]
pub fn is_scope(text: &str) -> bool {
    (1..=LONGEST_SCOPE).contains(&text.len()) && bytes::is_scope(text.as_bytes())
}
