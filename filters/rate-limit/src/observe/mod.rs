//! The engine that decides nothing: it reads what a filter behind this one or the
//! upstream reported, and says it in the client's own dialect.
//!
//! Whatever was reported is taken off the answer, so that nobody gets two dialects.
//! What cannot be relied on (see [`Spoilt`]) is left out and counted.

mod forms;
mod structured;
mod tell;

#[cfg(test)]
mod tests;

use std::rc::Rc;
use std::time::Duration;

use postern_core::config::schema::Schema;
use postern_core::config::{At, AtLeastOne, Decode, Errors, Name, Node, Value};
use postern_core::rules::{Match, Rules};
use postern_core::{Headers, Response};

use crate::allowance::Left;
use crate::policy::{Quota, Window};
use crate::standing::{Standing, tightest};
pub(crate) use forms::Spoilt;
use forms::{Form, Report};
pub(crate) use tell::without;

postern_core::config! {
    /// Reports that are said again.
    struct ObserveConfig {
        /// What a limit is called where its report gives it no name. Clients see it.
        id: Name,
        /// Answers to what requests are looked at; `{}`: all of them.
        r#match: Match,
        /// In which forms limits may be reported; in all of these words if left out.
        read: AtLeastOne<Form> = AtLeastOne::default(),
        /// The quota of a limit whose report says none, as drafts 8 to 11 allow.
        quota: Option<Quota>,
        /// The window of a limit whose report says none. It stands for a reset too,
        /// where none is said.
        window: Option<Window>,
    }
}

/// What is said again.
#[derive(Clone, Debug)]
pub(crate) struct Observe {
    /// Its id.
    pub(crate) id: Name,
    name: Rc<str>,
    read: Vec<Form>,
    quota: Option<u64>,
    /// Seconds.
    window: Option<u64>,
}

/// It, and the requests to whose answers it applies.
#[derive(Clone, Debug)]
pub(crate) struct Observed(pub(crate) Match, pub(crate) Observe);

impl Decode for Observed {
    fn decode(at: At<'_>, errors: &mut Errors) -> Option<Self> {
        let ObserveConfig { id, r#match, read, quota, window } = ObserveConfig::decode(at, errors)?;
        let read = read.into_vec();
        let read = if read.is_empty() { Form::all() } else { read };
        let name = id.as_str().into();
        let (quota, window) = (quota.map(Quota::get), window.map(Window::seconds));
        Some(Observed(r#match, Observe { id, name, read, quota, window }))
    }

    fn schema() -> Schema {
        ObserveConfig::schema()
    }
}

/// All of a policy, in the order in which they are looked through.
pub(crate) type Observes = Rules<Observe>;

/// Ids are told apart from those of limits, since clients see both.
pub(crate) fn check(at: At<'_>, errors: &mut Errors) {
    let items = |key: &str| match at.node().get(key).map(|node| &node.value) {
        Some(Value::List(items)) => items.as_slice(),
        _ => &[],
    };
    let id = |node: &Node| match node.get("id").map(|id| &id.value) {
        Some(Value::Text(text)) => Some(text.clone()),
        _ => None,
    };
    let observes = items("observe");
    for (i, item) in observes.iter().enumerate() {
        let Some(own) = id(item) else { continue };
        let among = |list: &[Node]| list.iter().position(|other| id(other).as_ref() == Some(&own));
        let before = observes.get(..i).unwrap_or_default();
        let place = among(items("limits")).map(|n| format!("limits[{n}]"));
        let place = place.or_else(|| among(before).map(|n| format!("observe[{n}]")));
        if let Some(place) = place {
            let node = at.node().get("observe").unwrap_or(at.node());
            let shown: String = own.chars().filter(|c| !c.is_control()).take(64).collect();
            let at = at.key("observe", node);
            let at = at.index(i, item);
            let message = format!("`{shown}` is the id of {place} already");
            at.key("id", item.get("id").unwrap_or(item)).error(errors, message);
        }
    }
}

/// What an answer says of limits.
#[derive(Debug, Default)]
pub(crate) struct Reading {
    /// Where the caller stands, by what can be relied on.
    pub(crate) standings: Vec<Standing>,
    /// What could not be.
    pub(crate) spoilt: Vec<Spoilt>,
    /// The names of all fields that say something of limits.
    pub(crate) fields: Vec<String>,
}

/// The place of a standing that belongs to no limit of the policy.
const NOWHERE: usize = usize::MAX;

/// The longest name of a reported limit that is kept, in bytes.
const LONGEST_NAME: usize = 64;

/// The names of all fields of any dialect.
pub(crate) fn known(headers: &Headers<'_>) -> Vec<String> {
    named(headers, is_known)
}

fn is_known(name: &str) -> bool {
    let prefixes = ["ratelimit-", "x-ratelimit-", "x-rate-limit-"];
    name == "ratelimit" || prefixes.iter().any(|prefix| name.starts_with(prefix))
}

/// Each once.
fn named(headers: &Headers<'_>, is_meant: impl Fn(&str) -> bool) -> Vec<String> {
    let mut all: Vec<String> = Vec::new();
    for (name, _) in headers.iter().filter(|(name, _)| is_meant(name)) {
        if !all.iter().any(|there| there == name) {
            all.push(name.to_owned());
        }
    }
    all
}

impl Observe {
    /// `now`: since the Unix epoch.
    pub(crate) fn read(&self, response: &Response<'_>, now: Duration) -> Reading {
        let headers = response.headers();
        let mut reading = Reading { fields: self.fields(headers), ..Reading::default() };
        if reading.fields.is_empty() {
            return reading;
        }
        let refused = response.status() == Some(429);
        for form in &self.read {
            match form.read(headers, now) {
                Ok(reports) => {
                    for report in reports {
                        match self.standing(report, refused, now) {
                            Ok(standing) => merge(&mut reading.standings, standing),
                            Err(why) => reading.spoilt.push(why),
                        }
                    }
                }
                Err(why) => reading.spoilt.push(why),
            }
        }
        if reading.standings.is_empty() && reading.spoilt.is_empty() {
            reading.spoilt.push(Spoilt::Incomplete);
        }
        reading
    }

    /// All that is there of any dialect, whether it is read or not.
    fn fields(&self, headers: &Headers<'_>) -> Vec<String> {
        let own = |name: &str| {
            self.read.iter().any(|form| match form {
                Form::Three(names) => {
                    let reset = names.reset.as_deref();
                    [names.limit.as_str(), names.remaining.as_str()].contains(&name)
                        || reset == Some(name)
                }
                Form::Ietf | Form::Draft7 => false,
            })
        };
        named(headers, |name| is_known(name) || own(name))
    }

    fn standing(&self, report: Report, refused: bool, now: Duration) -> Result<Standing, Spoilt> {
        let Report { name, quota, window, remaining, reset } = report;
        let quota = quota.or(self.quota).ok_or(Spoilt::Incomplete)?;
        if remaining > quota {
            return Err(Spoilt::Contradictory);
        }
        let window = window.filter(|seconds| *seconds > 0).or(self.window);
        // Who waits for a whole window waits long enough.
        let reset = reset.or(window).ok_or(Spoilt::Incomplete)?;
        let plain = |name: &String| {
            let good = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-');
            !name.is_empty() && name.len() <= LONGEST_NAME && name.bytes().all(good)
        };
        let policy = name.filter(plain).map_or_else(|| self.name.clone(), Rc::from);
        let left = Left {
            quota,
            window,
            remaining,
            more_ns: 0,
            whole_ns: 0,
            at_ns: 0,
            enough: remaining > 0 || !refused,
        };
        // A reset that was a time is the same one again.
        let left = left.in_seconds(reset, Duration::from_secs(now.as_secs()));
        Ok(Standing { limit: NOWHERE, policy, left })
    }
}

/// Adds a standing. Of two of one name the tighter one stays: one limit that is told in
/// two forms, of which one may say more, or two that are called the same.
pub(crate) fn merge(all: &mut Vec<Standing>, one: Standing) {
    let Some(there) = all.iter_mut().find(|there| there.policy == one.policy) else {
        all.push(one);
        return;
    };
    let both = [there.clone(), one];
    let window = both.iter().find_map(|standing| standing.left.window);
    if let Some(tighter) = tightest(&both) {
        *there = tighter.clone();
        let alike = both.iter().all(|standing| standing.left.quota == there.left.quota);
        there.left.window = there.left.window.or(window.filter(|_| alike));
    }
}
