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
mod applies;
mod blueprint;
mod cases;
mod credential;
mod edit;
mod expression;
mod facts;
mod fault;
mod form;
mod framing;
mod growing;
mod gzip;
mod header_edits;
mod json;
mod known_hosts;
mod load;
mod local;
mod log_path;
mod output;
mod pattern;
mod place;
mod policy;
mod request;
mod request_body;
mod request_policy;
mod request_steps;
mod retirement;
mod shadow;
mod source;
mod template;
mod unmatched;
mod usage;
mod value;

use std::rc::Rc;

use postern_core::config::schema::Schema;
use postern_core::config::{At, Decode, Errors, Node};
use postern_core::filter::{CredentialPlace, Environment};
use postern_core::{Filter, Host, Load, Metric, Outcome, Request, Response, Sights, Work};

use crate::blueprint::Blueprint;
use crate::known_hosts::KnownHosts;
use crate::load::Loading;
use crate::source::Source;

pub use crate::answer::Stream;
pub use crate::local::LocalReply;

#[cfg(any(test, feature = "fuzz"))]
pub mod fuzz;

/// The filter.
#[derive(Debug)]
pub struct LegacyCompat {
    blueprint: Blueprint,
    sights: Sights,
    hosts: KnownHosts,
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
    pub(crate) const FAULT_UNRENDERED: usize = 8;
    pub(crate) const NAMES: &[&str] = &[
        "request_matched",
        "request_refused",
        "answer_rewritten",
        "answer_mismatched",
        "answer_over_cap",
        "shadow_same",
        "shadow_changed",
        "shadow_unfit",
        "fault_unrendered",
    ];
}

impl Filter for LegacyCompat {
    const NAME: &'static str = "legacy-compat";
    const COUNTERS: &'static [&'static str] = counter::NAMES;
    const WORKS: bool = true;
    const HOLDS_BODIES: bool = true;
    type Stream = Stream;

    fn configure(policy: &Node, _environment: &Environment<'_>) -> Result<Self, Errors> {
        Blueprint::compile(At::root(policy)).map(LegacyCompat::of)
    }

    fn load(policy: &Rc<Vec<u8>>, _former: &Self) -> Option<Box<dyn Load<Self>>> {
        Some(Box::new(Loading::Text(policy.clone())))
    }

    fn weight(policy: &[u8]) -> usize {
        load::weight(policy)
    }

    fn schema() -> Schema {
        policy::Policy::schema()
    }

    fn credential_places(&self) -> Vec<CredentialPlace> {
        let names = self.blueprint.log.secret_query();
        let query = names.map(|name| CredentialPlace::Query(name.into_owned()));
        let moved = self.blueprint.rules.iter().flat_map(|rule| rule.request.moved());
        let header = |source: &Source| match source {
            Source::Header(name) => Some(CredentialPlace::Header(name.clone())),
            Source::Cookie(_) => Some(CredentialPlace::Header("cookie".to_owned())),
            _ => None,
        };
        let mut places: Vec<_> = query.chain(moved.filter_map(header)).collect();
        places.dedup();
        places
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
        request::received(self, stream, request, host)
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

    fn request_body(&self, stream: &mut Stream, body: &[u8], _host: &dyn Host) -> Outcome {
        shadow::request_body(&self.blueprint, stream, Some(body))
    }

    fn request_body_over_cap(&self, stream: &mut Stream) -> Outcome {
        shadow::request_body(&self.blueprint, stream, None)
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
