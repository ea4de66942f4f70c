//! What a gateway fetches from the identity provider: validators, ages, counters, keys that go.

use ct_codecs::{Base64UrlSafeNoPadding, Decoder as _};
use jwt_simple::prelude::{NoCustomClaims, RS256PublicKey, RSAPublicKeyLike as _};
use serde_json::{Value, json};

use crate::http::{ask, get, provider};

const JWKS: &str = "/.well-known/jwks.json";

#[tokio::test]
async fn lists_are_empty_until_put() {
    let provider = provider();
    for (path, empty) in [("/api-keys.json", r#"{"keys":[]}"#), ("/revoked.json", "{}")] {
        let before = get(&provider, path, &[]).await;
        assert_eq!((before.status, before.text()), (200, empty));
        let list = r#"{ "keys" : [], "token_ids":["a"] }"#;
        let put = ask(&provider, "PUT", path, &[], list).await;
        assert_eq!((put.status, put.text()), (204, ""), "{path}");
        // As it was put, byte for byte.
        assert_eq!(get(&provider, path, &[]).await.text(), list);
        let refused = ask(&provider, "PUT", path, &[], "[1]").await;
        assert_eq!(refused.status, 400);
        assert_eq!(
            refused.json()["description"],
            "not a JSON object: invalid type: sequence, expected a map at line 1 column 0"
        );
        assert_eq!(ask(&provider, "DELETE", path, &[], "").await.status, 204);
        assert_eq!(get(&provider, path, &[]).await.text(), empty);
        assert_eq!(ask(&provider, "POST", path, &[], "").await.status, 405, "{path}");
    }
}

#[tokio::test]
async fn a_large_list_is_taken() {
    let provider = provider();
    let list = format!("{{\"keys\":[],\"filler\":\"{}\"}}", "a".repeat(5 << 20));
    assert_eq!(ask(&provider, "PUT", "/api-keys.json", &[], &list).await.status, 204);
    assert_eq!(get(&provider, "/api-keys.json", &[]).await.body.len(), list.len());
}

#[tokio::test]
async fn validators_and_ages() {
    let provider = provider();
    for path in ["/api-keys.json", "/revoked.json", JWKS, "/.well-known/openid-configuration"] {
        let whole = get(&provider, path, &[]).await;
        assert_eq!(whole.header("cache-control"), "public, max-age=300", "{path}");
        assert_eq!(whole.header("content-type"), "application/json", "{path}");
        let tag = whole.header("etag");
        assert!(tag.starts_with('"') && tag.len() > 10, "{path}: {tag}");
        for held in [tag, &format!("\"x\", W/{tag}"), "*"] {
            let same = get(&provider, path, &[("if-none-match", held)]).await;
            assert_eq!((same.status, same.text()), (304, ""), "{path} {held}");
            assert_eq!(
                (same.header("etag"), same.header("cache-control")),
                (tag, "public, max-age=300")
            );
        }
        let other = get(&provider, path, &[("if-none-match", "\"x\"")]).await;
        assert_eq!((other.status, other.body), (200, whole.body), "{path}");
    }
    let tag = get(&provider, "/revoked.json", &[]).await.header("etag").to_owned();
    ask(&provider, "PUT", "/revoked.json", &[], r#"{"subjects":["a"]}"#).await;
    let changed = get(&provider, "/revoked.json", &[("if-none-match", &tag)]).await;
    assert_eq!((changed.status, changed.text()), (200, r#"{"subjects":["a"]}"#));
}

#[tokio::test]
async fn discovery_leads_back_to_the_host_that_was_asked() {
    let host = ("host", "idp:18081");
    let found = get(&provider(), "/.well-known/openid-configuration", &[host]).await.json();
    assert_eq!(found["issuer"], "https://id.example.com");
    assert_eq!(found["jwks_uri"], "http://idp:18081/.well-known/jwks.json");
    assert_eq!(found["introspection_endpoint"], "http://idp:18081/introspect");
    let methods = &found["introspection_endpoint_auth_methods_supported"];
    assert_eq!(*methods, json!(["client_secret_basic", "client_secret_post"]));
}

#[tokio::test]
async fn counted_by_path() {
    let provider = provider();
    let tag = get(&provider, JWKS, &[]).await.header("etag").to_owned();
    get(&provider, JWKS, &[("if-none-match", &tag)]).await;
    ask(&provider, "POST", "/introspect", &[], "token=x").await;
    ask(&provider, "PUT", "/revoked.json", &[], "{}").await;
    get(&provider, "/nothing", &[]).await;
    let count = |requests: u64, not_modified: u64| json!({"requests": requests, "not_modified": not_modified, "open": 0, "most_open": 1});
    assert_eq!(
        get(&provider, "/__counters", &[]).await.json(),
        json!({
            "jwks": 2,
            "introspections": 1,
            "minted": 0,
            "paths": {
                "/.well-known/jwks.json": count(2, 1),
                "/introspect": count(1, 0),
                "/nothing": count(1, 0),
            },
        })
    );
    assert_eq!(ask(&provider, "DELETE", "/__counters", &[], "").await.status, 204);
    let expected = json!({"jwks": 0, "introspections": 0, "minted": 0, "paths": {}});
    assert_eq!(get(&provider, "/__counters", &[]).await.json(), expected);
}

/// A token's `kid`, and those that are published.
async fn minted(provider: &axum::Router, request: Value) -> (String, Vec<String>) {
    let answer = ask(provider, "POST", "/mint", &[], &request.to_string()).await.json();
    let token = answer["access_token"].as_str().unwrap_or_else(|| panic!("{answer}"));
    let metadata = jwt_simple::token::Token::decode_metadata(token).unwrap();
    let set = get(provider, JWKS, &[]).await.json();
    let kid = |key: &Value| key["kid"].as_str().unwrap().to_owned();
    let published = set["keys"].as_array().unwrap().iter().map(kid).collect();
    (metadata.key_id().unwrap().to_owned(), published)
}

#[tokio::test]
async fn keys_come_and_go() {
    let provider = provider();
    for alg in ["RS256", "PS256", "ES256", "ES384", "EdDSA"] {
        let old = format!("demo-{}", alg.to_ascii_lowercase());
        let rotation = json!({"alg": alg, "kid": format!("{alg}-2"), "retire": true}).to_string();
        let rotated = ask(&provider, "POST", "/__rotate", &[], &rotation).await;
        assert_eq!((rotated.status, rotated.json()), (200, json!({"kid": format!("{alg}-2")})));
        let (kid, published) = minted(&provider, json!({"sub": "a", "alg": alg})).await;
        assert_eq!(kid, format!("{alg}-2"));
        assert!(published.contains(&kid) && !published.contains(&old), "{published:?}");
        // The old one still signs for whoever asks for it.
        let (kid, _) = minted(&provider, json!({"sub": "a", "kid": old})).await;
        assert_eq!(kid, old);
    }
    // One that nobody can know yet, and that is published later.
    let rotation = r#"{"published":false}"#;
    let kid = ask(&provider, "POST", "/__rotate", &[], rotation).await.json();
    let kid = kid["kid"].as_str().unwrap().to_owned();
    let (by, published) = minted(&provider, json!({"sub": "a"})).await;
    assert_eq!((&by, published.contains(&kid)), (&kid, false));
    let publication = json!({"kid": kid, "published": true}).to_string();
    assert_eq!(ask(&provider, "PUT", "/__keys", &[], &publication).await.status, 204);
    let (_, published) = minted(&provider, json!({"sub": "a"})).await;
    assert_eq!(published, ["RS256-2", "PS256-2", "ES256-2", "ES384-2", "EdDSA-2", &kid]);
    let listed = get(&provider, "/__keys", &[]).await.json();
    assert_eq!(listed[0], json!({"kid": "demo-rs256", "alg": "RS256", "published": false}));

    assert_eq!(ask(&provider, "DELETE", "/__keys", &[], "").await.status, 204);
    let (kid, published) = minted(&provider, json!({"sub": "a"})).await;
    assert_eq!((kid.as_str(), published.len()), ("demo-rs256", 5));
}

#[tokio::test]
async fn a_new_key_signs_as_it_is_published() {
    let provider = provider();
    ask(&provider, "POST", "/__rotate", &[], r#"{"alg":"RS256","kid":"new"}"#).await;
    let token = ask(&provider, "POST", "/mint", &[], r#"{"sub":"a"}"#).await.json();
    let set = get(&provider, JWKS, &[]).await.json();
    let keys = set["keys"].as_array().unwrap();
    let verified = |kid: &str| {
        let key = keys.iter().find(|key| key["kid"] == kid).unwrap();
        let part = |name: &str| {
            let text = key[name].as_str().unwrap();
            Base64UrlSafeNoPadding::decode_to_vec(text, None).unwrap()
        };
        RS256PublicKey::from_components(&part("n"), &part("e"))
            .unwrap()
            .verify_token::<NoCustomClaims>(token["access_token"].as_str().unwrap(), None)
            .is_ok()
    };
    assert_eq!((verified("new"), verified("demo-rs256")), (true, false));
}

#[tokio::test]
async fn what_cannot_be_rotated() {
    let provider = provider();
    for (method, path, body, status, description) in [
        (
            "POST",
            "/__rotate",
            r#"{"alg":"HS256"}"#,
            409,
            "HS256 has a secret, which is in no key set",
        ),
        ("POST", "/__rotate", r#"{"kid":"demo-es256"}"#, 409, "RS256 has a key of that id"),
        (
            "POST",
            "/__rotate",
            r#"{"alg":"RS1"}"#,
            400,
            "alg: `RS1` is not known, expected one of RS256, PS256, ES256, ES384, EdDSA, HS256",
        ),
        ("PUT", "/__keys", r#"{"kid":"x","published":true}"#, 404, "no key is called `x`"),
        ("PUT", "/__keys", r#"{"kid":"x"}"#, 400, "missing field `published` at line 1 column 11"),
    ] {
        let answer = ask(&provider, method, path, &[], body).await;
        let expected = json!({"error": status, "description": description});
        assert_eq!((answer.status, answer.json()), (status, expected), "{body}");
    }
    for kid in ["1", "2", "3"] {
        let body = format!("{{\"kid\":\"{kid}\"}}");
        assert_eq!(ask(&provider, "POST", "/__rotate", &[], &body).await.status, 200);
    }
    let none = ask(&provider, "POST", "/__rotate", &[], "").await;
    assert_eq!(none.json()["description"], "RS256 has no key left in stock");
    for (request, problem) in [
        (r#"{"sub":"a","kid":"4"}"#, "kid: no key is called `4`"),
        (r#"{"sub":"a","kid":"1","alg":"ES256"}"#, "kid: `1` signs with RS256, not with ES256"),
    ] {
        let answer = ask(&provider, "POST", "/mint", &[], request).await;
        assert_eq!(answer.json()["error_description"], problem);
    }
}
