//! The demo's identity provider: tokens as a test wants them, keys, introspection, the lists
//! that a gateway fetches; and drills, for what happens when it fails.

mod behaviour;
mod counters;
mod published;
mod rotation;

use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, Request, State};
use axum::http::header::{AUTHORIZATION, HOST};
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use axum::middleware::from_fn_with_state;
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use self::behaviour::{Behaviour, Behaviours};
use self::counters::Counters;
use self::published::{Document, Shelf};

use crate::data::Data;
use crate::keys::{Algorithm, Keys};
use crate::mint::{AUDIENCE, ISSUER, MintRequest, SCOPES, lay_over, mint, now};
use crate::oauth::{self, OAuthError};
use crate::reply::{Failure, json_reply, unstored};
use crate::tokens::{Grant, Tokens};

/// Seconds that a personal token lives.
const PERSONAL_LIFETIME: i64 = 315_360_000;

/// The largest body that is taken or made: a list of 100,000 API keys has about 20 MB.
const LARGEST: usize = 128 << 20;

const JWKS: &str = "/.well-known/jwks.json";
const CONFIGURATION: &str = "/.well-known/openid-configuration";

struct Provider {
    keys: RwLock<Keys>,
    data: Data,
    personal: Tokens,
    refresh: Tokens,
    api_keys: Shelf,
    revoked: Shelf,
}

impl Provider {
    fn keys(&self) -> RwLockReadGuard<'_, Keys> {
        self.keys.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn keys_mut(&self) -> RwLockWriteGuard<'_, Keys> {
        self.keys.write().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The whole identity provider, with a memory and counters of its own.
///
/// # Errors
/// The committed keys or data cannot be read.
pub fn router() -> Result<Router, Box<dyn std::error::Error + Send + Sync>> {
    let provider = Arc::new(Provider {
        keys: RwLock::new(Keys::embedded()?),
        data: Data::embedded()?,
        personal: Tokens::personal(now(), PERSONAL_LIFETIME),
        refresh: Tokens::default(),
        api_keys: Shelf::new(r#"{"keys":[]}"#),
        revoked: Shelf::new("{}"),
    });
    let (behaviours, counters) = (Behaviours::default(), Counters::default());
    let api = Router::new()
        .route("/mint", post(mint_token))
        .route("/personal-token", post(personal_token))
        .route("/introspect", post(introspect))
        .route("/revoke", post(revoke))
        .route("/token", post(token))
        .route(JWKS, get(published::jwks))
        .route(CONFIGURATION, get(configuration))
        .route(
            "/api-keys.json",
            get(published::api_keys).put(published::put_api_keys).delete(published::clear_api_keys),
        )
        .route(
            "/revoked.json",
            get(published::revoked).put(published::put_revoked).delete(published::clear_revoked),
        )
        .fallback(
            |uri: Uri| async move { Failure::not_found(format!("no resource at {}", uri.path())) },
        )
        .layer(from_fn_with_state(behaviours.clone(), behaviour::behave))
        .layer(from_fn_with_state(counters.clone(), counters::count))
        .with_state(Arc::clone(&provider));
    let keys = Router::new()
        .route("/__keys", get(rotation::list).put(rotation::publish).delete(rotation::restore))
        .route("/__rotate", post(rotation::rotate))
        .with_state(provider);
    let drills = Router::new()
        .route("/__behaviour", get(behaviour::list).put(behaviour::put).delete(behaviour::reset))
        .with_state(behaviours);
    let counts = Router::new()
        .route("/__counters", get(show_counters).delete(reset_counters))
        .with_state(counters);
    Ok(api
        .merge(keys)
        .merge(drills)
        .merge(counts)
        .route("/__health", get(|| async { "ok\n" }))
        .method_not_allowed_fallback(no_such_method)
        .layer(DefaultBodyLimit::max(LARGEST)))
}

/// How a test changes what is served: not counted, and never part of a drill.
fn is_control(request: &Request) -> bool {
    matches!(*request.method(), Method::PUT | Method::DELETE)
}

/// `POST /mint`: a [`MintRequest`] → `{"access_token":"…"}`
async fn mint_token(State(provider): State<Arc<Provider>>, body: Bytes) -> Response {
    let request: MintRequest = match serde_json::from_slice(&body) {
        Ok(request) => request,
        Err(error) => return invalid(error.to_string()),
    };
    match mint(&provider.keys(), request, now()) {
        Ok(token) => unstored(json_reply(&json!({"access_token": token}))),
        Err(problem) => invalid(problem),
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PersonalRequest {
    sub: String,
    scopes: Option<Vec<String>>,
    ttl: Option<i64>,
    client: Option<String>,
    #[serde(default)]
    claims: Map<String, Value>,
}

/// `POST /personal-token {"sub":…,"scopes":[…],"ttl":…,"client":…,"claims":{…}}`: an opaque token;
/// by default with all scopes, for ten years and of no client. `claims` are laid over what its
/// introspection says, where null removes a member.
async fn personal_token(State(provider): State<Arc<Provider>>, body: Bytes) -> Response {
    let request: PersonalRequest = match serde_json::from_slice(&body) {
        Ok(request) => request,
        Err(error) => return invalid(error.to_string()),
    };
    let Ok(random) = provider.keys().random_text() else {
        return OAuthError::new("server_error", "no randomness for a token").into_response();
    };
    let token = format!("pt_{random}");
    let lifetime = request.ttl.unwrap_or(PERSONAL_LIFETIME);
    let issued = now();
    let grant = Grant {
        subject: request.sub,
        client: request.client,
        scopes: request.scopes.unwrap_or_else(|| SCOPES.map(str::to_owned).to_vec()),
        issued,
        expires: issued.saturating_add(lifetime),
        claims: request.claims,
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
    match asked_about(&provider, request).await {
        Err(error) => unstored(error.into_response()),
        Ok(token) => unstored(match provider.personal.find(&token, now()) {
            None => json_reply(&json!({"active": false})),
            Some(grant) => json_reply(&meaning(grant)),
        }),
    }
}

fn meaning(grant: Grant) -> Map<String, Value> {
    let mut members = Map::new();
    let mut set = |name: &str, value: Value| members.insert(name.to_owned(), value);
    set("active", json!(true));
    set("sub", json!(grant.subject));
    set("username", json!(grant.subject));
    set("scope", json!(grant.scopes.join(" ")));
    set("token_type", json!("Bearer"));
    set("iss", json!(ISSUER));
    set("aud", json!(AUDIENCE));
    set("iat", json!(grant.issued));
    set("exp", json!(grant.expires));
    if let Some(client) = grant.client {
        set("client_id", json!(client));
    }
    lay_over(&mut members, grant.claims);
    members
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
/// those of a client that may not ask, are refused. A drill makes them mandatory.
async fn asked_about(provider: &Provider, request: Request) -> Result<String, OAuthError> {
    let drill = request.extensions().get::<Behaviour>();
    let mandatory = drill.is_some_and(|drill| drill.authenticate);
    let (headers, form) = oauth::form(request).await?;
    let anonymous =
        !mandatory && !headers.contains_key(AUTHORIZATION) && form.get("client_id").is_none();
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

/// `GET /.well-known/openid-configuration` (OpenID Connect Discovery §3), with URLs that lead
/// back to the host that was asked.
async fn configuration(headers: HeaderMap) -> Response {
    let methods = ["client_secret_basic", "client_secret_post"];
    let host = headers.get(HOST).and_then(|host| host.to_str().ok()).unwrap_or("127.0.0.1:18081");
    let url = |path: &str| format!("http://{host}{path}");
    let text = json!({
        "issuer": ISSUER,
        "jwks_uri": url(JWKS),
        "token_endpoint": url("/token"),
        "introspection_endpoint": url("/introspect"),
        "revocation_endpoint": url("/revoke"),
        "grant_types_supported": ["client_credentials", "refresh_token"],
        "response_types_supported": [],
        "subject_types_supported": ["public"],
        "scopes_supported": SCOPES,
        "token_endpoint_auth_methods_supported": methods,
        "introspection_endpoint_auth_methods_supported": methods,
        "revocation_endpoint_auth_methods_supported": methods,
        "id_token_signing_alg_values_supported":
            Algorithm::ALL.into_iter().filter(|it| *it != Algorithm::Hs256).map(Algorithm::name)
                .collect::<Vec<_>>(),
    });
    Document::new(text.to_string()).answer(&headers)
}

/// `GET /__counters`
async fn show_counters(State(counters): State<Counters>) -> Response {
    json_reply(&counters.shown())
}

/// `DELETE /__counters`
async fn reset_counters(State(counters): State<Counters>) -> StatusCode {
    counters.reset();
    StatusCode::NO_CONTENT
}

async fn no_such_method() -> Failure {
    Failure::new(StatusCode::METHOD_NOT_ALLOWED, "this method is not supported here")
}

fn invalid(problem: impl Into<String>) -> Response {
    OAuthError::new("invalid_request", problem).into_response()
}
