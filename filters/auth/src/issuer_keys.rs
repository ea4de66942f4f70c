//! The keys that an issuer's tokens are checked with: those of the policy, and
//! those that the issuer publishes.
//!
//! - Shared secrets always serve: no issuer publishes them.
//! - Public keys of the policy always serve where nothing is fetched. Beside
//!   fetched ones they are a fallback: they serve as long as nothing was
//!   fetched yet, and when the last good set is older than `stale_for`; never
//!   beside a set that serves.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

use postern_core::{Answer, Host, Metric, Work};

use crate::algorithm::Algorithm;
use crate::checked::{Checked, Failure};
use crate::discovery::Discovery;
use crate::key::Key;
use crate::key_set::KeySet;
use crate::reason::Reason;
use crate::remote::{Form, Lack, Read, Remote};
use crate::verdict::{Unavailable, Verdict};

/// The keys of one issuer.
#[derive(Debug)]
pub(crate) struct IssuerKeys {
    secrets: KeySet,
    /// The public keys of the policy.
    pinned: KeySet,
    published: Option<Published>,
    /// The published set that serves, as it was last looked at.
    serving: RefCell<Option<Rc<KeySet>>>,
    /// How often that has changed.
    changes: Cell<u64>,
}

/// Keys that the issuer publishes.
#[derive(Debug)]
pub(crate) enum Published {
    /// At an address that the policy names.
    At(Box<Remote<KeyForm>>),
    /// At an address that the issuer names.
    Discovered(Box<Discovery>),
}

/// A JWK Set (RFC 7517 §5) for these algorithms.
#[derive(Clone, Debug)]
pub(crate) struct KeyForm {
    pub(crate) algorithms: Vec<Algorithm>,
}

impl Form for KeyForm {
    type Value = KeySet;
    type Part = ();

    fn read(&self, body: &[u8], (): &mut ()) -> Result<Option<Read<KeySet>>, String> {
        let keys = KeySet::fetched(body, &self.algorithms)?;
        if keys.is_empty() {
            return Err("it holds no key that this provider can use".to_owned());
        }
        Ok(Some(keys.into()))
    }

    fn restore(&self, published: Vec<u8>) -> Result<KeySet, String> {
        match self.read(&published, &mut ())? {
            Some(read) => Ok(read.value),
            None => Err("it is not whole".to_owned()),
        }
    }

    fn size(&self, keys: &KeySet) -> u64 {
        keys.len() as u64
    }
}

/// The one thing that requests of a provider of tokens wait for.
const KEY: u64 = 0;

/// The kind of document, for metrics and the log.
pub(crate) const WHAT: &str = "keys";

impl IssuerKeys {
    pub(crate) fn new(secrets: Vec<Key>, pinned: Vec<Key>, published: Option<Published>) -> Self {
        IssuerKeys {
            secrets: KeySet::new(secrets),
            pinned: KeySet::new(pinned),
            published,
            serving: RefCell::default(),
            changes: Cell::new(0),
        }
    }

    /// Checks a credential with the sets that serve. If it may be signed with a
    /// key that is not in them, the issuer may have published that since.
    pub(crate) fn check(
        &self,
        host: &dyn Host,
        now: Duration,
        may_be_new: impl Fn(Reason) -> bool,
        attempt: impl Fn(&[&KeySet]) -> Result<Checked, Failure>,
    ) -> Verdict {
        let with = |set: Option<&KeySet>| attempt(&[&self.secrets, set.unwrap_or(&self.pinned)]);
        let unknown = |checked: &Result<Checked, Failure>| match checked {
            Err(Failure::Bad(flaw)) => Some(flaw.reason).filter(|reason| may_be_new(*reason)),
            _ => None,
        };
        let Some(published) = &self.published else { return with(None).into() };
        let known = published.current(now);
        self.note(known.as_ref());
        let checked = with(known.as_deref());
        let Some(mut reason) = unknown(&checked) else { return checked.into() };
        let looked = published.look(host, now);
        let is_new = match (&known, &looked) {
            (Some(known), Some(looked)) => !Rc::ptr_eq(known, looked),
            (known, looked) => known.is_some() != looked.is_some(),
        };
        if is_new {
            self.note(looked.as_ref());
            let checked = with(looked.as_deref());
            match unknown(&checked) {
                Some(still) => reason = still,
                None => return checked.into(),
            }
        }
        let unavailable = |retry_after| Unavailable { code: UNAVAILABLE, retry_after };
        match published.lacking(now) {
            Lack::Wait(retry_after) => Verdict::Wait {
                key: KEY,
                at_most: published.patience(),
                or: unavailable(retry_after),
            },
            // Anybody can name a key that nobody has, and say of a token what he
            // likes: nothing more is promised to it than one fetch per cooldown.
            Lack::Recent(_) => reason.into(),
            Lack::Unavailable(retry_after) => Verdict::Unavailable(unavailable(retry_after)),
        }
    }

    /// Does the key with this fingerprint serve, as far as was last looked?
    pub(crate) fn has(&self, fingerprint: &str) -> bool {
        let serving = self.serving.borrow();
        let set = serving.as_deref().unwrap_or(&self.pinned);
        self.secrets.has(fingerprint) || set.has(fingerprint)
    }

    /// How often the keys have changed.
    pub(crate) fn changes(&self) -> u64 {
        self.changes.get()
    }

    fn note(&self, current: Option<&Rc<KeySet>>) {
        let mut serving = self.serving.borrow_mut();
        let same = match (serving.as_ref(), current) {
            (Some(a), Some(b)) => Rc::ptr_eq(a, b),
            (a, b) => a.is_none() && b.is_none(),
        };
        if !same {
            *serving = current.cloned();
            self.changes.set(self.changes.get().wrapping_add(1));
        }
    }

    pub(crate) fn metrics(&self) -> Vec<Metric> {
        match &self.published {
            None => Vec::new(),
            Some(Published::At(_)) => Remote::<KeyForm>::metrics(WHAT),
            Some(Published::Discovered(_)) => Discovery::metrics(),
        }
    }

    pub(crate) fn tick(&self, host: &dyn Host) -> Work {
        let work = match &self.published {
            None => return Work::default(),
            Some(Published::At(remote)) => remote.tick(host, KEY),
            Some(Published::Discovered(discovery)) => discovery.tick(host, KEY),
        };
        self.note_at(host.now());
        work
    }

    pub(crate) fn answer(&self, task: u64, answer: &Answer, host: &dyn Host) -> Work {
        let work = match &self.published {
            None => None,
            Some(Published::At(remote)) => remote.answer(task, answer, host, KEY),
            Some(Published::Discovered(discovery)) => discovery.answer(task, answer, host, KEY),
        };
        self.note_at(host.now());
        work.unwrap_or_default()
    }

    fn note_at(&self, now: Duration) {
        self.note(self.published.as_ref().and_then(|published| published.current(now)).as_ref());
    }
}

/// The keys that a token needs cannot be had.
const UNAVAILABLE: &str = "keys_unavailable";

impl Published {
    fn current(&self, now: Duration) -> Option<Rc<KeySet>> {
        match self {
            Published::At(remote) => remote.current(now),
            Published::Discovered(discovery) => discovery.current(now),
        }
    }

    fn look(&self, host: &dyn Host, now: Duration) -> Option<Rc<KeySet>> {
        match self {
            Published::At(remote) => remote.look(host),
            Published::Discovered(discovery) => discovery.look(host, now),
        }
    }

    fn lacking(&self, now: Duration) -> Lack {
        match self {
            Published::At(remote) => remote.lacking(now),
            Published::Discovered(discovery) => discovery.lacking(now),
        }
    }

    fn patience(&self) -> Duration {
        match self {
            Published::At(remote) => remote.settings().wait,
            Published::Discovered(discovery) => discovery.settings().wait,
        }
    }
}
