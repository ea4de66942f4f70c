//! Where the keys of an issuer come from.

use postern_core::config::{At, Errors, Node, Value};
use postern_core::filter::Environment;

use crate::algorithm::{Algorithm, Shape};
use crate::discovery::{Discovery, DiscoveryConfig};
use crate::issuer_keys::{IssuerKeys, KeyForm, Published, WHAT};
use crate::jwk::Jwks;
use crate::key::Key;
use crate::key_set::{MAX_BYTES, MAX_KEYS};
use crate::pem::PemConfig;
use crate::remote::{Place, Remote, RemoteConfig};
use crate::secret::SecretConfig;

postern_core::config! {
    /// Where keys come from. One of a provider's sources may be fetched; public
    /// keys in place beside it are a fallback then: they serve as long as nothing
    /// was fetched yet, and when the last good set is older than `stale_for`,
    /// never beside a fetched set that serves. Shared secrets always serve.
    pub oneof KeySource {
        /// Public keys in place.
        jwks: Inline(Jwks),
        /// A public key in place, in PEM. For tokens with a `kid` it has to say that
        /// `kid`.
        pem: Pem(PemConfig),
        /// A shared secret for HMAC, from the proxy's environment.
        secret: Secret(SecretConfig),
        /// A JWK Set (RFC 7517) that the issuer publishes. A request with a key
        /// that is not in it waits for a fetch, if none was made within
        /// `cooldown`; it is refused (401) if the key was not in that either, and
        /// answered 503 if that failed. Within `cooldown` it is refused at once.
        remote: Remote(RemoteConfig),
        /// The same, at an address that the issuer names.
        discovery: Discovery(DiscoveryConfig),
    }
}

/// What the keys of a provider are for.
pub(crate) struct For<'a> {
    pub(crate) provider: &'a str,
    pub(crate) issuer: &'a str,
    pub(crate) algorithms: &'a [Algorithm],
}

/// The keys of `sources`, which stand under `keys` at `at`.
pub(crate) fn compile(
    sources: &[KeySource],
    wanted: &For<'_>,
    at: At<'_>,
    environment: &Environment<'_>,
    errors: &mut Errors,
) -> IssuerKeys {
    let allowed = wanted.algorithms;
    let mut keys =
        Keys { public: Vec::new(), secrets: Vec::new(), published: None, allowed, errors };
    let nodes: &[_] = match at.node().get("keys") {
        Some(Node { value: Value::List(nodes), .. }) => nodes,
        _ => &[],
    };
    let list = at.node().get("keys").unwrap_or(at.node());
    let at = at.key("keys", list);
    for (i, (source, node)) in sources.iter().zip(nodes).enumerate() {
        let at = at.index(i, node);
        match source {
            KeySource::Inline(jwks) => {
                each_jwk(at, |n, at| {
                    let Some(jwk) = jwks.keys.get(n) else { return };
                    // A key that is there already is not worth a second remark.
                    if keys.is_new(jwk.kid(), at) {
                        match jwk.pin(allowed) {
                            Ok(key) => keys.public.push(key),
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
                if let Some(key) = key.filter(|key| keys.is_new(key.kid(), at)) {
                    keys.public.push(key);
                }
            }
            KeySource::Secret(secret) => {
                let Some(node) = node.get("secret") else { continue };
                let at = at.key("secret", node);
                if matches!(secret.alg.shape(), Shape::Secret(_)) {
                    keys.is_listed(secret.alg, at);
                }
                let key = secret.read(at, environment, keys.errors);
                if let Some(key) = key.filter(|key| keys.is_new(key.kid(), at)) {
                    keys.secrets.push(key);
                }
            }
            KeySource::Remote(remote) => {
                let Some(node) = node.get("remote") else { continue };
                let at = at.key("remote", node);
                let settings = remote.settings(MAX_BYTES, at, keys.errors);
                let place = Place { slot: 0, first_metric: 0 };
                let form = KeyForm { algorithms: allowed.to_vec() };
                let source = remote.source();
                let remote = Remote::new(WHAT, wanted.provider, source, settings, place, form);
                keys.publish(Published::At(Box::new(remote)), at);
            }
            KeySource::Discovery(discovery) => {
                let Some(node) = node.get("discovery") else { continue };
                let at = at.key("discovery", node);
                let form = KeyForm { algorithms: allowed.to_vec() };
                let (provider, issuer) = (wanted.provider, wanted.issuer);
                let discovery = Discovery::compile(
                    discovery,
                    issuer,
                    provider,
                    form,
                    MAX_BYTES,
                    at,
                    keys.errors,
                );
                if let Some(discovery) = discovery {
                    keys.publish(Published::Discovered(Box::new(discovery)), at);
                }
            }
        }
    }
    let Keys { public, secrets, published, errors, .. } = keys;
    let count = public.len().saturating_add(secrets.len());
    if count > MAX_KEYS {
        at.error(errors, format!("expected at most {MAX_KEYS} keys, but found {count}"));
    }
    IssuerKeys::new(secrets, public, published)
}

struct Keys<'e> {
    public: Vec<Key>,
    secrets: Vec<Key>,
    published: Option<Published>,
    allowed: &'e [Algorithm],
    errors: &'e mut Errors,
}

impl Keys<'_> {
    fn is_new(&mut self, kid: Option<&str>, at: At<'_>) -> bool {
        let mut all = self.public.iter().chain(&self.secrets);
        let new = kid.is_none() || all.all(|k| k.kid() != kid);
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

    fn publish(&mut self, published: Published, at: At<'_>) {
        if self.published.replace(published).is_some() {
            at.error(self.errors, "the keys of a provider are fetched from one place only");
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
