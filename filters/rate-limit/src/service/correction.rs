//! What answers say of costs that the service counted: more than a request had cost when
//! it came is sent on at a tick, added up by caller, so that no answer waits for it.
//!
//! The protocol takes nothing back. Where nobody answers, or more callers wait to be
//! corrected than there is room for, a correction is lost, and counted as such.

use std::cell::RefCell;
use std::time::Duration;

use postern_core::digest::sha256;
use postern_core::work::Task;
use postern_core::{Host, Work};

use super::Service;
use super::message::{Descriptor, Request};
use super::meters::Counter;
use crate::metrics;
use crate::table::Hash;

/// So many callers wait to be corrected at most.
const MOST: usize = 1_024;

/// So many questions are sent at a tick at most; those that are left, soon after.
const AT_A_TICK: usize = 256;
const SOON: Duration = Duration::from_millis(100);

/// A correction that no policy has sent by then is lost: the service that it is for is
/// asked no more, or was not for so long that it counts another window.
const KEPT: Duration = Duration::from_secs(10);

/// Which service, and which of its domains.
pub(super) type Whom = [u8; 8];

/// Whose count an answer may correct.
#[derive(Clone, Debug)]
pub(crate) struct Due {
    whom: Whom,
    hash: Hash,
    descriptors: Vec<Descriptor>,
}

/// What a VM has to send, whatever policies it has had meanwhile.
#[derive(Debug, Default)]
pub(crate) struct Corrections(RefCell<Vec<Correction>>);

#[derive(Debug)]
struct Correction {
    due: Due,
    hits: u64,
    /// Of so many requests.
    requests: u64,
    since: Duration,
}

/// Who is asked.
pub(super) fn whom(cluster: &str, domain: &str) -> Whom {
    let digest = sha256([cluster, "\0", domain].concat().as_bytes());
    digest.first_chunk().copied().unwrap_or_default()
}

impl Corrections {
    /// One request of this caller has cost so much more. `false`: there is no room.
    pub(crate) fn add(&self, due: &Due, hits: u64, now: Duration) -> bool {
        let mut all = self.0.borrow_mut();
        let same = |own: &&mut Correction| {
            own.due.hash == due.hash
                && own.due.whom == due.whom
                && own.due.descriptors == due.descriptors
        };
        if let Some(own) = all.iter_mut().find(same) {
            own.hits = own.hits.saturating_add(hits);
            own.requests = own.requests.saturating_add(1);
            return true;
        }
        let room = all.len() < MOST;
        if room {
            all.push(Correction { due: due.clone(), hits, requests: 1, since: now });
        }
        room
    }

    /// Takes out some of those for a service, and how many requests' were lost.
    fn take(&self, whom: Option<Whom>, now: Duration) -> (Vec<Correction>, u64) {
        let (mut own, mut lost) = (Vec::new(), 0u64);
        self.0.borrow_mut().retain_mut(|one| {
            if now.saturating_sub(one.since) >= KEPT {
                lost = lost.saturating_add(one.requests);
                return false;
            }
            let goes = Some(one.due.whom) == whom && own.len() < AT_A_TICK;
            if goes {
                let due = Due { descriptors: std::mem::take(&mut one.due.descriptors), ..one.due };
                own.push(Correction { due, ..*one });
            }
            !goes
        });
        (own, lost)
    }

    /// No service is asked any more: of how many requests' corrections are lost by now.
    pub(crate) fn lapse(&self, now: Duration) -> u64 {
        let (_, lost) = self.take(None, now);
        lost
    }

    #[cfg(test)]
    pub(super) fn waiting(&self) -> usize {
        self.0.borrow().len()
    }

    fn has_some(&self, whom: Whom) -> bool {
        self.0.borrow().iter().any(|one| one.due.whom == whom)
    }
}

impl Service {
    /// What is asked about one limit of a request, to be asked once more.
    pub(super) fn due(&self, hash: Hash, descriptors: Vec<Descriptor>) -> Due {
        Due { whom: self.whom, hash, descriptors }
    }

    /// Sends what answers have said since the last tick, each caller's in a question of its
    /// own: older services read one `hits_addend` for all descriptors of a question.
    pub(super) fn correct(&self, corrections: &Corrections, host: &dyn Host, work: &mut Work) {
        let now = host.now();
        let (all, mut lost) = corrections.take(Some(self.whom), now);
        let answers = all.is_empty() || self.circuit.told(host, now) == 0;
        for Correction { mut due, hits, requests, .. } in all {
            if !answers {
                lost = lost.saturating_add(requests);
                continue;
            }
            let hits = u32::try_from(hits).unwrap_or(u32::MAX);
            due.descriptors.iter_mut().for_each(|descriptor| descriptor.hits = hits);
            let domain = self.domain.clone();
            let request = Request { domain, descriptors: due.descriptors };
            work.count.push(self.meters.counter(Counter::Asked));
            work.count.push(self.meters.counter(Counter::Corrected));
            // The number says how many requests' corrections are lost with it.
            work.ask.push(Task { id: requests, ask: self.ask(&request, self.timeout) });
        }
        work.count.extend(uncorrected(lost));
        if corrections.has_some(self.whom) {
            work.again = Some(SOON);
        }
    }
}

pub(crate) fn uncorrected(requests: u64) -> impl Iterator<Item = usize> {
    std::iter::repeat_n(metrics::UNCORRECTED, usize::try_from(requests).unwrap_or(usize::MAX))
}
