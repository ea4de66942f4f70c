use serde_json::json;

use super::*;

#[track_caller]
fn refused(policy: &str, expected: &str) {
    let errors = Authz::configure(&parse_json(policy.as_bytes()).unwrap(), &|_| None).unwrap_err();
    assert_eq!(errors.to_string(), expected);
}

#[test]
fn every_mistake_is_named_at_once() {
    refused(
        r#"{
            "relm": "x",
            "realm": "a\"b",
            "rules": [
                {"name": "a", "effect": "permit", "match": {}, "subject": "everyone"},
                {"name": "a", "match": {"path": ["/x"]}, "subject": {"any_scope": []}},
                {"name": "b", "subject": {"any_scope": ["x"], "all_scopes": ["y"]}},
                {"match": {}, "subject": {"all_scopes": ["a b"]}},
                {"name": "a", "match": {"paths": ["x"]}, "subject": 7}
            ]
        }"#,
        "rules[1].name: `a` is the name of rules[0] already\n\
         rules[4].name: `a` is the name of rules[0] already\n\
         unknown key `relm`, did you mean `realm`?\n\
         realm: expected a realm of 1 to 128 printable ASCII characters without `\"` and `\\`\n\
         rules[0].effect: expected `allow` or `deny`\n\
         rules[0].subject: expected `anyone`, `anonymous`, `identified` or a mapping such as `any_scope: [a]`: did you mean `anyone`?\n\
         rules[1].match: unknown key `path`, did you mean `paths`?\n\
         rules[1].subject.any_scope: expected at least one; leave the key out where it does not matter\n\
         rules[2]: missing key `match`\n\
         rules[3]: missing key `name`\n\
         rules[3].subject.all_scopes[0]: expected a scope of 1 to 256 printable ASCII characters without blank, `\"` and `\\`\n\
         rules[4].match.paths[0]: a path template begins with `/`\n\
         rules[4].subject: expected `anyone`, `anonymous`, `identified` or a mapping such as `any_scope: [a]`, but found a whole number",
    );
}

#[test]
fn an_empty_policy_is_no_policy() {
    refused("{}", "missing key `rules`");
    refused("[]", "expected a mapping, but found a list");
    refused(
        r#"{"rules": []}"#,
        "rules: expected at least one rule: without any, everything is denied",
    );
    refused(
        r#"{"rules": [{}]}"#,
        "rules[0]: missing key `name`\nrules[0]: missing key `match`\nrules[0]: missing key `subject`",
    );
}

#[test]
fn sets_are_put_in_place() {
    let policy = r#"{
        "sets": {
            "scopes": {"sales": ["s", "t"]},
            "paths": {"own": ["/own/{x}"]},
            "subjects": {"staff": {"any_role": ["admin"]}, "all": "anyone"},
            "matches": {"write": {"methods": ["POST"], "paths": [{"set": "own"}]}}
        },
        "rules": [
            {"name": "a", "match": {"paths": [{"set": "own"}, "/b"], "methods": ["GET"]},
             "subject": {"any_scope": ["u", {"set": "sales"}]}},
            {"name": "b", "match": {"set": "write", "hosts": ["api.example.com"]},
             "subject": {"set": "staff", "any_scope": ["w"]}},
            {"name": "c", "match": {"paths": ["/c"]}, "subject": {"set": "all"}}
        ]
    }"#;
    let authz = authz(policy);
    let code = |path: &str, method: &str, identity: &[u8]| {
        let headers = [(":path", path.as_bytes()), (":method", method.as_bytes())];
        let judged = judge(&authz, &headers, Some(identity));
        (judged.rule, judged.code)
    };
    for scope in ["s", "t", "u"] {
        assert_eq!(code("/own/1", "GET", &caller(&[scope])), ("a".to_owned(), "allowed"));
    }
    assert_eq!(code("/b", "GET", &caller(&["t"])), ("a".to_owned(), "allowed"));
    assert_eq!(code("/c", "GET", &anonymous()), ("c".to_owned(), "allowed"));
    let admin = br#"{"v":1,"sub":"a","scopes":["w"],"claims":{"roles":"admin"}}"#;
    assert_eq!(code("/own/1", "POST", admin), ("b".to_owned(), "allowed"));
    assert_eq!(code("/own/1", "POST", &caller(&["w"])), ("b".to_owned(), "wrong_subject"));
}

#[test]
fn mistakes_of_sets_are_told_where_they_stand() {
    refused(
        r#"{"sets": {"scopes": {"a": ["x y"]}, "path": {}},
            "rules": [{"name": "a", "match": {}, "subject": {"any_scope": [{"set": "a"}]}}]}"#,
        "sets: unknown key `path`, did you mean `paths`?\n\
         sets.scopes.a[0]: expected a scope of 1 to 256 printable ASCII characters without blank, `\"` and `\\`",
    );
    refused(
        r#"{"sets": {"paths": {"a": ["/a"]}, "matches": {"m": {"methods": ["GET"]}}},
            "rules": [
              {"name": "a", "match": {"paths": [{"set": "b"}]}, "subject": "anyone"},
              {"name": "b", "match": {"paths": ["/a", {"set": 7}]}, "subject": "anyone"},
              {"name": "c", "match": {"set": "m", "methods": ["PUT"]}, "subject": "anyone"},
              {"name": "d", "match": {"hosts": [{"set": "a"}]}, "subject": "anyone"}
            ]}"#,
        "rules[0].match.paths[0].set: `sets.paths` has no `b`\n\
         rules[1].match.paths[1].set: expected the name of a set, but found a whole number\n\
         rules[2].match.set: `methods` stands here and in the set\n\
         rules[3].match.hosts[0]: expected a host such as `api.example.com` or `*.example.com`, without port, but found a mapping",
    );
}

/// A challenge names the scopes that would do: those of one rule have to fit whole.
#[test]
fn the_scopes_of_a_rule_fit_into_a_challenge() {
    let policy = |count: usize| {
        let scopes: Vec<String> = (0..count).map(|i| format!("{i:0>249}")).collect();
        let rule = json!({"name": "a", "match": {}, "subject": {"all_scopes": scopes}});
        json!({"rules": [rule]}).to_string()
    };
    refused(&policy(17), "rules[0].subject: expected scopes of at most 4000 bytes in all");
    authz(&policy(16));
}

#[test]
fn the_header_that_explains_is_one_that_a_policy_may_write() {
    for name in ["Content-Length", "www-authenticate", "x-postern-subject"] {
        let rule = json!({"name": "a", "match": {}, "subject": "anyone"});
        let policy = json!({"rules": [rule], "explain_header": name}).to_string();
        refused(&policy, "explain_header: expected a header that a policy may write");
    }
}

#[test]
fn mistakes_of_conditions_are_told() {
    refused(
        r#"{"rules": [
            {"name": "a", "match": {"paths": ["/a/{x}", "/b"], "client_addresses": ["10.0.0.1/8"],
              "query": [{"name": "q"}], "content_types": ["json"], "body_size": {}, "times": [{"from": "1:00"}]},
             "subject": {}, "claims": [{"claim": "sub", "is": {"exact": 1, "prefix": "a"}}]},
            {"name": "b", "match": {"paths": ["/a/{x}", "/b"]}, "subject": "anyone",
             "claims": [{"claim": "sub", "is": {"path": "x"}}, {"claim": "s", "is": {"any_of": []}}],
             "obligations": {"request_headers": {"Host": "a", "x a": "b", "x-b": "é", "X-C": "1", "x-c": "2"}}},
            {"name": "c", "effect": "deny", "match": {}, "subject": "anyone",
             "obligations": {"tags": {"a": "b"}}},
            {"name": "d", "match": {}, "subject": "anyone", "detail": "no", "obligations": {}}
        ]}"#,
        "rules[0].match.query[0]: expected exactly one test of `exact`, `prefix` or `present`, not empty\n\
         rules[0].match.client_addresses[0]: expected no bits beyond the prefix: did you mean `10.0.0.0/8`?\n\
         rules[0].match.content_types[0]: expected a content type such as `application/json` or `image/*`\n\
         rules[0].match.body_size: expected `at_least`, `at_most` or both\n\
         rules[0].match.times[0].from: expected a time of day such as `08:30`\n\
         rules[0].subject: expected at least one key; every caller is `identified`\n\
         rules[0].claims[0].is: expected exactly one key of `exact`, `any_of`, `prefix`, `at_least`, `at_most`, `above`, `below`, `path` or `present`\n\
         rules[1].obligations.request_headers.Host: expected a header that a policy may write\n\
         rules[1].obligations.request_headers.x a: expected a header name (RFC 9110 token)\n\
         rules[1].obligations.request_headers.x-b: expected printable ASCII without blanks at its ends\n\
         rules[1].obligations.request_headers.x-c: this header is there already, in another case\n\
         rules[1].claims[0].is.path: expected each of the rule's `paths` to have `{x}`\n\
         rules[1].claims[1].is.any_of: expected at least one\n\
         rules[2].obligations: expected none: a deny rule lets nothing pass\n\
         rules[3].obligations: expected at least one obligation\n\
         rules[3].detail: expected none: an allow rule refuses nobody",
    );
}

#[test]
fn slips_in_values_name_what_is_meant() {
    let rule = |effect: &str, subject: &str| {
        format!(r#"{{"name":"a","effect":"{effect}","match":{{}},"subject":"{subject}"}}"#)
    };
    let policy = |rules: &[String]| format!(r#"{{"rules":[{}]}}"#, rules.join(","));
    let subject = "expected `anyone`, `anonymous`, `identified` or a mapping such as \
                   `any_scope: [a]`";
    for (found, meant) in [
        ("everybody", "anyone"),
        ("Anyone", "anyone"),
        ("anyome", "anyone"),
        ("authenticated", "identified"),
        ("indentified", "identified"),
        ("guest", "anonymous"),
    ] {
        refused(
            &policy(&[rule("allow", found)]),
            &format!("rules[0].subject: {subject}: did you mean `{meant}`?"),
        );
    }
    refused(&policy(&[rule("allow", "editor")]), &format!("rules[0].subject: {subject}"));
    refused(
        &policy(&[rule("dney", "anyone")]),
        "rules[0].effect: expected `allow` or `deny`: did you mean `deny`?",
    );
}

/// Of two claims of one name rules would see one, and a member is no claim.
#[test]
fn claims_of_other_identities_have_names_of_their_own() {
    let with = |identity: &str| {
        format!(
            r#"{{"identity": {identity}, "rules": [{{"name": "a", "match": {{}}, "subject": "anyone"}}]}}"#
        )
    };
    refused(
        &with(
            r#"{"jwt_authn": {"payload": "jwt", "claims": ["team", "plan"], "numbers": ["team"]}}"#,
        ),
        "identity.jwt_authn.claims: `plan` is a member of every identity, no claim\n\
         identity.jwt_authn.numbers: `team` is named twice: rules would see one of them",
    );
    refused(
        &with(
            r#"{"trusted_headers": {"subject": "x-a", "claims": {"roles": "x-b"},
                "lists": {"roles": "x-c", "sub": "x-d"}}}"#,
        ),
        "identity.trusted_headers.lists: `roles` is named twice: rules would see one of them\n\
         identity.trusted_headers.lists: `sub` is a member of every identity, no claim",
    );
}
