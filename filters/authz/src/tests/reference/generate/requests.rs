//! Requests, and who sends them.

use proptest::prelude::*;
use proptest::sample::{select, subsequence};
use serde_json::{Map, Value, json};

use super::super::Asked;

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
    let groups =
        select(vec![json!(null), json!(["red"]), json!(["blue", "red"]), json!("blue"), json!({})]);
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

pub(in super::super) fn asked() -> BoxedStrategy<Asked> {
    let path = (
        select(vec![
            "/",
            "/a",
            "/a/",
            "/a/b",
            "/a/b/c",
            "/a/b/c/d",
            "/c/b",
            "/c",
            "/amy/b",
            "/a/amy",
            "/b",
            "/a/amy/c",
            "/a/red/b",
            "/7",
            "/a/7",
            "/a-b",
            "/a-b-red",
            "/red-amy",
            "/amy.b",
            "/a.b.b",
            "/a/b%20c",
            "/a/%61my",
            "/red/",
            "/red/amy/c",
        ]),
        select(vec!["", "", "?a=1", "?a=x+y&b", "?a=1&a=2", "?%61=1&b=2", "?a=1&a=1", "?b=3&c"]),
    );
    let header = select(vec![
        ("x-a", "1"),
        ("x-a", "2x"),
        ("x-a", "3"),
        ("x-a", "1,2"),
        ("x-a", "3, 1"),
        ("x-a", "1, 1"),
        ("x-a", "3,4"),
        ("x-b", ""),
        ("x-b", "1"),
        ("x-b", "4,1"),
        ("content-type", "application/json"),
        ("content-type", "application/json; charset=utf-8"),
        ("content-type", "image/png"),
        ("content-type", "image"),
        ("content-type", "image/png, application/json"),
        ("content-length", "0"),
        ("content-length", "7"),
        ("content-length", "70"),
        ("content-length", "many"),
        ("content-length", "7, 7"),
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
        prop::collection::vec(header, 0..5),
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
