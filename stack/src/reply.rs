//! Answers as the marketplace gives them, and what they are made from.

use axum::body::Body;
use axum::extract::Request;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, ETAG, IF_NONE_MATCH};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::Response;
use ring::digest;
use serde::Serialize;
use serde_json::json;

use crate::keys::base64url;

/// An error, as a handler returns it.
pub(crate) struct Failure {
    pub status: StatusCode,
    pub description: String,
}

impl Failure {
    pub(crate) fn new(status: StatusCode, description: impl Into<String>) -> Self {
        Self { status, description: description.into() }
    }

    pub(crate) fn not_found(description: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, description)
    }

    pub(crate) fn bad_request(description: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, description)
    }
}

/// `{"error":404,"description":"…"}`, the marketplace's shape of every error.
impl axum::response::IntoResponse for Failure {
    fn into_response(self) -> Response {
        let body = json!({"error": self.status.as_u16(), "description": self.description});
        with_status(self.status, &body)
    }
}

/// A good answer.
pub(crate) fn json_reply(body: &impl Serialize) -> Response {
    with_status(StatusCode::OK, body)
}

pub(crate) fn with_status(status: StatusCode, body: &impl Serialize) -> Response {
    let (status, text) = match serde_json::to_vec(body) {
        Ok(text) => (status, text),
        Err(_) => (StatusCode::INTERNAL_SERVER_ERROR, br#"{"error":500}"#.to_vec()),
    };
    let mut reply = Response::new(Body::from(text));
    *reply.status_mut() = status;
    reply.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    reply
}

/// An answer that carries credentials (RFC 6749 §5.1).
pub(crate) fn unstored(mut reply: Response) -> Response {
    reply.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    reply
}

/// A good answer with a validator, or 304 where the client has it already (RFC 9110 §13.1.2).
pub(crate) fn validated(asked: &HeaderMap, body: &impl Serialize) -> Response {
    let mut reply = json_reply(body);
    let text = serde_json::to_vec(body).unwrap_or_default();
    let digest = digest::digest(&digest::SHA256, &text);
    let short = digest.as_ref().get(..12).unwrap_or_default();
    // Weak, since the same answer may go out compressed.
    let tag = format!("W/\"{}\"", base64url(short));
    if holds(asked, &tag) {
        *reply.status_mut() = StatusCode::NOT_MODIFIED;
        *reply.body_mut() = Body::empty();
        reply.headers_mut().remove(CONTENT_TYPE);
    }
    if let Ok(tag) = HeaderValue::from_str(&tag) {
        reply.headers_mut().insert(ETAG, tag);
    }
    reply
}

/// Weak comparison (RFC 9110 §8.8.3.2) with each of the tags that the client has.
pub(crate) fn holds(asked: &HeaderMap, tag: &str) -> bool {
    let opaque = |tag: &str| tag.trim().trim_start_matches("W/").to_owned();
    asked
        .get_all(IF_NONE_MATCH)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .any(|held| held.trim() == "*" || opaque(held) == opaque(tag))
}

/// The fields of a query or a form; the first of each name counts.
pub(crate) struct Fields(Vec<(String, String)>);

impl Fields {
    pub(crate) fn of_query(request: &Request) -> Self {
        Self::of(request.uri().query().unwrap_or_default().as_bytes())
    }

    pub(crate) fn of(encoded: &[u8]) -> Self {
        Self(form_urlencoded::parse(encoded).into_owned().collect())
    }

    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_str())
    }

    /// The field's value, if it has one: `page=` says no more than no `page` at all.
    pub(crate) fn given(&self, name: &str) -> Option<&str> {
        self.get(name).filter(|value| !value.is_empty())
    }

    pub(crate) fn need(&self, name: &str) -> Result<&str, Failure> {
        self.given(name)
            .ok_or_else(|| Failure::bad_request(format!("parameter `{name}` is missing")))
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }
}
