//! One request: counted when it comes, corrected and told when it is answered.

mod decide;
mod later;
mod one;
mod prepare;
mod tell;

use postern_core::rules::{Found, Subject as Asked};
use postern_core::{Decision, Host, Outcome, Record};

use crate::RateLimit;
use crate::key::Caller;
use crate::metrics::{self, Fate};
use crate::policy::{Limit, Mode};
use crate::service::{Engine, Pending};
use crate::standing::Standing;
use crate::take::{Counted, take, undo};
use crate::under_way::Places;
use decide::By;
pub(crate) use decide::{Keeping, unavailable};
pub(crate) use later::{Later, Of};
use prepare::{Nothing, Prepared};

/// What is kept of a request for its answer.
#[derive(Debug, Default)]
pub struct Stream {
    pub(crate) said: Option<Box<Said>>,
    /// Left at its end.
    pub(crate) places: Places,
    /// Nothing is said of it, and nobody else is to say anything.
    pub(crate) clears: bool,
    /// It waits for the service that counts it.
    pub(crate) waits: Option<Box<Pending>>,
}

#[derive(Debug, Default)]
pub(crate) struct Said {
    /// Its place among the dialects; `None`: the usual one.
    pub(crate) telling: Option<usize>,
    pub(crate) standings: Vec<Standing>,
    /// What the answer may correct.
    pub(crate) later: Vec<Later>,
    /// Who is observed, by its place.
    pub(crate) observed: Option<usize>,
    /// How it was counted, if the service that should have did not.
    pub(crate) without: Option<&'static str>,
}

impl Stream {
    pub(crate) fn is_told(&self) -> bool {
        self.said.is_some()
    }

    pub(crate) fn has_places(&self) -> bool {
        !self.places.is_empty()
    }
}

impl RateLimit {
    pub(crate) fn count(&self, stream: &mut Stream, asked: &Asked<'_>, host: &dyn Host) -> Outcome {
        if !self.also {
            return match self.limits.first(asked) {
                Some(found) => self.count_alone(stream, &found, asked, host),
                None => no_limit(),
            };
        }
        let found = self.found(asked);
        if found.is_empty() {
            return no_limit();
        }
        let reads = found.iter().any(|found| found.rule.needs_identity());
        self.with_caller(reads, asked, host, |caller| self.count_in(stream, &found, caller))
    }

    /// Counts a request in these limits, of which there is one at least: in all or in none.
    fn count_in(
        &self,
        stream: &mut Stream,
        found: &[Found<'_, Limit>],
        caller: &Caller<'_>,
    ) -> Outcome {
        let Some(first) = found.first() else { return no_limit() };
        let host = caller.host();
        let mut outcome = Outcome::pass();
        let mut counted = Vec::with_capacity(found.len());
        let mut at_once = Vec::new();
        let (mut nothing, mut would) = (None, Vec::new());
        for found in found {
            match self.prepare(found, caller) {
                Prepared::Counted(one) => counted.push(one),
                Prepared::AtOnce(one) => at_once.push(one),
                Prepared::Unlimited => {
                    outcome.count.push(metrics::of_limit(found.index, Fate::Unlimited));
                }
                Prepared::Nothing(standing) if found.rule.mode == Mode::Enforce => {
                    nothing = Some(standing);
                }
                Prepared::Nothing(_) => {
                    outcome.count.push(metrics::of_limit(found.index, Fate::WouldRefuse));
                    would.push(found.index);
                }
                // What refuses nothing refuses nothing when it cannot count either.
                Prepared::Unavailable if found.rule.mode == Mode::Shadow => {}
                Prepared::Unavailable => return unavailable(found.rule),
            }
        }
        if let Some(Nothing(standing)) = nothing {
            outcome.count.push(metrics::of_limit(standing.limit, Fate::Refused));
            let by = By { counted: &counted, at_once: &at_once, would: self.ids(&would) };
            return self.answer(stream, outcome, false, vec![standing], caller, &by);
        }
        if counted.is_empty() && at_once.is_empty() && !would.is_empty() {
            let by = By { counted: &counted, at_once: &at_once, would: self.ids(&would) };
            return self.answer(stream, outcome, true, Vec::new(), caller, &by);
        }
        if counted.is_empty() && at_once.is_empty() {
            let id = first.rule.id.as_str().to_owned();
            outcome.record = Some(Record::new(Decision::Skip, id, "unlimited").into());
            outcome.count.push(metrics::UNLIMITED);
            return outcome;
        }
        if let Some(service) = &self.service
            && counted.iter().any(|one| one.limit.engine == Engine::Service)
        {
            let by = (counted, at_once, would);
            return self.by_service(service, stream, outcome, caller, found, by);
        }
        let Ok((mut admitted, forgotten)) = take(&self.table, host, &mut counted) else {
            return unavailable(first.rule);
        };
        if admitted && !at_once.is_empty() {
            let Ok(passes) = self.enter(host, &mut at_once) else {
                undo(&self.table, host, &mut counted);
                return unavailable(first.rule);
            };
            if !passes {
                undo(&self.table, host, &mut counted);
            }
            admitted = passes;
        }
        outcome.count.extend(std::iter::repeat_n(metrics::EVICTED, forgotten));
        let mut standings = self.standings(&mut outcome, &counted, admitted);
        if !at_once.is_empty() {
            Self::tell_at_once(&at_once, admitted, &mut standings, &mut outcome.count);
            stream.places = Self::places(&mut at_once);
        }
        let by = By { counted: &counted, at_once: &at_once, would: self.ids(&would) };
        self.answer(stream, outcome, admitted, standings, caller, &by)
    }

    fn ids(&self, limits: &[usize]) -> Vec<&str> {
        limits.iter().filter_map(|at| self.limits.get(*at)).map(|l| l.id.as_str()).collect()
    }

    /// What became of a request in each limit that counted it here.
    pub(crate) fn standings(
        &self,
        outcome: &mut Outcome,
        counted: &[Counted<'_>],
        admitted: bool,
    ) -> Vec<Standing> {
        let mut standings = Vec::with_capacity(counted.len());
        for one in counted {
            let Some(spent) = &one.spent else { continue };
            let enforced = one.limit.mode == Mode::Enforce;
            let fate = match (spent.admitted, enforced) {
                (true, _) if admitted => Some(Fate::Allowed),
                (true, _) => None,
                (false, true) => Some(Fate::Refused),
                (false, false) => Some(Fate::WouldRefuse),
            };
            outcome.count.extend(fate.map(|fate| metrics::of_limit(one.index, fate)));
            if enforced {
                let left = one.allowance.left(spent).enumerate();
                standings.extend(left.map(|(i, left)| Standing {
                    limit: one.index,
                    policy: one.windows.name(i),
                    left,
                }));
            }
        }
        standings
    }

    /// The limits that count it: the first of those that do not count beside others,
    /// and all that do.
    fn found<'r>(&'r self, asked: &Asked<'_>) -> Vec<Found<'r, Limit>> {
        let mut first = true;
        let counts =
            |found: &Found<'r, Limit>| found.rule.also || std::mem::replace(&mut first, false);
        self.limits.all(asked).filter(counts).collect()
    }
}

#[cold]
fn no_limit() -> Outcome {
    Outcome::pass()
        .with_record(Record::new(Decision::Skip, "-", "no_limit"))
        .counting(metrics::NO_LIMIT)
}
