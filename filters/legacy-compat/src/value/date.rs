//! Dates: read as ISO 8601 or in a form that the policy names, written in such a form.

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

    /// One of a few names, in any case; its number.
    fn name(&mut self, names: &[&str], length: Option<usize>) -> Option<usize> {
        names.iter().position(|name| {
            let name = length.and_then(|n| name.get(..n)).unwrap_or(name);
            let found = self.rest.get(..name.len()).is_some_and(|r| r.eq_ignore_ascii_case(name));
            if found {
                self.rest = self.rest.get(name.len()..).unwrap_or_default();
            }
            found
        })
    }

    /// Seconds since the Unix epoch, up to the year 9999.
    fn seconds(&mut self) -> Option<i64> {
        let sign = if self.expect('-').is_some() { -1 } else { 1 };
        let count = self.rest.bytes().take_while(u8::is_ascii_digit).count();
        let (digits, rest) = self.rest.split_at_checked(count)?;
        self.rest = rest;
        Some(sign * digits.parse::<i64>().ok().filter(|n| *n <= 253_402_300_799)?)
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
    /// A moment in UTC (Hinnant's `civil_from_days`). `None`: before the year 0.
    fn of_epoch(seconds: i64) -> Option<Self> {
        let (days, second) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
        let z = days + 719_468;
        let (era, of_era) = (z.div_euclid(146_097), z.rem_euclid(146_097));
        let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
        let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let shifted = (5 * of_year + 2) / 153;
        let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
        let year = year_of_era + era * 400 + i64::from(month <= 2);
        let small = |n: i64| u32::try_from(n).ok();
        Some(Date {
            year: small(year)?,
            month: small(month)?,
            day: small(of_year - (153 * shifted + 2) / 5 + 1)?,
            hour: small(second / 3_600)?,
            minute: small(second / 60 % 60)?,
            second: small(second % 60)?,
            offset_minutes: 0,
        })
    }

    /// Seconds since the Unix epoch (`days_from_civil`).
    fn epoch(self) -> i64 {
        let year = i64::from(self.year) - i64::from(self.month <= 2);
        let (era, year_of_era) = (year.div_euclid(400), year.rem_euclid(400));
        let month = (i64::from(self.month) + 9) % 12;
        let of_year = (153 * month + 2) / 5 + i64::from(self.day) - 1;
        let of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + of_year;
        let days = era * 146_097 + of_era - 719_468;
        let time = i64::from(self.hour) * 3_600 + i64::from(self.minute) * 60;
        days * 86_400 + time + i64::from(self.second) - i64::from(self.offset_minutes) * 60
    }

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
/// (`+0000`), `%:z` (`+00:00`), `%s` (seconds since 1970) and `%%`, as in C's
/// `strftime`, in English.
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
                    Some(field) if "aAbBdemYyHMSsz:".contains(field) => {
                        if field == ':' && rest.next() != Some('z') {
                            return Err("`%:` is followed by `z`".to_owned());
                        }
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

    /// Reads a date in this form; what the form leaves out is the earliest, in UTC.
    pub(crate) fn read(&self, text: &str) -> Option<Date> {
        let mut scan = Scan { rest: text };
        let mut date =
            Date { year: 1970, month: 1, day: 1, hour: 0, minute: 0, second: 0, offset_minutes: 0 };
        for part in &self.0 {
            let field = match part {
                Part::Literal(literal) => {
                    scan.rest = scan.rest.strip_prefix(literal.as_str())?;
                    continue;
                }
                Part::Field(field) => *field,
            };
            let number = |n: usize| u32::try_from(n).ok()?.checked_add(1);
            match field {
                // The weekday follows from the date.
                'a' => drop(scan.name(&WEEKDAYS, Some(3))?),
                'A' => drop(scan.name(&WEEKDAYS, None)?),
                'b' => date.month = number(scan.name(&MONTHS, Some(3))?)?,
                'B' => date.month = number(scan.name(&MONTHS, None)?)?,
                'd' => date.day = scan.digits(2)?,
                'e' => {
                    let one = scan.expect(' ').is_some();
                    date.day = scan.digits(if one { 1 } else { 2 })?;
                }
                'm' => date.month = scan.digits(2).filter(|m| (1..=12).contains(m))?,
                'Y' => date.year = scan.digits(4)?,
                // As POSIX has it.
                'y' => {
                    let year = scan.digits(2)?;
                    date.year = if year < 69 { 2000 + year } else { 1900 + year };
                }
                'H' => date.hour = scan.digits(2).filter(|h| *h < 24)?,
                'M' => date.minute = scan.digits(2).filter(|m| *m < 60)?,
                'S' => date.second = scan.digits(2).filter(|s| *s <= 60)?,
                's' => date = Date::of_epoch(scan.seconds()?)?,
                _ if scan.rest.is_empty() => return None,
                _ => date.offset_minutes = scan.offset()?,
            }
        }
        let day = (1..=days_in(date.year, date.month)).contains(&date.day);
        (day && scan.rest.is_empty()).then_some(date)
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
        's' => date.epoch().to_string(),
        'z' | ':' => {
            let colon = if field == ':' { ":" } else { "" };
            let sign = if date.offset_minutes < 0 { '-' } else { '+' };
            let minutes = date.offset_minutes.unsigned_abs();
            format!("{sign}{:02}{colon}{:02}", minutes / 60, minutes % 60)
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
            pattern: Some("^([^%]|%[aAbBdemYyHMSsz%]|%:z)+$"),
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
            ("%:Y", "`%:` is followed by `z`"),
        ] {
            assert_eq!(DateFormat::parse(bad).unwrap_err(), expected);
        }
    }

    #[test]
    fn other_forms_are_read() {
        let iso = DateFormat::parse("%Y-%m-%dT%H:%M:%S%:z").unwrap();
        let read = |format: &str, text: &str| {
            let date = DateFormat::parse(format).unwrap().read(text);
            date.map_or("-".to_owned(), |date| iso.write(date))
        };
        let old = "%a %b %d %H:%M:%S %z %Y";
        for (format, text, expected) in [
            (old, "Mon Jun 01 00:00:00 +1000 2009", "2009-06-01T00:00:00+10:00"),
            (old, "mon JUN 01 00:00:00 Z 2009", "2009-06-01T00:00:00+00:00"),
            (old, "Mon Jun 31 00:00:00 +1000 2009", "-"),
            (old, "Mon Jun 01 00:00:00 +1000 2009 ", "-"),
            (old, "Mon Jun 01 00:00:00", "-"),
            (old, "Mon J\u{fc}n 01 00:00:00 +1000 2009", "-"),
            ("%A, %e %B %Y", "Monday,  7 March 2016", "2016-03-07T00:00:00+00:00"),
            ("%A, %e %B %Y", "Monday, 17 March 2016", "2016-03-17T00:00:00+00:00"),
            ("%d/%m/%y", "07/03/16", "2016-03-07T00:00:00+00:00"),
            ("%d/%m/%y", "07/03/69", "1969-03-07T00:00:00+00:00"),
            ("%d/%m/%y", "07/13/16", "-"),
            ("%s", "1457352000", "2016-03-07T12:00:00+00:00"),
            ("%s", "-1", "1969-12-31T23:59:59+00:00"),
            ("%s", "253402300799", "9999-12-31T23:59:59+00:00"),
            ("%s", "253402300800", "-"),
            ("%s", "-99999999999", "-"),
            ("%s", "", "-"),
            ("%Y%z", "2016", "-"),
        ] {
            assert_eq!(read(format, text), expected, "{format}: {text}");
        }
        let seconds = DateFormat::parse("%s").unwrap();
        let east = parse_date("2016-03-07T12:00:00+10:00").unwrap();
        assert_eq!(seconds.write(east), "1457316000");
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_again(seconds in 0i64..253_402_300_800, offset in -1439i32..1440) {
            let date = Date { offset_minutes: offset, ..Date::of_epoch(seconds).unwrap() };
            for format in ["%a %b %d %H:%M:%S %z %Y", "%A %B %e %Y %H%M%S%:z"] {
                let format = DateFormat::parse(format).unwrap();
                prop_assert_eq!(format.read(&format.write(date)), Some(date));
            }
            let utc = Date::of_epoch(seconds).unwrap();
            prop_assert_eq!(utc.epoch(), seconds);
            prop_assert_eq!(date.epoch(), seconds - i64::from(offset) * 60);
        }

        #[test]
        fn reading_never_panics(text in "\\PC{0,30}", like in "[A-Za-zé]{3} [A-Z][a-z]{2} [0-9 :+é-]{0,24}") {
            for format in ["%a %b %d %H:%M:%S %z %Y", "%s", "%A%e%B%y"] {
                let format = DateFormat::parse(format).unwrap();
                format.read(&text);
                format.read(&like);
            }
        }

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
