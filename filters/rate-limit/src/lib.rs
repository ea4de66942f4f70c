//! How often? Counts requests per caller in data that all workers share, and
//! tells the client what is left in the dialect that it understands.
//!
//! Exact across workers: a request is counted by compare-and-swap, and passes
//! only if its count was written, in every window of every limit that counts it. A
//! refused request is not counted. When the shared data cannot be had, the request is
//! refused with 503.

#![cfg_attr(not(test), deny(clippy::arithmetic_side_effects))]

mod allowance;
mod decimal;
mod dialect;
mod digits;
mod key;
mod metrics;
mod observe;
mod policy;
mod rate;
mod refusal;
mod request;
mod service;
mod standing;
mod table;
mod take;
mod under_way;

#[cfg(test)]
mod tests;

use std::cell::Cell;
use std::rc::Rc;

use postern_core::config::schema::Schema;
use postern_core::config::{self, Decode, Errors, Node};
use postern_core::filter::Environment;
use postern_core::rules::{Rules, Subject as Asked};
use postern_core::{
    Answer, Decision, Filter, Host, Metric, Outcome, Record, Refusal, Request, Response, Sights,
    Step, Work,
};

pub use allowance::Allowance;
pub use dialect::{Beside, Dialect, Show};
pub use key::Part;
use observe::Observes;
pub use policy::{Answers, AtOnce, Cost, Limit, Mode, Plan, Policy, Telling, Who, Windows};
pub use rate::{Algorithm, Rate};
pub use request::Stream;
use service::Service;
#[cfg(any(test, feature = "fuzz"))]
pub use service::fuzz;
pub use service::{Engine, OnFailure};
use table::Table;
use under_way::UnderWay;
use under_way::vms::{BEAT, Vm};

/// The filter with its compiled policy.
#[derive(Debug)]
pub struct RateLimit {
    limits: Rules<Limit>,
    observes: Observes,
    dialects: Rules<Telling>,
    /// Does any limit count beside others?
    also: bool,
    /// Is any dialect for callers of some identity?
    told_by_identity: bool,
    /// Is anything observed?
    observing: bool,
    beside: Beside,
    retry_after_on_503: Option<u64>,
    ipv6_prefix: u8,
    table: Table,
    sights: Sights,
    service: Option<Box<Service>>,
    /// Where in the table was looked last for how full it is.
    looked_at: Cell<u64>,
    /// Does any limit count requests that are under way?
    at_once: bool,
    under_way: UnderWay,
    /// All policies of this VM share it.
    vm: Rc<Vm>,
    /// Ticks until the table is looked at.
    until_look: Cell<u32>,
}

/// Between two looks at the table, in seconds.
const LOOKS: u32 = 10;

impl Filter for RateLimit {
    const NAME: &'static str = "rate-limit";
    const COUNTERS: &'static [&'static str] = metrics::COUNTERS;
    const WORKS: bool = true;
    const ENDS: bool = true;
    type Stream = Stream;

    fn configure(policy: &Node, environment: &Environment<'_>) -> Result<Self, Errors> {
        let Policy {
            limits,
            observes,
            service,
            dialects,
            beside,
            retry_after_on_503,
            capacity,
            ipv6_prefix,
        } = config::decode(policy)?;
        let observing = observes.iter().count() > 0;
        let secret = service.as_ref().map_or(Ok(None), |s| s.secret(policy, environment))?;
        let service = service.map(|config| {
            let known = limits.iter().map(|(_, limit)| limit);
            let before = metrics::all(known, observes.iter()).len();
            Box::new(Service::new(config, secret, &limits, before))
        });
        Ok(RateLimit {
            also: limits.iter().any(|(_, limit)| limit.also),
            at_once: limits.iter().any(|(_, limit)| limit.is_at_once()),
            under_way: UnderWay,
            vm: this_vm(),
            until_look: Cell::new(0),
            told_by_identity: dialects.iter().any(|(_, told)| told.callers.needs_identity()),
            observing,
            observes,
            limits: Rules::new(limits),
            dialects: Rules::new(dialects),
            beside,
            retry_after_on_503,
            ipv6_prefix,
            table: Table::new(capacity),
            sights: Sights::default(),
            service,
            looked_at: Cell::new(0),
        })
    }

    fn schema() -> Schema {
        Policy::schema()
    }

    fn metrics(&self) -> Vec<Metric> {
        let mut all = metrics::all(self.limits.iter(), self.observes.iter());
        all.extend(self.service.iter().flat_map(|service| service.meters.all()));
        all
    }

    /// Looks now and then at a part of the table, to tell how full it is; each second
    /// which VMs are alive, where requests under way are counted.
    fn tick(&self, host: &dyn Host) -> Work {
        let mut work = Work { again: Some(BEAT.saturating_mul(LOOKS)), ..Work::default() };
        let under_way = self.at_once || self.vm.is_registered();
        if under_way {
            let lapsed = self.under_way.tick(host, &self.vm);
            work.count.extend(std::iter::repeat_n(metrics::LAPSED, lapsed));
        }
        if let Some(service) = &self.service {
            work.merge(service.tick(&self.vm.corrections, host));
        } else {
            work.count.extend(service::uncorrected(self.vm.corrections.lapse(host.now())));
        }
        if under_way || self.service.is_some() {
            work.again = Some(work.again.map_or(BEAT, |again| again.min(BEAT)));
            let left = self.until_look.get();
            self.until_look.set(left.checked_sub(1).unwrap_or(LOOKS));
            if left > 0 {
                return work;
            }
        }
        let first = self.looked_at.get();
        self.looked_at.set(first.wrapping_add(table::LOOKED_AT));
        work.gauges.extend(self.table.fill(host, first).map(|fill| (metrics::FILL, fill)));
        work
    }

    fn task_answer(&self, task: u64, answer: &Answer, host: &dyn Host) -> Work {
        self.service.as_ref().map_or_else(Work::default, |s| s.task_answer(task, answer, host))
    }

    fn request_headers(
        &self,
        stream: &mut Stream,
        request: &Request<'_>,
        host: &dyn Host,
    ) -> Outcome {
        let bad_request = |refusal: Refusal| {
            Outcome::refuse(refusal)
                .with_record(Record::new(Decision::Deny, "-", "bad_request"))
                .counting(metrics::BAD_REQUEST)
        };
        let seen = match self.sights.see(request) {
            Ok(seen) => seen,
            Err(why) => return bad_request(Refusal::bad_request(why.to_string())),
        };
        let asked = Asked::of(request, &seen, host);
        // A limit for a host would not see it.
        if asked.host.is_none() {
            let why = "the request has no host that can be read";
            return bad_request(Refusal::bad_request(why));
        }
        let outcome = self.count(stream, &asked, host);
        if self.observing && matches!(outcome.step, Step::Continue | Step::Ask(_)) {
            self.watch(stream, &asked, host);
        }
        if self.beside == Beside::Clear
            && !stream.is_told()
            && matches!(outcome.step, Step::Continue | Step::Ask(_))
        {
            self.clear(stream, &asked, host);
        }
        outcome
    }

    fn follows(&self, stream: &Stream) -> bool {
        stream.is_told()
            || stream.has_places()
            || stream.clears
            || stream.waits.is_some()
            || self.retry_after_on_503.is_some()
    }

    fn answer(&self, stream: &mut Stream, answer: &Answer, host: &dyn Host) -> Outcome {
        self.answered(stream, answer, host)
    }

    fn response_headers(
        &self,
        stream: &mut Stream,
        response: &Response<'_>,
        host: &dyn Host,
    ) -> Outcome {
        self.tell(stream, response, host)
    }

    fn ended(&self, stream: &mut Stream, host: &dyn Host) {
        if stream.has_places() {
            self.leave(host, &mut stream.places);
        }
        if let (Some(service), Some(pending)) = (&self.service, stream.waits.take()) {
            service.ended(&pending, host);
        }
    }
}

#[cfg(target_family = "wasm")]
fn this_vm() -> Rc<Vm> {
    thread_local! {
        static VM: Rc<Vm> = Rc::default();
    }
    VM.with(Rc::clone)
}

/// Without a proxy each filter is a VM of its own.
#[cfg(not(target_family = "wasm"))]
fn this_vm() -> Rc<Vm> {
    Rc::default()
}

#[cfg(all(target_family = "wasm", not(feature = "wrapped")))]
postern_host::export!(RateLimit, responses);
