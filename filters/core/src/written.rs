//! Reads an identity in the very form in which [`Identity::to_json`] writes it: the
//! members in their order, no blanks, no escapes, no claims. Nearly all are so, and
//! this is short; the reader of any JSON has the rest, and says the same of these.
//!
//! [`Identity::to_json`]: crate::Identity::to_json

use std::borrow::Cow;

use crate::bytes;
use crate::identity::{Seen, SeenCaller};

/// What is left of the text.
struct Written<'a>(&'a str);

impl<'a> Written<'a> {
    /// Passes over these signs, if they come next.
    fn sign(&mut self, signs: &str) -> bool {
        let rest = self.0.strip_prefix(signs);
        self.0 = rest.unwrap_or(self.0);
        rest.is_some()
    }

    /// A string whose opening quote is passed.
    fn text(&mut self) -> Option<Cow<'a, str>> {
        let end = bytes::string_end(self.0.as_bytes())?;
        let (text, rest) = self.0.split_at_checked(end)?;
        self.0 = rest.strip_prefix('"')?;
        Some(Cow::Borrowed(text))
    }

    /// A member, if it comes next: its name with all signs up to the opening quote.
    fn member(&mut self, name: &str) -> Option<Option<Cow<'a, str>>> {
        if self.sign(name) { self.text().map(Some) } else { Some(None) }
    }

    fn scopes(&mut self) -> Option<Vec<Cow<'a, str>>> {
        let mut scopes = Vec::with_capacity(16);
        if !self.sign(r#","scopes":["#) {
            return None;
        }
        if self.sign("]") {
            return Some(scopes);
        }
        loop {
            if !self.sign("\"") {
                return None;
            }
            scopes.push(self.text()?);
            if !self.sign(",") {
                return self.sign("]").then_some(scopes);
            }
        }
    }
}

/// Reads it; `None`: it has another form.
pub(crate) fn read(json: &str) -> Option<Seen<'_>> {
    let mut written = Written(json);
    let sub = written.member(r#"{"v":1,"sub":""#)??;
    let caller = SeenCaller {
        sub,
        iss: written.member(r#","iss":""#)?,
        client: written.member(r#","client":""#)?,
        scopes: written.scopes()?,
        provider: written.member(r#","provider":""#)??,
        credential: written.member(r#","credential":""#)??,
        plan: written.member(r#","plan":""#)?,
        claims: None,
    };
    (written.0 == "}").then(|| Seen::Known(Box::new(caller)))
}
