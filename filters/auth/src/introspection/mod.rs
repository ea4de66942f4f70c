//! Token Introspection (RFC 7662): tokens that only their issuer can read.
//!
//! A request whose token is not in a cache waits; a question is asked beside
//! it, one per token at a time. Within a VM the requests share it; across
//! workers the one that asks has a claim in the shared table, and the others
//! look there until the answer stands there too. A claim lapses, so that a
//! worker which dies holds up nobody for long.

mod cache;
mod circuit;
mod config;
mod essentials;
#[cfg(any(test, feature = "fuzz"))]
pub(crate) mod fuzz;
mod meaning;
mod question;
mod shared;
mod slot;
mod state;
#[cfg(test)]
mod tests;
mod work;

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use postern_core::config::{At, Errors, Text};
use postern_core::digest::sha256;
use postern_core::filter::Environment;
use postern_core::{Answer, Host, Metric, Work};

pub(crate) use config::IntrospectionConfig;
use meaning::{Broken, Expected};
use question::Question;
use shared::{Claim, Fingerprint, Shared};
use slot::{Entry, Seen};
use state::{Bad, Good, Stage, State, UNAVAILABLE};

use crate::carrier::Taken;
use crate::jws::Jws;
use crate::reason::Reason;
use crate::remote::millis;
use crate::verdict::{Asked, Kind, Known, Verdict};

/// How often one number in the shared data is looked at while somebody waits for
/// another worker's question: the proxy has no call from one VM to another.
const POLL: Duration = Duration::from_millis(5);

/// How often what was counted is told.
const RESTING: Duration = Duration::from_secs(1);

/// After this many milliseconds more than `timeout` a claim lapses.
const LAPSE: u64 = 250;

/// Indices into [`METRICS`].
mod counter {
    pub(super) const CACHED: usize = 0;
    pub(super) const ASKED: usize = 1;
    pub(super) const JOINED: usize = 2;
    pub(super) const ACTIVE: usize = 3;
    pub(super) const REFUSED: usize = 4;
    pub(super) const FAILED: usize = 5;
    pub(super) const STALE: usize = 6;
    pub(super) const TURNED_AWAY: usize = 7;
}

/// Requests that an answer was there for; questions; requests that waited for the
/// question of another; what became of the questions; requests that an old answer served;
/// requests over a bound, or while the service was left alone.
const METRICS: [&str; 8] = [
    "introspection.cached",
    "introspection.asked",
    "introspection.joined",
    "introspection.active",
    "introspection.refused",
    "introspection.failed",
    "introspection.stale",
    "introspection.turned_away",
];

/// A compiled provider.
#[derive(Debug)]
pub(crate) struct Introspection {
    question: Question,
    expected: Expected,
    prefix: Vec<u8>,
    jwts: bool,
    max_bytes: usize,
    max_questions: usize,
    max_waiting: usize,
    /// Milliseconds, as all that follow.
    timeout: u64,
    ttl: u64,
    negative_ttl: u64,
    stale: u64,
    /// What else than the token decides an answer: this configuration.
    scope: [u8; 32],
    shared: Shared,
    state: RefCell<State>,
}

impl Introspection {
    /// Compiles a decoded configuration; `at` is its place.
    pub(crate) fn compile(
        config: &IntrospectionConfig,
        provider: &str,
        at: At<'_>,
        environment: &Environment<'_>,
        errors: &mut Errors,
    ) -> Self {
        config.check(at, errors);
        let size = |n: u64| usize::try_from(n).unwrap_or(usize::MAX);
        let texts = |list: &[Text]| list.iter().map(|t| t.as_str().to_owned()).collect();
        let scope = format!("{provider}\0{}", at.node().to_json());
        Introspection {
            question: Question::compile(config, at, environment, errors),
            expected: Expected {
                provider: provider.to_owned(),
                issuer: config.issuer.as_ref().map(|t| t.as_str().to_owned()),
                audiences: texts(&config.audiences),
                identity: config.identity.clone(),
                published: config.claims.clone(),
                headers: config.headers.clone(),
            },
            prefix: config.token_prefix.as_ref().map_or("", Text::as_str).as_bytes().to_vec(),
            jwts: config.jwts,
            max_bytes: size(config.max_bytes.get()),
            max_questions: size(config.max_questions.get()),
            max_waiting: size(config.max_waiting.get()),
            timeout: millis(config.timeout.get()),
            ttl: millis(config.cache.ttl.get()),
            negative_ttl: millis(config.cache.negative_ttl.get()),
            stale: config.stale_if_unavailable.map_or(0, |period| millis(period.get())),
            scope: sha256(scope.as_bytes()),
            shared: Shared::default(),
            state: RefCell::new(State::new(config)),
        }
    }

    /// What is known of a token; or a question about it is opened.
    /// `since`: the request has waited since then, and is counted already.
    fn judge(&self, text: &[u8], host: &dyn Host, since: Option<Duration>) -> Verdict {
        let now = millis(host.now());
        let is_new = since.is_none();
        let token = self.shared.fingerprint(host, &self.scope, text);
        let state = &mut *self.state.borrow_mut();
        if let Some(verdict) = state.remembered(&token, now) {
            state.counts.extend(is_new.then_some(counter::CACHED));
            return verdict;
        }
        if state.flights.contains_key(&token) {
            state.counts.extend(is_new.then_some(counter::JOINED));
            return self.wait(&token, state, since, now);
        }
        let open = state.asking();
        let may_ask = open < self.max_questions
            && state.waiting < self.max_waiting
            && state.circuit.lets(open, now);
        let stage = if may_ask {
            let lapses = now.saturating_add(self.timeout).saturating_add(LAPSE);
            match self.shared.claim(host, &token, now, lapses) {
                Claim::Answered(seen) => {
                    if let Some(verdict) = adopt(&token, &seen, state, now) {
                        state.counts.extend(is_new.then_some(counter::CACHED));
                        return verdict;
                    }
                    Stage::Planned
                }
                Claim::Theirs(until) => Stage::Followed { until },
                Claim::Mine | Claim::Alone => Stage::Planned,
            }
        } else {
            let seen = self.shared.look(host, &token, now);
            if let Some(verdict) = adopt(&token, &seen, state, now) {
                state.counts.extend(is_new.then_some(counter::CACHED));
                return verdict;
            }
            state.counts.push(counter::TURNED_AWAY);
            return state.unavailable(&token, now);
        };
        if is_new && stage.is_followed(|_| true) {
            state.counts.push(counter::JOINED);
        }
        state.open(token, text, stage);
        self.wait(&token, state, since, now)
    }

    /// The request waits for a question that is open.
    fn wait(
        &self,
        token: &Fingerprint,
        state: &mut State,
        since: Option<Duration>,
        now: u64,
    ) -> Verdict {
        let patience = self.timeout.saturating_add(LAPSE.saturating_mul(2));
        match since {
            Some(since) if now >= millis(since).saturating_add(patience) => {
                return state.unavailable(token, now);
            }
            Some(_) => {}
            None => {
                if let Some(verdict) = state.join(token, self.max_waiting) {
                    return verdict;
                }
            }
        }
        let key = state.flights.get(token).map_or(0, |flight| u64::from(flight.key));
        let at_most = Duration::from_millis(patience);
        Verdict::Wait { key, at_most, or: UNAVAILABLE }
    }
}

impl Kind for Introspection {
    fn verify(&self, taken: &Taken<'_>, asked: &Asked<'_>) -> Verdict {
        let token = &*taken.secret;
        if token.len() > self.max_bytes {
            return Reason::TooLong.into();
        }
        if !token.starts_with(&self.prefix) || !self.jwts && looks_like_jwt(token) {
            return Reason::Kind.into();
        }
        self.judge(token, asked.host, asked.since)
    }

    fn metrics(&self) -> Vec<Metric> {
        METRICS.iter().map(|name| Metric::counter(*name)).collect()
    }

    fn tick(&self, host: &dyn Host) -> Work {
        let now = millis(host.now());
        let state = &mut *self.state.borrow_mut();
        let mut work = Work::default();
        self.follow(host, state, now, &mut work);
        for token in self.ask(state, now, &mut work) {
            work.merge(self.settle(host, state, &token, now, Err(Broken::NoAnswer)));
        }
        work.count.append(&mut state.counts);
        work.again = Some(if state.follows() { POLL } else { RESTING });
        work
    }

    fn answer(&self, task: u64, answer: &Answer, host: &dyn Host) -> Work {
        let state = &mut *self.state.borrow_mut();
        let asked = state.flights.iter().find_map(|(token, flight)| match flight.stage {
            Stage::Asked(at) if u64::from(flight.key) == task => Some((*token, at)),
            _ => None,
        });
        let Some((token, at)) = asked else { return Work::default() };
        let now = i64::try_from(host.now().as_secs()).unwrap_or(i64::MAX);
        let said = self.expected.read(answer, now);
        self.settle(host, state, &token, at, said)
    }
}

/// Takes over what another worker was told.
fn adopt(token: &Fingerprint, seen: &Seen, state: &mut State, now: u64) -> Option<Verdict> {
    take_over(token, seen, state);
    state.remembered(token, now)
}

/// Remembers what another worker was told.
fn take_over(token: &Fingerprint, seen: &Seen, state: &mut State) {
    match &seen.said {
        Some(Entry::Good { asked, fresh, keep, essentials }) => {
            if let Some(checked) = essentials::read(essentials) {
                let known = Rc::new(Known::new(checked));
                state.put_good(*token, Good { known, asked: *asked, fresh: *fresh, keep: *keep });
            }
        }
        Some(Entry::Bad { asked, until, reason, .. }) => {
            state.put_bad(*token, Bad { reason: *reason, asked: *asked, until: *until })
        }
        _ => {}
    }
    if let Some(until) = seen.failed {
        state.put_failed(*token, until);
    }
}

/// Signed or encrypted, whatever else is wrong with it.
fn looks_like_jwt(token: &[u8]) -> bool {
    !matches!(Jws::parse(token), Err(Reason::NotAToken | Reason::BadToken))
}
