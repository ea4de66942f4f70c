//! Why a request was let pass or refused.

use postern_core::Decision;

/// A reason: a stable code, and what it says of the request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// An allow rule applies, no deny rule does.
    Allowed,
    /// A deny rule applies.
    DenyRule,
    /// A rule cannot be evaluated: a deny rule, or the allow rule that came
    /// nearest.
    CannotEvaluate,
    /// No rule is about this request.
    NoRule,
    /// A rule would allow a caller with an identity; this one has none.
    IdentityRequired,
    /// A rule would allow a caller with further scopes.
    InsufficientScope,
    /// A rule is about this request, and for other callers.
    WrongSubject,
    /// The request has no path, host or method that can be judged.
    BadRequest,
    /// There is no identity to judge, not even an anonymous one.
    NoIdentity,
    /// There is one that cannot be read.
    BadIdentity,
}

impl Reason {
    /// All of them, in the order of their metrics.
    pub const ALL: [Reason; 10] = [
        Reason::Allowed,
        Reason::DenyRule,
        Reason::CannotEvaluate,
        Reason::NoRule,
        Reason::IdentityRequired,
        Reason::InsufficientScope,
        Reason::WrongSubject,
        Reason::BadRequest,
        Reason::NoIdentity,
        Reason::BadIdentity,
    ];

    /// The code in records and metrics.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Reason::Allowed => "allowed",
            Reason::DenyRule => "deny_rule",
            Reason::CannotEvaluate => "cannot_evaluate",
            Reason::NoRule => "no_rule",
            Reason::IdentityRequired => "identity_required",
            Reason::InsufficientScope => "insufficient_scope",
            Reason::WrongSubject => "wrong_subject",
            Reason::BadRequest => "bad_request",
            Reason::NoIdentity => "no_identity",
            Reason::BadIdentity => "bad_identity",
        }
    }

    /// What comes of it.
    #[must_use]
    pub fn decision(self) -> Decision {
        match self {
            Reason::Allowed => Decision::Allow,
            _ => Decision::Deny,
        }
    }

    /// Its place in [`Reason::ALL`].
    pub(crate) fn index(self) -> usize {
        self as usize
    }
}
