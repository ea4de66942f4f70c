//! The trait that each of the four filters implements.

use std::rc::Rc;

use crate::config::schema::Schema;
use crate::config::{Errors, Node};
use crate::host::Host;
use crate::load::Load;
use crate::step::{Answer, Outcome};
use crate::view::{Request, Response};
use crate::work::{Metric, Work};

/// Reads an environment variable of the proxy: the source of shared secrets.
pub type Environment<'a> = dyn Fn(&str) -> Option<String> + 'a;

/// A place of a request in which a credential may stand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CredentialPlace {
    /// A header, its name in lower case. Cookies stand in `cookie`.
    Header(String),
    /// A query parameter, its name decoded.
    Query(String),
}

/// A compiled policy that judges streams. One value per configuration; it is
/// never changed, so that a request is judged by one policy from end to end.
pub trait Filter: Sized + 'static {
    /// The module's name: `auth`, `authz`, `rate-limit`, `legacy-compat`.
    const NAME: &'static str;

    /// The counters, a fixed set; exported as `postern.<plugin>.<counter>`.
    const COUNTERS: &'static [&'static str];

    /// Does the filter work beside the streams ([`Filter::tick`])?
    const WORKS: bool = false;

    /// Does the filter ever answer with [`Step::Wait`](crate::Step::Wait)? Only a
    /// filter that works beside the streams has something to wait for.
    const WAITS: bool = false;

    /// Does the filter ever answer with [`Step::Hold`](crate::Step::Hold)?
    /// Then Envoy must be told to stop iteration at headers.
    const HOLDS_BODIES: bool = false;

    /// Does the filter own the filter state `postern.identity`? The host then
    /// declares it read-only, so that no later filter can change it.
    const PUBLISHES_IDENTITY: bool = false;

    /// Does the end of a stream ever concern the filter ([`Filter::ended`])?
    const ENDS: bool = false;

    /// What is kept of one stream between its events.
    type Stream: Default;

    /// Compiles a policy.
    ///
    /// # Errors
    /// Every mistake in it at once, each with its path. Nothing but the policy
    /// and the environment may decide the result: no clock, no randomness.
    fn configure(policy: &Node, environment: &Environment<'_>) -> Result<Self, Errors>;

    /// Begins to compile a policy (JSON) in slices, in a VM that serves by another one
    /// meanwhile. The same comes of it as of [`Filter::configure`], by which it was
    /// checked in a VM that serves nobody. `former` serves until then; what it has in common
    /// with the policy need not be compiled again. `None`: this filter's policies are small.
    #[must_use]
    fn load(_policy: &Rc<Vec<u8>>, _former: &Self) -> Option<Box<dyn Load<Self>>> {
        None
    }

    /// How much work a policy is to compile, in bytes of text: more than it has where parts
    /// of it stand for others. Asked of short ones, which may be heavy all the same.
    #[must_use]
    fn weight(policy: &[u8]) -> usize {
        policy.len()
    }

    /// The configuration's version ([`digest::version`](crate::digest::version) of
    /// its bytes), told once, before anything else is asked of the filter.
    fn set_version(&mut self, _version: &str) {}

    /// The shape of a policy, for the JSON Schema and the reference.
    #[must_use]
    fn schema() -> Schema;

    /// The metrics, a fixed set per configuration: [`Filter::COUNTERS`] and,
    /// after them, what depends on the policy. Exported as
    /// `postern.<plugin>.<name>`.
    #[must_use]
    fn metrics(&self) -> Vec<Metric> {
        Self::COUNTERS.iter().map(|name| Metric::counter(*name)).collect()
    }

    /// Where credentials may stand in a request by this policy, for tools that
    /// show requests.
    #[must_use]
    fn credential_places(&self) -> Vec<CredentialPlace> {
        Vec::new()
    }

    /// Work beside the streams, in each worker and on the main thread: called
    /// soon after a configuration came into force, then as the last [`Work`]
    /// said, and soon after a stream began to wait.
    fn tick(&self, _host: &dyn Host) -> Work {
        Work::default()
    }

    /// The answer to a [`Task`](crate::work::Task) of this filter value.
    fn task_answer(&self, _task: u64, _answer: &Answer, _host: &dyn Host) -> Work {
        Work::default()
    }

    /// The request's headers came; or, after a
    /// [`Step::Wait`](crate::Step::Wait), what it waited for or its end.
    fn request_headers(
        &self,
        stream: &mut Self::Stream,
        request: &Request<'_>,
        host: &dyn Host,
    ) -> Outcome;

    /// Does what is still to come of a stream concern the filter, once its
    /// request's headers were let go? If not, nothing is kept of it, and no
    /// further event is raised. A stream that waits or is held goes on anyway.
    fn follows(&self, _stream: &Self::Stream) -> bool {
        true
    }

    /// The request's body, whole, after a [`Step::Hold`](crate::Step::Hold).
    fn request_body(&self, _stream: &mut Self::Stream, _body: &[u8], _host: &dyn Host) -> Outcome {
        Outcome::pass()
    }

    /// The answer to the last [`Step::Ask`](crate::Step::Ask).
    fn answer(&self, _stream: &mut Self::Stream, _answer: &Answer, _host: &dyn Host) -> Outcome {
        Outcome::pass()
    }

    /// The response's headers came: from upstream, or a refusal of a filter
    /// behind this one, or this filter's own.
    fn response_headers(
        &self,
        _stream: &mut Self::Stream,
        _response: &Response<'_>,
        _host: &dyn Host,
    ) -> Outcome {
        Outcome::pass()
    }

    /// The response's body, whole, after a [`Step::Hold`](crate::Step::Hold).
    fn response_body(&self, _stream: &mut Self::Stream, _body: &[u8], _host: &dyn Host) -> Outcome {
        Outcome::pass()
    }

    /// The request's body is longer than [`Filter::body_cap`]. Going on passes
    /// the original; its headers may still be edited.
    fn request_body_over_cap(&self, _stream: &mut Self::Stream) -> Outcome {
        Outcome::pass()
    }

    /// The response's body is longer than [`Filter::body_cap`].
    fn response_body_over_cap(&self, _stream: &mut Self::Stream) -> Outcome {
        Outcome::pass()
    }

    /// A stream that the filter follows is over, in whatever way: answered, refused by
    /// whoever, left by the client or the upstream, too late. Nothing of it can be
    /// changed any more. Only with [`Filter::ENDS`]. A VM that traps never says it.
    fn ended(&self, _stream: &mut Self::Stream, _host: &dyn Host) {}

    /// The largest body in bytes that a [`Step::Hold`](crate::Step::Hold)
    /// collects.
    fn body_cap(&self) -> usize {
        0
    }
}
