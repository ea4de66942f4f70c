//! What a caller's credential is good for.

use crate::bytes;
use crate::challenge::{LONGEST_SCOPE, Scope, is_scope};

/// Scopes (RFC 6749 §3.3), each of 1 to 256 characters, with one blank between two: a
/// scope holds none, nor anything that JSON would escape.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Scopes(String);

impl Scopes {
    /// Those of a text that separates them by blanks. `None`: it holds something else.
    #[must_use]
    pub fn read(text: &str) -> Option<Self> {
        if text.is_empty() {
            return Some(Scopes::default());
        }
        let ends = [text.as_bytes().first(), text.as_bytes().last()];
        if ends.contains(&Some(&b' ')) || bytes::has_pair(text.as_bytes(), b' ') {
            return Scopes::of(text.split(' ').filter(|scope| !scope.is_empty()));
        }
        let are_short =
            text.len() <= LONGEST_SCOPE || text.split(' ').all(|s| s.len() <= LONGEST_SCOPE);
        (are_short && bytes::are_scopes(text.as_bytes())).then(|| Scopes(text.to_owned()))
    }

    /// These. `None`: one of them is no scope.
    #[must_use]
    pub fn of<'s>(scopes: impl IntoIterator<Item = &'s str>) -> Option<Self> {
        let mut text = String::new();
        for scope in scopes {
            is_scope(scope).then_some(())?;
            if !text.is_empty() {
                text.push(' ');
            }
            text.push_str(scope);
        }
        Some(Scopes(text))
    }

    /// With one blank between two.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Are there none?
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// One by one.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.split(' ').filter(|scope| !scope.is_empty())
    }

    /// Appends an array of JSON.
    pub(crate) fn push_json(&self, out: &mut Vec<u8>) {
        if self.is_empty() {
            out.extend_from_slice(b"[]");
            return;
        }
        out.extend_from_slice(b"[\"");
        let mut rest = self.0.as_bytes();
        while let Some((scope, [_, after @ ..])) =
            bytes::find(rest, b' ').and_then(|blank| rest.split_at_checked(blank))
        {
            out.extend_from_slice(scope);
            out.extend_from_slice(b"\",\"");
            rest = after;
        }
        out.extend_from_slice(rest);
        out.extend_from_slice(b"\"]");
    }
}

/// Those of a policy.
impl From<&[Scope]> for Scopes {
    fn from(scopes: &[Scope]) -> Self {
        let scopes: Vec<&str> = scopes.iter().map(Scope::as_str).collect();
        Scopes(scopes.join(" "))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn they_are_scopes_with_one_blank_between_two() {
        for (text, tidy) in [
            ("", ""),
            (" ", ""),
            ("a", "a"),
            ("user:email sale:history", "user:email sale:history"),
            ("  a  b ", "a b"),
            ("a b ", "a b"),
            (" a b", "a b"),
            ("a-scope-of-some-length  b", "a-scope-of-some-length b"),
        ] {
            assert_eq!(Scopes::read(text).as_ref().map(Scopes::as_str), Some(tidy), "{text:?}");
        }
        for bad in ["a\"", "\\", "a\tb", "a\nb", "\u{e9}", "a \u{7f}", " \"", "a  \\"] {
            assert_eq!(Scopes::read(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn each_has_256_characters_at_most() {
        let (longest, longer) = ("s".repeat(256), "s".repeat(257));
        for (scope, is_good) in [(longest, true), (longer, false)] {
            let text = |before: &str| Scopes::read(&format!("{before}{scope}")).is_some();
            assert_eq!([text(""), text("a "), text(" a ")], [is_good; 3]);
            assert_eq!(Scopes::of(["a", &scope]).is_some(), is_good);
        }
        assert_eq!(Scopes::of(["a", ""]), None);
        assert_eq!(Scopes::of(["a b"]), None);
    }

    proptest! {
        #[test]
        fn they_are_read_as_a_simple_model_reads_them(
            text in "([a-c!:]{0,9} {0,2}){0,9}|[ -~]{0,20}|([a]{0,90} ?){0,9}",
        ) {
            let words: Vec<&str> = text.split(' ').filter(|word| !word.is_empty()).collect();
            let are_good = words.iter().all(|word| is_scope(word));
            let read = Scopes::read(&text);
            prop_assert_eq!(&read, &Scopes::of(words.iter().copied()));
            prop_assert_eq!(read.is_some(), are_good);
            let Some(scopes) = read else { return Ok(()) };
            prop_assert_eq!(scopes.as_str(), words.join(" "));
            prop_assert_eq!(scopes.is_empty(), words.is_empty());
            let mut json = Vec::new();
            scopes.push_json(&mut json);
            prop_assert_eq!(json, serde_json::to_vec(&words).unwrap());
            prop_assert_eq!(scopes.iter().collect::<Vec<_>>(), words);
        }
    }
}
