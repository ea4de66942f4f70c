//! What clients, upstreams and logs are told.

use postern_core::Response;
use serde_json::{Value, json};

use super::*;

fn policy(more: Value) -> Authz {
    let mut policy = json!({"rules": [
        {"name": "closed", "effect": "deny", "match": {"paths": ["/closed"]}, "subject": "anyone",
         "detail": "trading is closed", "counted": true},
        {"name": "secret-rule", "effect": "deny", "match": {"paths": ["/secret"]}, "subject": "anyone"},
        {"name": "tagged", "match": {"paths": ["/tagged"]}, "subject": "anyone", "counted": true,
         "obligations": {"request_headers": {"X-Tier": "gold"},
             "response_headers": {"cache-control": "private"}, "tags": {"team": "sales"}}},
        {"name": "plain", "match": {"paths": ["/plain"]}, "subject": "anyone"},
    ]});
    for (key, value) in more.as_object().unwrap() {
        policy[key] = value.clone();
    }
    authz(&policy.to_string())
}

struct Told {
    body: Value,
    headers: Vec<(String, String)>,
    record: String,
    counted: Vec<String>,
    due: Vec<HeaderEdit>,
    edits: Vec<HeaderEdit>,
}

fn told(authz: &Authz, path: &str) -> Told {
    let host = FakeHost::default();
    host.set_property(identity::STATE, anonymous());
    let headers = [(":method", "GET"), (":path", path), (":authority", "a")];
    let request = Request::new(Headers::new(headers), true);
    let mut due = Vec::new();
    let outcome = authz.request_headers(&mut due, &request, &host);
    assert_eq!(authz.follows(&due), !due.is_empty());
    let metrics = authz.metrics();
    let counted = outcome.count.iter().map(|i| metrics[*i].name.to_string()).collect();
    let (body, headers) = match &outcome.step {
        Step::Refuse(refusal) => {
            let reply = refusal.to_reply(None);
            let text = |(n, v): (postern_core::step::Name, Vec<u8>)| {
                (n.into_owned(), String::from_utf8(v).unwrap())
            };
            (
                serde_json::from_slice(&reply.body).unwrap(),
                reply.headers.into_iter().map(text).collect(),
            )
        }
        _ => (Value::Null, Vec::new()),
    };
    let record = String::from_utf8(outcome.record.unwrap().to_json("v")).unwrap();
    Told { body, headers, record, counted, due, edits: outcome.headers }
}

#[test]
fn refusals_say_what_the_policy_wants_said() {
    let generic = "the policy does not allow this request";
    let plain = policy(json!({}));
    let secret = told(&plain, "/secret");
    assert_eq!(secret.body["detail"], generic);
    assert!(!secret.body.to_string().contains("secret-rule"), "the rule is not told");
    assert_eq!(told(&plain, "/other").body, secret.body);
    assert_eq!(told(&plain, "/closed").body["detail"], "trading is closed");
    let open = policy(json!({"refusals": {"detail": "ask the desk", "name_rule": true}}));
    let secret = told(&open, "/secret");
    assert_eq!(
        (&secret.body["detail"], &secret.body["rule"]),
        (&json!("ask the desk"), &json!("secret-rule"))
    );
    assert_eq!(told(&open, "/other").body.get("rule"), None);
}

#[test]
fn the_reason_is_in_a_header_only_if_the_policy_says_so() {
    let is_told = |told: &Told| {
        let refused = told.headers.iter().find(|(n, _)| n == "x-why").map(|(_, v)| v.clone());
        let due = told.due.iter().find(|edit| edit.name() == "x-why");
        refused.or(due.map(|edit| match edit {
            HeaderEdit::Set(_, value) => String::from_utf8(value.clone()).unwrap(),
            other => panic!("{other:?}"),
        }))
    };
    let quiet = policy(json!({}));
    let open = policy(json!({"explain_header": "X-Why"}));
    for (path, expected) in [
        ("/plain", "allowed; rule=plain"),
        ("/closed", "deny_rule; rule=closed"),
        ("/other", "no_rule; rule=-"),
        ("/%zz", "bad_request; rule=-"),
    ] {
        assert_eq!(is_told(&told(&quiet, path)), None, "{path}");
        assert_eq!(is_told(&told(&open, path)).as_deref(), Some(expected), "{path}");
    }
}

#[test]
fn obligations_are_met_on_both_ways_and_in_the_record() {
    let authz = policy(json!({}));
    let mut tagged = told(&authz, "/tagged");
    assert_eq!(tagged.edits, [HeaderEdit::set("x-tier", "gold")]);
    assert_eq!(
        tagged.record,
        r#"{"decision":"allow","rule":"tagged","code":"allowed","version":"v","mode":"enforce","tags":{"team":"sales"}}"#
    );
    let response = Response::new(Headers::new([(":status", "200")]), true);
    let outcome = authz.response_headers(&mut tagged.due, &response, &FakeHost::default());
    assert_eq!(outcome.headers, [HeaderEdit::set("cache-control", "private")]);
    let plain = told(&authz, "/plain");
    assert_eq!((plain.edits.len(), plain.due.len()), (0, 0));
}

#[test]
fn decisions_are_counted_by_reason_and_some_rules_by_themselves() {
    let authz = policy(json!({}));
    let counted = |path| told(&authz, path).counted;
    assert_eq!(counted("/plain"), ["decisions.enforce.allow.allowed"]);
    assert_eq!(counted("/tagged"), ["decisions.enforce.allow.allowed", "rule_decisions.tagged"]);
    assert_eq!(counted("/closed"), ["decisions.enforce.deny.deny_rule", "rule_decisions.closed"]);
    assert_eq!(counted("/other"), ["decisions.enforce.deny.no_rule"]);
    assert_eq!(counted("/%zz"), ["decisions.enforce.deny.bad_request"]);
}
