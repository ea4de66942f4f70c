//! A candidate beside the current rules, through the whole filter.

use std::collections::BTreeMap;
use std::time::Duration;

use postern_core::config::parse_json;
use postern_core::fake::FakeHost;
use postern_core::{Filter, Headers, Outcome, Request, Step, Work, identity};
use serde_json::{Value, json};

use crate::Authz;
use crate::review::review;

const VERSION: &str = "0123456789ab";

fn policy(candidate: &Value) -> Value {
    json!({
        "sets": {"paths": {"private": ["/private/{name}"]}},
        "rules": [
            {"name": "public", "match": {"paths": ["/public"]}, "subject": "anyone"},
            {"name": "own", "match": {"paths": [{"set": "private"}]}, "subject": "identified"},
        ],
        "candidate": candidate,
    })
}

/// The same rules, but for the private ones.
fn nothing_private(mode: &str) -> Value {
    json!({"mode": mode, "rules": [
        {"name": "open", "match": {"paths": ["/public"]}, "subject": "anyone"},
    ]})
}

fn errors(policy: &Value) -> String {
    let node = parse_json(policy.to_string().as_bytes()).unwrap();
    Authz::configure(&node, &|_| None).map(|_| ()).unwrap_err().to_string()
}

fn versioned(policy: &Value, version: &str) -> Authz {
    let node = parse_json(policy.to_string().as_bytes()).unwrap();
    let mut authz = Authz::configure(&node, &|_| None).unwrap();
    authz.set_version(version);
    authz
}

fn with(candidate: &Value) -> Authz {
    versioned(&policy(candidate), VERSION)
}

fn host() -> FakeHost {
    let host = FakeHost::at(Duration::from_secs(1_700_000_000));
    host.set_property("plugin_name", "authz");
    host
}

fn ask(authz: &Authz, host: &FakeHost, path: &str, sub: &str) -> Outcome {
    let state = match sub {
        "" => json!({"v": 1, "anonymous": true}),
        sub => json!({"v": 1, "sub": sub}),
    };
    host.set_property(identity::STATE, state.to_string());
    let headers = [(":method", "GET"), (":path", path), (":authority", "a.example.com")];
    let headers = headers.map(|(name, value)| (name.to_owned(), value.as_bytes().to_vec()));
    authz.request_headers(&mut Vec::new(), &Request::new(Headers::new(headers), true), host)
}

fn names(authz: &Authz, places: &[usize]) -> Vec<String> {
    let metrics = authz.metrics();
    places.iter().map(|place| metrics[*place].name.clone().into_owned()).collect()
}

/// The record, and what was counted.
#[track_caller]
fn check(authz: &Authz, path: &str, sub: &str, record: &str, counted: &[&str]) {
    let outcome = ask(authz, &host(), path, sub);
    let record_made = outcome.record.unwrap();
    let allowed = record_made.decision.as_str() == "allow";
    assert_eq!(matches!(outcome.step, Step::Continue), allowed, "{path}");
    assert_eq!(String::from_utf8(record_made.to_json("v")).unwrap(), record, "{path}");
    assert_eq!(names(authz, &outcome.count), counted, "{path}");
}

#[test]
fn in_shadow_the_current_rules_decide_and_both_are_recorded() {
    let authz = with(&nothing_private("shadow"));
    check(
        &authz,
        "/private/a",
        "ann",
        r#"{"decision":"allow","rule":"own","code":"allowed","version":"v","mode":"enforce","candidate":{"decision":"deny","rule":"-","code":"no_rule","mode":"shadow"}}"#,
        &["decisions.enforce.allow.allowed", "decisions.shadow.deny.no_rule", "candidate.denies"],
    );
    check(
        &authz,
        "/public",
        "",
        r#"{"decision":"allow","rule":"public","code":"allowed","version":"v","mode":"enforce","candidate":{"decision":"allow","rule":"open","code":"allowed","mode":"shadow"}}"#,
        &["decisions.enforce.allow.allowed", "decisions.shadow.allow.allowed"],
    );
    check(
        &authz,
        "/private/a",
        "",
        r#"{"decision":"deny","rule":"own","code":"identity_required","version":"v","mode":"enforce","candidate":{"decision":"deny","rule":"-","code":"no_rule","mode":"shadow"}}"#,
        &[
            "decisions.enforce.deny.identity_required",
            "decisions.shadow.deny.no_rule",
            "candidate.other_reason",
        ],
    );
}

#[test]
fn enforced_the_candidate_decides_and_both_are_recorded() {
    check(
        &with(&nothing_private("enforce")),
        "/private/a",
        "ann",
        r#"{"decision":"deny","rule":"-","code":"no_rule","version":"v","mode":"enforce","current":{"decision":"allow","rule":"own","code":"allowed","mode":"shadow"}}"#,
        &[
            "decisions.enforce.deny.no_rule",
            "decisions.shadow.allow.allowed",
            "candidate.denies",
            "candidate.refused",
        ],
    );
}

#[test]
fn a_cohort_is_told_apart_by_the_mode_of_its_decisions() {
    let mut candidate = nothing_private("cohort");
    candidate["share"] = json!("30%");
    candidate["seed"] = json!("spring");
    let authz = with(&candidate);
    let modes = |authz: &Authz| {
        let mut modes: BTreeMap<String, usize> = BTreeMap::new();
        for n in 0..200 {
            let record = ask(authz, &host(), "/private/a", &format!("caller-{n}")).record.unwrap();
            let key = format!("{} {}", record.mode.as_str(), record.decision.as_str());
            *modes.entry(key).or_default() += 1;
        }
        modes
    };
    let of = |text: &str, n| (text.to_owned(), n);
    let expected = BTreeMap::from([of("cohort deny", 56), of("enforce allow", 144)]);
    assert_eq!(modes(&authz), expected);
    assert_eq!(modes(&with(&candidate)), expected, "another worker");
}

#[test]
fn what_no_policy_can_judge_is_refused_as_ever() {
    let authz = with(&nothing_private("enforce"));
    check(
        &authz,
        "/a%2Fb",
        "ann",
        r#"{"decision":"deny","rule":"-","code":"bad_request","version":"v","mode":"enforce"}"#,
        &["decisions.enforce.deny.bad_request"],
    );
}

/// Twenty callers, ten requests each.
fn storm(authz: &Authz, host: &FakeHost) -> usize {
    let statuses = (0..200).map(|n| ask(authz, host, "/private/a", &format!("caller-{}", n % 20)));
    statuses.filter(|outcome| matches!(outcome.step, Step::Refuse(_))).count()
}

fn gauges(authz: &Authz, work: &Work) -> Vec<(String, u64)> {
    let name = |place: usize| names(authz, &[place]).concat();
    work.gauges.iter().map(|(place, value)| (name(*place), *value)).collect()
}

#[test]
fn a_bad_candidate_is_taken_back_by_every_worker_and_stays_so() {
    let host = host();
    let (one, two) = (with(&nothing_private("enforce")), with(&nothing_private("enforce")));
    for authz in [&one, &two] {
        let work = authz.tick(&host);
        let gauges = gauges(authz, &work);
        assert_eq!(gauges, [("candidate.valve_tripped".to_owned(), 0)]);
        assert_eq!(work.again, Some(Duration::from_millis(200)));
    }
    assert_eq!(storm(&one, &host), 200);
    let work = one.tick(&host);
    assert_eq!(gauges(&one, &work), [("candidate.valve_tripped".to_owned(), 1)]);
    assert_eq!(names(&one, &work.count), ["candidate.valve_trips"]);
    assert_eq!(work.log.len(), 1);
    let work = two.tick(&host);
    assert_eq!(gauges(&two, &work), [("candidate.valve_tripped".to_owned(), 1)]);
    assert!(work.log.is_empty() && work.count.is_empty());
    let reloaded = with(&nothing_private("enforce"));
    for authz in [&one, &two, &reloaded] {
        assert_eq!(storm(authz, &host), 0);
    }
    // Until the configuration changes.
    let record = ask(&one, &host, "/private/a", "ann").record.unwrap().to_json("v");
    let beside = r#""candidate":{"decision":"deny","rule":"-","code":"no_rule","mode":"shadow","taken_back":true}"#;
    assert!(String::from_utf8(record).unwrap().contains(beside));
    let changed = versioned(&policy(&nothing_private("enforce")), "ba9876543210");
    assert_eq!(storm(&changed, &host), 200);
}

#[test]
fn intended_refusals_take_nothing_back() {
    let retired = json!({"mode": "enforce", "rules": [
        {"name": "open", "match": {"paths": ["/public"]}, "subject": "anyone"},
        {"name": "own", "match": {"paths": [{"set": "private"}]}, "subject": "identified"},
        {"name": "retired", "effect": "deny", "intended": true,
         "match": {"paths": ["/private/a"]}, "subject": "anyone"},
    ]});
    let narrowed = json!({"mode": "enforce", "rules": [
        {"name": "own", "intended": true, "match": {"paths": [{"set": "private"}]},
         "subject": {"any_scope": ["private"]}},
    ]});
    let mut shown = narrowed.clone();
    shown["mode"] = json!("shadow");
    let record = ask(&with(&shown), &host(), "/private/a", "ann").record.unwrap().to_json("v");
    let beside = r#""rule":"own","code":"insufficient_scope","mode":"shadow","intended":true}"#;
    assert!(String::from_utf8(record).unwrap().contains(beside));
    for candidate in [retired, narrowed] {
        let (host, authz) = (host(), with(&candidate));
        assert_eq!(storm(&authz, &host), 200);
        authz.tick(&host);
        assert_eq!(storm(&authz, &host), 200, "{candidate}");
    }
}

/// Nobody means a refusal that comes of what cannot be told, and one rule that is
/// intended says nothing of another that would have allowed the request.
#[test]
fn what_was_not_meant_is_taken_back_whatever_is_marked() {
    let mistaken = json!({"mode": "enforce", "rules": [
        {"name": "own", "match": {"paths": [{"set": "private"}]}, "subject": "identified"},
        {"name": "retired", "effect": "deny", "intended": true,
         "match": {"paths": [{"set": "private"}]}, "subject": "anyone",
         "when": "identity.claims.tier == 'old'"},
    ]});
    let misspelt = json!({"mode": "enforce", "rules": [
        {"name": "admin", "intended": true, "match": {"paths": ["/**"]},
         "subject": {"any_scope": ["admin"]}},
        {"name": "own", "match": {"paths": [{"set": "private"}]},
         "subject": {"any_scope": ["privaet"]}},
    ]});
    // The nearest refusal is that of the rule for all, and says nothing of the others.
    let admin = json!({"name": "admin", "intended": true, "match": {"paths": ["/**"]},
        "subject": {"any_scope": ["admin"]}});
    let of_a_role = json!({"mode": "enforce", "rules": [admin,
        {"name": "own", "match": {"paths": [{"set": "private"}]},
         "subject": {"any_role": ["membr"]}},
    ]});
    let elsewhere = json!({"mode": "enforce", "rules": [admin,
        {"name": "own", "match": {"paths": ["/pirvate/**"]}, "subject": "identified"},
    ]});
    let gone = json!({"mode": "enforce", "rules": [admin]});
    let beside = json!({"mode": "enforce", "rules": [
        {"name": "own", "intended": true, "match": {"paths": [{"set": "private"}]},
         "subject": {"any_scope": ["private"]}},
        {"name": "support", "match": {"paths": [{"set": "private"}]},
         "subject": {"any_role": ["suport"]}},
    ]});
    for candidate in [mistaken, misspelt, of_a_role, elsewhere, gone, beside] {
        let (host, authz) = (host(), with(&candidate));
        assert_eq!(storm(&authz, &host), 200);
        authz.tick(&host);
        assert_eq!(storm(&authz, &host), 0, "{candidate}");
    }
}

#[test]
fn without_a_candidate_no_tick_is_wanted_and_the_gauge_is_set_once() {
    let mut policy = policy(&Value::Null);
    policy.as_object_mut().unwrap().remove("candidate");
    let (host, authz) = (host(), versioned(&policy, VERSION));
    let work = authz.tick(&host);
    let gone = [("candidate.valve_tripped".to_owned(), 0)];
    assert_eq!(gauges(&authz, &work), gone, "a candidate that was taken back");
    assert_eq!(work.again, None);
    assert!(authz.tick(&host).is_nothing());
    assert_eq!(host.shared_len(), 0);
}

#[test]
fn a_candidate_has_sets_of_its_own_or_the_current_ones() {
    let mut candidate = json!({"mode": "enforce", "rules": [
        {"name": "own", "match": {"paths": [{"set": "private"}]}, "subject": "identified"},
    ]});
    let allowed = |candidate: &Value, path: &str| {
        matches!(ask(&with(candidate), &host(), path, "ann").step, Step::Continue)
    };
    assert!(allowed(&candidate, "/private/a"));
    candidate["sets"] = json!({"paths": {"private": ["/hidden"]}});
    assert!(!allowed(&candidate, "/private/a"));
    assert!(allowed(&candidate, "/hidden"));
}

#[test]
fn every_mistake_in_a_candidate_is_named_with_its_path() {
    let broken = json!({
        "mode": "enforced", "share": 0, "seed": "", "ruless": [],
        "valve": {"window": "1s", "minimum_requests": 0, "minimum_callers": 0, "share": 101,
                  "bound": 1},
        "rules": [
            {"name": "a", "match": {"paths": [{"set": "nowhere"}]}, "subject": "anyone"},
            {"name": "a", "match": {"paths": ["no-slash"]}, "subject": "anybody"},
        ],
    });
    assert_eq!(
        errors(&policy(&broken)),
        "candidate.rules[1].name: `a` is the name of rules[0] already\n\
         candidate: unknown key `ruless`, did you mean `rules`?\n\
         candidate.mode: expected `shadow`, `cohort` or `enforce`: did you mean `enforce`?\n\
         candidate.share: expected whole percent from 1 to 100, or a text such as `0.1%`\n\
         candidate.seed: expected a text that is not empty and has no control characters\n\
         candidate.valve: unknown key `bound`, expected `window`, `minimum_requests`, `minimum_callers` or `share`\n\
         candidate.valve.window: expected a duration from `2s` to `1h`\n\
         candidate.valve.minimum_requests: expected a whole number from 1 to 100000, but found 0\n\
         candidate.valve.minimum_callers: expected a whole number from 1 to 100000, but found 0\n\
         candidate.valve.share: expected whole percent from 1 to 100, or a text such as `0.1%`\n\
         candidate.rules[0].match.paths[0].set: `sets.paths` has no `nowhere`\n\
         candidate.rules[1].match.paths[0]: a path template begins with `/`\n\
         candidate.rules[1].subject: expected `anyone`, `anonymous`, `identified` or a mapping such as `any_scope: [a]`: did you mean `anyone`?"
    );
    let empty = json!({"mode": "shadow", "rules": []});
    assert_eq!(
        errors(&policy(&empty)),
        "candidate.rules: expected at least one rule: without any, everything is denied"
    );
    assert_eq!(
        errors(&policy(&json!({}))),
        "candidate: missing key `mode`\ncandidate: missing key `rules`"
    );
    assert_eq!(errors(&policy(&json!([]))), "candidate: expected a mapping, but found a list");
}

#[test]
fn rules_of_a_candidate_that_are_in_vain_are_named_and_so_are_its_sets() {
    let found = |candidate: &Value| {
        let node = parse_json(policy(candidate).to_string().as_bytes()).unwrap();
        let found = review(&node).unwrap();
        (found.errors.to_string(), found.warnings.to_string())
    };
    let rules = json!([
        {"name": "a", "match": {"paths": ["/a"]}, "subject": "anyone"},
        {"name": "b", "match": {"paths": ["/a"]}, "subject": "identified"},
        {"name": "c", "effect": "deny", "match": {"paths": ["/c"]}, "subject": "anyone"},
        {"name": "d", "match": {"paths": ["/c"]}, "subject": "anyone"},
    ]);
    let mut candidate = json!({"mode": "shadow", "rules": rules});
    assert_eq!(
        found(&candidate),
        (
            "candidate.rules[3]: `d` never allows: the deny rule `c` refuses all that it is about"
                .to_owned(),
            "candidate.rules[1]: `b` changes nothing: `a` allows all that it allows".to_owned()
        )
    );
    candidate["rules"] = json!([
        {"name": "a", "match": {"paths": [{"set": "private"}]}, "subject": "anyone"},
    ]);
    assert_eq!(found(&candidate), (String::new(), String::new()));
    candidate["sets"] = json!({"paths": {"private": ["/a"], "more": ["/b"]}});
    let unused = "candidate.sets.paths.more: no rule refers to the set `more`".to_owned();
    assert_eq!(found(&candidate), (String::new(), unused));
}
