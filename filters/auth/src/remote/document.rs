//! One VM's part in fetching a document.

mod flight;
mod published;

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use postern_core::digest::{hex, sha256};
use postern_core::{Answer, Host, Metric, Work};

use super::config::{Settings, Source};
use super::form::Form;
use super::state::{State, max_age, millis};
pub(super) use flight::etag;
use flight::{jitter, succeeded};

/// The first part of every key in the shared data. Changes with the format.
const PREFIX: &str = "auth-remote-2";

/// Between ticks: at rest, which is how long a new version goes unnoticed; while
/// a request waits for another worker's fetch; while a document is read.
const RESTING: Duration = Duration::from_secs(1);
const WATCHING: Duration = Duration::from_millis(10);
const READING: Duration = Duration::from_millis(1);

/// By so many milliseconds a VM that never fetched lets the others go first.
const LATER: u64 = 1_500;

/// So many bytes of memory are set aside in one slice.
const WARMED: usize = 2 * 1024 * 1024;

/// How often a record is written again that another worker changed meanwhile.
const TRIES: usize = 64;

/// The metrics of one document, as [`Remote::metrics`] numbers them.
pub(crate) const METRICS: usize = 7;
const FETCHES: usize = 0;
const FAILURES: usize = 1;
const NOT_MODIFIED: usize = 2;
const SLICES: usize = 3;
const KNOWN: usize = 4;
const AGE: usize = 5;
const LAST_SUCCESS: usize = 6;

/// A document, as one VM knows it.
#[derive(Debug)]
pub(crate) struct Remote<F: Form> {
    /// What it is, for the log.
    name: String,
    source: Source,
    settings: Settings,
    form: F,
    record_key: String,
    body_key: String,
    /// Which of its provider's documents it is, and the number of its first
    /// metric there.
    place: Place,
    local: RefCell<Local<F>>,
}

/// Where a document stands among those of its provider.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place {
    /// 0 to 3; its tasks are told by it.
    pub(crate) slot: u64,
    /// The number of its first metric.
    pub(crate) first_metric: usize,
}

#[derive(Debug)]
struct Local<F: Form> {
    /// The record as it was last read.
    state: State,
    /// The version that was last looked at, of use or not.
    seen: u64,
    current: Option<Current<F::Value>>,
    flight: Option<Flight<F::Part>>,
    flights: u64,
    /// The number of the last task.
    tasks: u64,
    /// What was published is of no use here: it is asked for at once. That
    /// happens once, or two policies could go on replacing each other's.
    unusable: Option<bool>,
    /// The body of this name is not there, seen first then: what is there belongs
    /// to another record.
    torn: Option<(u64, u64)>,
    /// A request wants a fetch.
    demanded: bool,
    /// Requests wait, since the record said this.
    waiting: Option<Mark>,
    /// What the operator should know and was not told yet.
    remarks: Vec<String>,
}

#[derive(Debug)]
struct Current<V> {
    value: Rc<V>,
    version: u64,
    /// When it was asked for that was last fetched or confirmed.
    confirmed_at: u64,
}

/// A fetch of this VM's own.
#[derive(Debug)]
struct Flight<P> {
    task: u64,
    /// Its name in the record.
    holder: u64,
    /// What comes says how it was at this time.
    asked_at: u64,
    /// It knows a former version: 304 is an answer.
    conditional: bool,
    /// Before it is asked for: memory, as far as it is set aside.
    warming: Option<Vec<u8>>,
    reading: Option<Reading<P>>,
}

/// A document that came and is not read to its end yet.
#[derive(Debug)]
struct Reading<P> {
    body: Rc<Vec<u8>>,
    part: P,
    etag: Vec<u8>,
    max_age: Option<u64>,
}

/// What changes when an attempt has ended.
type Mark = (u64, u64, u64);

/// What becomes of a request that needs what the document does not say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lack {
    /// A fetch may bring it: wait. In so many seconds it can be tried again if
    /// that takes too long.
    Wait(u64),
    /// It was fetched a short time ago and did not say it.
    /// In so many seconds it is asked for again.
    Recent(u64),
    /// It cannot be fetched now; in so many seconds it can be tried again.
    Unavailable(u64),
}

impl<F: Form> Remote<F> {
    /// A document, not looked at yet. `owner` is the provider that wants it:
    /// what is of use to one may be of none to another.
    pub(crate) fn new(
        what: &str,
        owner: &str,
        source: Source,
        settings: Settings,
        place: Place,
        form: F,
    ) -> Self {
        let text = [what, owner, &source.cluster, &source.uri.authority, &source.uri.path];
        let digest = hex(&sha256(text.join("\0").as_bytes()));
        let name = format!(
            "{what} of `{owner}` from {} by cluster `{}`",
            source.uri.shown(),
            source.cluster
        );
        Remote {
            name,
            source,
            settings,
            form,
            record_key: format!("{PREFIX}.{digest}"),
            body_key: format!("{PREFIX}.{digest}.body"),
            place,
            local: RefCell::new(Local {
                state: State::default(),
                seen: 0,
                current: None,
                flight: None,
                flights: 0,
                tasks: 0,
                unusable: None,
                torn: None,
                demanded: false,
                waiting: None,
                remarks: Vec::new(),
            }),
        }
    }

    /// Counts its tasks on from a former document's in the same slot, whose
    /// answers may still come.
    pub(crate) fn after(self, former: &Self) -> Self {
        self.local.borrow_mut().tasks = former.local.borrow().tasks;
        self
    }

    /// The metrics of a document: `<what>_fetches` and so on.
    pub(crate) fn metrics(what: &str) -> Vec<Metric> {
        let counter = |name: &str| Metric::counter(format!("{what}_{name}"));
        let gauge = |name: &str| Metric::gauge(format!("{what}_{name}"));
        vec![
            counter("fetches"),
            counter("fetch_failures"),
            counter("not_modified"),
            counter("slices"),
            gauge("known"),
            gauge("age_seconds"),
            gauge("last_success_seconds"),
        ]
    }

    /// Where it comes from.
    pub(crate) fn source(&self) -> &Source {
        &self.source
    }

    pub(crate) fn settings(&self) -> &Settings {
        &self.settings
    }

    /// A request needs what [`Remote::look`] did not find. It may wait, and cause
    /// a fetch.
    pub(crate) fn lacking(&self, now: Duration) -> Lack {
        let known = self.current(now).is_some();
        let now = millis(now);
        let mut local = self.local.borrow_mut();
        let settings = &self.settings;
        // The next attempt, whoever it is due for.
        let mut next = local.state.next(now, settings);
        if known {
            next = next.min(local.state.next_demand(now, settings));
        }
        if local.unusable == Some(true) || local.torn.is_some() && local.state.failures == 0 {
            next = now;
        }
        let held = local.state.is_held(now, settings);
        if held {
            // It is believed to be under way until then, and no longer.
            next = next.min(local.state.held_until);
        }
        let after = next.saturating_sub(now);
        let retry_after = after.div_ceil(1000).max(1);
        let patience = if known { 0 } else { millis(settings.wait) };
        if held || after <= patience {
            local.demanded |= known && !held;
            if local.waiting.is_none() {
                local.waiting = Some(mark(&local.state));
            }
            Lack::Wait(retry_after)
        } else if known && local.state.failures == 0 {
            Lack::Recent(retry_after)
        } else {
            Lack::Unavailable(retry_after)
        }
    }

    /// It should have been confirmed since: in so many seconds it is tried again.
    pub(crate) fn overdue(&self, now: Duration) -> Option<u64> {
        let local = self.local.borrow();
        let now = millis(now);
        let confirmed_at = local.current.as_ref().map_or(0, |current| current.confirmed_at);
        let after = local.state.next(now, &self.settings).saturating_sub(now);
        let late = now.saturating_sub(confirmed_at) > millis(self.settings.max);
        late.then(|| after.div_ceil(1000).max(1))
    }

    /// Takes over what was published, fetches if it is this VM's turn, reads on
    /// in what came; wakes `key` when an attempt that was waited for has ended.
    pub(crate) fn tick(&self, host: &dyn Host, key: u64) -> Work {
        let mut work = Work::default();
        let mut local = self.local.borrow_mut();
        let seen = self.load(&mut local, host);
        if local.flight.as_ref().is_some_and(|flight| flight.reading.is_some()) {
            self.read_on(&mut local, host, &mut work);
        } else if local.flight.as_ref().is_some_and(|flight| flight.warming.is_some()) {
            self.warm_up(&mut local, millis(host.now()), &mut work);
        } else {
            self.adopt(&mut local, host);
            Self::wake(&mut local, key, &mut work);
            self.fetch_if_due(&mut local, &seen, host, &mut work);
        }
        self.finish(&mut local, host, key, &mut work);
        work
    }

    /// The answer to a task; `None`: not one of this document's.
    pub(crate) fn answer(
        &self,
        task: u64,
        answer: &Answer,
        host: &dyn Host,
        key: u64,
    ) -> Option<Work> {
        if task % SLOTS != self.place.slot {
            return None;
        }
        let mut work = Work::default();
        let mut local = self.local.borrow_mut();
        self.load(&mut local, host);
        let open = |f: &&Flight<F::Part>| f.reading.is_none() && f.warming.is_none();
        let current = local.flight.as_ref().filter(|f| f.task == task).filter(open);
        let Some(&Flight { conditional, asked_at, .. }) = current else {
            return Some(work);
        };
        match answer {
            Answer::Response { status: 200, body, .. } if body.len() > self.settings.max_bytes => {
                let why = format!("it has more than {} bytes", self.settings.max_bytes);
                self.failed(&mut local, &why, host, &mut work);
            }
            Answer::Response { status: 200, headers, body } => {
                let reading = Reading {
                    body: body.clone(),
                    part: F::Part::default(),
                    etag: etag(headers),
                    max_age: max_age(headers),
                };
                if let Some(flight) = &mut local.flight {
                    flight.reading = Some(reading);
                }
                self.read_on(&mut local, host, &mut work);
            }
            Answer::Response { status: 304, headers, .. } if conditional => {
                let max_age = max_age(headers);
                self.end(&mut local, host, |state| {
                    state.max_age = max_age.or(state.max_age);
                    succeeded(state, asked_at, jitter(host));
                });
                work.count.push(self.metric(NOT_MODIFIED));
                Self::confirm(&mut local);
            }
            Answer::Response { status, .. } => {
                let why = format!("the server answered {status}");
                self.failed(&mut local, &why, host, &mut work);
            }
            Answer::Unavailable => {
                self.failed(&mut local, "the server did not answer", host, &mut work);
            }
        }
        self.finish(&mut local, host, key, &mut work);
        // The next tick says how long the one after it may wait.
        work.again = local.flight.is_some().then_some(READING);
        Some(work)
    }

    /// An attempt has ended, whoever made it: those who waited for it look again,
    /// and say anew what they want.
    fn wake(local: &mut Local<F>, key: u64, work: &mut Work) {
        if local.waiting.is_some_and(|before| before != mark(&local.state)) {
            local.waiting = None;
            local.demanded = false;
            work.wake.push(key);
        }
    }

    /// Wakes who waited for what has come, and says when to look again.
    fn finish(&self, local: &mut Local<F>, host: &dyn Host, key: u64, work: &mut Work) {
        let clock = host.now();
        let now = millis(clock);
        Self::wake(local, key, work);
        let next = local.state.next(now, &self.settings).saturating_sub(now);
        let held = local.state.is_held(now, &self.settings);
        let until_next =
            if held { RESTING } else { Duration::from_millis(next).clamp(READING, RESTING) };
        work.again = Some(match (&local.flight, local.waiting) {
            (Some(Flight { reading: Some(_), .. } | Flight { warming: Some(_), .. }), _) => READING,
            (_, Some(_)) => WATCHING,
            _ => until_next,
        });
        let remarks = local.remarks.drain(..);
        work.log.extend(remarks.map(|remark| format!("{}: {remark}", self.name)));
        let known = local.current.as_ref().map_or(0, |c| self.form.size(&c.value));
        work.gauges.push((self.metric(KNOWN), known));
        if let Some(current) = &local.current {
            let age = now.saturating_sub(current.confirmed_at) / 1000;
            work.gauges.push((self.metric(AGE), age));
            work.gauges.push((self.metric(LAST_SUCCESS), current.confirmed_at / 1000));
        } else if local.state.version == 0 && local.state.wanted_at > 0 {
            // Nothing is older than what never came.
            let age = now.saturating_sub(local.state.wanted_at) / 1000;
            work.gauges.push((self.metric(AGE), age));
        }
    }

    fn metric(&self, own: usize) -> usize {
        self.place.first_metric.saturating_add(own)
    }
}

/// Tasks of a provider's documents are told apart by their remainder.
const SLOTS: u64 = 4;

fn mark(state: &State) -> Mark {
    (state.version, state.fetched_at, state.failed_at)
}
