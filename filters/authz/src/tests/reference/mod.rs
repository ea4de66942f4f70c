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
use postern_core::{Filter, Headers, Host, Identity, Request, Step, identity};
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

/// A candidate beside the current rules.
#[derive(Clone, Debug)]
struct Rollout {
    mode: &'static str,
    /// Percent.
    share: u32,
    rules: Vec<Value>,
    /// Has it sets of its own?
    with_sets: bool,
}

/// What is compared of two decisions: whose counted and in which mode, and what the
/// difference counts as.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Both {
    decided: Said,
    beside: Said,
    by_candidate: bool,
    mode: String,
    counted: Vec<String>,
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

/// What the proxy knows.
fn host_of(asked: &Asked) -> FakeHost {
    let host = FakeHost::at(Duration::from_secs(asked.now));
    let identity = match &asked.caller {
        None => Identity::Anonymous.to_json(),
        Some(caller) => caller.to_string().into_bytes(),
    };
    host.set_property(identity::STATE, identity);
    if let Some(address) = asked.address {
        host.set_property("source.address", address);
    }
    if let Some(route) = asked.route {
        host.set_property("xds.route_name", route);
    }
    host
}

fn request_of(asked: &Asked) -> Request<'_> {
    let pseudo =
        [(":method", asked.method), (":authority", asked.host), (":path", asked.path.as_str())];
    let headers = Headers::new(pseudo.into_iter().chain(asked.headers.iter().copied()));
    Request::new(headers, asked.whole)
}

fn engine(authz: &Authz, asked: &Asked) -> Said {
    let (host, request) = (host_of(asked), request_of(asked));
    let outcome = authz.request_headers(&mut Vec::new(), &request, &host);
    let record = outcome.record.unwrap();
    let scopes = scopes_of(&outcome.step, record.code);
    let intended = intends(authz, &request, &host);
    Said {
        rule: record.rule.clone().into_owned(),
        reason: record.code.to_owned(),
        scopes,
        intended,
    }
}

/// Those of the challenge.
fn scopes_of(step: &Step, code: &str) -> String {
    assert_eq!(matches!(step, Step::Continue), code == "allowed");
    let Step::Refuse(refusal) = step else { return String::new() };
    assert_eq!(refusal.status, if code == "identity_required" { 401 } else { 403 });
    let challenge = refusal.headers.iter().find(|(name, _)| name == "www-authenticate");
    let text = challenge.map(|(_, v)| String::from_utf8(v.clone()).unwrap()).unwrap_or_default();
    text.split_once("scope=\"").map_or("", |(_, s)| s.trim_end_matches('"')).to_owned()
}

/// With a candidate. Of the decision that did not count no scopes are told.
fn engine_of_both(authz: &Authz, asked: &Asked) -> Both {
    let outcome = authz.request_headers(&mut Vec::new(), &request_of(asked), &host_of(asked));
    let record = outcome.record.unwrap();
    let json: Value = serde_json::from_slice(&record.to_json("v")).unwrap();
    let by_candidate = json["current"].is_object();
    let other = if by_candidate { &json["current"] } else { &json["candidate"] };
    assert_eq!(other["mode"], "shadow");
    assert_eq!(other["decision"] == "allow", other["code"] == "allowed");
    let said = |json: &Value, scopes: String, intended: bool| Said {
        rule: json["rule"].as_str().unwrap().to_owned(),
        reason: json["code"].as_str().unwrap().to_owned(),
        scopes,
        intended,
    };
    let scopes = scopes_of(&outcome.step, record.code);
    let metrics = authz.metrics();
    let counted = outcome.count.iter().map(|place| metrics[*place].name.clone().into_owned());
    let differences = counted.filter(|name| name.starts_with("candidate."));
    Both {
        decided: said(&json, scopes, false),
        beside: said(other, String::new(), other["intended"] == true),
        by_candidate,
        mode: record.mode.as_str().to_owned(),
        counted: differences.collect(),
    }
}

/// Only a candidate's record would say it.
fn intends(authz: &Authz, request: &Request<'_>, host: &FakeHost) -> bool {
    let identity = host.property(&[identity::STATE]).unwrap();
    let seen = authz.sights.see(request).unwrap();
    let asked = Subject::of(request, &seen, host);
    let identity = Seen::read(&identity).unwrap();
    let caller = match &identity {
        Seen::Anonymous => None,
        Seen::Known(caller) => Some(caller.as_ref()),
    };
    authz.rules.decide(&Facts::new(&asked, caller)).intended
}

/// `POSTERN_FUZZ` times so many.
fn runner(cases: u32) -> TestRunner {
    let factor = std::env::var("POSTERN_FUZZ").ok().and_then(|n| n.parse().ok()).unwrap_or(1);
    TestRunner::new(Config { cases: cases.saturating_mul(factor), ..Config::default() })
}

fn configured(policy: &str) -> Result<Authz, TestCaseError> {
    Authz::configure(&parse_json(policy.as_bytes()).unwrap(), &|_| None)
        .map_err(|e| TestCaseError::fail(format!("{policy}\n{e}")))
}

#[test]
fn the_engine_agrees_with_a_naive_reference() {
    let asked = prop::collection::vec(generate::asked(), 8);
    let checked = runner(POLICIES).run(&(generate::rules(), asked), |(rules, asked)| {
        let policy = generate::with_sets(&rules).to_string();
        let authz = configured(&policy)?;
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

/// Both decisions, whose counts, and what the difference is counted as.
#[test]
fn the_engine_agrees_with_a_naive_reference_on_candidates() {
    let policies = generate::rules().prop_flat_map(|rules| {
        let candidate = generate::candidate(rules.clone());
        (Just(rules), candidate, prop::collection::vec(generate::asked(), 8))
    });
    let checked = runner(POLICIES / 2).run(&policies, |(rules, rollout, asked)| {
        let policy = generate::with_candidate(&rules, &rollout).to_string();
        let authz = configured(&policy)?;
        super::slices::are_the_same(&policy);
        let mut callers = naive::Callers::default();
        for asked in &asked {
            let engine = engine_of_both(&authz, asked);
            let mut naive = callers.both(&rules, &rollout, asked, engine.by_candidate);
            // Not told: scopes of what did not count, and of what counts its intention.
            naive.beside.scopes.clear();
            naive.decided.intended = false;
            prop_assert_eq!(engine, naive, "{:?}", asked);
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

/// And every kind of difference, in every mode.
#[test]
fn every_difference_is_generated() {
    use std::collections::BTreeMap;

    use proptest::strategy::ValueTree;

    let mut runner = TestRunner::deterministic();
    let mut seen: BTreeMap<String, usize> = BTreeMap::new();
    for n in 0..3_000 {
        let rules = generate::rules().new_tree(&mut runner).unwrap().current();
        let rollout = generate::candidate(rules.clone()).new_tree(&mut runner).unwrap().current();
        let asked = generate::asked().new_tree(&mut runner).unwrap().current();
        let both = naive::Callers::default().both(&rules, &rollout, &asked, n % 2 == 0);
        for counted in both.counted {
            *seen.entry(counted).or_default() += 1;
        }
        let whose = if both.by_candidate { "candidate" } else { "current" };
        *seen.entry(format!("{} {whose}", rollout.mode)).or_default() += 1;
    }
    for what in [
        "candidate.denies",
        "candidate.denies_intended",
        "candidate.allows",
        "candidate.other_reason",
        "candidate.refused",
        "shadow current",
        "cohort current",
        "cohort candidate",
        "enforce candidate",
    ] {
        assert!(seen.get(what).copied().unwrap_or(0) >= 20, "{what}: {seen:?}");
    }
}
