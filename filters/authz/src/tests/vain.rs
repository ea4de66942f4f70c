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
