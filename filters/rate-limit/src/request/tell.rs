//! The answer: what the request has cost by it, and what its client is told.

use std::cmp::Ordering;

use postern_core::identity::{STATE, Seen};
use postern_core::{HeaderEdit, Host, Outcome, Response};

use super::{Later, Said, Stream};
use crate::dialect::{Beside, Dialect, Saying, Show};
use crate::metrics;
use crate::observe::{known, without};
use crate::policy::Answers;
use crate::table::Bucket;
use crate::{RateLimit, digits};

impl RateLimit {
    pub(crate) fn tell(
        &self,
        stream: &mut Stream,
        response: &Response<'_>,
        host: &dyn Host,
    ) -> Outcome {
        let mut outcome = Outcome::pass();
        if let Some(said) = &mut stream.said {
            for later in std::mem::take(&mut said.later) {
                self.correct(said, &later, response, host, &mut outcome);
            }
            let telling = said.telling.and_then(|index| self.dialects.get(index));
            let silent = telling.is_some_and(|told| told.answers == Answers::Refused)
                && said.standings.is_empty();
            let there = match said.observed {
                Some(place) => self.observed(said, place, response, host, &mut outcome),
                None if self.beside == Beside::Clear && !silent => known(response.headers()),
                None => Vec::new(),
            };
            let (dialect, show) =
                telling.map_or((&Dialect::Ietf, Show::Tightest), |t| (&t.dialect, t.show));
            let standings = said.standings.as_slice();
            // What is observed is taken off: there is nothing to stand beside.
            let beside = if said.observed.is_some() { Beside::Replace } else { self.beside };
            let saying = Saying { standings, show, beside };
            let fields = dialect.fields(&saying, response);
            outcome.headers.extend(without(there, &fields));
            outcome.headers.extend(fields);
            if let Some(word) = said.without {
                outcome.headers.extend(self.service.as_ref().and_then(|s| s.told(word)));
            }
        }
        if stream.clears && stream.said.is_none() {
            outcome.headers.extend(without(known(response.headers()), &[]));
        }
        if let Some(seconds) = self.retry_after_on_503
            && response.status() == Some(503)
            && !digits::is_late_enough(response.headers(), 0)
        {
            outcome.headers.push(HeaderEdit::set("retry-after", digits::of(seconds)));
        }
        outcome
    }

    /// Spends what the answer says was not known, or gives back.
    fn correct(
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
        let Later { allowance, hash, tag, cost: before, charged, .. } = later;
        let bucket = Bucket { hash: *hash, tag: *tag, allowance };
        let corrected = match cost.cmp(before) {
            Ordering::Equal => return,
            Ordering::Greater => self.table.charge(host, &bucket, cost.saturating_sub(*before)),
            Ordering::Less => self.table.give(host, &bucket, before.saturating_sub(cost), charged),
        };
        let Some((spent, forgotten)) = corrected else {
            outcome.count.push(metrics::UNCORRECTED);
            return;
        };
        outcome.count.extend(std::iter::repeat_n(metrics::EVICTED, forgotten));
        let own = said.standings.iter_mut().filter(|s| s.limit == later.limit);
        for (standing, left) in own.zip(allowance.left(&spent)) {
            standing.left = left;
        }
    }
}
