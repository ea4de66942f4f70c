//! Retirement: old clients are told beforehand, tried, and turned away in the end.

use postern_core::config::Errors;
use postern_core::instant::Instant;
use postern_core::{HeaderEdit, Host, Refusal};

use crate::place::Located;
use crate::policy::{AfterSunset, BrownOutPolicy, LinkPolicy, RetirementPolicy};

/// A compiled retirement.
#[derive(Debug)]
pub(crate) struct Retirement {
    /// What every answer says of it.
    pub(crate) headers: Vec<HeaderEdit>,
    gone_from: Option<u64>,
    brown_outs: Vec<BrownOut>,
}

/// When some requests are refused.
#[derive(Debug)]
struct BrownOut {
    from: u64,
    until: u64,
    /// In each of so many seconds the first so many.
    every: Option<(u64, u64)>,
    /// Of a hundred requests.
    share: u64,
}

/// What becomes of a request to a rule that retires.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    /// It goes on.
    Served,
    /// It is refused for a while: seconds until it is not, where a time says so.
    BrownOut(Option<u64>),
    /// It is refused for good.
    Gone,
}

impl Retirement {
    pub(crate) fn compile(policy: &RetirementPolicy, errors: &mut Errors) -> Self {
        let RetirementPolicy { deprecated, sunset, after_sunset, links, brown_outs } = policy;
        let mut headers = Vec::new();
        if let Some(at) = deprecated {
            headers.push(HeaderEdit::set("deprecation", format!("@{}", at.seconds())));
        }
        if let Some(at) = sunset {
            headers.push(HeaderEdit::set("sunset", imf_date(seconds(at.value))));
        }
        if let (Some(sunset), Some(deprecated)) = (sunset, deprecated)
            && sunset.value < *deprecated
        {
            // RFC 9745 §4.
            sunset.error(errors, "a sunset is no earlier than `deprecated`");
        }
        headers.extend(links.iter().filter_map(|link| header(link, errors)));
        Retirement {
            headers,
            gone_from: sunset
                .as_ref()
                .filter(|_| *after_sunset == AfterSunset::Refuse)
                .map(|at| seconds(at.value)),
            brown_outs: brown_outs.iter().map(|b| BrownOut::compile(b, errors)).collect(),
        }
    }

    /// What becomes of a request now.
    pub(crate) fn fate(&self, host: &dyn Host) -> Fate {
        if self.gone_from.is_none() && self.brown_outs.is_empty() {
            return Fate::Served;
        }
        let now = host.now().as_secs();
        if self.gone_from.is_some_and(|from| now >= from) {
            return Fate::Gone;
        }
        let over = self.brown_outs.iter().filter_map(|b| b.end(now).map(|end| (b, end)));
        for (brown_out, end) in over {
            if brown_out.share >= 100 || drawn(host) < brown_out.share {
                return Fate::BrownOut(end.map(|end| end.saturating_sub(now)));
            }
        }
        Fate::Served
    }
}

/// A number below a hundred, any of them as likely.
fn drawn(host: &dyn Host) -> u64 {
    let bytes = host.random();
    let half = u64::from_le_bytes(bytes.first_chunk().copied().unwrap_or_default());
    u64::try_from((u128::from(half) * 100) >> 64).unwrap_or(0)
}

impl Fate {
    /// The refusal, if it is one.
    pub(crate) fn refusal(self) -> Option<Refusal> {
        match self {
            Fate::Served => None,
            Fate::Gone => Some(Refusal::new(
                410,
                "retired",
                "Gone",
                "this interface was retired: see the headers `Sunset` and `Link`",
            )),
            Fate::BrownOut(left) => {
                let detail = "this interface will be retired, and is switched off for a while \
                              as a notice";
                let refusal = Refusal::new(503, "brown_out", "Service unavailable", detail);
                Some(match left {
                    Some(seconds) => refusal.header("retry-after", seconds.max(1).to_string()),
                    None => refusal,
                })
            }
        }
    }

    /// As it stands in records.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Fate::Served => "served",
            Fate::BrownOut(_) => "brown_out",
            Fate::Gone => "gone",
        }
    }
}

impl BrownOut {
    fn compile(located: &Located<BrownOutPolicy>, errors: &mut Errors) -> Self {
        let BrownOutPolicy { share, from, until, every, lasts } = &located.value;
        let whole = |period: &postern_core::config::Period| period.get().as_secs();
        let every = match (every, lasts) {
            (Some(every), Some(lasts)) => Some((whole(every), whole(lasts))),
            (None, None) => None,
            _ => {
                located.error(errors, "`every` and `lasts` go together: `every: 1d, lasts: 10m`");
                None
            }
        };
        if every.is_some_and(|(every, lasts)| lasts == 0 || lasts >= every) {
            located.error(errors, "expected `lasts` of at least `1s`, and shorter than `every`");
        }
        if let (Some(from), Some(until)) = (from, until)
            && from >= until
        {
            located.error(errors, "expected `until` after `from`");
        }
        let is_bounded = until.is_some() || every.is_some() || share.get() < 100;
        if !is_bounded {
            located.error(
                errors,
                "that refuses everything for good: expected a `share` below `100`, an `until`, or \
                 `every` and `lasts`",
            );
        }
        BrownOut {
            from: from.map(seconds).unwrap_or(0),
            until: until.map(seconds).unwrap_or(u64::MAX),
            every,
            share: share.get(),
        }
    }

    /// Is it on? Then when it ends, if a time says so: with a share the next request
    /// may pass.
    fn end(&self, now: u64) -> Option<Option<u64>> {
        if now < self.from || now >= self.until {
            return None;
        }
        let end = match self.every {
            None => self.until,
            Some((every, lasts)) => {
                // From `from` on, or from the epoch: whole days in UTC.
                let into = now.saturating_sub(self.from).checked_rem(every)?;
                let left = lasts.checked_sub(into).filter(|left| *left > 0)?;
                now.saturating_add(left).min(self.until)
            }
        };
        Some(Some(end).filter(|end| *end < u64::MAX && self.share >= 100))
    }
}

fn seconds(at: Instant) -> u64 {
    u64::try_from(at.seconds()).unwrap_or(0)
}

fn header(link: &Located<LinkPolicy>, errors: &mut Errors) -> Option<HeaderEdit> {
    let LinkPolicy { rel, href, r#type: media_type } = &link.value;
    let href = href.as_str();
    if !href.is_ascii() || href.contains(['<', '>', '"', ' ', '\\']) {
        link.error(errors, "`href` is a URI: no blanks, quotes or angle brackets, ASCII alone");
        return None;
    }
    let mut value = format!("<{href}>; rel=\"{}\"", rel.as_str());
    if let Some(media_type) = media_type {
        let media_type = media_type.as_str();
        if !media_type.is_ascii() || media_type.contains(['"', '\\']) {
            link.error(errors, "`type` is a media type such as `text/html`");
            return None;
        }
        value.push_str(&format!("; type=\"{media_type}\""));
    }
    Some(HeaderEdit::append("link", value))
}

/// `Sun, 06 Nov 1994 08:49:37 GMT` (RFC 9110 §5.6.7).
pub(crate) fn imf_date(at: u64) -> String {
    const DAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];
    const MONTHS: [&str; 12] =
        ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let (days, second) = (at / 86_400, at % 86_400);
    let name = |names: &[&'static str], at: u64| {
        usize::try_from(at).ok().and_then(|at| names.get(at).copied()).unwrap_or_default()
    };
    let (year, month, day) = civil(days);
    format!(
        "{}, {day:02} {} {year:04} {:02}:{:02}:{:02} GMT",
        name(&DAYS, days % 7),
        name(&MONTHS, month),
        second / 3_600,
        second / 60 % 60,
        second % 60
    )
}

/// Year, month from 0, and day of so many days after 1970-01-01.
fn civil(days: u64) -> (u64, u64, u64) {
    // Years of March to February, so that a leap day is the last; 400 of them have the
    // same days.
    let days = days.saturating_add(719_468);
    let (era, day) = (days / 146_097, days % 146_097);
    let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let of_month = day - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 2 } else { month - 10 };
    (era * 400 + year + u64::from(month < 2), month, of_month)
}

#[cfg(test)]
mod tests;
