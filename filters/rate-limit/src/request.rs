//! One request: counted when it comes, corrected and told when it is answered.

use postern_core::identity::{STATE, Seen};
use postern_core::rules::{Found, Subject as Asked};
use postern_core::{Decision, HeaderEdit, Host, Mode as Recorded, Outcome, Record, Response};

use crate::allowance::{Allowance, Left};
use crate::dialect::{Beside, Dialect, Saying, Show};
use crate::key::{self, Caller};
use crate::metrics::{self, Fate};
use crate::observe::without;
use crate::policy::{Holding, Holds, Limit, Mode, Plan};
use crate::standing::{Standing, tightest};
use crate::table::{Bucket, Hash, Tag, clock, finish};
use crate::take::{Counted, take};
use crate::{RateLimit, digits, refusal};

/// What is kept of a request for its answer.
#[derive(Debug, Default)]
pub struct Stream {
    pub(crate) said: Option<Box<Said>>,
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
    /// Seconds since the Unix epoch.
    pub(crate) now: u64,
}

/// A limit whose cost the answer says.
#[derive(Debug)]
pub(crate) struct Later {
    limit: usize,
    rule: usize,
    allowance: Allowance,
    hash: Hash,
    tag: Tag,
    charged: u64,
}

impl Stream {
    pub(crate) fn is_told(&self) -> bool {
        self.said.is_some()
    }
}

/// A claim lets nothing pass.
struct Nothing(Standing);

impl RateLimit {
    pub(crate) fn count(&self, stream: &mut Stream, asked: &Asked<'_>, host: &dyn Host) -> Outcome {
        let found = self.found(asked);
        let Some(first) = found.first() else {
            return Outcome::pass()
                .with_record(Record::new(Decision::Skip, "-", "no_limit"))
                .counting(metrics::NO_LIMIT);
        };
        // Without an identity, or with one that cannot be read, the address counts.
        let reads = self.told_by_identity || found.iter().any(|f| f.rule.needs_identity());
        let identity = if reads { host.property(&[STATE]) } else { None };
        let identity = identity.as_deref().and_then(Seen::read);
        let known = match &identity {
            Some(Seen::Known(caller)) => Some(caller.as_ref()),
            Some(Seen::Anonymous) | None => None,
        };
        let caller = Caller::new(asked, known, host, self.ipv6_prefix);
        let mut outcome = Outcome::pass();
        let mut counted = Vec::with_capacity(found.len());
        let mut nothing = None;
        for found in &found {
            match self.prepare(found, &caller, host) {
                Prepared::Counted(one) => counted.push(one),
                Prepared::Unlimited => {
                    outcome.count.push(metrics::of_limit(found.index, Fate::Unlimited));
                }
                Prepared::Nothing(standing) => nothing = Some(standing),
                Prepared::Unavailable => return unavailable(found.rule),
            }
        }
        if let Some(Nothing(standing)) = nothing {
            outcome.count.push(metrics::of_limit(standing.limit, Fate::Refused));
            return self.answer(stream, outcome, false, vec![standing], &caller, &counted);
        }
        if counted.is_empty() {
            let id = first.rule.id.as_str().to_owned();
            outcome.record = Some(Record::new(Decision::Skip, id, "unlimited"));
            outcome.count.push(metrics::UNLIMITED);
            return outcome;
        }
        let Ok((admitted, forgotten)) = take(&self.table, host, &mut counted) else {
            return unavailable(first.rule);
        };
        outcome.count.extend(std::iter::repeat_n(metrics::EVICTED, forgotten));
        let mut standings = Vec::with_capacity(counted.len());
        for one in counted.iter() {
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
        self.answer(stream, outcome, admitted, standings, &caller, &counted)
    }

    /// The limits that count it: the first of those that do not count beside others,
    /// and all that do.
    fn found<'r>(&'r self, asked: &Asked<'_>) -> Vec<Found<'r, Limit>> {
        if !self.also {
            return self.limits.first(asked).into_iter().collect();
        }
        let mut first = true;
        let counts =
            |found: &Found<'r, Limit>| found.rule.also || std::mem::replace(&mut first, false);
        self.limits.all(asked).filter(counts).collect()
    }

    fn prepare<'r>(
        &'r self,
        found: &Found<'r, Limit>,
        caller: &Caller<'_>,
        host: &dyn Host,
    ) -> Prepared<'r> {
        let limit = found.rule;
        let Holding { plan, tag, name } = limit.for_caller(caller);
        let Plan::Limited(windows) = plan else { return Prepared::Unlimited };
        let allowance = match windows.for_caller(caller) {
            Holds::Allowance(allowance) => allowance,
            Holds::Nothing(window) if limit.mode == Mode::Enforce => {
                let usual = windows.allowance().rates().nth(window);
                let window_seconds = usual.map_or(1, |rate| rate.window());
                let left = Left {
                    quota: 0,
                    window: Some(window_seconds),
                    remaining: 0,
                    more_in: window_seconds,
                    whole_in: window_seconds,
                    enough: false,
                };
                let policy = windows.name(window);
                return Prepared::Nothing(Nothing(Standing { limit: found.index, policy, left }));
            }
            Holds::Nothing(_) => return Prepared::Unlimited,
        };
        let Some(mut hasher) = self.table.hasher(host) else { return Prepared::Unavailable };
        key::push(&mut hasher, b'#', limit.id.as_str().as_bytes());
        key::push(&mut hasher, b'=', name.as_bytes());
        let captures =
            if limit.reads_path() { found.captures(caller.asked.target) } else { Vec::new() };
        caller.name(&limit.key, &captures, &mut hasher);
        Prepared::Counted(Counted {
            index: found.index,
            limit,
            windows,
            allowance,
            hash: finish(&hasher),
            tag,
            cost: limit.cost(caller).of_request(caller.asked.headers),
            spent: None,
        })
    }

    fn answer(
        &self,
        stream: &mut Stream,
        mut outcome: Outcome,
        admitted: bool,
        mut standings: Vec<Standing>,
        caller: &Caller<'_>,
        counted: &[Counted<'_>],
    ) -> Outcome {
        let would = counted.iter().filter(|c| {
            c.limit.mode == Mode::Shadow && c.spent.as_ref().is_some_and(|s| !s.admitted)
        });
        let would: Vec<&str> = would.map(|c| c.limit.id.as_str()).collect();
        let first = tightest(&standings).cloned();
        let id = |index: usize| {
            self.limits.get(index).map(|limit| limit.id.as_str().to_owned()).unwrap_or_default()
        };
        let mut record = match &first {
            Some(first) if admitted => {
                Record::new(Decision::Allow, id(first.limit), "within_limit")
                    .with("remaining", first.left.remaining)
            }
            Some(first) => Record::new(Decision::Deny, id(first.limit), "over_limit")
                .with("retry_after", first.retry_after()),
            None => {
                // Only limits that do not refuse.
                let index = counted.first().map_or(0, |c| c.index);
                let mut record = Record::new(Decision::Allow, id(index), "within_limit");
                record.mode = Recorded::Shadow;
                record
            }
        };
        if !would.is_empty() {
            record = record.with("would_refuse", would.join(" "));
        }
        outcome.record = Some(record);
        outcome.count.push(if admitted { metrics::ALLOWED } else { metrics::REFUSED });
        if let Some(first) = first.as_ref().filter(|_| !admitted) {
            let refused = refusal::over_limit(first, &standings);
            outcome.step = Outcome::refuse(refused).step;
        }
        let later: Vec<Later> = if admitted { self.later(counted, caller) } else { Vec::new() };
        if standings.is_empty() && later.is_empty() {
            return outcome;
        }
        let telling = self.telling(caller);
        let all = telling.is_some_and(|(_, show)| show == Show::All);
        if !all && later.is_empty() {
            standings = first.into_iter().collect();
        }
        let now = counted.first().and_then(|c| c.spent.as_ref()).map(|s| s.now());
        let now = now.unwrap_or_else(|| clock(caller.host()));
        stream.said = Some(Box::new(Said {
            telling: telling.map(|(index, _)| index),
            standings,
            later,
            observed: None,
            now: now.checked_div(1_000_000_000).unwrap_or(0),
        }));
        outcome
    }

    fn later(&self, counted: &[Counted<'_>], caller: &Caller<'_>) -> Vec<Later> {
        let mut later = Vec::new();
        for one in counted.iter().filter(|c| c.spent.as_ref().is_some_and(|s| s.admitted)) {
            let Some(rule) = one.limit.corrected_by(caller) else { continue };
            later.push(Later {
                limit: one.index,
                rule,
                allowance: one.allowance.clone().into_owned(),
                hash: one.hash,
                tag: one.tag,
                charged: one.cost,
            });
        }
        later
    }

    /// How this client is told: the place among the dialects.
    pub(crate) fn telling(&self, caller: &Caller<'_>) -> Option<(usize, Show)> {
        let mut all = self.dialects.all(caller.asked);
        let found = all.find(|found| found.rule.callers.is(caller))?;
        Some((found.index, found.rule.show))
    }

    pub(crate) fn tell(
        &self,
        stream: &mut Stream,
        response: &Response<'_>,
        host: &dyn Host,
    ) -> Outcome {
        let mut outcome = Outcome::pass();
        if let Some(said) = &mut stream.said {
            for later in std::mem::take(&mut said.later) {
                self.correct(said, &later, response, host, &mut outcome);
            }
            let telling = said.telling.and_then(|index| self.dialects.get(index));
            let there = match said.observed {
                Some(place) => self.observed(said, place, response, host, &mut outcome),
                None => Vec::new(),
            };
            let (dialect, show) =
                telling.map_or((&Dialect::Ietf, Show::Tightest), |t| (&t.dialect, t.show));
            let standings = said.standings.as_slice();
            // What is observed is taken off: there is nothing to stand beside.
            let beside = if said.observed.is_some() { Beside::Replace } else { self.beside };
            let saying = Saying { standings, show, beside, now: said.now };
            let fields = dialect.fields(&saying, response);
            outcome.headers.extend(without(there, &fields));
            outcome.headers.extend(fields);
        }
        if let Some(seconds) = self.retry_after_on_503
            && response.status() == Some(503)
            && response.headers().get("retry-after").is_none()
        {
            outcome.headers.push(HeaderEdit::set("retry-after", digits::of(seconds)));
        }
        outcome
    }

    /// Spends what the answer says was not known, or gives back.
    fn correct(
        &self,
        said: &mut Said,
        later: &Later,
        response: &Response<'_>,
        host: &dyn Host,
        outcome: &mut Outcome,
    ) {
        let limit = self.limits.get(later.limit);
        let cost = limit.and_then(|limit| limit.cost_rule(later.rule));
        let Some(cost) = cost.and_then(|cost| cost.of_answer(response)) else { return };
        let signed = |units: u64| i64::try_from(units).unwrap_or(i64::MAX);
        let by = signed(cost).saturating_sub(signed(later.charged));
        if by == 0 {
            return;
        }
        let Later { allowance, hash, tag, .. } = later;
        let bucket = Bucket { hash: *hash, tag: *tag, allowance };
        let Some((spent, forgotten)) = self.table.correct(host, &bucket, by) else {
            outcome.count.push(metrics::UNCORRECTED);
            return;
        };
        outcome.count.extend(std::iter::repeat_n(metrics::EVICTED, forgotten));
        let own = said.standings.iter_mut().filter(|s| s.limit == later.limit);
        for (standing, left) in own.zip(allowance.left(&spent)) {
            standing.left = left;
        }
    }
}

enum Prepared<'r> {
    Counted(Counted<'r>),
    Unlimited,
    Nothing(Nothing),
    Unavailable,
}

fn unavailable(limit: &Limit) -> Outcome {
    let id = limit.id.as_str().to_owned();
    Outcome::refuse(refusal::unavailable())
        .with_record(Record::new(Decision::Deny, id, "unavailable"))
        .counting(metrics::UNAVAILABLE)
}
