//! What a filter does beside the streams: questions to other services, streams
//! to wake, metrics.

use std::borrow::Cow;
use std::time::Duration;

use crate::step::Ask;

/// A piece of work, as a filter answers a tick or the answer to a task.
#[derive(Debug, Default)]
pub struct Work {
    /// Questions to send. Each is answered by
    /// [`Filter::task_answer`](crate::Filter::task_answer), once, always.
    pub ask: Vec<Task>,
    /// The keys of waiting streams that go on.
    pub wake: Vec<u64>,
    /// Counters to increment: indices into [`Filter::metrics`](crate::Filter::metrics).
    pub count: Vec<usize>,
    /// Gauges to set: indices into the same list.
    pub gauges: Vec<(usize, u64)>,
    /// Lines for the proxy's log, as warnings; never a credential.
    pub log: Vec<String>,
    /// When the next tick is wanted at the latest. In answer to a tick, `None`
    /// is: not before a minute is over, unless a stream waits. In answer to a
    /// task it is: as before.
    pub again: Option<Duration>,
}

impl Work {
    /// Is there nothing to do?
    #[must_use]
    pub fn is_nothing(&self) -> bool {
        self.ask.is_empty()
            && self.wake.is_empty()
            && self.count.is_empty()
            && self.gauges.is_empty()
            && self.log.is_empty()
            && self.again.is_none()
    }

    /// Adds what another piece of work wants.
    pub fn merge(&mut self, other: Work) {
        self.ask.extend(other.ask);
        self.wake.extend(other.wake);
        self.count.extend(other.count);
        self.gauges.extend(other.gauges);
        self.log.extend(other.log);
        self.again = match (self.again, other.again) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        };
    }
}

/// A question that no stream owns: a client that leaves does not end it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Task {
    /// The filter's own number for it.
    pub id: u64,
    /// The question.
    pub ask: Ask,
}

/// A metric.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Metric {
    /// Its name below `postern.<plugin>.`: lower case, digits, `_`, `-`, dots.
    pub name: Cow<'static, str>,
    /// Its kind.
    pub kind: MetricKind,
}

/// How a metric changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MetricKind {
    /// It grows.
    Counter,
    /// It is set.
    Gauge,
}

impl Metric {
    /// A counter.
    pub fn counter(name: impl Into<Cow<'static, str>>) -> Self {
        Metric { name: name.into(), kind: MetricKind::Counter }
    }

    /// A gauge.
    pub fn gauge(name: impl Into<Cow<'static, str>>) -> Self {
        Metric { name: name.into(), kind: MetricKind::Gauge }
    }
}
