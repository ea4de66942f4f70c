//! The filter `rate-limit`, which traps where a request has the header `x-trap`: with it
//! is tested what becomes of places that a VM held when it went.

use postern_core::config::schema::Schema;
use postern_core::config::{Errors, Node};
use postern_core::filter::Environment;
use postern_core::{Filter, Host, Metric, Outcome, Request, Response, Work};
use postern_rate_limit::{RateLimit, Stream};

/// The filter.
#[derive(Debug)]
pub struct Trap(RateLimit);

impl Filter for Trap {
    const NAME: &'static str = RateLimit::NAME;
    const COUNTERS: &'static [&'static str] = RateLimit::COUNTERS;
    const WORKS: bool = RateLimit::WORKS;
    const ENDS: bool = RateLimit::ENDS;
    type Stream = Stream;

    fn configure(policy: &Node, environment: &Environment<'_>) -> Result<Self, Errors> {
        RateLimit::configure(policy, environment).map(Trap)
    }

    fn schema() -> Schema {
        RateLimit::schema()
    }

    fn metrics(&self) -> Vec<Metric> {
        self.0.metrics()
    }

    fn tick(&self, host: &dyn Host) -> Work {
        self.0.tick(host)
    }

    #[allow(clippy::panic, reason = "that is what it is for")]
    fn request_headers(
        &self,
        stream: &mut Stream,
        request: &Request<'_>,
        host: &dyn Host,
    ) -> Outcome {
        if request.headers().get("x-trap").is_some() {
            panic!("as told");
        }
        self.0.request_headers(stream, request, host)
    }

    fn follows(&self, stream: &Stream) -> bool {
        self.0.follows(stream)
    }

    fn response_headers(
        &self,
        stream: &mut Stream,
        response: &Response<'_>,
        host: &dyn Host,
    ) -> Outcome {
        self.0.response_headers(stream, response, host)
    }

    fn ended(&self, stream: &mut Stream, host: &dyn Host) {
        self.0.ended(stream, host);
    }
}

#[cfg(target_family = "wasm")]
postern_host::export!(Trap, responses);
