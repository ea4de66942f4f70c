//! Checked scalars that several policies share.

use std::time::Duration;

use super::decode::{At, Decode};
use super::error::Errors;
use super::node::Value;
use super::schema::Schema;

/// Decodes a text by `parse`, whose error says what was wrong with it.
pub fn decode_text<T>(
    at: At<'_>,
    errors: &mut Errors,
    expected: &str,
    parse: impl FnOnce(&str) -> Result<T, String>,
) -> Option<T> {
    let Value::Text(text) = &at.node().value else {
        at.expected(errors, expected);
        return None;
    };
    match parse(text) {
        Ok(value) => Some(value),
        Err(why) => {
            at.error(errors, why);
            None
        }
    }
}

/// The name of a rule, a limit, a provider: 1–64 characters of
/// `A-Z a-z 0-9 . _ -`, safe in headers, metrics and logs.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Name(Box<str>);

impl Name {
    /// A default in a type's declaration.
    #[must_use]
    pub fn from_static(name: &'static str) -> Self {
        Name(name.into())
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Decode for Name {
    fn decode(at: At<'_>, errors: &mut Errors) -> Option<Self> {
        const EXPECTED: &str = "a name of 1 to 64 letters, digits, `.`, `_` or `-`";
        decode_text(at, errors, EXPECTED, |text| {
            let good = (1..=64).contains(&text.len())
                && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b));
            if good { Ok(Name(text.into())) } else { Err(format!("expected {EXPECTED}")) }
        })
    }

    fn schema() -> Schema {
        Schema::Text {
            expected: "a name of 1 to 64 letters, digits, `.`, `_` or `-`",
            pattern: Some("^[A-Za-z0-9._-]{1,64}$"),
        }
    }
}

/// A text that is not empty and has no control characters.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Text(Box<str>);

impl Text {
    /// A default in a type's declaration.
    #[must_use]
    pub fn from_static(text: &'static str) -> Self {
        Text(text.into())
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Decode for Text {
    fn decode(at: At<'_>, errors: &mut Errors) -> Option<Self> {
        const EXPECTED: &str = "a text that is not empty and has no control characters";
        decode_text(at, errors, EXPECTED, |text| {
            let good = !text.is_empty() && !text.chars().any(char::is_control);
            if good { Ok(Text(text.into())) } else { Err(format!("expected {EXPECTED}")) }
        })
    }

    fn schema() -> Schema {
        Schema::Text {
            expected: "a text that is not empty and has no control characters",
            pattern: Some("^[^\\x00-\\x1f\\x7f]+$"),
        }
    }
}

/// A whole number from `MIN` to `MAX`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Count<const MIN: u64, const MAX: u64>(u64);

impl<const MIN: u64, const MAX: u64> Count<MIN, MAX> {
    /// The number.
    #[must_use]
    pub fn get(self) -> u64 {
        self.0
    }

    /// A default in a type's declaration; clamped into the range.
    #[must_use]
    pub fn new(value: u64) -> Self {
        Count(value.clamp(MIN, MAX))
    }
}

impl<const MIN: u64, const MAX: u64> Decode for Count<MIN, MAX> {
    fn decode(at: At<'_>, errors: &mut Errors) -> Option<Self> {
        let number = match at.node().value {
            Value::Int(i) => i,
            Value::Float(_) | Value::Large(_) => {
                at.error(errors, format!("expected a whole number from {MIN} to {MAX}"));
                return None;
            }
            _ => {
                at.expected(errors, &format!("a whole number from {MIN} to {MAX}"));
                return None;
            }
        };
        let fits = u64::try_from(number).ok().filter(|n| (MIN..=MAX).contains(n));
        if fits.is_none() {
            at.error(
                errors,
                format!("expected a whole number from {MIN} to {MAX}, but found {number}"),
            );
        }
        fits.map(Count)
    }

    fn schema() -> Schema {
        Schema::Count { min: MIN, max: MAX }
    }
}

/// A duration as text: `250ms`, `30s`, `5m`, `2h`, `1d`; not zero, at most 366 days.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Period(Duration);

impl Period {
    /// The duration.
    #[must_use]
    pub fn get(self) -> Duration {
        self.0
    }

    /// A default in a type's declaration.
    #[must_use]
    pub const fn from_secs(seconds: u64) -> Self {
        Period(Duration::from_secs(seconds))
    }

    /// A default in a type's declaration.
    #[must_use]
    pub const fn from_millis(milliseconds: u64) -> Self {
        Period(Duration::from_millis(milliseconds))
    }
}

impl Decode for Period {
    fn decode(at: At<'_>, errors: &mut Errors) -> Option<Self> {
        decode_text(at, errors, "a duration such as `30s`", |text| {
            parse_duration(text).filter(|d| !d.is_zero()).map(Period).ok_or_else(|| {
                "expected a duration over zero such as `250ms`, `30s`, `5m`, `2h` or `1d`"
                    .to_owned()
            })
        })
    }

    fn schema() -> Schema {
        Schema::Text {
            expected: "a duration over zero such as `250ms`, `30s`, `5m`, `2h` or `1d`",
            pattern: Some("^[0-9]{1,9}(ms|s|m|h|d)$"),
        }
    }
}

/// Parses `250ms`, `30s`, `5m`, `2h`, `1d`; at most 366 days.
#[must_use]
pub fn parse_duration(text: &str) -> Option<Duration> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at_checked(digits)?;
    if number.len() > 9 {
        return None;
    }
    let number: u64 = number.parse().ok()?;
    let millis = match unit {
        "ms" => number,
        "s" => number.checked_mul(1_000)?,
        "m" => number.checked_mul(60_000)?,
        "h" => number.checked_mul(3_600_000)?,
        "d" => number.checked_mul(86_400_000)?,
        _ => return None,
    };
    (millis <= 366 * 86_400_000).then(|| Duration::from_millis(millis))
}
