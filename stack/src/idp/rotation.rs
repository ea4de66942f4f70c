//! Signing keys that come and go.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use serde::Deserialize;
use serde_json::{Value, json};

use super::Provider;
use crate::keys::{Algorithm, Keys};
use crate::mint::algorithm;
use crate::reply::{Failure, json_reply};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Rotation {
    /// Default RS256.
    alg: Option<String>,
    /// Default: one that was never there.
    kid: Option<String>,
    /// Whether it is in the key set from now on. Default: it is.
    published: Option<bool>,
    /// Whether the algorithm's other keys leave the set.
    #[serde(default)]
    retire: bool,
}

/// `POST /__rotate {"alg","kid","published","retire"}` → `{"kid":"…"}`: a new key, which signs
/// whatever is minted with its algorithm from now on.
pub(super) async fn rotate(
    State(provider): State<Arc<Provider>>,
    body: Bytes,
) -> Result<Response, Failure> {
    let body: &[u8] = if body.is_empty() { b"{}" } else { &body };
    let asked: Rotation = serde_json::from_slice(body).map_err(not_understood)?;
    let algorithm = asked
        .alg
        .as_deref()
        .map_or(Ok(Algorithm::Rs256), algorithm)
        .map_err(Failure::bad_request)?;
    let mut keys = provider.keys_mut();
    let kid = match asked.kid {
        Some(kid) => kid,
        None => {
            let random = keys.random_text().map_err(|_| no_randomness())?;
            format!("{}-{random}", algorithm.kid())
        }
    };
    keys.add(algorithm, kid.clone(), asked.published.unwrap_or(true))
        .map_err(|error| Failure::new(StatusCode::CONFLICT, error.to_string()))?;
    if asked.retire {
        keys.retire(algorithm, &kid);
    }
    Ok(json_reply(&json!({ "kid": kid })))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Publication {
    kid: String,
    published: bool,
}

/// `PUT /__keys {"kid","published"}`: a key joins the key set, or leaves it. It signs all the
/// same, where it is asked for.
pub(super) async fn publish(
    State(provider): State<Arc<Provider>>,
    body: Bytes,
) -> Result<StatusCode, Failure> {
    let asked: Publication = serde_json::from_slice(&body).map_err(not_understood)?;
    if provider.keys_mut().publish(&asked.kid, asked.published) {
        Ok(StatusCode::NO_CONTENT)
    } else {
        Err(Failure::not_found(format!("no key is called `{}`", asked.kid)))
    }
}

/// `GET /__keys`: every key, the oldest first.
pub(super) async fn list(State(provider): State<Arc<Provider>>) -> Response {
    let keys = provider.keys();
    let shown = |(kid, algorithm, published): (&str, Algorithm, bool)| json!({"kid": kid, "alg": algorithm.name(), "published": published});
    json_reply(&keys.list().map(shown).collect::<Vec<Value>>())
}

/// `DELETE /__keys`: the committed keys again, all published.
pub(super) async fn restore(State(provider): State<Arc<Provider>>) -> Result<StatusCode, Failure> {
    let fresh = Keys::embedded()
        .map_err(|e| Failure::new(StatusCode::INTERNAL_SERVER_ERROR, e.to_string()))?;
    *provider.keys_mut() = fresh;
    Ok(StatusCode::NO_CONTENT)
}

fn not_understood(error: serde_json::Error) -> Failure {
    Failure::bad_request(error.to_string())
}

fn no_randomness() -> Failure {
    Failure::new(StatusCode::INTERNAL_SERVER_ERROR, "no randomness for a key's id")
}
