//! What one VM knows and is doing: the answers it remembers, the questions that
//! are open, and who waits for them.

use std::collections::HashMap;
use std::fmt;
use std::rc::Rc;

use super::cache::Cache;
use super::circuit::Circuit;
use super::config::IntrospectionConfig;
use super::counter;
use super::shared::Fingerprint;
use crate::flaw::Flaw;
use crate::reason::Reason;
use crate::verdict::{Known, Unavailable, Verdict};

/// The most tokens of which a VM remembers that nothing was answered.
const MAX_FAILED: usize = 1_024;

/// The service did not answer.
pub(super) const UNAVAILABLE: Unavailable =
    Unavailable { code: "introspection_unavailable", retry_after: 1 };

/// Times are milliseconds since the Unix epoch.
#[derive(Debug)]
pub(super) struct State {
    good: Cache<Good>,
    bad: Cache<Bad>,
    failed: Cache<u64>,
    pub(super) flights: HashMap<Fingerprint, Flight>,
    /// Requests that wait for them.
    pub(super) waiting: usize,
    pub(super) circuit: Circuit,
    /// How often other workers had been answered when those who follow looked last.
    pub(super) heard: Option<u64>,
    /// Counted since the last tick.
    pub(super) counts: Vec<usize>,
    /// When a failure may be logged again; 0: none was.
    pub(super) quiet_until: u64,
    last_key: u32,
}

/// A good answer.
#[derive(Clone, Debug)]
pub(super) struct Good {
    pub(super) known: Rc<Known>,
    /// When that was asked.
    pub(super) asked: u64,
    /// It answers until then,
    pub(super) fresh: u64,
    /// and until then while the service does not.
    pub(super) keep: u64,
}

/// A bad answer.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bad {
    pub(super) reason: Reason,
    /// When that was asked.
    pub(super) asked: u64,
    /// It answers until then.
    pub(super) until: u64,
}

/// A question about a token.
pub(super) struct Flight {
    /// Its number: what those who wait wait for, and the task's.
    pub(super) key: u32,
    pub(super) stage: Stage,
    /// The token, until it was asked about.
    pub(super) token: Vec<u8>,
    /// Requests that wait.
    pub(super) waiting: usize,
}

/// Without the token.
impl fmt::Debug for Flight {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Flight { key, stage, token: _, waiting } = self;
        f.debug_struct("Flight")
            .field("key", key)
            .field("stage", stage)
            .field("waiting", waiting)
            .finish_non_exhaustive()
    }
}

/// How far a question has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    /// It is asked at the next tick.
    Planned,
    /// It was asked then.
    Asked(u64),
    /// Another worker asks; its claim lapses then.
    Followed { until: u64 },
}

impl Stage {
    /// Does another worker ask, with a claim that ends at a time like this?
    pub(super) fn is_followed(self, ending: impl Fn(u64) -> bool) -> bool {
        matches!(self, Stage::Followed { until } if ending(until))
    }
}

impl State {
    pub(super) fn new(config: &IntrospectionConfig) -> Self {
        let number = |n: u64| usize::try_from(n).unwrap_or(usize::MAX);
        State {
            good: Cache::new(number(config.cache.max_good.get())),
            bad: Cache::new(number(config.cache.max_bad.get())),
            failed: Cache::new(MAX_FAILED),
            flights: HashMap::new(),
            waiting: 0,
            circuit: Circuit::default(),
            heard: None,
            counts: Vec::new(),
            quiet_until: 0,
            last_key: 0,
        }
    }

    /// What is remembered of a token.
    pub(super) fn remembered(&mut self, token: &Fingerprint, now: u64) -> Option<Verdict> {
        let good = self.good.get(token).filter(|good| now < good.keep).cloned();
        if let Some(good) = good.as_ref().filter(|good| now < good.fresh) {
            return Some(Verdict::Known(good.known.clone()));
        }
        if let Some(bad) = self.bad.get(token).filter(|bad| now < bad.until) {
            // Its issuer knows it, but for these.
            let flaw = Flaw::from(bad.reason);
            let unknown = matches!(bad.reason, Reason::Inactive | Reason::Issuer);
            return Some(if unknown { flaw } else { flaw.of_own() }.into());
        }
        self.failed.get(token).filter(|until| now < **until)?;
        Some(self.unavailable(token, now))
    }

    /// What is said of a token while the service cannot be asked.
    pub(super) fn unavailable(&mut self, token: &Fingerprint, now: u64) -> Verdict {
        match self.good.get(token).filter(|good| now < good.keep) {
            Some(good) => {
                let known = good.known.clone();
                self.counts.push(counter::STALE);
                Verdict::Known(known)
            }
            None => Verdict::Unavailable(UNAVAILABLE),
        }
    }

    /// The newer of two answers stays.
    pub(super) fn put_good(&mut self, token: Fingerprint, good: Good) {
        if self.bad.get(&token).is_some_and(|bad| bad.asked > good.asked) {
            return;
        }
        self.bad.remove(&token);
        if self.good.get(&token).is_none_or(|former| former.fresh < good.fresh) {
            self.good.put(token, good);
        }
    }

    pub(super) fn put_bad(&mut self, token: Fingerprint, bad: Bad) {
        self.good.remove(&token);
        self.bad.put(token, bad);
    }

    pub(super) fn put_failed(&mut self, token: Fingerprint, until: u64) {
        self.failed.put(token, until);
    }

    /// One more request waits for a question that is open; `None` if there is
    /// none, or as many wait as may.
    pub(super) fn join(&mut self, token: &Fingerprint, max_waiting: usize) -> Option<Verdict> {
        let flight = self.flights.get_mut(token)?;
        if self.waiting >= max_waiting {
            self.counts.push(counter::TURNED_AWAY);
            return Some(Verdict::Unavailable(UNAVAILABLE));
        }
        self.waiting = self.waiting.saturating_add(1);
        flight.waiting = flight.waiting.saturating_add(1);
        None
    }

    /// Opens a question.
    pub(super) fn open(&mut self, token: Fingerprint, text: &[u8], stage: Stage) {
        if stage.is_followed(|_| true) {
            self.heard = None;
        }
        self.last_key = self.last_key.wrapping_add(1);
        let flight = Flight { key: self.last_key, stage, token: text.to_vec(), waiting: 0 };
        self.flights.insert(token, flight);
    }

    /// Ends a question; those who wait for its key are to be woken.
    pub(super) fn close(&mut self, token: &Fingerprint) -> Option<u64> {
        let flight = self.flights.remove(token)?;
        self.waiting = self.waiting.saturating_sub(flight.waiting);
        Some(u64::from(flight.key))
    }

    /// Questions that this worker asks.
    pub(super) fn asking(&self) -> usize {
        self.flights.values().filter(|flight| !flight.stage.is_followed(|_| true)).count()
    }

    /// Does any request wait for another worker's question?
    pub(super) fn follows(&self) -> bool {
        self.flights.values().any(|flight| flight.stage.is_followed(|_| true))
    }
}
