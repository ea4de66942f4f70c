//! Dates: read as ISO 8601, written in a form that the policy names.

use postern_core::config::schema::Schema;
use postern_core::config::{At, Decode, Errors, decode_text};

/// A moment as it was written: local time and offset are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Date {
    year: u32,
    month: u32,
    day: u32,
    hour: u32,
    minute: u32,
    second: u32,
    offset_minutes: i32,
}

/// Reads `2016-03-01T00:00:00Z`, with a fraction, an offset (`+10:00`,
/// `+1000`) or a blank in place of the `T`, or a day alone (ISO 8601,
/// RFC 3339). Without an offset it is UTC.
pub(crate) fn parse_date(text: &str) -> Option<Date> {
    let mut scan = Scan { rest: text };
    let year = scan.digits(4)?;
    scan.expect('-')?;
    let month = scan.digits(2).filter(|m| (1..=12).contains(m))?;
    scan.expect('-')?;
    let day = scan.digits(2).filter(|d| (1..=days_in(year, month)).contains(d))?;
    let mut date = Date { year, month, day, hour: 0, minute: 0, second: 0, offset_minutes: 0 };
    if scan.rest.is_empty() {
        return Some(date);
    }
    scan.one_of(&['T', 't', ' '])?;
    date.hour = scan.digits(2).filter(|h| *h < 24)?;
    scan.expect(':')?;
    date.minute = scan.digits(2).filter(|m| *m < 60)?;
    scan.expect(':')?;
    date.second = scan.digits(2).filter(|s| *s <= 60)?;
    if scan.expect('.').is_some() {
        let fraction = scan.rest.bytes().take_while(u8::is_ascii_digit).count();
        scan.rest = scan.rest.get(fraction..).filter(|_| fraction > 0)?;
    }
    date.offset_minutes = scan.offset()?;
    scan.rest.is_empty().then_some(date)
}

struct Scan<'a> {
    rest: &'a str,
}

impl Scan<'_> {
    fn digits(&mut self, count: usize) -> Option<u32> {
        let (digits, rest) = self.rest.split_at_checked(count)?;
        let number = digits.bytes().all(|b| b.is_ascii_digit()).then(|| digits.parse().ok())?;
        self.rest = rest;
        number
    }

    fn expect(&mut self, c: char) -> Option<()> {
        self.rest = self.rest.strip_prefix(c)?;
        Some(())
    }

    fn one_of(&mut self, chars: &[char]) -> Option<()> {
        self.rest = self.rest.strip_prefix(chars)?;
        Some(())
    }

    fn offset(&mut self) -> Option<i32> {
        if self.rest.is_empty() || self.one_of(&['Z', 'z']).is_some() {
            return Some(0);
        }
        let sign = match self.expect('+') {
            Some(()) => 1,
            None => self.expect('-').map(|()| -1)?,
        };
        let hours = self.digits(2).filter(|h| *h < 24)?;
        self.expect(':').unwrap_or_default();
        let minutes = self.digits(2).filter(|m| *m < 60)?;
        Some(sign * i32::try_from(hours * 60 + minutes).ok()?)
    }
}

fn days_in(year: u32, month: u32) -> u32 {
    let leap = year.is_multiple_of(4) && !year.is_multiple_of(100) || year.is_multiple_of(400);
    match month {
        2 if leap => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

impl Date {
    /// Sunday is 0 (Sakamoto's method).
    fn weekday(self) -> usize {
        const SHIFT: [u32; 12] = [0, 3, 2, 5, 0, 3, 5, 1, 4, 6, 2, 4];
        let month = usize::try_from(self.month).unwrap_or(1);
        let shift = SHIFT.get(month.saturating_sub(1)).copied().unwrap_or(0);
        let year = if self.month < 3 { self.year + 399 } else { self.year + 400 };
        let day = year + year / 4 - year / 100 + year / 400 + shift + self.day;
        usize::try_from(day % 7).unwrap_or(0)
    }
}

const WEEKDAYS: [&str; 7] =
    ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"];
const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];

/// The way a date is written: text with `%a` (`Mon`), `%A`, `%b` (`Mar`),
/// `%B`, `%d` (`07`), `%e` (` 7`), `%m`, `%Y`, `%y`, `%H`, `%M`, `%S`, `%z`
/// (`+0000`) and `%%`, as in C's `strftime`, in English.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct DateFormat(Vec<Part>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Literal(String),
    Field(char),
}

impl DateFormat {
    /// Parses a format.
    ///
    /// # Errors
    /// What is wrong with it, for the operator.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let mut parts = Vec::new();
        let mut literal = String::new();
        let mut rest = text.chars();
        while let Some(c) = rest.next() {
            match c {
                '%' => match rest.next() {
                    Some('%') => literal.push('%'),
                    Some(field) if "aAbBdemYyHMSz".contains(field) => {
                        if !literal.is_empty() {
                            parts.push(Part::Literal(std::mem::take(&mut literal)));
                        }
                        parts.push(Part::Field(field));
                    }
                    Some(other) => {
                        return Err(format!("`%{}` is no field of a date", other.escape_debug()));
                    }
                    None => return Err("a date format ends with a lone `%`".to_owned()),
                },
                c if c.is_control() => {
                    return Err("a date format has no control characters".to_owned());
                }
                c => literal.push(c),
            }
        }
        if !literal.is_empty() {
            parts.push(Part::Literal(literal));
        }
        if !parts.iter().any(|p| matches!(p, Part::Field(_))) {
            return Err("expected a date format such as `%a %b %d %H:%M:%S %z %Y`".to_owned());
        }
        Ok(DateFormat(parts))
    }

    /// Writes a date.
    pub(crate) fn write(&self, date: Date) -> String {
        self.0
            .iter()
            .map(|part| match part {
                Part::Literal(text) => text.clone(),
                Part::Field(field) => field_of(date, *field),
            })
            .collect()
    }
}

fn field_of(date: Date, field: char) -> String {
    let month = usize::try_from(date.month).unwrap_or(1).saturating_sub(1);
    let month = MONTHS.get(month).copied().unwrap_or_default();
    let weekday = WEEKDAYS.get(date.weekday()).copied().unwrap_or_default();
    let short = |name: &str| name.get(..3).unwrap_or(name).to_owned();
    match field {
        'a' => short(weekday),
        'A' => weekday.to_owned(),
        'b' => short(month),
        'B' => month.to_owned(),
        'd' => format!("{:02}", date.day),
        'e' => format!("{:2}", date.day),
        'm' => format!("{:02}", date.month),
        'Y' => format!("{:04}", date.year),
        'y' => format!("{:02}", date.year % 100),
        'H' => format!("{:02}", date.hour),
        'M' => format!("{:02}", date.minute),
        'S' => format!("{:02}", date.second),
        'z' => {
            let sign = if date.offset_minutes < 0 { '-' } else { '+' };
            let minutes = date.offset_minutes.unsigned_abs();
            format!("{sign}{:02}{:02}", minutes / 60, minutes % 60)
        }
        _ => String::new(),
    }
}

impl Decode for DateFormat {
    fn decode(at: At<'_>, errors: &mut Errors) -> Option<Self> {
        decode_text(at, errors, "a date format such as `%a %b %d %H:%M:%S %z %Y`", Self::parse)
    }

    fn schema() -> Schema {
        Schema::Text {
            expected: "a date format such as `%a %b %d %H:%M:%S %z %Y`",
            pattern: Some("^([^%]|%[aAbBdemYyHMSz%])+$"),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use proptest::prelude::*;

    use super::*;

    #[track_caller]
    fn check(iso: &str, expected: &str) {
        let old = DateFormat::parse("%a %b %d %H:%M:%S %z %Y").unwrap();
        assert_eq!(parse_date(iso).map(|d| old.write(d)).as_deref(), Some(expected), "{iso}");
    }

    #[test]
    fn old_form() {
        check("2016-03-07T12:00:00Z", "Mon Mar 07 12:00:00 +0000 2016");
        check("2009-06-01T00:00:00+10:00", "Mon Jun 01 00:00:00 +1000 2009");
        check("2009-06-01 00:00:00-0330", "Mon Jun 01 00:00:00 -0330 2009");
        check("2016-02-29T23:59:60.123456Z", "Mon Feb 29 23:59:60 +0000 2016");
        check("2000-01-01", "Sat Jan 01 00:00:00 +0000 2000");
        check("1900-03-01T01:02:03", "Thu Mar 01 01:02:03 +0000 1900");
        check("0000-01-01", "Sat Jan 01 00:00:00 +0000 0000");
        check("9999-12-31t23:59:59z", "Fri Dec 31 23:59:59 +0000 9999");
    }

    #[test]
    fn all_fields() {
        let all = DateFormat::parse("%A %B %e %m %y %% x").unwrap();
        assert_eq!(all.write(parse_date("2016-03-07").unwrap()), "Monday March  7 03 16 % x");
    }

    #[test]
    fn what_is_no_date() {
        for bad in [
            "",
            "2016",
            "2016-13-01",
            "2016-00-01",
            "2015-02-29",
            "2016-03-07T24:00:00Z",
            "2016-03-07T12:60:00Z",
            "2016-03-07T12:00:61Z",
            "2016-03-07T12:00",
            "2016-03-07T12:00:00.Z",
            "2016-03-07T12:00:00+1",
            "2016-03-07T12:00:00+24:00",
            "2016-03-07T12:00:00Zz",
            "2016-03-07X12:00:00Z",
            "20é6-03-07",
            "-016-03-07",
            "+016-03-07",
        ] {
            assert_eq!(parse_date(bad), None, "{bad}");
        }
    }

    #[test]
    fn bad_formats_are_named() {
        for (bad, expected) in [
            ("", "expected a date format such as `%a %b %d %H:%M:%S %z %Y`"),
            ("ISO", "expected a date format such as `%a %b %d %H:%M:%S %z %Y`"),
            ("%Y-%Q", "`%Q` is no field of a date"),
            ("%Y%", "a date format ends with a lone `%`"),
            ("%Y\n", "a date format has no control characters"),
        ] {
            assert_eq!(DateFormat::parse(bad).unwrap_err(), expected);
        }
    }

    proptest! {
        #[test]
        fn the_weekday_goes_on_by_one_each_day(days in 0u32..3_000_000) {
            // Days counted up from Saturday, 1 January 0000.
            let (mut year, mut month, mut day) = (0, 1, days);
            let leap = |y: u32| y.is_multiple_of(4) && !y.is_multiple_of(100) || y.is_multiple_of(400);
            while day >= 365 + u32::from(leap(year)) {
                day -= 365 + u32::from(leap(year));
                year += 1;
            }
            while day >= days_in(year, month) {
                day -= days_in(year, month);
                month += 1;
            }
            let date = parse_date(&format!("{year:04}-{month:02}-{:02}", day + 1)).unwrap();
            prop_assert_eq!(date.weekday(), usize::try_from((days + 6) % 7).unwrap());
        }

        #[test]
        fn never_panics(text in "\\PC{0,24}", like in "[0-9]{4}-[01][0-9]-[0-3][0-9]T[0-9:.+Zé-]{0,16}") {
            parse_date(&text);
            parse_date(&like);
        }
    }
}
