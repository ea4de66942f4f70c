//! Strings as JSON writes them.

use crate::bytes;

/// Appends `text` as a JSON string. Only what has to be escaped is (RFC 8259 §7).
pub fn push_quoted(out: &mut String, text: &str) {
    out.push('"');
    push_inside(out, text);
    out.push('"');
}

/// Appends what stands between the quotes.
pub(crate) fn push_inside(out: &mut String, text: &str) {
    let mut rest = text;
    loop {
        let end = bytes::string_end(rest.as_bytes()).unwrap_or(rest.len());
        let (plain, after) = rest.split_at_checked(end).unwrap_or((rest, ""));
        out.push_str(plain);
        let mut after = after.chars();
        let Some(c) = after.next() else { return };
        rest = after.as_str();
        out.push('\\');
        let last = match c {
            '\n' => 'n',
            '\r' => 'r',
            '\t' => 't',
            '\u{8}' => 'b',
            '\u{c}' => 'f',
            '\0'..='\u{1f}' => {
                let hex = |n: u32| char::from_digit(n & 15, 16).unwrap_or('0');
                out.push_str("u00");
                out.push(hex(u32::from(c) >> 4));
                hex(u32::from(c))
            }
            other => other,
        };
        out.push(last);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn texts_are_written_as_others_write_them(text: String, low in "[\0-\u{1f}\"\\\\a\u{7f}]{0,9}") {
            for text in [text, low] {
                let mut out = String::new();
                push_quoted(&mut out, &text);
                prop_assert_eq!(out, serde_json::to_string(&text).unwrap());
            }
        }
    }
}
