//! Parts of a policy that are compiled after the rest is decoded, since they
//! refer to names elsewhere in it. They keep their path for error messages.

use postern_core::config::schema::Schema;
use postern_core::config::{At, Decode, Errors, Key, Node, Problem, Span, Value};

/// A decoded value, and where it stands in the policy.
#[derive(Clone, Debug)]
pub(crate) struct Located<T> {
    /// The value.
    pub(crate) value: T,
    path: String,
    span: Span,
}

/// A tree that is compiled later.
pub(crate) type Place = Located<Node>;

impl<T> Located<T> {
    /// Where it stands in the policy.
    pub(crate) fn path(&self) -> &str {
        &self.path
    }

    /// Notes a mistake about this value.
    pub(crate) fn error(&self, errors: &mut Errors, message: impl Into<String>) {
        errors.push(Problem { path: self.path.clone(), span: self.span, message: message.into() });
    }
}

impl Place {
    /// The same, to be looked into.
    pub(crate) fn at(&self) -> At<'_> {
        At::part(&self.path, &self.value)
    }

    /// The text, or a mistake.
    pub(crate) fn text(&self, errors: &mut Errors, expected: &str) -> Option<&str> {
        text(self.at(), errors, expected)
    }
}

/// A text, or a mistake.
pub(crate) fn text<'a>(at: At<'a>, errors: &mut Errors, expected: &str) -> Option<&'a str> {
    if let Value::Text(text) = &at.node().value {
        return Some(text);
    }
    at.expected(errors, expected);
    None
}

impl<T: Decode> Decode for Located<T> {
    fn decode(at: At<'_>, errors: &mut Errors) -> Option<Self> {
        let value = T::decode(at, errors)?;
        Some(Located { value, path: at.path(), span: at.node().span })
    }

    fn schema() -> Schema {
        T::schema()
    }
}

/// A mapping with keys of the operator's choice, in the order as written.
#[derive(Clone, Debug)]
pub(crate) struct Ordered<T>(pub(crate) Vec<(Key, T)>);

impl<T> Default for Ordered<T> {
    fn default() -> Self {
        Ordered(Vec::new())
    }
}

impl<T: Decode> Decode for Ordered<T> {
    fn decode(at: At<'_>, errors: &mut Errors) -> Option<Self> {
        let entries = at.entries(errors)?;
        let mut out = Vec::with_capacity(entries.len());
        for (key, node) in &entries {
            let value = T::decode(at.key(&key.text, node), errors);
            out.extend(value.map(|value| (key.clone(), value)));
        }
        (out.len() == entries.len()).then_some(Ordered(out))
    }

    fn schema() -> Schema {
        Schema::Map(Box::new(T::schema()))
    }
}

/// A part of a policy, and how it is written: what is written alike is compiled once.
#[derive(Clone, Debug, Default)]
pub(crate) struct Written<T> {
    /// The value.
    pub(crate) value: T,
    /// As JSON.
    pub(crate) text: String,
}

impl<T: Decode> Decode for Written<T> {
    fn decode(at: At<'_>, errors: &mut Errors) -> Option<Self> {
        let value = T::decode(at, errors)?;
        Some(Written { value, text: at.node().to_json() })
    }

    fn schema() -> Schema {
        T::schema()
    }
}
