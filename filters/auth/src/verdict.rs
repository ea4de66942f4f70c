//! What a provider says of a credential, and what it is asked with.

use std::cell::RefCell;
use std::fmt::Debug;
use std::rc::Rc;
use std::time::Duration;

use postern_core::{Answer, Fields, Headers, Host, KeptRecord, Metric, Request, Target, Work};

use crate::budget::Budget;
use crate::carrier::Taken;
use crate::checked::{Checked, Failure};
use crate::flaw::Flaw;
use crate::identity_headers;
use crate::reason::Reason;
use crate::signature::replay::Once;

/// A way of checking credentials. It keeps what it learns behind `&self`: one
/// value serves all streams of a VM, one at a time.
pub(crate) trait Kind: Debug {
    /// Checks a credential.
    fn verify(&self, taken: &Taken<'_>, asked: &Asked<'_>) -> Verdict;

    /// How many good credentials are remembered; 0: none, since a check costs
    /// no more than remembering.
    fn cache_size(&self) -> usize {
        0
    }

    /// Does it check signatures, some of them inside Wasm?
    fn checks_signatures(&self) -> bool {
        false
    }

    /// Does it read a credential before anything else, and is bad whatever is not in the
    /// grammar of its place? Good ones need not be held to that then.
    fn is_narrow(&self) -> bool {
        false
    }

    /// Is what was learnt of a remembered credential still so: is its key
    /// still there?
    fn holds(&self, _known: &Known) -> bool {
        true
    }

    /// A number that changes when the keys do: a signature that was bad is
    /// checked anew then.
    fn keys_version(&self) -> u64 {
        0
    }

    /// Its metrics, a fixed set; the provider's name is put before them.
    fn metrics(&self) -> Vec<Metric> {
        Vec::new()
    }

    /// Work beside the streams: see [`postern_core::Filter::tick`]. Task ids,
    /// keys to wake and metrics are this kind's own, counted from 0 (ids and
    /// keys below 2^32); the provider keeps those of several apart.
    fn tick(&self, _host: &dyn Host) -> Work {
        Work::default()
    }

    /// The answer to a task.
    fn answer(&self, _task: u64, _answer: &Answer, _host: &dyn Host) -> Work {
        Work::default()
    }
}

/// A request whose credential is checked.
pub(crate) struct Asked<'a> {
    pub(crate) provider: &'a str,
    pub(crate) request: &'a Request<'a>,
    pub(crate) target: &'a Target<'a>,
    pub(crate) host: &'a dyn Host,
    /// For signatures that are checked inside Wasm.
    pub(crate) budget: &'a Budget,
    /// Since the Unix epoch.
    pub(crate) now: Duration,
    /// Since when the request has waited; `None`: it is judged for the first time.
    pub(crate) since: Option<Duration>,
}

impl Asked<'_> {
    /// Whole seconds since the Unix epoch.
    pub(crate) fn seconds(&self) -> i64 {
        i64::try_from(self.now.as_secs()).unwrap_or(i64::MAX)
    }

    pub(crate) fn headers(&self) -> &Headers<'_> {
        self.request.headers()
    }
}

/// What a provider says.
#[derive(Clone, Debug)]
pub(crate) enum Verdict {
    /// The credential is good.
    Known(Rc<Known>),
    /// It is not.
    Bad(Flaw),
    /// There is none: only for what a connection presents.
    Absent,
    /// That shows when work beside the stream is done. The request is asked
    /// about again then, or when `at_most` is over since it was asked first:
    /// then the answer has to be another.
    Wait {
        /// The provider's own key; see [`Kind::tick`].
        key: u64,
        /// The longest that one request waits in all.
        at_most: Duration,
        /// What is said if the time is over.
        or: Unavailable,
    },
    /// It cannot be checked now. It may well be good.
    Unavailable(Unavailable),
}

/// Why a credential cannot be checked now: 503, never 401.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Unavailable {
    /// The stable code.
    pub(crate) code: &'static str,
    /// In how many seconds it can be tried again, at least 1.
    pub(crate) retry_after: u64,
}

impl From<Checked> for Verdict {
    fn from(checked: Checked) -> Self {
        Verdict::Known(Rc::new(Known::new(checked)))
    }
}

impl From<Reason> for Verdict {
    fn from(reason: Reason) -> Self {
        Verdict::Bad(reason.into())
    }
}

impl From<Flaw> for Verdict {
    fn from(flaw: Flaw) -> Self {
        Verdict::Bad(flaw)
    }
}

impl From<Failure> for Verdict {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Bad(flaw) => Verdict::Bad(flaw),
            Failure::Busy { retry_after } => {
                Verdict::Unavailable(Unavailable { code: "too_many_checks", retry_after })
            }
        }
    }
}

impl<T: Into<Verdict>, E: Into<Verdict>> From<Result<T, E>> for Verdict {
    fn from(result: Result<T, E>) -> Self {
        result.map_or_else(Into::into, Into::into)
    }
}

/// A checked credential with what is told of it, written once: a caller that
/// comes back costs no more writing.
#[derive(Debug)]
pub(crate) struct Known {
    pub(crate) checked: Checked,
    /// The identity for the other filters.
    pub(crate) identity: Rc<[u8]>,
    /// The identity for the upstream.
    pub(crate) headers: Rc<Fields>,
    /// The record that it left last, when its caller was let in.
    pub(crate) record: RefCell<Option<Rc<KeptRecord>>>,
    /// It counts once: to be used up when the request goes on, and not before.
    pub(crate) once: Option<Once>,
}

impl Known {
    /// About how many bytes it takes.
    pub(crate) fn size(&self) -> usize {
        // The caller holds what the identity says once more, the record some of it.
        let said = self.identity.len().saturating_mul(3).saturating_add(self.headers.size());
        said.saturating_add(768)
    }

    pub(crate) fn new(checked: Checked) -> Self {
        let identity = checked.caller.to_json().into();
        let headers = identity_headers::of(&checked).into();
        Known { checked, identity, headers, record: RefCell::default(), once: None }
    }
}
