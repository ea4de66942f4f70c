//! What is revoked: by the policy, and by a list that is fetched.

use postern_core::config::{At, Errors};
use postern_core::{Answer, Host, Metric, Work};

use crate::checked::Checked;
use crate::reason::Reason;
use crate::remote::{Lack, Place, Remote};
use crate::revoked::{Lists, Revoked, RevokedConfig};
use crate::verdict::{Unavailable, Verdict};

/// The largest list that is fetched, in bytes, unless the policy says otherwise.
const MAX_BYTES: usize = 1024 * 1024;

/// All that is revoked.
#[derive(Debug)]
pub(crate) struct Revocations {
    inline: Revoked,
    remote: Option<Remote<Lists>>,
    /// The number that tells its tasks from those of the providers.
    index: u64,
}

impl Revocations {
    /// Compiles a decoded configuration; `at` is its place. `index` is a number
    /// that no provider has, `first_metric` the place of its metrics.
    pub(crate) fn compile(
        config: &RevokedConfig,
        at: At<'_>,
        index: usize,
        first_metric: usize,
        errors: &mut Errors,
    ) -> Self {
        let remote = config.remote.as_ref().zip(at.node().get("remote")).map(|(remote, node)| {
            let settings = remote.settings(MAX_BYTES, at.key("remote", node), errors);
            let place = Place { slot: 0, first_metric };
            Remote::new("revocations", "-", remote.source(), settings, place, Lists)
        });
        Revocations { inline: Revoked::new(config), remote, index: index as u64 }
    }

    /// Its metrics: none without a list that is fetched.
    pub(crate) fn metrics(&self) -> Vec<Metric> {
        match self.remote {
            Some(_) => Remote::<Lists>::metrics("revocations"),
            None => Vec::new(),
        }
    }

    /// What stands against a good credential; `None`: nothing.
    pub(crate) fn against(&self, checked: &Checked, host: &dyn Host) -> Option<Verdict> {
        if self.inline.has(checked) {
            return Some(Reason::Revoked.into());
        }
        let remote = self.remote.as_ref()?;
        let now = host.now();
        if let Some(list) = remote.current(now).or_else(|| remote.look(host)) {
            return list.has(checked).then(|| Reason::Revoked.into());
        }
        let why = |retry_after| Unavailable { code: "revocations_unavailable", retry_after };
        Some(match remote.lacking(now) {
            Lack::Wait(seconds) => {
                Verdict::Wait { key: self.key(), at_most: remote.settings().wait, or: why(seconds) }
            }
            Lack::Recent(seconds) | Lack::Unavailable(seconds) => {
                Verdict::Unavailable(why(seconds))
            }
        })
    }

    /// Work beside the streams.
    pub(crate) fn tick(&self, host: &dyn Host) -> Work {
        self.remote.as_ref().map(|r| self.number(r.tick(host, self.key()))).unwrap_or_default()
    }

    /// The answer to a task, if it is one of its own.
    pub(crate) fn answer(&self, task: u64, answer: &Answer, host: &dyn Host) -> Option<Work> {
        let remote = self.remote.as_ref().filter(|_| task >> 32 == self.index)?;
        let work = remote.answer(task & u64::from(u32::MAX), answer, host, self.key())?;
        Some(self.number(work))
    }

    fn key(&self) -> u64 {
        self.index << 32
    }

    fn number(&self, mut work: Work) -> Work {
        work.ask.iter_mut().for_each(|task| task.id |= self.index << 32);
        work
    }
}
