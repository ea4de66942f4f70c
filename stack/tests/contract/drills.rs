//! Paths of the identity provider that behave as told.

use axum::Router;
use axum::body::Body;
use axum::http::Request;
use http_body_util::BodyExt as _;
use serde_json::{Value, json};
use tower::ServiceExt as _;

use crate::http::{Answer, ask, get, provider};

const PATH: &str = "/api-keys.json";
const FORM: (&str, &str) = ("content-type", "application/x-www-form-urlencoded");

/// What the path answers under a drill.
async fn under(provider: &Router, mut drill: Value) -> Answer {
    drill["path"] = json!(PATH);
    let put = ask(provider, "PUT", "/__behaviour", &[], &drill.to_string()).await;
    assert_eq!(put.status, 204, "{drill}: {}", put.text());
    get(provider, PATH, &[]).await
}

#[tokio::test]
async fn other_answers() {
    let provider = provider();
    for (drill, status, body) in [
        (json!({"status": 503}), 503, r#"{"error":503,"description":"as told"}"#),
        (json!({"status": 304}), 304, ""),
        (json!({"status": 503, "empty": true}), 503, ""),
        (json!({"status": 500, "body": "oops"}), 500, "oops"),
        (json!({"body": "garbage"}), 200, "garbage"),
        (json!({"empty": true}), 200, ""),
        (json!({"size": 20}), 200, r#"{"filler":"aaaaaaa"}"#),
        (json!({"truncate": 4}), 200, r#"{"ke"#),
        (json!({}), 200, r#"{"keys":[]}"#),
    ] {
        let answer = under(&provider, drill.clone()).await;
        assert_eq!((answer.status, answer.text()), (status, body), "{drill}");
    }
    assert_eq!(under(&provider, json!({"size": 30_000_000})).await.body.len(), 30_000_000);
}

#[tokio::test]
async fn other_ages_and_validators() {
    let provider = provider();
    for (drill, expected) in [
        (json!({"max_age": 2}), "public, max-age=2"),
        (json!({"cache_control": "no-store"}), "no-store"),
        (json!({"cache_control": ""}), ""),
        (json!({"status": 503, "max_age": 9}), "public, max-age=9"),
    ] {
        assert_eq!(
            under(&provider, drill.clone()).await.header("cache-control"),
            expected,
            "{drill}"
        );
    }
    let answer = under(&provider, json!({"no_etag": true})).await;
    assert_eq!((answer.status, answer.header("etag")), (200, ""));
    let again = get(&provider, PATH, &[("if-none-match", "*")]).await;
    assert_eq!(again.status, 200);
}

#[tokio::test]
async fn a_cut_body() {
    let provider = provider();
    let drill = json!({"path": PATH, "cut": true}).to_string();
    ask(&provider, "PUT", "/__behaviour", &[], &drill).await;
    let request = Request::get(PATH).body(Body::empty()).unwrap();
    let reply = provider.clone().oneshot(request).await.unwrap();
    assert_eq!(reply.headers()["content-length"], "11");
    let mut body = reply.into_body();
    let first = body.frame().await.unwrap().unwrap().into_data().unwrap();
    assert_eq!(&first[..], br#"{"key"#);
    assert!(body.frame().await.unwrap().is_err());
}

#[tokio::test(start_paused = true)]
async fn a_late_answer() {
    let provider = provider();
    let before = tokio::time::Instant::now();
    let answer = under(&provider, json!({"delay_ms": 5000})).await;
    assert_eq!((answer.status, before.elapsed().as_millis()), (200, 5000));
}

#[tokio::test]
async fn so_often_and_until_reset() {
    let provider = provider();
    let mut seen = vec![under(&provider, json!({"status": 503, "times": 2})).await.status];
    for _ in 0..2 {
        seen.push(get(&provider, PATH, &[]).await.status);
    }
    assert_eq!(seen, [503, 503, 200]);

    assert_eq!(under(&provider, json!({"status": 500})).await.status, 500);
    let listed = get(&provider, "/__behaviour", &[]).await.json();
    assert_eq!((&listed[0]["path"], &listed[0]["status"]), (&json!(PATH), &json!(500)));
    // Others behave as ever, and a test can still put what will be served later.
    assert_eq!(get(&provider, "/revoked.json", &[]).await.status, 200);
    assert_eq!(ask(&provider, "PUT", PATH, &[], "{}").await.status, 204);
    assert_eq!(ask(&provider, "DELETE", "/__behaviour", &[], "").await.status, 204);
    assert_eq!(get(&provider, PATH, &[]).await.text(), "{}");
    // Whatever was answered, it was asked for.
    let counters = get(&provider, "/__counters", &[]).await.json();
    assert_eq!(counters["paths"][PATH]["requests"], 5);
}

#[tokio::test]
async fn client_credentials_made_mandatory() {
    let provider = provider();
    let drill = json!({"path": "/introspect", "authenticate": true}).to_string();
    ask(&provider, "PUT", "/__behaviour", &[], &drill).await;
    let secret = include_str!("../../keys/introspection.txt").trim();
    let good = {
        use ct_codecs::Encoder as _;
        let pair = format!("demo-gateway:{secret}");
        format!("Basic {}", ct_codecs::Base64::encode_to_string(pair).unwrap())
    };
    for (headers, status) in [
        (&[FORM][..], 401),
        (&[FORM, ("authorization", "Basic ZGVtby1nYXRld2F5Ong=")], 401),
        (&[FORM, ("authorization", &good)], 200),
    ] {
        let answer = ask(&provider, "POST", "/introspect", headers, "token=x").await;
        assert_eq!(answer.status, status, "{}", answer.text());
        assert_eq!(answer.headers.contains_key("www-authenticate"), status == 401);
    }
}

#[tokio::test]
async fn drills_not_understood() {
    let provider = provider();
    for (body, description) in [
        (r#"{"path":"jwks"}"#, "path: `jwks` is none that could be told to behave"),
        (r#"{"path":"/__keys"}"#, "path: `/__keys` is none that could be told to behave"),
        (r#"{"path":"/a","status":99}"#, "status: `99` is none of 200 to 599"),
        (r#"{"path":"/a","size":134217729}"#, "size: `134217729` is over 134217728"),
        (r#"{"path":"/a","cache_control":"a\nb"}"#, "cache_control: not a header's value"),
        ("{}", "missing field `path` at line 1 column 2"),
    ] {
        let answer = ask(&provider, "PUT", "/__behaviour", &[], body).await;
        let expected = json!({"error": 400, "description": description});
        assert_eq!((answer.status, answer.json()), (400, expected), "{body}");
    }
}
