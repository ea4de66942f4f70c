//! Who still calls what is to retire: per rule how many clients, and when last. Counted
//! in each VM, and put together in the data that all workers share.

use std::cell::{Cell, RefCell};

use postern_core::host::{StoreError, Stored};
use postern_core::shared;
use postern_core::sketch::Sketch;
use postern_core::{Host, Metric, Work};
use siphasher::sip::SipHasher13;

use crate::json::Document;
use crate::retirement::{Fate, imf_date};

/// How often what was counted is put together.
const PERIOD: std::time::Duration = std::time::Duration::from_secs(5);

/// A conflict means that another worker's write succeeded.
const TRIES: usize = 8;

/// What stands before a rule's name in the shared data.
const PREFIX: &str = "postern/legacy-compat/use";

const FATES: [&str; 3] = ["served", "brown_out", "gone"];

/// Metrics of each rule: its fates, and two gauges.
const EACH: usize = 5;

/// The use of all rules that retire.
#[derive(Debug, Default)]
pub(crate) struct Usage {
    /// Seconds of a window.
    window: u64,
    rules: Vec<RuleUse>,
    secret: Cell<Option<[u8; 16]>>,
}

#[derive(Debug)]
struct RuleUse {
    name: String,
    /// What is not put together yet: who, and when last.
    pending: RefCell<Option<(Box<Sketch>, u64)>>,
}

/// What the workers share of a rule: 529 bytes.
#[derive(Debug, Default, PartialEq, Eq)]
struct Shared {
    /// The number of the window, counted from the epoch.
    window: u64,
    /// Seconds since the epoch.
    last: u64,
    current: Sketch,
    former: Sketch,
}

impl Usage {
    pub(crate) fn new(window: u64, names: impl Iterator<Item = String>) -> Self {
        let rule = |name| RuleUse { name, pending: RefCell::default() };
        Usage { window: window.max(1), rules: names.map(rule).collect(), secret: Cell::new(None) }
    }

    /// The metrics, in the order of the rules.
    pub(crate) fn metrics(&self) -> impl Iterator<Item = Metric> {
        self.rules.iter().flat_map(|rule| {
            let name = &rule.name;
            let fates = FATES.map(|f| Metric::counter(format!("retiring_requests.{name}.{f}")));
            let clients = Metric::gauge(format!("retiring_clients.{name}"));
            let last = Metric::gauge(format!("retiring_last_use.{name}"));
            fates.into_iter().chain([clients, last])
        })
    }

    /// The counter of a fate, as an index into the metrics.
    pub(crate) fn counter(first: usize, slot: usize, fate: Fate) -> usize {
        let fate = FATES.iter().position(|name| *name == fate.as_str()).unwrap_or(0);
        first.saturating_add(slot.saturating_mul(EACH)).saturating_add(fate)
    }

    /// Notes a client of a rule.
    pub(crate) fn note(&self, slot: usize, host: &dyn Host) {
        let Some(rule) = self.rules.get(slot) else { return };
        let Some(secret) = self.secret(host) else { return };
        let hash = SipHasher13::new_with_key(&secret).hash(&caller(host));
        let mut pending = rule.pending.borrow_mut();
        let (sketch, last) = pending.get_or_insert_with(Default::default);
        sketch.add(hash);
        *last = host.now().as_secs().max(*last);
    }

    /// Keys the hashes, so that nobody can choose what they fall on.
    fn secret(&self, host: &dyn Host) -> Option<[u8; 16]> {
        if self.secret.get().is_none() {
            self.secret.set(shared::secret(host, &format!("{PREFIX}/secret")));
        }
        self.secret.get()
    }

    /// Puts together what was counted. `first`: the index of the first of the metrics.
    pub(crate) fn tick(&self, first: usize, host: &dyn Host) -> Work {
        let mut work = Work::default();
        if self.rules.is_empty() {
            return work;
        }
        work.again = Some(PERIOD);
        let plugin = host.property(&["plugin_name"]).unwrap_or_default();
        let plugin = String::from_utf8_lossy(&plugin);
        for (slot, rule) in self.rules.iter().enumerate() {
            let key = format!("{PREFIX}/of/{plugin}/{}", rule.name);
            let gauges = Usage::counter(first, slot, Fate::Served).saturating_add(FATES.len());
            let Some(shared) = self.share(rule, &key, host, &mut work.log) else { continue };
            let mut clients = shared.current;
            clients.merge(&shared.former);
            work.gauges.push((gauges, clients.count()));
            work.gauges.push((gauges.saturating_add(1), shared.last));
        }
        work
    }

    /// What the workers share of a rule, this one's part in it; `None`: nothing is known.
    fn share(
        &self,
        rule: &RuleUse,
        key: &str,
        host: &dyn Host,
        log: &mut Vec<String>,
    ) -> Option<Shared> {
        let window = host.now().as_secs().checked_div(self.window)?;
        for _ in 0..TRIES {
            let found = host.load(key);
            let before = match &found {
                Stored::Unavailable => return None,
                Stored::Absent => None,
                // What reads as nothing was written by nobody here.
                Stored::Value(bytes, _) => Shared::decode(bytes),
            };
            let is_new = before.is_none();
            let mut shared = before.unwrap_or_default();
            let Some((sketch, last)) = rule.pending.borrow_mut().take() else {
                if is_new {
                    return Some(shared);
                }
                shared.roll(window);
                return Some(shared);
            };
            let former = shared.roll(window);
            shared.current.merge(&sketch);
            shared.last = shared.last.max(last);
            match host.store(key, &shared.encode(), &found) {
                Ok(()) => {
                    if former || is_new {
                        log.push(said(&rule.name, &shared));
                    }
                    return Some(shared);
                }
                Err(why) => {
                    // Kept for the next time.
                    rule.pending.replace(Some((sketch, last)));
                    if why == StoreError::Unavailable {
                        return None;
                    }
                }
            }
        }
        None
    }
}

/// One line for each rule and window.
fn said(rule: &str, shared: &Shared) -> String {
    let before = shared.former.count();
    let before = if before == 0 {
        String::new()
    } else {
        format!(", in the window before by about {before} clients")
    };
    format!("rule `{rule}` is to retire and is used: last at {}{before}", imf_date(shared.last))
}

/// The identity if there is one, else the address.
fn caller(host: &dyn Host) -> Vec<u8> {
    let identity = host.property(&["postern.identity"]);
    let subject = identity.as_deref().and_then(|state| {
        let document = Document::read(state).ok()?;
        let subject = document.member(document.root(), "sub")?;
        Some(format!("s{}", document.text(subject)))
    });
    match subject {
        Some(subject) => subject.into_bytes(),
        None => {
            let mut address = host.property(&["source", "address"]).unwrap_or_default();
            if let Some(port) = address.iter().rposition(|b| *b == b':') {
                address.truncate(port);
            }
            address
        }
    }
}

impl Shared {
    /// Goes on to a window; was there an older one?
    fn roll(&mut self, window: u64) -> bool {
        if window <= self.window {
            return false;
        }
        let follows = self.window.checked_add(1) == Some(window);
        let current = std::mem::take(&mut self.current);
        self.former = if follows { current } else { Sketch::default() };
        self.window = window;
        true
    }

    fn encode(&self) -> Vec<u8> {
        let mut out = vec![1];
        out.extend_from_slice(&self.window.to_le_bytes());
        out.extend_from_slice(&self.last.to_le_bytes());
        out.extend_from_slice(self.current.as_bytes());
        out.extend_from_slice(self.former.as_bytes());
        out
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        let rest = bytes.strip_prefix(&[1])?;
        let (window, rest) = rest.split_first_chunk()?;
        let (last, rest) = rest.split_first_chunk()?;
        let (current, former) = rest.split_at_checked(Sketch::SIZE)?;
        Some(Shared {
            window: u64::from_le_bytes(*window),
            last: u64::from_le_bytes(*last),
            current: Sketch::from_bytes(current)?,
            former: Sketch::from_bytes(former)?,
        })
    }
}

#[cfg(test)]
mod tests;
