//! Numbers as text, without the machinery of formats: several stand in each answer.

use postern_core::Headers;

/// Appends a number in decimal.
pub(crate) fn push(out: &mut Vec<u8>, mut number: u64) {
    let mut digits = [0u8; 20];
    let mut first = digits.len();
    for (place, digit) in digits.iter_mut().enumerate().rev() {
        // The remainder of ten is a digit.
        *digit = b'0' | u8::try_from(number % 10).unwrap_or(0);
        number /= 10;
        if number == 0 {
            first = place;
            break;
        }
    }
    out.extend_from_slice(digits.get(first..).unwrap_or_default());
}

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
