//! Several providers look in one place: which refusal is told, and of whom, is not a
//! matter of how they are called.

use std::collections::BTreeMap;

use serde_json::json;

use super::*;

const NAMES: [[&str; 3]; 6] = [
    ["a", "b", "c"],
    ["a", "c", "b"],
    ["b", "a", "c"],
    ["b", "c", "a"],
    ["c", "a", "b"],
    ["c", "b", "a"],
];

/// API keys, the issuer of the test tokens, and another issuer, all as
/// `Authorization: Bearer`, under these names.
fn providers([keys, idp, other]: [&str; 3]) -> Value {
    let bearer = json!([{"authorization": "Bearer"}]);
    let issuer = |name: &str, algorithm: &str, key: Value| {
        json!({"jwt": {
            "issuer": format!("https://{name}.example.com"), "audiences": ["api"],
            "algorithms": [algorithm], "required_claims": ["tenant"],
            "keys": [{"jwks": {"keys": [key]}}],
        }})
    };
    json!({
        "providers": {
            keys: {"api_key": {"from": bearer, "keys": [
                {"id": "k-1", "sha256": sha256("good-key"), "subject": "northwind"},
                {"id": "k-2", "sha256": sha256("old-key"), "subject": "northwind",
                 "expires": "2026-11-24T00:00:00Z"},
            ]}},
            idp: issuer("id", "EdDSA", mint::ed25519_jwk()),
            other: issuer("other", "ES256", mint::p256_jwk()),
        },
        "revoked": {"subjects": ["gone"], "credentials": ["api_key:k-1"]},
    })
}

/// The record but for version, mode and rule, with the provider by its role, and
/// the metrics that were counted.
fn told(names: [&str; 3], credential: &str) -> (BTreeMap<String, String>, Vec<String>) {
    let auth = configured(&providers(names));
    let outcome =
        send_to(&auth, "/", &[("authorization", format!("Bearer {credential}").as_bytes())]);
    let role = |name: &str| {
        let at = names.iter().position(|n| *n == name).expect("a provider");
        ["keys", "idp", "other"][at]
    };
    let said: BTreeMap<String, Value> = serde_json::from_str(&record(&outcome)).unwrap();
    let said =
        said.into_iter().filter(|(name, _)| !matches!(name.as_str(), "version" | "mode" | "rule"));
    let said = said.map(|(name, value)| {
        let value = value.as_str().unwrap().to_owned();
        let value = if name == "provider" { role(&value).to_owned() } else { value };
        (name, value)
    });
    let metrics = auth.metrics();
    let counted = outcome.count.iter().map(|i| {
        let name = metrics[*i].name.to_string();
        match name.split('.').collect::<Vec<_>>()[..] {
            ["provider", provider, ref rest @ ..] => {
                format!("{}.{}", role(provider), rest.join("."))
            }
            _ => name,
        }
    });
    (said.collect(), counted.collect())
}

#[track_caller]
fn refused_in_every_order(credential: &str, expected: Value) {
    let code = expected["code"].as_str().unwrap();
    for names in NAMES {
        let (said, counted) = told(names, credential);
        let mut whole = expected.clone();
        whole["decision"] = json!("deny");
        assert_eq!(json!(said), whole, "{names:?}");
        let provider = expected["provider"].as_str().unwrap();
        let of_provider = format!("{provider}.decisions.{code}");
        assert_eq!(counted, ["invalid_credential", &of_provider], "{names:?}");
    }
}

fn token(changes: Value) -> String {
    let mut all = json!({"tenant": "t"});
    for (name, value) in changes.as_object().unwrap() {
        all[name] = value.clone();
    }
    mint::token(&json!({"alg": "EdDSA", "kid": "ed"}), &mint::claims(all))
}

#[test]
fn the_reason_of_whose_token_it_is_is_told() {
    let of = |code: &str| json!({"provider": "idp", "code": code});
    refused_in_every_order(&token(json!({"exp": NOW - 60})), of("expired"));
    refused_in_every_order(&token(json!({"aud": "another"})), of("wrong_audience"));
    let other = json!({"provider": "other", "code": "wrong_algorithm"});
    refused_in_every_order(&token(json!({"iss": "https://other.example.com"})), other);
    refused_in_every_order(
        &token(json!({"sub": "gone"})),
        json!({"provider": "idp", "code": "revoked", "credential": "jwt:t-1"}),
    );
    refused_in_every_order(
        &token(json!({"tenant": null})),
        json!({"provider": "idp", "code": "missing_claim", "claim": "tenant"}),
    );
    let good = token(json!({}));
    let (signed, _) = good.rsplit_once('.').unwrap();
    refused_in_every_order(&format!("{signed}.{}", mint::b64([0; 64])), of("bad_signature"));
    let header = json!({"alg": "EdDSA", "kid": "ed", "typ": "logout+jwt"});
    let claims = mint::claims(json!({"tenant": "t"}));
    refused_in_every_order(&mint::token(&header, &claims), of("wrong_type"));
}

#[test]
fn what_is_nobodys_is_told_as_what_it_looks_like() {
    // The other issuer's provider takes no such algorithm; this one says more.
    refused_in_every_order(
        &token(json!({"iss": "https://nobody.example.com"})),
        json!({"provider": "idp", "code": "unknown_issuer"}),
    );
    for garbage in ["nobody", &"k".repeat(600)] {
        refused_in_every_order(garbage, json!({"provider": "keys", "code": "unknown_api_key"}));
    }
    let old = json!({"provider": "keys", "code": "api_key_expired", "credential": "api_key:k-2"});
    refused_in_every_order("old-key", old);
    let revoked = json!({"provider": "keys", "code": "revoked", "credential": "api_key:k-1"});
    refused_in_every_order("good-key", revoked);
}
