//! Methods, as rules name them.

use crate::config::schema::Schema;
use crate::config::{At, Decode, Errors, decode_text};
use crate::grammar;

/// An HTTP method, in upper case as on the wire.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Method(String);

impl Method {
    /// Does a request with this method fall under it? `GET` covers `HEAD`.
    #[must_use]
    pub fn covers(&self, method: &[u8]) -> bool {
        self.0.as_bytes() == method || (self.0 == "GET" && method == b"HEAD")
    }

    /// As it stands on the wire.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Decode for Method {
    fn decode(at: At<'_>, errors: &mut Errors) -> Option<Self> {
        const EXPECTED: &str = "a method in upper case such as `GET`";
        decode_text(at, errors, EXPECTED, |text| {
            let lower = text.bytes().any(|b| b.is_ascii_lowercase());
            if grammar::is_method(text.as_bytes()) && !lower {
                Ok(Method(text.to_owned()))
            } else {
                Err(format!("expected {EXPECTED}"))
            }
        })
    }

    fn schema() -> Schema {
        Schema::Text { expected: "a method in upper case such as `GET`", pattern: None }
    }
}
