//! One request before one rule.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use postern_core::{Host, Refusal, Request, Target, Wait};

use crate::carrier::{Found, Taken};
use crate::decision::{Admitted, Denied, Judged};
use crate::filter::{Waited, counter};
use crate::flaw::Flaw;
use crate::policy::{Policy, Preflights, Rule};
use crate::presented::{MORE_THAN_ONE, Presented};
use crate::provider::{Place, Provider};
use crate::reason::Reason;
use crate::removal;
use crate::requirement::Need;
use crate::signature::replay::Spent;
use crate::verdict::{Asked, Known, Unavailable, Verdict};

/// A request, and the rule that it falls under.
pub(crate) struct Case<'a> {
    pub(crate) policy: &'a Policy,
    pub(crate) rule: &'a Rule,
    pub(crate) request: &'a Request<'a>,
    pub(crate) target: &'a Target<'a>,
    pub(crate) host: &'a dyn Host,
    /// Counters beside that of the decision.
    pub(crate) count: RefCell<Vec<usize>>,
}

type Refused<'a> = Box<Denied<'a>>;
type Judgement<'a> = Result<Judged, Refused<'a>>;

/// What one or several providers say of one credential.
enum Answer<'a> {
    Known(&'a Provider, Rc<Known>),
    Wait(Wait),
    /// No provider of the rule takes what is presented, or the connection
    /// presents nothing.
    Absent,
}

impl<'a> Case<'a> {
    pub(crate) fn judge(&self, waited: &mut Waited) -> Judgement<'a> {
        let need = self.rule.need;
        if need == Need::Nothing {
            return Ok(Judged::Admitted(Admitted::anonymous("not_required")));
        }
        if self.policy.preflights == Preflights::Pass && self.is_preflight() {
            return Ok(Judged::Admitted(Admitted::anonymous("preflight")));
        }
        let headers = self.request.headers();
        let mut found = match self.policy.places.look(headers, self.target) {
            Presented::Several(why) => return Err(self.invalid_request(why)),
            Presented::These(found) => found,
        };
        found.retain(|found| self.counts(found));
        if need == Need::All {
            return self.all(&found, waited);
        }
        let answer = match found.as_slice() {
            [] => self.ask(self.ambient(), None, waited)?,
            [Found::Unsupported] => {
                let refusal = self.rule.challenge.unsupported();
                return Err(denied(refusal, "unsupported_scheme", counter::INVALID));
            }
            [found] => match self.ask(self.takers(), Some(found), waited)? {
                Answer::Absent => return Err(self.bad(Reason::Kind.into(), None)),
                answer => answer,
            },
            _ => return Err(self.invalid_request(MORE_THAN_ONE)),
        };
        match answer {
            Answer::Wait(wait) => Ok(Judged::Wait(wait)),
            Answer::Known(provider, known) => {
                self.spend(provider, &known)?;
                let used = found.first().filter(|_| !provider.forward);
                Ok(self.admit(known, &[provider.admitted()], used.as_slice()))
            }
            Answer::Absent if need == Need::Optional => {
                Ok(Judged::Admitted(Admitted::anonymous("anonymous")))
            }
            Answer::Absent => Err(self.missing()),
        }
    }

    /// Each of the rule's providers needs a credential of its own, and none is
    /// left over. The first provider's caller is the caller.
    fn all(&self, found: &[Found<'_>], waited: &mut Waited) -> Judgement<'a> {
        if found.iter().any(|found| matches!(found, Found::Unsupported)) {
            let refusal = self.rule.challenge.unsupported();
            return Err(denied(refusal, "unsupported_scheme", counter::INVALID));
        }
        let mut left: Vec<&Found<'_>> = found.iter().collect();
        let mut used = Vec::with_capacity(left.len());
        let mut all: Vec<(&'a Provider, Rc<Known>)> = Vec::new();
        let mut count = Vec::new();
        let mut wait = None;
        for provider in self.providers() {
            let own = left.iter().position(|found| provider.take(found).is_some());
            let own = own.map(|at| left.remove(at));
            if own.is_none() && !matches!(provider.place, Place::Connection) {
                return Err(self.missing());
            }
            match self.ask(std::iter::once(provider), own, waited)? {
                Answer::Known(provider, known) => {
                    count.push(provider.admitted());
                    used.extend(own.filter(|_| !provider.forward));
                    all.push((provider, known));
                }
                Answer::Wait(one) => {
                    wait.get_or_insert(one);
                }
                Answer::Absent => return Err(self.missing()),
            }
        }
        if !left.is_empty() {
            return Err(self.invalid_request(MORE_THAN_ONE));
        }
        if let Some(wait) = wait {
            return Ok(Judged::Wait(wait));
        }
        for (provider, known) in &all {
            self.spend(provider, known)?;
        }
        match all.into_iter().next() {
            Some((_, known)) => Ok(self.admit(known, &count, &used)),
            None => Err(self.missing()),
        }
    }

    /// Uses up what counts once: last of all, since a request that waits is
    /// judged again.
    fn spend(&self, provider: &'a Provider, known: &Known) -> Result<(), Refused<'a>> {
        let Some(once) = &known.once else { return Ok(()) };
        let credential = known.checked.caller.credential.as_str();
        let flaw = |reason| Flaw::from(reason).of(credential);
        once.spend(self.host).map_err(|spent| match spent {
            Spent::Replayed => self.bad(flaw(Reason::Replayed), Some(provider)),
            Spent::Forgotten => self.bad(flaw(Reason::Forgotten), Some(provider)),
            Spent::Full { retry_after } => {
                let why = Unavailable { code: "replay_guard_full", retry_after };
                self.unavailable(provider, why)
            }
        })
    }

    fn admit(&self, known: Rc<Known>, admitted: &[usize], used: &[&Found<'_>]) -> Judged {
        // What checks the credentials so far goes on doing so.
        let used = if self.rule.report_only { &[] } else { used };
        let removal = removal::edits(used, self.request.headers(), self.target);
        let in_query = used.iter().any(|found| matches!(found, Found::Query { .. }));
        let mut count = self.count.take();
        count.insert(0, counter::AUTHENTICATED);
        count.extend_from_slice(admitted);
        Judged::Admitted(Admitted {
            known: Some(known),
            code: "authenticated",
            removal,
            in_query,
            count,
        })
    }

    /// Asks providers in turn; the most telling reason is given if none knows
    /// the caller. One that cannot tell now outweighs those that say no: the
    /// credential may be good.
    fn ask(
        &self,
        providers: impl Iterator<Item = &'a Provider>,
        found: Option<&Found<'_>>,
        waited: &mut Waited,
    ) -> Result<Answer<'a>, Refused<'a>> {
        let mut bad: Option<(Flaw, &'a Provider)> = None;
        let mut unsure: Option<(&'a Provider, Verdict)> = None;
        let now = self.host.now();
        for provider in providers {
            let taken = match found {
                None => Ok(Taken::nothing()),
                Some(found) => match provider.take(found) {
                    Some(taken) => taken,
                    None => continue,
                },
            };
            let verdict = match &taken {
                Ok(taken) => self.verdict(provider, taken, now, waited),
                Err(_) => Reason::Malformed.into(),
            };
            match verdict {
                Verdict::Known(known) => return Ok(Answer::Known(provider, known)),
                Verdict::Absent => {}
                Verdict::Bad(flaw) => {
                    let least = bad.as_ref().map(|(worst, _)| worst.telling());
                    if least.is_none_or(|least| flaw.telling() > least) {
                        bad = Some((flaw, provider));
                    }
                }
                verdict @ (Verdict::Wait { .. } | Verdict::Unavailable(_)) => {
                    unsure.get_or_insert((provider, verdict));
                }
            }
        }
        match (unsure, bad) {
            (Some((provider, Verdict::Wait { key, at_most, or })), _) => {
                let until = waited.since.get_or_insert(now).saturating_add(at_most);
                // What is only reported holds nobody up.
                if now < until && !self.rule.report_only {
                    return Ok(Answer::Wait(Wait { key, until }));
                }
                Err(self.unavailable(provider, or))
            }
            (Some((provider, Verdict::Unavailable(why))), _) => {
                Err(self.unavailable(provider, why))
            }
            (_, Some((flaw, provider))) => Err(self.bad(flaw, Some(provider))),
            _ => Ok(Answer::Absent),
        }
    }

    fn verdict(
        &self,
        provider: &'a Provider,
        taken: &Taken<'_>,
        now: Duration,
        waited: &Waited,
    ) -> Verdict {
        let asked = Asked {
            provider: &provider.name,
            request: self.request,
            target: self.target,
            host: self.host,
            budget: &provider.budget,
            now,
            since: waited.since,
        };
        let mut count = self.count.borrow_mut();
        match provider.verify(taken, &asked, &mut count) {
            Verdict::Known(known) => match self.policy.revoked.against(&known.checked, self.host) {
                Some(Verdict::Bad(flaw)) => {
                    flaw.of(known.checked.caller.credential.as_str()).into()
                }
                Some(verdict) => verdict,
                None => Verdict::Known(known),
            },
            verdict => verdict,
        }
    }

    /// The rule's providers in order.
    fn providers(&self) -> impl Iterator<Item = &'a Provider> + use<'a> {
        let policy = self.policy;
        self.rule.accepted.iter().filter_map(|i| policy.providers.get(*i))
    }

    /// The rule's providers that look into requests.
    fn takers(&self) -> impl Iterator<Item = &'a Provider> + use<'a> {
        self.providers().filter(|provider| !matches!(provider.place, Place::Connection))
    }

    /// The rule's providers that look at the connection: asked only when the
    /// request itself presents nothing.
    fn ambient(&self) -> impl Iterator<Item = &'a Provider> + use<'a> {
        self.providers().filter(|provider| matches!(provider.place, Place::Connection))
    }

    /// Browsers send cookies unasked: one counts where the rule can use it.
    fn counts(&self, found: &Found<'_>) -> bool {
        !matches!(found, Found::Cookie { .. })
            || self.providers().any(|provider| provider.take(found).is_some())
    }

    fn is_preflight(&self) -> bool {
        let headers = self.request.headers();
        self.request.method() == Some(b"OPTIONS")
            && headers.get("origin").is_some()
            && headers.get("access-control-request-method").is_some()
    }

    fn missing(&self) -> Refused<'a> {
        denied(self.rule.challenge.missing(), "missing_credential", counter::MISSING)
    }

    fn invalid_request(&self, why: &'static str) -> Refused<'a> {
        let refusal = self.rule.challenge.invalid_request(why);
        denied(refusal, "invalid_request", counter::BAD_REQUEST)
    }

    fn bad(&self, flaw: Flaw, provider: Option<&'a Provider>) -> Refused<'a> {
        let reason = flaw.reason;
        let mut denied = if reason == Reason::Several {
            self.invalid_request(MORE_THAN_ONE)
        } else {
            let refusal = self.rule.challenge.invalid(reason);
            denied(refusal, reason.code(), counter::INVALID)
        };
        denied.count.extend(provider.map(|p| p.refused(reason)));
        denied.provider = provider.map(|p| p.name.as_str());
        denied.flaw = Some(flaw);
        denied
    }

    fn unavailable(&self, provider: &'a Provider, why: Unavailable) -> Refused<'a> {
        let refusal = self.rule.challenge.unavailable(why);
        let mut denied = denied(refusal, why.code, counter::UNAVAILABLE);
        denied.count.push(provider.unavailable());
        denied.provider = Some(&provider.name);
        denied
    }
}

fn denied<'a>(refusal: Refusal, code: &'static str, counter: usize) -> Refused<'a> {
    Box::new(Denied { refusal, code, count: vec![counter], provider: None, flaw: None })
}
