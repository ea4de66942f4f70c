//! HTTP Basic (RFC 7617) with generated secrets, kept as SHA-256 digests.

use std::collections::HashMap;

use ct_codecs::verify as equal_in_constant_time;
use postern_core::challenge::Scope;
use postern_core::config::schema::Schema;
use postern_core::config::{At, Decode, Errors, Name, Node, Value, decode_text};
use postern_core::digest::sha256;
use postern_core::identity::Caller;

use crate::api_key::{Digest, Printable};
use crate::carrier::Taken;
use crate::checked::Checked;
use crate::claims::is_printable;
use crate::flaw::Flaw;
use crate::reason::Reason;
use crate::verdict::{Asked, Kind, Verdict};
use postern_core::instant::Instant;

/// The most pairs of one provider: they are compiled on each worker.
const MAX_USERS: usize = 10_000;

postern_core::config! {
    /// `Authorization: Basic` (RFC 7617, in UTF-8) for clients that can send
    /// nothing else. The policy holds the SHA-256 digest of each secret, so the
    /// secrets have to be generated, of 128 random bits or more:
    /// `openssl rand -base64 24`. What people choose themselves would need a
    /// slow hash, which would hold up the proxy's worker: let a service check
    /// those and hand out tokens (`introspection`). A user name that is unknown
    /// and a secret that is wrong are refused alike.
    /// Example: `basic: {users: [{id: till-7a, user: till-7, subject: northwind,
    /// sha256: 50d858e0985ecc7f60418aaf0cc5ab587f42c2570a884095a9e8ccacd0f6545c}]}`.
    pub struct BasicConfig {
        /// Pairs of a user name and a secret. A user may have several that live
        /// at the same time, so that a secret can be replaced.
        users: Vec<BasicUserConfig>,
        /// Leave the credential in the request for the upstream. It is removed
        /// otherwise.
        forward: bool = false,
    }

    /// A user name and the digest of a secret.
    pub struct BasicUserConfig {
        /// The pair's name in logs and headers; unique: `till-7a`.
        id: Name,
        /// The user name: `till-7`.
        user: UserName,
        /// The SHA-256 digest of the secret, as 64 hexadecimal digits:
        /// `printf %s "$SECRET" | sha256sum | cut -d' ' -f1`.
        sha256: Digest,
        /// Whom it names. Left out: the user name.
        subject: Option<Printable>,
        /// The client that calls with it.
        client: Option<Printable>,
        /// What it is good for: `[orders:read]`.
        scopes: Vec<Scope> = Vec::new(),
        /// The user's plan.
        plan: Option<Printable>,
        /// From when on it is valid: `2026-01-31T12:00:00Z`.
        not_before: Option<Instant>,
        /// When it ends: `2027-01-31T12:00:00Z`.
        expires: Option<Instant>,
    }
}

/// The compiled pairs.
#[derive(Debug)]
pub(crate) struct Basic {
    /// By a digest of user name and secret together: whichever of the two is
    /// wrong, nothing is found, and nothing else happens.
    by_pair: HashMap<[u8; 32], Pair>,
}

#[derive(Debug)]
struct Pair {
    digest: [u8; 32],
    caller: Caller,
    not_before: Option<i64>,
    expires: Option<i64>,
}

impl Basic {
    /// Compiles a decoded configuration; `at` is its place.
    pub(crate) fn compile(
        config: &BasicConfig,
        provider: &str,
        at: At<'_>,
        errors: &mut Errors,
    ) -> Self {
        let mut by_pair = HashMap::with_capacity(config.users.len());
        let mut ids = HashMap::with_capacity(config.users.len());
        let mut secrets = HashMap::with_capacity(config.users.len());
        let Some(list) = at.node().get("users") else { return Basic { by_pair } };
        let at = at.key("users", list);
        let nodes: &[Node] = match &list.value {
            Value::List(nodes) => nodes,
            _ => &[],
        };
        if config.users.is_empty() {
            at.error(errors, "expected at least one");
        }
        if config.users.len() > MAX_USERS {
            let found = config.users.len();
            at.error(errors, format!("expected at most {MAX_USERS}, but found {found}"));
        }
        for (i, (user, node)) in config.users.iter().zip(nodes).enumerate() {
            let at = at.index(i, node);
            let mut complain = |name: &str, message: String| {
                if let Some(node) = node.get(name) {
                    at.key(name, node).error(errors, message);
                }
            };
            if let Some(first) = ids.insert(user.id.as_str(), i) {
                complain("id", format!("the user at `users[{first}]` has the same `id`"));
            }
            let secret = *user.sha256.bytes();
            if let Some(first) = secrets.insert(secret, i) {
                let why = format!("the user at `users[{first}]` has the same secret");
                complain("sha256", why);
            }
            let (not_before, expires) =
                (user.not_before.map(Instant::seconds), user.expires.map(Instant::seconds));
            if not_before.zip(expires).is_some_and(|(from, to)| from >= to) {
                complain("expires", "expected a time after `not_before`".to_owned());
            }
            let caller = user.caller(provider);
            let digest = pair(user.user.0.as_bytes(), &secret);
            by_pair.insert(digest, Pair { digest, caller, not_before, expires });
        }
        Basic { by_pair }
    }

    fn check(&self, taken: &Taken<'_>, now: i64) -> Result<Checked, Flaw> {
        let user = taken.user.as_deref().ok_or(Reason::Kind)?;
        let digest = pair(user, &sha256(&taken.secret));
        let pair = self
            .by_pair
            .get(&digest)
            .filter(|pair| equal_in_constant_time(&pair.digest, &digest))
            .ok_or(Reason::UserOrSecret)?;
        let flaw = |reason| Flaw::from(reason).of(pair.caller.credential.as_str());
        if pair.not_before.is_some_and(|from| now < from) {
            return Err(flaw(Reason::SecretNotYetValid));
        }
        if pair.expires.is_some_and(|to| now >= to) {
            return Err(flaw(Reason::SecretExpired));
        }
        Ok(Checked { expires: pair.expires, ..Checked::from(pair.caller.clone()) })
    }
}

impl Kind for Basic {
    fn verify(&self, taken: &Taken<'_>, asked: &Asked<'_>) -> Verdict {
        self.check(taken, asked.seconds()).into()
    }
}

/// The secret's digest has a fixed length, so no two pairs are written alike.
fn pair(user: &[u8], secret: &[u8; 32]) -> [u8; 32] {
    sha256(&[secret, user].concat())
}

impl BasicUserConfig {
    fn caller(&self, provider: &str) -> Caller {
        let text = |t: &Printable| t.as_str().to_owned();
        Caller {
            sub: self.subject.as_ref().map_or_else(|| self.user.0.clone(), text),
            iss: None,
            client: self.client.as_ref().map(text),
            scopes: self.scopes.as_slice().into(),
            provider: provider.to_owned(),
            credential: format!("basic:{}", self.id.as_str()),
            plan: self.plan.as_ref().map(text),
            claims: serde_json::Map::new(),
        }
    }
}

/// A user name: no colon, which would end it (RFC 7617 §2), and nothing that
/// cannot stand in a header, since it may be the subject.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UserName(String);

const USER_NAME: &str = "1 to 256 bytes without `:`, control characters or blanks at the ends";

impl Decode for UserName {
    fn decode(at: At<'_>, errors: &mut Errors) -> Option<Self> {
        decode_text(at, errors, USER_NAME, |text| {
            let good = is_printable(text);
            if good && !text.contains(':') {
                Ok(UserName(text.to_owned()))
            } else {
                Err(format!("expected {USER_NAME}"))
            }
        })
    }

    fn schema() -> Schema {
        Schema::Text { expected: USER_NAME, pattern: Some("^[^:]{1,256}$") }
    }
}
