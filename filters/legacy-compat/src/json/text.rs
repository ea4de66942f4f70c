//! JSON strings.

use std::borrow::Cow;

/// The text of a raw JSON string, quotes included. A lone surrogate, which the
/// grammar allows but no text can hold, becomes U+FFFD.
pub(crate) fn unescaped(raw: &str) -> Cow<'_, str> {
    let inner = raw.strip_prefix('"').and_then(|r| r.strip_suffix('"')).unwrap_or_default();
    if !inner.contains('\\') {
        return Cow::Borrowed(inner);
    }
    let mut out = String::with_capacity(inner.len());
    let mut rest = inner.chars();
    while let Some(c) = rest.next() {
        if c != '\\' {
            out.push(c);
            continue;
        }
        match rest.next() {
            Some('b') => out.push('\u{8}'),
            Some('f') => out.push('\u{c}'),
            Some('n') => out.push('\n'),
            Some('r') => out.push('\r'),
            Some('t') => out.push('\t'),
            Some('u') => {
                let first = unit(&mut rest);
                let mut ahead = rest.clone();
                let second = match first {
                    0xd800..0xdc00 if ahead.next() == Some('\\') && ahead.next() == Some('u') => {
                        Some(unit(&mut ahead)).filter(|low| (0xdc00..0xe000).contains(low))
                    }
                    _ => None,
                };
                match second {
                    Some(low) => {
                        let pair = 0x1_0000 + ((first - 0xd800) << 10) + (low - 0xdc00);
                        out.push(char::from_u32(pair).unwrap_or(char::REPLACEMENT_CHARACTER));
                        rest = ahead;
                    }
                    None => out.push(char::from_u32(first).unwrap_or(char::REPLACEMENT_CHARACTER)),
                }
            }
            Some(other) => out.push(other),
            None => {}
        }
    }
    Cow::Owned(out)
}

/// Four hexadecimal digits.
fn unit(rest: &mut std::str::Chars<'_>) -> u32 {
    (0..4).fold(0, |n, _| n << 4 | rest.next().and_then(|c| c.to_digit(16)).unwrap_or(0))
}
