//! Opaque tokens, client credentials, the key set.

use axum::Router;
use serde_json::{Value, json};

use crate::http::{Answer, ask, get, provider, upstream};

const FORM: (&str, &str) = ("content-type", "application/x-www-form-urlencoded");
/// demo-gateway:test-secret-of-the-demo-gateway
const GATEWAY: (&str, &str) =
    ("authorization", "Basic ZGVtby1nYXRld2F5OnRlc3Qtc2VjcmV0LW9mLXRoZS1kZW1vLWdhdGV3YXk=");
const PARTNER: &str = "client_id=demo-partner&client_secret=test-secret-of-the-demo-partner";

async fn post(router: &Router, path: &str, headers: &[(&str, &str)], body: &str) -> Answer {
    ask(router, "POST", path, headers, body).await
}

fn names(value: &Value) -> Vec<&str> {
    value.as_object().unwrap().keys().map(String::as_str).collect()
}

#[tokio::test]
async fn personal_tokens() {
    let provider = provider();
    let body = r#"{"sub":"quillhaven","scopes":["user:email","purchase:list"]}"#;
    let issued = post(&provider, "/personal-token", &[], body).await;
    assert_eq!((issued.status, issued.header("cache-control")), (200, "no-store"));
    let token = issued.json()["access_token"].as_str().unwrap().to_owned();
    assert!(token.starts_with("pt_") && !token.contains('.'), "{token}");

    let question = format!("token={token}");
    for headers in [&[FORM][..], &[FORM, GATEWAY]] {
        let known = post(&provider, "/introspect", headers, &question).await.json();
        assert_eq!(
            names(&known),
            ["active", "sub", "username", "scope", "token_type", "iss", "aud", "iat", "exp"]
        );
        assert_eq!(known["active"], true);
        assert_eq!(known["sub"], "quillhaven");
        assert_eq!(known["scope"], "user:email purchase:list");
        assert_eq!(known["exp"].as_i64().unwrap() - known["iat"].as_i64().unwrap(), 315_360_000);
    }
    let unknown = post(&provider, "/introspect", &[FORM], "token=pt_unknown").await;
    assert_eq!((unknown.status, unknown.text()), (200, r#"{"active":false}"#));

    assert_eq!(post(&provider, "/revoke", &[FORM], &question).await.status, 200);
    let revoked = post(&provider, "/introspect", &[FORM], &question).await;
    assert_eq!(revoked.text(), r#"{"active":false}"#);
}

#[tokio::test]
async fn personal_tokens_of_defaults_and_of_the_past() {
    let provider = provider();
    for (body, scopes) in
        [(r#"{"sub":"a"}"#, 9), (r#"{"sub":"a","scopes":[]}"#, 0), (r#"{"sub":"a","ttl":-1}"#, -1)]
    {
        let token = post(&provider, "/personal-token", &[], body).await.json();
        let question = format!("token={}", token["access_token"].as_str().unwrap());
        let answer = post(&provider, "/introspect", &[], &question).await.json();
        let found =
            answer["scope"].as_str().map_or(-1, |text| text.split_whitespace().count() as i32);
        assert_eq!(found, scopes, "{body}");
    }
}

#[tokio::test]
async fn questions_refused() {
    let provider = provider();
    let wrong = ("authorization", "Basic ZGVtby1nYXRld2F5Ong=");
    for (headers, body, status, error) in [
        (&[wrong][..], "token=x", 401, "invalid_client"),
        (&[], "token=x&client_id=demo-gateway", 401, "invalid_client"),
        (&[], &format!("token=x&{PARTNER}"), 403, "access_denied"),
        (&[GATEWAY], "", 400, "invalid_request"),
    ] {
        let answer = post(&provider, "/introspect", headers, body).await;
        assert_eq!((answer.status, &answer.json()["error"]), (status, &json!(error)), "{body}");
    }
}

#[tokio::test]
async fn client_credentials() {
    // The contract has the row in the upstream; the provider answers alike.
    for router in [upstream(), provider()] {
        let form = format!("grant_type=client_credentials&{PARTNER}");
        let answer = post(&router, "/token", &[FORM], &form).await;
        assert_eq!((answer.status, answer.header("cache-control")), (200, "no-store"));
        let body = answer.json();
        assert_eq!(
            names(&body),
            ["token_type", "access_token", "expires_in", "refresh_token", "scope"]
        );
        assert_eq!((&body["token_type"], &body["expires_in"]), (&json!("Bearer"), &json!(3600)));
        assert_eq!(body["access_token"].as_str().unwrap().split('.').count(), 3);

        // A refresh token counts once.
        let refresh = body["refresh_token"].as_str().unwrap();
        let form = format!("grant_type=refresh_token&refresh_token={refresh}&{PARTNER}");
        assert_eq!(post(&router, "/token", &[FORM], &form).await.status, 200);
        let again = post(&router, "/token", &[FORM], &form).await;
        assert_eq!((again.status, &again.json()["error"]), (400, &json!("invalid_grant")));
    }
}

#[tokio::test]
async fn client_credentials_refused() {
    let partner = |fields: &str| format!("{PARTNER}&{fields}");
    for (form, status, error) in [
        ("grant_type=client_credentials".to_owned(), 401, "invalid_client"),
        (
            "grant_type=client_credentials&client_id=demo-partner&client_secret=x".to_owned(),
            401,
            "invalid_client",
        ),
        (partner(""), 400, "invalid_request"),
        (partner("grant_type=password"), 400, "unsupported_grant_type"),
        (partner("grant_type=client_credentials&scope=user:email"), 400, "invalid_scope"),
    ] {
        let answer = post(&upstream(), "/token", &[FORM], &form).await;
        assert_eq!((answer.status, &answer.json()["error"]), (status, &json!(error)), "{form}");
        assert_eq!(answer.headers.contains_key("www-authenticate"), status == 401, "{form}");
    }
}

#[tokio::test]
async fn committed_key_set_is_the_one_served() {
    let served = get(&provider(), "/.well-known/jwks.json", &[]).await.json();
    // As `postern-idp --print-jwks` writes it.
    assert_eq!(include_str!("../../keys/jwks.json"), format!("{served:#}\n"));
    let kids: Vec<_> = served["keys"].as_array().unwrap().iter().map(|key| &key["kid"]).collect();
    assert_eq!(kids, ["demo-rs256", "demo-ps256", "demo-es256", "demo-es384", "demo-eddsa"]);
    for key in served["keys"].as_array().unwrap() {
        for private in ["d", "p", "q", "dp", "dq", "qi", "k"] {
            assert_eq!(key.get(private), None, "{}", key["kid"]);
        }
    }
}
