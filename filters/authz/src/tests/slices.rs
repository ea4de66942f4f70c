//! A policy that is compiled in slices is the one that is compiled whole.

use std::rc::Rc;

use postern_core::Filter;
use postern_core::config::{Errors, parse_json};
use serde_json::{Value, json};

use super::authz;
use crate::Authz;

/// What may serve before.
pub(super) const FORMER: &str = r#"{"rules":[{"name":"a","match":{},"subject":"anyone"}]}"#;

/// What comes of it, and of how many slices.
fn in_slices(policy: &str) -> Result<(Authz, usize), Errors> {
    in_slices_after(&authz(FORMER), policy)
}

/// The same, where this one serves.
fn in_slices_after(former: &Authz, policy: &str) -> Result<(Authz, usize), Errors> {
    let mut loading = Authz::load(&Rc::new(policy.as_bytes().to_vec()), former).unwrap();
    for slices in 1..10_000 {
        if let Some(authz) = loading.slice()? {
            return Ok((authz, slices));
        }
    }
    panic!("it does not end");
}

/// All that was compiled, index and texts, is in it.
pub(super) fn are_the_same(policy: &str) -> usize {
    let (sliced, slices) = in_slices(policy).unwrap();
    assert_eq!(format!("{sliced:?}"), format!("{:?}", authz(policy)));
    slices
}

fn rules(count: usize) -> Vec<Value> {
    let rule = |i: usize| match i % 7 {
        3 => json!({
            "name": format!("deny-{i}"), "effect": "deny", "detail": "no",
            "match": {"paths": [format!("/s{}/**", i / 100)],
                      "headers": [{"name": "x-tool", "exact": ["scraper"]}]},
            "subject": "anyone",
        }),
        5 => json!({
            "name": format!("own-{i}"), "match": {"paths": [{"set": "own"}]},
            "subject": {"any_scope": [{"set": "reading"}]}, "when": {"set": "caller"},
            "counted": i < 30,
        }),
        n => json!({
            "name": format!("allow-{i}"),
            "match": {"paths": [format!("/s{}/r{}/{{id}}/a{n}", i / 100, i / 10)],
                      "methods": [if i.is_multiple_of(2) { "GET" } else { "POST" }]},
            "subject": {"any_scope": [format!("s{}:read", i / 100)]},
        }),
    };
    (0..count).map(rule).collect()
}

fn sets(scope: &str) -> Value {
    json!({
        "paths": {"own": ["/users/{name}", "/users/{name}/**"]},
        "scopes": {"reading": [scope, "all"]},
        "conditions": {"caller": "path.name == identity.subject"},
    })
}

#[test]
fn a_large_policy_with_a_candidate_is_the_same() {
    let current = json!({"realm": "shop", "sets": sets("read"), "rules": rules(900)});
    assert!(are_the_same(&current.to_string()) > 8);
    let mut both = current.clone();
    both["candidate"] = json!({"mode": "cohort", "share": "5%", "rules": rules(800)});
    assert!(are_the_same(&both.to_string()) > 16);
    // The candidate's own sets count for its rules.
    both["candidate"]["sets"] = sets("other");
    both["explain_header"] = "x-why".into();
    are_the_same(&both.to_string());
}

/// Rules that serve already are not compiled again: a candidate is taken back, or put in
/// force, at once.
#[test]
fn rules_of_the_same_text_are_taken_over() {
    let mut policy = json!({"sets": sets("read"), "rules": rules(900)});
    policy["candidate"] = json!({"mode": "enforce", "rules": rules(800)});
    let (former, whole) = in_slices(&policy.to_string()).unwrap();
    let after = |policy: &Value| {
        let (authz, slices) = in_slices_after(&former, &policy.to_string()).unwrap();
        let text = policy.to_string();
        assert_eq!(format!("{authz:?}"), format!("{:?}", super::authz(&text)), "{text:.80}");
        slices
    };
    policy["candidate"]["mode"] = "shadow".into();
    assert!(after(&policy) < 10 && whole > 20, "{} of {whole}", after(&policy));
    // The candidate takes the place of the current rules, and goes.
    let candidate = policy["candidate"].take();
    let mut without = json!({"sets": sets("read"), "rules": candidate["rules"]});
    assert!(after(&without) < 10, "{}", after(&without));
    // Another set, or one rule fewer, is another text.
    without["sets"] = sets("other");
    assert!(after(&without) > 10);
    without["sets"] = sets("read");
    without["rules"].as_array_mut().unwrap().truncate(799);
    assert!(after(&without) > 10);
    // Sets of its own count for a candidate, and not those of the policy.
    policy["candidate"] = candidate;
    policy["candidate"]["sets"] = sets("other");
    assert!(after(&policy) > 10);
    // What was compiled whole is not known by its text.
    policy["candidate"].as_object_mut().unwrap().remove("sets");
    let first = authz(&policy.to_string());
    let (_, slices) = in_slices_after(&first, &policy.to_string()).unwrap();
    assert_eq!(slices, whole);
}

#[test]
fn what_cannot_be_cut_is_compiled_whole() {
    let rule = r#"{"name":"a","match":{},"subject":"anyone"}"#;
    assert_eq!(are_the_same(&format!(r#"{{"\u0072ules":[{rule}]}}"#)), 1);
}

#[test]
fn mistakes_are_named_with_their_paths() {
    let mut policy = json!({"sets": sets("read"), "rules": rules(700)});
    policy["rules"][600]["subject"] = json!({"any_scop": ["a"]});
    policy["rules"][601]["effect"] = "permit".into();
    let errors = in_slices(&policy.to_string()).unwrap_err();
    let whole = Authz::configure(&parse_json(policy.to_string().as_bytes()).unwrap(), &|_| None);
    assert_eq!(errors, whole.unwrap_err());
    assert!(errors.to_string().starts_with("rules[600].subject: unknown key `any_scop`"));
    policy["realm"] = 5.into();
    let errors = in_slices(&policy.to_string()).unwrap_err();
    assert!(errors.to_string().starts_with("realm: "), "{errors}");
    assert!(in_slices("{").is_err());
}
