//! Decoding that goes on after a mistake.

use std::collections::BTreeMap;

use super::error::{Errors, Problem};
use super::node::{Key, Node, Value};
use super::schema::Schema;

/// A type that a configuration value is decoded into.
pub trait Decode: Sized {
    /// Decodes; mistakes go into `errors`, and `None` means there was one.
    fn decode(at: At<'_>, errors: &mut Errors) -> Option<Self>;

    /// What a missing key stands for; `None`: the key is required.
    fn absent() -> Option<Self> {
        None
    }

    /// The shape, for the JSON Schema and the reference.
    fn schema() -> Schema;
}

/// A node, and the way to it from the root.
#[derive(Clone, Copy, Debug)]
pub struct At<'a> {
    node: &'a Node,
    step: Step<'a>,
    parent: Option<&'a At<'a>>,
}

#[derive(Clone, Copy, Debug)]
enum Step<'a> {
    /// Where the whole stands in a larger document; empty for the root of all.
    Root(&'a str),
    Key(&'a str),
    Index(usize),
}

impl<'a> At<'a> {
    /// The root of a document.
    #[must_use]
    pub fn root(node: &'a Node) -> Self {
        At { node, step: Step::Root(""), parent: None }
    }

    /// A part of a document whose path is known.
    #[must_use]
    pub fn part(path: &'a str, node: &'a Node) -> Self {
        At { node, step: Step::Root(path), parent: None }
    }

    /// The node itself.
    #[must_use]
    pub fn node(&self) -> &'a Node {
        self.node
    }

    /// Another value in the same place.
    #[must_use]
    pub fn replaced<'b>(&'b self, node: &'b Node) -> At<'b> {
        At { node, ..*self }
    }

    /// A value of a mapping.
    #[must_use]
    pub fn key<'b>(&'b self, key: &'b str, node: &'b Node) -> At<'b> {
        At { node, step: Step::Key(key), parent: Some(self) }
    }

    /// An item of a list.
    #[must_use]
    pub fn index<'b>(&'b self, index: usize, node: &'b Node) -> At<'b> {
        At { node, step: Step::Index(index), parent: Some(self) }
    }

    /// The path from the root: `limits[2].window`.
    #[must_use]
    pub fn path(&self) -> String {
        let mut path = self.parent.map(At::path).unwrap_or_default();
        match self.step {
            Step::Root(above) => path.push_str(above),
            Step::Key(key) => {
                if !path.is_empty() {
                    path.push('.');
                }
                path.push_str(key);
            }
            Step::Index(i) => {
                path.push_str(&format!("[{i}]"));
            }
        }
        path
    }

    /// Notes a mistake about this node.
    pub fn error(&self, errors: &mut Errors, message: impl Into<String>) {
        errors.push(Problem { path: self.path(), span: self.node.span, message: message.into() });
    }

    /// Notes that another kind of value was expected. The value found is not
    /// shown: it may be a secret in the wrong place.
    pub fn expected(&self, errors: &mut Errors, expected: &str) {
        self.error(errors, format!("expected {expected}, but found {}", self.node.kind()));
    }

    /// The entries, if this is a mapping; duplicates are noted and left out.
    pub fn entries(&self, errors: &mut Errors) -> Option<Vec<&'a (Key, Node)>> {
        let Value::Map(entries) = &self.node.value else {
            self.expected(errors, "a mapping");
            return None;
        };
        // Most have few keys, which are compared sooner than sorted.
        let few = entries.len() <= FEW;
        let mut seen: BTreeMap<&str, &Key> = BTreeMap::new();
        let mut out: Vec<&'a (Key, Node)> = Vec::with_capacity(entries.len());
        for entry in entries {
            let (key, _) = entry;
            let first = if few {
                out.iter().map(|(key, _)| key).find(|first| first.text == key.text)
            } else {
                seen.get(key.text.as_str()).copied()
            };
            if let Some(first) = first {
                let at = first.span.start.line;
                let hint = if at > 0 { format!(" (first on line {at})") } else { String::new() };
                errors.push(Problem {
                    path: self.path(),
                    span: key.span,
                    message: format!("duplicate key `{}`{hint}", shown(&key.text)),
                });
            } else {
                if !few {
                    seen.insert(key.text.as_str(), key);
                }
                out.push(entry);
            }
        }
        Some(out)
    }

    /// The items, if this is a list.
    pub fn items(&self, errors: &mut Errors) -> Option<&'a [Node]> {
        match &self.node.value {
            Value::List(items) => return Some(items),
            Value::Text(_) => {
                let message = "expected a list, but found a string: one alone stands in brackets, \
                               `[…]`";
                self.error(errors, message);
            }
            _ => self.expected(errors, "a list"),
        }
        None
    }

    /// Notes a key that this mapping does not know, with the nearest it does.
    pub fn unknown_key(&self, errors: &mut Errors, key: &Key, known: &[&str]) {
        let hint = meant(known, &key.text);
        errors.push(Problem {
            path: self.path(),
            span: key.span,
            message: format!("unknown key `{}`, {hint}", shown(&key.text)),
        });
    }

    /// The entries of a mapping that knows these keys; others are noted.
    #[doc(hidden)]
    #[inline(never)]
    pub fn known(&self, known: &[&str], errors: &mut Errors) -> Option<Vec<&'a (Key, Node)>> {
        let entries = self.entries(errors)?;
        for (key, _) in &entries {
            if !known.contains(&key.text.as_str()) {
                self.unknown_key(errors, key, known);
            }
        }
        Some(entries)
    }

    /// Decodes one key of a mapping's entries. A value that is wrong where there
    /// is a default is noted and decodes to that default, so that the rest of
    /// the document is still looked at.
    // There is one of it for each type, so it is short, and never put in where it is used.
    #[inline(never)]
    pub fn field<T: Decode>(
        &self,
        entries: &[&'a (Key, Node)],
        name: &str,
        default: Option<fn() -> T>,
        errors: &mut Errors,
    ) -> Option<T> {
        match given(entries, name) {
            Some(node) => T::decode(self.key(name, node), errors).or_else(|| default.map(|d| d())),
            None => {
                let value = default.map(|d| d()).or_else(T::absent);
                if value.is_none() {
                    self.missing(name, errors);
                }
                value
            }
        }
    }

    #[inline(never)]
    fn missing(&self, name: &str, errors: &mut Errors) {
        self.error(errors, format!("missing key `{name}`"));
    }
}

#[inline(never)]
fn given<'a>(entries: &[&'a (Key, Node)], name: &str) -> Option<&'a Node> {
    entries.iter().find(|(k, _)| k.text == name).map(|(_, node)| node)
}

/// The nearest of the names that are known, or all of them.
#[must_use]
pub fn meant(known: &[&str], found: &str) -> String {
    match near(known, found) {
        Some(k) => format!("did you mean `{k}`?"),
        None => format!("expected {}", one_of(known)),
    }
}

/// The one that differs in a letter or two, if there is one.
#[must_use]
pub fn near<'k>(known: &[&'k str], found: &str) -> Option<&'k str> {
    let near = known.iter().map(|k| (distance(k, found), *k));
    near.filter(|(d, k)| *d <= 2 && *d < k.len()).min().map(|(_, k)| k)
}

/// None of a choice's words: `expected` lists them.
#[doc(hidden)]
#[must_use]
pub fn no_word(known: &[&str], expected: &str, found: &str) -> String {
    let same = known.iter().find(|word| word.eq_ignore_ascii_case(found)).copied();
    match same.or_else(|| near(known, found)) {
        Some(word) => format!("expected {expected}: did you mean `{word}`?"),
        None => format!("expected {expected}"),
    }
}

/// So many keys are compared one by one.
const FEW: usize = 16;

/// "`a`, `b` or `c`".
pub(super) fn one_of(known: &[&str]) -> String {
    match known {
        [] => "no keys here".to_owned(),
        [only] => format!("`{only}`"),
        [init @ .., last] => {
            let init: Vec<_> = init.iter().map(|k| format!("`{k}`")).collect();
            format!("{} or `{last}`", init.join(", "))
        }
    }
}

/// A user's key as it may be shown: short, on one line.
fn shown(key: &str) -> String {
    let clean: String = key.chars().filter(|c| !c.is_control()).take(40).collect();
    if clean.len() == key.len() { clean } else { format!("{clean}…") }
}

/// Levenshtein distance.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().take(64).collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, ca) in a.chars().take(64).enumerate() {
        let mut diagonal = i;
        let mut left = i + 1;
        for (cell, cb) in row.iter_mut().skip(1).zip(&b) {
            let substituted = diagonal + usize::from(ca != *cb);
            diagonal = *cell;
            *cell = substituted.min(left + 1).min(diagonal + 1);
            left = *cell;
        }
        if let Some(first) = row.first_mut() {
            *first = i + 1;
        }
    }
    row.last().copied().unwrap_or(0)
}

impl<T: Decode> Decode for Option<T> {
    fn decode(at: At<'_>, errors: &mut Errors) -> Option<Self> {
        T::decode(at, errors).map(Some)
    }

    fn absent() -> Option<Self> {
        Some(None)
    }

    fn schema() -> Schema {
        T::schema()
    }
}

impl<T: Decode> Decode for Box<T> {
    fn decode(at: At<'_>, errors: &mut Errors) -> Option<Self> {
        T::decode(at, errors).map(Box::new)
    }

    fn absent() -> Option<Self> {
        T::absent().map(Box::new)
    }

    fn schema() -> Schema {
        T::schema()
    }
}

impl<T: Decode> Decode for Vec<T> {
    fn decode(at: At<'_>, errors: &mut Errors) -> Option<Self> {
        let items = at.items(errors)?;
        let mut out = Vec::with_capacity(items.len());
        for (i, item) in items.iter().enumerate() {
            out.extend(T::decode(at.index(i, item), errors));
        }
        (out.len() == items.len()).then_some(out)
    }

    fn schema() -> Schema {
        Schema::List(Box::new(T::schema()))
    }
}

/// A mapping with keys of the operator's choice, in key order.
impl<T: Decode> Decode for BTreeMap<String, T> {
    fn decode(at: At<'_>, errors: &mut Errors) -> Option<Self> {
        let entries = at.entries(errors)?;
        let count = entries.len();
        // One by one: to collect them would sort them first, which is much code.
        let mut out = BTreeMap::new();
        for (key, node) in entries {
            if let Some(value) = T::decode(at.key(&key.text, node), errors) {
                out.insert(key.text.clone(), value);
            }
        }
        (out.len() == count).then_some(out)
    }

    fn schema() -> Schema {
        Schema::Map(Box::new(T::schema()))
    }
}

impl Decode for bool {
    fn decode(at: At<'_>, errors: &mut Errors) -> Option<Self> {
        match at.node().value {
            Value::Bool(b) => Some(b),
            _ => {
                at.expected(errors, "`true` or `false`");
                None
            }
        }
    }

    fn schema() -> Schema {
        Schema::Bool
    }
}

/// Any text. Prefer a checked type.
impl Decode for String {
    fn decode(at: At<'_>, errors: &mut Errors) -> Option<Self> {
        match &at.node().value {
            Value::Text(text) => Some(text.clone()),
            _ => {
                at.expected(errors, "a string");
                None
            }
        }
    }

    fn schema() -> Schema {
        Schema::Text { expected: "any text", pattern: None }
    }
}

/// A tree of the operator's own shape, for example a JSON template.
impl Decode for Node {
    fn decode(at: At<'_>, _errors: &mut Errors) -> Option<Self> {
        Some(at.node().clone())
    }

    fn schema() -> Schema {
        Schema::Any
    }
}
