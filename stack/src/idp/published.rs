//! What gateways fetch: the key set, the list of API keys, the revocations. Each with a
//! validator and a time for which it may be kept.

use std::sync::{Arc, Mutex, PoisonError};

use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, ETAG};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::Response;
use ring::digest;
use serde::de::IgnoredAny;
use std::collections::HashMap;

use super::Provider;
use crate::keys::base64url;
use crate::reply::{Failure, holds};

/// Unless a drill says otherwise.
const CACHED: &str = "public, max-age=300";

/// JSON text with its validator.
#[derive(Clone)]
pub(super) struct Document {
    text: Bytes,
    tag: String,
}

impl Document {
    pub(super) fn new(text: impl Into<Bytes>) -> Self {
        let text = text.into();
        let digest = digest::digest(&digest::SHA256, &text);
        let tag = format!("\"{}\"", base64url(digest.as_ref().get(..12).unwrap_or_default()));
        Self { text, tag }
    }

    /// The text, or 304 where the client has it already (RFC 9110 §13.1.2).
    pub(super) fn answer(self, asked: &HeaderMap) -> Response {
        let mut reply = Response::new(Body::empty());
        if holds(asked, &self.tag) {
            *reply.status_mut() = StatusCode::NOT_MODIFIED;
        } else {
            reply.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
            *reply.body_mut() = Body::from(self.text);
        }
        reply.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static(CACHED));
        if let Ok(tag) = HeaderValue::from_str(&self.tag) {
            reply.headers_mut().insert(ETAG, tag);
        }
        reply
    }
}

/// A document that a test puts in place.
pub(super) struct Shelf {
    initial: &'static str,
    now: Mutex<Document>,
}

impl Shelf {
    pub(super) fn new(initial: &'static str) -> Self {
        Self { initial, now: Mutex::new(Document::new(initial)) }
    }

    pub(super) fn get(&self) -> Document {
        self.now.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn set(&self, document: Document) {
        *self.now.lock().unwrap_or_else(PoisonError::into_inner) = document;
    }

    /// Takes any JSON object: what stands in it is for the gateway to judge.
    fn put(&self, text: Bytes) -> Result<StatusCode, Failure> {
        serde_json::from_slice::<HashMap<String, IgnoredAny>>(&text)
            .map_err(|error| Failure::bad_request(format!("not a JSON object: {error}")))?;
        self.set(Document::new(text));
        Ok(StatusCode::NO_CONTENT)
    }

    fn clear(&self) -> StatusCode {
        self.set(Document::new(self.initial));
        StatusCode::NO_CONTENT
    }
}

/// `GET /api-keys.json`
pub(super) async fn api_keys(State(provider): State<Arc<Provider>>, asked: HeaderMap) -> Response {
    provider.api_keys.get().answer(&asked)
}

/// `PUT /api-keys.json`
pub(super) async fn put_api_keys(
    State(provider): State<Arc<Provider>>,
    body: Bytes,
) -> Result<StatusCode, Failure> {
    provider.api_keys.put(body)
}

/// `DELETE /api-keys.json`: an empty list.
pub(super) async fn clear_api_keys(State(provider): State<Arc<Provider>>) -> StatusCode {
    provider.api_keys.clear()
}

/// `GET /revoked.json`
pub(super) async fn revoked(State(provider): State<Arc<Provider>>, asked: HeaderMap) -> Response {
    provider.revoked.get().answer(&asked)
}

/// `PUT /revoked.json`
pub(super) async fn put_revoked(
    State(provider): State<Arc<Provider>>,
    body: Bytes,
) -> Result<StatusCode, Failure> {
    provider.revoked.put(body)
}

/// `DELETE /revoked.json`: nothing is revoked.
pub(super) async fn clear_revoked(State(provider): State<Arc<Provider>>) -> StatusCode {
    provider.revoked.clear()
}

/// `GET /.well-known/jwks.json`
pub(super) async fn jwks(State(provider): State<Arc<Provider>>, asked: HeaderMap) -> Response {
    Document::new(provider.keys().jwks().to_string()).answer(&asked)
}
