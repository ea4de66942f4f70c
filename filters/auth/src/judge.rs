//! One request before one rule.

use postern_core::{HeaderEdit, Host, Request, Target, Wait};

use crate::carrier::Found;
use crate::decision::{Admitted, Denied, Judged};
use crate::filter::{Waited, counter};
use crate::policy::{Need, Policy, Rule};
use crate::presented::Presented;
use crate::provider::Provider;
use crate::reason::Reason;
use crate::verdict::{Asked, Unavailable, Verdict};

/// A request, and the rule that it falls under.
pub(crate) struct Case<'a> {
    pub(crate) policy: &'a Policy,
    pub(crate) rule: &'a Rule,
    pub(crate) request: &'a Request<'a>,
    pub(crate) target: &'a Target<'a>,
    pub(crate) host: &'a dyn Host,
}

type Judgement<'a> = Result<Judged, Box<Denied<'a>>>;

impl<'a> Case<'a> {
    pub(crate) fn judge(&self, waited: &mut Waited) -> Judgement<'a> {
        let rule = self.rule;
        let anonymous = |code| Ok(Judged::Admitted(Admitted::anonymous(code)));
        let denied = |refusal, code, counter| {
            Err(Box::new(Denied { refusal, code, count: vec![counter], provider: None }))
        };
        if rule.need == Need::Nothing {
            return anonymous("not_required");
        }
        match self.policy.places.look(self.request.headers(), self.target) {
            Presented::One(found) => self.verify(&found, waited),
            Presented::Nothing if rule.need == Need::Optional => anonymous("anonymous"),
            Presented::Nothing => {
                denied(rule.challenge.missing(), "missing_credential", counter::MISSING)
            }
            // Never anonymous: the caller meant to be somebody.
            Presented::Unsupported => {
                denied(rule.challenge.unsupported(), "unsupported_scheme", counter::INVALID)
            }
            Presented::Several(detail) => denied(
                rule.challenge.invalid_request(detail),
                "invalid_request",
                counter::BAD_REQUEST,
            ),
        }
    }

    /// Asks the rule's providers in turn; the most telling reason is given if
    /// none knows the caller. One that cannot tell now outweighs those that say
    /// no: the credential may be good.
    fn verify(&self, found: &Found<'_>, waited: &mut Waited) -> Judgement<'a> {
        let mut worst = (Reason::Kind, None);
        let mut unsure: Option<(&'a Provider, Verdict)> = None;
        for provider in self.rule.accepted.iter().filter_map(|i| self.policy.providers.get(*i)) {
            let Some(taken) = provider.take(found) else { continue };
            let asked = Asked {
                provider: &provider.name,
                request: self.request,
                target: self.target,
                host: self.host,
                budget: &self.policy.budget,
                now: self.host.now(),
            };
            let verdict = match &taken {
                Ok(taken) => provider.verify(taken, &asked),
                Err(_) => Reason::Malformed.into(),
            };
            match verdict {
                Verdict::Known(known) => {
                    let removal =
                        (!provider.forward).then(|| HeaderEdit::remove(found.header().to_owned()));
                    return Ok(Judged::Admitted(Admitted {
                        known: Some(known),
                        code: "authenticated",
                        removal: removal.into_iter().collect(),
                        count: vec![provider.admitted()],
                    }));
                }
                Verdict::Bad(reason) => {
                    if telling(reason) > telling(worst.0) {
                        worst = (reason, Some(provider));
                    }
                }
                verdict @ (Verdict::Wait { .. } | Verdict::Unavailable(_)) => {
                    unsure.get_or_insert((provider, verdict));
                }
            }
        }
        match unsure {
            Some((provider, Verdict::Wait { key, at_most, or })) => {
                let now = self.host.now();
                let until = waited.since.get_or_insert(now).saturating_add(at_most);
                if now < until {
                    return Ok(Judged::Wait(Wait { key, until }));
                }
                Err(self.unavailable(provider, or))
            }
            Some((provider, Verdict::Unavailable(why))) => Err(self.unavailable(provider, why)),
            _ => {
                let (reason, provider) = worst;
                let mut count = vec![counter::INVALID];
                count.extend(provider.map(|p| p.refused(reason)));
                Err(Box::new(Denied {
                    refusal: self.rule.challenge.invalid(reason),
                    code: reason.code(),
                    count,
                    provider: provider.map(|p| p.name.as_str()),
                }))
            }
        }
    }

    fn unavailable(&self, provider: &'a Provider, why: Unavailable) -> Box<Denied<'a>> {
        Box::new(Denied {
            refusal: self.rule.challenge.unavailable(why),
            code: why.code,
            count: vec![counter::UNAVAILABLE, provider.unavailable()],
            provider: Some(&provider.name),
        })
    }
}

/// How much a reason says, where several providers gave one.
fn telling(reason: Reason) -> u8 {
    match reason {
        Reason::Kind => 0,
        Reason::NotAToken => 1,
        Reason::ApiKey => 2,
        Reason::Issuer => 3,
        _ => 4,
    }
}
