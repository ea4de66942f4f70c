//! API keys, kept as SHA-256 digests.

use std::collections::HashMap;

use ct_codecs::verify as equal_in_constant_time;
use postern_core::challenge::Scope;
use postern_core::config::schema::Schema;
use postern_core::config::{At, Decode, Errors, Name, Node, Value, decode_text};
use postern_core::digest::sha256;
use postern_core::identity::Caller;

use crate::carrier::{Carrier, Taken};
use crate::checked::Checked;
use crate::claims::is_printable;
use crate::instant::Instant;
use crate::reason::Reason;
use crate::verdict::{Asked, Kind, Verdict};

/// The longest API key in bytes.
const MAX_BYTES: usize = 512;

postern_core::config! {
    /// API keys. The policy holds their SHA-256 digests, so they have to be
    /// random and long: 128 bits or more, not passwords.
    pub struct ApiKeysConfig {
        /// Where keys are found.
        from: Vec<Carrier> = vec![Carrier::api_key_header()],
        /// The keys. A client may have several that live at the same time.
        keys: Vec<ApiKeyConfig>,
        /// Leave the key in the request for the upstream. It is removed
        /// otherwise.
        forward: bool = false,
    }

    /// An API key.
    pub struct ApiKeyConfig {
        /// Its name in logs and headers; unique.
        id: Name,
        /// The SHA-256 digest of the key, as 64 hexadecimal digits.
        sha256: Digest,
        /// Its owner.
        subject: Printable,
        /// The client that calls with it.
        client: Option<Printable>,
        /// What it is good for.
        scopes: Vec<Scope> = Vec::new(),
        /// The owner's plan.
        plan: Option<Printable>,
        /// From when on it is valid: `2026-01-31T12:00:00Z`.
        not_before: Option<Instant>,
        /// When it ends: `2027-01-31T12:00:00Z`.
        expires: Option<Instant>,
    }
}

/// A compiled set of API keys.
#[derive(Debug)]
pub(crate) struct ApiKeys {
    by_digest: HashMap<[u8; 32], ApiKey>,
}

#[derive(Debug)]
struct ApiKey {
    digest: [u8; 32],
    caller: Caller,
    not_before: Option<i64>,
    expires: Option<i64>,
}

impl ApiKeys {
    /// Compiles a decoded configuration; `at` is its place.
    pub(crate) fn compile(
        config: &ApiKeysConfig,
        provider: &str,
        at: At<'_>,
        errors: &mut Errors,
    ) -> Self {
        let mut by_digest = HashMap::with_capacity(config.keys.len());
        let mut ids = HashMap::with_capacity(config.keys.len());
        let list = at.node().get("keys");
        let at_list = list.map(|node| at.key("keys", node));
        let nodes: &[Node] = match list.map(|node| &node.value) {
            Some(Value::List(nodes)) => nodes,
            _ => &[],
        };
        if config.keys.is_empty()
            && let Some(at) = at_list
        {
            at.error(errors, "expected at least one");
        }
        for (i, (key, node)) in config.keys.iter().zip(nodes).enumerate() {
            let Some(at) = at_list.as_ref().map(|at| at.index(i, node)) else { continue };
            let mut complain = |name: &str, message: String| {
                if let Some(node) = node.get(name) {
                    at.key(name, node).error(errors, message);
                }
            };
            if let Some(first) = ids.insert(key.id.as_str(), i) {
                complain("id", format!("the key at `keys[{first}]` has the same `id`"));
            }
            let (not_before, expires) = (key.not_before.map(|t| t.0), key.expires.map(|t| t.0));
            if not_before.zip(expires).is_some_and(|(from, to)| from >= to) {
                complain("expires", "expected a time after `not_before`".to_owned());
            }
            let digest = key.sha256.0;
            let compiled = ApiKey { digest, caller: key.caller(provider), not_before, expires };
            if by_digest.insert(digest, compiled).is_some() {
                complain("sha256", "another key of this provider has the same digest".to_owned());
            }
        }
        ApiKeys { by_digest }
    }

    /// Checks a key, and the user name beside it if there is one.
    fn check(&self, taken: &Taken, now: i64) -> Result<Checked, Reason> {
        if taken.secret.len() > MAX_BYTES {
            return Err(Reason::TooLong);
        }
        let digest = sha256(&taken.secret);
        let key = self
            .by_digest
            .get(&digest)
            .filter(|key| equal_in_constant_time(&key.digest, &digest))
            .ok_or(Reason::ApiKey)?;
        if let Some(user) = &taken.user
            && !equal_in_constant_time(&sha256(user), &sha256(key.caller.sub.as_bytes()))
        {
            return Err(Reason::Owner);
        }
        if key.not_before.is_some_and(|from| now < from) {
            return Err(Reason::ApiKeyNotYetValid);
        }
        if key.expires.is_some_and(|to| now >= to) {
            return Err(Reason::ApiKeyExpired);
        }
        Ok(Checked { expires: key.expires, ..Checked::from(key.caller.clone()) })
    }
}

impl Kind for ApiKeys {
    fn verify(&self, taken: &Taken, asked: &Asked<'_>) -> Verdict {
        self.check(taken, asked.seconds()).into()
    }
}

impl ApiKeyConfig {
    fn caller(&self, provider: &str) -> Caller {
        let text = |t: &Printable| t.0.clone();
        Caller {
            sub: self.subject.0.clone(),
            iss: None,
            client: self.client.as_ref().map(text),
            scopes: self.scopes.iter().map(|s| s.as_str().to_owned()).collect(),
            provider: provider.to_owned(),
            credential: format!("api_key:{}", self.id.as_str()),
            plan: self.plan.as_ref().map(text),
            claims: serde_json::Map::new(),
        }
    }
}

/// A SHA-256 digest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Digest([u8; 32]);

impl Digest {
    pub(crate) fn bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl Decode for Digest {
    fn decode(at: At<'_>, errors: &mut Errors) -> Option<Self> {
        const EXPECTED: &str = "a SHA-256 digest as 64 hexadecimal digits";
        decode_text(at, errors, EXPECTED, |text| {
            let digest: Option<Vec<u8>> = text.as_bytes().chunks(2).map(byte).collect();
            let digest = digest.and_then(|bytes| <[u8; 32]>::try_from(bytes).ok());
            match digest {
                Some(digest) if digest == sha256(b"") => {
                    Err("this is the digest of no key at all".to_owned())
                }
                Some(digest) => Ok(Digest(digest)),
                None => Err(format!("expected {EXPECTED}")),
            }
        })
    }

    fn schema() -> Schema {
        Schema::Text {
            expected: "a SHA-256 digest as 64 hexadecimal digits",
            pattern: Some("^[0-9a-fA-F]{64}$"),
        }
    }
}

fn byte(pair: &[u8]) -> Option<u8> {
    let [high, low] = pair else { return None };
    let digit = |b: u8| char::from(b).to_digit(16);
    u8::try_from(digit(*high)? * 16 + digit(*low)?).ok()
}

/// A text that can stand in a header: a subject, client or plan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Printable(String);

impl Printable {
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl Decode for Printable {
    fn decode(at: At<'_>, errors: &mut Errors) -> Option<Self> {
        const EXPECTED: &str = "1 to 256 bytes without control characters or blanks at the ends";
        decode_text(at, errors, EXPECTED, |text| {
            if is_printable(text) {
                Ok(Printable(text.to_owned()))
            } else {
                Err(format!("expected {EXPECTED}"))
            }
        })
    }

    fn schema() -> Schema {
        Schema::Text {
            expected: "1 to 256 bytes without control characters or blanks at the ends",
            pattern: None,
        }
    }
}
