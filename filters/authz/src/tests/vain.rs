//! What a policy says in vain.

use serde_json::{Value, json};

use super::*;
use crate::review::review;

#[track_caller]
fn finds(policy: &Value, errors: &[&str], warnings: &[&str]) {
    let review = review(&parse_json(policy.to_string().as_bytes()).unwrap()).unwrap();
    let lines = |found: &postern_core::config::Errors| {
        found.problems().iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    assert_eq!(lines(&review.errors), errors);
    assert_eq!(lines(&review.warnings), warnings);
}

fn rule(name: &str, effect: &str, paths: &[&str], subject: Value) -> Value {
    json!({"name": name, "effect": effect, "match": {"paths": paths}, "subject": subject})
}

#[test]
fn rules_that_never_decide_are_named_with_those_that_do() {
    finds(
        &json!({"rules": [
            rule("own", "allow", &["/a/{x}"], json!({"any_scope": ["s"]})),
            rule("all", "allow", &["/a/**"], json!({"any_scope": ["s", "t"]})),
            rule("no", "deny", &["/b/**", "/c"], json!("anyone")),
            rule("dead", "allow", &["/b/x", "/c"], json!({"all_scopes": ["s"]})),
            rule("alive", "allow", &["/b/x", "/d"], json!("anyone")),
            rule("again", "deny", &["/b/{x}"], json!("identified")),
            rule("twin", "allow", &["/a/**"], json!({"any_scope": ["t", "s"]})),
        ]}),
        &["rules[3]: `dead` never allows: the deny rule `no` refuses all that it is about"],
        &[
            "rules[0]: `own` changes nothing: `all` allows all that it allows",
            "rules[5]: `again` changes nothing: `no` refuses all that it refuses",
            "rules[6]: `twin` changes nothing: `all` allows all that it allows",
        ],
    );
}

#[test]
fn rules_that_ask_for_less_are_not_in_vain() {
    let wide = json!({"name": "wide", "match": {"paths": ["/**"], "methods": ["GET"],
        "headers": [{"name": "a", "present": true}], "client_addresses": ["10.0.0.0/8"],
        "query": [{"name": "q", "exact": ["1"]}], "body_size": {"at_most": 10},
        "times": [{"days": ["mon"]}], "content_types": ["image/*"], "hosts": ["*.example"]},
        "subject": {"any_role": ["a", "b"]},
        "claims": [{"claim": "c", "is": {"exact": 1}}]});
    let mut narrow = wide.clone();
    narrow["name"] = json!("narrow");
    narrow["match"]["paths"] = json!(["/a"]);
    narrow["match"]["client_addresses"] = json!(["10.1.0.0/16"]);
    narrow["match"]["content_types"] = json!(["image/png"]);
    narrow["match"]["hosts"] = json!(["a.example"]);
    narrow["match"]["methods"] = json!(["HEAD"]);
    narrow["match"]["body_size"] = json!({"at_least": 1, "at_most": 9});
    narrow["subject"]["any_role"] = json!(["b"]);
    let in_vain = ["rules[1]: `narrow` changes nothing: `wide` allows all that it allows"];
    finds(&json!({"rules": [wide, narrow]}), &[], &in_vain);
    // Each of these alone makes it wider somewhere.
    for (at, value) in [
        ("/match/methods", json!(["POST"])),
        ("/match/client_addresses", json!(["11.0.0.0/8"])),
        ("/match/content_types", json!(["text/plain"])),
        ("/match/hosts", json!(["example"])),
        ("/match/body_size", json!({"at_most": 11})),
        ("/match/headers", json!([{"name": "a", "present": false}])),
        ("/match/query", json!([{"name": "q", "exact": ["2"]}])),
        ("/match/times", json!([{"days": ["tue"]}])),
        ("/subject", json!({"any_role": ["a", "c"]})),
        ("/subject", json!("identified")),
        ("/claims", json!([{"claim": "c", "is": {"exact": 2}}])),
    ] {
        let mut other = narrow.clone();
        *other.pointer_mut(at).unwrap() = value;
        finds(&json!({"rules": [wide, other]}), &[], &[]);
    }
    // It is heard first, and does more than to allow.
    let mut first = narrow.clone();
    first["obligations"] = json!({"tags": {"a": "b"}});
    finds(&json!({"rules": [first, wide]}), &[], &[]);
}

/// To stop everything is a way out in need: it is not refused.
#[test]
fn a_rule_that_denies_everything_is_meant() {
    finds(
        &json!({"rules": [
            {"name": "stop", "effect": "deny", "match": {}, "subject": "anyone"},
            rule("a", "allow", &["/a"], json!("anyone")),
        ]}),
        &[],
        &["rules[1]: `a` never allows: the deny rule `stop` refuses all that it is about"],
    );
}

#[test]
fn sets_that_no_rule_names_are_told() {
    finds(
        &json!({
            "sets": {
                "paths": {"a": ["/a"], "b": ["/b"], "c": ["/c"]},
                "matches": {"m": {"paths": [{"set": "b"}]}},
                "subjects": {"s": "identified"},
            },
            "rules": [
                {"name": "a", "match": {"paths": [{"set": "a"}]}, "subject": "anyone"},
                {"name": "m", "match": {"set": "m"}, "subject": "anyone"},
            ],
        }),
        &[],
        &[
            "sets.paths.c: no rule refers to the set `c`",
            "sets.subjects.s: no rule refers to the set `s`",
        ],
    );
}

/// What a template captures is part of what a rule with such a condition says.
#[test]
fn a_rule_about_another_part_of_the_path_covers_nothing() {
    let with = |name: &str, paths: Value, key: &str, value: Value| {
        let mut rule = json!({"name": name, "match": {"paths": paths}, "subject": "identified"});
        rule[key] = value;
        rule
    };
    for (key, value) in [
        ("when", json!("path.name == identity.subject")),
        ("claims", json!([{"claim": "sub", "is": {"path": "name"}}])),
    ] {
        let pair = |wide: Value, narrow: Value| json!({"rules": [with("a", wide, key, value.clone()), with("b", narrow, key, value.clone())]});
        finds(&pair(json!(["/u/{name}/{x}"]), json!(["/u/{x}/{name}"])), &[], &[]);
        finds(
            &pair(json!(["/u/{name}/{x}", "/v/{name}"]), json!(["/u/{name}/{x}"])),
            &[],
            &["rules[1]: `b` changes nothing: `a` allows all that it allows"],
        );
    }
    // Conditions on anything else are the same under every template.
    let other = |name: &str, paths: Value| with(name, paths, "when", json!("request.size < 5"));
    finds(
        &json!({"rules": [other("a", json!(["/u/{x}"])), other("b", json!(["/u/{y}"]))]}),
        &[],
        &["rules[1]: `b` changes nothing: `a` allows all that it allows"],
    );
}

#[test]
fn a_condition_that_forgets_head_is_told() {
    let when = |when: &str| {
        json!({"rules": [
            {"name": "a", "match": {"paths": ["/a"]}, "subject": "anyone", "when": when},
        ]})
    };
    let told = "rules[0].when: asks for the method `GET` alone: a `HEAD` request gets the same \
                answer without its body; `methods: [GET]` stands for both, \
                `request.method in ['GET', 'HEAD']` too";
    for forgets in [
        "request.method == 'GET'",
        "!('GET' != request.method)",
        "request.method in ['GET', 'POST'] && request.size < 5",
        "request.size < 5 ? [1].exists(n, request.method == 'GET') : false",
    ] {
        finds(&when(forgets), &[], &[told]);
    }
    for remembers in [
        "request.method in ['GET', 'HEAD']",
        "request.method == 'GET' || request.method == 'HEAD'",
        "request.method == 'POST'",
        "request.query.a == 'GET'",
    ] {
        finds(&when(remembers), &[], &[]);
    }
    let mut policy = when("true");
    policy["candidate"] =
        json!({"mode": "shadow", "rules": when("request.method == 'GET'")["rules"]});
    finds(&policy, &[], &[&format!("candidate.{told}")]);
}

#[test]
fn what_is_intended_without_a_candidate_is_told() {
    let mut own = rule("a", "deny", &["/a"], json!("anyone"));
    own["intended"] = json!(true);
    let candidate = json!({"mode": "shadow", "rules": [own]});
    let told = "rules[0].intended: means nothing here: the rules of a candidate may have it";
    finds(&json!({"rules": [own], "candidate": candidate}), &[], &[told]);
}

#[test]
fn what_is_intended_of_a_rule_that_is_new_is_told() {
    let rules = json!([rule("a", "allow", &["/a"], json!("anyone"))]);
    let with = |name: &str, effect: &str| {
        let mut own = rule(name, effect, &["/a/b"], json!("anyone"));
        own["intended"] = json!(true);
        json!({"rules": rules, "candidate": {"mode": "shadow", "rules": [own]}})
    };
    let told = "candidate.rules[0].intended: means nothing: no current rule has this name, so \
                there is nobody whom this one is meant to refuse";
    finds(&with("b", "allow"), &[], &[told]);
    finds(&with("a", "allow"), &[], &[]);
    finds(&with("b", "deny"), &[], &[]);
}

/// Of one caller few requests count, so a crowd is needed for many.
#[test]
fn a_valve_that_waits_for_more_than_its_callers_send_is_told() {
    let with = |valve: Value| {
        let rules = json!([rule("a", "allow", &["/a"], json!("anyone"))]);
        json!({"rules": rules, "candidate": {"mode": "shadow", "rules": rules, "valve": valve}})
    };
    finds(&with(json!({})), &[], &[]);
    finds(&with(json!({"minimum_requests": 400})), &[], &[]);
    finds(&with(json!({"minimum_requests": 800, "minimum_callers": 10})), &[], &[]);
    finds(
        &with(json!({"minimum_requests": 401})),
        &[],
        &["candidate.valve.minimum_requests: takes 6 callers in a window on one worker, more \
           than `minimum_callers`: of each, 80 requests count there; where fewer come, nothing \
           takes the candidate back"],
    );
}
