use std::path::Path;

use proptest::prelude::*;

use super::*;

fn policy(text: &str) -> Policy {
    Policy::parse(Path::new("p.yaml"), "legacy-compat", text).unwrap()
}

/// The policy of the demo, one text in it replaced.
fn demo(from: &str, to: &str) -> Policy {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../envoy/filters/legacy-compat.yaml");
    let text = std::fs::read_to_string(file).unwrap();
    assert!(text.contains(from), "{from}");
    policy(&text.replacen(from, to, 1))
}

fn bootstrap() -> Node {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../envoy/envoy.yaml");
    crate::bootstrap::parse(&std::fs::read_to_string(file).unwrap()).unwrap()
}

#[test]
fn the_demos_bootstrap_has_the_mappers_of_its_policy() {
    let bootstrap = bootstrap();
    assert_eq!(stale(&demo("", ""), &bootstrap), []);
    // One byte of one answer, one client, one header.
    for (from, to) in [
        ("\"message\":\"Invalid response", "\"message\":\"invalid response"),
        ("prefix: [marketplace-ruby/,", "prefix: [marketplace-ruby,"),
        (
            "x-ratelimit-remaining: \"99\"}\n        text: *fault",
            "x-ratelimit-remaining: \"98\"}\n        text: *fault",
        ),
    ] {
        let found = stale(&demo(from, to), &bootstrap);
        let said: Vec<_> = found.iter().map(|f| (f.path.as_str(), f.message.as_str())).collect();
        let message = "the bootstrap's `local_reply_config` does not begin with the mappers of \
                       these: `postern local-replies` prints them";
        assert_eq!(said, [("local_replies", message)], "{to}");
        assert!(found.iter().all(|f| f.span.start.line > 1));
    }
}

#[test]
fn what_is_printed_are_the_mappers() {
    let made = mappers(&demo("", "")).unwrap();
    // Three sorts of clients, of which the last differ by status in two ways only.
    assert_eq!(made.len(), 8);
    let printed = crate::yaml::parse(&shown(&made)).unwrap();
    let Value::List(printed) = printed.value else { panic!() };
    let json = |all: &[Node]| all.iter().map(Node::to_json).collect::<Vec<_>>();
    assert_eq!(json(&printed), json(&made));
}

#[test]
fn what_no_filter_looks_at_has_to_be_told_without_one() {
    let text = "local_replies:\n  - match:\n      paths: [/a/b, '/a/{b}', '/a/*', '/a/**']\n      routes: [r]\n  \
                - answers: [{when: {status: [500]}, text: x, content_type: a/b}]\nrules: []\n";
    let found = mappers(&policy(text)).unwrap_err();
    let said: Vec<_> =
        found.iter().map(|f| format!("{}: {}", f.span.start.line, f.message)).collect();
    let paths = "3: the proxy cannot tell this without a filter: expected a path without captures \
                 and `*`, but for `/**` at its end";
    assert_eq!(said, [paths, paths, "4: the proxy cannot tell this without a filter"]);
}

#[test]
fn each_condition_is_a_filter() {
    let text = "local_replies:\n  - match:\n      hosts: [a.example, '*.b.example']\n      methods: [GET]\n      \
                paths: [/a.b]\n      headers: [{name: X-A, present: true}, {name: x-b, exact: [c, d]}]\n    \
                answers: [{when: {status: [404]}, status: 410, json: {a: '100%{$status}'}, \
                headers: {set: {x-c: 5%}}}]\nrules: []\n";
    let made = mappers(&policy(text)).unwrap();
    let [mapper] = made.as_slice() else { panic!("{made:?}") };
    let expected = json!({
        "filter": {"and_filter": {"filters": [
            {"extension_filter": {
                "name": "envoy.access_loggers.extension_filters.cel",
                "typed_config": {
                    "@type": "type.googleapis.com/envoy.extensions.access_loggers.filters.cel.v3.ExpressionFilter",
                    "expression": "response.code_details != ''",
                },
            }},
            matching(":authority", r"(?i)(a\.example|[^:]+\.b\.example)\.*(:[0-9]*)?"),
            exact(":method", "GET"),
            matching(":path", r"(/a\.b(\?.*)?)"),
            {"header_filter": {"header": {"name": "x-a", "present_match": true}}},
            {"or_filter": {"filters": [exact("x-b", "c"), exact("x-b", "d")]}},
            status_filter("EQ", 404),
        ]}},
        "status_code": 410,
        "headers_to_add": [
            {"header": {"key": "x-c", "value": "5%%"}, "append_action": "OVERWRITE_IF_EXISTS_OR_ADD"},
        ],
        "body_format_override": {
            "text_format_source": {"inline_string": "{\"a\":\"100%%404\"}"},
            "content_type": "application/json",
        },
    });
    let found: serde_json::Value = serde_json::from_str(&mapper.to_json()).unwrap();
    assert_eq!(found, expected);
}

proptest! {
    /// The first range that a status falls into is that of its own answer.
    #[test]
    fn ranges_say_what_each_status_becomes(classes in proptest::collection::vec(0u8..5, 200)) {
        let class = |status: u16| classes[usize::from(status - 400)];
        // 0: none; each other an answer of its own.
        let reply = |status: u16| (class(status) > 0).then(|| LocalReply {
            status: Some(500),
            headers: vec![("x-class".to_owned(), class(status).to_string())],
            body: None,
        });
        let groups = groups(reply);
        for status in STATUSES {
            let covers = |ranges: &[(u16, u16)]| ranges.iter().any(|(a, b)| (*a..=*b).contains(&status));
            let first = groups.iter().find(|(_, ranges)| covers(ranges)).map(|(made, _)| made.clone());
            prop_assert_eq!(first, reply(status).map(|r| Made::of(status, r)), "{}", status);
        }
    }
}
