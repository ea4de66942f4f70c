//! What came of checking a credential.

use std::rc::Rc;

use postern_core::identity::Caller;

use crate::flaw::Flaw;
use crate::reason::Reason;

/// A credential that is good, and what is known of it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Checked {
    /// Whom it names.
    pub(crate) caller: Caller,
    /// Further headers for the upstream: names in lower case that begin with
    /// `x-postern-`, and values that can stand in a header.
    pub(crate) headers: Vec<(String, Vec<u8>)>,
    /// From when on it is not good any more, in seconds since the Unix epoch:
    /// the tolerance for clocks is added, and a maximum age is in it.
    pub(crate) expires: Option<i64>,
    /// When it was issued, in seconds since the Unix epoch.
    pub(crate) issued: Option<i64>,
    /// Its id (`jti`).
    pub(crate) token_id: Option<String>,
    /// The fingerprint of the key that it was checked with: whatever holds on
    /// to the credential lets go of it with this key.
    pub(crate) key: Option<Rc<str>>,
    /// Did checking it take much of this worker's time?
    pub(crate) dear: bool,
}

/// Why a credential did not pass.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Failure {
    /// It is not good.
    Bad(Flaw),
    /// It cannot be checked now: as many signatures were checked here as may
    /// be. It may well be good.
    Busy {
        /// In how many seconds it can be tried again, at least 1.
        retry_after: u64,
    },
}

impl From<Reason> for Failure {
    fn from(reason: Reason) -> Self {
        Failure::Bad(reason.into())
    }
}

impl From<Flaw> for Failure {
    fn from(flaw: Flaw) -> Self {
        Failure::Bad(flaw)
    }
}

impl From<Caller> for Checked {
    /// A caller of whose credential nothing more is known.
    fn from(caller: Caller) -> Self {
        Checked {
            caller,
            headers: Vec::new(),
            expires: None,
            issued: None,
            token_id: None,
            key: None,
            dear: false,
        }
    }
}
