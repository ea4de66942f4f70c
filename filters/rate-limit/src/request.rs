//! One request: counted when it comes, corrected and told when it is answered.

mod tell;

use std::borrow::Cow;

use postern_core::identity::{STATE, Seen};
use postern_core::rules::{Found, Subject as Asked};
use postern_core::{Decision, Host, Mode as Recorded, Outcome, Record};

use siphasher::sip128::SipHasher13;

use crate::allowance::{Allowance, Left, Spent};
use crate::dialect::Show;
use crate::key::{self, Caller};
use crate::metrics::{self, Fate};
use crate::policy::{Answers, AtOnce, Holding, Holds, Limit, Mode, Plan, Telling};
use crate::service::{Engine, Pending};
use crate::standing::{Standing, tightest};
use crate::table::{Hash, Tag, finish};
use crate::take::{Counted, take, undo};
use crate::under_way::{self, Places};
use crate::{RateLimit, refusal};

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

/// A limit whose cost the answer says.
#[derive(Debug)]
pub(crate) struct Later {
    limit: usize,
    rule: usize,
    allowance: Allowance,
    hash: Hash,
    tag: Tag,
    cost: u64,
    charged: Spent,
}

impl Stream {
    pub(crate) fn is_told(&self) -> bool {
        self.said.is_some()
    }

    pub(crate) fn has_places(&self) -> bool {
        !self.places.is_empty()
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
        let mut at_once = Vec::new();
        let (mut nothing, mut would) = (None, Vec::new());
        for found in &found {
            match self.prepare(found, &caller) {
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
            return self.answer(stream, outcome, false, vec![standing], &caller, &by);
        }
        if counted.is_empty() && at_once.is_empty() && !would.is_empty() {
            let by = By { counted: &counted, at_once: &at_once, would: self.ids(&would) };
            return self.answer(stream, outcome, true, Vec::new(), &caller, &by);
        }
        if counted.is_empty() && at_once.is_empty() {
            let id = first.rule.id.as_str().to_owned();
            outcome.record = Some(Record::new(Decision::Skip, id, "unlimited"));
            outcome.count.push(metrics::UNLIMITED);
            return outcome;
        }
        if let Some(service) = &self.service
            && counted.iter().any(|one| one.limit.engine == Engine::Service)
        {
            let by = (counted, at_once, would);
            return self.by_service(service, stream, outcome, &caller, &found, by);
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
        self.answer(stream, outcome, admitted, standings, &caller, &by)
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
        if !self.also {
            return self.limits.first(asked).into_iter().collect();
        }
        let mut first = true;
        let counts =
            |found: &Found<'r, Limit>| found.rule.also || std::mem::replace(&mut first, false);
        self.limits.all(asked).filter(counts).collect()
    }

    fn prepare<'r>(&'r self, found: &Found<'r, Limit>, caller: &Caller<'_>) -> Prepared<'r> {
        let limit = found.rule;
        let Holding { plan, tag, name, is_override } = limit.for_caller(caller);
        let windows = match plan {
            Plan::Limited(windows) => windows,
            Plan::AtOnce(at_once) => return self.prepare_at_once(found, at_once, name, caller),
            Plan::Unlimited => return Prepared::Unlimited,
        };
        let allowance = match windows.for_caller(caller) {
            Holds::Allowance(allowance) => allowance,
            Holds::Nothing(window) => {
                let usual = windows.allowance().rates().nth(window);
                let window_seconds = usual.map_or(1, |rate| rate.window());
                let left = nothing_of(window_seconds, window_seconds, caller.host());
                let policy = windows.name(window);
                return Prepared::Nothing(Nothing(Standing { limit: found.index, policy, left }));
            }
        };
        let own = is_override.then_some(tag);
        let Some(mut hasher) = self.hash(found, name, own, caller) else {
            return Prepared::Unavailable;
        };
        if let Cow::Owned(allowance) = &allowance
            && allowance != windows.allowance()
        {
            // Other quotas are counted by themselves: in an entry of theirs, windows and
            // bursts would be taken for those of a policy that has changed.
            for rate in allowance.rates() {
                key::push(&mut hasher, b'q', &rate.quota().to_le_bytes());
            }
        }
        let hash = finish(&hasher);
        Prepared::Counted(Counted {
            index: found.index,
            limit,
            windows,
            allowance,
            hash,
            tag,
            cost: limit.cost(caller).of_request(caller.asked.headers),
            spent: None,
        })
    }

    fn prepare_at_once<'r>(
        &'r self,
        found: &Found<'r, Limit>,
        at_once: &'r AtOnce,
        plan: &str,
        caller: &Caller<'_>,
    ) -> Prepared<'r> {
        let (index, limit) = (found.index, found.rule);
        let most = at_once.for_caller(caller);
        if most == 0 {
            let left = nothing_of(0, 1, caller.host());
            let policy = at_once.name();
            return Prepared::Nothing(Nothing(Standing { limit: index, policy, left }));
        }
        let Some(hasher) = self.hash(found, plan, None, caller) else {
            return Prepared::Unavailable;
        };
        let hash = finish(&hasher);
        Prepared::AtOnce(under_way::Asked { index, limit, at_once, hash, most, entered: None })
    }

    /// Whose count it is. `None`: the shared data cannot be had.
    fn hash(
        &self,
        found: &Found<'_, Limit>,
        plan: &str,
        own: Option<Tag>,
        caller: &Caller<'_>,
    ) -> Option<SipHasher13> {
        let limit = found.rule;
        let mut hasher = self.table.hasher(caller.host())?;
        key::push(&mut hasher, b'#', limit.id.as_str().as_bytes());
        key::push(&mut hasher, b'=', plan.as_bytes());
        if let Some(tag) = own {
            key::push(&mut hasher, b'!', &tag);
        }
        let captures =
            if limit.reads_path() { found.captures(caller.asked.target) } else { Vec::new() };
        caller.name(&limit.key, &captures, &mut hasher);
        Some(hasher)
    }

    fn answer(
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
        let later: Vec<Later> = if admitted { self.later(counted, caller) } else { Vec::new() };
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
        let mut record = match &first {
            Some(first) if admitted => {
                Record::new(Decision::Allow, id(first.limit), "within_limit")
                    .with("remaining", first.left.remaining)
            }
            Some(first) => Record::new(Decision::Deny, id(first.limit), "over_limit")
                .with("retry_after", first.retry_after()),
            None => {
                // Only limits that do not refuse.
                let mut record = Record::new(Decision::Allow, id(other), "within_limit");
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

    pub(crate) fn later(&self, counted: &[Counted<'_>], caller: &Caller<'_>) -> Vec<Later> {
        let mut later = Vec::new();
        for one in counted {
            let Some(spent) = one.spent.as_ref().filter(|spent| spent.admitted) else { continue };
            let Some(rule) = one.limit.corrected_by(caller) else { continue };
            later.push(Later {
                limit: one.index,
                rule,
                allowance: one.allowance.clone().into_owned(),
                hash: one.hash,
                tag: one.tag,
                cost: one.cost,
                charged: spent.clone(),
            });
        }
        later
    }

    /// How this client is told: the place among the dialects.
    pub(crate) fn telling(&self, caller: &Caller<'_>) -> Option<(usize, &Telling)> {
        let mut all = self.dialects.all(caller.asked);
        let found = all.find(|found| found.rule.callers.is(caller))?;
        Some((found.index, found.rule))
    }
}

/// What counted a request.
struct By<'a, 'p> {
    counted: &'a [Counted<'p>],
    at_once: &'a [under_way::Asked<'p>],
    /// Limits in shadow mode of which a claim says that they let nothing pass.
    would: Vec<&'p str>,
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

impl RateLimit {
    /// Takes off what an answer says of limits, though nothing is known of any.
    #[cold]
    pub(crate) fn clear(&self, stream: &mut Stream, asked: &Asked<'_>, host: &dyn Host) {
        let telling = self.with_caller(asked, host, |caller| self.telling(caller));
        stream.clears = telling.is_none_or(|(_, told)| told.answers == Answers::All);
    }

    /// Whoever asks, as far as dialects look at it.
    pub(crate) fn with_caller<T>(
        &self,
        asked: &Asked<'_>,
        host: &dyn Host,
        then: impl FnOnce(&Caller<'_>) -> T,
    ) -> T {
        let identity = if self.told_by_identity { host.property(&[STATE]) } else { None };
        let identity = identity.as_deref().and_then(Seen::read);
        let known = match &identity {
            Some(Seen::Known(caller)) => Some(caller.as_ref()),
            Some(Seen::Anonymous) | None => None,
        };
        then(&Caller::new(asked, known, host, self.ipv6_prefix))
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

/// A claim says so: come again after these seconds, in which it may have changed.
#[cold]
fn nothing_of(window: u64, seconds: u64, host: &dyn Host) -> Left {
    let (remaining, enough, window) = (0, false, Some(window));
    let left = Left { quota: 0, window, remaining, more_ns: 0, whole_ns: 0, at_ns: 0, enough };
    left.in_seconds(seconds, host.now())
}

enum Prepared<'r> {
    Counted(Counted<'r>),
    AtOnce(under_way::Asked<'r>),
    Unlimited,
    Nothing(Nothing),
    Unavailable,
}

pub(crate) fn unavailable(limit: &Limit) -> Outcome {
    let id = limit.id.as_str().to_owned();
    Outcome::refuse(refusal::unavailable())
        .with_record(Record::new(Decision::Deny, id, "unavailable"))
        .counting(metrics::UNAVAILABLE)
}
