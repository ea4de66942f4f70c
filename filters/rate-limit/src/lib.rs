//! How often? Counts requests per caller in data that all workers share, and
//! tells the client what is left in the dialect that it understands.
//!
//! Exact across workers: a request is counted by compare-and-swap, and passes
//! only if its count was written, in every window of every limit that counts it. A
//! refused request is not counted. When the shared data cannot be had, the request is
//! refused with 503.

#![cfg_attr(not(test), deny(clippy::arithmetic_side_effects))]

mod allowance;
mod dialect;
mod digits;
mod key;
mod metrics;
mod observe;
mod policy;
mod rate;
mod refusal;
mod request;
mod standing;
mod table;
mod take;

#[cfg(test)]
mod tests;

use std::cell::Cell;
use std::time::Duration;

use postern_core::config::schema::Schema;
use postern_core::config::{self, Decode, Errors, Node};
use postern_core::filter::Environment;
use postern_core::rules::{Rules, Subject as Asked};
use postern_core::{
    Decision, Filter, Host, Metric, Outcome, Record, Refusal, Request, Response, Sights, Step, Work,
};

pub use allowance::Allowance;
pub use dialect::{Beside, Dialect, Show};
pub use key::Part;
use observe::Observes;
pub use policy::{Cost, Limit, Mode, Plan, Policy, Telling, Who, Windows};
pub use rate::{Algorithm, Rate};
pub use request::Stream;
use table::Table;

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
    /// Where in the table was looked last for how full it is.
    looked_at: Cell<u64>,
}

impl Filter for RateLimit {
    const NAME: &'static str = "rate-limit";
    const COUNTERS: &'static [&'static str] = metrics::COUNTERS;
    const WORKS: bool = true;
    type Stream = Stream;

    fn configure(policy: &Node, _environment: &Environment<'_>) -> Result<Self, Errors> {
        let Policy {
            limits,
            observes,
            dialects,
            beside,
            retry_after_on_503,
            capacity,
            ipv6_prefix,
        } = config::decode(policy)?;
        let observing = observes.iter().count() > 0;
        Ok(RateLimit {
            also: limits.iter().any(|(_, limit)| limit.also),
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
            looked_at: Cell::new(0),
        })
    }

    fn schema() -> Schema {
        Policy::schema()
    }

    fn metrics(&self) -> Vec<Metric> {
        metrics::all(self.limits.iter(), self.observes.iter())
    }

    /// Looks now and then at a part of the table, to tell how full it is.
    fn tick(&self, host: &dyn Host) -> Work {
        let first = self.looked_at.get();
        self.looked_at.set(first.wrapping_add(table::LOOKED_AT));
        let fill = self.table.fill(host, first).map(|fill| (metrics::FILL, fill));
        let again = Some(Duration::from_secs(10));
        Work { gauges: fill.into_iter().collect(), again, ..Work::default() }
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
        if self.observing && matches!(outcome.step, Step::Continue) {
            self.watch(stream, &asked, host);
        }
        outcome
    }

    fn follows(&self, stream: &Stream) -> bool {
        stream.is_told() || self.retry_after_on_503.is_some()
    }

    fn response_headers(
        &self,
        stream: &mut Stream,
        response: &Response<'_>,
        host: &dyn Host,
    ) -> Outcome {
        self.tell(stream, response, host)
    }
}

#[cfg(target_family = "wasm")]
postern_host::export!(RateLimit, responses);
