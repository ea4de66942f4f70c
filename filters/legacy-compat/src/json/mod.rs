//! JSON documents that lose nothing. A document is a tree of places in its own
//! text: what is not edited is copied byte for byte, so numbers keep their
//! digits, strings their escapes, objects their order and duplicate keys.

mod read;
mod text;

pub(crate) use postern_core::json_text::push_quoted;
pub(crate) use read::BadJson;
pub(crate) use text::unescaped;

use std::borrow::Cow;
use std::cell::RefCell;
use std::collections::BTreeMap;

/// A JSON text (RFC 8259) and the tree over it.
#[derive(Debug)]
pub(crate) struct Document<'a> {
    source: &'a str,
    root: Value,
    /// Members of large objects by name, by the object's place: made when one
    /// is first asked for, so that looking up each member of each is not
    /// quadratic.
    indexes: RefCell<BTreeMap<usize, Index>>,
}

/// The place of each member; of duplicates the last.
type Index = BTreeMap<String, usize>;

/// Objects of more members are looked up by an index.
const SMALL: usize = 16;

/// A value: where it stands, and what it is made of.
#[derive(Debug)]
pub(crate) struct Value {
    start: usize,
    end: usize,
    /// What it is.
    pub(crate) kind: Kind,
}

/// The kinds of values. Scalars are read from the text when they are needed.
#[derive(Debug)]
pub(crate) enum Kind {
    Null,
    Bool,
    Number,
    Text,
    List(Vec<Value>),
    Object(Vec<(Key, Value)>),
}

/// A member's name: where it stands, quotes included.
#[derive(Debug)]
pub(crate) struct Key {
    start: usize,
    end: usize,
}

impl Value {
    /// Where it stands.
    pub(crate) fn range(&self) -> std::ops::Range<usize> {
        self.start..self.end
    }
}

impl Key {
    /// Where it stands, quotes included.
    pub(crate) fn range(&self) -> std::ops::Range<usize> {
        self.start..self.end
    }
}

impl<'a> Document<'a> {
    /// Reads a whole text.
    ///
    /// # Errors
    /// The first place that is not JSON, or too deep.
    pub(crate) fn read(text: &'a [u8]) -> Result<Self, BadJson> {
        let source = std::str::from_utf8(text)
            .map_err(|e| BadJson { at: e.valid_up_to(), what: "not UTF-8" })?;
        let root = read::value(source)?;
        Ok(Document { source, root, indexes: RefCell::default() })
    }

    /// The outermost value.
    pub(crate) fn root(&self) -> &Value {
        &self.root
    }

    /// Where the outermost value stands; around it are blanks.
    pub(crate) fn range(&self) -> std::ops::Range<usize> {
        self.root.range()
    }

    /// A value as it stands in the text.
    pub(crate) fn raw(&self, value: &Value) -> &'a str {
        self.source.get(value.start..value.end).unwrap_or_default()
    }

    /// What stands between two places.
    pub(crate) fn between(&self, from: usize, to: usize) -> &'a str {
        self.source.get(from..to.min(self.source.len())).unwrap_or_default()
    }

    /// A string without quotes and escapes; empty for other values.
    pub(crate) fn text(&self, value: &Value) -> Cow<'a, str> {
        match value.kind {
            Kind::Text => unescaped(self.raw(value)),
            _ => Cow::Borrowed(""),
        }
    }

    /// A member's name without quotes and escapes.
    pub(crate) fn key(&self, key: &Key) -> Cow<'a, str> {
        unescaped(self.source.get(key.start..key.end).unwrap_or_default())
    }

    /// A member of an object. Of duplicates it is the last, as most readers
    /// have it.
    pub(crate) fn member<'v>(&self, value: &'v Value, name: &str) -> Option<&'v Value> {
        let Kind::Object(members) = &value.kind else { return None };
        if members.len() <= SMALL {
            return members.iter().rev().find(|(key, _)| self.key(key) == name).map(|(_, v)| v);
        }
        let mut indexes = self.indexes.borrow_mut();
        let index = indexes.entry(value.start).or_insert_with(|| {
            // To collect them would sort them, which is much code.
            let mut index = Index::new();
            for (at, (key, _)) in members.iter().enumerate() {
                index.insert(self.key(key).into_owned(), at);
            }
            index
        });
        members.get(*index.get(name)?).map(|(_, v)| v)
    }

    /// The text with some scalars replaced. `edit` sees each scalar with the
    /// name of the member it stands in (items of a list: the list's), and
    /// writes another JSON text or answers false.
    pub(crate) fn edited(
        &self,
        mut edit: impl FnMut(Option<&str>, &Value, &mut String) -> bool,
    ) -> String {
        let mut out = String::with_capacity(self.source.len().saturating_add(64));
        let mut copied = 0;
        self.edit_value(&self.root, None, &mut |name, value| {
            let mark = out.len();
            out.push_str(self.source.get(copied..value.start).unwrap_or_default());
            if edit(name, value, &mut out) {
                copied = value.end;
            } else {
                out.truncate(mark);
            }
        });
        out.push_str(self.source.get(copied..).unwrap_or_default());
        out
    }

    fn edit_value(
        &self,
        value: &Value,
        name: Option<&str>,
        edit: &mut impl FnMut(Option<&str>, &Value),
    ) {
        match &value.kind {
            Kind::Null | Kind::Bool | Kind::Number | Kind::Text => edit(name, value),
            Kind::List(items) => {
                for item in items {
                    self.edit_value(item, name, edit);
                }
            }
            Kind::Object(members) => {
                for (key, member) in members {
                    let key = self.key(key);
                    self.edit_value(member, Some(key.as_ref()), edit);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests;
