//! Asks a router as a client would, without a socket.

use axum::Router;
use axum::body::Body;
use axum::http::{HeaderMap, Request};
use http_body_util::BodyExt as _;
use postern_stack::idp;
use postern_stack::upstream::{self, Recorder};
use serde_json::Value;
use tower::ServiceExt as _;

pub const NORTHWIND: (&str, &str) = ("x-postern-subject", "northwind");
pub const EMBERLINE: (&str, &str) = ("x-postern-subject", "emberline");
pub const QUILLHAVEN: (&str, &str) = ("x-postern-subject", "quillhaven");

pub struct Answer {
    pub status: u16,
    pub headers: HeaderMap,
    pub body: Vec<u8>,
}

impl Answer {
    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|e| panic!("{e}: {}", self.text()))
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }
}

pub fn upstream() -> Router {
    upstream::router(&Recorder::default()).unwrap()
}

pub fn provider() -> Router {
    idp::router().unwrap()
}

pub async fn ask(
    router: &Router,
    method: &str,
    target: &str,
    headers: &[(&str, &str)],
    body: &str,
) -> Answer {
    let mut request = Request::builder().method(method).uri(target);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let request = request.body(Body::from(body.to_owned())).unwrap();
    let (head, body) = router.clone().oneshot(request).await.unwrap().into_parts();
    let body = body.collect().await.unwrap().to_bytes().to_vec();
    Answer { status: head.status.as_u16(), headers: head.headers, body }
}

pub async fn get(router: &Router, target: &str, headers: &[(&str, &str)]) -> Answer {
    ask(router, "GET", target, headers, "").await
}
