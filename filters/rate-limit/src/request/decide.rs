//! What becomes of a request that was counted, and what is kept of it for its answer.

use postern_core::identity::{STATE, Seen};
use postern_core::rules::Subject as Asked;
use postern_core::{Decision, Host, Outcome, Record, Recorded};

use super::{Later, Said, Stream};
use crate::dialect::Show;
use crate::key::Caller;
use crate::policy::{Answers, Limit, Mode, Telling};
use crate::standing::{Standing, tightest};
use crate::take::Counted;
use crate::{RateLimit, metrics, refusal, under_way};

impl RateLimit {
    pub(super) fn answer(
        &self,
        stream: &mut Stream,
        mut outcome: Outcome,
        admitted: bool,
        mut standings: Vec<Standing>,
        caller: &Caller<'_>,
        by: &By<'_, '_>,
    ) -> Outcome {
        let counted = by.counted;
        let would = by.would_refuse();
        let first = self.decide(&mut outcome, admitted, &standings, &would, by.first());
        let later: Vec<Later> = if admitted { self.later(counted) } else { Vec::new() };
        if standings.is_empty() && later.is_empty() {
            return outcome;
        }
        let telling = self.telling(caller);
        let all = telling.is_some_and(|(_, told)| told.show == Show::All);
        if admitted && telling.is_some_and(|(_, told)| told.answers == Answers::Refused) {
            if later.is_empty() {
                return outcome;
            }
            standings = Vec::new();
        } else if !all && later.is_empty() {
            standings = first.into_iter().collect();
        }
        stream.said = Some(Box::new(Said {
            telling: telling.map(|(index, _)| index),
            standings,
            later,
            observed: None,
            without: None,
        }));
        outcome
    }

    /// Records what was decided, refuses what is not admitted, and returns the
    /// standing that the client has to mind first. `other`: the limit that is named where
    /// none refuses.
    pub(crate) fn decide(
        &self,
        outcome: &mut Outcome,
        admitted: bool,
        standings: &[Standing],
        would: &[&str],
        other: usize,
    ) -> Option<Standing> {
        let first = tightest(standings).cloned();
        let id = |index: usize| {
            self.limits.get(index).map(|limit| limit.id.as_str().to_owned()).unwrap_or_default()
        };
        let mut record: Recorded = match &first {
            Some(first) if admitted => match self.limits.get(first.limit) {
                Some(limit) => limit.within(first.left.remaining),
                None => Record::new(Decision::Allow, "-", "within_limit").into(),
            },
            Some(first) => Record::new(Decision::Deny, id(first.limit), "over_limit")
                .with("retry_after", first.retry_after())
                .into(),
            None => {
                // Only limits that do not refuse.
                let record = Record::new(Decision::Allow, id(other), "within_limit");
                Record { mode: postern_core::Mode::Shadow, ..record }.into()
            }
        };
        if !would.is_empty() {
            record = record.with("would_refuse", would.join(" "));
        }
        outcome.record = Some(record);
        outcome.count.push(if admitted { metrics::ALLOWED } else { metrics::REFUSED });
        if let Some(first) = first.as_ref().filter(|_| !admitted) {
            let refused = refusal::over_limit(first, standings);
            outcome.step = Outcome::refuse(refused).step;
        }
        first
    }

    /// Keeps what the answer of a request is to say, of which a service had to be
    /// asked first.
    pub(crate) fn keep(&self, stream: &mut Stream, kept: Keeping) {
        let Keeping { telling, admitted, mut standings, later, without } = kept;
        let told = telling.and_then(|index| self.dialects.get(index));
        if admitted && told.is_some_and(|told| told.answers == Answers::Refused) {
            standings.clear();
        } else if later.is_empty() && told.is_none_or(|told| told.show != Show::All) {
            standings = tightest(&standings).cloned().into_iter().collect();
        }
        // What refuses is not observed.
        let observed = stream.said.take().and_then(|said| said.observed).filter(|_| admitted);
        let silent = standings.is_empty() && later.is_empty();
        if silent && without.is_none() && observed.is_none() {
            return;
        }
        let said = Said { telling, standings, later, observed, without };
        stream.said = Some(Box::new(said));
    }

    /// How this client is told: the place among the dialects.
    pub(crate) fn telling(&self, caller: &Caller<'_>) -> Option<(usize, &Telling)> {
        let mut all = self.dialects.all(caller.asked);
        let found = all.find(|found| found.rule.callers.is(caller))?;
        Some((found.index, found.rule))
    }

    /// Takes off what an answer says of limits, though nothing is known of any.
    #[cold]
    pub(crate) fn clear(&self, stream: &mut Stream, asked: &Asked<'_>, host: &dyn Host) {
        let telling = self.with_caller(false, asked, host, |caller| self.telling(caller));
        stream.clears = telling.is_none_or(|(_, told)| told.answers == Answers::All);
    }

    /// Whoever asks. The identity is read if the dialects look at it, or if it `reads`
    /// besides; without one, or with one that cannot be read, the address counts.
    pub(crate) fn with_caller<T>(
        &self,
        reads: bool,
        asked: &Asked<'_>,
        host: &dyn Host,
        then: impl FnOnce(&Caller<'_>) -> T,
    ) -> T {
        let reads = reads || self.told_by_identity;
        let identity = if reads { host.property(&[STATE]) } else { None };
        let identity = identity.as_deref().and_then(Seen::read);
        let known = match &identity {
            Some(Seen::Known(caller)) => Some(caller.as_ref()),
            Some(Seen::Anonymous) | None => None,
        };
        then(&Caller::new(asked, known, host, self.ipv6_prefix))
    }
}

/// What counted a request.
pub(super) struct By<'a, 'p> {
    pub(super) counted: &'a [Counted<'p>],
    pub(super) at_once: &'a [under_way::Asked<'p>],
    /// Limits in shadow mode of which a claim says that they let nothing pass.
    pub(super) would: Vec<&'p str>,
}

impl<'p> By<'_, 'p> {
    /// The place of the first limit in the policy.
    fn first(&self) -> usize {
        let first = self.counted.first().map(|one| one.index);
        first.or(self.at_once.first().map(|one| one.index)).unwrap_or(0)
    }

    /// The limits in shadow mode that would have refused it.
    fn would_refuse(&self) -> Vec<&'p str> {
        let shadow = |limit: &Limit| limit.mode == Mode::Shadow;
        let over = |one: &&Counted<'_>| one.spent.as_ref().is_some_and(|spent| !spent.admitted);
        let counted = self.counted.iter().filter(|c| shadow(c.limit)).filter(over);
        let mut would = self.would.clone();
        would.extend(counted.map(|c| c.limit.id.as_str()));
        let at_once = self.at_once.iter().filter(|one| shadow(one.limit) && one.is_over());
        would.extend(at_once.map(|one| one.limit.id.as_str()));
        would
    }
}

/// See [`RateLimit::keep`].
pub(crate) struct Keeping {
    pub(crate) telling: Option<usize>,
    pub(crate) admitted: bool,
    pub(crate) standings: Vec<Standing>,
    pub(crate) later: Vec<Later>,
    pub(crate) without: Option<&'static str>,
}

pub(crate) fn unavailable(limit: &Limit) -> Outcome {
    let id = limit.id.as_str().to_owned();
    Outcome::refuse(refusal::unavailable())
        .with_record(Record::new(Decision::Deny, id, "unavailable"))
        .counting(metrics::UNAVAILABLE)
}
