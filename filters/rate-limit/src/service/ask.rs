//! A request that a service counts: the question, and what follows from its answer.

use std::time::Duration;

use postern_core::rules::Found;
use postern_core::{Answer, Decision, Host, Outcome, Record, Step};

use super::Service;
use super::circuit::Leave;
use super::config::Engine;
use super::message::{Code, Descriptor, Request, Response};
use super::meters::Counter;
use super::near::Over;
use super::pending::{Aside, Kept, Pending};
use super::question::question;
use super::reported;
use super::said::said;
use super::without::Why;
use crate::key::Caller;
use crate::metrics::{self, Fate};
use crate::policy::{Limit, Mode};
use crate::rate::Rate;
use crate::request::{Keeping, Later, Of, Stream, unavailable};
use crate::standing::Standing;
use crate::take::{Counted, take, undo};
use crate::under_way;
use crate::{RateLimit, refusal};

/// What counts a request: windows, places, and which limits in shadow mode would refuse
/// it in any case.
type Counting<'p> = (Vec<Counted<'p>>, Vec<under_way::Asked<'p>>, Vec<usize>);

impl RateLimit {
    /// Counts a request that the service counts too.
    #[cold]
    #[inline(never)]
    pub(crate) fn by_service(
        &self,
        service: &Service,
        stream: &mut Stream,
        mut outcome: Outcome,
        caller: &Caller<'_>,
        found: &[Found<'_, Limit>],
        (counted, mut at_once, would): Counting<'_>,
    ) -> Outcome {
        let host = caller.host();
        let now = host.now();
        let (remote, mut local): (Vec<_>, Vec<_>) =
            counted.into_iter().partition(|one| one.limit.engine == Engine::Service);
        let first = remote.first().map(|one| one.limit);
        let mut aside = Aside {
            telling: self.telling(caller).map(|(index, _)| index),
            later: Vec::new(),
            under_way: Default::default(),
            would,
        };
        let (remote, refusing) = self.remembered(service, remote, &mut aside, &mut outcome, now);
        if !refusing.is_empty() {
            outcome.count.push(service.meters.counter(Counter::Remembered));
            return self.refused(stream, outcome, refusing, aside, "remembered");
        }
        let Ok((mut admitted, forgotten)) = take(&self.table, host, &mut local) else {
            return first.map_or_else(Outcome::pass, unavailable);
        };
        outcome.count.extend(std::iter::repeat_n(metrics::EVICTED, forgotten));
        if admitted && !at_once.is_empty() {
            let entered = self.enter(host, &mut at_once);
            let is_over = |one: &&under_way::Asked<'_>| one.is_over();
            let over = at_once.iter().filter(is_over).map(|one| one.index);
            aside.would.extend(over.filter(|index| self.is_shadow(*index)));
            admitted = matches!(entered, Ok(true));
            if !admitted {
                undo(&self.table, host, &mut local);
            }
            if entered.is_err() {
                return first.map_or_else(Outcome::pass, unavailable);
            }
            let (standings, count) = &mut aside.under_way;
            Self::tell_at_once(&at_once, admitted, standings, count);
            stream.places = Self::places(&mut at_once);
        }
        if !admitted || remote.is_empty() {
            let standings = self.standings(&mut outcome, &local, admitted);
            if admitted {
                aside.later = self.later(&local);
            }
            return self.decided(stream, outcome, admitted, (local, standings), aside);
        }
        aside.later = self.later(&local);
        let leave = service.circuit.leave(host, now);
        if let Leave::Alone(again) = leave {
            let why = Why { word: "left_alone", again };
            return self.without(service, stream, outcome, (local, remote), (aside, &why), host);
        }
        let probe = leave == Leave::Probe;
        outcome.count.push(service.meters.counter(Counter::Asked));
        if probe {
            outcome.count.push(service.meters.counter(Counter::Probes));
        }
        let (request, of) = question(service, &remote, found, caller);
        outcome.step = Step::Ask(Box::new(service.ask(&request, service.timeout)));
        let kept = |all: Vec<Counted<'_>>| all.into_iter().map(Kept::of).collect();
        stream.waits = Some(Box::new(Pending {
            local: kept(local),
            remote: kept(remote),
            request,
            of,
            aside,
            began: now,
            until: now.saturating_add(service.timeout),
            probe,
        }));
        outcome
    }

    fn is_shadow(&self, index: usize) -> bool {
        self.limits.get(index).is_some_and(|limit| limit.mode == Mode::Shadow)
    }

    /// Of what the service counts, that of which nothing is known yet; and where callers
    /// stand that are over their limit.
    fn remembered<'p>(
        &self,
        service: &Service,
        remote: Vec<Counted<'p>>,
        aside: &mut Aside,
        outcome: &mut Outcome,
        now: Duration,
    ) -> (Vec<Counted<'p>>, Vec<Standing>) {
        let near = service.near.borrow();
        let (mut ask, mut refusing) = (Vec::with_capacity(remote.len()), Vec::new());
        for mut one in remote {
            // What an answer adds is told to a caller that is known to the service.
            if one.rule.is_some() {
                one.cost = one.cost.max(1);
            }
            let quota = |window: usize| one.allowance.rates().nth(window).map(Rate::quota);
            // What was remembered of another quota says nothing of this one.
            let over = near.look(&one.hash, one.cost, now);
            match over.filter(|over| quota(over.window) == Some(over.quota)) {
                Some(Over { window, left, .. }) if one.limit.mode == Mode::Enforce => {
                    outcome.count.push(metrics::of_limit(one.index, Fate::Refused));
                    let policy = one.windows.name(window);
                    refusing.push(Standing { limit: one.index, policy, left });
                }
                Some(_) => {
                    outcome.count.push(metrics::of_limit(one.index, Fate::WouldRefuse));
                    aside.would.push(one.index);
                }
                // Of nothing the service would count one.
                None if one.cost > 0 => ask.push(one),
                None => {}
            }
        }
        (ask, refusing)
    }

    /// The answer to a question came, or its end.
    pub(crate) fn answered(
        &self,
        stream: &mut Stream,
        answer: &Answer,
        host: &dyn Host,
    ) -> Outcome {
        let (Some(service), Some(pending)) = (&self.service, stream.waits.take()) else {
            return Outcome::refuse(refusal::unavailable());
        };
        self.read(service, stream, *pending, answer, host)
    }

    fn read(
        &self,
        service: &Service,
        stream: &mut Stream,
        pending: Pending,
        answer: &Answer,
        host: &dyn Host,
    ) -> Outcome {
        let now = host.now();
        let mut outcome = Outcome::pass();
        let took = now.saturating_sub(pending.began);
        outcome.count.push(service.meters.latency(took));
        match reported::read(answer, pending.request.descriptors.len()) {
            Ok(response) => {
                service.is_back(host, now);
                self.judged(service, stream, outcome, pending, &response, host)
            }
            Err(failure) => {
                outcome.count.push(service.meters.counter(Counter::Failed));
                let left_alone = service.failed(failure, host, now, pending.probe);
                let Pending { local, remote, aside, .. } = pending;
                let both = (self.counted(local), self.counted(remote));
                let why = Why { word: failure.word(), again: left_alone.unwrap_or_default() };
                self.without(service, stream, outcome, both, (aside, &why), host)
            }
        }
    }

    fn judged(
        &self,
        service: &Service,
        stream: &mut Stream,
        mut outcome: Outcome,
        pending: Pending,
        response: &Response,
        host: &dyn Host,
    ) -> Outcome {
        let now = host.now();
        let shadow = |index: usize| self.is_shadow(index);
        let Pending { local, remote, request, of, mut aside, began, until, probe: _ } = pending;
        let (mut local, mut remote) = (self.counted(local), self.counted(remote));
        let over = response.overall == Code::OverLimit;
        let shadows = remote.iter().any(|one| shadow(one.index));
        let enforced = remote.iter().any(|one| !shadow(one.index));
        if over && response.statuses.is_empty() && shadows && enforced {
            // Which of them is over was not said: what refuses nothing is left out.
            let keeps: Vec<bool> = remote.iter().map(|one| !shadow(one.index)).collect();
            let kept = |at: usize| keeps.get(at).copied().unwrap_or(false);
            let place = |at: usize| (0..at).filter(|n| kept(*n)).count();
            let both = of.into_iter().zip(request.descriptors);
            let both = both.filter(|((at, _), _)| kept(*at));
            let (of, descriptors) = both.map(|((at, w), d)| ((place(at), w), d)).unzip();
            let request = Request { descriptors, ..request };
            let deadline = until.saturating_sub(now);
            outcome.step = Step::Ask(Box::new(service.ask(&request, deadline)));
            outcome.count.push(service.meters.counter(Counter::Asked));
            remote.retain(|one| !shadow(one.index));
            let kept = |all: Vec<Counted<'_>>| all.into_iter().map(Kept::of).collect();
            let (local, remote) = (kept(local), kept(remote));
            stream.waits = Some(Box::new(Pending {
                local,
                remote,
                request,
                of,
                aside,
                began,
                until,
                probe: false,
            }));
            return outcome;
        }
        let said = said(service, response, &remote, &of, now, &mut outcome);
        let refused = said.iter().any(|s| s.over && !shadow(s.limit));
        for (at, one) in remote.iter().enumerate() {
            let is_over = said.iter().any(|s| s.remote == at && s.over);
            let fate = match (is_over, shadow(one.index)) {
                (true, true) => Some(Fate::WouldRefuse),
                (true, false) => Some(Fate::Refused),
                (false, _) => (!refused).then_some(Fate::Allowed),
            };
            outcome.count.extend(fate.map(|fate| metrics::of_limit(one.index, fate)));
            if is_over && shadow(one.index) {
                aside.would.push(one.index);
            }
        }
        let told = said.into_iter().filter(|s| !shadow(s.limit));
        let theirs = told.filter_map(|s| {
            let (limit, policy) = (s.limit, s.policy);
            s.left.map(|left| Standing { limit, policy, left })
        });
        let theirs: Vec<Standing> = theirs.collect();
        if refused {
            self.return_all(stream, &mut local, host);
        } else {
            aside.later.extend(corrected(service, &remote, &of, &request.descriptors));
        }
        let mut standings = self.standings(&mut outcome, &local, !refused);
        standings.extend(theirs);
        standings.sort_by_key(|standing| standing.limit);
        local.append(&mut remote);
        local.sort_by_key(|one| one.index);
        let mut outcome = self.decided(stream, outcome, !refused, (local, standings), aside);
        outcome.record = outcome.record.map(|record| record.with("engine", "service"));
        outcome
    }

    /// Decides by what is known of `counted`, in order.
    fn decided(
        &self,
        stream: &mut Stream,
        mut outcome: Outcome,
        admitted: bool,
        (counted, mut standings): (Vec<Counted<'_>>, Vec<Standing>),
        aside: Aside,
    ) -> Outcome {
        let Aside { telling, mut later, under_way, would } = aside;
        // Of a request that the service refuses, nobody is to be told that it had a place.
        let (of_places, count) = under_way;
        if admitted || of_places.iter().any(|standing| !standing.left.enough) {
            standings.extend(of_places);
            standings.sort_by_key(|standing| standing.limit);
            outcome.count.extend(count);
        }
        let would = self.would(&would, &counted);
        let other = counted.first().map_or(0, |one| one.index);
        self.decide(&mut outcome, admitted, &standings, &would, other);
        let enforcing = counted.iter().find(|one| one.limit.mode == Mode::Enforce);
        if let Some(one) = enforcing.filter(|_| standings.is_empty()) {
            // The service has no limit for it, or it costs nothing.
            let id = one.limit.id.as_str().to_owned();
            outcome.record = Some(Record::new(Decision::Allow, id, "uncounted").into());
        }
        if !admitted {
            later.clear();
        }
        let without = None;
        self.keep(stream, Keeping { telling, admitted, standings, later, without });
        outcome
    }

    fn refused(
        &self,
        stream: &mut Stream,
        mut outcome: Outcome,
        standings: Vec<Standing>,
        aside: Aside,
        engine: &'static str,
    ) -> Outcome {
        let Aside { telling, later, under_way: _, would } = aside;
        let would = self.would(&would, &[]);
        self.decide(&mut outcome, false, &standings, &would, 0);
        outcome.record = outcome.record.map(|record| record.with("engine", engine));
        let (admitted, without) = (false, None);
        self.keep(stream, Keeping { telling, admitted, standings, later, without });
        outcome
    }
}

/// What the service counted and answers may correct.
fn corrected<'c>(
    service: &'c Service,
    remote: &'c [Counted<'_>],
    of: &'c [(usize, usize)],
    descriptors: &'c [Descriptor],
) -> impl Iterator<Item = Later> + 'c {
    remote.iter().enumerate().filter_map(move |(at, one)| {
        let (limit, rule, cost) = (one.index, one.rule?, one.cost);
        let own = of.iter().zip(descriptors).filter(|((remote, _), _)| *remote == at);
        let own = own.map(|(_, descriptor)| descriptor.clone()).collect();
        let of = Of::Service(Box::new(service.due(one.hash, own)));
        Some(Later { limit, rule, cost, of })
    })
}
