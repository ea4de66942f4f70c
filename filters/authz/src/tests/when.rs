//! Conditions in CEL as parts of rules.

use super::*;

const POLICY: &str = r#"{"rules": [
    {"name": "own", "match": {"methods": ["GET"], "paths": ["/user/{name}", "/me"]},
     "subject": "anyone",
     "when": "has(path.name) ? path.name == identity.subject : !identity.anonymous"},
    {"name": "small", "match": {"methods": ["POST"], "paths": ["/user/{name}"]},
     "subject": {"any_scope": ["write"]}, "when": "request.size < 10"},
    {"name": "team", "match": {"paths": ["/team"]}, "subject": "identified",
     "when": "identity.claims.team == request.headers['x-team']"},
    {"name": "open", "match": {"paths": ["/open"]}, "subject": "anyone"},
    {"name": "no-robots", "effect": "deny", "match": {"paths": ["/open"]}, "subject": "anyone",
     "when": "'x-robot' in request.headers && request.headers['x-robot'] != 'kind'"}
]}"#;

#[track_caller]
fn says(headers: &[(&str, &[u8])], identity: &[u8], status: u16, rule: &str, code: &str) {
    let judged = judge(&authz(POLICY), headers, Some(identity));
    assert_eq!((judged.status, judged.rule.as_str(), judged.code), (status, rule, code));
}

#[test]
fn a_rule_applies_where_its_condition_holds() {
    let known = caller(&["read"]);
    says(&[(":path", b"/user/northwind")], &known, 0, "own", "allowed");
    says(&[(":path", b"/user/north%77ind")], &known, 0, "own", "allowed");
    says(&[(":path", b"/me")], &known, 0, "own", "allowed");
    says(&[(":path", b"/user/bluefin")], &known, 403, "own", "wrong_subject");
    says(&[(":path", b"/open")], &known, 0, "open", "allowed");
    says(&[(":path", b"/open"), ("x-robot", b"kind")], &known, 0, "open", "allowed");
    says(&[(":path", b"/open"), ("x-robot", b"bad")], &known, 403, "no-robots", "deny_rule");
}

#[test]
fn a_condition_on_the_caller_asks_for_an_identity() {
    says(&[(":path", b"/user/northwind")], &anonymous(), 401, "own", "identity_required");
    says(&[(":path", b"/me")], &anonymous(), 401, "own", "identity_required");
}

#[test]
fn a_condition_on_the_request_says_what_the_rule_is_about() {
    let post = |length: &'static [u8]| {
        [(":method", &b"POST"[..]), (":path", b"/user/a"), ("content-length", length)]
    };
    says(&post(b"9"), &caller(&["write"]), 0, "small", "allowed");
    says(&post(b"9"), &caller(&[]), 403, "small", "insufficient_scope");
    says(&post(b"9"), &anonymous(), 401, "small", "identity_required");
    // No scope would help here.
    says(&post(b"10"), &caller(&[]), 403, "-", "no_rule");
    says(&post(b"10"), &anonymous(), 403, "-", "no_rule");
}

#[test]
fn what_cannot_be_evaluated_denies_and_says_so() {
    let known = caller(&[]);
    says(&[(":path", b"/team"), ("x-team", b"a")], &known, 403, "team", "cannot_evaluate");
    says(&[(":path", b"/team")], &known, 403, "team", "cannot_evaluate");
    let bytes = [(":path", &b"/open"[..]), ("x-robot", b"\xff")];
    says(&bytes, &known, 403, "no-robots", "cannot_evaluate");
    let twice = [(":path", &b"/open"[..]), ("x-robot", b"kind"), ("x-robot", b"bad")];
    says(&twice, &known, 403, "no-robots", "cannot_evaluate");
    let post = [(":method", &b"POST"[..]), (":path", b"/user/a"), ("content-length", b"many")];
    says(&post, &caller(&["write"]), 403, "small", "cannot_evaluate");
}

#[test]
fn a_named_condition_is_the_one_that_it_names() {
    let policy = authz(
        r#"{"sets": {"conditions": {"own": "path.name == identity.subject"}}, "rules": [
            {"name": "user", "match": {"paths": ["/user/{name}"]}, "subject": "identified",
             "when": {"set": "own"}}
        ]}"#,
    );
    let judged = |path: &[u8]| judge(&policy, &[(":path", path)], Some(&caller(&[]))).code;
    assert_eq!(judged(b"/user/northwind"), "allowed");
    assert_eq!(judged(b"/user/bluefin"), "wrong_subject");
    refused(
        r#"{"sets": {"conditions": {"own": "path.name == identity.subject"}}, "rules": [
            {"name": "a", "match": {"paths": ["/a"]}, "subject": "identified", "when": {"set": "own"}},
            {"name": "b", "match": {"paths": ["/b"]}, "subject": "identified", "when": {"set": "other"}}
        ]}"#,
        "rules[0].when: column 6: the rule's `paths` have no `{name}`\n\
         rules[1].when.set: `sets.conditions` has no `other`",
    );
    refused(
        r#"{"sets": {"conditions": {"own": "path.name = 1"}}, "rules": [
            {"name": "a", "match": {"paths": ["/a"]}, "subject": "identified", "when": {"set": "own"}}
        ]}"#,
        "sets.conditions.own: column 11: expected `==`",
    );
}

#[test]
fn a_condition_narrows_what_a_rule_covers() {
    let reviewed = |first: &str, second: &str| {
        let policy = format!(
            r#"{{"rules": [
                {{"name": "no", "effect": "deny", "match": {{}}, "subject": "identified" {first}}},
                {{"name": "yes", "match": {{}}, "subject": "identified" {second}}}
            ]}}"#
        );
        let review = crate::review::review(&parse_json(policy.as_bytes()).unwrap()).unwrap();
        review.errors.to_string()
    };
    let (one, other) = (r#", "when": "request.size > 1""#, r#", "when": "request.size > 2""#);
    let vain = "rules[1]: `yes` never allows: the deny rule `no` refuses all that it is about";
    assert_eq!(reviewed("", ""), vain);
    assert_eq!(reviewed("", one), vain);
    assert_eq!(reviewed(one, one), vain);
    assert_eq!(reviewed(one, ""), "");
    assert_eq!(reviewed(one, other), "");
}

#[track_caller]
fn refused(policy: &str, expected: &str) {
    let errors = Authz::configure(&parse_json(policy.as_bytes()).unwrap(), &|_| None).unwrap_err();
    assert_eq!(errors.to_string(), expected);
}

#[test]
fn mistakes_are_told_with_the_rule_and_the_column() {
    refused(
        r#"{"rules": [
        {"name": "a", "match": {"paths": ["/a/{id}"]}, "subject": "anyone", "when": "path.name == 'a'"},
        {"name": "b", "match": {}, "subject": "anyone", "when": "request.size < '1'"},
        {"name": "c", "match": {}, "subject": "anyone", "when": "true &&\n requst.method == 'GET'"},
        {"name": "d", "match": {}, "subject": "anyone", "when": true},
        {"name": "e", "match": {}, "subject": "anyone", "when": ""}
    ]}"#,
        "rules[0].when: column 6: the rule's `paths` have no `{name}`\n\
         rules[1].when: column 14: `<` has no meaning for int and string\n\
         rules[2].when: line 2, column 2: unknown variable `requst`: did you mean `request`?\n\
         rules[3].when: expected a condition in CEL, but found a boolean\n\
         rules[4].when: column 1: expected a value, but found the end",
    );
}

/// Two templates of one rule may bind a part of the path differently.
#[test]
fn every_template_of_a_rule_is_judged() {
    const POLICY: &str = r#"{"rules": [
        {"name": "all", "match": {"paths": ["/t/**"]}, "subject": "anyone"},
        {"name": "mallory", "effect": "deny",
         "match": {"paths": ["/t/{name}/*", "/t/*/{name}"]}, "subject": "anyone",
         "when": "path.name == 'mallory'"},
        {"name": "own", "match": {"paths": ["/o/{user}/*", "/o/*/{user}"]}, "subject": "identified",
         "claims": [{"claim": "sub", "is": {"path": "user"}}]}
    ]}"#;
    let status = |path: &str, identity: &[u8]| {
        judge(&authz(POLICY), &[(":path", path.as_bytes())], Some(identity)).status
    };
    for (path, expected) in [
        ("/t/alice/bob", 0),
        ("/t/mallory/alice", 403),
        ("/t/alice/mallory", 403),
        ("/t/alice/m%61llory", 403),
    ] {
        assert_eq!(status(path, &anonymous()), expected, "{path}");
    }
    let northwind = br#"{"v":1,"sub":"northwind"}"#;
    for (path, expected) in [("/o/northwind/x", 0), ("/o/x/northwind", 0), ("/o/x/y", 403)] {
        assert_eq!(status(path, northwind), expected, "{path}");
    }
}

/// However many rules there are, a request takes no longer than the budget for all.
#[test]
fn all_conditions_of_a_request_together_are_bounded() {
    // Some 8,800 steps of 10,000.
    let claims: Vec<String> = (0..2_200).map(|n| n.to_string()).collect();
    let identity = format!(r#"{{"v":1,"sub":"a","claims":{{"n":[{}]}}}}"#, claims.join(","));
    let policy = |dear: usize, last: &str| {
        let dear = (0..dear).map(|n| {
            format!(
                r#"{{"name": "d{n}", "effect": "deny", "match": {{}}, "subject": "identified",
                     "when": "identity.claims.n.exists(n, n < 0)"}}, "#
            )
        });
        authz(&format!(r#"{{"rules": [{}{last}]}}"#, dear.collect::<String>()))
    };
    let allow = r#"{"name": "yes", "match": {}, "subject": "identified", "when": "1 < 2"}"#;
    let said = |policy: &Authz| {
        let judged = judge(policy, &[], Some(identity.as_bytes()));
        (judged.rule, judged.code)
    };
    assert_eq!(said(&policy(4, allow)), ("yes".to_owned(), "allowed"));
    assert_eq!(said(&policy(9, allow)), ("d5".to_owned(), "cannot_evaluate"));
    // The next request begins anew.
    let several = policy(4, allow);
    for _ in 0..3 {
        assert_eq!(said(&several), ("yes".to_owned(), "allowed"));
    }
}

/// What the current rules take is not taken from the candidate: it would refuse what it
/// allows.
#[test]
fn current_rules_and_candidate_have_a_budget_each() {
    // Three conditions of some 8,800 steps each, of 50,000.
    let claims: Vec<String> = (0..2_200).map(|n| n.to_string()).collect();
    let identity = format!(r#"{{"v":1,"sub":"a","claims":{{"n":[{}]}}}}"#, claims.join(","));
    let dear = (0..3).map(|n| {
        serde_json::json!({"name": format!("d{n}"), "effect": "deny", "match": {},
            "subject": "identified", "when": "identity.claims.n.exists(n, n < 0)"})
    });
    let allow = serde_json::json!({"name": "yes", "match": {}, "subject": "anyone"});
    let rules: Vec<_> = dear.chain([allow]).collect();
    let policy = serde_json::json!({
        "rules": rules, "candidate": {"mode": "shadow", "rules": rules},
    });
    let host = FakeHost::at(Duration::from_secs(1_700_000_000));
    host.set_property(identity::STATE, identity);
    let headers = [(":method", "GET"), (":path", "/"), (":authority", "api.example.com")];
    let request = Request::new(Headers::new(headers), true);
    let outcome = authz(&policy.to_string()).request_headers(&mut Vec::new(), &request, &host);
    let record = outcome.record.unwrap();
    assert_eq!(record.code, "allowed");
    let candidate = record.details.iter().find(|(name, _)| *name == "candidate").unwrap();
    let candidate: serde_json::Value = serde_json::from_str(&candidate.1.to_json()).unwrap();
    assert_eq!(candidate["code"], "allowed");
}
