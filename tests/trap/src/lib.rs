//! The filter `rate-limit`, which traps where a request has the header `x-trap`, and
//! answers itself where a request or an answer has its first limit's id in `x-answer`: with
//! it is tested what becomes of places that a stream had.

use postern_core::config::schema::Schema;
use postern_core::config::{Errors, Node, Value};
use postern_core::filter::Environment;
use postern_core::{Filter, Headers, Host, Metric, Outcome, Refusal, Request, Response, Work};
use postern_rate_limit::{RateLimit, Stream};

/// The filter.
#[derive(Debug)]
pub struct Trap {
    filter: RateLimit,
    /// The id of the first limit.
    id: String,
}

/// The mount that is tested; others stand beside it.
const SEATS: &str = "seats";

impl Trap {
    fn answers(&self, headers: &Headers<'_>) -> bool {
        headers.get("x-answer") == Some(self.id.as_bytes())
    }
}

fn first_id(policy: &Node) -> Option<String> {
    let Value::List(limits) = &policy.get("limits")?.value else { return None };
    match &limits.first()?.get("id")?.value {
        Value::Text(id) => Some(id.clone()),
        _ => None,
    }
}

impl Filter for Trap {
    const NAME: &'static str = RateLimit::NAME;
    const COUNTERS: &'static [&'static str] = RateLimit::COUNTERS;
    const WORKS: bool = RateLimit::WORKS;
    const ENDS: bool = RateLimit::ENDS;
    type Stream = Stream;

    fn configure(policy: &Node, environment: &Environment<'_>) -> Result<Self, Errors> {
        let id = first_id(policy).unwrap_or_default();
        RateLimit::configure(policy, environment).map(|filter| Trap { filter, id })
    }

    fn schema() -> Schema {
        RateLimit::schema()
    }

    fn metrics(&self) -> Vec<Metric> {
        self.filter.metrics()
    }

    fn tick(&self, host: &dyn Host) -> Work {
        self.filter.tick(host)
    }

    #[allow(clippy::panic, reason = "that is what it is for")]
    fn request_headers(
        &self,
        stream: &mut Stream,
        request: &Request<'_>,
        host: &dyn Host,
    ) -> Outcome {
        if self.id == SEATS && request.headers().get("x-trap").is_some() {
            panic!("as told");
        }
        if self.answers(request.headers()) {
            return Outcome::refuse(Refusal::new(403, "told", "Told", "as told"));
        }
        self.filter.request_headers(stream, request, host)
    }

    fn follows(&self, stream: &Stream) -> bool {
        // Those beside the one that is tested look at each answer.
        self.filter.follows(stream) || self.id != SEATS
    }

    fn response_headers(
        &self,
        stream: &mut Stream,
        response: &Response<'_>,
        host: &dyn Host,
    ) -> Outcome {
        if self.answers(response.headers()) {
            return Outcome::refuse(Refusal::new(502, "told", "Told", "as told"));
        }
        self.filter.response_headers(stream, response, host)
    }

    fn ended(&self, stream: &mut Stream, host: &dyn Host) {
        self.filter.ended(stream, host);
    }
}

#[cfg(target_family = "wasm")]
postern_host::export!(Trap, responses);
