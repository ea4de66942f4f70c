//! The engine `service`: a rate-limit service counts for several gateways
//! (`envoy.service.ratelimit.v3`, gRPC over HTTP/2).
//!
//! A request that such a limit counts is counted by the local limits first; what they
//! refuse asks nobody. Then one question goes out with a descriptor for each window of
//! each limit, and the request waits for it, no longer than the deadline. What the
//! service refuses is given back to the local limits. Where it does not answer, each
//! limit's `on_failure` holds, and after a few times nobody asks it for a while
//! ([`circuit`]). Callers that it has called over their limit are remembered until that
//! is over ([`near`]).

mod ask;
mod circuit;
pub(crate) mod config;
mod correction;
mod descriptor;
#[cfg(any(test, feature = "fuzz"))]
pub mod fuzz;
mod message;
mod meters;
mod near;
mod pending;
mod probe;
mod protobuf;
mod question;
mod reported;
mod said;
mod without;

#[cfg(test)]
mod tests;

use std::cell::{Cell, RefCell};
use std::time::Duration;

use postern_core::digest::{hex, sha256};
use postern_core::rules::{HeaderName, Match};
use postern_core::{Ask, HeaderEdit};

use crate::policy::Limit;
use circuit::Circuit;
pub use config::{Engine, OnFailure};
pub(crate) use config::{ServiceConfig, check};
pub(crate) use correction::{Corrections, Due, uncorrected};
use descriptor::Says;
use meters::Meters;
use near::Near;
pub(crate) use pending::Pending;

/// How often the state is told.
const RESTING: Duration = Duration::from_secs(1);

/// After so long it is told once more that the service has no limit for something.
const TOLD_AGAIN: Duration = Duration::from_secs(60);

/// The service, as a policy has it.
#[derive(Debug)]
pub(crate) struct Service {
    cluster: String,
    authority: String,
    domain: String,
    timeout: Duration,
    gateways: u64,
    on_failure: OnFailure,
    says: Says,
    send_limits: bool,
    remembered_for: Duration,
    header: Option<HeaderName>,
    circuit: Circuit,
    near: RefCell<Near>,
    pub(crate) meters: Meters,
    whom: correction::Whom,
    /// For the log.
    lines: RefCell<Vec<String>>,
    /// The request that looked whether the service is back has gone: a tick asks.
    lost: Cell<bool>,
    /// When it was told that the service has no limit.
    told_unmatched: Cell<Option<Duration>>,
}

impl Service {
    /// `secret`: the key of digests, if they have one; `first`: the number of its first
    /// metric.
    pub(crate) fn new(
        config: ServiceConfig,
        secret: Option<Vec<u8>>,
        limits: &[(Match, Limit)],
        first: usize,
    ) -> Self {
        let ServiceConfig {
            cluster,
            domain,
            authority,
            timeout,
            gateways,
            on_failure,
            values,
            secret_env: _,
            send_limits,
            backoff,
            remembered,
            remembered_for,
            header,
        } = config;
        let text = |text: postern_core::config::Text| text.as_str().to_owned();
        let (cluster, domain, timeout) = (text(cluster), text(domain), timeout.get());
        // Who asks the same service knows of it together.
        let digest = sha256(cluster.as_bytes());
        let of = hex(digest.first_chunk::<8>().map_or(&[], |half| half.as_slice()));
        Service {
            authority: authority.map_or_else(|| cluster.clone(), text),
            whom: correction::whom(&cluster, &domain),
            domain,
            gateways: gateways.get(),
            on_failure,
            says: Says::new(values, secret),
            send_limits,
            remembered_for: remembered_for.get(),
            header,
            circuit: Circuit::new(&of, backoff.get(), timeout),
            near: RefCell::new(Near::new(remembered.get(), remembered_for.get())),
            meters: Meters::new(limits, first),
            lines: RefCell::default(),
            lost: Cell::default(),
            told_unmatched: Cell::default(),
            cluster,
            timeout,
        }
    }

    /// The field that says how a request was counted without it.
    pub(crate) fn told(&self, word: &'static str) -> Option<HeaderEdit> {
        self.header.as_ref().map(|name| HeaderEdit::set(name.as_str().to_owned(), word))
    }

    /// A question, over the proxy's HTTP callout: an HTTP/2 cluster makes gRPC of it.
    fn ask(&self, request: &message::Request, deadline: Duration) -> Ask {
        let milliseconds = deadline.as_millis().max(1);
        Ask {
            cluster: self.cluster.clone(),
            headers: vec![
                (":method".into(), b"POST".to_vec()),
                (":path".into(), message::METHOD.as_bytes().to_vec()),
                (":authority".into(), self.authority.clone().into_bytes()),
                ("content-type".into(), b"application/grpc".to_vec()),
                ("te".into(), b"trailers".to_vec()),
                ("grpc-timeout".into(), format!("{milliseconds}m").into_bytes()),
            ],
            body: protobuf::frame(&request.encode()),
            deadline: Duration::from_millis(u64::try_from(milliseconds).unwrap_or(u64::MAX)),
        }
    }

    /// A name that the service does not know lets everything through: that is told, now
    /// and then.
    #[cold]
    fn log_unmatched(&self, now: Duration) {
        let last = self.told_unmatched.get();
        if last.is_some_and(|last| now >= last && now < last.saturating_add(TOLD_AGAIN)) {
            return;
        }
        self.told_unmatched.set(Some(now));
        let Service { cluster, domain, .. } = self;
        self.log(format!(
            "the rate-limit service at `{cluster}` has no limit for some of what it is asked in \
             the domain `{domain}`: that is not counted"
        ));
    }

    fn log(&self, line: String) {
        self.lines.borrow_mut().push(line);
    }
}
