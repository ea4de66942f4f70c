//! The forms in which others report what is left.

use std::time::Duration;

use postern_core::Headers;
use postern_core::config::schema::Schema;
use postern_core::config::{At, Decode, Errors, Value};
use postern_core::rules::HeaderName;

use super::structured::{Bare, Item, dictionary, list};
use crate::rate::LONGEST;

postern_core::config! {
    choice Word {
        /// `RateLimit-Policy` and `RateLimit` of the IETF's draft, 8 to 11.
        Ietf = "ietf",
        /// `RateLimit: limit=…, remaining=…, reset=…` and `RateLimit-Policy` of draft 7.
        Draft7 = "draft_7",
        /// `RateLimit-Limit`, `-Remaining` and `-Reset` of drafts 3 to 6.
        RateLimit = "ratelimit",
        /// `X-RateLimit-Limit`, `-Remaining` and `-Reset`, as Envoy, GitHub and others
        /// have them.
        XRateLimit = "x_ratelimit",
        /// `X-Rate-Limit-Limit`, `-Remaining` and `-Reset`, as Twitter had them.
        XRateLimitTwitter = "x_rate_limit",
        /// `X-Ratelimit-Total` and `X-Ratelimit-Remaining`, as the old gateway has them.
        Legacy = "legacy",
    }

    /// Fields of other names.
    struct NamesConfig {
        /// The field that says how many there are.
        limit: HeaderName,
        /// How many are left.
        remaining: HeaderName,
        /// When there are all again; seconds.
        reset: Option<HeaderName>,
    }
}

/// A form. A reset is in seconds from now, or in seconds or milliseconds since the
/// Unix epoch: its size tells which.
#[derive(Clone, Debug)]
pub(super) enum Form {
    Ietf,
    Draft7,
    /// Three fields.
    Three(Names),
}

/// The names of three fields.
#[derive(Clone, Debug)]
pub(super) struct Names {
    pub(super) limit: String,
    pub(super) remaining: String,
    pub(super) reset: Option<String>,
    /// Where windows stand, if not behind the limit.
    policy: Option<&'static str>,
}

/// What somebody reported of one limit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Report {
    pub(super) name: Option<String>,
    pub(super) quota: Option<u64>,
    /// Seconds.
    pub(super) window: Option<u64>,
    pub(super) remaining: u64,
    /// Seconds from now.
    pub(super) reset: Option<u64>,
}

/// Why a report is left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Spoilt {
    /// Not in the grammar of its form, or beyond all measure.
    Malformed,
    /// A field, or what it names, is there twice.
    Duplicate,
    /// More is left than there is; a reset that was long ago.
    Contradictory,
    /// Something is missing, and nothing can stand for it.
    Incomplete,
}

const WORDS: [Word; 6] = [
    Word::Ietf,
    Word::Draft7,
    Word::RateLimit,
    Word::XRateLimit,
    Word::XRateLimitTwitter,
    Word::Legacy,
];

/// A reset of so many seconds or more is a time, not a while: 31 years.
const TIME: u64 = 1_000_000_000;

/// Of so many or more, one in milliseconds.
const MILLISECONDS: u64 = 1_000 * TIME;

/// A reset may be so long ago, in seconds, by a clock that is behind ours.
const BEHIND: u64 = 3_600;

impl Form {
    /// All of them but those of other names.
    pub(super) fn all() -> Vec<Form> {
        WORDS.iter().map(|word| Form::of(*word)).collect()
    }

    fn of(word: Word) -> Form {
        let three = |prefix: &str, limit: &str, policy| {
            let named = |part: &str| format!("{prefix}-{part}");
            let reset = (limit == "limit").then(|| named("reset"));
            Form::Three(Names { limit: named(limit), remaining: named("remaining"), reset, policy })
        };
        match word {
            Word::Ietf => Form::Ietf,
            Word::Draft7 => Form::Draft7,
            Word::RateLimit => three("ratelimit", "limit", Some("ratelimit-policy")),
            Word::XRateLimit => three("x-ratelimit", "limit", None),
            Word::XRateLimitTwitter => three("x-rate-limit", "limit", None),
            Word::Legacy => three("x-ratelimit", "total", None),
        }
    }

    /// What is reported in this form; nothing, if no field of it is there. `now`: since
    /// the Unix epoch.
    pub(super) fn read(&self, headers: &Headers<'_>, now: Duration) -> Result<Vec<Report>, Spoilt> {
        match self {
            Form::Ietf => ietf(headers),
            Form::Draft7 => draft_7(headers, now),
            Form::Three(names) => names.read(headers, now),
        }
    }
}

/// All lines of a list are one list.
fn joined(headers: &Headers<'_>, name: &str) -> Result<Option<String>, Spoilt> {
    let mut whole: Option<String> = None;
    for value in headers.all(name) {
        let value = std::str::from_utf8(value).map_err(|_| Spoilt::Malformed)?;
        match &mut whole {
            Some(whole) => {
                whole.push_str(", ");
                whole.push_str(value);
            }
            None => whole = Some(value.to_owned()),
        }
    }
    Ok(whole)
}

/// Does `RateLimit` hold a dictionary, as in draft 7? Its keys have values.
fn is_dictionary(text: &str) -> bool {
    let key = text.trim_start_matches(' ').bytes().find(|b| !b.is_ascii_alphanumeric());
    key == Some(b'=')
}

fn ietf(headers: &Headers<'_>) -> Result<Vec<Report>, Spoilt> {
    let Some(left) = joined(headers, "ratelimit")?.filter(|text| !is_dictionary(text)) else {
        return Ok(Vec::new());
    };
    let policy = joined(headers, "ratelimit-policy")?.unwrap_or_default();
    let policies = list(&policy).ok_or(Spoilt::Malformed)?;
    let mut reports: Vec<Report> = Vec::new();
    let mut seen = Vec::new();
    for item in list(&left).ok_or(Spoilt::Malformed)? {
        let Bare::Text(name) = item.value else { return Err(Spoilt::Malformed) };
        // A limit may be told for several partitions.
        let partition = item.parameter("pk").is_some();
        if !partition && seen.contains(&name) {
            return Err(Spoilt::Duplicate);
        }
        seen.push(name);
        let mut named = policies.iter().filter(|policy| policy.value == Bare::Text(name));
        // The policy may be told elsewhere.
        let policy = named.next();
        if !partition && named.next().is_some() {
            return Err(Spoilt::Duplicate);
        }
        // What is counted in bytes, say, is no number of requests.
        let units = ["request", "requests"].map(|unit| Some(Bare::Text(unit)));
        let unit = policy.and_then(|policy| policy.parameter("qu"));
        if unit.is_some() && !units.contains(&unit) {
            continue;
        }
        reports.push(Report {
            name: Some(name.to_owned()),
            quota: policy.map(|policy| needed(policy, "q")).transpose()?,
            window: policy.map(|policy| optional(policy, "w")).transpose()?.flatten(),
            remaining: needed(&item, "r")?,
            reset: optional(&item, "t")?,
        });
    }
    Ok(reports)
}

fn draft_7(headers: &Headers<'_>, now: Duration) -> Result<Vec<Report>, Spoilt> {
    let Some(left) = joined(headers, "ratelimit")?.filter(|text| is_dictionary(text)) else {
        return Ok(Vec::new());
    };
    let members = dictionary(&left).ok_or(Spoilt::Malformed)?;
    let one = |name: &str| {
        let mut all = members.iter().filter(|(own, _)| *own == name);
        match (all.next(), all.next()) {
            (Some((_, item)), None) => item.number().map(Some).ok_or(Spoilt::Malformed),
            (Some(_), Some(_)) => Err(Spoilt::Duplicate),
            (None, _) => Ok(None),
        }
    };
    let quota = one("limit")?.ok_or(Spoilt::Incomplete)?;
    let remaining = one("remaining")?.ok_or(Spoilt::Incomplete)?;
    let reset = one("reset")?.map(|reset| from_now(reset, now)).transpose()?;
    let policy = joined(headers, "ratelimit-policy")?.unwrap_or_default();
    let policies = list(&policy).ok_or(Spoilt::Malformed)?;
    let (name, window) = policy_of(&policies, quota)?;
    Ok(vec![Report { name, quota: Some(quota), window, remaining, reset }])
}

impl Names {
    fn read(&self, headers: &Headers<'_>, now: Duration) -> Result<Vec<Report>, Spoilt> {
        let limit = joined(headers, &self.limit)?;
        let Some(limit) = limit else { return Ok(Vec::new()) };
        let limits = list(&limit).ok_or(Spoilt::Malformed)?;
        let Some((first, behind)) = limits.split_first() else { return Err(Spoilt::Malformed) };
        let quota = first.number().ok_or(Spoilt::Malformed)?;
        // Windows stand behind the limit. Without a window it is another's limit.
        if behind.iter().any(|item| window_of(item).is_none()) {
            return Err(Spoilt::Duplicate);
        }
        let remaining = self.alone(headers, &self.remaining)?.ok_or(Spoilt::Incomplete)?;
        let reset = match &self.reset {
            Some(name) => self.alone(headers, name)?,
            None => None,
        };
        let reset = reset.map(|reset| from_now(reset, now)).transpose()?;
        let policy = match self.policy.filter(|_| behind.is_empty()) {
            Some(name) => joined(headers, name)?.unwrap_or_default(),
            None => String::new(),
        };
        let apart = list(&policy).ok_or(Spoilt::Malformed)?;
        let policies = if behind.is_empty() { apart.as_slice() } else { behind };
        let (name, window) = policy_of(policies, quota)?;
        Ok(vec![Report { name, quota: Some(quota), window, remaining, reset }])
    }

    /// The one number of a field. Envoy joins the lines of some fields by commas.
    fn alone(&self, headers: &Headers<'_>, name: &str) -> Result<Option<u64>, Spoilt> {
        let Some(text) = joined(headers, name)? else { return Ok(None) };
        match list(&text).ok_or(Spoilt::Malformed)?.as_slice() {
            [item] => item.number().map(Some).ok_or(Spoilt::Malformed),
            [] => Err(Spoilt::Malformed),
            [..] => Err(Spoilt::Duplicate),
        }
    }
}

/// The window of `100;w=60`; some write it out.
fn window_of<'a>(item: &Item<'a>) -> Option<Bare<'a>> {
    item.parameter("w").or_else(|| item.parameter("window"))
}

/// Name and window of the limit that was told, among all that there are.
fn policy_of(policies: &[Item<'_>], quota: u64) -> Result<(Option<String>, Option<u64>), Spoilt> {
    let Some(own) = policies.iter().find(|item| item.value == Bare::Number(quota)) else {
        return Ok((None, None));
    };
    let window = match window_of(own) {
        Some(Bare::Number(window)) => Some(bounded(window)?),
        Some(Bare::Text(_) | Bare::Other) => return Err(Spoilt::Malformed),
        None => None,
    };
    let name = match own.parameter("name") {
        Some(Bare::Text(name)) => Some(name.to_owned()),
        Some(Bare::Number(_) | Bare::Other) | None => None,
    };
    Ok((name, window))
}

fn needed(item: &Item<'_>, name: &str) -> Result<u64, Spoilt> {
    match item.parameter(name) {
        Some(Bare::Number(number)) => Ok(number),
        Some(Bare::Text(_) | Bare::Other) => Err(Spoilt::Malformed),
        None => Err(Spoilt::Incomplete),
    }
}

/// Seconds.
fn optional(item: &Item<'_>, name: &str) -> Result<Option<u64>, Spoilt> {
    match item.parameter(name) {
        Some(Bare::Number(seconds)) => bounded(seconds).map(Some),
        Some(Bare::Text(_) | Bare::Other) => Err(Spoilt::Malformed),
        None => Ok(None),
    }
}

/// No window and no reset is longer than the longest that this filter counts.
fn bounded(seconds: u64) -> Result<u64, Spoilt> {
    if seconds <= LONGEST.as_secs() { Ok(seconds) } else { Err(Spoilt::Malformed) }
}

fn from_now(reset: u64, now: Duration) -> Result<u64, Spoilt> {
    let now = now.as_secs();
    let at = match reset {
        0..TIME => return bounded(reset),
        TIME..MILLISECONDS => reset,
        MILLISECONDS.. => reset.div_ceil(1_000),
    };
    if at.saturating_add(BEHIND) < now {
        return Err(Spoilt::Contradictory);
    }
    bounded(at.saturating_sub(now))
}

impl Decode for Form {
    fn decode(at: At<'_>, errors: &mut Errors) -> Option<Self> {
        if let Value::Map(_) = &at.node().value {
            let NamesConfig { limit, remaining, reset } = NamesConfig::decode(at, errors)?;
            let text = |name: HeaderName| name.as_str().to_owned();
            let (limit, remaining) = (text(limit), text(remaining));
            return Some(Form::Three(Names {
                limit,
                remaining,
                reset: reset.map(text),
                policy: None,
            }));
        }
        Word::decode(at, errors).map(Form::of)
    }

    fn schema() -> Schema {
        Schema::AnyOf(vec![Word::schema(), NamesConfig::schema()])
    }
}
