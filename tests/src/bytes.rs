//! Bytes as text: `\xHH` stands for one byte.

use postern_core::config::schema::Schema;
use postern_core::config::{At, Decode, Errors, decode_text};

const EXPECTED: &str = r"a text with `\xHH`, `\r`, `\n`, `\t`, `\0` and `\\` as its escapes";

/// Bytes that a case writes as text: UTF-8, in which `\xHH` stands for one
/// byte and `\r`, `\n`, `\t`, `\0`, `\\` for what they mean elsewhere.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Bytes(pub Vec<u8>);

impl Decode for Bytes {
    fn decode(at: At<'_>, errors: &mut Errors) -> Option<Self> {
        decode_text(at, errors, EXPECTED, |text| {
            unescape(text).map(Bytes).ok_or_else(|| format!("expected {EXPECTED}"))
        })
    }

    fn schema() -> Schema {
        Schema::Text { expected: EXPECTED, pattern: None }
    }
}

/// Reads the escapes; `None` if one is broken.
fn unescape(text: &str) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'\\' {
            out.push(byte);
            continue;
        }
        out.push(match rest.next()? {
            b'\\' => b'\\',
            b'r' => b'\r',
            b'n' => b'\n',
            b't' => b'\t',
            b'0' => 0,
            b'x' => {
                let digit = |d: Option<u8>| char::from(d?).to_digit(16);
                let (high, low) = (digit(rest.next())?, digit(rest.next())?);
                u8::try_from(high * 16 + low).ok()?
            }
            _ => return None,
        });
    }
    Some(out)
}

/// Bytes as a case would write them.
#[must_use]
pub fn escape(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        for c in chunk.valid().chars() {
            match c {
                '\\' => out.push_str("\\\\"),
                '\r' => out.push_str("\\r"),
                '\n' => out.push_str("\\n"),
                '\t' => out.push_str("\\t"),
                c if c.is_control() => {
                    out.extend(c.to_string().bytes().map(|b| format!("\\x{b:02x}")));
                }
                c => out.push(c),
            }
        }
        out.extend(chunk.invalid().iter().map(|b| format!("\\x{b:02x}")));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_survive_the_way_there_and_back() {
        for text in [r"a\xff\xfe\r\n\t\\b", "é|,", r"\x00"] {
            assert_eq!(escape(&unescape(text).unwrap()), text);
        }
        for broken in [r"\", r"\x", r"\xg0", r"\q"] {
            assert_eq!(unescape(broken), None, "{broken}");
        }
    }
}
