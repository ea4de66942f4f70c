//! May they? Judges the canonical request and the caller's identity by rules:
//! a deny rule wins, and what no rule allows is denied.
//!
//! The identity comes from `auth` (`postern.identity`). Without that state, or
//! with one that cannot be read, nothing is allowed, public routes included:
//! the filter does not guess who is calling.

mod applies;
mod bounds;
mod claim;
mod expression;
mod facts;
mod judged;
mod kept;
mod later;
mod load;
mod metrics;
mod number;
mod obligations;
mod policy;
mod reason;
mod refusals;
pub mod review;
mod rollout;
mod rule;
mod rule_set;
mod sets;
mod settle;
mod source;
mod subject;
mod unsure;

#[cfg(test)]
mod tests;

#[cfg(any(test, feature = "fuzz"))]
pub use expression::fuzz;

use std::borrow::Cow;
use std::cell::Cell;
use std::rc::Rc;

use postern_core::config::schema::Schema;
use postern_core::config::{self, Decode, Errors, Node, Text};
use postern_core::filter::Environment;
use postern_core::identity::{STATE, Seen};
use postern_core::rules::{HeaderName, Subject as Asked};
use postern_core::{
    Filter, HeaderEdit, Host, Load, Metric, Outcome, Record, Recorded, Refusal, Request, Response,
    Sights, Step, Target, Work,
};
use serde_json::Value;

use facts::Facts;
use judged::{Judged, beside, name_of};
use kept::Kept;
use load::Loading;
use metrics::{Metrics, Side};
pub use policy::{Candidate, Policy, Refusals};
pub use postern_core::challenge::{Realm, Scope};
pub use reason::Reason;
use rollout::Rollout;
pub use rollout::policy::{Mode, Percent, Valve, Window};
pub use rule::{Effect, Rule};
use rule_set::{RuleSet, Ruling};
use source::Source;
pub use subject::Subject;

/// The filter with its compiled policy.
#[derive(Debug)]
pub struct Authz {
    realm: Realm,
    source: Option<Source>,
    rules: Rc<RuleSet>,
    candidate: Option<Beside>,
    refusals: Refusals,
    explain_header: Option<HeaderName>,
    metrics: Metrics,
    sights: Sights,
    kept: Kept,
    /// Has there been no tick yet?
    fresh: Cell<bool>,
}

/// A candidate, compiled.
#[derive(Debug)]
struct Beside {
    rules: Rc<RuleSet>,
    rollout: Rollout,
}

impl Filter for Authz {
    const NAME: &'static str = "authz";
    const COUNTERS: &'static [&'static str] = &[];
    /// Edits of the response that are due.
    type Stream = Vec<HeaderEdit>;

    const WORKS: bool = true;

    fn configure(policy: &Node, _environment: &Environment<'_>) -> Result<Self, Errors> {
        let mut policy: Policy = config::decode(policy)?;
        let rules = RuleSet::new(std::mem::take(&mut policy.rules));
        let candidate = policy.candidate.as_mut().map(|c| std::mem::take(&mut c.rules));
        Ok(Authz::new(policy, Rc::new(rules), candidate.map(RuleSet::new).map(Rc::new)))
    }

    fn load(policy: &Rc<Vec<u8>>, former: &Self) -> Option<Box<dyn Load<Self>>> {
        Some(Box::new(Loading::new(policy.clone(), former)))
    }

    fn weight(policy: &[u8]) -> usize {
        load::weight(policy)
    }

    fn set_version(&mut self, version: &str) {
        if let Some(candidate) = &mut self.candidate {
            candidate.rollout.set_version(version);
        }
    }

    fn schema() -> Schema {
        Policy::schema()
    }

    fn metrics(&self) -> Vec<Metric> {
        self.metrics.list().to_vec()
    }

    fn tick(&self, host: &dyn Host) -> Work {
        let mut work = match &self.candidate {
            Some(candidate) => candidate.rollout.tick(host),
            None => Work::default(),
        };
        work.count.iter_mut().for_each(|place| *place = self.metrics.rollout(*place));
        work.gauges.iter_mut().for_each(|(place, _)| *place = self.metrics.rollout(*place));
        // The candidate of a former policy may have been taken back.
        if self.fresh.take() && self.candidate.is_none() {
            work.gauges.push((self.metrics.rollout(rollout::metric::TRIPPED), 0));
        }
        work
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
        let seen = match self.sights.see(request) {
            Ok(seen) => seen,
            Err(why) => return self.bad_request(why.to_string()),
        };
        let asked = Asked::of(request, &seen, host);
        // Without them a deny rule for a host or a method would not see it.
        if asked.host.is_none() {
            return self.bad_request("the request has no host that can be read");
        }
        if asked.method.is_empty() {
            return self.bad_request("the request has no method");
        }
        match &self.source {
            Some(source) => match source.read(request, host) {
                Some(identity) => self.judge(&asked, &identity, due, host),
                None => self.refuse(&Judged::alone(Ruling::new(Reason::BadIdentity, None))),
            },
            None => match host.property(&[STATE]) {
                Some(state) => match Seen::read(&state) {
                    Some(identity) => self.judge(&asked, &identity, due, host),
                    None => self.refuse(&Judged::alone(Ruling::new(Reason::BadIdentity, None))),
                },
                None => self.refuse(&Judged::alone(Ruling::new(Reason::NoIdentity, None))),
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
    /// Puts together what was compiled; the policy's own lists of rules are empty.
    fn new(policy: Policy, rules: Rc<RuleSet>, candidate: Option<Rc<RuleSet>>) -> Self {
        let Policy { realm, source, rules: _, candidate: plan, refusals, explain_header } = policy;
        let candidate = plan.zip(candidate).map(|(plan, rules)| {
            let Candidate { mode, share, seed, rules: _, valve } = plan;
            let seed = seed.as_ref().map_or("", Text::as_str);
            Beside { rules, rollout: Rollout::new(mode, share, seed, valve) }
        });
        let metrics = Metrics::new(&rules, candidate.as_ref().map(|c| &*c.rules));
        Authz {
            realm,
            source,
            rules,
            candidate,
            refusals,
            explain_header,
            metrics,
            sights: Sights::default(),
            kept: Kept::default(),
            fresh: Cell::new(true),
        }
    }

    fn judge(
        &self,
        asked: &Asked<'_>,
        identity: &Seen<'_>,
        due: &mut Vec<HeaderEdit>,
        host: &dyn Host,
    ) -> Outcome {
        let caller = match identity {
            Seen::Anonymous => None,
            Seen::Known(caller) => Some(caller.as_ref()),
        };
        let facts = Facts::new(asked, caller);
        // Intended is what a candidate changes.
        let current = Ruling { intended: false, ..self.rules.decide(&facts) };
        if self.candidate.is_none() && current.reason == Reason::Allowed {
            return self.allow(&Judged::alone(current), asked.target, due);
        }
        self.settle(current, &facts, identity, due, host)
    }

    fn allow(
        &self,
        judged: &Judged<'_>,
        target: &Target<'_>,
        due: &mut Vec<HeaderEdit>,
    ) -> Outcome {
        let mut edits = Vec::new();
        // The upstream has to get the path that was judged.
        if target.is_changed() {
            edits.push(HeaderEdit::set(":path", target.canonical()));
        }
        let ruling = &judged.ruling;
        let rule = self.rule(judged.side, ruling);
        let obligations = rule.and_then(|rule| rule.obligations());
        if let Some(obligations) = obligations {
            edits.extend(obligations.request.iter().cloned());
            due.extend(obligations.response.iter().cloned());
        }
        let make = || {
            let tags = obligations.map(|o| &o.tags).filter(|tags| !tags.is_empty());
            let record = self.record(judged);
            if let Some(tags) = tags { record.with("tags", tags.clone()) } else { record }
        };
        let record = match ruling.rule.filter(|_| judged.is_alone()) {
            Some(rule) => Recorded::Kept(self.kept.of(rule, make)),
            None => make().into(),
        };
        if let Some((name, value)) = self.explained(ruling.reason, rule) {
            due.push(HeaderEdit::set(name, value));
        }
        let count = self.metrics.of(ruling.reason, judged.mode, judged.side, ruling.rule);
        // Each part is written out: a default of all would be made first, and dropped.
        Outcome {
            step: Step::Continue,
            fields: None,
            headers: edits,
            body: None,
            record: Some(record),
            publish: Vec::new(),
            count,
        }
    }

    fn refuse(&self, judged: &Judged<'_>) -> Outcome {
        let ruling = &judged.ruling;
        let rule = self.rule(judged.side, ruling);
        let told = refusals::of(ruling.reason, rule, &ruling.scopes, &self.realm, &self.refusals);
        self.refuse_with(told, judged)
    }

    fn bad_request(&self, why: impl Into<Cow<'static, str>>) -> Outcome {
        let ruling = Ruling::new(Reason::BadRequest, None);
        self.refuse_with(Refusal::bad_request(why), &Judged::alone(ruling))
    }

    fn refuse_with(&self, refusal: Refusal, judged: &Judged<'_>) -> Outcome {
        let ruling = &judged.ruling;
        let refusal = match self.explained(ruling.reason, self.rule(judged.side, ruling)) {
            Some((name, value)) => refusal.header(name, value),
            None => refusal,
        };
        let count = self.metrics.of(ruling.reason, judged.mode, judged.side, ruling.rule);
        let record = Some(self.record(judged).into());
        Outcome { record, count, ..Outcome::refuse(refusal) }
    }

    /// The header for whoever explains a policy.
    fn explained(&self, reason: Reason, rule: Option<&Rule>) -> Option<(String, String)> {
        let name = self.explain_header.as_ref()?.as_str().to_owned();
        Some((name, format!("{}; rule={}", reason.code(), name_of(rule))))
    }

    fn rule(&self, side: Side, ruling: &Ruling<'_>) -> Option<&Rule> {
        self.rules_of(side)?.rule(ruling)
    }

    fn rules_of(&self, side: Side) -> Option<&RuleSet> {
        match side {
            Side::Current => Some(&self.rules),
            Side::Candidate => self.candidate.as_ref().map(|candidate| &*candidate.rules),
        }
    }

    /// What counted, and beside it what the other one would have decided.
    fn record(&self, judged: &Judged<'_>) -> Record {
        let Judged { ruling, side, mode, other, taken_back, unsure: [own, others] } = judged;
        let name = match side {
            Side::Current => "candidate",
            Side::Candidate => "current",
        };
        let rule = name_of(self.rule(*side, ruling)).to_owned();
        let mut record = Record::new(ruling.reason.decision(), rule, ruling.reason.code());
        record.mode = *mode;
        if let Some(own) = own {
            record = record.with("unsure", own.clone());
        }
        match other {
            Some(other) => {
                let mut other = beside(other, self.rule(side.other(), other));
                if let Value::Object(members) = &mut other {
                    members.extend(others.clone().map(|text| ("unsure".to_owned(), text.into())));
                    if *taken_back {
                        members.insert("taken_back".to_owned(), true.into());
                    }
                }
                record.with(name, other)
            }
            None => record,
        }
    }
}

#[cfg(target_family = "wasm")]
postern_host::export!(Authz, responses);
