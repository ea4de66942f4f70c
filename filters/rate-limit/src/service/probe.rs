//! Work beside the streams: the state is told, and where the request that looked whether
//! the service is back has gone, a question that no client can end looks instead. Else
//! whoever opens and resets requests could keep the service left alone.

use std::time::Duration;

use postern_core::work::Task;
use postern_core::{Answer, Host, Work};

use super::correction::{Corrections, uncorrected};
use super::message::{Descriptor, Request};
use super::meters::Counter;
use super::pending::Pending;
use super::reported::{self, Failure};
use super::{RESTING, Service};

/// All others are of corrections: as many as the requests that they correct.
const PROBE: u64 = 0;

impl Service {
    /// What there is to tell, beside the streams.
    pub(crate) fn tick(&self, corrections: &Corrections, host: &dyn Host) -> Work {
        let mut work = Work {
            gauges: vec![(self.meters.state(), self.circuit.told(host, host.now()))],
            log: self.lines.take(),
            again: Some(RESTING),
            ..Work::default()
        };
        if self.lost.take() {
            work.count.push(self.meters.counter(Counter::Asked));
            work.count.push(self.meters.counter(Counter::Probes));
            work.ask.push(Task { id: PROBE, ask: self.ask(&self.nobody(), self.timeout) });
        }
        self.correct(corrections, host, &mut work);
        work
    }

    /// A question about nobody: it is counted by no limit that there is.
    fn nobody(&self) -> Request {
        let entries = vec![("probe".to_owned(), String::new())];
        let descriptors = vec![Descriptor { entries, limit: None, hits: 1 }];
        Request { domain: self.domain.clone(), descriptors }
    }

    /// A stream is over: did it look whether the service is back?
    pub(crate) fn ended(&self, pending: &Pending, host: &dyn Host) {
        if pending.probe {
            self.lost_probe(host);
        }
    }

    fn lost_probe(&self, host: &dyn Host) {
        self.circuit.taken_over(host, host.now());
        self.lost.set(true);
    }

    /// The answer to a question of a tick.
    pub(crate) fn task_answer(&self, task: u64, answer: &Answer, host: &dyn Host) -> Work {
        let mut work = Work::default();
        match reported::read(answer, 1) {
            Ok(_) => self.is_back(host, host.now()),
            Err(failure) => {
                work.count.push(self.meters.counter(Counter::Failed));
                work.count.extend(uncorrected(task));
                self.failed(failure, host, host.now(), task == PROBE);
            }
        }
        work
    }

    pub(super) fn is_back(&self, host: &dyn Host, now: Duration) {
        if self.circuit.good(host, now) {
            self.log(format!("the rate-limit service at `{}` answers again", self.cluster));
        }
    }

    /// For how long is it left alone from now on? `None`: it is not.
    pub(super) fn failed(
        &self,
        failure: Failure,
        host: &dyn Host,
        now: Duration,
        probe: bool,
    ) -> Option<Duration> {
        if failure == Failure::Overflow {
            if probe {
                self.lost_probe(host);
            }
            return None;
        }
        let left_alone = self.circuit.bad(host, now, probe);
        if let Some(again) = left_alone {
            let (cluster, word) = (&self.cluster, failure.word());
            self.log(format!(
                "the rate-limit service at `{cluster}` does not answer ({word}): left alone for \
                 {} ms",
                again.as_millis()
            ));
        }
        left_alone
    }
}
