//! Costs that only the answer says.

use std::cmp::Ordering;

use postern_core::identity::{STATE, Seen};
use postern_core::{Host, Outcome, Response};

use super::Said;
use crate::allowance::{Allowance, Spent};
use crate::service::Due;
use crate::table::{Bucket, Hash, Tag};
use crate::take::Counted;
use crate::{RateLimit, metrics};

/// A limit whose cost the answer says.
#[derive(Debug)]
pub(crate) struct Later {
    pub(crate) limit: usize,
    pub(crate) rule: usize,
    pub(crate) cost: u64,
    pub(crate) of: Of,
}

/// Who has counted it.
#[derive(Debug)]
pub(crate) enum Of {
    /// The table.
    Here { allowance: Allowance, hash: Hash, tag: Tag, charged: Spent },
    /// The service.
    Service(Box<Due>),
}

impl RateLimit {
    /// Of what was counted here.
    pub(crate) fn later(&self, counted: &[Counted<'_>]) -> Vec<Later> {
        let mut later = Vec::new();
        for one in counted {
            let Some(spent) = one.spent.as_ref().filter(|spent| spent.admitted) else { continue };
            let Some(rule) = one.rule else { continue };
            let (limit, hash, tag, cost) = (one.index, one.hash, one.tag, one.cost);
            let (allowance, charged) = (one.allowance.clone().into_owned(), spent.clone());
            later.push(Later { limit, rule, cost, of: Of::Here { allowance, hash, tag, charged } });
        }
        later
    }

    /// Spends what the answer says was not known, or gives back.
    pub(super) fn correct(
        &self,
        said: &mut Said,
        later: &Later,
        response: &Response<'_>,
        host: &dyn Host,
        outcome: &mut Outcome,
    ) {
        let limit = self.limits.get(later.limit);
        let cost = limit.and_then(|limit| limit.cost_rule(later.rule));
        let is_known = || {
            matches!(host.property(&[STATE]).as_deref().and_then(Seen::read), Some(Seen::Known(_)))
        };
        let Some(cost) = cost.and_then(|cost| cost.of_answer(response, is_known)) else { return };
        let before = later.cost;
        let (more, less) = (cost.saturating_sub(before), before.saturating_sub(cost));
        let own = said.standings.iter_mut().filter(|s| s.limit == later.limit);
        let (bucket, charged) = match &later.of {
            Of::Here { allowance, hash, tag, charged } => {
                (Bucket { hash: *hash, tag: *tag, allowance }, charged)
            }
            Of::Service(_) if more == 0 && less == 0 => return,
            // It takes nothing back.
            Of::Service(due) => {
                if more == 0 || !self.vm.corrections.add(due, more, host.now()) {
                    outcome.count.push(metrics::UNCORRECTED);
                }
                for standing in own {
                    standing.left.remaining = standing.left.remaining.saturating_sub(more);
                }
                return;
            }
        };
        let corrected = match cost.cmp(&before) {
            Ordering::Equal => return,
            Ordering::Greater => self.table.charge(host, &bucket, more),
            Ordering::Less => self.table.give(host, &bucket, less, charged),
        };
        let Some((spent, forgotten)) = corrected else {
            outcome.count.push(metrics::UNCORRECTED);
            return;
        };
        outcome.count.extend(std::iter::repeat_n(metrics::EVICTED, forgotten));
        for (standing, left) in own.zip(bucket.allowance.left(&spent)) {
            standing.left = left;
        }
    }
}
