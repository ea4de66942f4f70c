//! What is wrong with a credential, and how well it was known.

use crate::reason::Reason;

/// Why a provider does not accept a credential, and what records say of it. Holds
/// nothing that nobody vouches for: names of the policy, and ids of credentials
/// that were checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Flaw {
    pub(crate) reason: Reason,
    /// Is it the provider's own: one of its issuer, its keys, its users?
    own: bool,
    /// The credential, as records of good ones name it: `api_key:acme-1`. Only of
    /// one that whoever sent it has indeed.
    pub(crate) credential: Option<Box<str>>,
    /// The claim that is meant.
    pub(crate) claim: Option<Box<str>>,
}

impl Flaw {
    /// The provider's own, whatever is wrong with it.
    pub(crate) fn of_own(self) -> Self {
        Flaw { own: true, ..self }
    }

    /// Of this credential, which was recognised.
    pub(crate) fn of(self, credential: impl Into<Box<str>>) -> Self {
        Flaw { own: true, credential: Some(credential.into()), ..self }
    }

    /// Of this claim.
    pub(crate) fn at(self, claim: impl Into<Box<str>>) -> Self {
        Flaw { claim: Some(claim.into()), ..self }
    }

    /// How much it says, where several providers found one: no two reasons say as
    /// much, so the providers' order decides nothing.
    pub(crate) fn telling(&self) -> usize {
        self.reason.telling(self.own)
    }
}

impl From<Reason> for Flaw {
    fn from(reason: Reason) -> Self {
        Flaw { reason, own: !reason.is_strange(), credential: None, claim: None }
    }
}
