//! May they? Judges the canonical request and the caller's identity by rules:
//! a deny rule wins, and what no rule allows is denied.
//!
//! The identity comes from `auth` (`postern.identity`). Without that state, or
//! with one that cannot be read, nothing is allowed, public routes included:
//! the filter does not guess who is calling.

mod decide;
mod policy;
mod refusals;
#[allow(dead_code)]
mod rollout;

#[cfg(test)]
mod tests;

use std::borrow::Cow;

use postern_core::config::schema::Schema;
use postern_core::config::{self, Decode, Errors, Node};
use postern_core::filter::Environment;
use postern_core::identity::{STATE, Seen};
use postern_core::rules::{Rules, Subject as Asked};
use postern_core::{Decision, Filter, HeaderEdit, Host, Outcome, Record, Refusal, Request, Target};

use decide::Verdict;
pub use policy::{Effect, Policy, Rule, Subject};
pub use postern_core::challenge::{Realm, Scope};

/// The filter with its compiled policy.
#[derive(Debug)]
pub struct Authz {
    realm: Realm,
    rules: Rules<Rule>,
}

/// Indices into [`Authz::COUNTERS`](Filter::COUNTERS).
mod counter {
    pub(crate) const ALLOWED: usize = 0;
    pub(crate) const BAD_REQUEST: usize = 1;
    pub(crate) const NO_IDENTITY: usize = 2;
    pub(crate) const BAD_IDENTITY: usize = 3;
    pub(crate) const DENY_RULE: usize = 4;
    pub(crate) const NO_RULE: usize = 5;
    pub(crate) const IDENTITY_REQUIRED: usize = 6;
    pub(crate) const INSUFFICIENT_SCOPE: usize = 7;
}

impl Filter for Authz {
    const NAME: &'static str = "authz";
    const COUNTERS: &'static [&'static str] = &[
        "allowed",
        "denied_bad_request",
        "denied_no_identity",
        "denied_bad_identity",
        "denied_by_rule",
        "denied_no_rule",
        "denied_identity_required",
        "denied_insufficient_scope",
    ];
    type Stream = ();

    fn configure(policy: &Node, _environment: &Environment<'_>) -> Result<Self, Errors> {
        let Policy { realm, rules } = config::decode(policy)?;
        let rules = rules.into_iter().map(|rule| (rule.applies_to.clone(), rule)).collect();
        Ok(Authz { realm, rules: Rules::new(rules) })
    }

    fn schema() -> Schema {
        Policy::schema()
    }

    fn follows(&self, _stream: &()) -> bool {
        false
    }

    fn request_headers(&self, (): &mut (), request: &Request<'_>, host: &dyn Host) -> Outcome {
        let target = match Target::parse(request.path()) {
            Ok(target) => target,
            Err(why) => return bad_request(why.to_string()),
        };
        let asked = Asked::new(request, &target, host);
        // Without them a deny rule for a host or a method would not see it.
        if asked.host.is_none() {
            return bad_request("the request has no host that can be read");
        }
        if asked.method.is_empty() {
            return bad_request("the request has no method");
        }
        let Some(state) = host.property(&[STATE]) else {
            return nobody("no_identity", counter::NO_IDENTITY);
        };
        let Some(identity) = Seen::read(&state) else {
            return nobody("bad_identity", counter::BAD_IDENTITY);
        };
        let verdict = decide::decide(&self.rules, &asked, &identity);
        self.answer(&verdict, &target)
    }
}

impl Authz {
    fn answer(&self, verdict: &Verdict<'_>, target: &Target<'_>) -> Outcome {
        match verdict {
            Verdict::Allow(rule) => {
                // The upstream has to get the path that was judged.
                let edits = if target.is_changed() {
                    vec![HeaderEdit::set(":path", target.canonical())]
                } else {
                    Vec::new()
                };
                Outcome::edit(edits)
                    .with_record(record(Decision::Allow, Some(rule), "allowed"))
                    .counting(counter::ALLOWED)
            }
            Verdict::DenyRule(rule) => {
                refuse(refusals::access_denied(), Some(rule), "deny_rule", counter::DENY_RULE)
            }
            Verdict::NoRule => refuse(refusals::access_denied(), None, "no_rule", counter::NO_RULE),
            Verdict::IdentityRequired(rule) => refuse(
                refusals::identity_required(&self.realm),
                Some(rule),
                "identity_required",
                counter::IDENTITY_REQUIRED,
            ),
            Verdict::InsufficientScope(rule, scopes) => refuse(
                refusals::insufficient_scope(&self.realm, scopes),
                Some(rule),
                "insufficient_scope",
                counter::INSUFFICIENT_SCOPE,
            ),
        }
    }
}

fn bad_request(why: impl Into<Cow<'static, str>>) -> Outcome {
    refuse(Refusal::bad_request(why), None, "bad_request", counter::BAD_REQUEST)
}

fn nobody(code: &'static str, counter: usize) -> Outcome {
    refuse(refusals::access_denied(), None, code, counter)
}

fn refuse(refusal: Refusal, rule: Option<&Rule>, code: &'static str, counter: usize) -> Outcome {
    Outcome::refuse(refusal).with_record(record(Decision::Deny, rule, code)).counting(counter)
}

fn record(decision: Decision, rule: Option<&Rule>, code: &'static str) -> Record {
    match rule {
        Some(rule) => Record::new(decision, rule.name.as_str().to_owned(), code),
        None => Record::new(decision, "-", code),
    }
}

#[cfg(target_family = "wasm")]
postern_host::export!(Authz);
