//! Numbers of claims by what they are worth, digit for digit: as a float, two that differ
//! may be one.

/// So long a number is written out; longer ones have an exponent.
const WRITTEN_OUT: usize = 40;

/// A number of JSON.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Decimal {
    negative: bool,
    /// Neither the first nor the last one is 0; none: it is 0.
    digits: String,
    /// Zeros after the digits; less than 0: so many of the digits are a fraction.
    exponent: i64,
}

impl Decimal {
    /// Reads the text of a number of JSON. `None`: it is none.
    pub(crate) fn read(text: &str) -> Option<Self> {
        let (negative, text) = match text.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, text),
        };
        let (mantissa, exponent) = match text.split_once(['e', 'E']) {
            Some((mantissa, exponent)) => (mantissa, exponent.parse::<i64>().ok()?),
            None => (text, 0),
        };
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let all = [whole, fraction].concat();
        if whole.is_empty() || !all.bytes().all(|b| b.is_ascii_digit()) {
            return None;
        }
        let digits = all.trim_end_matches('0');
        let zeros = i64::try_from(all.len().checked_sub(digits.len())?).ok()?;
        let fraction = i64::try_from(fraction.len()).ok()?;
        let exponent = exponent.checked_sub(fraction)?.checked_add(zeros)?;
        let digits = digits.trim_start_matches('0').to_owned();
        let is_zero = digits.is_empty();
        let exponent = if is_zero { 0 } else { exponent };
        Some(Decimal { negative: negative && !is_zero, digits, exponent })
    }

    /// The same for all numbers that are worth the same, and for no others.
    pub(crate) fn text(&self) -> String {
        let Decimal { negative, digits, exponent } = self;
        let sign = if *negative { "-" } else { "" };
        let length = i64::try_from(digits.len()).unwrap_or(i64::MAX);
        let point = length.saturating_add(*exponent);
        let bound = i64::try_from(WRITTEN_OUT).unwrap_or(0);
        if digits.is_empty() {
            return "0".to_owned();
        }
        if *exponent >= 0 && point <= bound {
            let zeros = "0".repeat(usize::try_from(*exponent).unwrap_or(0));
            return format!("{sign}{digits}{zeros}");
        }
        if *exponent < 0 && length <= bound && point.saturating_add(bound) > 0 {
            let lead = "0".repeat(usize::try_from(1i64.saturating_sub(point)).unwrap_or(0));
            let all = format!("{lead}{digits}");
            let behind = usize::try_from(exponent.unsigned_abs()).unwrap_or(0);
            let at = all.len().saturating_sub(behind);
            if let Some((whole, fraction)) = all.split_at_checked(at) {
                return format!("{sign}{whole}.{fraction}");
            }
        }
        format!("{sign}{digits}e{exponent}")
    }

    /// A whole number that is not less than 0; the largest there is in place of larger ones.
    pub(crate) fn whole(&self) -> Option<u64> {
        if self.negative || self.exponent < 0 {
            return None;
        }
        if self.digits.is_empty() {
            return Some(0);
        }
        let digits = self.digits.parse::<u64>().unwrap_or(u64::MAX);
        let zeros = u32::try_from(self.exponent).unwrap_or(u32::MAX);
        Some(digits.saturating_mul(10u64.saturating_pow(zeros)))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn text(number: &str) -> Option<String> {
        Decimal::read(number).map(|decimal| decimal.text())
    }

    #[test]
    fn what_is_worth_the_same_is_said_the_same() {
        for (expected, numbers) in [
            ("7", &["7", "7.0", "70e-1", "0.7E1", "0.007e+3"][..]),
            ("-1.5", &["-1.5", "-1.50", "-15e-1"]),
            ("0", &["0", "-0", "0.000", "0e99", "-0.0e-5"]),
            ("0.05", &["0.05", "5e-2", "0.50e-1"]),
            ("1200", &["1200", "12e2", "1.2e3"]),
            ("18446744073709551617", &["18446744073709551617", "18446744073709551617.0"]),
            ("1e400", &["1e400", "10e399", "0.1e401"]),
            ("-12e-60", &["-1.2e-59"]),
        ] {
            for number in numbers {
                assert_eq!(text(number).as_deref(), Some(expected), "{number}");
            }
        }
        for none in ["", "-", ".5", "a", "1e", "1e99999999999999999999", "1.2.3", "+1", "\"7\""] {
            assert_eq!(text(none), None, "{none}");
        }
    }

    #[test]
    fn whole_ones_are_known_however_they_are_written() {
        for (number, expected) in [
            ("0", Some(0)),
            ("7.0", Some(7)),
            ("12e2", Some(1_200)),
            ("18446744073709551615", Some(u64::MAX)),
            ("18446744073709551616", Some(u64::MAX)),
            ("1e400", Some(u64::MAX)),
            ("7.5", None),
            ("-1", None),
            ("-0", Some(0)),
        ] {
            assert_eq!(Decimal::read(number).unwrap().whole(), expected, "{number}");
        }
    }

    proptest! {
        /// Written as 10^12 times as much, whole, they are compared plainly.
        #[test]
        fn texts_are_the_same_where_numbers_are(
            a in -1_000_000i64..1_000_000, b in -1_000_000i64..1_000_000, x in -6i32..6, y in -6i32..6,
        ) {
            let worth = |n: i64, e: i32| i128::from(n) * 10i128.pow(u32::try_from(e + 6).unwrap());
            let said = |n: i64, e: i32| text(&format!("{n}e{e}")).unwrap();
            prop_assert_eq!(worth(a, x) == worth(b, y), said(a, x) == said(b, y));
            // And it is a number of the same worth.
            let read = Decimal::read(&said(a, x));
            prop_assert_eq!(read, Decimal::read(&format!("{a}e{x}")));
        }
    }
}
