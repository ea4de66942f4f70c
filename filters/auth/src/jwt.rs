//! A provider of JWTs (RFC 7519, RFC 8725): one issuer, its keys, and what its
//! tokens have to say.

use postern_core::Host;
use postern_core::config::schema::Schema;
use postern_core::config::{At, Count, Decode, Errors, Text, decode_text, parse_duration};
use postern_core::filter::Environment;

use crate::algorithm::Algorithm;
use crate::budget::Budget;
use crate::carrier::{Carrier, Taken};
use crate::checked::{Checked, Failure};
use crate::claims::{Claims, Expected};
use crate::jws::Jws;
use crate::key::Key;
use crate::key_set::KeySet;
use crate::key_source::{self, KeySource};
use crate::reason::Reason;
use crate::verdict::{Asked, Kind, Verdict};

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
    keys: KeySet,
    types: Vec<TokenType>,
    max_bytes: usize,
    expected: Expected,
}

impl Kind for Jwt {
    fn verify(&self, taken: &Taken, asked: &Asked<'_>) -> Verdict {
        self.check(asked.provider, &taken.secret, &[], asked.host, asked.budget).into()
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
        let keys = key_source::compile(&config.keys, &config.algorithms, at, environment, errors);
        let texts = |list: &[Text]| list.iter().map(|t| t.as_str().to_owned()).collect();
        Jwt {
            issuer: config.issuer.as_str().to_owned(),
            algorithms: config.algorithms.clone(),
            keys: KeySet::new(keys),
            types: config.types.clone(),
            max_bytes: usize::try_from(config.max_bytes.get()).unwrap_or(usize::MAX),
            expected: Expected {
                audiences: texts(&config.audiences),
                leeway: config.leeway.0,
                published: texts(&config.claims),
            },
        }
    }

    #[allow(dead_code)] // For the fetching to come.
    /// Reads a JWK Set that the issuer publishes, for [`Jwt::check`]. What
    /// this provider cannot use is left out.
    ///
    /// # Errors
    /// It is no JWK Set at all: why, for the operator.
    pub(crate) fn read_keys(&self, document: &[u8]) -> Result<KeySet, String> {
        KeySet::fetched(document, &self.algorithms)
    }

    /// Checks a token, with the keys of the policy and those of `fetched`. What
    /// is cheap comes first, the signature last; nothing of the token is
    /// believed before that. [`Reason::UnknownKey`] says that no key is known
    /// that it might be signed with; nothing was checked then.
    ///
    /// # Errors
    /// It is not good, or that cannot be said now.
    pub(crate) fn check(
        &self,
        provider: &str,
        token: &[u8],
        fetched: &[&KeySet],
        host: &dyn Host,
        budget: &Budget,
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
        let key = self.check_signature(&jws, algorithm, fetched, host, budget)?;
        Ok(Checked { key: Some(key.fingerprint().to_owned()), ..caller.into() })
    }

    /// Tries the keys that the token may be signed with. That there is none is
    /// known before any signature is checked.
    fn check_signature<'k>(
        &'k self,
        jws: &'k Jws<'_>,
        algorithm: Algorithm,
        fetched: &'k [&KeySet],
        host: &dyn Host,
        budget: &Budget,
    ) -> Result<&'k Key, Failure> {
        let kid = jws.header.kid.as_deref();
        let sets = std::iter::once(&self.keys).chain(fetched.iter().copied());
        let candidates = sets.flat_map(|set| set.candidates(algorithm, kid));
        let mut tried: Vec<&Key> = Vec::new();
        let mut failure = Reason::UnknownKey.into();
        for key in candidates {
            // A key of the policy is often among the fetched ones too.
            if tried.iter().any(|k| k.fingerprint() == key.fingerprint()) {
                continue;
            }
            match key.check(jws.signed, &jws.signature, host, budget) {
                Ok(()) => return Ok(key),
                Err(busy @ Failure::Busy { .. }) => return Err(busy),
                Err(bad) => failure = bad,
            }
            tried.push(key);
            if tried.len() == MAX_TRIES {
                break;
            }
        }
        Err(failure)
    }
}
