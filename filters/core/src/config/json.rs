//! JSON into [`Node`]s: order and duplicate keys are kept for the decoder to
//! judge. Places are unknown: rendered JSON is one line for machines.

use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::de::Read;

use super::error::{Errors, Problem};
use super::node::{Key, Node, Position, Span, Value};

/// Reads JSON text (RFC 8259).
///
/// # Errors
/// One error with line and column when the text is not JSON.
pub fn parse_json(text: &[u8]) -> Result<Node, Errors> {
    // Text that is known to be UTF-8 is not looked at again string by string.
    let parsed = match std::str::from_utf8(text) {
        Ok(text) => parse(&mut serde_json::Deserializer::from_str(text)),
        Err(_) => parse(&mut serde_json::Deserializer::from_slice(text)),
    };
    parsed.map_err(|e| {
        let at = Position { line: e.line(), column: e.column() };
        let what = match e.classify() {
            serde_json::error::Category::Eof => "the text ends too early",
            _ => "the text is not JSON",
        };
        let mut errors = Errors::default();
        errors.push(Problem {
            path: String::new(),
            span: Span { start: at, end: at },
            message: format!("{what} (line {}, column {})", at.line, at.column),
        });
        errors
    })
}

fn parse<'de, R: Read<'de>>(
    reader: &mut serde_json::Deserializer<R>,
) -> Result<Node, serde_json::Error> {
    let any = Any::deserialize(&mut *reader)?;
    reader.end().map(|()| any.0)
}

struct Any(Node);

impl<'de> Deserialize<'de> for Any {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(AnyVisitor).map(|v| Any(Node::unplaced(v)))
    }
}

struct AnyVisitor;

impl<'de> Visitor<'de> for AnyVisitor {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, b: bool) -> Result<Value, E> {
        Ok(Value::Bool(b))
    }

    fn visit_i64<E>(self, i: i64) -> Result<Value, E> {
        Ok(Value::Int(i))
    }

    fn visit_u64<E>(self, u: u64) -> Result<Value, E> {
        Ok(i64::try_from(u).map_or(Value::Large(u), Value::Int))
    }

    fn visit_f64<E>(self, x: f64) -> Result<Value, E> {
        Ok(Value::Float(x))
    }

    fn visit_str<E>(self, text: &str) -> Result<Value, E> {
        Ok(Value::Text(text.to_owned()))
    }

    fn visit_string<E>(self, text: String) -> Result<Value, E> {
        Ok(Value::Text(text))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Value, A::Error> {
        let mut items = Vec::new();
        while let Some(Any(item)) = seq.next_element()? {
            items.push(item);
        }
        Ok(Value::List(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        let mut entries = Vec::new();
        while let Some((text, Any(value))) = map.next_entry::<String, Any>()? {
            entries.push((Key { span: Span::default(), text }, value));
        }
        Ok(Value::Map(entries))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn order_and_duplicates_are_kept() {
        let node = parse_json(br#"{"b":1,"a":[null,true,1.5,"x"],"b":2}"#).unwrap();
        assert_eq!(node.to_json(), r#"{"b":1,"a":[null,true,1.5,"x"],"b":2}"#);
    }

    /// Fuzzing found that the last digit of such numbers changed with each reading,
    /// so that a claim or a body came out as another than it went in: serde_json
    /// rounds correctly only if it is told to.
    #[test]
    fn a_number_is_written_as_it_was_read() {
        let whole = "[9223372036854775807,9223372036854775808,18446744073709551615]";
        for text in [whole, "[1.8446744071674407e+19]", "[1.1844674407370957e+20]"] {
            assert_eq!(parse_json(text.as_bytes()).unwrap().to_json(), text);
        }
    }

    #[test]
    fn broken_text_is_named_by_its_place_without_its_content() {
        let errors = parse_json(b"{\"a\":\n sekret}").unwrap_err();
        assert_eq!(errors.to_string(), "the text is not JSON (line 2, column 2)");
        let errors = parse_json(b"{\"a\":").unwrap_err();
        assert_eq!(errors.to_string(), "the text ends too early (line 1, column 5)");
        assert!(parse_json(&b"[".repeat(100_000)).is_err(), "depth is bounded");
    }
}
