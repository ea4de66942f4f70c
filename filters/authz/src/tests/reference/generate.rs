//! Policies and requests that have to do with one another: from few words, so
//! that they meet.

use proptest::prelude::*;
use proptest::sample::{select, subsequence};
use serde_json::{Map, Value, json};

use super::Asked;

fn some_of(words: &'static [&'static str]) -> BoxedStrategy<Value> {
    subsequence(words, 1..=words.len().min(3)).prop_map(|words| json!(words)).boxed()
}

/// One in so many times.
fn seldom<T: std::fmt::Debug + Clone + 'static>(
    one_in: u32,
    strategy: BoxedStrategy<T>,
) -> BoxedStrategy<Option<T>> {
    prop_oneof![(one_in - 1) => Just(None), 1 => strategy.prop_map(Some)].boxed()
}

fn header_tests() -> BoxedStrategy<Value> {
    let one = select(vec![
        json!({"name": "x-a", "exact": ["1"]}),
        json!({"name": "x-a", "prefix": ["1", "2"]}),
        json!({"name": "x-b", "present": true}),
        json!({"name": "x-b", "present": false}),
    ]);
    prop::collection::vec(one, 1..3).prop_map(Value::from).boxed()
}

fn query_tests() -> BoxedStrategy<Value> {
    let one = select(vec![
        json!({"name": "a", "exact": ["1", "x y"]}),
        json!({"name": "a", "prefix": ["1"]}),
        json!({"name": "b", "present": true}),
        json!({"name": "b", "present": false}),
    ]);
    prop::collection::vec(one, 1..3).prop_map(Value::from).boxed()
}

fn windows() -> BoxedStrategy<Value> {
    let one = select(vec![
        json!({"days": ["mon", "thu"], "from": "08:00", "to": "18:00"}),
        json!({"days": ["sun", "wed"]}),
        json!({"from": "22:00", "to": "06:00"}),
        json!({"days": ["fri"], "from": "12:30", "to": "12:00"}),
    ]);
    prop::collection::vec(one, 1..3).prop_map(Value::from).boxed()
}

fn matches() -> BoxedStrategy<Value> {
    let sizes = select(vec![
        json!({"at_most": 10}),
        json!({"at_least": 1}),
        json!({"at_least": 5, "at_most": 20}),
    ]);
    let shared = (
        seldom(3, some_of(&["a.example", "*.example", "b.example"])),
        seldom(2, some_of(&["GET", "POST", "PUT"])),
        seldom(2, some_of(&["/a", "/a/**", "/a/{x}", "/{x}/b", "/**", "/a/b", "/{x}"])),
        seldom(10, some_of(&["main", "other"])),
        seldom(8, header_tests()),
        seldom(8, header_tests()),
    );
    let own = (
        seldom(8, query_tests()),
        seldom(10, some_of(&["10.0.0.0/8", "10.0.0.1", "10.0.0.0/31", "2001:db8::/32"])),
        seldom(12, some_of(&["application/json", "image/*", "image/png"])),
        seldom(12, sizes.boxed()),
        seldom(12, windows()),
    );
    (shared, own)
        .prop_map(|(shared, (query, at, types, size, times))| {
            let (hosts, methods, paths, routes, headers, any_header) = shared;
            let keys = [
                ("hosts", hosts),
                ("methods", methods),
                ("paths", paths),
                ("routes", routes),
                ("headers", headers),
                ("any_header", any_header),
                ("query", query),
                ("client_addresses", at),
                ("content_types", types),
                ("body_size", size),
                ("times", times),
            ];
            object(keys)
        })
        .boxed()
}

fn object<const N: usize>(keys: [(&str, Option<Value>); N]) -> Value {
    let given = keys.into_iter().filter_map(|(key, value)| Some((key.to_owned(), value?)));
    Value::Object(given.collect())
}

fn subjects() -> BoxedStrategy<Value> {
    let words = select(vec![json!("anyone"), json!("anonymous"), json!("identified")]);
    let having = (
        seldom(2, some_of(&["s", "t", "u"])),
        seldom(4, some_of(&["s", "t"])),
        seldom(6, some_of(&["idp", "keys"])),
        seldom(8, some_of(&["https://a.example", "https://b.example"])),
        seldom(8, some_of(&["app"])),
        seldom(6, some_of(&["amy", "bob"])),
        seldom(4, some_of(&["admin", "clerk"])),
        seldom(8, some_of(&["admin", "clerk"])),
        seldom(8, some_of(&["red", "blue"])),
        seldom(6, some_of(&["free", "paid"])),
    );
    let having = having.prop_map(
        |(any, all, providers, issuers, clients, subjects, role, roles, group, plan)| {
            let parts = object([
                ("any_scope", any),
                ("all_scopes", all),
                ("providers", providers),
                ("issuers", issuers),
                ("clients", clients),
                ("subjects", subjects),
                ("any_role", role),
                ("all_roles", roles),
                ("any_group", group),
                ("plans", plan),
            ]);
            if parts == json!({}) { json!({"any_scope": ["s"]}) } else { parts }
        },
    );
    prop_oneof![2 => words, 3 => having].boxed()
}

fn conditions() -> BoxedStrategy<Value> {
    let one = select(vec![
        json!({"claim": "team", "is": {"exact": "red"}}),
        json!({"claim": "team", "is": {"any_of": ["red", 7, true]}}),
        json!({"claim": "team", "is": {"prefix": "re"}}),
        json!({"claim": "level", "is": {"at_least": 5}}),
        json!({"claim": "level", "is": {"at_most": 5.5}}),
        json!({"claim": "level", "is": {"above": 5}}),
        json!({"claim": "level", "is": {"below": 5.5}}),
        json!({"claim": "level", "is": {"exact": 7}}),
        json!({"claim": "sub", "is": {"path": "x"}}),
        json!({"claim": "team", "is": {"path": "x"}}),
        json!({"claim": "team", "is": {"present": true}}),
        json!({"claim": "plan", "is": {"present": false}}),
    ]);
    prop::collection::vec(one, 1..3).prop_map(Value::from).boxed()
}

/// Those that the reference knows.
fn expressions() -> BoxedStrategy<Value> {
    let texts = vec![
        "request.method == 'POST'",
        "request.size > 5",
        "request.headers['x-a'] == '1'",
        "has(request.query.a) && request.query.a == '1'",
        "!identity.anonymous",
        "identity.plan == 'paid'",
        "identity.claims.level >= 7",
        "'s' in identity.scopes || identity.claims.team == 'red'",
    ];
    select(texts).prop_map(Value::from).boxed()
}

pub(super) fn rules() -> BoxedStrategy<Vec<Value>> {
    let effect = select(vec!["allow", "allow", "allow", "deny"]);
    let more = (seldom(4, conditions()), seldom(4, expressions()), any::<bool>());
    let rule = (effect, matches(), subjects(), more);
    prop::collection::vec(rule, 1..8)
        .prop_map(|rules| {
            let named = rules.into_iter().enumerate().map(
                |(i, (effect, m, subject, (claims, when, intended)))| {
                    let mut rule = json!({
                        "name": format!("r{i}"), "effect": effect, "match": m, "subject": subject,
                    });
                    if let Some(claims) = claims {
                        // A capture that is named has to be there.
                        if claims.to_string().contains("\"path\"") {
                            rule["match"]["paths"] = json!(["/{x}/b", "/a/{x}", "/{x}"]);
                        }
                        rule["claims"] = claims;
                    }
                    if let Some(when) = when {
                        rule["when"] = when;
                    }
                    if intended {
                        rule["intended"] = true.into();
                    }
                    rule
                },
            );
            named.collect()
        })
        .boxed()
}

/// The same policy with the lists of every second rule in sets.
pub(super) fn with_sets(rules: &[Value]) -> Value {
    let mut sets = json!({
        "paths": {}, "scopes": {}, "addresses": {}, "texts": {}, "claims": {},
        "matches": {}, "subjects": {}, "conditions": {},
    });
    let mut own = rules.to_vec();
    for (i, rule) in own.iter_mut().enumerate().filter(|(i, _)| i % 2 == 1) {
        let name = format!("s{i}");
        let lists = [
            ("match", "paths", "paths"),
            ("match", "client_addresses", "addresses"),
            ("subject", "any_scope", "scopes"),
            ("subject", "any_role", "texts"),
        ];
        for (mapping, key, kind) in lists {
            if let Some(list) = rule[mapping].get_mut(key) {
                sets[kind][&name] = list.take();
                *list = json!([{"set": name}]);
            }
        }
        if let Some(claims) = rule.get_mut("claims") {
            sets["claims"][&name] = claims.take();
            *claims = json!([{"set": name}]);
        }
        if let Some(when) = rule.get_mut("when") {
            sets["conditions"][&name] = when.take();
            *when = json!({"set": name});
        }
        if i % 4 == 3 {
            sets["subjects"][&name] = rule["subject"].take();
            rule["subject"] = json!({"set": name});
            let methods = rule["match"].as_object_mut().unwrap().remove("methods");
            sets["matches"][&name] = rule["match"].take();
            rule["match"] = json!({"set": name});
            if let Some(methods) = methods {
                rule["match"]["methods"] = methods;
            }
        }
    }
    json!({"rules": own, "sets": sets})
}

fn callers() -> BoxedStrategy<Option<Value>> {
    let team = select(vec![
        json!(null),
        json!("red"),
        json!("blue"),
        json!(["blue", "red"]),
        json!(["blue", 7]),
        json!(7),
        json!(true),
        json!({}),
        json!("b"),
    ]);
    let level = select(vec![json!(null), json!(5), json!(5.5), json!(7), json!(-1), json!("7")]);
    let roles = select(vec![
        json!(null),
        json!("admin"),
        json!(["clerk", "admin"]),
        json!([]),
        json!(["clerk", 1]),
        json!(3),
    ]);
    let groups = select(vec![json!(null), json!(["red"]), json!("blue"), json!({})]);
    let caller = (
        select(vec!["amy", "bob", "b"]),
        subsequence(vec!["s", "t", "u"], 0..=3),
        select(vec!["idp", "keys", "other"]),
        prop::option::of(Just("app")),
        prop::option::of(select(vec!["https://a.example", "https://c.example"])),
        prop::option::of(select(vec!["free", "paid"])),
        (team, level, roles, groups),
    );
    let caller = caller.prop_map(
        |(sub, scopes, provider, client, iss, plan, (team, level, roles, groups))| {
            let mut claims = Map::new();
            for (name, value) in
                [("team", team), ("level", level), ("roles", roles), ("groups", groups)]
            {
                if !value.is_null() {
                    claims.insert(name.to_owned(), value);
                }
            }
            let mut caller = json!({
                "v": 1, "sub": sub, "scopes": scopes, "provider": provider, "credential": "jwt",
                "claims": claims,
            });
            for (name, value) in [("client", client), ("iss", iss), ("plan", plan)] {
                if let Some(value) = value {
                    caller[name] = value.into();
                }
            }
            caller
        },
    );
    prop_oneof![1 => Just(None), 3 => caller.prop_map(Some)].boxed()
}

pub(super) fn asked() -> BoxedStrategy<Asked> {
    let path = (
        select(vec!["/", "/a", "/a/", "/a/b", "/a/b/c", "/c/b", "/c", "/amy/b", "/a/amy", "/b"]),
        select(vec!["", "", "?a=1", "?a=x+y&b", "?a=1&a=2", "?%61=1&b=2", "?a=1&a=1", "?b=3&c"]),
    );
    let header = select(vec![
        ("x-a", "1"),
        ("x-a", "2x"),
        ("x-a", "3"),
        ("x-b", ""),
        ("content-type", "application/json"),
        ("content-type", "application/json; charset=utf-8"),
        ("content-type", "image/png"),
        ("content-type", "image"),
        ("content-length", "0"),
        ("content-length", "7"),
        ("content-length", "70"),
        ("content-length", "many"),
    ]);
    let addresses = vec![
        None,
        Some("10.0.0.1:5"),
        Some("10.9.9.9:5"),
        Some("192.0.2.1:5"),
        Some("[2001:db8::7]:5"),
        Some("[::1]:5"),
        Some("/run/a.sock"),
    ];
    let proxy = (
        select(addresses),
        select(vec![None, Some("main"), Some("none")]),
        1_700_000_000u64..1_701_300_000,
    );
    (
        select(vec!["GET", "HEAD", "POST", "PUT"]),
        select(vec!["a.example", "b.example", "example", "x.a.example"]),
        path,
        prop::collection::vec(header, 0..4),
        any::<bool>(),
        proxy,
        callers(),
    )
        .prop_map(|(method, host, path, headers, whole, (address, route, now), caller)| Asked {
            method,
            host,
            path: format!("{}{}", path.0, path.1),
            headers,
            whole,
            address,
            route,
            now,
            caller,
        })
        .boxed()
}
