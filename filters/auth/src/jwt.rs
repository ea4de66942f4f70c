//! A provider of JWTs (RFC 7519, RFC 8725): one issuer, its keys, and what its
//! tokens have to say.

use std::rc::Rc;

use postern_core::config::{At, Count, Errors, Node, Text, Value};
use postern_core::filter::Environment;
use postern_core::{Answer, Host, Metric, Work};

use crate::algorithm::Algorithm;
use crate::budget::{Budget, Cost};
use crate::carrier::{Carrier, Taken};
use crate::checked::{Checked, Failure};
use crate::claim_header::{self, ClaimHeader};
use crate::claim_match::ClaimMatch;
use crate::claim_path::ClaimPath;
use crate::claims::{Claims, Expected, Told};
use crate::flaw::Flaw;
use crate::issuer_keys::IssuerKeys;
use crate::jws::{Jws, LastHeader};
use crate::key::Key;
use crate::key_set::KeySet;
use crate::key_source::{self, KeySource};
use crate::mapping::{self, IdentityClaims, Published};
use crate::reason::Reason;
use crate::seconds::{Age, Leeway};
use crate::token_type::TokenType;
use crate::verdict::{Asked, Kind, Known, Verdict};

/// A token without `kid` is tried against this many keys at most.
const MAX_TRIES: usize = 4;

postern_core::config! {
    /// JWTs of one issuer, as compact JWS. Checked: algorithm, key, signature,
    /// `iss`, `aud`, `exp` (all have to be there), `nbf`, `iat`, `typ`, and
    /// that no member stands twice. Refused: `crit`, `b64`, encrypted tokens,
    /// dates that are no whole numbers.
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
        /// `application/`. Left out: `JWT` and `at+jwt`; a list stands in place of
        /// both, so that with `[JWT]` a token of the type `at+jwt` is refused. A
        /// token without `typ` counts as `JWT`. Not beside `profile`.
        types: Vec<TokenType> = vec![TokenType::new("JWT"), TokenType::new("at+jwt")],
        /// By how much the issuer's clock may differ, for `exp`, `nbf` and
        /// `iat`: from `0s` to `5m`.
        leeway: Leeway = Leeway(30),
        /// Hold tokens to a profile.
        profile: Option<Profile>,
        /// The longest time since `iat`, which has to be there then.
        max_age: Option<Age>,
        /// Claims that have to be there besides: each a name, `outer.inner`,
        /// or a list of names, one inside the other. A name with `://` in it
        /// is one name, dots and all.
        required_claims: Vec<ClaimPath> = Vec::new(),
        /// What claims have to say: all of this.
        claims_match: Vec<ClaimMatch> = Vec::new(),
        /// The longest token in bytes.
        max_bytes: Count<256, 32768> = Count::new(8192),
        /// Which claims make up the identity.
        identity: IdentityClaims = IdentityClaims::default(),
        /// Further claims that the identity carries to the other filters, each
        /// by its name (`tenant`, `outer.inner`) or under another one.
        claims: Vec<Published> = Vec::new(),
        /// Headers for the upstream that are made from claims.
        headers: Vec<ClaimHeader> = Vec::new(),
        /// How many good tokens each worker remembers, so that one that comes
        /// again is not checked each time: from the second time on, or from the
        /// first if its signature had to be checked inside the filter; until it
        /// ends. They may have 2 KiB each on average. `0` checks each time.
        cache_size: Count<0, 1000000> = Count::new(10_000),
        /// Leave the token in the request for the upstream. It is removed
        /// otherwise.
        forward: bool = false,
    }

    /// A profile of JWTs.
    pub choice Profile {
        /// Access tokens after RFC 9068: `typ` is `at+jwt`, and `iss`, `exp`,
        /// `aud`, `sub`, `client_id`, `iat` and `jti` are there.
        Rfc9068 = "rfc9068",
    }
}

/// What RFC 9068 §2.2 requires beyond `iss`, `exp` and `aud`.
const RFC9068_CLAIMS: &[&str] = &["sub", "client_id", "iat", "jti"];

/// A compiled provider of JWTs.
#[derive(Debug)]
pub(crate) struct Jwt {
    issuer: String,
    algorithms: Vec<Algorithm>,
    keys: IssuerKeys,
    types: Vec<TokenType>,
    last_header: LastHeader,
    max_bytes: usize,
    cache_size: usize,
    expected: Expected,
    told: Told,
}

impl Kind for Jwt {
    fn checks_signatures(&self) -> bool {
        true
    }

    /// Base64url and dots: a token68.
    fn is_narrow(&self) -> bool {
        true
    }

    fn cache_size(&self) -> usize {
        self.cache_size
    }

    fn verify(&self, taken: &Taken<'_>, asked: &Asked<'_>) -> Verdict {
        // Without an id it may be signed with a key that came since.
        let may_be_new = |reason| {
            let has_no_kid = || Jws::parse(&taken.secret).is_ok_and(|jws| jws.header.kid.is_none());
            reason == Reason::UnknownKey || reason == Reason::Signature && has_no_kid()
        };
        self.keys.check(asked.host, asked.now, may_be_new, |sets| {
            self.check(asked.provider, &taken.secret, sets, asked.host, asked.budget)
        })
    }

    fn holds(&self, known: &Known) -> bool {
        known.checked.key.as_deref().is_some_and(|key| self.keys.has(key))
    }

    fn keys_version(&self) -> u64 {
        self.keys.changes()
    }

    fn metrics(&self) -> Vec<Metric> {
        self.keys.metrics()
    }

    fn tick(&self, host: &dyn Host) -> Work {
        self.keys.tick(host)
    }

    fn answer(&self, task: u64, answer: &Answer, host: &dyn Host) -> Work {
        self.keys.answer(task, answer, host)
    }
}

impl Jwt {
    /// Compiles a decoded configuration; `at` is its place.
    pub(crate) fn compile(
        config: &JwtConfig,
        provider: &str,
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
        let wanted = key_source::For {
            provider,
            issuer: config.issuer.as_str(),
            algorithms: &config.algorithms,
        };
        let keys = key_source::compile(&config.keys, &wanted, at, environment, errors);
        each(at, "claims_match", &config.claims_match, |item, at| item.check(at, errors));
        if let Some(node) = at.node().get("identity") {
            config.identity.check(at.key("identity", node), errors);
        }
        if let Some(node) = at.node().get("claims") {
            mapping::check_published(&config.claims, at.key("claims", node), errors);
        }
        if let Some(node) = at.node().get("headers") {
            claim_header::check(&config.headers, at.key("headers", node), errors);
        }
        let mut types = config.types.clone();
        let mut required = config.required_claims.clone();
        if let Some(Profile::Rfc9068) = config.profile {
            if let Some(node) = at.node().get("types") {
                let message = "the profile says what `typ` has to be: leave this out";
                at.key("types", node).error(errors, message);
            }
            types = vec![TokenType::new("at+jwt")];
            required.extend(RFC9068_CLAIMS.iter().map(|name| ClaimPath::name(name)));
        }
        Jwt {
            issuer: config.issuer.as_str().to_owned(),
            algorithms: config.algorithms.clone(),
            keys,
            types,
            last_header: LastHeader::default(),
            max_bytes: usize::try_from(config.max_bytes.get()).unwrap_or(usize::MAX),
            cache_size: usize::try_from(config.cache_size.get()).unwrap_or(usize::MAX),
            expected: Expected {
                audiences: config.audiences.iter().map(|a| a.as_str().to_owned()).collect(),
                leeway: config.leeway.0,
                max_age: config.max_age.map(|age| age.0),
                required,
                matches: config.claims_match.clone(),
            },
            told: Told {
                identity: config.identity.clone(),
                published: config.claims.clone(),
                headers: config.headers.clone(),
            },
        }
    }

    /// Checks a token with the keys of these sets. What is cheap comes first,
    /// the signature last; nothing of the token is believed before that.
    /// [`Reason::UnknownKey`] says that no key is known that it might be signed
    /// with; nothing was checked then.
    ///
    /// # Errors
    /// It is not good, or that cannot be said now.
    pub(crate) fn check(
        &self,
        provider: &str,
        token: &[u8],
        sets: &[&KeySet],
        host: &dyn Host,
        budget: &Budget,
    ) -> Result<Checked, Failure> {
        if token.len() > self.max_bytes {
            return Err(Reason::TooLong.into());
        }
        let jws = Jws::parse_like(token, &self.last_header)?;
        // Before the claims are read; what is told then needs to know whose it is.
        let early = |reason| {
            if self.issued(&jws) { Flaw::from(reason).of_own() } else { Flaw::from(reason) }
        };
        let algorithm = Algorithm::parse(&jws.header.alg)
            .filter(|a| self.algorithms.contains(a))
            .ok_or_else(|| early(Reason::Algorithm))?;
        let typ = jws.header.typ.as_deref().unwrap_or("JWT");
        if !self.types.iter().any(|known| known.is(typ)) {
            return Err(early(Reason::WrongType).into());
        }
        let claims = Claims::parse(&jws.payload)?;
        if claims.issuer()? != self.issuer {
            return Err(Reason::Issuer.into());
        }
        let now = i64::try_from(host.now().as_secs()).unwrap_or(i64::MAX);
        let times = claims.check(&self.expected, now).map_err(Flaw::of_own)?;
        let checked = claims.checked(provider, &self.told, times).map_err(Flaw::of_own)?;
        let (key, cost) = check_signature(&jws, algorithm, sets, host, budget)?;
        let key = Some(Rc::clone(key.fingerprint()));
        Ok(Checked { key, dear: cost != Cost::NONE, ..checked })
    }

    /// Does it say that it is of this issuer?
    fn issued(&self, jws: &Jws<'_>) -> bool {
        let claims = Claims::parse(&jws.payload);
        claims.is_ok_and(|claims| claims.issuer().is_ok_and(|issuer| issuer == self.issuer))
    }
}

/// Tries the keys that the token may be signed with. That there is none is
/// known before any signature is checked.
fn check_signature<'k>(
    jws: &'k Jws<'_>,
    algorithm: Algorithm,
    sets: &'k [&KeySet],
    host: &dyn Host,
    budget: &Budget,
) -> Result<(&'k Key, Cost), Failure> {
    let kid = jws.header.kid.as_deref();
    let candidates = sets.iter().flat_map(|set| set.candidates(algorithm, kid));
    let mut tried: Vec<&Key> = Vec::new();
    let mut failure = Reason::UnknownKey.into();
    for key in candidates {
        // A key of the policy is often among the fetched ones too.
        if tried.iter().any(|k| k.fingerprint() == key.fingerprint()) {
            continue;
        }
        match key.check(jws.signed, &jws.signature, host, budget) {
            Ok(cost) => return Ok((key, cost)),
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

/// Calls `found` with each item of the list under `key`, and its place.
fn each<T>(at: At<'_>, key: &str, items: &[T], mut found: impl FnMut(&T, At<'_>)) {
    let Some(list @ Node { value: Value::List(nodes), .. }) = at.node().get(key) else { return };
    let at = at.key(key, list);
    for (i, (item, node)) in items.iter().zip(nodes).enumerate() {
        found(item, at.index(i, node));
    }
}
