//! The shape of a configuration type, from which the JSON Schema and the
//! reference are made.

/// A shape.
#[derive(Clone, Debug)]
pub enum Schema {
    /// Anything.
    Any,
    /// A boolean.
    Bool,
    /// A whole number in a range, both ends included.
    Count {
        /// The least.
        min: u64,
        /// The greatest.
        max: u64,
    },
    /// Any number.
    Number,
    /// A text.
    Text {
        /// What is expected, as the error message says it.
        expected: &'static str,
        /// An anchored regular expression that every good text matches.
        pattern: Option<&'static str>,
    },
    /// One of a few words.
    Choice {
        /// The type's name.
        name: &'static str,
        /// Each word with its documentation.
        words: Vec<(&'static str, String)>,
    },
    /// One of several shapes.
    AnyOf(Vec<Schema>),
    /// A list.
    List(Box<Schema>),
    /// A mapping with free keys.
    Map(Box<Schema>),
    /// A mapping with known keys. The fields come by a function, so that types
    /// may contain themselves.
    Object {
        /// The type's name.
        name: &'static str,
        /// The type's documentation.
        doc: fn() -> String,
        /// Its fields.
        fields: fn() -> Vec<Field>,
        /// Exactly one of the fields has to be there.
        one_of: bool,
    },
}

/// A field of a [`Schema::Object`].
#[derive(Clone, Debug)]
pub struct Field {
    /// The key.
    pub name: &'static str,
    /// Its documentation.
    pub doc: String,
    /// Its shape.
    pub schema: Schema,
    /// Must it be there?
    pub required: bool,
    /// The default, as written in the declaration.
    pub default: Option<&'static str>,
}

/// "`a`, `b` or `c`".
#[must_use]
pub fn words(known: &[&str]) -> String {
    super::decode::one_of(known)
}
