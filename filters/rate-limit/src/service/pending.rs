//! A request that waits for the service: what is kept of it meanwhile.

use std::borrow::Cow;
use std::time::Duration;

use postern_core::Host;

use super::message::Request;
use crate::RateLimit;
use crate::allowance::{Allowance, Spent};
use crate::policy::Mode;
use crate::request::{Later, Stream};
use crate::standing::Standing;
use crate::table::{Hash, Tag};
use crate::take::{Counted, undo};

/// See the module.
#[derive(Debug)]
pub(crate) struct Pending {
    /// Limits that have counted it here.
    pub(super) local: Vec<Kept>,
    /// Limits that the service counts.
    pub(super) remote: Vec<Kept>,
    pub(super) request: Request,
    /// What each descriptor is of: the place in `remote`, and the window.
    pub(super) of: Vec<(usize, usize)>,
    pub(super) aside: Aside,
    pub(super) began: Duration,
    pub(super) until: Duration,
    /// Does it look whether the service is back?
    pub(super) probe: bool,
}

/// What a request is told by, whatever is decided.
#[derive(Debug)]
pub(crate) struct Aside {
    pub(super) telling: Option<usize>,
    pub(super) later: Vec<Later>,
    /// Where it stands among the requests that are under way, and what is counted of that
    /// if it passes.
    pub(super) under_way: (Vec<Standing>, Vec<usize>),
    /// Places of limits that would refuse it, if they did.
    pub(super) would: Vec<usize>,
}

/// A [`Counted`] that borrows nothing.
#[derive(Debug)]
pub(super) struct Kept {
    index: usize,
    allowance: Allowance,
    hash: Hash,
    tag: Tag,
    cost: u64,
    rule: Option<usize>,
    spent: Option<Spent>,
}

impl Kept {
    pub(super) fn of(counted: Counted<'_>) -> Self {
        let Counted { index, limit: _, windows: _, allowance, hash, tag, cost, rule, spent } =
            counted;
        Kept { index, allowance: allowance.into_owned(), hash, tag, cost, rule, spent }
    }
}

impl RateLimit {
    /// The same policy kept it, so that nothing is missing.
    pub(super) fn counted(&self, kept: Vec<Kept>) -> Vec<Counted<'_>> {
        let again = |kept: Kept| {
            let Kept { index, allowance, hash, tag, cost, rule, spent } = kept;
            let limit = self.limits.get(index)?;
            let windows = limit.windows_of(tag)?;
            let allowance = Cow::Owned(allowance);
            Some(Counted { index, limit, windows, allowance, hash, tag, cost, rule, spent })
        };
        kept.into_iter().filter_map(again).collect()
    }

    /// What was counted here is given back: others refuse the request.
    pub(super) fn return_all(
        &self,
        stream: &mut Stream,
        local: &mut [Counted<'_>],
        host: &dyn Host,
    ) {
        undo(&self.table, host, local);
        self.leave(host, &mut stream.places);
    }

    /// The ids of limits that would refuse it: those that were known before, and those
    /// of `counted`.
    pub(super) fn would<'a>(&'a self, before: &[usize], counted: &[Counted<'a>]) -> Vec<&'a str> {
        let refuses = |c: &&Counted<'a>| {
            c.limit.mode == Mode::Shadow && c.spent.as_ref().is_some_and(|s| !s.admitted)
        };
        let ids = before.iter().filter_map(|index| self.limits.get(*index));
        ids.chain(counted.iter().filter(refuses).map(|c| c.limit)).map(|l| l.id.as_str()).collect()
    }
}
