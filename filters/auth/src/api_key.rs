//! API keys, kept as SHA-256 digests.

use std::collections::HashMap;

use ct_codecs::verify as equal_in_constant_time;
use postern_core::challenge::Scope;
use postern_core::config::schema::Schema;
use postern_core::config::{At, Decode, Errors, Name, Node, Value, decode_text};
use postern_core::digest::sha256;
use postern_core::scopes::Scopes;
use postern_core::{Answer, Host, Metric, Work};

use crate::carrier::{Carrier, Taken};
use crate::checked::Checked;
use crate::claims::is_printable;
use crate::flaw::Flaw;
use crate::key_list::{Builder, Entry, Found, KeyList};
use crate::key_list_form::{KeyListForm, MAX_BYTES as MAX_LIST};
use crate::reason::Reason;
use crate::remote::{Lack, Place, Remote, RemoteConfig};
use crate::verdict::{Asked, Kind, Unavailable, Verdict};
use postern_core::instant::Instant;

/// The longest API key in bytes.
const MAX_BYTES: usize = 512;

postern_core::config! {
    /// API keys. The policy holds their SHA-256 digests, so they have to be
    /// random and long: 128 bits or more, not passwords.
    pub struct ApiKeysConfig {
        /// Where keys are found.
        from: Vec<Carrier> = vec![Carrier::api_key_header()],
        /// The keys. A client may have several that live at the same time.
        keys: Vec<ApiKeyConfig> = Vec::new(),
        /// Further keys, in a list that is fetched: `{"keys": [{"id": …, "sha256":
        /// …, "subject": …}]}` with keys as under `keys`, up to about 100,000. A
        /// key that is not in order is left out, of two with one digest the second
        /// too; a list without a good key counts as a failure. A request does not
        /// cause a fetch: a new key works, and a removed one stops, with the next
        /// refresh. A key that is not in the list is refused (401); if the list
        /// could not be had since `refresh.max`, it is answered 503.
        remote: Option<RemoteConfig>,
        /// Leave the key in the request for the upstream. It is removed
        /// otherwise.
        forward: bool = false,
    }

    /// An API key.
    pub struct ApiKeyConfig {
        /// Its name in logs and headers; unique.
        id: Name,
        /// The SHA-256 digest of the key, as 64 hexadecimal digits: what
        /// `printf %s "$KEY" | sha256sum | cut -d' ' -f1` prints. A key is 128 bits of
        /// chance or more: `KEY=$(openssl rand -hex 32)`.
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
    provider: String,
    own: KeyList,
    list: Option<Box<Remote<KeyListForm>>>,
}

impl ApiKeys {
    /// Compiles a decoded configuration; `at` is its place.
    pub(crate) fn compile(
        config: &ApiKeysConfig,
        provider: &str,
        at: At<'_>,
        errors: &mut Errors,
    ) -> Self {
        let own = own_keys(config, at, Builder::default(), errors);
        let remote = config.remote.as_ref().zip(at.node().get("remote"));
        let list = remote.map(|(config, node)| {
            let settings = config.settings(MAX_LIST, at.key("remote", node), errors);
            let place = Place { slot: 0, first_metric: 0 };
            let remote =
                Remote::new("API keys", provider, config.source(), settings, place, KeyListForm);
            Box::new(remote)
        });
        ApiKeys { provider: provider.to_owned(), own, list }
    }

    /// Checks a key, and the user name beside it if there is one.
    fn check(&self, taken: &Taken<'_>, asked: &Asked<'_>) -> Verdict {
        // No key, whatever else it is: a token, where both stand in one place.
        if taken.secret.len() > MAX_BYTES {
            return Reason::ApiKey.into();
        }
        let digest = sha256(&taken.secret);
        if let Some(found) = self.own.find(&digest) {
            return self.judge(&found, taken, asked).into();
        }
        let Some(list) = &self.list else { return Reason::ApiKey.into() };
        if let Some(keys) = list.current(asked.now)
            && let Some(found) = keys.find(&digest)
        {
            return self.judge(&found, taken, asked).into();
        }
        // Another worker may have published it since the last tick.
        let Some(keys) = list.look(asked.host) else {
            let unavailable = |retry_after| Unavailable { code: UNAVAILABLE, retry_after };
            return match list.lacking(asked.now) {
                Lack::Wait(after) => {
                    Verdict::Wait { key: 0, at_most: list.settings().wait, or: unavailable(after) }
                }
                Lack::Unavailable(after) => Verdict::Unavailable(unavailable(after)),
                Lack::Recent(_) => Reason::ApiKey.into(),
            };
        };
        match keys.find(&digest) {
            Some(found) => self.judge(&found, taken, asked).into(),
            None => match list.overdue(asked.now) {
                Some(retry_after) => {
                    Verdict::Unavailable(Unavailable { code: UNAVAILABLE, retry_after })
                }
                None => Reason::ApiKey.into(),
            },
        }
    }

    fn judge(
        &self,
        found: &Found<'_>,
        taken: &Taken<'_>,
        asked: &Asked<'_>,
    ) -> Result<Checked, Flaw> {
        let flaw = |reason| Flaw::from(reason).of(format!("api_key:{}", found.id()));
        if let Some(user) = &taken.user
            && !equal_in_constant_time(&sha256(user), &sha256(found.subject().as_bytes()))
        {
            return Err(flaw(Reason::Owner));
        }
        found.checked(&self.provider, asked.seconds()).map_err(flaw)
    }
}

/// The keys of the policy; what is wrong is noted.
fn own_keys(config: &ApiKeysConfig, at: At<'_>, mut own: Builder, errors: &mut Errors) -> KeyList {
    let mut digests = HashMap::with_capacity(config.keys.len());
    let mut ids = HashMap::with_capacity(config.keys.len());
    let list = at.node().get("keys");
    let at_list = list.map(|node| at.key("keys", node));
    let nodes: &[Node] = match list.map(|node| &node.value) {
        Some(Value::List(nodes)) => nodes,
        _ => &[],
    };
    match at_list {
        Some(at) if nodes.is_empty() => at.error(errors, "expected at least one"),
        None if config.remote.is_none() => at.error(errors, "expected `keys`, `remote` or both"),
        _ => {}
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
        if !key.lives() {
            complain("expires", "expected a time after `not_before`".to_owned());
        }
        let first = *digests.entry(key.sha256.0).or_insert(i);
        if first != i {
            complain("sha256", format!("the key at `keys[{first}]` has the same digest"));
        }
        let scopes = Scopes::from(key.scopes.as_slice());
        if !own.add(&key.entry(scopes.as_str())) {
            at.error(errors, "no room for this key: all keys of a provider take 2 GiB at most");
            break;
        }
    }
    own.finish().0
}

/// The kind of document, for metrics. In the shared data and the log it is told
/// apart from an issuer's keys, which may come from the same place.
const WHAT: &str = "keys";

/// The list that a key may stand in cannot be had.
const UNAVAILABLE: &str = "keys_unavailable";

impl Kind for ApiKeys {
    fn verify(&self, taken: &Taken<'_>, asked: &Asked<'_>) -> Verdict {
        self.check(taken, asked)
    }

    fn metrics(&self) -> Vec<Metric> {
        let of_list = |_: &_| Remote::<KeyListForm>::metrics(WHAT);
        self.list.as_ref().map(of_list).unwrap_or_default()
    }

    fn tick(&self, host: &dyn Host) -> Work {
        self.list.as_ref().map(|list| list.tick(host, 0)).unwrap_or_default()
    }

    fn answer(&self, task: u64, answer: &Answer, host: &dyn Host) -> Work {
        let list = self.list.as_ref();
        list.and_then(|list| list.answer(task, answer, host, 0)).unwrap_or_default()
    }
}

impl ApiKeyConfig {
    /// Is there a time at which it is valid?
    pub(crate) fn lives(&self) -> bool {
        let (from, to) =
            (self.not_before.map(Instant::seconds), self.expires.map(Instant::seconds));
        from.zip(to).is_none_or(|(from, to)| from < to)
    }

    /// As it goes into a set; `scopes` are its scopes, separated by blanks.
    pub(crate) fn entry<'a>(&'a self, scopes: &'a str) -> Entry<'a> {
        let text = |text: &'a Option<Printable>| text.as_ref().map(|t| t.0.as_str());
        Entry {
            digest: self.sha256.0,
            id: self.id.as_str(),
            subject: &self.subject.0,
            client: text(&self.client),
            scopes,
            plan: text(&self.plan),
            not_before: self.not_before.map(Instant::seconds),
            expires: self.expires.map(Instant::seconds),
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use postern_core::config::parse_json;

    use super::*;

    #[test]
    fn a_key_for_which_there_is_no_room_is_a_mistake() {
        let key = |n: u8| format!(r#"{{"id":"k{n}","subject":"s","sha256":"{}"}}"#, sha(n));
        let text = format!(r#"{{"keys":[{},{},{},{}]}}"#, key(1), key(2), key(3), key(4));
        let node = parse_json(text.as_bytes()).unwrap();
        let found = |most: u32| {
            let mut errors = Errors::default();
            let config = ApiKeysConfig::decode(At::root(&node), &mut errors).unwrap();
            let list = own_keys(&config, At::root(&node), Builder::holding(most), &mut errors);
            (list.len(), errors.to_string())
        };
        let message = "keys[2]: no room for this key: all keys of a provider take 2 GiB at most";
        assert_eq!(found(u32::MAX / 2), (4, String::new()));
        assert_eq!(found(100), (2, message.to_owned()));
    }

    fn sha(n: u8) -> String {
        postern_core::digest::hex(&sha256(&[n]))
    }
}
