//! Where a caller stands, as clients are told.

use std::cmp::Reverse;
use std::rc::Rc;

use crate::allowance::Left;

/// Where a caller stands in one window after its request was counted or refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Standing {
    /// The limit's place in the policy.
    pub(crate) limit: usize,
    /// What the window is called: letters, digits, `.`, `_` and `-`, so it needs no
    /// escape in a structured field's string.
    pub(crate) policy: Rc<str>,
    pub(crate) left: Left,
}

impl Standing {
    /// Seconds, at least 1 and never before there is more.
    pub(crate) fn retry_after(&self) -> u64 {
        self.left.more_in().max(1)
    }
}

/// The one that a client has to mind first: of those without enough for the request
/// the one that takes longest, else the one with the least left; of requests at a time
/// last, since it is none the less for its own.
pub(crate) fn tightest(standings: &[Standing]) -> Option<&Standing> {
    standings.iter().min_by_key(|s| {
        let Left { enough, remaining, more_ns, .. } = s.left;
        let at_once = enough && s.left.is_at_once();
        (enough, at_once, if enough { remaining } else { 0 }, Reverse(more_ns))
    })
}
