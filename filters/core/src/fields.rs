//! Header fields that are written with many messages: held to their grammar once.

use crate::grammar;
use crate::step::{HeaderEdit, Name};

/// Fields for a message, each with one value.
#[derive(Default, PartialEq, Eq)]
pub struct Fields {
    good: Vec<(Name, Vec<u8>)>,
    bad: Option<Name>,
}

/// How they are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Put {
    /// In the place of all that have their names.
    Replace,
    /// Beside what is there, which costs the proxy less: for those that have seen in this
    /// very event that nothing has one of their names.
    Add,
}

impl Fields {
    /// Of these, those that [may be written](grammar::may_write).
    #[must_use]
    pub fn new(fields: Vec<(Name, Vec<u8>)>) -> Self {
        let (mut good, mut bad) = (fields, None);
        good.retain(|(name, value)| {
            let may_be = grammar::may_write(name, value);
            if !may_be {
                bad.get_or_insert_with(|| name.clone());
            }
            may_be
        });
        Fields { good, bad }
    }

    /// Names and values in order. Each may be written.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &[u8])> {
        self.good.iter().map(|(name, value)| (name.as_ref(), value.as_ref()))
    }

    /// The first that may not be written: a request for which it is meant goes no further.
    #[must_use]
    pub fn bad(&self) -> Option<&str> {
        self.bad.as_deref()
    }

    /// What is made of them, one by one.
    #[must_use]
    pub fn edits(&self) -> Vec<HeaderEdit> {
        let edit = |(name, value): &(Name, Vec<u8>)| HeaderEdit::set(name.clone(), value.clone());
        let bad = self.bad.iter().map(|name| HeaderEdit::set(name.clone(), *b"\n"));
        self.good.iter().map(edit).chain(bad).collect()
    }

    /// About how many bytes they take.
    #[must_use]
    pub fn size(&self) -> usize {
        self.iter().fold(0, |size, (name, value)| {
            size.saturating_add(name.len()).saturating_add(value.len())
        })
    }
}

impl std::fmt::Debug for Fields {
    /// Names only.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.iter().map(|(name, _)| name)).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_not_be_written_is_no_field() {
        let fields = |list: &[(&'static str, &str)]| {
            Fields::new(list.iter().map(|(n, v)| ((*n).into(), v.as_bytes().to_vec())).collect())
        };
        let good = fields(&[("x-a", "1"), ("x-b", "")]);
        assert_eq!(good.bad(), None);
        assert_eq!(good.edits(), [HeaderEdit::set("x-a", "1"), HeaderEdit::set("x-b", "")]);
        assert_eq!(format!("{good:?}"), r#"["x-a", "x-b"]"#);
        let some = fields(&[("x-a", "1"), ("x-b", "2\r\nx-c: 3"), ("X-D", "4")]);
        assert_eq!(some.bad(), Some("x-b"));
        assert_eq!(some.iter().collect::<Vec<_>>(), [("x-a", &b"1"[..])]);
    }
}
