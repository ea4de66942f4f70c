//! The keys of those who sign, each pinned to its algorithm.

use std::collections::HashMap;
use std::rc::Rc;

use ct_codecs::{Base64UrlSafeNoPadding, Decoder};
use postern_core::challenge::Scope;
use postern_core::config::schema::Schema;
use postern_core::config::{At, Decode, Errors, Name, Node, Value, decode_text};
use postern_core::filter::Environment;
use postern_core::identity::Caller;

use crate::algorithm::Algorithm;
use crate::api_key::Printable;
use crate::checked::{Checked, Failure};
use crate::jwk::Jwk;
use crate::key::Key;
use crate::material::Material;
use crate::pem::{PemConfig, PublicPem};
use crate::reason::Reason;
use crate::verdict::Asked;
use postern_core::instant::Instant;
use postern_core::secret::{self, Variable};

/// The most keys that one provider may have.
const MAX_KEYS: usize = 1024;

postern_core::config! {
    /// A key that requests are signed with.
    pub struct SignerConfig {
        /// Its name in logs and headers (`signature:<id>`); unique.
        id: Name,
        /// What signatures call it (`keyid`): `bluefin-2026`; unique.
        keyid: KeyId,
        /// The key: `{secret_env: BLUEFIN_SECRET}`.
        key: SignerKey,
        /// Its owner: `bluefin`.
        subject: Printable,
        /// The client that signs with it: `bluefin-app`.
        client: Option<Printable>,
        /// What it is good for: `[orders:read]`.
        scopes: Vec<Scope> = Vec::new(),
        /// The owner's plan: `gold`.
        plan: Option<Printable>,
        /// From when on it is valid: `2026-01-31T12:00:00Z`.
        not_before: Option<Instant>,
        /// When it ends: `2027-01-31T12:00:00Z`.
        expires: Option<Instant>,
    }

    /// A key, and with it the algorithm.
    pub oneof SignerKey {
        /// `hmac-sha256`: the variable of the proxy's environment that holds the
        /// shared secret as base64url, 32 bytes or more: `BLUEFIN_SECRET`.
        secret_env: Secret(Variable),
        /// `ed25519`: the public key, 32 bytes as base64url:
        /// `JrQLj5P_89iXES9-vFgrIy29clF9CC_oPPsw3c5D0bs`.
        ed25519: Ed25519(RawKey),
        /// `ed25519`: the public key in PEM, as `openssl pkey -pubout` prints
        /// it.
        pem: Pem(PublicPem),
        /// `ed25519`: the public key as a JWK, `{kty: OKP, crv: Ed25519, x: …}`.
        jwk: Jwk(Jwk),
    }
}

/// A compiled key.
#[derive(Debug)]
pub(super) struct Signer {
    key: Key,
    caller: Caller,
    not_before: Option<i64>,
    expires: Option<i64>,
}

/// Compiles `keys`, which stand under that name at `at`, by their `keyid`.
pub(super) fn compile(
    keys: &[SignerConfig],
    provider: &str,
    at: At<'_>,
    environment: &Environment<'_>,
    errors: &mut Errors,
) -> HashMap<String, Signer> {
    let mut signers = HashMap::with_capacity(keys.len());
    let Some(list) = at.node().get("keys") else { return signers };
    let at = at.key("keys", list);
    let nodes: &[Node] = if let Value::List(nodes) = &list.value { nodes } else { &[] };
    if !(1..=MAX_KEYS).contains(&keys.len()) {
        at.error(errors, format!("expected 1 to {MAX_KEYS} keys"));
    }
    let mut ids: HashMap<&str, usize> = HashMap::with_capacity(keys.len());
    for (i, (config, node)) in keys.iter().zip(nodes).enumerate() {
        let at = at.index(i, node);
        let mut complain = |name: &str, message: String| {
            if let Some(node) = node.get(name) {
                at.key(name, node).error(errors, message);
            }
        };
        let first = ids.get(config.id.as_str()).copied();
        ids.entry(config.id.as_str()).or_insert(i);
        if let Some(first) = first {
            complain("id", format!("the key at `keys[{first}]` has the same `id`"));
        }
        let (not_before, expires) =
            (config.not_before.map(Instant::seconds), config.expires.map(Instant::seconds));
        if not_before.zip(expires).is_some_and(|(from, to)| from >= to) {
            complain("expires", "expected a time after `not_before`".to_owned());
        }
        let Some(key) = node
            .get("key")
            .and_then(|node| config.key.read(at.key("key", node), environment, errors))
        else {
            continue;
        };
        let signer = Signer { key, caller: config.caller(provider), not_before, expires };
        if signers.insert(config.keyid.0.clone(), signer).is_some()
            && let Some(node) = node.get("keyid")
        {
            at.key("keyid", node)
                .error(errors, "another key of this provider has the same `keyid`");
        }
    }
    signers
}

impl SignerKey {
    /// The key; what is wrong is noted.
    fn read(&self, at: At<'_>, environment: &Environment<'_>, errors: &mut Errors) -> Option<Key> {
        let inner = |name: &str| at.node().get(name);
        match self {
            SignerKey::Secret(variable) => {
                let at = at.key("secret_env", inner("secret_env")?);
                let secret = secret::read(variable, 32, at, environment, errors)?;
                Key::new(None, Algorithm::Hs256, Material::Secret(secret))
            }
            SignerKey::Ed25519(raw) => {
                let at = at.key("ed25519", inner("ed25519")?);
                let key = Material::ed25519(&raw.0).ok();
                noted(key.and_then(|key| Key::new(None, Algorithm::EdDsa, key)), at, errors)
            }
            SignerKey::Pem(pem) => {
                let at = at.key("pem", inner("pem")?);
                let config = PemConfig { key: pem.clone(), alg: Algorithm::EdDsa, kid: None };
                noted(config.read(at, &mut Errors::default()), at, errors)
            }
            SignerKey::Jwk(jwk) => {
                let at = at.key("jwk", inner("jwk")?);
                noted(jwk.pin(&[Algorithm::EdDsa]).ok(), at, errors)
            }
        }
    }
}

fn noted(key: Option<Key>, at: At<'_>, errors: &mut Errors) -> Option<Key> {
    if key.is_none() {
        at.error(errors, "expected an Ed25519 key");
    }
    key
}

impl SignerConfig {
    fn caller(&self, provider: &str) -> Caller {
        let text = |t: &Printable| t.as_str().to_owned();
        Caller {
            sub: text(&self.subject),
            iss: None,
            client: self.client.as_ref().map(text),
            scopes: self.scopes.as_slice().into(),
            provider: provider.to_owned(),
            credential: format!("signature:{}", self.id.as_str()),
            plan: self.plan.as_ref().map(text),
            claims: serde_json::Map::new(),
        }
    }
}

impl Signer {
    /// Its algorithm by the name in RFC 9421 §6.2.
    pub(super) fn alg(&self) -> &'static str {
        if self.key.algorithm() == Algorithm::Hs256 { "hmac-sha256" } else { "ed25519" }
    }

    pub(super) fn is_valid_at(&self, now: i64) -> Result<(), Reason> {
        let early = self.not_before.is_some_and(|from| now < from);
        let late = self.expires.is_some_and(|to| now >= to);
        if early || late { Err(Reason::MessageKeyDates) } else { Ok(()) }
    }

    /// Checks that `signature` signs `base`.
    pub(super) fn check(
        &self,
        base: &[u8],
        signature: &[u8],
        asked: &Asked<'_>,
    ) -> Result<(), Failure> {
        let checked = self.key.check(base, signature, asked.host, asked.budget);
        checked.map(drop).map_err(|failure| match failure {
            Failure::Bad(_) => Reason::MessageSignature.into(),
            busy => busy,
        })
    }

    pub(super) fn checked(&self) -> Checked {
        Checked {
            expires: self.expires,
            key: Some(Rc::clone(self.key.fingerprint())),
            ..Checked::from(self.caller.clone())
        }
    }
}

/// What signatures call a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyId(String);

const KEYID: &str = "1 to 256 printable ASCII characters";

impl Decode for KeyId {
    fn decode(at: At<'_>, errors: &mut Errors) -> Option<Self> {
        decode_text(at, errors, KEYID, |text| {
            let good = text.bytes().all(|b| (0x20..0x7f).contains(&b));
            if good && (1..=256).contains(&text.len()) {
                Ok(KeyId(text.to_owned()))
            } else {
                Err(format!("expected {KEYID}"))
            }
        })
    }

    fn schema() -> Schema {
        Schema::Text { expected: KEYID, pattern: Some("^[ -~]{1,256}$") }
    }
}

/// An Ed25519 public key in base64url.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RawKey([u8; 32]);

const RAW: &str = "an Ed25519 public key: 32 bytes as base64url without padding";

impl Decode for RawKey {
    fn decode(at: At<'_>, errors: &mut Errors) -> Option<Self> {
        decode_text(at, errors, RAW, |text| {
            let bytes = Base64UrlSafeNoPadding::decode_to_vec(text, None).ok();
            let key = bytes.and_then(|bytes| <[u8; 32]>::try_from(bytes).ok());
            key.map(RawKey).ok_or_else(|| format!("expected {RAW}"))
        })
    }

    fn schema() -> Schema {
        Schema::Text { expected: RAW, pattern: Some("^[A-Za-z0-9_-]{43}$") }
    }
}
