//! `/__requests`: what the upstream was asked.

use serde_json::json;

use crate::http::{ask, get, upstream};

#[tokio::test]
async fn requests_as_they_came() {
    let upstream = upstream();
    // Paths that no route has, methods that no route takes: all are seen.
    let target = "/v1/../market//user:a%2cb.json?x=%7C&x=|";
    ask(&upstream, "PATCH", target, &[("X-Two", "1"), ("Host", "h"), ("x-two", "2")], "{}").await;
    get(&upstream, "/whoami", &[]).await;
    // Looking is not itself seen.
    get(&upstream, "/__requests", &[]).await;
    let seen = get(&upstream, "/__requests", &[]).await;
    assert_eq!(seen.header("content-type"), "application/json");
    assert_eq!(
        seen.json(),
        json!([
            {"method": "PATCH", "path": target, "headers": [["x-two", "1"], ["x-two", "2"], ["host", "h"]]},
            {"method": "GET", "path": "/whoami", "headers": []},
        ])
    );
}

#[tokio::test]
async fn the_last_hundred_until_emptied() {
    let upstream = upstream();
    for n in 0..103 {
        get(&upstream, &format!("/{n}"), &[]).await;
    }
    let seen = get(&upstream, "/__requests", &[]).await.json();
    let seen = seen.as_array().unwrap();
    assert_eq!(
        (seen.len(), &seen[0]["path"], &seen[99]["path"]),
        (100, &json!("/3"), &json!("/102"))
    );

    let emptied = ask(&upstream, "DELETE", "/__requests", &[], "").await;
    assert_eq!((emptied.status, emptied.text()), (204, ""));
    assert_eq!(get(&upstream, "/__requests", &[]).await.text(), "[]");
    let refused = ask(&upstream, "POST", "/__requests", &[], "").await;
    let expected = r#"{"error":405,"description":"POST is not supported at /__requests"}"#;
    assert_eq!((refused.status, refused.text()), (405, expected));
}
