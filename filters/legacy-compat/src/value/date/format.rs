//! The forms in which dates are written.

use postern_core::config::schema::Schema;
use postern_core::config::{At, Decode, Errors, decode_text};

use super::{Date, MONTHS, Scan, WEEKDAYS, days_in};

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
