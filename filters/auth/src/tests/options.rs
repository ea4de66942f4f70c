//! What a provider of JWTs may ask of claims.

use serde_json::{Value, json};

use postern_core::config::{At, Decode, Errors};

use super::*;
use crate::algorithm::Algorithm;
use crate::budget::Budget;
use crate::checked::Failure;
use crate::jwt::{Jwt, JwtConfig};
use crate::key_set::KeySet;
use crate::reason::Reason;

/// The policy with these keys of the identity provider's set.
pub(super) fn with(changes: &Value) -> Value {
    let mut policy = policy();
    for (name, value) in changes.as_object().unwrap() {
        policy["providers"]["idp"]["jwt"][name] = value.clone();
    }
    policy
}

fn present(options: &Value, token: &str) -> Outcome {
    let value = format!("Bearer {token}");
    send_to(&configured(&with(options)), "/private", &[("authorization", value.as_bytes())])
}

/// A token with these changes to its claims, held to these options.
pub(super) fn ask(options: &Value, claims: Value) -> Outcome {
    present(options, &mint::with_claims(claims))
}

#[track_caller]
fn admits(options: &Value, claims: Value) {
    assert_eq!(subject(&ask(options, claims)), "northwind");
}

#[track_caller]
pub(super) fn refuses(options: &Value, claims: Value, code: &str) {
    refused(&ask(options, claims), code);
}

/// The one error of a policy with these options.
#[track_caller]
pub(super) fn wrong(options: Value, expected: &str) {
    let node = parse_json(with(&options).to_string().as_bytes()).unwrap();
    let errors = Auth::configure(&node, &environment).unwrap_err().to_string();
    assert_eq!(errors, format!("providers.idp.jwt.{expected}"));
}

#[test]
fn a_token_may_be_too_old() {
    let hour = json!({"max_age": "1h"});
    admits(&hour, json!({}));
    // With the tolerance of 30 s: the last second, and the first too late.
    admits(&hour, json!({"iat": NOW - 3629}));
    refuses(&hour, json!({"iat": NOW - 3630}), "token_too_old");
    refuses(&hour, json!({"iat": null}), "missing_claim");
    refuses(&hour, json!({"iat": i64::MIN}), "bad_claim");
    admits(&json!({}), json!({"iat": 0}));
    for age in ["0s", "1500ms", "367d", "x"] {
        let expected = "max_age: expected whole seconds from `1s` to `366d`";
        wrong(json!({"max_age": age}), expected);
    }
}

#[test]
fn claims_may_be_required() {
    let required = json!({"required_claims": ["jti", "realm.roles", ["https://x.example/a", "b.c"], "https://x.example/y"]});
    let good = json!({
        "realm": {"roles": []}, "https://x.example/a": {"b.c": false}, "https://x.example/y": 0,
    });
    admits(&required, good.clone());
    for (name, value) in [
        ("jti", json!(null)),
        ("realm", json!({})),
        ("realm", json!({"roles": null})),
        ("realm", json!("roles")),
        ("realm", json!([{"roles": 1}])),
        ("https://x.example/a", json!({"b": {"c": 1}})),
        ("https://x.example/y", json!(null)),
    ] {
        let mut bad = good.clone();
        bad[name] = value;
        refuses(&required, bad, "missing_claim");
    }
    let expected = "expected the name of a claim, `outer.inner`, or a list of up to 8 names, one inside the other";
    for path in [json!("a..b"), json!(".a"), json!("a."), json!([]), json!(vec!["a"; 9])] {
        wrong(json!({"required_claims": [path]}), &format!("required_claims[0]: {expected}"));
    }
    wrong(
        json!({"required_claims": [7]}),
        &format!("required_claims[0]: {expected}, but found a whole number"),
    );
    wrong(
        json!({"required_claims": [""]}),
        "required_claims[0]: expected a text that is not empty and has no control characters",
    );
}

#[test]
fn a_profile_asks_for_its_claims_and_its_type() {
    let profile = json!({"profile": "rfc9068"});
    let token = |typ: &Value, changes: Value| {
        let mut header = json!({"alg": "EdDSA", "kid": "ed"});
        if !typ.is_null() {
            header["typ"] = typ.clone();
        }
        mint::token(&header, &mint::claims(changes))
    };
    for typ in ["at+jwt", "AT+JWT", "application/at+jwt"] {
        assert_eq!(subject(&present(&profile, &token(&json!(typ), json!({})))), "northwind");
    }
    for typ in [json!("JWT"), json!(null), json!("at"), json!("application/jwt")] {
        refused(&present(&profile, &token(&typ, json!({}))), "wrong_type");
    }
    for name in ["iss", "exp", "aud", "sub", "client_id", "iat", "jti"] {
        refused(&present(&profile, &token(&json!("at+jwt"), json!({name: null}))), "missing_claim");
    }
    // `azp` does not stand in for `client_id` here.
    let azp = token(&json!("at+jwt"), json!({"client_id": null, "azp": "shop"}));
    refused(&present(&profile, &azp), "missing_claim");
    wrong(
        json!({"profile": "rfc9068", "types": ["JWT"]}),
        "types: the profile says what `typ` has to be: leave this out",
    );
    wrong(json!({"profile": "rfc7519"}), "profile: expected `rfc9068`");
}

#[test]
fn claims_may_have_to_say_something() {
    let is = |test: Value| json!({"claims_match": [{"claim": "realm.roles", "is": test}]});
    let say = |value: Value| json!({"realm": {"roles": value}});
    let seller = is(json!({"exact": "seller"}));
    for good in [json!("seller"), json!(["buyer", "seller"]), json!([1, null, "seller"])] {
        admits(&seller, say(good));
    }
    for bad in [
        json!("Seller"),
        json!("seller "),
        json!([]),
        json!([["seller"]]),
        json!({"seller": 1}),
        json!(null),
    ] {
        refuses(&seller, say(bad), "claim_mismatch");
    }
    refuses(&seller, json!({}), "claim_mismatch");
    refuses(&seller, json!({"realm.roles": "seller"}), "claim_mismatch");
    let one_of = is(json!({"any_of": ["a", 7, true]}));
    for good in [json!("a"), json!(7), json!(true), json!([false, 7])] {
        admits(&one_of, say(good));
    }
    for bad in [json!("7"), json!(7.5), json!("true"), json!(false), json!(1)] {
        refuses(&one_of, say(bad), "claim_mismatch");
    }
    // The whole text, and alternatives stay inside.
    let pattern = is(json!({"pattern": "acme-[0-9]{1,3}|x"}));
    for good in [json!("acme-7"), json!("x"), json!(["-", "acme-123"])] {
        admits(&pattern, say(good));
    }
    for bad in [json!("acme-1234"), json!("xx"), json!("an x"), json!("x\n"), json!(7), json!("")] {
        refuses(&pattern, say(bad), "claim_mismatch");
    }
    refuses(&is(json!({"pattern": "x*"})), say(json!("x".repeat(1025))), "claim_mismatch");
    admits(&is(json!({"pattern": "x*"})), say(json!("x".repeat(1024))));
    // All of them.
    let both = json!({"claims_match": [
        {"claim": "a", "is": {"exact": true}}, {"claim": "b", "is": {"exact": 1}},
    ]});
    admits(&both, json!({"a": true, "b": 1}));
    refuses(&both, json!({"a": true, "b": 2}), "claim_mismatch");
    refuses(&both, json!({"a": false, "b": 1}), "claim_mismatch");
}

#[test]
fn what_claims_cannot_have_to_say() {
    let wrong = |test: Value, expected: &str| {
        wrong(
            json!({"claims_match": [{"claim": "a", "is": test}]}),
            &format!("claims_match[0].is{expected}"),
        );
    };
    wrong(json!({"any_of": []}), ".any_of: expected at least one");
    wrong(
        json!({"exact": 1.5}),
        ".exact: expected a string, a whole number or a boolean, but found a number",
    );
    wrong(json!({}), ": expected exactly one key of `exact`, `any_of` or `pattern`");
    wrong(
        json!({"pattern": "a)|(b"}),
        ".pattern: expected a regular expression: found closing ')' without matching '('",
    );
    wrong(json!({"pattern": "a".repeat(257)}), ".pattern: expected 1 to 256 bytes");
    wrong(
        json!({"pattern": "(a{1000}){1000}"}),
        ".pattern: expected a regular expression: compiled regex exceeded size limit",
    );
}

/// A published set of one key, for a provider that lists EdDSA alone.
fn fetched(key: Value) -> KeySet {
    let set = json!({"keys": [key]}).to_string();
    KeySet::fetched(set.as_bytes(), &[Algorithm::EdDsa]).unwrap()
}

/// What is known of a token that is good beyond its caller, for what holds on
/// to it.
#[test]
fn what_is_known_of_a_good_token() {
    let checked = |options: &Value, claims: Value| {
        let policy = with(options);
        let node = parse_json(policy["providers"]["idp"].to_string().as_bytes()).unwrap();
        let node = node.get("jwt").unwrap();
        let mut errors = Errors::default();
        let at = At::root(node);
        let config = JwtConfig::decode(at, &mut errors).unwrap();
        let jwt = Jwt::compile(&config, "idp", at, &environment, &mut errors);
        let host = FakeHost::at(Duration::from_secs(NOW as u64));
        let token = mint::with_claims(claims);
        let budget = Budget::per_second(10);
        let set = fetched(mint::ed25519_jwk());
        jwt.check("idp", token.as_bytes(), &[&set], &host, &budget).unwrap()
    };
    let plain = checked(&json!({}), json!({}));
    assert_eq!((plain.expires, plain.issued), (Some(NOW + 60 + 30), Some(NOW - 60)));
    assert_eq!(plain.token_id.as_deref(), Some("t-1"));
    assert_eq!(plain.key.map(|key| key.len()), Some(43));
    // An age that ends sooner ends it sooner, and one that does not does not.
    let expires = |age: &str| checked(&json!({"max_age": age}), json!({})).expires;
    assert_eq!(expires("100s"), Some(NOW - 60 + 100 + 30));
    assert_eq!(expires("1h"), Some(NOW + 60 + 30));
    let bare = checked(&json!({}), json!({"iat": null, "jti": null}));
    assert_eq!((bare.issued, bare.token_id), (None, None));
}

#[test]
fn the_sets_that_serve_are_tried_in_turn() {
    let node = parse_json(policy()["providers"]["other"].to_string().as_bytes()).unwrap();
    let node = node.get("jwt").unwrap();
    let mut errors = Errors::default();
    let config = JwtConfig::decode(At::root(node), &mut errors).unwrap();
    let jwt = Jwt::compile(&config, "other", At::root(node), &environment, &mut errors);
    let host = FakeHost::at(Duration::from_secs(NOW as u64));
    let claims = mint::claims(json!({"iss": "https://other.example.com"}));
    let signed = |kid: &str| {
        let header = json!({"alg": "EdDSA", "kid": kid}).to_string();
        mint::signed_as("ed", &header, &claims.to_string())
    };
    let mut rotated = mint::ed25519_jwk();
    rotated["kid"] = json!("new");
    let (rotated, none_fits) = (fetched(rotated), fetched(mint::rsa_jwk()));
    assert!(none_fits.is_empty(), "the provider lists EdDSA alone");
    let check = |kid: &str, sets: &[&KeySet], checks: u32| {
        jwt.check("other", signed(kid).as_bytes(), sets, &host, &Budget::per_second(checks))
            .map(|checked| checked.caller.sub)
    };
    assert_eq!(check("new", &[&none_fits, &rotated], 1).as_deref(), Ok("northwind"));
    let ed = fetched(mint::ed25519_jwk());
    assert_eq!(check("ed", &[&rotated, &ed], 1).as_deref(), Ok("northwind"));
    // Known without a check, so that keys can be fetched anew.
    assert_eq!(check("new", &[], 0), Err(Failure::from(Reason::UnknownKey)));
    assert_eq!(check("new", &[&rotated], 0), Err(Failure::Busy { retry_after: 60 }));
}

#[test]
fn a_flood_of_one_issuers_tokens_leaves_the_others_their_checks() {
    let mut policy = policy();
    policy["wasm_checks_per_second"] = json!(10);
    let auth = configured(&policy);
    let send = |token: &str| {
        let value = format!("Bearer {token}");
        send_to(&auth, "/private", &[("authorization", value.as_bytes())])
    };
    let mut codes = std::collections::BTreeSet::new();
    for n in 0..200 {
        let claims = mint::claims(json!({ "jti": n.to_string() })).to_string();
        let token = mint::signed_as("ed", r#"{"alg":"EdDSA","kid":"ed"}"#, &claims);
        let bad = format!("{}AAAA", &token[..token.len() - 4]);
        codes.insert(send(&bad).record.unwrap().code);
    }
    assert_eq!(codes.into_iter().collect::<Vec<_>>(), ["bad_signature", "too_many_checks"]);
    let claims = mint::claims(json!({"iss": "https://other.example.com", "sub": "calm"}));
    let calm = mint::token(&json!({"alg": "EdDSA", "kid": "ed"}), &claims);
    assert_eq!(subject(&send(&calm)), "calm");
}
