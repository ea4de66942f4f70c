//! The engine against a reference that is as naive as can be: it reads the
//! policy as JSON, loops over all rules, and shares no code with the engine.
//! `POSTERN_FUZZ` multiplies the number of policies.

mod generate;
mod naive;

use std::time::Duration;

use postern_core::config::parse_json;
use postern_core::fake::FakeHost;
use postern_core::identity::Seen;
use postern_core::rules::Subject;
use postern_core::{Filter, Headers, Identity, Request, Step, identity};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use serde_json::Value;

use crate::Authz;
use crate::facts::Facts;

/// So many policies, each with several requests; multiplied by `POSTERN_FUZZ`.
const POLICIES: u32 = 1_000;

/// A request, and what the proxy knows of it.
#[derive(Clone, Debug)]
struct Asked {
    method: &'static str,
    host: &'static str,
    path: String,
    headers: Vec<(&'static str, &'static str)>,
    whole: bool,
    address: Option<&'static str>,
    route: Option<&'static str>,
    /// Seconds since the Unix epoch.
    now: u64,
    /// The identity; `None`: an anonymous one.
    caller: Option<Value>,
}

/// What is compared: the rule, the reason, the scopes of the challenge, and whether a
/// refusal is one that the rules behind it intend.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Said {
    rule: String,
    reason: String,
    scopes: String,
    intended: bool,
}

fn engine(authz: &Authz, asked: &Asked) -> Said {
    let host = FakeHost::at(Duration::from_secs(asked.now));
    let identity = match &asked.caller {
        None => Identity::Anonymous.to_json(),
        Some(caller) => caller.to_string().into_bytes(),
    };
    host.set_property(identity::STATE, identity.clone());
    if let Some(address) = asked.address {
        host.set_property("source.address", address);
    }
    if let Some(route) = asked.route {
        host.set_property("xds.route_name", route);
    }
    let pseudo =
        [(":method", asked.method), (":authority", asked.host), (":path", asked.path.as_str())];
    let headers = Headers::new(pseudo.into_iter().chain(asked.headers.iter().copied()));
    let request = Request::new(headers, asked.whole);
    let outcome = authz.request_headers(&mut Vec::new(), &request, &host);
    let record = outcome.record.unwrap();
    let mut scopes = String::new();
    if let Step::Refuse(refusal) = &outcome.step {
        let challenge = refusal.headers.iter().find(|(name, _)| name == "www-authenticate");
        let text =
            challenge.map(|(_, v)| String::from_utf8(v.clone()).unwrap()).unwrap_or_default();
        scopes =
            text.split_once("scope=\"").map_or("", |(_, s)| s.trim_end_matches('"')).to_owned();
        assert_eq!(refusal.status, if record.code == "identity_required" { 401 } else { 403 });
    }
    assert_eq!(matches!(outcome.step, Step::Continue), record.code == "allowed");
    let intended = intends(authz, &request, &host, &identity);
    Said { rule: record.rule.into_owned(), reason: record.code.to_owned(), scopes, intended }
}

/// Only a candidate's record would say it.
fn intends(authz: &Authz, request: &Request<'_>, host: &FakeHost, identity: &[u8]) -> bool {
    let seen = authz.sights.see(request).unwrap();
    let asked = Subject::of(request, &seen, host);
    let identity = Seen::read(identity).unwrap();
    let caller = match &identity {
        Seen::Anonymous => None,
        Seen::Known(caller) => Some(caller.as_ref()),
    };
    authz.rules.decide(&Facts::new(&asked, caller)).intended
}

#[test]
fn the_engine_agrees_with_a_naive_reference() {
    let factor = std::env::var("POSTERN_FUZZ").ok().and_then(|n| n.parse().ok()).unwrap_or(1);
    let config = Config { cases: POLICIES.saturating_mul(factor), ..Config::default() };
    let asked = prop::collection::vec(generate::asked(), 8);
    let mut runner = TestRunner::new(config);
    let checked = runner.run(&(generate::rules(), asked), |(rules, asked)| {
        let policy = generate::with_sets(&rules).to_string();
        let authz = Authz::configure(&parse_json(policy.as_bytes()).unwrap(), &|_| None)
            .map_err(|e| TestCaseError::fail(e.to_string()))?;
        super::slices::are_the_same(&policy);
        for asked in &asked {
            prop_assert_eq!(engine(&authz, asked), naive::decide(&rules, asked), "{:?}", asked);
        }
        Ok(())
    });
    if let Err(e) = checked {
        panic!("{e}");
    }
}

/// What is generated reaches every reason, or the comparison shows little.
#[test]
fn every_reason_is_generated() {
    use std::collections::BTreeMap;

    use proptest::strategy::ValueTree;

    let mut runner = TestRunner::deterministic();
    let mut seen: BTreeMap<String, usize> = BTreeMap::new();
    let next = |runner: &mut TestRunner| {
        let rules = generate::rules().new_tree(runner).unwrap().current();
        let asked = generate::asked().new_tree(runner).unwrap().current();
        naive::decide(&rules, &asked)
    };
    for _ in 0..2_000 {
        let said = next(&mut runner);
        if said.intended {
            *seen.entry(format!("{}, intended", said.reason)).or_default() += 1;
        }
        *seen.entry(said.reason).or_default() += 1;
    }
    for reason in [
        "allowed",
        "deny_rule",
        "cannot_evaluate",
        "no_rule",
        "identity_required",
        "insufficient_scope",
        "wrong_subject",
        "deny_rule, intended",
        "identity_required, intended",
        "wrong_subject, intended",
    ] {
        assert!(seen.get(reason).copied().unwrap_or(0) >= 20, "{reason}: {seen:?}");
    }
}
