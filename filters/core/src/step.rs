//! What a filter answers to an event.

use std::borrow::Cow;
use std::rc::Rc;
use std::time::Duration;

use crate::fields::{Fields, Put};
use crate::record::Recorded;
use crate::refusal::Refusal;

/// A header name: mostly a constant.
pub type Name = Cow<'static, str>;

/// A filter's answer to one event: the step, and what goes with it. Edits
/// apply to the message at hand; with [`Step::Reply`] they are dropped.
#[derive(Debug, Default)]
pub struct Outcome {
    /// What happens next.
    pub step: Step,
    /// Fields for the message at hand, written before it is edited otherwise.
    pub fields: Option<(Rc<Fields>, Put)>,
    /// Edits of the headers of the message at hand, in order.
    pub headers: Vec<HeaderEdit>,
    /// The message's new body, whole; only in answer to a held body.
    /// `content-length` is set to match by the host.
    pub body: Option<Vec<u8>>,
    /// The decision record, published as filter state `postern.<plugin>`.
    pub record: Option<Recorded>,
    /// Further filter states, `postern.<key>`: the identity, the redacted path.
    pub publish: Vec<(&'static str, Rc<[u8]>)>,
    /// Counters to increment: indices into [`Filter::metrics`](crate::Filter::metrics).
    pub count: Vec<usize>,
}

impl Outcome {
    /// Go on, untouched.
    #[must_use]
    pub fn pass() -> Self {
        Outcome::default()
    }

    /// Go on, with these header edits.
    #[must_use]
    pub fn edit(headers: Vec<HeaderEdit>) -> Self {
        Outcome { headers, ..Outcome::default() }
    }

    /// Hold the headers and collect the body; the body event follows.
    #[must_use]
    pub fn hold() -> Self {
        Outcome { step: Step::Hold, ..Outcome::default() }
    }

    /// Refuse.
    #[must_use]
    pub fn refuse(refusal: Refusal) -> Self {
        Outcome { step: Step::Refuse(Box::new(refusal)), ..Outcome::default() }
    }

    /// Answer the client directly.
    #[must_use]
    pub fn reply(reply: Reply) -> Self {
        Outcome { step: Step::Reply(Box::new(reply)), ..Outcome::default() }
    }

    /// The same, with a decision record.
    #[must_use]
    pub fn with_record(mut self, record: impl Into<Recorded>) -> Self {
        self.record = Some(record.into());
        self
    }

    /// All that is edited: the fields, then what comes after them.
    #[must_use]
    pub fn edits(&self) -> Vec<HeaderEdit> {
        let mut edits = self.fields.as_ref().map(|(f, _)| f.edits()).unwrap_or_default();
        edits.extend_from_slice(&self.headers);
        edits
    }

    /// The same, with one more counter incremented.
    #[must_use]
    pub fn counting(mut self, counter: usize) -> Self {
        self.count.push(counter);
        self
    }
}

/// What happens next on a stream.
#[derive(Debug, Default)]
pub enum Step {
    /// Go on.
    #[default]
    Continue,
    /// Keep the headers back and collect the whole body, up to the filter's
    /// cap, then raise the body event. On a message without a body the event
    /// comes at once, with an empty body. Only filters with
    /// [`Filter::HOLDS_BODIES`](crate::Filter::HOLDS_BODIES) may.
    Hold,
    /// A refusal: rendered as problem+json and published for the outer filters.
    Refuse(Box<Refusal>),
    /// A complete answer of the filter's own.
    Reply(Box<Reply>),
    /// Pause and ask another service; the answer event follows, always.
    Ask(Box<Ask>),
    /// Pause until what the filter works on beside the streams is there: the
    /// event of the request's headers is raised once more. In answer to that
    /// event only.
    Wait(Wait),
}

/// What a stream waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wait {
    /// The stream goes on when [`Work::wake`](crate::Work::wake) names this,
    pub key: u64,
    /// or when the clock (since the Unix epoch) has come to this.
    pub until: Duration,
}

/// One edit of a message's headers. Names in lower case.
#[derive(Clone, PartialEq, Eq, Hash)]
pub enum HeaderEdit {
    /// One value, replacing all copies.
    Set(Name, Vec<u8>),
    /// One more copy.
    Append(Name, Vec<u8>),
    /// No copy left.
    Remove(Name),
}

impl HeaderEdit {
    /// [`HeaderEdit::Set`] from anything.
    pub fn set(name: impl Into<Name>, value: impl Into<Vec<u8>>) -> Self {
        HeaderEdit::Set(name.into(), value.into())
    }

    /// [`HeaderEdit::Append`] from anything.
    pub fn append(name: impl Into<Name>, value: impl Into<Vec<u8>>) -> Self {
        HeaderEdit::Append(name.into(), value.into())
    }

    /// [`HeaderEdit::Remove`] from anything.
    pub fn remove(name: impl Into<Name>) -> Self {
        HeaderEdit::Remove(name.into())
    }

    /// The name that is edited.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            HeaderEdit::Set(n, _) | HeaderEdit::Append(n, _) | HeaderEdit::Remove(n) => n,
        }
    }
}

/// A complete answer to the client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    /// The status, 200–599.
    pub status: u16,
    /// Headers, `content-type` included, `content-length` not.
    pub headers: Vec<(Name, Vec<u8>)>,
    /// The body; dropped by the proxy on HEAD.
    pub body: Vec<u8>,
}

/// A question to another service.
#[derive(Clone, PartialEq, Eq)]
pub struct Ask {
    /// The name of the proxy's cluster.
    pub cluster: String,
    /// Headers with `:method`, `:path`, `:authority`.
    pub headers: Vec<(Name, Vec<u8>)>,
    /// The body.
    pub body: Vec<u8>,
    /// After this the answer is [`Answer::Unavailable`].
    pub deadline: Duration,
}

/// What came of an [`Ask`].
#[derive(Clone, PartialEq, Eq)]
pub enum Answer {
    /// The service answered. Envoy itself makes 503 and 504 for a dead or
    /// late one: any 5xx means *unavailable* to callers.
    Response {
        /// The status.
        status: u16,
        /// The headers, pseudo-headers included, and trailers behind them.
        headers: Vec<(String, Vec<u8>)>,
        /// The body, which may be large: it is shared rather than copied.
        body: Rc<Vec<u8>>,
    },
    /// No answer: not sent, cut, or late.
    Unavailable,
}
