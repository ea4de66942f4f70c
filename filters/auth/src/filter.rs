//! The filter: which rule, which credential, whose.

use postern_core::config::schema::Schema;
use postern_core::config::{Decode, Errors, Node};
use postern_core::filter::Environment;
use postern_core::rules::Subject;
use postern_core::{
    Decision, Filter, HeaderEdit, Headers, Host, Identity, Outcome, Record, Refusal, Request, Step,
    Target,
};

use crate::carrier::Found;
use crate::checked::{Checked, Failure};
use crate::identity_headers;
use crate::policy::{Need, Policy, PolicyConfig, Rule};
use crate::presented::Presented;
use crate::reason::Reason;

/// Who is calling?
#[derive(Debug)]
pub struct Auth {
    policy: Policy,
}

/// Indices into [`Auth::COUNTERS`](Filter::COUNTERS).
mod counter {
    pub(super) const AUTHENTICATED: usize = 0;
    pub(super) const ANONYMOUS: usize = 1;
    pub(super) const MISSING: usize = 2;
    pub(super) const INVALID: usize = 3;
    pub(super) const BAD_REQUEST: usize = 4;
}

impl Filter for Auth {
    const NAME: &'static str = "auth";
    const COUNTERS: &'static [&'static str] =
        &["authenticated", "anonymous", "missing_credential", "invalid_credential", "bad_request"];
    const PUBLISHES_IDENTITY: bool = true;
    type Stream = ();

    fn configure(policy: &Node, environment: &Environment<'_>) -> Result<Self, Errors> {
        Policy::compile(policy, environment).map(|policy| Auth { policy })
    }

    fn schema() -> Schema {
        PolicyConfig::schema()
    }

    fn request_headers(&self, (): &mut (), request: &Request<'_>, host: &dyn Host) -> Outcome {
        let target = match Target::parse(request.path()) {
            Ok(target) => target,
            Err(bad) => {
                let record = Record::new(Decision::Deny, "-", "bad_target");
                return Outcome::refuse(Refusal::bad_request(bad.to_string()))
                    .with_record(record)
                    .counting(counter::BAD_REQUEST);
            }
        };
        let asked = Subject::new(request, &target);
        // A rule for a host would not see it, and a laxer one might.
        if asked.host.is_none() {
            let why = "the request has no host that can be read";
            return Outcome::refuse(Refusal::bad_request(why))
                .with_record(Record::new(Decision::Deny, "-", "bad_host"))
                .counting(counter::BAD_REQUEST);
        }
        let found = self.policy.rules.first(&asked);
        let rule = found.map_or(&self.policy.fallback, |found| found.rule);
        match self.judge(rule, request.headers(), &target, host) {
            Ok(admitted) => admitted.outcome(rule, request.headers(), &target),
            Err(denied) => denied.outcome(rule),
        }
    }
}

/// A request that goes on.
struct Admitted {
    identity: Identity,
    code: &'static str,
    /// The header whose credential the upstream does not get.
    consumed: Option<String>,
}

/// A request that is refused.
struct Denied<'p> {
    refusal: Refusal,
    code: &'static str,
    counter: usize,
    provider: Option<&'p str>,
}

impl Auth {
    fn judge(
        &self,
        rule: &Rule,
        headers: &Headers<'_>,
        target: &Target<'_>,
        host: &dyn Host,
    ) -> Result<Admitted, Box<Denied<'_>>> {
        let anonymous = |code| Ok(Admitted { identity: Identity::Anonymous, code, consumed: None });
        let denied =
            |refusal, code, counter| Box::new(Denied { refusal, code, counter, provider: None });
        if rule.need == Need::Nothing {
            return anonymous("not_required");
        }
        match self.policy.places.look(headers, target) {
            Presented::One(found) => self.verify(rule, &found, host),
            Presented::Nothing if rule.need == Need::Optional => anonymous("anonymous"),
            Presented::Nothing => {
                Err(denied(rule.challenge.missing(), "missing_credential", counter::MISSING))
            }
            // Never anonymous: the caller meant to be somebody.
            Presented::Unsupported => {
                Err(denied(rule.challenge.unsupported(), "unsupported_scheme", counter::INVALID))
            }
            Presented::Several(detail) => Err(denied(
                rule.challenge.invalid_request(detail),
                "invalid_request",
                counter::BAD_REQUEST,
            )),
        }
    }

    /// Asks the rule's providers in turn; the most telling reason is given if
    /// none knows the caller.
    fn verify(
        &self,
        rule: &Rule,
        found: &Found<'_>,
        host: &dyn Host,
    ) -> Result<Admitted, Box<Denied<'_>>> {
        let mut worst = (Reason::Kind, None);
        for provider in rule.accepted.iter().filter_map(|i| self.policy.providers.get(*i)) {
            let Some(taken) = provider.take(found) else { continue };
            let verdict = match taken {
                Ok(taken) => provider.verify(&taken, host),
                Err(_) => Err(Reason::Malformed.into()),
            };
            match verdict {
                Ok(Checked { caller, .. }) => {
                    let consumed = (!provider.forward).then(|| found.header().to_owned());
                    let identity = Identity::Known(Box::new(caller));
                    return Ok(Admitted { identity, code: "authenticated", consumed });
                }
                Err(Failure::Bad(reason)) if telling(reason) > telling(worst.0) => {
                    worst = (reason, Some(provider.name.as_str()));
                }
                Err(_) => {}
            }
        }
        let (reason, provider) = worst;
        Err(Box::new(Denied {
            refusal: rule.challenge.invalid(reason),
            code: reason.code(),
            counter: counter::INVALID,
            provider,
        }))
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

impl Admitted {
    fn outcome(self, rule: &Rule, headers: &Headers<'_>, target: &Target<'_>) -> Outcome {
        let Admitted { identity, code, consumed } = self;
        let mut edits = identity_headers::edits(headers, &identity);
        edits.extend(consumed.map(HeaderEdit::remove));
        if target.is_changed() {
            edits.push(HeaderEdit::set(":path", target.canonical()));
        }
        let mut record = Record::new(Decision::Allow, rule.name.clone(), code);
        let mut count = counter::ANONYMOUS;
        if let Identity::Known(caller) = &identity {
            count = counter::AUTHENTICATED;
            record = record
                .with("provider", caller.provider.as_str())
                .with("credential", caller.credential.as_str());
        }
        Outcome {
            step: Step::Continue,
            headers: edits,
            body: None,
            record: Some(record),
            publish: vec![("identity", identity.to_json())],
            count: vec![count],
        }
    }
}

impl Denied<'_> {
    fn outcome(self, rule: &Rule) -> Outcome {
        let mut record = Record::new(Decision::Deny, rule.name.clone(), self.code);
        if let Some(provider) = self.provider {
            record = record.with("provider", provider);
        }
        Outcome::refuse(self.refusal).with_record(record).counting(self.counter)
    }
}
