//! JSON into [`Node`]s: order and duplicate keys are kept for the decoder to
//! judge. Places are unknown: rendered JSON is one line for machines.

use super::error::{Errors, Problem};
use super::node::{Key, Node, Position, Span, Value};
use crate::bytes;
use crate::json::{MAX_DEPTH, Number, Tokens};

/// Reads JSON text (RFC 8259), strictly: a string holds no lone surrogates.
///
/// # Errors
/// One error with line and column (in bytes) when the text is not JSON.
pub fn parse_json(text: &[u8]) -> Result<Node, Errors> {
    // What is no UTF-8 is a mistake where it begins.
    let good = bytes::text(text).unwrap_or_else(|| before_no_text(text));
    let mut tokens = Tokens::new(good);
    let value = read(&mut tokens, 0);
    if value.is_some() {
        tokens.blanks();
    }
    let at = good.len().saturating_sub(tokens.rest().len());
    let value = value.filter(|_| at == text.len());
    value.map(Node::unplaced).ok_or_else(|| not_json(text, at))
}

/// What stands before the first byte that is no UTF-8.
#[cold]
fn before_no_text(bytes: &[u8]) -> &str {
    bytes.utf8_chunks().next().map_or("", |chunk| chunk.valid())
}

/// It is not JSON at a place, or ends there.
fn not_json(text: &[u8], at: usize) -> Errors {
    let before = text.get(..at).unwrap_or(text);
    let ends = before.len() == text.len();
    let what = if ends { "the text ends too early" } else { "the text is not JSON" };
    let line = before.split(|b| *b == b'\n').count();
    let column = before.rsplit(|b| *b == b'\n').next().map_or(0, <[u8]>::len);
    let at = Position { line, column: column.saturating_add(usize::from(!ends)) };
    let mut errors = Errors::default();
    errors.push(Problem {
        path: String::new(),
        span: Span { start: at, end: at },
        message: format!("{what} (line {}, column {})", at.line, at.column),
    });
    errors
}

fn read(tokens: &mut Tokens<'_>, depth: usize) -> Option<Value> {
    tokens.blanks();
    match tokens.next()? {
        b'"' => tokens.string().map(|text| Value::Text(text.into_owned())),
        b'{' | b'[' if depth == MAX_DEPTH => None,
        b'{' => map(tokens, depth),
        b'[' => list(tokens, depth),
        b'-' | b'0'..=b'9' => tokens.number().map(|number| match number {
            Number::Int(number) => Value::Int(number),
            Number::Large(number) => Value::Large(number),
            Number::Float(text) => Value::Float(text.to_owned()),
        }),
        b't' => tokens.word("true").map(|()| Value::Bool(true)),
        b'f' => tokens.word("false").map(|()| Value::Bool(false)),
        b'n' => tokens.word("null").map(|()| Value::Null),
        _ => None,
    }
}

fn map(tokens: &mut Tokens<'_>, depth: usize) -> Option<Value> {
    tokens.step();
    let mut entries = Vec::new();
    if tokens.sign(b'}') {
        return Some(Value::Map(entries));
    }
    loop {
        tokens.blanks();
        let key = Key { span: Span::default(), text: tokens.string()?.into_owned() };
        tokens.sign(b':').then_some(())?;
        entries.push((key, Node::unplaced(read(tokens, depth.saturating_add(1))?)));
        if !tokens.sign(b',') {
            return tokens.takes(b'}').then_some(Value::Map(entries));
        }
    }
}

fn list(tokens: &mut Tokens<'_>, depth: usize) -> Option<Value> {
    tokens.step();
    let mut items = Vec::new();
    if tokens.sign(b']') {
        return Some(Value::List(items));
    }
    loop {
        items.push(Node::unplaced(read(tokens, depth.saturating_add(1))?));
        if !tokens.sign(b',') {
            return tokens.takes(b']').then_some(Value::List(items));
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::json::tests::{text, value};

    #[test]
    fn order_and_duplicates_are_kept() {
        let node = parse_json(br#"{"b":1,"a":[null,true,1.5,"x"],"b":2}"#).unwrap();
        assert_eq!(node.to_json(), r#"{"b":1,"a":[null,true,1.5,"x"],"b":2}"#);
    }

    /// Fuzzing found that the last digit of such numbers changed with each reading,
    /// so that a claim or a body came out as another than it went in. They are kept as
    /// they are written.
    #[test]
    fn a_number_is_written_as_it_was_read() {
        let whole = "[9223372036854775807,9223372036854775808,18446744073709551615]";
        let exact =
            "[1.0,1.50,-0,1E5,1e-7,123456789012345678901234567890,0.1000000000000000055511]";
        for text in [whole, exact, "[1.8446744071674407e+19]", "[1.1844674407370957e+20]"] {
            assert_eq!(parse_json(text.as_bytes()).unwrap().to_json(), text);
        }
    }

    #[test]
    fn broken_text_is_named_by_its_place_without_its_content() {
        #[track_caller]
        fn broken(text: &[u8], expected: &str) {
            assert_eq!(parse_json(text).unwrap_err().to_string(), expected);
        }
        broken(b"{\"a\":\n sekret}", "the text is not JSON (line 2, column 2)");
        broken(b"[\"ab", "the text ends too early (line 1, column 4)");
        broken(b"{\"a\":", "the text ends too early (line 1, column 5)");
        broken(b"", "the text ends too early (line 1, column 0)");
        broken(b"[1] 2", "the text is not JSON (line 1, column 5)");
        broken(b"[1,]", "the text is not JSON (line 1, column 4)");
        broken(b"[\"\xff\"]", "the text is not JSON (line 1, column 3)");
        broken(b"[\"a\nb\"]", "the text is not JSON (line 1, column 4)");
        broken(b"[01]", "the text is not JSON (line 1, column 3)");
        broken(b"[1.]", "the text is not JSON (line 1, column 4)");
        broken(b"[\"\\ud800\"]", "the text is not JSON (line 1, column 9)");
        broken(b"[\"\\ud800\\u0041\"]", "the text is not JSON (line 1, column 15)");
        broken(b"[nul]", "the text is not JSON (line 1, column 5)");
    }

    #[test]
    fn depth_is_bounded() {
        let nested = |depth: usize| [b"[".repeat(depth), b"]".repeat(depth)].concat();
        assert!(parse_json(&nested(127)).is_ok());
        assert!(parse_json(&nested(128)).is_err());
        assert!(parse_json(&b"[".repeat(100_000)).is_err());
    }

    /// What another reader makes of it; of members of one name, the last.
    fn theirs(text: &[u8]) -> Option<serde_json::Value> {
        serde_json::from_slice(text).ok()
    }

    fn ours(text: &[u8]) -> Option<serde_json::Value> {
        // A number beyond all floats is none to them.
        serde_json::from_str(&parse_json(text).ok()?.to_json()).ok()
    }

    proptest! {
        #[test]
        fn what_one_reader_takes_the_other_takes(text in text()) {
            for text in [text.clone(), format!("[{text}]"), format!("{{\"a\":{text}}}"), format!("\"{text}\"")] {
                prop_assert_eq!(ours(text.as_bytes()), theirs(text.as_bytes()), "{}", text);
            }
        }

        #[test]
        fn all_values_are_read(value in value(), pretty: bool, cut: prop::sample::Index, byte: u8) {
            let mut text = if pretty {
                serde_json::to_vec_pretty(&value).unwrap()
            } else {
                serde_json::to_vec(&value).unwrap()
            };
            prop_assert_eq!(ours(&text), Some(value));
            let at = cut.index(text.len());
            prop_assert_eq!(ours(&text[..at]), theirs(&text[..at]));
            text[at] = byte;
            prop_assert_eq!(ours(&text), theirs(&text));
        }
    }
}
