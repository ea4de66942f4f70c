//! Dates: read as ISO 8601 or in a form that the policy names, written in such a form.

mod format;

pub(crate) use format::DateFormat;

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

#[cfg(test)]
mod tests;
