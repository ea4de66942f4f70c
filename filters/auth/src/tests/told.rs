//! What is made of the claims of a good token: the identity, and headers for
//! the upstream.

use std::collections::BTreeMap;

use proptest::prelude::*;
use serde_json::{Value, json};

use super::options::{ask, refuses, with, wrong};
use super::*;

#[test]
fn the_identity_may_come_from_other_claims() {
    let options = json!({
        "identity": {
            "subject": ["email", "sub"],
            "client": [["https://x.example/app", "id"]],
            "scopes": ["realm.roles"],
            "plan": ["tenant.plan"],
        },
        "claims": ["groups", "tenant.plan", {"from": "realm.roles", "to": "roles"}, "gone"],
    });
    let outcome = ask(
        &options,
        json!({
            "email": "nw@example.com", "https://x.example/app": {"id": "shop 2"},
            "realm": {"roles": ["read", "write"]}, "tenant": {"plan": "tiny"}, "groups": null,
        }),
    );
    let Identity::Known(caller) = identity(&outcome) else { panic!("known") };
    assert_eq!((caller.sub.as_str(), caller.client.as_deref()), ("nw@example.com", Some("shop 2")));
    assert_eq!((caller.scopes.as_str(), caller.plan.as_deref()), ("read write", Some("tiny")));
    assert_eq!(
        Value::Object(caller.claims),
        json!({"tenant.plan": "tiny", "roles": ["read", "write"]})
    );
    // Without the first, the next.
    let outcome = ask(&options, json!({}));
    assert_eq!(subject(&outcome), "northwind");
    refuses(&options, json!({"email": 7}), "bad_claim");
    refuses(&options, json!({"email": "a\nb"}), "bad_claim");
    refuses(&options, json!({"realm": {"roles": ["a b"]}}), "bad_claim");
    refuses(&json!({"identity": {"subject": ["email"]}}), json!({}), "missing_claim");
    wrong(json!({"identity": {"subject": []}}), "identity.subject: expected at least one");
    wrong(
        json!({"claims": ["a", {"from": "b", "to": "a"}]}),
        "claims[1]: another claim has the same name in the identity",
    );
    wrong(
        json!({"claims": [7]}),
        "claims[0]: expected the name of a claim, or a mapping with `from` and `to`, but found a whole number",
    );
}

/// `x-postern-t`, made in this way of this claim.
fn header(encoding: &str, separator: &str, value: &Value) -> Option<String> {
    let options = json!({"headers": [
        {"name": "x-postern-t", "claim": "t.v", "encoding": encoding, "separator": separator},
    ]});
    let outcome = ask(&options, json!({"t": {"v": value}}));
    assert_eq!(subject(&outcome), "northwind");
    edit(&outcome, "x-postern-t")
}

#[test]
fn claims_become_headers() {
    let plain = |value: Value| header("plain", ",", &value);
    for (value, written) in [
        (json!("acme"), "acme"),
        (json!("Ä b%"), "Ä b%"),
        (json!(-7), "-7"),
        (json!(1.5), "1.5"),
        (json!(true), "true"),
        (json!(["a", 2, false]), "a,2,false"),
    ] {
        assert_eq!(plain(value.clone()).as_deref(), Some(written), "{value}");
    }
    // Left out whole: half a list would say something else.
    for value in [
        json!(null),
        json!(""),
        json!([]),
        json!([""]),
        json!({"a": 1}),
        json!(["a", {"b": 1}]),
        json!([["a"]]),
        json!(["a", null]),
        json!("a\r\nx: y"),
        json!("a\u{0}"),
        json!("a\u{85}b"),
        json!(" a"),
        json!("a "),
        json!(["a,b"]),
        json!(["a", "b "]),
        json!("x".repeat(1025)),
    ] {
        assert_eq!(plain(value.clone()), None, "{value}");
    }
    assert_eq!(plain(json!("x".repeat(1024))).map(|v| v.len()), Some(1024));
    assert_eq!(header("plain", " ", &json!(["a,b", "c"])).as_deref(), Some("a,b c"));
    assert_eq!(header("plain", "|", &json!(["a", "b"])).as_deref(), Some("a|b"));
    let percent = |value: Value| header("percent", ";", &value);
    assert_eq!(percent(json!("Ä b%\r\n;")).as_deref(), Some("%C3%84%20b%25%0D%0A;"));
    assert_eq!(percent(json!(["a;b", "", "c%"])).as_deref(), Some("a%3Bb;;c%25"));
    assert_eq!(percent(json!({"a": 1})).as_deref(), Some("{\"a\":1}"));
    let base64url = |value: Value| header("base64url", ",", &value);
    assert_eq!(base64url(json!("Ä?")).as_deref(), Some("w4Q_"));
    assert_eq!(base64url(json!(["a", {"b": [1]}])).as_deref(), Some("YQ,eyJiIjpbMV19"));
}

/// A number is told on digit for digit, or the token does not count: rounded to a
/// double it would be another's.
#[test]
fn numbers_are_told_on_as_they_are_or_not_at_all() {
    let options = |claim: &str| {
        json!({"claims": [claim], "headers": [
            {"name": "x-postern-t", "claim": claim, "encoding": "percent"},
        ]})
    };
    for number in [json!(u64::MAX), json!(i64::MAX), json!(i64::MIN), json!(1u64 << 63), json!(0.5)]
    {
        let outcome = ask(&options("account"), json!({"account": number}));
        let Identity::Known(caller) = identity(&outcome) else { panic!("known") };
        assert_eq!(caller.claims.get("account"), Some(&number));
        assert_eq!(edit(&outcome, "x-postern-t"), Some(number.to_string()));
        let state = outcome.publish.iter().find(|(key, _)| *key == "identity").unwrap();
        let state = String::from_utf8_lossy(&state.1);
        assert!(state.contains(&format!(r#""claims":{{"account":{number}}}"#)), "{state}");
    }
    for large in [json!(1e20), json!(-1e19), json!(9_007_199_254_740_992.0)] {
        for inside in [large.clone(), json!([1, large]), json!({"id": large})] {
            let claims = json!({"account": inside});
            let only = |member: &str| json!({member: options("account")[member]});
            refuses(&only("claims"), claims.clone(), "bad_claim");
            refuses(&only("headers"), claims.clone(), "bad_claim");
            // Nobody is told of it.
            assert_eq!(subject(&ask(&options("other"), claims)), "northwind");
        }
    }
}

#[test]
fn headers_from_claims_cannot_be_sent_by_clients() {
    let options = json!({"headers": [{"name": "x-postern-tenant", "claim": "tenant"}]});
    let auth = configured(&with(&options));
    let value = |token: String| format!("Bearer {token}");
    for (claims, expected) in [(json!({"tenant": "acme"}), "acme"), (json!({}), "")] {
        let value = value(mint::with_claims(claims));
        let outcome = send_to(
            &auth,
            "/private",
            &[
                ("authorization", value.as_bytes()),
                ("x-postern-tenant", b"evil"),
                ("x_postern_tenant", b"evil"),
            ],
        );
        assert_eq!(edit(&outcome, "x-postern-tenant").as_deref(), Some(expected));
        assert_eq!(edit(&outcome, "x_postern_tenant").as_deref(), Some(""));
    }
}

#[test]
fn names_of_headers_are_the_gateways_own() {
    let shape = "expected `x-postern-` and 1 to 64 lower-case letters, digits or `-`, such as `x-postern-tenant`";
    for name in
        ["x-tenant", "x-postern-", "x-postern-A", "x-postern-a b", "x-postern-a_b", "x-postern-a\n"]
    {
        wrong(
            json!({"headers": [{"name": name, "claim": "a"}]}),
            &format!("headers[0].name: {shape}"),
        );
    }
    for name in ["subject", "client", "scopes", "credential"] {
        let name = format!("x-postern-{name}");
        let expected = "headers[0].name: this header tells what `identity` says";
        wrong(json!({"headers": [{"name": name, "claim": "a"}]}), expected);
    }
    let twice = json!({"name": "x-postern-a", "claim": "a"});
    wrong(
        json!({"headers": [twice, twice]}),
        "headers[1].name: the header at `headers[0]` has the same name",
    );
}

/// JSON that a stranger may put into a claim.
fn any_claim() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        "[\\x00-\\x7f\u{80}-\u{a0}€]{0,6}".prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 12, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map("[a-c.]{0,2}", inner, 0..4)
                .prop_map(|map: BTreeMap<String, Value>| map.into_iter().collect()),
        ]
    })
}

/// Checks signatures with HMAC, which is quick in debug builds as well.
fn hs_token(claims: &Value) -> String {
    mint::token(&json!({"alg": "HS256", "kid": "hs"}), claims)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    /// Whatever claims say, there is a decision, and what goes out can stand
    /// in a header; encoded values can be read back.
    #[test]
    fn any_claims_are_decided(values in prop::collection::vec(any_claim(), 5), encoding in 0usize..3) {
        let encoding = ["plain", "percent", "base64url"][encoding];
        thread_local!(static AUTH: Vec<Auth> = ["plain", "percent", "base64url"].iter().map(|e| {
            configured(&with(&json!({
                "identity": {"client": ["b.a"], "scopes": ["c"], "plan": ["e"]},
                "claims": ["a", {"from": "b.a", "to": "x"}],
                "headers": [{"name": "x-postern-a", "claim": "a", "encoding": e},
                            {"name": "x-postern-b", "claim": "b.c", "encoding": e, "separator": "|"}],
            })))
        }).collect());
        let mut claims = mint::claims(json!({}));
        for (name, value) in ["a", "b", "c", "d", "e"].iter().zip(&values) {
            claims[*name] = value.clone();
        }
        let value = format!("Bearer {}", hs_token(&claims));
        let at = ["plain", "percent", "base64url"].iter().position(|e| *e == encoding).unwrap();
        let outcome = AUTH.with(|auth| send_to(&auth[at], "/private", &[("authorization", value.as_bytes())]));
        for edit in &outcome.edits() {
            if let HeaderEdit::Set(name, value) = edit {
                prop_assert!(postern_core::grammar::may_write(name, value));
            }
        }
        if let (Step::Continue, Value::String(text)) = (&outcome.step, &values[0]) {
            let written = edit(&outcome, "x-postern-a");
            match encoding {
                "plain" => prop_assert!(written.is_none_or(|w| w == *text)),
                "base64url" if !text.is_empty() => {
                    prop_assert_eq!(mint::unb64(&written.unwrap()), text.as_bytes());
                }
                _ => prop_assert_eq!(written.is_some(), !text.is_empty()),
            }
        }
    }
}
