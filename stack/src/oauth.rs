//! Who the client is (RFC 6749 §2.3), and tokens for it (RFC 6749 §4.4, §6).

use std::sync::{PoisonError, RwLock};

use axum::body::to_bytes;
use axum::extract::Request;
use axum::http::header::{AUTHORIZATION, WWW_AUTHENTICATE};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use ct_codecs::{Base64, Decoder as _};
use ring::digest::{SHA256, digest};
use serde_json::{Map, json};

use crate::data::{Client, Data};
use crate::keys::Keys;
use crate::mint::{LIFETIME, MintRequest, mint, now};
use crate::reply::{Fields, json_reply, unstored, with_status};
use crate::tokens::{Grant, Tokens};

/// Seconds that a refresh token lives.
const REFRESH_LIFETIME: i64 = 30 * 24 * 3600;
/// The largest form, in bytes.
const FORM: usize = 64 << 10;

/// `POST /token`: client credentials, or a refresh token, in a form.
pub(crate) async fn token(
    keys: &RwLock<Keys>,
    data: &Data,
    refresh: &Tokens,
    request: Request,
) -> Response {
    let reply = match grant(keys, data, refresh, request).await {
        Ok(reply) => reply,
        Err(error) => error.into_response(),
    };
    unstored(reply)
}

async fn grant(
    keys: &RwLock<Keys>,
    data: &Data,
    refresh: &Tokens,
    request: Request,
) -> Result<Response, OAuthError> {
    let (headers, form) = form(request).await?;
    let client = client(data, &headers, &form)?;
    let scopes = match form.get("grant_type") {
        Some("client_credentials") => narrowed(&client.scopes, form.get("scope"))?,
        Some("refresh_token") => {
            let token = form.get("refresh_token").unwrap_or_default();
            let held = refresh
                .find(token, now())
                .filter(|held| held.client.as_deref() == Some(client.id.as_str()))
                .ok_or_else(|| OAuthError::new("invalid_grant", "refresh_token is not known"))?;
            let scopes = narrowed(&held.scopes, form.get("scope"))?;
            // Used once (RFC 9700 §4.14.2).
            refresh.revoke(token);
            scopes
        }
        Some(other) => {
            let problem = format!("grant_type `{other}` is not supported");
            return Err(OAuthError::new("unsupported_grant_type", problem));
        }
        None => return Err(OAuthError::new("invalid_request", "grant_type is missing")),
    };
    issue(keys, refresh, client, scopes).map_err(|problem| OAuthError::new("server_error", problem))
}

fn issue(
    keys: &RwLock<Keys>,
    refresh: &Tokens,
    client: &Client,
    scopes: Vec<String>,
) -> Result<Response, String> {
    let issued = now();
    let mut request = MintRequest::for_subject(&client.subject);
    request.scopes = Some(scopes.clone());
    request.claims.insert("client_id".to_owned(), json!(client.id));
    let keys = keys.read().unwrap_or_else(PoisonError::into_inner);
    let access_token = mint(&keys, request, issued)?;
    let refresh_token = keys.random_text().map_err(|_| "no randomness for a token")?;
    let scope = scopes.join(" ");
    let grant = Grant {
        subject: client.subject.clone(),
        client: Some(client.id.clone()),
        scopes,
        issued,
        expires: issued.saturating_add(REFRESH_LIFETIME),
        claims: Map::new(),
    };
    refresh.issue(refresh_token.clone(), grant);
    Ok(json_reply(&json!({
        "token_type": "Bearer",
        "access_token": access_token,
        "expires_in": LIFETIME,
        "refresh_token": refresh_token,
        "scope": scope,
    })))
}

/// The scopes asked for, all of which must be among those allowed; without asking, all of them.
fn narrowed(allowed: &[String], asked: Option<&str>) -> Result<Vec<String>, OAuthError> {
    let Some(asked) = asked else { return Ok(allowed.to_vec()) };
    let asked: Vec<String> = asked.split_ascii_whitespace().map(str::to_owned).collect();
    match asked.iter().find(|scope| !allowed.contains(scope)) {
        None => Ok(asked),
        Some(scope) => {
            let problem = format!("scope `{scope}` is not allowed to this client");
            Err(OAuthError::new("invalid_scope", problem))
        }
    }
}

/// The request's headers, and its body read as a form whatever its type is called.
pub(crate) async fn form(request: Request) -> Result<(HeaderMap, Fields), OAuthError> {
    let (head, body) = request.into_parts();
    let body = to_bytes(body, FORM).await.map_err(|_| {
        OAuthError::new("invalid_request", "the body is incomplete or larger than 64 KiB")
    })?;
    Ok((head.headers, Fields::of(&body)))
}

/// The client that authenticates by HTTP Basic or in the form.
pub(crate) fn client<'d>(
    data: &'d Data,
    headers: &HeaderMap,
    form: &Fields,
) -> Result<&'d Client, OAuthError> {
    let (id, secret) = match headers.get(AUTHORIZATION) {
        Some(value) => basic(value).ok_or_else(OAuthError::unknown_client)?,
        None => (
            form.get("client_id").unwrap_or_default().to_owned(),
            form.get("client_secret").unwrap_or_default().to_owned(),
        ),
    };
    // Digests are compared, so that time says nothing of the secret.
    let same = |a: &str, b: &str| {
        digest(&SHA256, a.as_bytes()).as_ref() == digest(&SHA256, b.as_bytes()).as_ref()
    };
    data.clients
        .iter()
        .find(|client| client.id == id && same(&client.secret, &secret))
        .ok_or_else(OAuthError::unknown_client)
}

/// Both halves are form-encoded before they are joined (RFC 6749 §2.3.1).
fn basic(value: &HeaderValue) -> Option<(String, String)> {
    let (scheme, encoded) = value.to_str().ok()?.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let decoded = Base64::decode_to_vec(encoded.trim(), None).ok()?;
    let joined = String::from_utf8(decoded).ok()?;
    let (id, secret) = joined.split_once(':')?;
    let fields = Fields::of(format!("id={id}&secret={secret}").as_bytes());
    Some((fields.get("id")?.to_owned(), fields.get("secret")?.to_owned()))
}

/// An error in the form of RFC 6749 §5.2.
pub(crate) struct OAuthError {
    code: &'static str,
    description: String,
}

impl OAuthError {
    pub(crate) fn new(code: &'static str, description: impl Into<String>) -> Self {
        Self { code, description: description.into() }
    }

    fn unknown_client() -> Self {
        Self::new("invalid_client", "client authentication failed")
    }
}

impl IntoResponse for OAuthError {
    fn into_response(self) -> Response {
        let status = match self.code {
            "invalid_client" => StatusCode::UNAUTHORIZED,
            "access_denied" => StatusCode::FORBIDDEN,
            "server_error" => StatusCode::INTERNAL_SERVER_ERROR,
            _ => StatusCode::BAD_REQUEST,
        };
        let body = json!({"error": self.code, "error_description": self.description});
        let mut reply = with_status(status, &body);
        if status == StatusCode::UNAUTHORIZED {
            let challenge = HeaderValue::from_static("Basic realm=\"demo identity provider\"");
            reply.headers_mut().insert(WWW_AUTHENTICATE, challenge);
        }
        reply
    }
}
