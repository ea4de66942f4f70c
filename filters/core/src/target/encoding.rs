//! How queries and paths are written: pairs, and escapes.

use std::borrow::Cow;

/// The name–value pairs of a query, raw.
pub fn query_pairs(query: &[u8]) -> impl Iterator<Item = (&[u8], &[u8])> {
    form_pairs(query, b"&")
}

/// The same with any of these between pairs.
pub(crate) fn form_pairs<'a>(
    query: &'a [u8],
    separators: &'static [u8],
) -> impl Iterator<Item = (&'a [u8], &'a [u8])> {
    query.split(|b| separators.contains(b)).filter(|pair| !pair.is_empty()).map(|pair| {
        match pair.iter().position(|b| *b == b'=') {
            Some(at) => {
                let (name, value) = pair.split_at_checked(at).unwrap_or((pair, b""));
                (name, value.get(1..).unwrap_or_default())
            }
            None => (pair, &b""[..]),
        }
    })
}

/// Decodes `application/x-www-form-urlencoded`: `+` is a blank; a broken
/// escape stays as it is.
#[must_use]
pub fn decode_form(text: &[u8]) -> Cow<'_, [u8]> {
    if !text.iter().any(|b| matches!(b, b'%' | b'+')) {
        return Cow::Borrowed(text);
    }
    let spaced: Vec<u8> = text.iter().map(|b| if *b == b'+' { b' ' } else { *b }).collect();
    Cow::Owned(percent_decode(&spaced).into_owned())
}

/// Percent-decodes (RFC 3986); a broken escape stays as it is.
#[must_use]
pub fn percent_decode(text: &[u8]) -> Cow<'_, [u8]> {
    if !text.contains(&b'%') {
        return Cow::Borrowed(text);
    }
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((first, tail)) = rest.split_first() {
        let pair = match tail {
            [high, low, ..] if *first == b'%' => nibble(*high).zip(nibble(*low)),
            _ => None,
        };
        match pair {
            Some((high, low)) => {
                out.push(high << 4 | low);
                rest = tail.get(2..).unwrap_or_default();
            }
            None => {
                out.push(*first);
                rest = tail;
            }
        }
    }
    Cow::Owned(out)
}

fn nibble(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|d| u8::try_from(d).ok())
}
