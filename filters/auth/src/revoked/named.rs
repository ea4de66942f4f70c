//! Entries of `revoked` that would revoke nothing: each a mistake, since whoever wrote
//! it believes that a credential is refused.

use std::collections::HashSet;

use postern_core::config::{At, Errors, Node, Text, Value};

use super::RevokedConfig;
use crate::provider::ProviderConfig;

const EXPECTED: &str = "expected a kind and an id, as records name credentials: `api_key:acme-1`; \
                        kinds are `jwt`, `token`, `api_key`, `basic`, `certificate` and `signature`";

/// The longest `jti` that the name of a credential holds, in bytes.
const MAX_TOKEN_ID: usize = 64;

/// What can be revoked by its name, of the policy's providers.
#[derive(Debug, Default)]
pub(crate) struct Names<'c> {
    /// `kind` and `id` of what stands in the policy.
    named: HashSet<(&'static str, &'c str)>,
    /// Kinds of credentials that are taken.
    kinds: HashSet<&'static str>,
    /// Kinds of which not all stand in the policy.
    open: HashSet<&'static str>,
}

impl<'c> Names<'c> {
    /// Of these providers; `None` is one that could not be read.
    pub(crate) fn of(providers: impl Iterator<Item = Option<&'c ProviderConfig>>) -> Self {
        let mut names = Names::default();
        for provider in providers {
            match provider {
                None => names.open.extend(KINDS),
                Some(ProviderConfig::Jwt(_)) => names.all_of("jwt"),
                Some(ProviderConfig::Introspection(_)) => names.all_of("token"),
                Some(ProviderConfig::ApiKeys(keys)) => {
                    names.add("api_key", keys.keys.iter().map(|key| key.id.as_str()));
                    names.open.extend(keys.remote.as_ref().map(|_| "api_key"));
                }
                Some(ProviderConfig::Basic(basic)) => {
                    names.add("basic", basic.users.iter().map(|user| user.id.as_str()));
                }
                Some(ProviderConfig::Certificates(known)) => {
                    names.add("certificate", known.allow.iter().map(|one| one.id.as_str()));
                }
                Some(ProviderConfig::Signatures(signed)) => {
                    names.add("signature", signed.keys.iter().map(|key| key.id.as_str()));
                }
            }
        }
        names
    }

    fn all_of(&mut self, kind: &'static str) {
        self.kinds.insert(kind);
        self.open.insert(kind);
    }

    fn add(&mut self, kind: &'static str, ids: impl Iterator<Item = &'c str>) {
        self.kinds.insert(kind);
        self.named.extend(ids.map(|id| (kind, id)));
    }

    /// What is wrong with an item of `credentials`. Says nothing of it: it may be a
    /// key that somebody put there instead of its id.
    fn wrong(&self, credential: &str) -> Option<&'static str> {
        let Some((kind, id)) = kind_and_id(credential) else { return Some(EXPECTED) };
        if !self.kinds.contains(kind) && !self.open.contains(kind) {
            return Some("no provider of this policy takes credentials of this kind");
        }
        let is_token = matches!(kind, "jwt" | "token");
        if is_token && id == "*" {
            return Some(
                "expected the `jti` of one token: for all that were issued until a time there is \
                 `issued_before`",
            );
        }
        if is_token && (id.len() > MAX_TOKEN_ID || !id.bytes().all(|b| b.is_ascii_graphic())) {
            return Some("records name no token so: put its `jti` under `token_ids`");
        }
        if self.open.contains(kind) || self.named.contains(&(kind, id)) {
            return None;
        }
        Some(match kind {
            "api_key" => "no provider of this policy has an API key with this `id`",
            "basic" => "no provider of this policy has a user with this `id`",
            "certificate" => "no provider of this policy has an entry with this `id`",
            _ => "no provider of this policy has a signing key with this `id`",
        })
    }
}

const KINDS: [&str; 6] = ["jwt", "token", "api_key", "basic", "certificate", "signature"];

fn kind_and_id(credential: &str) -> Option<(&'static str, &str)> {
    let (kind, id) = credential.split_once(':').filter(|(_, id)| !id.is_empty())?;
    Some((KINDS.into_iter().find(|known| *known == kind)?, id))
}

/// Notes what revokes nothing; `at` is the place of `revoked`.
pub(crate) fn check(config: &RevokedConfig, names: &Names<'_>, at: At<'_>, errors: &mut Errors) {
    each(at, "credentials", &config.credentials, errors, |credential| names.wrong(credential));
    each(at, "token_ids", &config.token_ids, errors, |id| {
        kind_and_id(id).map(|_| {
            "expected a bare `jti`: with its kind before it, a token stands under `credentials`"
        })
    });
}

fn each(
    at: At<'_>,
    key: &str,
    items: &[Text],
    errors: &mut Errors,
    wrong: impl Fn(&str) -> Option<&'static str>,
) {
    let Some(list @ Node { value: Value::List(nodes), .. }) = at.node().get(key) else { return };
    let at = at.key(key, list);
    for (i, (item, node)) in items.iter().zip(nodes).enumerate() {
        if let Some(message) = wrong(item.as_str()) {
            at.index(i, node).error(errors, message);
        }
    }
}
