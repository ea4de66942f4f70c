//! The tree that a policy is read into.

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
#[derive(Clone, Debug, PartialEq)]
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

/// A value of the JSON data model; mappings keep order and duplicates.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// `null`, or nothing at all in YAML.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// A whole number beyond those: no setting takes it, but a claim may hold it.
    Large(u64),
    /// Another number.
    Float(f64),
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
            Value::Map(entries) => entries.iter().find(|(k, _)| k.text == key).map(|(_, v)| v),
            _ => None,
        }
    }

    /// Compact JSON; mappings keep their order. What cannot stand in JSON (a
    /// number that is not finite) becomes `null`.
    #[must_use]
    pub fn to_json(&self) -> String {
        Json(self).to_string()
    }
}

struct Json<'a>(&'a Node);

impl std::fmt::Display for Json<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.0.value {
            Value::Null => f.write_str("null"),
            Value::Bool(b) => write!(f, "{b}"),
            Value::Int(i) => write!(f, "{i}"),
            Value::Large(n) => write!(f, "{n}"),
            Value::Float(x) => write!(f, "{}", serde_json::Value::from(*x)),
            Value::Text(t) => write!(f, "{}", serde_json::Value::from(t.as_str())),
            Value::List(items) => {
                f.write_str("[")?;
                for (i, item) in items.iter().enumerate() {
                    if i > 0 {
                        f.write_str(",")?;
                    }
                    Json(item).fmt(f)?;
                }
                f.write_str("]")
            }
            Value::Map(entries) => {
                f.write_str("{")?;
                for (i, (key, value)) in entries.iter().enumerate() {
                    if i > 0 {
                        f.write_str(",")?;
                    }
                    write!(f, "{}:", serde_json::Value::from(key.text.as_str()))?;
                    Json(value).fmt(f)?;
                }
                f.write_str("}")
            }
        }
    }
}
