//! Numbers as text, without the machinery of formats: several stand in each answer.

/// Appends a number in decimal.
pub(crate) fn push(out: &mut Vec<u8>, mut number: u64) {
    let mut digits = [0u8; 20];
    let mut length = 0usize;
    for digit in &mut digits {
        // The remainder of ten is a digit.
        *digit = b'0' | u8::try_from(number % 10).unwrap_or(0);
        number /= 10;
        length = length.saturating_add(1);
        if number == 0 {
            break;
        }
    }
    out.extend(digits.iter().take(length).rev());
}

/// A number in decimal.
pub(crate) fn of(number: u64) -> Vec<u8> {
    let mut out = Vec::with_capacity(8);
    push(&mut out, number);
    out
}
