//! Numbers as text, without the machinery of formats: several stand in each answer.

/// Appends a number in decimal.
pub fn push(out: &mut Vec<u8>, mut number: u64) {
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn check(number: u64) {
        let mut out = b"n=".to_vec();
        push(&mut out, number);
        assert_eq!(String::from_utf8_lossy(&out), format!("n={number}"));
    }

    proptest! {
        #[test]
        fn a_number_is_what_a_format_makes_of_it(number: u64, bits in 0u32..64) {
            for number in [number, number >> bits, 1 << bits, 0, u64::MAX] {
                check(number);
            }
        }
    }
}
