//! May they? Judges the canonical request and the caller's identity by rules:
//! a deny rule wins, and what no rule allows is denied.
//!
//! The identity comes from `auth` (`postern.identity`). Without that state, or
//! with one that cannot be read, nothing is allowed, public routes included:
//! the filter does not guess who is calling.

mod applies;
mod claim;
mod expression;
mod facts;
mod later;
mod metrics;
mod number;
mod obligations;
mod policy;
mod reason;
mod refusals;
pub mod review;
#[allow(dead_code)]
mod rollout;
mod rule;
mod rule_set;
mod sets;
mod source;
mod subject;

#[cfg(test)]
mod tests;

#[cfg(any(test, feature = "fuzz"))]
pub use expression::fuzz;

use std::borrow::Cow;

use postern_core::config::schema::Schema;
use postern_core::config::{self, Decode, Errors, Node};
use postern_core::filter::Environment;
use postern_core::identity::{STATE, Seen};
use postern_core::rules::{HeaderName, Subject as Asked};
use postern_core::{
    Filter, HeaderEdit, Host, Metric, Outcome, Record, Refusal, Request, Response, Target,
};

use facts::Facts;
use metrics::Metrics;
pub use policy::{Policy, Refusals};
pub use postern_core::challenge::{Realm, Scope};
pub use reason::Reason;
pub use rule::{Effect, Rule};
use rule_set::{RuleSet, Ruling};
use source::Source;
pub use subject::Subject;

/// The filter with its compiled policy.
#[derive(Debug)]
pub struct Authz {
    realm: Realm,
    source: Option<Source>,
    rules: RuleSet,
    refusals: Refusals,
    explain_header: Option<HeaderName>,
    metrics: Metrics,
}

impl Filter for Authz {
    const NAME: &'static str = "authz";
    const COUNTERS: &'static [&'static str] = &[];
    /// Edits of the response that are due.
    type Stream = Vec<HeaderEdit>;

    fn configure(policy: &Node, _environment: &Environment<'_>) -> Result<Self, Errors> {
        let Policy { realm, source, rules, refusals, explain_header } = config::decode(policy)?;
        let rules = RuleSet::new(rules);
        let metrics = Metrics::new(rules.iter());
        Ok(Authz { realm, source, rules, refusals, explain_header, metrics })
    }

    fn schema() -> Schema {
        Policy::schema()
    }

    fn metrics(&self) -> Vec<Metric> {
        self.metrics.list().to_vec()
    }

    fn follows(&self, due: &Vec<HeaderEdit>) -> bool {
        !due.is_empty()
    }

    fn request_headers(
        &self,
        due: &mut Vec<HeaderEdit>,
        request: &Request<'_>,
        host: &dyn Host,
    ) -> Outcome {
        let target = match Target::parse(request.path()) {
            Ok(target) => target,
            Err(why) => return self.bad_request(why.to_string()),
        };
        let asked = Asked::new(request, &target, host);
        // Without them a deny rule for a host or a method would not see it.
        if asked.host.is_none() {
            return self.bad_request("the request has no host that can be read");
        }
        if asked.method.is_empty() {
            return self.bad_request("the request has no method");
        }
        match &self.source {
            Some(source) => match source.read(request, host) {
                Some(identity) => self.judge(&asked, &identity, due),
                None => self.refuse(&Ruling::new(Reason::BadIdentity, None)),
            },
            None => match host.property(&[STATE]) {
                Some(state) => match Seen::read(&state) {
                    Some(identity) => self.judge(&asked, &identity, due),
                    None => self.refuse(&Ruling::new(Reason::BadIdentity, None)),
                },
                None => self.refuse(&Ruling::new(Reason::NoIdentity, None)),
            },
        }
    }

    fn response_headers(
        &self,
        due: &mut Vec<HeaderEdit>,
        _response: &Response<'_>,
        _host: &dyn Host,
    ) -> Outcome {
        Outcome::edit(std::mem::take(due))
    }
}

impl Authz {
    fn judge(&self, asked: &Asked<'_>, identity: &Seen<'_>, due: &mut Vec<HeaderEdit>) -> Outcome {
        let caller = match identity {
            Seen::Anonymous => None,
            Seen::Known(caller) => Some(caller.as_ref()),
        };
        let ruling = self.rules.decide(&Facts::new(asked, caller));
        match ruling.reason {
            Reason::Allowed => self.allow(&ruling, asked.target, due),
            _ => self.refuse(&ruling),
        }
    }

    fn allow(
        &self,
        ruling: &Ruling<'_>,
        target: &Target<'_>,
        due: &mut Vec<HeaderEdit>,
    ) -> Outcome {
        let mut edits = Vec::new();
        // The upstream has to get the path that was judged.
        if target.is_changed() {
            edits.push(HeaderEdit::set(":path", target.canonical()));
        }
        let rule = self.rules.rule(ruling);
        let mut record = record(ruling.reason, rule);
        if let Some(obligations) = rule.and_then(|rule| rule.obligations.as_ref()) {
            edits.extend(obligations.request.iter().cloned());
            due.extend(obligations.response.iter().cloned());
            if !obligations.tags.is_empty() {
                record = record.with("tags", obligations.tags.clone());
            }
        }
        if let Some((name, value)) = self.explained(ruling.reason, rule) {
            due.push(HeaderEdit::set(name, value));
        }
        let count = self.metrics.of(ruling.reason, ruling.rule);
        Outcome { headers: edits, record: Some(record), count, ..Outcome::default() }
    }

    fn refuse(&self, ruling: &Ruling<'_>) -> Outcome {
        let rule = self.rules.rule(ruling);
        let told = refusals::of(ruling.reason, rule, &ruling.scopes, &self.realm, &self.refusals);
        self.refuse_with(told, ruling, rule)
    }

    fn bad_request(&self, why: impl Into<Cow<'static, str>>) -> Outcome {
        let ruling = Ruling::new(Reason::BadRequest, None);
        self.refuse_with(Refusal::bad_request(why), &ruling, None)
    }

    fn refuse_with(&self, refusal: Refusal, ruling: &Ruling<'_>, rule: Option<&Rule>) -> Outcome {
        let refusal = match self.explained(ruling.reason, rule) {
            Some((name, value)) => refusal.header(name, value),
            None => refusal,
        };
        let count = self.metrics.of(ruling.reason, ruling.rule);
        let record = Some(record(ruling.reason, rule));
        Outcome { record, count, ..Outcome::refuse(refusal) }
    }

    /// The header for whoever explains a policy.
    fn explained(&self, reason: Reason, rule: Option<&Rule>) -> Option<(String, String)> {
        let name = self.explain_header.as_ref()?.as_str().to_owned();
        Some((name, format!("{}; rule={}", reason.code(), name_of(rule))))
    }
}

fn record(reason: Reason, rule: Option<&Rule>) -> Record {
    Record::new(reason.decision(), name_of(rule).to_owned(), reason.code())
}

fn name_of(rule: Option<&Rule>) -> &str {
    rule.map_or("-", |rule| rule.name.as_str())
}

#[cfg(target_family = "wasm")]
postern_host::export!(Authz);
