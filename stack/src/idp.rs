//! The demo's identity provider: tokens as a test wants them, keys, introspection.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Request, State};
use axum::http::header::{AUTHORIZATION, HOST};
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use serde::Deserialize;
use serde_json::json;

use crate::data::Data;
use crate::keys::{Algorithm, Keys};
use crate::mint::{AUDIENCE, ISSUER, MintRequest, SCOPES, mint, now};
use crate::oauth::{self, OAuthError};
use crate::reply::{Failure, json_reply, unstored};
use crate::tokens::{Grant, Tokens};

/// Seconds that a personal token lives.
const PERSONAL_LIFETIME: i64 = 315_360_000;

struct Provider {
    keys: Keys,
    data: Data,
    personal: Tokens,
    refresh: Tokens,
    counters: Counters,
}

/// The whole identity provider, with a memory and counters of its own.
///
/// # Errors
/// The committed keys or data cannot be read.
pub fn router() -> Result<Router, Box<dyn std::error::Error + Send + Sync>> {
    let provider = Arc::new(Provider {
        keys: Keys::embedded()?,
        data: Data::embedded()?,
        personal: Tokens::default(),
        refresh: Tokens::default(),
        counters: Counters::default(),
    });
    Ok(Router::new()
        .route("/mint", post(mint_token))
        .route("/personal-token", post(personal_token))
        .route("/introspect", post(introspect))
        .route("/revoke", post(revoke))
        .route("/token", post(token))
        .route("/.well-known/jwks.json", get(jwks))
        .route("/.well-known/openid-configuration", get(configuration))
        .route("/__counters", get(counters).delete(reset_counters))
        .route("/__health", get(|| async { "ok\n" }))
        .fallback(
            |uri: Uri| async move { Failure::not_found(format!("no resource at {}", uri.path())) },
        )
        .method_not_allowed_fallback(|| async {
            Failure::new(StatusCode::METHOD_NOT_ALLOWED, "this method is not supported here")
        })
        .with_state(provider))
}

/// `POST /mint`: a [`MintRequest`] → `{"access_token":"…"}`
async fn mint_token(State(provider): State<Arc<Provider>>, body: Bytes) -> Response {
    let request: MintRequest = match serde_json::from_slice(&body) {
        Ok(request) => request,
        Err(error) => return invalid(error.to_string()),
    };
    match mint(&provider.keys, request, now()) {
        Ok(token) => {
            Counters::count(&provider.counters.minted);
            unstored(json_reply(&json!({"access_token": token})))
        }
        Err(problem) => invalid(problem),
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PersonalRequest {
    sub: String,
    scopes: Option<Vec<String>>,
    ttl: Option<i64>,
}

/// `POST /personal-token {"sub":…,"scopes":[…],"ttl":…}`: an opaque token; by default with all
/// scopes and for ten years.
async fn personal_token(State(provider): State<Arc<Provider>>, body: Bytes) -> Response {
    let request: PersonalRequest = match serde_json::from_slice(&body) {
        Ok(request) => request,
        Err(error) => return invalid(error.to_string()),
    };
    let Ok(random) = provider.keys.random_text() else {
        return OAuthError::new("server_error", "no randomness for a token").into_response();
    };
    let token = format!("pt_{random}");
    let lifetime = request.ttl.unwrap_or(PERSONAL_LIFETIME);
    let issued = now();
    let grant = Grant {
        subject: request.sub,
        client: None,
        scopes: request.scopes.unwrap_or_else(|| SCOPES.map(str::to_owned).to_vec()),
        issued,
        expires: issued.saturating_add(lifetime),
    };
    provider.personal.issue(token.clone(), grant);
    unstored(json_reply(&json!({
        "access_token": token,
        "token_type": "Bearer",
        "expires_in": lifetime,
    })))
}

/// `POST /introspect` (RFC 7662): what a personal token means.
async fn introspect(State(provider): State<Arc<Provider>>, request: Request) -> Response {
    Counters::count(&provider.counters.introspections);
    match asked_about(&provider, request).await {
        Err(error) => unstored(error.into_response()),
        Ok(token) => unstored(match provider.personal.find(&token, now()) {
            None => json_reply(&json!({"active": false})),
            Some(grant) => json_reply(&json!({
                "active": true,
                "sub": grant.subject,
                "username": grant.subject,
                "scope": grant.scopes.join(" "),
                "token_type": "Bearer",
                "iss": ISSUER,
                "aud": AUDIENCE,
                "iat": grant.issued,
                "exp": grant.expires,
            })),
        }),
    }
}

/// `POST /revoke` (RFC 7009), which answers alike whether or not the token was known.
async fn revoke(State(provider): State<Arc<Provider>>, request: Request) -> Response {
    match asked_about(&provider, request).await {
        Err(error) => error.into_response(),
        Ok(token) => {
            provider.personal.revoke(&token);
            provider.refresh.revoke(&token);
            StatusCode::OK.into_response()
        }
    }
}

/// The form's `token`. Whoever reaches this server can mint whatever token they like, so a question
/// without credentials of a client is answered too, other than RFC 7662 §2.1 has it; wrong ones, and
/// those of a client that may not ask, are refused.
async fn asked_about(provider: &Provider, request: Request) -> Result<String, OAuthError> {
    let (headers, form) = oauth::form(request).await?;
    let anonymous = !headers.contains_key(AUTHORIZATION) && form.get("client_id").is_none();
    if !anonymous && !oauth::client(&provider.data, &headers, &form)?.may_introspect {
        return Err(OAuthError::new("access_denied", "this client may not ask about tokens"));
    }
    form.get("token")
        .map(str::to_owned)
        .ok_or_else(|| OAuthError::new("invalid_request", "token is missing"))
}

/// `POST /token`
async fn token(State(provider): State<Arc<Provider>>, request: Request) -> Response {
    oauth::token(&provider.keys, &provider.data, &provider.refresh, request).await
}

/// `GET /.well-known/jwks.json`
async fn jwks(State(provider): State<Arc<Provider>>) -> Response {
    Counters::count(&provider.counters.jwks);
    json_reply(&provider.keys.jwks())
}

/// `GET /.well-known/openid-configuration` (OpenID Connect Discovery §3), with URLs that lead
/// back to the host that was asked.
async fn configuration(headers: HeaderMap) -> Response {
    let host = headers.get(HOST).and_then(|host| host.to_str().ok()).unwrap_or("127.0.0.1:18081");
    let url = |path: &str| format!("http://{host}{path}");
    json_reply(&json!({
        "issuer": ISSUER,
        "jwks_uri": url("/.well-known/jwks.json"),
        "token_endpoint": url("/token"),
        "introspection_endpoint": url("/introspect"),
        "revocation_endpoint": url("/revoke"),
        "grant_types_supported": ["client_credentials", "refresh_token"],
        "response_types_supported": [],
        "subject_types_supported": ["public"],
        "scopes_supported": SCOPES,
        "token_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post"],
        "id_token_signing_alg_values_supported":
            Algorithm::ALL.into_iter().filter(|it| *it != Algorithm::Hs256).map(Algorithm::name)
                .collect::<Vec<_>>(),
    }))
}

/// Requests since the start or the last reset.
#[derive(Default)]
struct Counters {
    jwks: AtomicU64,
    introspections: AtomicU64,
    minted: AtomicU64,
}

impl Counters {
    fn count(counter: &AtomicU64) {
        counter.fetch_add(1, Ordering::Relaxed);
    }
}

/// `GET /__counters`
async fn counters(State(provider): State<Arc<Provider>>) -> Response {
    let Counters { jwks, introspections, minted } = &provider.counters;
    json_reply(&json!({
        "jwks": jwks.load(Ordering::Relaxed),
        "introspections": introspections.load(Ordering::Relaxed),
        "minted": minted.load(Ordering::Relaxed),
    }))
}

/// `DELETE /__counters`
async fn reset_counters(State(provider): State<Arc<Provider>>) -> StatusCode {
    let Counters { jwks, introspections, minted } = &provider.counters;
    for counter in [jwks, introspections, minted] {
        counter.store(0, Ordering::Relaxed);
    }
    StatusCode::NO_CONTENT
}

fn invalid(problem: impl Into<String>) -> Response {
    OAuthError::new("invalid_request", problem).into_response()
}
