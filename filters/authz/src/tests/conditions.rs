//! What rules may ask of a request and its caller, one by one; what they say
//! together is compared with a reference in `reference`.

use serde_json::{Value, json};

use super::*;

/// One rule over everything, for a subject and under conditions.
fn one(effect: &str, matches: Value, subject: Value, claims: Value) -> Authz {
    let mut rule = json!({"name": "r", "effect": effect, "match": matches, "subject": subject});
    if !claims.is_null() {
        rule["claims"] = claims;
    }
    // Whoever is not denied is allowed by this.
    let rest = json!({"name": "rest", "match": {}, "subject": "anyone"});
    let rules = if effect == "deny" { json!([rule, rest]) } else { json!([rule]) };
    authz(&json!({ "rules": rules }).to_string())
}

fn known(claims: Value) -> Vec<u8> {
    json!({"v": 1, "sub": "amy", "provider": "idp", "plan": "gold", "claims": claims})
        .to_string()
        .into_bytes()
}

#[track_caller]
fn says(authz: &Authz, headers: &[(&str, &[u8])], identity: &[u8], rule: &str, code: &str) {
    let judged = judge(authz, headers, Some(identity));
    assert_eq!((judged.rule.as_str(), judged.code), (rule, code));
}

/// The path `/orders/{owner}` belongs to whoever it names.
#[test]
fn a_path_names_its_owner() {
    let claims = json!([{"claim": "sub", "is": {"path": "owner"}}]);
    let matches = json!({"paths": ["/orders/{owner}", "/orders/{owner}/**"]});
    let own = one("allow", matches, json!("identified"), claims);
    let amy = known(json!({}));
    for path in [&b"/orders/amy"[..], b"/orders/amy/7", b"/orders/%61my", b"/x/../orders/amy"] {
        says(&own, &[(":path", path)], &amy, "r", "allowed");
    }
    for path in [&b"/orders/bob"[..], b"/orders/Amy", b"/orders/amy%20", b"/orders/amy,bob"] {
        says(&own, &[(":path", path)], &amy, "r", "wrong_subject");
    }
    says(&own, &[(":path", b"/orders/amy")], &anonymous(), "r", "identity_required");
}

#[test]
fn a_claim_that_says_nothing_neither_allows_nor_lets_a_deny_rule_pass() {
    let level = json!([{"claim": "level", "is": {"at_least": 5}}]);
    let allow = one("allow", json!({}), json!("identified"), level.clone());
    let deny = one("deny", json!({}), json!("identified"), level);
    for (claims, allowed, denied) in [
        (json!({"level": 5}), ("r", "allowed"), ("r", "deny_rule")),
        (json!({"level": 4.9}), ("r", "wrong_subject"), ("rest", "allowed")),
        (json!({}), ("r", "cannot_evaluate"), ("r", "cannot_evaluate")),
        (json!({"level": null}), ("r", "cannot_evaluate"), ("r", "cannot_evaluate")),
        (json!({"level": "5"}), ("r", "cannot_evaluate"), ("r", "cannot_evaluate")),
        (json!({"level": [4, 5]}), ("r", "allowed"), ("r", "deny_rule")),
        (json!({"level": [4, "x"]}), ("r", "cannot_evaluate"), ("r", "cannot_evaluate")),
    ] {
        says(&allow, &[], &known(claims.clone()), allowed.0, allowed.1);
        says(&deny, &[], &known(claims), denied.0, denied.1);
    }
    // A deny rule for callers with an identity is not about others.
    says(&deny, &[], &anonymous(), "rest", "allowed");
    let judged = judge(&allow, &[], Some(&known(json!({}))));
    assert_eq!(
        (judged.status, judged.problem, judged.challenge.as_str()),
        (403, "access_denied", "")
    );
}

/// One condition that fails decides, whatever cannot be told beside it.
#[test]
fn what_fails_decides_over_what_cannot_be_told() {
    let deny = one(
        "deny",
        json!({"methods": ["GET"], "body_size": {"at_most": 10}}),
        json!({"any_role": ["clerk"]}),
        json!([{"claim": "level", "is": {"above": 1}}]),
    );
    says(&deny, &[], &known(json!({"roles": ["clerk"]})), "r", "cannot_evaluate");
    says(&deny, &[], &known(json!({"roles": ["admin"]})), "rest", "allowed");
    says(
        &deny,
        &[("content-length", b"11")],
        &known(json!({"roles": ["clerk"]})),
        "rest",
        "allowed",
    );
}

#[test]
fn a_subject_is_all_of_its_parts() {
    let subject = json!({
        "providers": ["idp"], "plans": ["gold"], "any_role": ["clerk", "admin"], "all_groups": ["a", "b"],
    });
    let rule = one("allow", json!({}), subject, Value::Null);
    for (claims, code) in [
        (json!({"roles": "admin", "groups": ["b", "c", "a"]}), "allowed"),
        (json!({"roles": ["clerk"], "groups": ["a"]}), "wrong_subject"),
        (json!({"groups": ["a", "b"]}), "wrong_subject"),
        (json!({"roles": [], "groups": ["a", "b"]}), "wrong_subject"),
        (json!({"roles": {"admin": true}, "groups": ["a", "b"]}), "cannot_evaluate"),
        (json!({"roles": ["clerk", 7], "groups": ["a", "b"]}), "cannot_evaluate"),
    ] {
        says(&rule, &[], &known(claims), "r", code);
    }
}

/// Of a rule for certain callers with a scope, only those callers learn the
/// scope.
#[test]
fn only_those_who_need_nothing_else_learn_the_scopes() {
    let subject = json!({"plans": ["gold"], "any_scope": ["s"], "all_scopes": ["t", "u"]});
    let rule = one("allow", json!({}), subject, Value::Null);
    let judged = judge(&rule, &[], Some(&known(json!({}))));
    assert_eq!(judged.code, "insufficient_scope");
    assert_eq!(
        judged.challenge,
        r#"Bearer realm="postern", error="insufficient_scope", scope="s t u""#
    );
    let other = br#"{"v":1,"sub":"bob","provider":"idp","plan":"tin"}"#;
    let judged = judge(&rule, &[], Some(other));
    assert_eq!((judged.code, judged.challenge.as_str()), ("wrong_subject", ""));
}

#[test]
fn addresses_are_those_of_the_proxy() {
    let deny =
        one("deny", json!({"client_addresses": ["192.0.2.0/24"]}), json!("anyone"), Value::Null);
    let from = |address: Option<&str>| {
        let host = FakeHost::default();
        host.set_property(identity::STATE, anonymous());
        if let Some(address) = address {
            host.set_property("source.address", address);
        }
        let headers = [
            (":method", "GET"),
            (":path", "/"),
            (":authority", "a"),
            ("x-forwarded-for", "192.0.2.1"),
        ];
        let request = Request::new(Headers::new(headers), true);
        deny.request_headers(&mut Vec::new(), &request, &host).record.unwrap().code
    };
    assert_eq!(from(Some("192.0.2.9:1")), "deny_rule");
    assert_eq!(from(Some("[::ffff:192.0.2.9]:1")), "deny_rule");
    assert_eq!(from(Some("192.0.3.9:1")), "allowed");
    assert_eq!(from(Some("/run/a.sock")), "cannot_evaluate");
    assert_eq!(from(None), "cannot_evaluate");
}

/// What costs a question is asked only where it decides, and once.
#[test]
fn the_proxy_is_asked_once_and_only_if_need_be() {
    use std::cell::RefCell;

    struct Counting(FakeHost, RefCell<Vec<String>>);
    impl postern_core::Host for Counting {
        fn now(&self) -> Duration {
            self.1.borrow_mut().push("now".to_owned());
            self.0.now()
        }
        fn property(&self, path: &[&str]) -> Option<Vec<u8>> {
            self.1.borrow_mut().push(path.join("."));
            self.0.property(path)
        }
        fn verify(&self, _: &postern_core::SignatureCheck<'_>) -> Option<bool> {
            None
        }
        fn load(&self, key: &str) -> postern_core::Stored {
            self.0.load(key)
        }
        fn store(
            &self,
            key: &str,
            value: &[u8],
            seen: &postern_core::Stored,
        ) -> Result<(), postern_core::StoreError> {
            self.0.store(key, value, seen)
        }
    }

    let conditions = json!({
        "client_addresses": ["192.0.2.0/24"], "routes": ["main"], "times": [{"days": ["mon"]}],
    });
    let rule = |name: &str, effect: &str, path: &str, extra: &Value| {
        let mut matches = extra.clone();
        matches["paths"] = json!([path]);
        json!({"name": name, "effect": effect, "match": matches, "subject": "anyone"})
    };
    let all_days = json!({"client_addresses": ["192.0.2.0/24"], "routes": ["main"],
        "times": [{"days": ["mon", "tue", "wed", "thu", "fri", "sat", "sun"]}]});
    let policy = json!({"rules": [
        rule("plain", "allow", "/plain", &json!({})),
        rule("first", "deny", "/all", &conditions),
        rule("second", "deny", "/all", &all_days),
        rule("third", "deny", "/all", &all_days),
        rule("rest", "allow", "/**", &json!({})),
    ]});
    let authz = authz(&policy.to_string());
    let asked = |path: &str| {
        let host = Counting(FakeHost::default(), RefCell::default());
        host.0.set_property(identity::STATE, anonymous());
        host.0.set_property("xds.route_name", "main");
        host.0.set_property("source.address", "198.51.100.1:1");
        let headers = [(":method", "GET"), (":path", path), (":authority", "a")];
        let request = Request::new(Headers::new(headers), true);
        let outcome = authz.request_headers(&mut Vec::new(), &request, &host);
        assert_eq!(outcome.record.unwrap().code, "allowed");
        host.1.into_inner()
    };
    assert_eq!(asked("/plain"), ["postern.identity"]);
    // The epoch was a Thursday.
    assert_eq!(asked("/all"), ["postern.identity", "now", "xds.route_name", "source.address"]);
}

/// A second copy of a header must not get a request past a rule: which of two counts is
/// the upstream's to say.
#[test]
fn a_header_that_says_two_things_neither_allows_nor_lets_a_deny_rule_pass() {
    for key in ["headers", "any_header"] {
        let matches = json!({key: [{"name": "x-env", "exact": ["test"]}]});
        let allow = one("allow", matches.clone(), json!("anyone"), Value::Null);
        let deny = one("deny", matches, json!("anyone"), Value::Null);
        for (values, allowed, denied) in [
            (&["test"][..], ("r", "allowed"), ("r", "deny_rule")),
            (&["test", "test"], ("r", "allowed"), ("r", "deny_rule")),
            (&["live", "live"], ("-", "no_rule"), ("rest", "allowed")),
            (&["test", "live"], ("r", "cannot_evaluate"), ("r", "cannot_evaluate")),
            (&["live", "test"], ("r", "cannot_evaluate"), ("r", "cannot_evaluate")),
            (&["live", "dark"], ("r", "cannot_evaluate"), ("r", "cannot_evaluate")),
            (&[], ("-", "no_rule"), ("rest", "allowed")),
        ] {
            let headers: Vec<_> = values.iter().map(|v| ("x-env", v.as_bytes())).collect();
            says(&allow, &headers, &anonymous(), allowed.0, allowed.1);
            says(&deny, &headers, &anonymous(), denied.0, denied.1);
        }
    }
    let there = json!({"headers": [{"name": "x-env", "present": true}]});
    let there = one("allow", there, json!("anyone"), Value::Null);
    says(&there, &[("x-env", b"a"), ("x-env", b"b")], &anonymous(), "r", "allowed");
}

/// Which of two is meant nobody can tell; it is not as if there were none.
#[test]
fn a_claim_that_stands_twice_neither_allows_nor_lets_a_deny_rule_pass() {
    let twice: &[u8] = br#"{"v":1,"sub":"amy","claims":{"roles":["a"],"x":1,"roles":["b"],"y":1}}"#;
    let unknown = ("r", "cannot_evaluate");
    for (subject, claims) in [
        (json!({"any_role": ["c"]}), Value::Null),
        (json!({"all_roles": ["a"]}), Value::Null),
        (json!("identified"), json!([{"claim": "roles", "is": {"present": false}}])),
        (json!("identified"), json!([{"claim": "roles", "is": {"exact": "b"}}])),
    ] {
        for effect in ["allow", "deny"] {
            let rule = one(effect, json!({}), subject.clone(), claims.clone());
            says(&rule, &[], twice, unknown.0, unknown.1);
        }
    }
    let other = json!([{"claim": "y", "is": {"exact": 1}}]);
    says(&one("allow", json!({}), json!("identified"), other), &[], twice, "r", "allowed");
    // An expression sees all claims at once.
    for when in ["identity.claims.y == 1", "!has(identity.claims.roles)"] {
        let rule = json!({"name": "r", "match": {}, "subject": "identified", "when": when});
        says(&authz(&json!({"rules": [rule]}).to_string()), &[], twice, "r", "cannot_evaluate");
    }
}
