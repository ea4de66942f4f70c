//! Access tokens as a test wants them: good by default, wrong in any way that it asks for.

use std::time::{SystemTime, UNIX_EPOCH};

use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::keys::{Algorithm, Key, Keys, base64url};

/// The issuer named in tokens unless the request says otherwise.
pub const ISSUER: &str = "https://id.example.com";
/// The audience named in tokens unless the request says otherwise.
pub const AUDIENCE: &str = "marketplace-api";
/// The client named in tokens unless the request says otherwise.
pub const CLIENT: &str = "demo-app";
/// Seconds a token lives unless the request says otherwise.
pub const LIFETIME: i64 = 3600;
/// Every scope of the demo: what a token gets unless the request says otherwise.
pub const SCOPES: [&str; 9] = [
    "user:account",
    "user:username",
    "user:email",
    "user:financial",
    "sale:history",
    "sale:verify",
    "purchase:list",
    "purchase:verify",
    "purchase:download",
];

/// What to mint: the body of `POST /mint`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MintRequest {
    /// Claim `sub`.
    pub sub: String,
    /// Which key signs, and header `alg`. Default `RS256`.
    pub alg: Option<String>,
    /// Which of the algorithm's keys signs, and header `kid`. Default: the newest.
    pub kid: Option<String>,
    /// Claim `scope`, joined by spaces (RFC 8693 §4.2). Default [`SCOPES`]; none: no claim.
    pub scopes: Option<Vec<String>>,
    /// Claim `aud`, a string or a list. Default [`AUDIENCE`].
    pub aud: Option<Value>,
    /// Claim `iss`. Default [`ISSUER`].
    pub iss: Option<Value>,
    /// Seconds until `exp`; negative: the token is expired already. Default [`LIFETIME`].
    pub ttl: Option<i64>,
    /// Laid over the claims above; null removes one.
    #[serde(default)]
    pub claims: Map<String, Value>,
    /// Laid over the JOSE header; null removes a member. Never changes how the token is signed.
    #[serde(default)]
    pub header: Map<String, Value>,
}

impl MintRequest {
    /// A token for `sub` with every default.
    #[must_use]
    pub fn for_subject(sub: &str) -> Self {
        Self {
            sub: sub.to_owned(),
            alg: None,
            kid: None,
            scopes: None,
            aud: None,
            iss: None,
            ttl: None,
            claims: Map::new(),
            header: Map::new(),
        }
    }
}

/// A signed JWT in compact form (RFC 7519), in the profile of RFC 9068 as far as the request
/// leaves it there. `now` is in seconds since 1970.
///
/// # Errors
/// A message for the caller: the algorithm is unknown, or the key cannot sign.
pub fn mint(keys: &Keys, request: MintRequest, now: i64) -> Result<String, String> {
    let key = picked(keys, request.alg.as_deref(), request.kid.as_deref())?;
    let id = keys.random_text().map_err(|_| "no randomness for the token id".to_owned())?;

    let mut header = Map::new();
    header.insert("alg".to_owned(), json!(key.algorithm().name()));
    header.insert("kid".to_owned(), json!(key.kid()));
    header.insert("typ".to_owned(), json!("at+jwt"));
    lay_over(&mut header, request.header);

    let expires = now.saturating_add(request.ttl.unwrap_or(LIFETIME));
    let scopes = request.scopes.unwrap_or_else(|| SCOPES.map(str::to_owned).to_vec());
    let mut claims = Map::new();
    claims.insert("iss".to_owned(), request.iss.unwrap_or_else(|| json!(ISSUER)));
    claims.insert("aud".to_owned(), request.aud.unwrap_or_else(|| json!(AUDIENCE)));
    claims.insert("sub".to_owned(), json!(request.sub));
    claims.insert("client_id".to_owned(), json!(CLIENT));
    // An expired token was issued before it expired.
    claims.insert("iat".to_owned(), json!(now.min(expires.saturating_sub(1))));
    claims.insert("exp".to_owned(), json!(expires));
    claims.insert("jti".to_owned(), json!(id));
    if !scopes.is_empty() {
        claims.insert("scope".to_owned(), json!(scopes.join(" ")));
    }
    lay_over(&mut claims, request.claims);

    let encode = |part: Map<String, Value>| base64url(Value::Object(part).to_string().as_bytes());
    let signed = format!("{}.{}", encode(header), encode(claims));
    let signature = keys.sign_with(key, signed.as_bytes()).map_err(|error| error.to_string())?;
    Ok(format!("{signed}.{}", base64url(&signature)))
}

/// The key of that id, else the newest of that algorithm.
fn picked<'k>(keys: &'k Keys, alg: Option<&str>, kid: Option<&str>) -> Result<&'k Key, String> {
    let algorithm = alg.map(algorithm).transpose()?;
    let Some(kid) = kid else {
        let algorithm = algorithm.unwrap_or(Algorithm::Rs256);
        return keys.newest(algorithm).ok_or_else(|| format!("{} has no key", algorithm.name()));
    };
    let key = keys.named(kid).ok_or_else(|| format!("kid: no key is called `{kid}`"))?;
    match algorithm.filter(|it| *it != key.algorithm()) {
        None => Ok(key),
        Some(other) => {
            let (own, other) = (key.algorithm().name(), other.name());
            Err(format!("kid: `{kid}` signs with {own}, not with {other}"))
        }
    }
}

/// The algorithm of that name.
pub(crate) fn algorithm(name: &str) -> Result<Algorithm, String> {
    Algorithm::named(name).ok_or_else(|| {
        let known = Algorithm::ALL.map(Algorithm::name).join(", ");
        format!("alg: `{name}` is not known, expected one of {known}")
    })
}

/// Seconds since 1970.
#[must_use]
pub fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
}

/// Null removes a member.
pub(crate) fn lay_over(members: &mut Map<String, Value>, changes: Map<String, Value>) {
    for (name, value) in changes {
        if value.is_null() {
            // The others keep their order.
            members.shift_remove(&name);
        } else {
            members.insert(name, value);
        }
    }
}
