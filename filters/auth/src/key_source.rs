//! Where the keys of an issuer come from, as far as the policy has them.

use postern_core::config::{At, Errors, Value};
use postern_core::filter::Environment;

use crate::algorithm::{Algorithm, Shape};
use crate::jwk::Jwks;
use crate::key::Key;
use crate::key_set::MAX_KEYS;
use crate::pem::PemConfig;
use crate::secret::SecretConfig;

postern_core::config! {
    /// Where keys come from.
    pub oneof KeySource {
        /// Public keys in place.
        jwks: Inline(Jwks),
        /// A public key in place, in PEM.
        pem: Pem(PemConfig),
        /// A shared secret for HMAC, from the proxy's environment.
        secret: Secret(SecretConfig),
    }
}

/// The keys of `sources`, which stand under `keys` at `at`.
pub(crate) fn compile(
    sources: &[KeySource],
    allowed: &[Algorithm],
    at: At<'_>,
    environment: &Environment<'_>,
    errors: &mut Errors,
) -> Vec<Key> {
    let mut keys = Keys { keys: Vec::new(), allowed, errors };
    let Some(list) = at.node().get("keys") else { return Vec::new() };
    let at = at.key("keys", list);
    let Value::List(nodes) = &list.value else { return Vec::new() };
    for (i, (source, node)) in sources.iter().zip(nodes).enumerate() {
        let at = at.index(i, node);
        match source {
            KeySource::Inline(jwks) => {
                each_jwk(at, |n, at| {
                    let Some(jwk) = jwks.keys.get(n) else { return };
                    // A key that is there already is not worth a second remark.
                    if keys.is_new(jwk.kid(), at) {
                        match jwk.pin(allowed) {
                            Ok(key) => keys.keys.push(key),
                            Err(why) => at.error(keys.errors, why),
                        }
                    }
                });
            }
            KeySource::Pem(pem) => {
                let Some(node) = node.get("pem") else { continue };
                let at = at.key("pem", node);
                keys.is_listed(pem.alg, at);
                let key = pem.read(at, keys.errors);
                keys.add(key, at);
            }
            KeySource::Secret(secret) => {
                let Some(node) = node.get("secret") else { continue };
                let at = at.key("secret", node);
                if matches!(secret.alg.shape(), Shape::Secret(_)) {
                    keys.is_listed(secret.alg, at);
                }
                let key = secret.read(at, environment, keys.errors);
                keys.add(key, at);
            }
        }
    }
    let Keys { keys, errors, .. } = keys;
    if keys.len() > MAX_KEYS {
        at.error(errors, format!("expected at most {MAX_KEYS} keys, but found {}", keys.len()));
    }
    keys
}

struct Keys<'e> {
    keys: Vec<Key>,
    allowed: &'e [Algorithm],
    errors: &'e mut Errors,
}

impl Keys<'_> {
    fn is_new(&mut self, kid: Option<&str>, at: At<'_>) -> bool {
        let new = kid.is_none() || self.keys.iter().all(|k| k.kid() != kid);
        if !new {
            at.error(self.errors, "another key of this provider has the same `kid`");
        }
        new
    }

    fn is_listed(&mut self, alg: Algorithm, at: At<'_>) {
        if !self.allowed.contains(&alg) {
            let name = alg.name();
            at.error(self.errors, format!("`alg` is `{name}`, which `algorithms` does not list"));
        }
    }

    fn add(&mut self, key: Option<Key>, at: At<'_>) {
        let Some(key) = key else { return };
        if self.is_new(key.kid(), at) {
            self.keys.push(key);
        }
    }
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
