//! Numbers as text, without the machinery of formats: several stand in each answer.

use postern_core::Headers;
pub(crate) use postern_core::digits::push;

/// A number in decimal.
pub(crate) fn of(number: u64) -> Vec<u8> {
    let mut out = Vec::with_capacity(8);
    push(&mut out, number);
    out
}

/// Does an answer say when to come back, and not before these seconds? A time is taken at
/// its word, anything that is neither for nothing.
pub(crate) fn is_late_enough(headers: &Headers<'_>, seconds: u64) -> bool {
    let Some(value) = headers.get("retry-after").map(<[u8]>::trim_ascii) else { return false };
    if value.ends_with(b" GMT") {
        return true;
    }
    let digits = !value.is_empty() && value.iter().all(u8::is_ascii_digit);
    let number = std::str::from_utf8(value).ok().filter(|_| digits);
    number.is_some_and(|number| number.parse().unwrap_or(u64::MAX) >= seconds)
}
