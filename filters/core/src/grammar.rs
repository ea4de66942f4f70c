//! What may be written into a message. Nothing in the proxy checks a filter's
//! output, so a value outside the grammar would be response splitting or a
//! broken request upstream.

use crate::ascii_set::{AsciiSet, ascii_set};
use crate::bytes;

/// The bytes of a header's name in lower case.
const NAME: AsciiSet = {
    const fn is_name(b: u8) -> bool {
        b.is_ascii_alphanumeric() && !b.is_ascii_uppercase()
            || matches!(b, b'!' | b'#'..=b'\'' | b'*' | b'+' | b'-' | b'.' | b'^'..=b'`' | b'|' | b'~')
    }
    ascii_set!(is_name)
};

/// Those of a token68, without its padding.
const TOKEN68: AsciiSet = {
    const fn is_token68(b: u8) -> bool {
        b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_' | b'~' | b'+' | b'/')
    }
    ascii_set!(is_token68)
};

/// Visible ASCII characters other than `#`.
const VISIBLE: AsciiSet = {
    const fn is_visible(b: u8) -> bool {
        b.is_ascii_graphic() && b != b'#'
    }
    ascii_set!(is_visible)
};

/// Is this a header name that a filter may write: an RFC 9110 token in lower
/// case, 1–256 bytes?
#[must_use]
pub fn is_header_name(name: &str) -> bool {
    (1..=256).contains(&name.len()) && NAME.has_all(name.as_bytes())
}

/// Is this one of the pseudo-headers that a filter may edit: `:path`,
/// `:method`, `:authority` in requests, `:status` in responses?
#[must_use]
pub fn is_editable_pseudo(name: &str) -> bool {
    matches!(name, ":path" | ":method" | ":authority" | ":status")
}

/// Is this a header value (RFC 9110 §5.5): no controls but tab, no white space
/// at either end? Bytes over 0x7f are allowed: values are bytes.
#[must_use]
pub fn is_header_value(value: &[u8]) -> bool {
    let blank = |b: Option<&u8>| matches!(b, Some(b' ' | b'\t'));
    let tabs_alone = || value.iter().all(|b| *b == b'\t' || !b.is_ascii_control());
    (!bytes::has_control(value) || tabs_alone()) && !blank(value.first()) && !blank(value.last())
}

/// Is this a path with an optional query that may be sent upstream? The path
/// begins with `/` and is printable ASCII with only whole `%hh` triplets; in
/// the query clients write a lone `%` and raw UTF-8 too, and upstreams read
/// them. A `#` stands in neither.
#[must_use]
pub fn is_path(target: &[u8]) -> bool {
    let end = target.iter().position(|b| *b == b'?').unwrap_or(target.len());
    let (path, query) = target.split_at_checked(end).unwrap_or((target, &[]));
    let visible_or_high = |b: &u8| *b >= 0x80 || VISIBLE.has(*b);
    path.first() == Some(&b'/')
        && VISIBLE.has_all(path)
        && percent_triplets_whole(path)
        && (VISIBLE.has_all(query) || query.iter().all(visible_or_high))
        && std::str::from_utf8(query).is_ok()
}

/// Is this a token68 (RFC 9110 §11.2), padding included?
#[must_use]
pub fn is_token68(text: &[u8]) -> bool {
    let padding = text.iter().rev().take_while(|b| **b == b'=').count();
    let body = text.get(..text.len().saturating_sub(padding)).unwrap_or_default();
    !body.is_empty() && TOKEN68.has_all(body)
}

/// Is every `%` followed by two hexadecimal digits?
#[must_use]
pub fn percent_triplets_whole(text: &[u8]) -> bool {
    if bytes::find(text, b'%').is_none() {
        return true;
    }
    let mut rest = text.iter();
    while let Some(b) = rest.next() {
        if *b == b'%' {
            let hex = |d: Option<&u8>| d.is_some_and(u8::is_ascii_hexdigit);
            if !hex(rest.next()) || !hex(rest.next()) {
                return false;
            }
        }
    }
    true
}

/// Is this an HTTP method (RFC 9110 token, at most 32 bytes)?
#[must_use]
pub fn is_method(method: &[u8]) -> bool {
    (1..=32).contains(&method.len())
        && method.iter().all(|b| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(b))
}

/// May this edit be written? Names, values and pseudo-header values are held
/// to their grammars.
#[must_use]
pub fn may_write(name: &str, value: &[u8]) -> bool {
    match name {
        ":path" => is_path(value),
        ":method" => is_method(value),
        ":status" => value.len() == 3 && value.iter().all(u8::is_ascii_digit),
        ":authority" => !value.is_empty() && !value.contains(&b' ') && is_header_value(value),
        _ => is_header_name(name) && is_header_value(value),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn line_breaks_are_never_written() {
        for bad in [&b"a\r\nb"[..], b"a\nb", b"a\rb", b"a\0b", b" a", b"a\t"] {
            assert!(!may_write("x-a", bad), "{bad:?}");
        }
        assert!(may_write("x-a", b"\xff\xfe bytes\tare fine"));
        assert!(may_write("x-a", b""));
    }

    /// Against the grammars as the standards write them, byte by byte.
    #[test]
    fn each_byte_is_of_the_right_kind() {
        for b in 0..=255u8 {
            let tchar = b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b);
            let name = [b'x', b];
            if let Ok(name) = std::str::from_utf8(&name) {
                assert_eq!(is_header_name(name), tchar && !b.is_ascii_uppercase(), "{name:?}");
            }
            let token68 = b.is_ascii_alphanumeric() || b"-._~+/".contains(&b);
            assert_eq!(is_token68(&[b]), token68, "{b}");
            assert_eq!(is_token68(&[b'x', b]), token68 || b == b'=', "{b}");
            let visible = (0x21..=0x7e).contains(&b) && b != b'#';
            let path = [b'/', b, b'x'];
            assert_eq!(is_path(&path), visible && b != b'%' || b == b'?', "{b}");
            let query = [b'/', b'?', b, b'x'];
            assert_eq!(is_path(&query), visible, "{b}");
            let value = [b'x', b, b'x'];
            assert_eq!(is_header_value(&value), b == b'\t' || b >= 0x20 && b != 0x7f, "{b}");
        }
        for bad in [&b""[..], b"=", b"==", b"a=b", b"a b"] {
            assert!(!is_token68(bad), "{bad:?}");
        }
        assert!(is_token68(b"abc=="));
    }

    #[test]
    fn names_are_lower_case_tokens() {
        for bad in ["", "X-A", "x a", "x:a", ":scheme", "x\n"] {
            assert!(!may_write(bad, b"v"), "{bad:?}");
        }
        assert!(may_write("x-a_b.c", b"v"));
    }

    #[test]
    fn paths_are_printable_and_whole() {
        for bad in ["", "a", "/a b", "/a#b", "/%", "/%4", "/%zz", "/a\x7f", "/é"] {
            assert!(!may_write(":path", bad.as_bytes()), "{bad:?}");
        }
        assert!(may_write(":path", b"/a:b,c%2C?x=1&y=%7C"));
        assert!(may_write(":path", "/a?q=100%&x=é".as_bytes()));
        for bad in [&b"/a?\xff"[..], b"/a? b", b"/a?b#c", b"/a?\r\n", b"/a?\x7f"] {
            assert!(!may_write(":path", bad), "{bad:?}");
        }
        assert!(!may_write(":status", b"20"));
        assert!(may_write(":status", b"200"));
    }
}
