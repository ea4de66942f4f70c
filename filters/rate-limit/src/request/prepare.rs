//! How a limit counts a request: by which windows, in whose place of the table.

use std::borrow::Cow;

use postern_core::Host;
use postern_core::rules::Found;
use siphasher::sip128::SipHasher13;

use crate::RateLimit;
use crate::allowance::Left;
use crate::key::{self, Caller};
use crate::policy::{AtOnce, Holding, Holds, Limit, Plan};
use crate::standing::Standing;
use crate::table::{Tag, finish};
use crate::take::Counted;
use crate::under_way;

pub(super) enum Prepared<'r> {
    Counted(Counted<'r>),
    AtOnce(under_way::Asked<'r>),
    Unlimited,
    Nothing(Nothing),
    Unavailable,
}

/// A claim lets nothing pass.
pub(super) struct Nothing(pub(super) Standing);

impl RateLimit {
    pub(super) fn prepare<'r>(
        &'r self,
        found: &Found<'r, Limit>,
        caller: &Caller<'_>,
    ) -> Prepared<'r> {
        let limit = found.rule;
        let Holding { plan, tag, name, is_override } = limit.for_caller(caller);
        let windows = match plan {
            Plan::Limited(windows) => windows,
            Plan::AtOnce(at_once) => return self.prepare_at_once(found, at_once, name, caller),
            Plan::Unlimited => return Prepared::Unlimited,
        };
        let allowance = match windows.for_caller(caller) {
            Holds::Allowance(allowance) => allowance,
            Holds::Nothing(window) => {
                let usual = windows.allowance().rates().nth(window);
                let window_seconds = usual.map_or(1, |rate| rate.window());
                let left = nothing_of(window_seconds, window_seconds, caller.host());
                let policy = windows.name(window);
                return Prepared::Nothing(Nothing(Standing { limit: found.index, policy, left }));
            }
        };
        let own = is_override.then_some(tag);
        let Some(mut hasher) = self.hash(found, name, own, caller) else {
            return Prepared::Unavailable;
        };
        if let Cow::Owned(allowance) = &allowance
            && allowance != windows.allowance()
        {
            // Other quotas are counted by themselves: in an entry of theirs, windows and
            // bursts would be taken for those of a policy that has changed.
            for rate in allowance.rates() {
                key::push(&mut hasher, b'q', &rate.quota().to_le_bytes());
            }
        }
        let hash = finish(&hasher);
        let (cost, rule) = limit.cost(caller);
        Prepared::Counted(Counted {
            index: found.index,
            limit,
            windows,
            allowance,
            hash,
            tag,
            cost,
            rule,
            spent: None,
        })
    }

    fn prepare_at_once<'r>(
        &'r self,
        found: &Found<'r, Limit>,
        at_once: &'r AtOnce,
        plan: &str,
        caller: &Caller<'_>,
    ) -> Prepared<'r> {
        let (index, limit) = (found.index, found.rule);
        let most = at_once.for_caller(caller);
        if most == 0 {
            let left = nothing_of(0, 1, caller.host());
            let policy = at_once.name();
            return Prepared::Nothing(Nothing(Standing { limit: index, policy, left }));
        }
        let Some(hasher) = self.hash(found, plan, None, caller) else {
            return Prepared::Unavailable;
        };
        let hash = finish(&hasher);
        Prepared::AtOnce(under_way::Asked { index, limit, at_once, hash, most, entered: None })
    }

    /// Whose count it is. `None`: the shared data cannot be had.
    fn hash(
        &self,
        found: &Found<'_, Limit>,
        plan: &str,
        own: Option<Tag>,
        caller: &Caller<'_>,
    ) -> Option<SipHasher13> {
        let limit = found.rule;
        let begin = || {
            let mut hasher = self.table.hasher(caller.host())?;
            key::push(&mut hasher, b'#', limit.id.as_str().as_bytes());
            key::push(&mut hasher, b'=', plan.as_bytes());
            if let Some(tag) = own {
                key::push(&mut hasher, b'!', &tag);
            }
            Some(hasher)
        };
        let mut hasher =
            if plan.is_empty() && own.is_none() { limit.begun.or_begin(begin)? } else { begin()? };
        let captures =
            if limit.reads_path() { found.captures(caller.asked.target) } else { Vec::new() };
        caller.name(&limit.key, &captures, &mut hasher);
        Some(hasher)
    }
}

/// A claim says so: come again after these seconds, in which it may have changed.
#[cold]
fn nothing_of(window: u64, seconds: u64, host: &dyn Host) -> Left {
    let (remaining, enough, window) = (0, false, Some(window));
    let left = Left { quota: 0, window, remaining, more_ns: 0, whole_ns: 0, at_ns: 0, enough };
    left.in_seconds(seconds, host.now())
}
