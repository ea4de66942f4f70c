//! Numbers of JSON, compared by what they are worth.

use std::cmp::Ordering;

use postern_core::config::schema::Schema;
use postern_core::config::{At, Decode, Errors, Value};
use serde_json::Value as Json;

/// A number. Whole ones up to 64 bits are exact.
#[derive(Clone, Copy, Debug)]
pub enum Number {
    /// A whole one of 64 bits, with or without a sign.
    Int(i128),
    /// Any other; finite.
    Float(f64),
}

/// 2^64, which a float is exactly: no whole one is as large.
const BEYOND: f64 = 18_446_744_073_709_551_616.0;

impl Number {
    /// `None`: the value is no number.
    pub(crate) fn of(value: &Json) -> Option<Number> {
        let number = value.as_number()?;
        let whole = number.as_i64().map(i128::from).or_else(|| number.as_u64().map(i128::from));
        whole.map(Number::Int).or_else(|| number.as_f64().map(Number::Float))
    }
}

impl PartialOrd for Number {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        match (*self, *other) {
            (Number::Int(a), Number::Int(b)) => Some(a.cmp(&b)),
            (Number::Float(a), Number::Float(b)) => a.partial_cmp(&b),
            (Number::Int(a), Number::Float(b)) => whole_with(a, b),
            (Number::Float(a), Number::Int(b)) => whole_with(b, a).map(Ordering::reverse),
        }
    }
}

impl PartialEq for Number {
    fn eq(&self, other: &Self) -> bool {
        self.partial_cmp(other) == Some(Ordering::Equal)
    }
}

/// As a float, a whole number could be rounded.
fn whole_with(a: i128, b: f64) -> Option<Ordering> {
    if b.is_nan() {
        None
    } else if b >= BEYOND {
        Some(Ordering::Less)
    } else if b < -BEYOND {
        Some(Ordering::Greater)
    } else {
        // In range, so nothing is lost but the fraction.
        let whole = b.trunc() as i128;
        Some(a.cmp(&whole).then(0.0.partial_cmp(&b.fract()).unwrap_or(Ordering::Equal)))
    }
}

impl Decode for Number {
    fn decode(at: At<'_>, errors: &mut Errors) -> Option<Self> {
        let number = match &at.node().value {
            Value::Int(number) => Some(Number::Int((*number).into())),
            Value::Large(number) => Some(Number::Int((*number).into())),
            Value::Float(number) => serde_json::from_str(number).ok().map(Number::Float),
            _ => None,
        };
        if number.is_none() {
            at.expected(errors, "a number");
        }
        number
    }

    fn schema() -> Schema {
        Schema::Number
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_compared_exactly() {
        let number = |text: &str| Number::of(&serde_json::from_str(text).unwrap()).unwrap();
        for (less, more) in [
            ("1", "2"),
            ("1", "1.5"),
            ("-1.5", "-1"),
            ("9007199254740992", "9007199254740993"),
            ("9223372036854775807", "9223372036854775808"),
            ("-1e300", "-9223372036854775808"),
            ("9223372036854775807", "1e19"),
            ("18446744073709551614", "18446744073709551615"),
            ("18446744073709551615", "18446744073709551616"),
        ] {
            assert!(number(less) < number(more), "{less} {more}");
            assert!(number(more) > number(less), "{less} {more}");
        }
        for (a, b) in [("1", "1.0"), ("0", "-0.0"), ("1e3", "1000")] {
            assert_eq!(number(a), number(b));
        }
    }
}
