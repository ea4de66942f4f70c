//! JSON into [`Node`]s: order and duplicate keys are kept for the decoder to
//! judge. Places are unknown: rendered JSON is one line for machines.
//!
//! A reader of its own: another one would turn numbers into floats and back, which is
//! much code, and keeps fewer of their digits than stand there.

use super::error::{Errors, Problem};
use super::node::{Key, Node, Position, Span, Value};
use crate::bytes;

/// Deeper documents are refused: the stack is bounded with it.
const MAX_DEPTH: usize = 127;

/// Reads JSON text (RFC 8259), strictly: a string holds no lone surrogates.
///
/// # Errors
/// One error with line and column (in bytes) when the text is not JSON.
pub fn parse_json(text: &[u8]) -> Result<Node, Errors> {
    // What is no UTF-8 is a mistake where it begins.
    let good = bytes::text(text).unwrap_or_else(|| before_no_text(text));
    let mut reader = Reader { text: good, at: 0 };
    let value = reader.value(0);
    if value.is_some() {
        reader.blanks();
    }
    let value = value.filter(|_| reader.at == text.len());
    value.map(Node::unplaced).ok_or_else(|| not_json(text, reader.at))
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

/// Where it finds something else than it should, it stays there.
struct Reader<'t> {
    text: &'t str,
    at: usize,
}

impl Reader<'_> {
    fn next(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn step(&mut self) {
        self.at = self.at.saturating_add(1);
    }

    fn blanks(&mut self) {
        while matches!(self.next(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.step();
        }
    }

    fn takes(&mut self, byte: u8) -> bool {
        let is_there = self.next() == Some(byte);
        self.at = self.at.saturating_add(usize::from(is_there));
        is_there
    }

    /// Blanks, and then this sign.
    fn sign(&mut self, sign: u8) -> bool {
        self.blanks();
        self.takes(sign)
    }

    fn value(&mut self, depth: usize) -> Option<Value> {
        self.blanks();
        match self.next()? {
            b'"' => self.string().map(Value::Text),
            b'{' | b'[' if depth == MAX_DEPTH => None,
            b'{' => self.map(depth),
            b'[' => self.list(depth),
            b'-' | b'0'..=b'9' => self.number(),
            b't' => self.word("true", Value::Bool(true)),
            b'f' => self.word("false", Value::Bool(false)),
            b'n' => self.word("null", Value::Null),
            _ => None,
        }
    }

    fn word(&mut self, word: &str, value: Value) -> Option<Value> {
        word.bytes().all(|b| self.takes(b)).then_some(value)
    }

    fn map(&mut self, depth: usize) -> Option<Value> {
        self.step();
        let mut entries = Vec::new();
        if self.sign(b'}') {
            return Some(Value::Map(entries));
        }
        loop {
            self.blanks();
            let key = Key { span: Span::default(), text: self.string()? };
            self.sign(b':').then_some(())?;
            entries.push((key, Node::unplaced(self.value(depth.saturating_add(1))?)));
            if self.sign(b'}') {
                return Some(Value::Map(entries));
            }
            self.takes(b',').then_some(())?;
        }
    }

    fn list(&mut self, depth: usize) -> Option<Value> {
        self.step();
        let mut items = Vec::new();
        if self.sign(b']') {
            return Some(Value::List(items));
        }
        loop {
            items.push(Node::unplaced(self.value(depth.saturating_add(1))?));
            if self.sign(b']') {
                return Some(Value::List(items));
            }
            self.takes(b',').then_some(())?;
        }
    }

    fn string(&mut self) -> Option<String> {
        self.takes(b'"').then_some(())?;
        // Nearly all are without escapes.
        let rest = self.text.get(self.at..)?;
        match bytes::string_end(rest.as_bytes()).and_then(|end| rest.split_at_checked(end)) {
            Some((text, after)) if after.starts_with('"') => {
                self.at = self.at.saturating_add(text.len()).saturating_add(1);
                Some(text.to_owned())
            }
            _ => self.string_with_escapes(),
        }
    }

    /// A string whose opening quote is passed.
    #[cold]
    fn string_with_escapes(&mut self) -> Option<String> {
        let mut out = String::new();
        loop {
            let rest = self.text.get(self.at..)?;
            let length = bytes::string_end(rest.as_bytes()).unwrap_or(rest.len());
            out.push_str(rest.get(..length)?);
            self.at = self.at.saturating_add(length);
            if self.takes(b'"') {
                return Some(out);
            }
            self.takes(b'\\').then_some(())?;
            out.push(self.escaped()?);
        }
    }

    /// What an escape stands for, its backslash passed.
    fn escaped(&mut self) -> Option<char> {
        let c = match self.next()? {
            b'u' => {
                self.step();
                let first = self.unit()?;
                if !matches!(first, 0xd800..0xdc00) {
                    return char::from_u32(first);
                }
                (self.takes(b'\\') && self.takes(b'u')).then_some(())?;
                let low = self.unit()?.checked_sub(0xdc00).filter(|low| *low < 0x400)?;
                return char::from_u32(0x1_0000 + ((first - 0xd800) << 10) + low);
            }
            b'b' => '\u{8}',
            b'f' => '\u{c}',
            b'n' => '\n',
            b'r' => '\r',
            b't' => '\t',
            c @ (b'"' | b'\\' | b'/') => char::from(c),
            _ => return None,
        };
        self.step();
        Some(c)
    }

    /// Four hexadecimal digits.
    fn unit(&mut self) -> Option<u32> {
        let mut unit = 0;
        for _ in 0..4 {
            unit = unit << 4 | char::from(self.next()?).to_digit(16)?;
            self.step();
        }
        Some(unit)
    }

    fn number(&mut self) -> Option<Value> {
        let from = self.at;
        self.takes(b'-');
        if !self.takes(b'0') {
            self.digits()?;
        }
        let mut is_whole = true;
        if self.takes(b'.') {
            is_whole = false;
            self.digits()?;
        }
        if self.takes(b'e') || self.takes(b'E') {
            is_whole = false;
            let _ = self.takes(b'+') || self.takes(b'-');
            self.digits()?;
        }
        let text = self.text.get(from..self.at)?;
        // As a whole number, it would lose its sign.
        let whole = || (text != "-0").then(|| text.parse().ok().map(Value::Int));
        let large = || text.parse().ok().map(Value::Large);
        let value = if is_whole { whole().map(|small| small.or_else(large)) } else { None };
        Some(value.flatten().unwrap_or_else(|| Value::Float(text.to_owned())))
    }

    /// At least one.
    fn digits(&mut self) -> Option<()> {
        let from = self.at;
        while matches!(self.next(), Some(b'0'..=b'9')) {
            self.step();
        }
        (self.at > from).then_some(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

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

    fn text() -> impl Strategy<Value = String> {
        let token = prop::sample::select(vec![
            "{",
            "}",
            "[",
            "]",
            ",",
            ":",
            "\"",
            "\"a\"",
            "\"b\":",
            "null",
            "true",
            "false",
            "0",
            "-",
            "1",
            "12",
            ".5",
            "e1",
            "E-2",
            "+",
            " ",
            "\n",
            "\\",
            "\\n",
            "\\u00e9",
            "\\ud83d",
            "\\ude00",
            "é",
            "\u{1}",
            "\u{7f}",
            "/",
            "x",
            "18446744073709551615",
        ]);
        prop::collection::vec(token, 0..12).prop_map(|tokens| tokens.concat())
    }

    fn value() -> impl Strategy<Value = serde_json::Value> {
        let leaf = prop_oneof![
            Just(serde_json::Value::Null),
            any::<bool>().prop_map(Into::into),
            any::<i64>().prop_map(Into::into),
            any::<u64>().prop_map(Into::into),
            any::<f64>().prop_map(Into::into),
            any::<String>().prop_map(Into::into),
        ];
        leaf.prop_recursive(4, 24, 4, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Into::into),
                prop::collection::btree_map(any::<String>(), inner, 0..4)
                    .prop_map(|map| serde_json::Value::Object(map.into_iter().collect())),
            ]
        })
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
