//! Policies and requests that have to do with one another: from few words, so
//! that they meet.

use proptest::prelude::*;
use proptest::sample::{select, subsequence};
use serde_json::{Value, json};

use super::Rollout;

mod candidate;
mod requests;

pub(super) use candidate::candidate;
pub(super) use requests::asked;

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
        json!({"name": "x-b", "exact": ["1", "4"]}),
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

/// Some lie in others, and some bind the same part of a path otherwise.
const TEMPLATES: &[&str] = &[
    "/a",
    "/a/**",
    "/a/{x}",
    "/{x}/b",
    "/**",
    "/a/b",
    "/{x}",
    "/a/{x}/**",
    "/{y}/{x}",
    "/{x}/{y}/c",
    "/a/{x}/c",
    "/{x:**}",
    "/a/{x:**}",
    "/a/b/c/**",
    "/*/{x}",
    "/a-{x}",
    "/{y}-{x}",
    "/{x}.b",
    "/{x:int}",
    "/a/{x:int}",
    "/{x:a|red}/**",
    "/a/{x?}",
    "/a/{x:amy|b}",
    "/{x}/",
    "/a/**",
];

/// Those with a part of this name.
const WITH_X: &[&str] = &[
    "/{x}/b",
    "/a/{x}",
    "/{x}",
    "/{y}/{x}",
    "/{x}/{y}/c",
    "/{x:**}",
    "/a/{x:**}",
    "/*/{x}",
    "/{y}-{x}",
    "/{x}.b",
    "/a/{x:amy|b}",
    "/a/{x?}",
];

fn matches() -> BoxedStrategy<Value> {
    let sizes = select(vec![
        json!({"at_most": 10}),
        json!({"at_least": 1}),
        json!({"at_least": 5, "at_most": 20}),
    ]);
    let shared = (
        seldom(3, some_of(&["a.example", "*.example", "b.example"])),
        seldom(2, some_of(&["GET", "POST", "PUT"])),
        seldom(2, some_of(TEMPLATES)),
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
        (seldom(8, some_of(&["red", "blue"])), seldom(8, some_of(&["red", "blue"]))),
        seldom(6, some_of(&["free", "paid"])),
    );
    let having = having.prop_map(
        |(any, all, providers, issuers, clients, subjects, role, roles, (group, groups), plan)| {
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
                ("all_groups", groups),
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
        "request.headers['x-a'] != '1'",
        "request.headers['x-a'].startsWith('2')",
        "request.headers['x-a'] in ['1', '4']",
        "'1' in [request.headers['x-b'], request.method]",
        "request.headers['x-a'] == request.headers['x-b']",
        "path.x == identity.subject",
        "path.x == 'b' || request.method == 'POST'",
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
    let more = (seldom(4, conditions()), seldom(4, expressions()), any::<bool>(), some_of(WITH_X));
    let rule = (effect, matches(), subjects(), more);
    let rule = rule.prop_map(|(effect, m, subject, (claims, when, intended, with_x))| {
        let mut rule = json!({"effect": effect, "match": m, "subject": subject});
        // A capture that is named has to be there.
        if claims.as_ref().is_some_and(|claims| claims.to_string().contains("\"path\"")) {
            rule["match"]["paths"] = with_x;
        } else if when.as_ref().is_some_and(|when| when.to_string().contains("path.x")) {
            // Of these templates one has to have it.
            let mut paths = with_x.as_array().unwrap().clone();
            paths.extend([json!("/a/**"), json!("/{y}/b")]);
            rule["match"]["paths"] = paths.into();
        }
        for (key, value) in [("claims", claims), ("when", when)] {
            if let Some(value) = value {
                rule[key] = value;
            }
        }
        if intended {
            rule["intended"] = true.into();
        }
        rule
    });
    prop::collection::vec(rule, 1..8).prop_map(named).boxed()
}

fn named(mut rules: Vec<Value>) -> Vec<Value> {
    for (i, rule) in rules.iter_mut().enumerate() {
        rule["name"] = format!("r{i}").into();
    }
    rules
}

/// The same rules with the lists of every second one in sets.
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

/// With a candidate beside them, which has sets of its own or none.
pub(super) fn with_candidate(rules: &[Value], rollout: &Rollout) -> Value {
    let mut policy = with_sets(rules);
    let mut candidate =
        if rollout.with_sets { with_sets(&rollout.rules) } else { json!({"rules": rollout.rules}) };
    candidate["mode"] = rollout.mode.into();
    if rollout.mode == "cohort" {
        candidate["share"] = rollout.share.into();
    }
    policy["candidate"] = candidate;
    policy
}
