//! What could not be evaluated stands in the record, by its name alone.

use serde_json::{Value, json};

use super::*;

const SECRET: &str = "hunter2";

fn known(claims: Value) -> Vec<u8> {
    json!({"v": 1, "sub": "amy", "provider": "idp", "claims": claims}).to_string().into_bytes()
}

/// The record's member for a deny rule over everything that has this beside its name; and
/// for an allow rule.
#[track_caller]
fn unsure(more: Value, headers: &[(&str, &str)], claims: Value, expected: &str) {
    for effect in ["deny", "allow"] {
        let mut rule = json!({"name": "r", "effect": effect, "match": {}, "subject": "identified"});
        rule.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let authz = authz(&json!({"rules": [rule]}).to_string());
        let record = record(&authz, headers, &known(claims.clone()));
        assert!(!record.to_string().contains(SECRET), "{record}");
        assert_eq!((&record["code"], &record["rule"]), (&json!("cannot_evaluate"), &json!("r")));
        assert_eq!(record["unsure"], expected, "{effect} {more}");
    }
}

fn record(authz: &Authz, headers: &[(&str, &str)], identity: &[u8]) -> Value {
    let mut all = vec![(":method", "GET"), (":authority", "a.example")];
    if !headers.iter().any(|(name, _)| *name == ":path") {
        all.push((":path", "/"));
    }
    all.extend(headers);
    let host = FakeHost::default();
    host.set_property(identity::STATE, identity);
    let request = Request::new(Headers::new(all), false);
    let outcome = authz.request_headers(&mut Vec::new(), &request, &host);
    serde_json::from_slice(&outcome.record.unwrap().to_json("v")).unwrap()
}

#[test]
fn each_kind_of_condition_says_what_it_lacks() {
    let level = json!({"claims": [{"claim": "team", "is": {"exact": "x"}},
                                  {"claim": "level", "is": {"at_least": 3}}]});
    let team = || json!({"team": "x"});
    unsure(level.clone(), &[], team(), "the claim `level` is not there");
    let other = json!({"team": "x", "level": SECRET});
    let kind = "the claim `level` is of another kind, or stands there twice";
    unsure(level, &[], other, kind);
    let role = json!({"subject": {"any_role": ["a"]}});
    let kind = "the claim `roles` is of another kind, or stands there twice";
    unsure(role, &[], json!({"roles": {"a": SECRET}}), kind);
    let header = |name: &str| json!({"match": {(name): [{"name": "x-team", "exact": ["blue"]}]}});
    let twice = [("x-team", "blue"), ("x-team", SECRET)];
    for name in ["headers", "any_header"] {
        unsure(header(name), &twice, json!({}), "the header `x-team` has several values");
    }
    let query = json!({"match": {"query": [{"name": "mode", "exact": ["a"]}]}});
    let path = [(":path", "/?mode=a&mode=hunter2")];
    unsure(query, &path, json!({}), "the parameter `mode` says several things");
    let types = json!({"match": {"content_types": ["image/*"]}});
    let twice = [("content-type", "image/png"), ("content-type", "text/plain")];
    unsure(types, &twice, json!({}), "there are several content types");
    let size = json!({"match": {"body_size": {"at_most": 5}}});
    unsure(size, &[], json!({}), "the body does not say how long it is");
    let address = json!({"match": {"client_addresses": ["10.0.0.0/8"]}});
    unsure(address, &[], json!({}), "the address of the client cannot be read");
}

#[test]
fn of_a_condition_in_cel_the_part_is_named_that_comes_to_nothing() {
    let when = |text: &str| json!({"match": {"paths": ["/**"]}, "when": text});
    let is = |text: &str, path: &str, expected: &str| {
        let claims = json!({"team": SECRET, "level": 3});
        unsure(when(text), &[(":path", path)], claims, expected);
    };
    is("identity.plan == 'gold'", "/", "`when`, from byte 1 on: it is not there");
    is(
        "true && int(identity.claims.team) > 2",
        "/",
        "`when`, from byte 9 on: it is of another kind",
    );
    is("identity.claims.level > 'a'", "/", "`when`, from byte 23 on: it is of another kind");
    is(
        "(request.query.a == 'b') != false",
        "/?a=b&a=c",
        "`when`, from byte 16 on: it has several values",
    );
    is("identity.claims.level / 0 == 1", "/", "`when`, from byte 23 on: it divides by zero");
    is("[1, 2].exists(n, n / 0 == 1)", "/", "`when`, from byte 8 on: it divides by zero");
    // The side that decides is not the one that is missing.
    is(
        "has(identity.plan) ? false : request.headers['x-a'] == 'b'",
        "/",
        "`when`, from byte 45 on: it is not there",
    );
    is("identity.claims.team", "/", "`when`, from byte 17 on: it is of another kind");
}

#[test]
fn a_candidate_says_it_of_itself() {
    let rule = |level: u8| {
        json!({"name": "r", "match": {}, "subject": "identified",
               "claims": [{"claim": format!("level-{level}"), "is": {"at_least": level}}]})
    };
    let policy = json!({"rules": [rule(1)],
                        "candidate": {"mode": "shadow", "rules": [rule(2)]}});
    let record = |claims: Value| record(&authz(&policy.to_string()), &[], &known(claims));
    let both = record(json!({}));
    assert_eq!(both["unsure"], "the claim `level-1` is not there");
    assert_eq!(both["candidate"]["unsure"], "the claim `level-2` is not there");
    let one = record(json!({"level-1": 1}));
    assert_eq!((&one["code"], &one["unsure"]), (&json!("allowed"), &Value::Null));
    assert_eq!(one["candidate"]["unsure"], "the claim `level-2` is not there");
}

/// Each may take its steps; all together they may not.
#[test]
fn steps_that_all_conditions_share() {
    let texts: Vec<String> = (0..35).map(|n| format!("'{n}'")).collect();
    let list = texts.join(", ");
    let when = format!("[{list}].all(a, [{list}].all(b, a != 'x'))");
    let rule = |n: usize| {
        json!({"name": format!("r{n}"), "effect": "deny", "match": {}, "subject": "anyone",
               "when": format!("!({when})")})
    };
    let rules: Vec<Value> = (0..20).map(rule).collect();
    let record = record(&authz(&json!({ "rules": rules }).to_string()), &[], &known(json!({})));
    assert_eq!(record["unsure"], "the conditions of all rules take too many steps", "{record}");
}
