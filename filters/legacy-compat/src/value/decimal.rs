//! Decimal arithmetic on the digits of a number as they stand in the text: no
//! binary fraction, so that money is exact.

/// More digits, or a greater exponent, than any amount has.
const MAX_DIGITS: usize = 64;

/// The number divided by 10 to the `shift`, with exactly `places` decimals;
/// halves are rounded away from zero. `None` for what is no JSON number or is
/// out of range.
pub(crate) fn fixed(number: &str, shift: i64, places: usize) -> Option<String> {
    let (negative, number) = match number.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, number),
    };
    let (mantissa, exponent) = match number.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, parse_exponent(exponent)?),
        None => (number, 0),
    };
    let (whole, fraction) = match mantissa.split_once('.') {
        Some((whole, fraction)) if !fraction.is_empty() => (whole, fraction),
        Some(_) => return None,
        None => (mantissa, ""),
    };
    let digit_text = [whole, fraction].concat();
    let all_digits = digit_text.bytes().all(|b| b.is_ascii_digit());
    if whole.is_empty() || !all_digits || digit_text.len() > MAX_DIGITS {
        return None;
    }
    let mut digits: Vec<u8> = digit_text.bytes().collect();
    // The value is `digits` divided by 10 to the `scale`.
    let scale = i64::try_from(fraction.len()).ok()? - exponent + shift;
    let wanted = i64::try_from(places).ok()?;
    if scale <= wanted {
        let zeros = usize::try_from(wanted - scale).ok().filter(|n| *n <= MAX_DIGITS)?;
        digits.resize(digits.len().saturating_add(zeros), b'0');
    } else {
        let dropped = usize::try_from(scale - wanted).ok()?;
        let kept = digits.len().checked_sub(dropped);
        let up = kept.and_then(|at| digits.get(at)).is_some_and(|d| *d >= b'5');
        digits.truncate(kept.unwrap_or(0));
        if up {
            increment(&mut digits);
        }
    }
    Some(written(negative, &digits, places))
}

fn parse_exponent(text: &str) -> Option<i64> {
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    let whole = digits.bytes().all(|b| b.is_ascii_digit());
    text.parse().ok().filter(|e: &i64| whole && (-1_000..=1_000).contains(e))
}

fn increment(digits: &mut Vec<u8>) {
    for digit in digits.iter_mut().rev() {
        if *digit < b'9' {
            *digit += 1;
            return;
        }
        *digit = b'0';
    }
    digits.insert(0, b'1');
}

fn written(negative: bool, digits: &[u8], places: usize) -> String {
    let text: String = digits.iter().map(|d| char::from(*d)).collect();
    let text = text.trim_start_matches('0');
    let width = places.saturating_add(1);
    let padded = format!("{text:0>width$}");
    let (whole, fraction) =
        padded.split_at_checked(padded.len().saturating_sub(places)).unwrap_or((&padded, ""));
    let sign = if negative && !text.is_empty() { "-" } else { "" };
    let point = if places > 0 { "." } else { "" };
    format!("{sign}{whole}{point}{fraction}")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[track_caller]
    fn check(number: &str, shift: i64, places: usize, expected: Option<&str>) {
        assert_eq!(fixed(number, shift, places).as_deref(), expected, "{number}");
    }

    #[test]
    fn amounts_have_two_decimals() {
        check("12", 0, 2, Some("12.00"));
        check("12.5", 0, 2, Some("12.50"));
        check("345.6", 0, 2, Some("345.60"));
        check("0.005", 0, 2, Some("0.01"));
        check("0.004", 0, 2, Some("0.00"));
        check("1.005", 0, 2, Some("1.01"));
        check("-1", 0, 2, Some("-1.00"));
        check("-0.001", 0, 2, Some("0.00"));
        check("-0.005", 0, 2, Some("-0.01"));
        check("9.999", 0, 2, Some("10.00"));
        check("0.9999e1", 0, 2, Some("10.00"));
        check("1e3", 0, 2, Some("1000.00"));
        check("1E-3", 0, 2, Some("0.00"));
        check("123456789012345678901.25", 0, 2, Some("123456789012345678901.25"));
    }

    #[test]
    fn cents_and_rounding() {
        check("1200", 2, 2, Some("12.00"));
        check("5", 2, 2, Some("0.05"));
        check("-1205", 2, 2, Some("-12.05"));
        check("4.53", 0, 0, Some("5"));
        check("4.5", 0, 0, Some("5"));
        check("4.49", 0, 0, Some("4"));
        check("0.4", 0, 0, Some("0"));
        check("0.5", 0, 0, Some("1"));
        check("0.05", 0, 0, Some("0"));
    }

    #[test]
    fn what_is_no_amount() {
        for bad in [
            "",
            "-",
            "x",
            "1.",
            ".5",
            "1e",
            "1e9999",
            "1e400",
            "1 ",
            "1e-9223372036854775808",
            "+1",
            "--1",
            "1e+-2",
        ] {
            check(bad, 0, 2, None);
        }
        check(&"9".repeat(65), 0, 2, None);
    }

    proptest! {
        #[test]
        fn agrees_with_whole_number_arithmetic(n in -1_000_000_000i64..1_000_000_000, scale in 0usize..6, places in 0usize..4) {
            // n / 10^scale as text, then in whole numbers.
            let text = {
                let digits = format!("{:0>width$}", n.abs(), width = scale + 1);
                let (whole, fraction) = digits.split_at_checked(digits.len() - scale).unwrap_or_default();
                let point = if scale > 0 { "." } else { "" };
                format!("{}{whole}{point}{fraction}", if n < 0 { "-" } else { "" })
            };
            let ten = |p: usize| 10i128.pow(u32::try_from(p).unwrap_or_default());
            let numerator = i128::from(n.abs()) * ten(places);
            let rounded = (2 * numerator + ten(scale)) / (2 * ten(scale));
            let digits = format!("{rounded:0>width$}", width = places + 1);
            let (whole, fraction) = digits.split_at_checked(digits.len() - places).unwrap_or_default();
            let sign = if n < 0 && rounded > 0 { "-" } else { "" };
            let point = if places > 0 { "." } else { "" };
            prop_assert_eq!(fixed(&text, 0, places), Some(format!("{sign}{whole}{point}{fraction}")));
        }

        #[test]
        fn never_panics(text in "[-+0-9.eE]{0,12}", shift in -3i64..5, places in 0usize..5) {
            fixed(&text, shift, places);
        }
    }
}
