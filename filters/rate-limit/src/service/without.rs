//! What holds while the service does not answer.

use std::borrow::Cow;
use std::time::Duration;

use postern_core::{Decision, Host, Outcome, Record};

use super::Service;
use super::config::OnFailure;
use super::meters::Fallback;
use super::pending::Aside;
use crate::policy::Mode;
use crate::request::{Keeping, Stream, unavailable};
use crate::take::{Counted, take};
use crate::{RateLimit, digits, metrics, refusal};

/// Why the service was not asked, or did not answer, and when to come again.
pub(super) struct Why {
    pub(super) word: &'static str,
    pub(super) again: Duration,
}

impl RateLimit {
    /// Decides by what each limit says: `local` have counted the request already.
    pub(super) fn without(
        &self,
        service: &Service,
        stream: &mut Stream,
        mut outcome: Outcome,
        (mut local, remote): (Vec<Counted<'_>>, Vec<Counted<'_>>),
        (aside, why): (Aside, &Why),
        host: &dyn Host,
    ) -> Outcome {
        let Aside { telling, mut later, under_way, would } = aside;
        let (mut degraded, mut closed, mut first) = (Vec::new(), None, None);
        for one in remote {
            first.get_or_insert(one.limit);
            let enforces = one.limit.mode == Mode::Enforce;
            let fallback = match one.limit.on_failure.unwrap_or(service.on_failure) {
                OnFailure::Degrade => Fallback::Degraded,
                OnFailure::Closed if enforces => Fallback::Closed,
                // What refuses nothing refuses nothing now.
                OnFailure::Open | OnFailure::Closed => Fallback::Opened,
            };
            outcome.count.extend(service.meters.fallback(one.index, fallback));
            match fallback {
                Fallback::Degraded => degraded.push(share(one, service.gateways)),
                Fallback::Closed => {
                    closed.get_or_insert(one.limit);
                }
                Fallback::Opened => {}
            }
        }
        if let Some(limit) = closed {
            self.return_all(stream, &mut local, host);
            let id = limit.id.as_str().to_owned();
            let record = Record::new(Decision::Deny, id, "unavailable");
            outcome.record = Some(record.with("engine", "closed").with("service", why.word).into());
            outcome.count.push(metrics::UNAVAILABLE);
            let seconds = u64::try_from(why.again.as_millis().div_ceil(1_000)).unwrap_or(u64::MAX);
            let mut refused = refusal::unavailable();
            refused.headers = vec![("retry-after".into(), digits::of(seconds.max(1)))];
            outcome.step = Outcome::refuse(refused).step;
            let (standings, later) = (Vec::new(), Vec::new());
            let (admitted, without) = (false, Some("closed"));
            self.keep(stream, Keeping { telling, admitted, standings, later, without });
            return outcome;
        }
        let word = if degraded.is_empty() { "open" } else { "degraded" };
        let Ok((admitted, forgotten)) = take(&self.table, host, &mut degraded) else {
            self.return_all(stream, &mut local, host);
            return first.map_or_else(Outcome::pass, unavailable);
        };
        outcome.count.extend(std::iter::repeat_n(metrics::EVICTED, forgotten));
        if !admitted {
            self.return_all(stream, &mut local, host);
            later.clear();
        } else {
            later.extend(self.later(&degraded));
        }
        local.append(&mut degraded);
        local.sort_by_key(|one| one.index);
        let mut standings = self.standings(&mut outcome, &local, admitted);
        if admitted {
            standings.extend(under_way.0);
            outcome.count.extend(under_way.1);
        }
        let would = self.would(&would, &local);
        let other = local.first().map_or(0, |one| one.index);
        self.decide(&mut outcome, admitted, &standings, &would, other);
        if standings.is_empty() && local.iter().all(|one| one.limit.mode == Mode::Enforce) {
            // Nobody has counted it.
            let id = first.map(|limit| limit.id.as_str().to_owned()).unwrap_or_default();
            outcome.record = Some(Record::new(Decision::Allow, id, "uncounted").into());
        }
        let record = outcome.record.take();
        outcome.record = record.map(|r| r.with("engine", word).with("service", why.word));
        let without = Some(word);
        self.keep(stream, Keeping { telling, admitted, standings, later, without });
        outcome
    }
}

/// The gateway's part of a limit, counted apart from what the limit would be here
/// alone.
fn share(counted: Counted<'_>, gateways: u64) -> Counted<'_> {
    let Counted { mut hash, mut tag, allowance, .. } = counted;
    // Hashes are keyed: so changed, one is no other's.
    hash.iter_mut().chain(&mut tag).for_each(|byte| *byte ^= 0xa5);
    Counted { hash, tag, allowance: Cow::Owned(allowance.share(gateways)), ..counted }
}
