//! What a service's answer comes to: for each window that it was asked about, whether it
//! is over, and what is left.

use std::rc::Rc;
use std::time::Duration;

use postern_core::Outcome;

use super::Service;
use super::message::{Code, Response};
use super::meters::Counter;
use super::near::Over;
use super::reported::{Reported, by_headers, by_status, over};
use crate::allowance::Left;
use crate::rate::Rate;
use crate::take::Counted;

/// What was said of one window.
pub(super) struct Said {
    /// The place among what the service counts.
    pub(super) remote: usize,
    /// The place in the policy.
    pub(super) limit: usize,
    pub(super) policy: Rc<str>,
    pub(super) over: bool,
    /// `None`: nothing is known of it.
    pub(super) left: Option<Left>,
}

/// What an answer says of each window; callers that are over are remembered.
pub(super) fn said(
    service: &Service,
    response: &Response,
    remote: &[Counted<'_>],
    of: &[(usize, usize)],
    now: Duration,
    outcome: &mut Outcome,
) -> Vec<Said> {
    let asked = |(at, window): &(usize, usize)| {
        let one = remote.get(*at)?;
        Some((*at, *window, one, one.allowance.rates().nth(*window)?))
    };
    let asked: Vec<_> = of.iter().filter_map(asked).collect();
    let rates: Vec<&Rate> = asked.iter().map(|(.., rate)| *rate).collect();
    let verdicts = if response.statuses.is_empty() {
        by_word(response, &rates, now)
    } else {
        by_statuses(response, &rates, now)
    };
    if verdicts.iter().any(|verdict| verdict.unmatched) {
        outcome.count.push(service.meters.counter(Counter::Unmatched));
        service.log_unmatched(now);
    }
    let mut all = Vec::with_capacity(asked.len());
    for ((at, window, one, rate), verdict) in asked.into_iter().zip(verdicts) {
        let Verdict { over, sure, reported, unmatched: _ } = verdict;
        let left = reported.map(|told| Left { enough: !over, ..told.left });
        let until = reported.and_then(|told| now.checked_add(told.reset?));
        if let (true, Some(left), Some(until)) = (over && sure, left, until) {
            let until = until.min(now.saturating_add(service.remembered_for));
            let over = Over { until, cost: one.cost, window, quota: rate.quota(), left };
            service.near.borrow_mut().note(&one.hash, over, now);
        }
        let policy = one.windows.name(window);
        all.push(Said { remote: at, limit: one.index, policy, over, left });
    }
    all
}

/// What one window comes to.
#[derive(Clone, Copy, Default)]
struct Verdict {
    over: bool,
    /// Was it said of this one?
    sure: bool,
    reported: Option<Reported>,
    /// The service has no limit for it.
    unmatched: bool,
}

fn by_statuses(response: &Response, rates: &[&Rate], now: Duration) -> Vec<Verdict> {
    // A service that says OK over all means it: it may only be trying a limit.
    let over_all = response.overall == Code::OverLimit;
    let told = response.statuses.iter().any(|status| status.code == Code::OverLimit);
    let verdict = |(status, rate): (_, &&Rate)| {
        let found = by_status(status, rate, now);
        // One that names none of them means all.
        let is_over = over_all && (status.code == Code::OverLimit || !told);
        let reported = if is_over { found.or_else(|| Some(over(rate, now))) } else { found };
        Verdict { over: is_over, sure: told, reported, unmatched: found.is_none() }
    };
    response.statuses.iter().zip(rates).map(verdict).collect()
}

/// Without statuses there is a word for all of them, and headers of the tightest.
fn by_word(response: &Response, rates: &[&Rate], now: Duration) -> Vec<Verdict> {
    let is_over = response.overall == Code::OverLimit;
    let headers = by_headers(response);
    let which = headers.and_then(|headers| headers.which(rates));
    let of_one = |at: usize, rate: &&Rate| match (which, headers) {
        (Some(own), Some(headers)) if own == at => {
            let reported = Some(headers.reported(rate, now));
            Verdict { over: is_over, sure: true, reported, unmatched: false }
        }
        (Some(_), _) => Verdict::default(),
        // Nobody knows which of them it is: of no other is more said than that it is over.
        (None, _) if is_over => {
            let reported = (at == 0).then(|| over(rate, now));
            Verdict { over: true, sure: false, reported, unmatched: false }
        }
        (None, _) => Verdict::default(),
    };
    rates.iter().enumerate().map(|(at, rate)| of_one(at, rate)).collect()
}
