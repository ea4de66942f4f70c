//! A point in time as a policy writes it: RFC 3339 in UTC, whole seconds.

use crate::config::schema::Schema;
use crate::config::{At, Decode, Errors, decode_text};

/// Seconds since the Unix epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Instant(i64);

impl Instant {
    /// Reads `2026-01-31T12:00:00Z`, from 1970 to 9999.
    /// `None`: it is anything else.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let shape = text.bytes().map(|b| if b.is_ascii_digit() { b'0' } else { b });
        if !shape.eq(*b"0000-00-00T00:00:00Z") {
            return None;
        }
        let number = |from: usize, to: usize| text.get(from..to)?.parse::<i64>().ok();
        let (year, month, day) = (number(0, 4)?, number(5, 7)?, number(8, 10)?);
        let (hour, minute, second) = (number(11, 13)?, number(14, 16)?, number(17, 19)?);
        let good = year >= 1970
            && (1..=days_in(year, month)?).contains(&day)
            && hour < 24
            && minute < 60
            && second < 60;
        let years = (1970..year).map(|y| if is_leap(y) { 366 } else { 365 }).sum::<i64>();
        let months = (1..month).filter_map(|m| days_in(year, m)).sum::<i64>();
        let days = years + months + day - 1;
        good.then_some(Instant(days * 86_400 + hour * 3600 + minute * 60 + second))
    }

    /// Seconds since the Unix epoch.
    #[must_use]
    pub fn seconds(self) -> i64 {
        self.0
    }
}

fn is_leap(year: i64) -> bool {
    year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
}

fn days_in(year: i64, month: i64) -> Option<i64> {
    match month {
        1 | 3 | 5 | 7 | 8 | 10 | 12 => Some(31),
        4 | 6 | 9 | 11 => Some(30),
        2 => Some(if is_leap(year) { 29 } else { 28 }),
        _ => None,
    }
}

impl Decode for Instant {
    fn decode(at: At<'_>, errors: &mut Errors) -> Option<Self> {
        const EXPECTED: &str = "a time in UTC such as `2026-01-31T12:00:00Z`";
        decode_text(at, errors, EXPECTED, |text| {
            Instant::parse(text).ok_or_else(|| format!("expected {EXPECTED}"))
        })
    }

    fn schema() -> Schema {
        Schema::Text {
            expected: "a time in UTC such as `2026-01-31T12:00:00Z`",
            pattern: Some("^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z$"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_counted_from_the_epoch() {
        for (text, seconds) in [
            ("1970-01-01T00:00:00Z", 0),
            ("2000-02-29T23:59:59Z", 951_868_799),
            ("2011-03-22T18:43:00Z", 1_300_819_380),
            ("2026-11-24T00:00:00Z", 1_795_478_400),
        ] {
            assert_eq!(Instant::parse(text), Some(Instant(seconds)), "{text}");
        }
        for bad in [
            "",
            "2026-11-24",
            "2026-11-24T00:00:00",
            "2026-11-24t00:00:00Z",
            "2026-13-01T00:00:00Z",
            "2026-02-29T00:00:00Z",
            "1900-01-01T00:00:00Z",
            "2026-11-24T24:00:00Z",
            "2026-11-24T00:60:00Z",
            "2026-11-24T00:00:60Z",
            "2026-11-24T00:00:00+01:00",
            "é026-11-24T00:00:00Z",
        ] {
            assert_eq!(Instant::parse(bad), None, "{bad}");
        }
    }
}
