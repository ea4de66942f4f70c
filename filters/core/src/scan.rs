//! A reader of JSON texts of a known shape: what a member holds is borrowed
//! from the text where it stands there as it is. What is not needed is skipped
//! by serde_json, which also judges it.

use std::borrow::Cow;

use serde::de::{Deserialize, IgnoredAny};

use crate::bytes;

/// What is left of a text.
#[derive(Debug)]
pub(crate) struct Scan<'a>(&'a str);

impl<'a> Scan<'a> {
    /// From the beginning.
    pub(crate) fn new(text: &'a str) -> Self {
        Scan(text)
    }

    /// The members of an object that is all of the text: `member` reads the
    /// value that follows each name.
    pub(crate) fn object(
        mut self,
        mut member: impl FnMut(&str, &mut Self) -> Option<()>,
    ) -> Option<()> {
        self.sign(b'{')?;
        if self.sign(b'}').is_none() {
            loop {
                let name = self.text()?;
                self.sign(b':')?;
                member(&name, &mut self)?;
                if self.sign(b',').is_none() {
                    break;
                }
            }
            self.sign(b'}')?;
        }
        self.blanks();
        self.0.is_empty().then_some(())
    }

    /// A string.
    pub(crate) fn text(&mut self) -> Option<Cow<'a, str>> {
        self.blanks();
        let rest = self.0.strip_prefix('"')?;
        let end = bytes::string_end(rest.as_bytes())?;
        match (rest.get(..end), rest.as_bytes().get(end), rest.get(end.checked_add(1)?..)) {
            (Some(text), Some(b'"'), Some(after)) => {
                self.0 = after;
                Some(Cow::Borrowed(text))
            }
            // Escapes, or what no string may hold.
            _ => self.value::<String>().map(Cow::Owned),
        }
    }

    /// An array of strings.
    pub(crate) fn texts(&mut self) -> Option<Vec<Cow<'a, str>>> {
        let mut texts = Vec::with_capacity(16);
        self.sign(b'[')?;
        if self.sign(b']').is_some() {
            return Some(texts);
        }
        loop {
            texts.push(self.text()?);
            if self.sign(b',').is_none() {
                return self.sign(b']').map(|()| texts);
            }
        }
    }

    /// Any value, as serde reads it.
    pub(crate) fn value<T: Deserialize<'a>>(&mut self) -> Option<T> {
        let mut values = serde_json::Deserializer::from_str(self.0).into_iter::<T>();
        let value = values.next()?.ok()?;
        self.0 = self.0.get(values.byte_offset()..)?;
        Some(value)
    }

    /// Passes over any value; its text.
    pub(crate) fn skip(&mut self) -> Option<&'a str> {
        self.blanks();
        let before = self.0;
        self.value::<IgnoredAny>()?;
        before.get(..before.len().checked_sub(self.0.len())?)
    }

    /// This sign, if it comes next.
    fn sign(&mut self, sign: u8) -> Option<()> {
        self.blanks();
        if *self.0.as_bytes().first()? != sign {
            return None;
        }
        self.0 = self.0.get(1..)?;
        Some(())
    }

    fn blanks(&mut self) {
        let blank = |b: &u8| matches!(b, b' ' | b'\t' | b'\n' | b'\r');
        // Who writes for a machine writes none.
        if self.0.as_bytes().first().is_some_and(blank) {
            self.0 = self.0.trim_start_matches([' ', '\t', '\n', '\r']);
        }
    }
}
