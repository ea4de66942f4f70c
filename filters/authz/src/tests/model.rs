//! The engine against a model: a plain loop over all rules, without an index,
//! that reads the policy as JSON.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

const SCOPES: [&str; 3] = ["s", "t", "u"];

fn scopes() -> impl Strategy<Value = Vec<&'static str>> {
    prop::sample::subsequence(SCOPES.to_vec(), 1..=3)
}

fn subject() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(json!("anyone")),
        Just(json!("anonymous")),
        Just(json!("identified")),
        scopes().prop_map(|s| json!({ "any_scope": s })),
        scopes().prop_map(|s| json!({ "all_scopes": s })),
    ]
}

fn rule() -> impl Strategy<Value = Value> {
    let template = prop::sample::select(vec!["/a", "/a/**", "/a/{x}", "/{x}/b", "/**", "/a/b"]);
    (
        prop::sample::select(vec!["allow", "allow", "deny"]),
        prop::sample::subsequence(vec!["GET", "POST"], 0..=2),
        prop::collection::vec(template, 0..3),
        prop::option::of(prop::sample::select(vec!["a.example", "*.example", "b.example"])),
        subject(),
    )
        .prop_map(|(effect, methods, paths, host, subject)| {
            let hosts: Vec<_> = host.into_iter().collect();
            // An empty list is refused: what does not matter is left out.
            let mut conditions = json!({});
            for (key, list) in [("methods", methods), ("paths", paths), ("hosts", hosts)] {
                if !list.is_empty() {
                    conditions[key] = json!(list);
                }
            }
            json!({"effect": effect, "match": conditions, "subject": subject})
        })
}

fn texts(value: &Value) -> Vec<&str> {
    value.as_array().unwrap().iter().map(|v| v.as_str().unwrap()).collect()
}

fn path_matches(template: &str, path: &str) -> bool {
    let mut parts = path.split('/').skip(1);
    let mut patterns = template.split('/').skip(1);
    loop {
        match (patterns.next(), parts.next()) {
            (Some("**"), _) | (None, None) => return true,
            (Some("{x}"), Some(part)) if !part.is_empty() => {}
            (Some(literal), Some(part)) if literal == part => {}
            _ => return false,
        }
    }
}

fn applies(m: &Value, method: &str, host: &str, path: &str) -> bool {
    let any = |key: &str, test: &dyn Fn(&str) -> bool| {
        m.get(key).is_none_or(|list| texts(list).into_iter().any(test))
    };
    any("methods", &|m| m == method || (m == "GET" && method == "HEAD"))
        && any("hosts", &|h| match h.strip_prefix('*') {
            Some(below) => host.ends_with(below) && host != below,
            None => h == host,
        })
        && any("paths", &|t| path_matches(t, path))
}

fn includes(subject: &Value, caller: Option<&[&str]>) -> bool {
    if let Some(word) = subject.as_str() {
        return match word {
            "anyone" => true,
            "anonymous" => caller.is_none(),
            _ => caller.is_some(),
        };
    }
    let held = caller.unwrap_or_default();
    if subject.get("any_scope").is_some() {
        texts(&subject["any_scope"]).iter().any(|s| held.contains(s))
    } else {
        texts(&subject["all_scopes"]).iter().all(|s| held.contains(s))
    }
}

/// Status, rule and code.
fn model(
    rules: &[Value],
    method: &str,
    host: &str,
    path: &str,
    caller: Option<&[&str]>,
) -> (u16, String, &'static str) {
    let matching: Vec<_> =
        (0..rules.len()).filter(|i| applies(&rules[*i]["match"], method, host, path)).collect();
    let first = |effect: &str, test: &dyn Fn(&Value) -> bool| {
        matching
            .iter()
            .find(|i| rules[**i]["effect"] == effect && test(&rules[**i]["subject"]))
            .map(|i| format!("r{i}"))
    };
    if let Some(rule) = first("deny", &|s| includes(s, caller)) {
        return (403, rule, "deny_rule");
    }
    if let Some(rule) = first("allow", &|s| includes(s, caller)) {
        return (0, rule, "allowed");
    }
    let wanting = match caller {
        None => first("allow", &|_| true).map(|r| (401, r, "identity_required")),
        Some(_) => first("allow", &Value::is_object).map(|r| (403, r, "insufficient_scope")),
    };
    wanting.unwrap_or((403, "-".to_owned(), "no_rule"))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4096))]

    #[test]
    fn the_engine_agrees_with_a_plain_loop(
        mut rules in prop::collection::vec(rule(), 1..8),
        method in prop::sample::select(vec!["GET", "HEAD", "POST", "PUT"]),
        host in prop::sample::select(vec!["a.example", "b.example", "example"]),
        path in prop::sample::select(vec!["/", "/a", "/a/", "/a/b", "/a/b/c", "/c/b", "/c"]),
        held in prop::option::of(prop::sample::subsequence(SCOPES.to_vec(), 0..=3)),
    ) {
        for (i, rule) in rules.iter_mut().enumerate() {
            rule["name"] = json!(format!("r{i}"));
        }
        let authz = authz(&json!({ "rules": rules }).to_string());
        let identity = held.as_deref().map_or_else(anonymous, caller);
        let headers = [
            (":method", method.as_bytes()),
            (":authority", host.as_bytes()),
            (":path", path.as_bytes()),
        ];
        let judged = judge(&authz, &headers, Some(&identity));
        let expected = model(&rules, method, host, path, held.as_deref());
        prop_assert_eq!((judged.status, judged.rule, judged.code), expected);
    }

    #[test]
    fn no_bytes_trap(
        method in prop::collection::vec(any::<u8>(), 0..8),
        host in prop::collection::vec(any::<u8>(), 0..24),
        path in prop::collection::vec(any::<u8>(), 0..48),
        header in prop::collection::vec(any::<u8>(), 0..24),
        identity in prop::collection::vec(any::<u8>(), 0..48),
    ) {
        let policy = json!({"rules": [
            {"name": "a", "match": {"paths": ["/{x}/{y?}.json", "/**"],
             "headers": [{"name": "h", "prefix": ["a"]}]}, "subject": "anyone"},
        ]});
        let authz = authz(&policy.to_string());
        let mut slashed = b"/".to_vec();
        slashed.extend_from_slice(&path);
        for path in [&path, &slashed] {
            let headers = [
                (":method", method.as_slice()),
                (":authority", host.as_slice()),
                (":path", path.as_slice()),
                ("h", header.as_slice()),
            ];
            judge(&authz, &headers, Some(&identity));
            judge(&authz, &headers, Some(&anonymous()));
        }
    }
}
