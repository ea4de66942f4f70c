//! The tree that a policy is read into.

use crate::json_text::push_quoted;

/// A place in a file: 1-based line and column (in characters); 0 when unknown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    /// 1-based line.
    pub line: usize,
    /// 1-based column.
    pub column: usize,
}

/// From where to where (exclusive) a value stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Span {
    /// Its first character.
    pub start: Position,
    /// The place after its last character.
    pub end: Position,
}

/// A value and where it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node {
    /// Where it stands.
    pub span: Span,
    /// What it is.
    pub value: Value,
}

/// A mapping's key and where it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Key {
    /// Where it stands.
    pub span: Span,
    /// The key.
    pub text: String,
}

impl Key {
    /// Is it this one? Names of one length mostly differ in their last byte: that is seen
    /// without a call.
    #[must_use]
    pub fn is(&self, name: &str) -> bool {
        let (own, name) = (self.text.as_bytes(), name.as_bytes());
        own.len() == name.len() && own.last() == name.last() && own == name
    }
}

/// A value of the JSON data model; mappings keep order and duplicates.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// `null`, or nothing at all in YAML.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// A whole number beyond those: no setting takes it, but a claim may hold it.
    Large(u64),
    /// Another number, as it is written in JSON.
    Float(String),
    /// A string.
    Text(String),
    /// A sequence.
    List(Vec<Node>),
    /// A mapping.
    Map(Vec<(Key, Node)>),
}

impl Node {
    /// A node whose place is unknown.
    #[must_use]
    pub fn unplaced(value: Value) -> Self {
        Node { span: Span::default(), value }
    }

    /// The kind of value, as error messages name it.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match &self.value {
            Value::Null => "nothing",
            Value::Bool(_) => "a boolean",
            Value::Int(_) | Value::Large(_) => "a whole number",
            Value::Float(_) => "a number",
            Value::Text(_) => "a string",
            Value::List(_) => "a list",
            Value::Map(_) => "a mapping",
        }
    }

    /// The value under `key`, if this is a mapping that has it.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&Node> {
        match &self.value {
            Value::Map(entries) => entries.iter().find(|(k, _)| k.is(key)).map(|(_, v)| v),
            _ => None,
        }
    }

    /// Compact JSON; mappings keep their order.
    #[must_use]
    pub fn to_json(&self) -> String {
        let mut out = String::new();
        self.push_json(&mut out);
        out
    }

    fn push_json(&self, out: &mut String) {
        match &self.value {
            Value::Null => out.push_str("null"),
            Value::Bool(b) => out.push_str(if *b { "true" } else { "false" }),
            Value::Int(i) => out.push_str(&i.to_string()),
            Value::Large(n) => out.push_str(&n.to_string()),
            Value::Float(number) => out.push_str(number),
            Value::Text(text) => push_quoted(out, text),
            Value::List(items) => {
                out.push('[');
                for (i, item) in items.iter().enumerate() {
                    if i > 0 {
                        out.push(',');
                    }
                    item.push_json(out);
                }
                out.push(']');
            }
            Value::Map(entries) => {
                out.push('{');
                for (i, (key, value)) in entries.iter().enumerate() {
                    if i > 0 {
                        out.push(',');
                    }
                    push_quoted(out, &key.text);
                    out.push(':');
                    value.push_json(out);
                }
                out.push('}');
            }
        }
    }
}
