//! Windows of time.

use std::time::Duration;

use crate::config::schema::Schema;
use crate::config::{At, AtLeastOne, Decode, Errors, decode_text};
use crate::instant::Instant;

const DAY: i64 = 24 * 60;
const WEEK: i64 = 7 * DAY;
/// The Unix epoch was a Thursday; weeks begin on Monday.
const EPOCH: i64 = 3 * DAY;

crate::config! {
    /// A window of time: all that is given has to hold. A window that ends
    /// before it begins goes over midnight, and belongs to the day on which it
    /// begins.
    struct TimeWindowConfig {
        /// The days of the week; left out: every day.
        days: AtLeastOne<Weekday> = AtLeastOne::default(),
        /// From this time of day, itself included; `to` is needed with it.
        from: Option<TimeOfDay>,
        /// To this time of day, itself excluded; `24:00` is the day's end.
        to: Option<TimeOfDay>,
        /// How far the clock that these times are read from is ahead of UTC.
        utc_offset: Offset = Offset(0),
        /// Not before this.
        not_before: Option<Instant>,
        /// Not from this on.
        not_after: Option<Instant>,
    }

    /// A day of the week.
    pub choice Weekday {
        /// Monday.
        Monday = "mon",
        /// Tuesday.
        Tuesday = "tue",
        /// Wednesday.
        Wednesday = "wed",
        /// Thursday.
        Thursday = "thu",
        /// Friday.
        Friday = "fri",
        /// Saturday.
        Saturday = "sat",
        /// Sunday.
        Sunday = "sun",
    }
}

/// A window of time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TimeWindow {
    /// One bit a day, Monday the lowest.
    days: u8,
    /// Minutes of the day, and how many the window is long.
    from: i64,
    length: i64,
    /// Minutes ahead of UTC.
    offset: i64,
    not_before: Option<Instant>,
    not_after: Option<Instant>,
}

impl TimeWindow {
    /// Is this moment, since the Unix epoch, in it?
    #[must_use]
    pub fn contains(&self, now: Duration) -> bool {
        let seconds = i64::try_from(now.as_secs()).unwrap_or(i64::MAX);
        let starts = self.not_before.is_none_or(|from| from.seconds() <= seconds);
        let goes_on = self.not_after.is_none_or(|to| seconds < to.seconds());
        starts && goes_on && self.in_week((seconds.div_euclid(60)).saturating_add(self.offset))
    }

    fn in_week(&self, minute: i64) -> bool {
        let minute = minute.saturating_add(EPOCH).rem_euclid(WEEK);
        (0..7).filter(|day| self.days & (1 << day) != 0).any(|day| {
            let start = day * DAY + self.from;
            (minute - start).rem_euclid(WEEK) < self.length
        })
    }
}

impl Decode for TimeWindow {
    fn decode(at: At<'_>, errors: &mut Errors) -> Option<Self> {
        let TimeWindowConfig { days, from, to, utc_offset, not_before, not_after } =
            TimeWindowConfig::decode(at, errors)?;
        let (from, to) = match (from, to) {
            (None, None) => (0, DAY),
            (Some(from), Some(to)) => (from.0, to.0),
            _ => {
                at.error(errors, "expected both `from` and `to`, or neither");
                return None;
            }
        };
        if from == to || from == DAY {
            at.error(errors, "expected `from` before `to`");
            return None;
        }
        if not_before.zip(not_after).is_some_and(|(from, to)| from >= to) {
            at.error(errors, "expected `not_before` before `not_after`");
            return None;
        }
        let bit = |day: &Weekday| 1u8 << (*day as u8);
        let days = if days.is_empty() { 0x7f } else { days.iter().map(bit).fold(0, |a, b| a | b) };
        let length = if to > from { to - from } else { to + DAY - from };
        Some(TimeWindow { days, from, length, offset: utc_offset.0, not_before, not_after })
    }

    fn schema() -> Schema {
        TimeWindowConfig::schema()
    }
}

/// Minutes since midnight.
#[derive(Clone, Copy, Debug)]
struct TimeOfDay(i64);

/// `HH:MM`; to `24:00`.
fn minutes(text: &str) -> Option<i64> {
    let shape = text.bytes().map(|b| if b.is_ascii_digit() { b'0' } else { b });
    if !shape.eq(*b"00:00") {
        return None;
    }
    let number = |from: usize, to: usize| text.get(from..to)?.parse::<i64>().ok();
    let (hour, minute) = (number(0, 2)?, number(3, 5)?);
    (minute < 60 && hour * 60 + minute <= DAY).then_some(hour * 60 + minute)
}

impl Decode for TimeOfDay {
    fn decode(at: At<'_>, errors: &mut Errors) -> Option<Self> {
        const EXPECTED: &str = "a time of day such as `08:30`";
        decode_text(at, errors, EXPECTED, |text| {
            minutes(text).map(TimeOfDay).ok_or_else(|| format!("expected {EXPECTED}"))
        })
    }

    fn schema() -> Schema {
        Schema::Text {
            expected: "a time of day such as `08:30`",
            pattern: Some("^([01][0-9]|2[0-3]):[0-5][0-9]$|^24:00$"),
        }
    }
}

/// Minutes ahead of UTC.
#[derive(Clone, Copy, Debug)]
struct Offset(i64);

impl Decode for Offset {
    fn decode(at: At<'_>, errors: &mut Errors) -> Option<Self> {
        const EXPECTED: &str = "an offset such as `+01:00`, from `-14:00` to `+14:00`";
        decode_text(at, errors, EXPECTED, |text| {
            let (sign, rest) = match text.strip_prefix('-') {
                Some(rest) => (-1, Some(rest)),
                None => (1, text.strip_prefix('+')),
            };
            rest.and_then(minutes)
                .filter(|m| *m <= 14 * 60)
                .map(|m| Offset(sign * m))
                .ok_or_else(|| format!("expected {EXPECTED}"))
        })
    }

    fn schema() -> Schema {
        Schema::Text {
            expected: "an offset such as `+01:00`, from `-14:00` to `+14:00`",
            pattern: Some("^[+-](0[0-9]|1[0-4]):[0-5][0-9]$"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{decode, parse_json};

    #[track_caller]
    fn contains(window: &str, times: &[(&str, bool)]) {
        let window: TimeWindow = decode(&parse_json(window.as_bytes()).unwrap()).unwrap();
        for (text, expected) in times {
            let seconds = Instant::parse(text).unwrap().seconds();
            let now = Duration::from_secs(seconds.try_into().unwrap());
            assert_eq!(window.contains(now), *expected, "{text}");
        }
    }

    /// 2026-11-27 was a Friday.
    #[test]
    fn windows_of_the_week() {
        contains(
            r#"{"days": ["mon", "fri"], "from": "08:00", "to": "18:00"}"#,
            &[
                ("2026-11-27T07:59:59Z", false),
                ("2026-11-27T08:00:00Z", true),
                ("2026-11-27T17:59:59Z", true),
                ("2026-11-27T18:00:00Z", false),
                ("2026-11-26T12:00:00Z", false),
                ("2026-11-30T12:00:00Z", true),
            ],
        );
        contains(
            r#"{"days": ["sun"], "from": "22:00", "to": "06:00"}"#,
            &[
                ("2026-11-29T21:59:00Z", false),
                ("2026-11-29T22:00:00Z", true),
                ("2026-11-30T05:59:00Z", true),
                ("2026-11-30T06:00:00Z", false),
                ("2026-11-29T05:00:00Z", false),
            ],
        );
        contains(
            r#"{"days": ["mon"], "utc_offset": "+02:00"}"#,
            &[
                ("2026-11-29T21:59:59Z", false),
                ("2026-11-29T22:00:00Z", true),
                ("2026-11-30T21:59:59Z", true),
                ("2026-11-30T22:00:00Z", false),
            ],
        );
        contains(r#"{"from": "12:00", "to": "24:00"}"#, &[("2026-11-30T23:59:59Z", true)]);
    }

    #[test]
    fn windows_of_the_calendar() {
        contains(
            r#"{"not_before": "2026-11-24T00:00:00Z", "not_after": "2026-12-01T00:00:00Z"}"#,
            &[
                ("2026-11-23T23:59:59Z", false),
                ("2026-11-24T00:00:00Z", true),
                ("2026-11-30T23:59:59Z", true),
                ("2026-12-01T00:00:00Z", false),
            ],
        );
    }

    #[test]
    fn bad_windows_are_named() {
        for (window, expected) in [
            (r#"{"from": "08:00"}"#, "expected both `from` and `to`, or neither"),
            (r#"{"from": "08:00", "to": "08:00"}"#, "expected `from` before `to`"),
            (r#"{"from": "24:00", "to": "08:00"}"#, "expected `from` before `to`"),
            (r#"{"from": "8:00", "to": "09:00"}"#, "from: expected a time of day such as `08:30`"),
            (
                r#"{"days": ["monday"]}"#,
                "days[0]: expected `mon`, `tue`, `wed`, `thu`, `fri`, `sat` or `sun`",
            ),
            (
                r#"{"utc_offset": "+15:00"}"#,
                "utc_offset: expected an offset such as `+01:00`, from `-14:00` to `+14:00`",
            ),
            (
                r#"{"not_before": "2026-12-01T00:00:00Z", "not_after": "2026-12-01T00:00:00Z"}"#,
                "expected `not_before` before `not_after`",
            ),
        ] {
            let node = parse_json(window.as_bytes()).unwrap();
            assert_eq!(decode::<TimeWindow>(&node).unwrap_err().to_string(), expected);
        }
    }
}
