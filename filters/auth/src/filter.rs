//! The filter: which rule, which credential, whose.

use std::cell::RefCell;
use std::time::Duration;

use postern_core::config::schema::Schema;
use postern_core::config::{Decode, Errors, Node};
use postern_core::filter::{CredentialPlace, Environment};
use postern_core::rules::Subject;
use postern_core::{
    Answer, Decision, Filter, HeaderEdit, Host, Metric, Outcome, Record, Refusal, Request,
    Response, Sights, Step, Work,
};

use crate::decision::Judged;
use crate::judge::Case;
use crate::policy::{Policy, PolicyConfig};
use crate::provider::Provider;

/// Who is calling?
#[derive(Debug)]
pub struct Auth {
    policy: Policy,
    sights: Sights,
}

/// Indices into [`Auth::COUNTERS`](Filter::COUNTERS).
pub(crate) mod counter {
    pub(crate) const AUTHENTICATED: usize = 0;
    pub(crate) const ANONYMOUS: usize = 1;
    pub(crate) const MISSING: usize = 2;
    pub(crate) const INVALID: usize = 3;
    pub(crate) const BAD_REQUEST: usize = 4;
    pub(crate) const UNAVAILABLE: usize = 5;
    pub(crate) const REPORTED: usize = 6;
}

/// What is kept of a request: above all of one that waits.
#[derive(Debug, Default)]
pub struct Waited {
    /// Since when, since the Unix epoch.
    pub(crate) since: Option<Duration>,
    /// Was the credential taken from the query?
    in_query: bool,
}

impl Filter for Auth {
    const NAME: &'static str = "auth";
    const COUNTERS: &'static [&'static str] = &[
        "authenticated",
        "anonymous",
        "missing_credential",
        "invalid_credential",
        "bad_request",
        "unavailable",
        "report_only_denied",
    ];
    const PUBLISHES_IDENTITY: bool = true;
    const WORKS: bool = true;
    const WAITS: bool = true;
    type Stream = Waited;

    fn configure(policy: &Node, environment: &Environment<'_>) -> Result<Self, Errors> {
        let policy = Policy::compile(policy, environment, Self::COUNTERS.len())?;
        Ok(Auth { policy, sights: Sights::default() })
    }

    fn schema() -> Schema {
        PolicyConfig::schema()
    }

    fn metrics(&self) -> Vec<Metric> {
        let own = Self::COUNTERS.iter().map(|name| Metric::counter(*name));
        own.chain(self.policy.metrics.iter().cloned()).collect()
    }

    fn credential_places(&self) -> Vec<CredentialPlace> {
        self.policy.providers.iter().flat_map(Provider::credential_places).collect()
    }

    fn tick(&self, host: &dyn Host) -> Work {
        let mut work = Work::default();
        self.policy.providers.iter().for_each(|provider| work.merge(provider.tick(host)));
        work.merge(self.policy.revoked.tick(host));
        work
    }

    fn task_answer(&self, task: u64, answer: &Answer, host: &dyn Host) -> Work {
        let mut providers = self.policy.providers.iter();
        providers
            .find_map(|provider| provider.answer(task, answer, host))
            .or_else(|| self.policy.revoked.answer(task, answer, host))
            .unwrap_or_default()
    }

    fn request_headers(
        &self,
        waited: &mut Waited,
        request: &Request<'_>,
        host: &dyn Host,
    ) -> Outcome {
        let seen = match self.sights.see(request) {
            Ok(seen) => seen,
            Err(bad) => return unreadable("bad_target", bad.to_string()),
        };
        let asked = Subject::of(request, &seen, host);
        // A rule for a host would not see it, and a laxer one might.
        if asked.host.is_none() {
            return unreadable("bad_host", "the request has no host that can be read".to_owned());
        }
        let found = self.policy.rules.first(&asked);
        let rule = found.map_or(&self.policy.fallback, |found| found.rule);
        let count = RefCell::default();
        let target = &seen.target;
        let case = Case { policy: &self.policy, rule, request, target, host, count };
        let mut outcome = match case.judge(waited) {
            Ok(Judged::Admitted(admitted)) => {
                waited.in_query = admitted.in_query;
                admitted.outcome(rule, request.headers(), target)
            }
            Ok(Judged::Wait(wait)) => Outcome { step: Step::Wait(wait), ..Outcome::default() },
            Err(denied) if rule.report_only => denied.reported(rule, request.headers(), target),
            Err(denied) => denied.outcome(rule),
        };
        outcome.count.append(&mut case.count.borrow_mut());
        outcome
    }

    fn follows(&self, waited: &Waited) -> bool {
        waited.in_query
    }

    /// RFC 6750 §2.3: what was got with a token in the query is for one client.
    fn response_headers(
        &self,
        waited: &mut Waited,
        response: &Response<'_>,
        _host: &dyn Host,
    ) -> Outcome {
        let said = || response.headers().all("cache-control").flat_map(|v| v.split(|b| *b == b','));
        let strict = |directive: &[u8]| {
            let name = directive.split(|b| *b == b'=').next().unwrap_or_default().trim_ascii();
            name.eq_ignore_ascii_case(b"no-store")
        };
        // What is stricter stays.
        if !waited.in_query || said().any(strict) {
            return Outcome::pass();
        }
        let error = response.status().is_none_or(|status| status >= 400);
        let value = if error { "no-store" } else { "private" };
        Outcome::edit(vec![HeaderEdit::set("cache-control", value)])
    }
}

fn unreadable(code: &'static str, detail: String) -> Outcome {
    let refusal = Refusal::bad_request(detail);
    Outcome::refuse(refusal)
        .with_record(Record::new(Decision::Deny, "-", code))
        .counting(counter::BAD_REQUEST)
}
