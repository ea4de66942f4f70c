//! How often? Counts requests per caller in data that all workers share, and
//! tells the client what is left in the dialect that it understands.
//!
//! Exact across workers: a request is counted by compare-and-swap, and passes
//! only if its count was written. A refused request is not counted. When the
//! shared data cannot be had, the request is refused with 503.

#![cfg_attr(not(test), deny(clippy::arithmetic_side_effects))]

mod bucket;
mod dialect;
mod key;
mod policy;
mod table;

#[cfg(test)]
mod tests;

use std::borrow::Cow;

use postern_core::config::schema::Schema;
use postern_core::config::{self, Decode, Errors, Node};
use postern_core::filter::Environment;
use postern_core::identity::{STATE, Seen};
use postern_core::rules::{Rules, Subject as Asked};
use postern_core::{Decision, Filter, Host, Outcome, Record, Refusal, Request, Response, Target};

pub use bucket::{Algorithm, Allowance};
pub use dialect::Dialect;
use dialect::Standing;
use key::Caller;
pub use key::Part;
pub use policy::{Limit, Plan, Policy};
use table::Table;

/// The filter with its compiled policy.
#[derive(Debug)]
pub struct RateLimit {
    limits: Rules<Limit>,
    dialects: Rules<Dialect>,
    ipv6_prefix: u8,
    table: Table,
}

/// What is kept of a request for its answer.
#[derive(Debug, Default)]
pub struct Stream {
    said: Option<(Dialect, Standing)>,
}

/// Indices into [`RateLimit::COUNTERS`](Filter::COUNTERS).
mod counter {
    pub(crate) const ALLOWED: usize = 0;
    pub(crate) const REFUSED: usize = 1;
    pub(crate) const UNLIMITED: usize = 2;
    pub(crate) const NO_LIMIT: usize = 3;
    pub(crate) const BAD_REQUEST: usize = 4;
    pub(crate) const UNAVAILABLE: usize = 5;
    pub(crate) const EVICTED: usize = 6;
}

impl Filter for RateLimit {
    const NAME: &'static str = "rate-limit";
    const COUNTERS: &'static [&'static str] =
        &["allowed", "refused", "unlimited", "no_limit", "bad_request", "unavailable", "evicted"];
    type Stream = Stream;

    fn configure(policy: &Node, _environment: &Environment<'_>) -> Result<Self, Errors> {
        let Policy { limits, dialects, capacity, ipv6_prefix } = config::decode(policy)?;
        Ok(RateLimit {
            limits: Rules::new(limits),
            dialects: Rules::new(dialects),
            ipv6_prefix,
            table: Table::new(capacity),
        })
    }

    fn schema() -> Schema {
        Policy::schema()
    }

    fn request_headers(
        &self,
        stream: &mut Stream,
        request: &Request<'_>,
        host: &dyn Host,
    ) -> Outcome {
        let bad_request = |why: Cow<'static, str>| {
            Outcome::refuse(Refusal::bad_request(why))
                .with_record(Record::new(Decision::Deny, "-", "bad_request"))
                .counting(counter::BAD_REQUEST)
        };
        let target = match Target::parse(request.path()) {
            Ok(target) => target,
            Err(why) => return bad_request(why.to_string().into()),
        };
        let asked = Asked::new(request, &target, host);
        // A limit for a host would not see it.
        if asked.host.is_none() {
            return bad_request("the request has no host that can be read".into());
        }
        let Some(found) = self.limits.first(&asked) else {
            return Outcome::pass()
                .with_record(Record::new(Decision::Skip, "-", "no_limit"))
                .counting(counter::NO_LIMIT);
        };
        self.spend(stream, found.rule, &asked, host)
    }

    fn follows(&self, stream: &Stream) -> bool {
        stream.said.is_some()
    }

    fn response_headers(
        &self,
        stream: &mut Stream,
        response: &Response<'_>,
        _host: &dyn Host,
    ) -> Outcome {
        match &stream.said {
            Some((dialect, standing)) => Outcome::edit(dialect.fields(standing, response)),
            None => Outcome::pass(),
        }
    }
}

impl RateLimit {
    fn spend(
        &self,
        stream: &mut Stream,
        limit: &Limit,
        asked: &Asked<'_>,
        host: &dyn Host,
    ) -> Outcome {
        let id = || limit.id.as_str().to_owned();
        // Without an identity, or with one that cannot be read, the address counts.
        let identity = if limit.needs_identity() { host.property(&[STATE]) } else { None };
        let identity = identity.as_deref().and_then(Seen::read);
        let caller = Caller::new(identity.as_ref(), host, self.ipv6_prefix);
        let (plan, allowance) = match limit.plan(caller.plan()) {
            (_, Plan::Unlimited) => {
                return Outcome::pass()
                    .with_record(Record::new(Decision::Skip, id(), "unlimited"))
                    .counting(counter::UNLIMITED);
            }
            (name, Plan::Limited(allowance)) => (name, allowance),
        };
        let key = caller.key(limit, plan, allowance.algorithm());
        let Some((spent, evicted)) = self.table.spend(host, &key, allowance) else {
            return Outcome::refuse(unavailable())
                .with_record(Record::new(Decision::Deny, id(), "unavailable"))
                .counting(counter::UNAVAILABLE);
        };
        let standing = Standing {
            policy: id(),
            quota: allowance.quota(),
            window: allowance.window(),
            remaining: spent.remaining,
            more_in: spent.more_in,
        };
        let mut outcome = if spent.admitted {
            Outcome::pass()
                .with_record(
                    Record::new(Decision::Allow, id(), "within_limit")
                        .with("remaining", spent.remaining),
                )
                .counting(counter::ALLOWED)
        } else {
            Outcome::refuse(over_limit(&standing))
                .with_record(
                    Record::new(Decision::Deny, id(), "over_limit")
                        .with("retry_after", standing.retry_after()),
                )
                .counting(counter::REFUSED)
        };
        outcome.count.extend(std::iter::repeat_n(counter::EVICTED, evicted));
        let dialect = self.dialects.first(asked).map_or(Dialect::Ietf, |found| *found.rule);
        stream.said = Some((dialect, standing));
        outcome
    }
}

/// 429 with the problem type of draft-ietf-httpapi-ratelimit-headers. The
/// fields of the dialect are added when this answer passes on its way out.
fn over_limit(standing: &Standing) -> Refusal {
    let detail = format!(
        "the limit is {} per {} seconds; try again in {} seconds",
        standing.quota,
        standing.window,
        standing.retry_after()
    );
    Refusal {
        problem_type: Some("https://iana.org/assignments/http-problem-types#quota-exceeded"),
        ..Refusal::new(429, "quota_exceeded", "Quota exceeded", detail)
    }
    .header("retry-after", standing.retry_after().to_string())
    .member("violated-policies", vec![standing.policy.clone()])
}

fn unavailable() -> Refusal {
    let detail = "the request cannot be counted at the moment";
    Refusal::new(503, "unavailable", "Service unavailable", detail).header("retry-after", "1")
}

#[cfg(target_family = "wasm")]
postern_host::export!(RateLimit, responses);
