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
         rules[0].subject: expected `anyone`, `anonymous`, `identified` or a mapping such as `any_scope: [a]`\n\
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
