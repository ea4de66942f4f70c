//! `/mint`: every default, every parameter, every algorithm.

use ct_codecs::{Base64UrlSafeNoPadding, Decoder as _};
use jwt_simple::prelude::*;
use serde_json::{Value, json};

use crate::http::{ask, get, provider};

const SCOPES: &str = "user:account user:username user:email user:financial sale:history \
     sale:verify purchase:list purchase:verify purchase:download";

async fn mint(request: Value) -> String {
    let answer = ask(&provider(), "POST", "/mint", &[], &request.to_string()).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(answer.header("cache-control"), "no-store");
    let body = answer.json();
    assert_eq!(body.as_object().unwrap().len(), 1);
    body["access_token"].as_str().unwrap().to_owned()
}

fn bytes(base64url: &str) -> Vec<u8> {
    Base64UrlSafeNoPadding::decode_to_vec(base64url, None).unwrap()
}

/// Header and claims as text, so that the members' order counts.
fn open(token: &str) -> (String, Value) {
    let parts: Vec<&str> = token.split('.').collect();
    assert_eq!(parts.len(), 3);
    let claims = serde_json::from_slice(&bytes(parts[1])).unwrap();
    (String::from_utf8(bytes(parts[0])).unwrap(), claims)
}

#[tokio::test]
async fn defaults() {
    let (header, claims) = open(&mint(json!({"sub": "northwind"})).await);
    assert_eq!(header, r#"{"alg":"RS256","kid":"demo-rs256","typ":"at+jwt"}"#);
    let names: Vec<&String> = claims.as_object().unwrap().keys().collect();
    assert_eq!(names, ["iss", "aud", "sub", "client_id", "iat", "exp", "jti", "scope"]);
    assert_eq!(claims["iss"], "https://id.example.com");
    assert_eq!(claims["aud"], "marketplace-api");
    assert_eq!(claims["sub"], "northwind");
    assert_eq!(claims["scope"], SCOPES);
    assert_eq!(claims["exp"].as_i64().unwrap() - claims["iat"].as_i64().unwrap(), 3600);
}

#[tokio::test]
async fn parameters() {
    let (header, claims) = open(
        &mint(json!({
            "sub": "bluefin", "alg": "ES256", "scopes": ["user:email", "sale:verify"],
            "aud": ["a", "b"], "iss": "https://else.example.com", "ttl": 60,
            "claims": {"plan": "tiny", "client_id": null}, "header": {"kid": "gone", "typ": null},
        }))
        .await,
    );
    assert_eq!(header, r#"{"alg":"ES256","kid":"gone"}"#);
    let names: Vec<&String> = claims.as_object().unwrap().keys().collect();
    assert_eq!(names, ["iss", "aud", "sub", "iat", "exp", "jti", "scope", "plan"]);
    assert_eq!(claims["iss"], "https://else.example.com");
    assert_eq!(claims["aud"], json!(["a", "b"]));
    assert_eq!(claims["scope"], "user:email sale:verify");
    assert_eq!(claims["plan"], "tiny");
    assert_eq!(claims["exp"].as_i64().unwrap() - claims["iat"].as_i64().unwrap(), 60);

    let (_, none) = open(&mint(json!({"sub": "bluefin", "scopes": []})).await);
    assert_eq!(none.get("scope"), None);
    let (_, expired) = open(&mint(json!({"sub": "bluefin", "ttl": -60})).await);
    let now = i64::try_from(Clock::now_since_epoch().as_secs()).unwrap();
    assert!((now - 65..=now - 60).contains(&expired["exp"].as_i64().unwrap()));
    assert!(expired["iat"].as_i64() < expired["exp"].as_i64());
}

/// Checked with another library's code against the keys that the provider serves.
#[tokio::test]
async fn signatures() {
    let served = get(&provider(), "/.well-known/jwks.json", &[]).await.json();
    let key =
        |alg: &str| served["keys"].as_array().unwrap().iter().find(|k| k["alg"] == alg).unwrap();
    let part = |alg: &str, name: &str| bytes(key(alg)[name].as_str().unwrap());
    let point = |alg: &str| [vec![4], part(alg, "x"), part(alg, "y")].concat();
    let rs = RS256PublicKey::from_components(&part("RS256", "n"), &part("RS256", "e")).unwrap();
    let ps = PS256PublicKey::from_components(&part("PS256", "n"), &part("PS256", "e")).unwrap();
    let p256 = ES256PublicKey::from_bytes(&point("ES256")).unwrap();
    let p384 = ES384PublicKey::from_bytes(&point("ES384")).unwrap();
    let ed = Ed25519PublicKey::from_bytes(&part("EdDSA", "x")).unwrap();
    let shared = HS256Key::from_bytes(&bytes(include_str!("../../keys/hs256.txt").trim()));
    for alg in ["RS256", "PS256", "ES256", "ES384", "EdDSA", "HS256"] {
        let token = mint(json!({"sub": "northwind", "alg": alg})).await;
        let claims = match alg {
            "RS256" => rs.verify_token::<NoCustomClaims>(&token, None),
            "PS256" => ps.verify_token(&token, None),
            "ES256" => p256.verify_token(&token, None),
            "ES384" => p384.verify_token(&token, None),
            "EdDSA" => ed.verify_token(&token, None),
            _ => shared.verify_token(&token, None),
        };
        assert_eq!(claims.expect(alg).subject.as_deref(), Some("northwind"), "{alg}");
        let kid = format!("demo-{}", alg.to_ascii_lowercase());
        assert_eq!(Token::decode_metadata(&token).unwrap().key_id(), Some(kid.as_str()));
    }
}

#[tokio::test]
async fn what_cannot_be_minted() {
    for (body, expected) in [
        ("", "EOF while parsing a value at line 1 column 0"),
        ("{}", "missing field `sub` at line 1 column 2"),
        (
            r#"{"sub":"a","alg":"none"}"#,
            "alg: `none` is not known, expected one of RS256, PS256, ES256, ES384, EdDSA, HS256",
        ),
        (
            r#"{"sub":"a","scope":1}"#,
            "unknown field `scope`, expected one of `sub`, `alg`, `kid`, `scopes`, `aud`, `iss`, \
             `ttl`, `claims`, `header` at line 1 column 18",
        ),
    ] {
        let answer = ask(&provider(), "POST", "/mint", &[], body).await;
        assert_eq!(answer.status, 400, "{body}");
        assert_eq!(
            answer.json(),
            json!({"error": "invalid_request", "error_description": expected})
        );
    }
    assert_eq!(get(&provider(), "/mint", &[]).await.status, 405);
}
