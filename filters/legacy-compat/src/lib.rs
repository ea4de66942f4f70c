//! legacy-compat: what old clients send and expect.
//!
//! The outer skin of the chain: requests in an old form become requests of the
//! current API on the way in, answers (refusals of the filters behind it
//! included) become old answers on the way out. The engine knows no API; the
//! policy says it all. A body is rewritten whole or passed on as it came.
//!
//! It also publishes the path that the log may show, `postern.path`, of every
//! request: it alone knows which part of an old path is a credential.

mod answer;
mod blueprint;
mod cases;
mod edit;
mod expression;
mod facts;
mod framing;
mod gzip;
mod json;
mod local;
mod log_path;
mod place;
mod policy;
mod request;
mod request_steps;
mod retirement;
mod shadow;
mod template;
mod usage;
mod value;

use postern_core::config::schema::Schema;
use postern_core::config::{At, Decode, Errors, Node};
use postern_core::filter::{CredentialPlace, Environment};
use postern_core::{Filter, Host, Metric, Outcome, Request, Response, Sights, Work};

use crate::blueprint::Blueprint;

pub use crate::answer::Stream;
pub use crate::local::LocalReply;

/// The filter.
#[derive(Debug)]
pub struct LegacyCompat {
    blueprint: Blueprint,
    sights: Sights,
}

impl LegacyCompat {
    /// What an answer of the proxy with a status becomes that passes no filter: one for
    /// each entry of the policy's `local_replies`; `None` where it stays as it is.
    #[must_use]
    pub fn local_replies(&self, status: u16) -> Vec<Option<LocalReply>> {
        self.blueprint.local_replies(status)
    }
}

/// The counters, as indices into [`Filter::COUNTERS`].
mod counter {
    pub(crate) const REQUEST_MATCHED: usize = 0;
    pub(crate) const REQUEST_REFUSED: usize = 1;
    pub(crate) const ANSWER_REWRITTEN: usize = 2;
    pub(crate) const ANSWER_MISMATCHED: usize = 3;
    pub(crate) const ANSWER_OVER_CAP: usize = 4;
    pub(crate) const SHADOW_SAME: usize = 5;
    pub(crate) const SHADOW_CHANGED: usize = 6;
    pub(crate) const SHADOW_UNFIT: usize = 7;
    pub(crate) const NAMES: &[&str] = &[
        "request_matched",
        "request_refused",
        "answer_rewritten",
        "answer_mismatched",
        "answer_over_cap",
        "shadow_same",
        "shadow_changed",
        "shadow_unfit",
    ];
}

impl Filter for LegacyCompat {
    const NAME: &'static str = "legacy-compat";
    const COUNTERS: &'static [&'static str] = counter::NAMES;
    const WORKS: bool = true;
    const HOLDS_BODIES: bool = true;
    type Stream = Stream;

    fn configure(policy: &Node, _environment: &Environment<'_>) -> Result<Self, Errors> {
        let blueprint = Blueprint::compile(At::root(policy))?;
        Ok(LegacyCompat { blueprint, sights: Sights::default() })
    }

    fn schema() -> Schema {
        policy::Policy::schema()
    }

    fn credential_places(&self) -> Vec<CredentialPlace> {
        let names = self.blueprint.log.secret_query();
        names.map(|name| CredentialPlace::Query(name.into_owned())).collect()
    }

    fn metrics(&self) -> Vec<Metric> {
        let counters = counter::NAMES.iter().map(|name| Metric::counter(*name));
        counters.chain(self.blueprint.usage.metrics()).collect()
    }

    fn tick(&self, host: &dyn Host) -> Work {
        self.blueprint.usage.tick(counter::NAMES.len(), host)
    }

    fn request_headers(
        &self,
        stream: &mut Stream,
        request: &Request<'_>,
        host: &dyn Host,
    ) -> Outcome {
        request::received(&self.blueprint, &self.sights, stream, request, host)
    }

    fn follows(&self, stream: &Stream) -> bool {
        stream.is_followed()
    }

    fn response_headers(
        &self,
        stream: &mut Stream,
        response: &Response<'_>,
        host: &dyn Host,
    ) -> Outcome {
        answer::headers(&self.blueprint, stream, response, host)
    }

    fn response_body(&self, stream: &mut Stream, body: &[u8], _host: &dyn Host) -> Outcome {
        answer::body(&self.blueprint, stream, body)
    }

    fn response_body_over_cap(&self, stream: &mut Stream) -> Outcome {
        answer::over_cap(&self.blueprint, stream)
    }

    fn body_cap(&self) -> usize {
        self.blueprint.max_body
    }
}

#[cfg(target_family = "wasm")]
postern_host::export!(LegacyCompat, bodies);

#[cfg(test)]
mod tests;
