//! A provider of JWTs (RFC 7519, RFC 8725): one issuer, its keys, and what its
//! tokens have to say.

use postern_core::Host;
use postern_core::config::schema::Schema;
use postern_core::config::{At, Count, Decode, Errors, Text, Value, decode_text, parse_duration};
use postern_core::filter::Environment;

use crate::algorithm::{Algorithm, Shape};
use crate::carrier::{Carrier, Taken};
use crate::checked::{Checked, Failure};
use crate::claims::{Claims, Expected};
use crate::jwk::Jwks;
use crate::jws::Jws;
use crate::key::Key;
use crate::reason::Reason;
use crate::secret::SecretConfig;
use crate::verdict::{Asked, Kind, Verdict};

/// The most keys that one provider may have.
const MAX_KEYS: usize = 64;
/// A token without `kid` is tried against this many keys at most.
const MAX_TRIES: usize = 4;

postern_core::config! {
    /// JWTs of one issuer, as compact JWS. Checked: algorithm, key, signature,
    /// `iss`, `aud`, `exp` (all have to be there), `nbf`, `iat`, `typ`, and
    /// that no member stands twice. Refused: `crit`, `b64`, encrypted tokens,
    /// dates that are no whole numbers. The identity gets `sub`, `client_id`
    /// or `azp`, `scope` or `scp`, `plan`, `jti`.
    pub struct JwtConfig {
        /// The issuer: `iss` has to be this text.
        issuer: Text,
        /// The names of this API: one of them has to be in `aud`.
        audiences: Vec<Text>,
        /// The algorithms that are accepted.
        algorithms: Vec<Algorithm>,
        /// The issuer's keys. Each is pinned to one algorithm: its own `alg`,
        /// or the one of `algorithms` that fits it.
        keys: Vec<KeySource>,
        /// Where tokens are found.
        from: Vec<Carrier> = vec![Carrier::bearer()],
        /// The accepted values of `typ`, in any case and with or without
        /// `application/`. A token without `typ` counts as `JWT`.
        types: Vec<TokenType> = vec![TokenType::new("JWT"), TokenType::new("at+jwt")],
        /// By how much the issuer's clock may differ, for `exp`, `nbf` and
        /// `iat`: from `0s` to `5m`.
        leeway: Leeway = Leeway(30),
        /// The longest token in bytes.
        max_bytes: Count<256, 32768> = Count::new(8192),
        /// Further claims that the identity carries to the other filters.
        claims: Vec<Text> = Vec::new(),
        /// Leave the token in the request for the upstream. It is removed
        /// otherwise.
        forward: bool = false,
    }

    /// Where keys come from.
    pub oneof KeySource {
        /// Public keys in place.
        jwks: Inline(Jwks),
        /// A shared secret for HMAC, from the proxy's environment.
        secret: Secret(SecretConfig),
    }
}

/// A value of `typ`, in lower case and without `application/`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenType(String);

impl TokenType {
    fn new(text: &str) -> Self {
        let lower = text.to_ascii_lowercase();
        TokenType(lower.strip_prefix("application/").unwrap_or(&lower).to_owned())
    }
}

impl Decode for TokenType {
    fn decode(at: At<'_>, errors: &mut Errors) -> Option<Self> {
        Text::decode(at, errors).map(|text| TokenType::new(text.as_str()))
    }

    fn schema() -> Schema {
        Text::schema()
    }
}

/// A tolerance in seconds.
#[derive(Clone, Copy, Debug)]
pub struct Leeway(i64);

impl Decode for Leeway {
    fn decode(at: At<'_>, errors: &mut Errors) -> Option<Self> {
        const EXPECTED: &str = "whole seconds from `0s` to `5m`";
        decode_text(at, errors, EXPECTED, |text| {
            let seconds = parse_duration(text).filter(|d| d.subsec_nanos() == 0);
            let seconds = seconds.and_then(|d| i64::try_from(d.as_secs()).ok());
            seconds.filter(|s| *s <= 300).map(Leeway).ok_or_else(|| format!("expected {EXPECTED}"))
        })
    }

    fn schema() -> Schema {
        Schema::Text {
            expected: "whole seconds from `0s` to `5m`",
            pattern: Some("^[0-9]{1,9}(ms|s|m|h|d)$"),
        }
    }
}

/// A compiled provider of JWTs.
#[derive(Debug)]
pub(crate) struct Jwt {
    issuer: String,
    algorithms: Vec<Algorithm>,
    keys: Vec<Key>,
    types: Vec<TokenType>,
    max_bytes: usize,
    expected: Expected,
}

impl Kind for Jwt {
    fn verify(&self, taken: &Taken, asked: &Asked<'_>) -> Verdict {
        self.check(asked.provider, &taken.secret, asked.host).into()
    }
}

impl Jwt {
    /// Compiles a decoded configuration; `at` is its place.
    pub(crate) fn compile(
        config: &JwtConfig,
        at: At<'_>,
        environment: &Environment<'_>,
        errors: &mut Errors,
    ) -> Self {
        for (name, empty) in [
            ("audiences", config.audiences.is_empty()),
            ("algorithms", config.algorithms.is_empty()),
            ("keys", config.keys.is_empty()),
            ("types", config.types.is_empty()),
        ] {
            if empty && let Some(node) = at.node().get(name) {
                at.key(name, node).error(errors, "expected at least one");
            }
        }
        let keys = compile_keys(config, at, environment, errors);
        let texts = |list: &[Text]| list.iter().map(|t| t.as_str().to_owned()).collect();
        Jwt {
            issuer: config.issuer.as_str().to_owned(),
            algorithms: config.algorithms.clone(),
            keys,
            types: config.types.clone(),
            max_bytes: usize::try_from(config.max_bytes.get()).unwrap_or(usize::MAX),
            expected: Expected {
                audiences: texts(&config.audiences),
                leeway: config.leeway.0,
                published: texts(&config.claims),
            },
        }
    }

    /// Checks a token. What is cheap comes first, the signature last; nothing
    /// of the token is believed before that.
    pub(crate) fn check(
        &self,
        provider: &str,
        token: &[u8],
        host: &dyn Host,
    ) -> Result<Checked, Failure> {
        if token.len() > self.max_bytes {
            return Err(Reason::TooLong.into());
        }
        let jws = Jws::parse(token)?;
        let algorithm = Algorithm::parse(&jws.header.alg)
            .filter(|a| self.algorithms.contains(a))
            .ok_or(Reason::Algorithm)?;
        let typ = jws.header.typ.as_deref().unwrap_or("JWT");
        if !self.types.contains(&TokenType::new(typ)) {
            return Err(Reason::WrongType.into());
        }
        let claims = Claims::parse(&jws.payload)?;
        if claims.issuer()? != self.issuer {
            return Err(Reason::Issuer.into());
        }
        let now = i64::try_from(host.now().as_secs()).unwrap_or(i64::MAX);
        claims.check(&self.expected, now)?;
        let caller = claims.caller(provider, &self.expected)?;
        self.check_signature(&jws, algorithm, host)?;
        Ok(caller.into())
    }

    fn check_signature(
        &self,
        jws: &Jws<'_>,
        algorithm: Algorithm,
        host: &dyn Host,
    ) -> Result<(), Reason> {
        let kid = jws.header.kid.as_deref();
        let mut candidates = self
            .keys
            .iter()
            .filter(|k| k.algorithm() == algorithm && (kid.is_none() || k.kid() == kid))
            .take(MAX_TRIES)
            .peekable();
        if candidates.peek().is_none() {
            return Err(Reason::UnknownKey);
        }
        if candidates.any(|key| key.verifies(jws.signed, &jws.signature, host)) {
            Ok(())
        } else {
            Err(Reason::Signature)
        }
    }
}

fn compile_keys(
    config: &JwtConfig,
    at: At<'_>,
    environment: &Environment<'_>,
    errors: &mut Errors,
) -> Vec<Key> {
    let mut keys: Vec<Key> = Vec::new();
    let Some(sources) = at.node().get("keys") else { return keys };
    let at = at.key("keys", sources);
    let Value::List(nodes) = &sources.value else { return keys };
    for (i, (source, node)) in config.keys.iter().zip(nodes).enumerate() {
        let at = at.index(i, node);
        match source {
            KeySource::Inline(jwks) => {
                each_jwk(at, |n, at| {
                    let Some(jwk) = jwks.keys.get(n) else { return };
                    if jwk.kid().is_some() && keys.iter().any(|k| k.kid() == jwk.kid()) {
                        at.error(errors, "another key of this provider has the same `kid`");
                        return;
                    }
                    match jwk.pin(&config.algorithms) {
                        Ok(key) => keys.push(key),
                        Err(why) => at.error(errors, why),
                    }
                });
            }
            KeySource::Secret(secret) => {
                let Some(node) = node.get("secret") else { continue };
                let at = at.key("secret", node);
                let unlisted = !config.algorithms.contains(&secret.alg);
                if unlisted && matches!(secret.alg.shape(), Shape::Secret(_)) {
                    at.error(
                        errors,
                        format!(
                            "`alg` is `{}`, which `algorithms` does not list",
                            secret.alg.name()
                        ),
                    );
                }
                let Some(key) = secret.read(at, environment, errors) else { continue };
                if key.kid().is_some() && keys.iter().any(|k| k.kid() == key.kid()) {
                    at.error(errors, "another key of this provider has the same `kid`");
                    continue;
                }
                keys.push(key);
            }
        }
    }
    if keys.len() > MAX_KEYS {
        at.error(errors, format!("expected at most {MAX_KEYS} keys, but found {}", keys.len()));
    }
    keys
}

/// Calls `found` with the place of each key of an inline set.
fn each_jwk(at: At<'_>, mut found: impl FnMut(usize, At<'_>)) {
    let Some(set) = at.node().get("jwks") else { return };
    let at = at.key("jwks", set);
    let Some(list) = set.get("keys") else { return };
    let at = at.key("keys", list);
    let Value::List(nodes) = &list.value else { return };
    for (n, node) in nodes.iter().enumerate() {
        found(n, at.index(n, node));
    }
}
