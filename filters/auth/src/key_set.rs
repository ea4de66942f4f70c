//! The keys of an issuer, as they are known at some time.

use postern_core::config::{At, Decode, Errors, Node, Value};

use crate::algorithm::Algorithm;
use crate::jwk::Jwk;
use crate::key::Key;

/// The most keys of one issuer.
pub(crate) const MAX_KEYS: usize = 64;
/// The longest JWK Set that is read, in bytes.
pub(crate) const MAX_BYTES: usize = 256 * 1024;
/// The most members of `keys` that are looked at.
const MAX_ITEMS: usize = 256;

/// Keys, each pinned to one algorithm. There may be none.
#[derive(Debug, Default)]
pub(crate) struct KeySet {
    keys: Vec<Key>,
}

impl KeySet {
    /// These keys.
    pub(crate) fn new(keys: Vec<Key>) -> Self {
        KeySet { keys }
    }

    /// Reads a JWK Set (RFC 7517 §5) that an issuer publishes. What cannot be
    /// used is left out: unknown types and algorithms, those that `allowed`
    /// does not list, keys for other purposes, private keys, broken ones, and
    /// what comes after the first 64. Each is pinned to its own `alg`, or else
    /// to the first of `allowed` that it can serve. Two keys may have the same
    /// id.
    ///
    /// # Errors
    /// This is no JWK Set at all: what is wrong, for the operator.
    pub(crate) fn fetched(document: &[u8], allowed: &[Algorithm]) -> Result<Self, String> {
        if document.len() > MAX_BYTES {
            return Err(format!("the JWK Set has more than {MAX_BYTES} bytes"));
        }
        let Some(set) = object(document) else {
            return Err("expected a JWK Set, but found no JSON object".to_owned());
        };
        let Some(Node { value: Value::List(items), .. }) = set.get("keys") else {
            return Err("expected a JWK Set, but found no list `keys`".to_owned());
        };
        let mut keys: Vec<Key> = Vec::new();
        for item in items.iter().take(MAX_ITEMS) {
            let Some(key) = usable(item, allowed) else { continue };
            if keys.iter().all(|k| k.fingerprint() != key.fingerprint() || k.kid() != key.kid()) {
                keys.push(key);
            }
            if keys.len() == MAX_KEYS {
                break;
            }
        }
        Ok(KeySet { keys })
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    pub(crate) fn len(&self) -> usize {
        self.keys.len()
    }

    /// Is the key with this fingerprint among them?
    pub(crate) fn has(&self, fingerprint: &str) -> bool {
        self.keys.iter().any(|key| **key.fingerprint() == *fingerprint)
    }

    /// The keys that a token of this algorithm and with this id may be signed
    /// with; without an id, all of the algorithm.
    pub(crate) fn candidates<'k>(
        &'k self,
        algorithm: Algorithm,
        kid: Option<&'k str>,
    ) -> impl Iterator<Item = &'k Key> {
        self.keys
            .iter()
            .filter(move |k| k.algorithm() == algorithm && (kid.is_none() || k.kid() == kid))
    }
}

/// A JSON object that names no member of its own twice. What its members hold
/// is judged one by one.
fn object(document: &[u8]) -> Option<Node> {
    let node = postern_core::config::parse_json(document).ok()?;
    let Value::Map(entries) = &node.value else { return None };
    let named = entries.iter().filter(|(key, _)| key.text == "keys").count();
    (named <= 1).then_some(node)
}

fn usable(item: &Node, allowed: &[Algorithm]) -> Option<Key> {
    // Of an object that names a member twice nobody can say what it means.
    let known = Jwk::known_members(Some(item).filter(|jwk| is_unambiguous(jwk))?)?;
    let jwk = Jwk::decode(At::root(&known), &mut Errors::default())?;
    jwk.pin_to_first(allowed)
}

/// Does no object, at any depth, name a member twice, and is no number beyond all floats?
fn is_unambiguous(node: &Node) -> bool {
    match &node.value {
        Value::List(items) => items.iter().all(is_unambiguous),
        Value::Map(entries) => {
            let mut names: Vec<&str> = entries.iter().map(|(k, _)| k.text.as_str()).collect();
            names.sort_unstable();
            names.windows(2).all(|pair| pair.first() != pair.last())
                && entries.iter().all(|(_, value)| is_unambiguous(value))
        }
        Value::Float(number) => serde_json::from_str::<f64>(number).is_ok(),
        _ => true,
    }
}
