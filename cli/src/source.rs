//! Where `authz` has the identity from, if not from `auth`: the proxy's own filter has to
//! write it, before `authz` reads it.

use std::collections::BTreeSet;

use postern_core::config::{At, Errors, Node, Value};

use crate::finding::Finding;
use crate::policy::{Kind, Policy, text_of};

const MANAGER: &str = "HttpConnectionManager";
const FILTER: &str = "jwt_authn.v3.JwtAuthentication";

/// Whoever reaches the listener can write headers.
pub(crate) fn doubtful(policy: &Node) -> Errors {
    let mut warnings = Errors::default();
    let root = At::root(policy);
    if let Some(identity) = policy.get("identity")
        && let Some(node) = identity.get("trusted_headers")
    {
        let message = "whoever reaches the listener can write these headers, and be anybody: let \
                       none but the hop that removes what clients send in them reach it";
        root.key("identity", identity).key("trusted_headers", node).error(&mut warnings, message);
    }
    warnings
}

/// The payload that a policy reads, where some chain that mounts it writes none of that
/// name before.
pub(crate) fn unwritten(policy: &Policy, bootstrap: &Node) -> Vec<Finding> {
    let mut errors = Errors::default();
    if policy.kind == Kind::Authz
        && let Some(identity) = policy.node.get("identity")
        && let Some(source) = identity.get("jwt_authn")
        && let Some(node) = source.get("payload")
        && let Some(payload) = text_of(node)
    {
        let mut messages = BTreeSet::new();
        each_chain(bootstrap, &mut |filters| messages.extend(lacking(policy, payload, filters)));
        let root = At::root(&policy.node);
        let at = root.key("identity", identity);
        let at = at.key("jwt_authn", source);
        for message in messages {
            at.key("payload", node).error(&mut errors, message);
        }
    }
    policy.findings(&errors)
}

/// The lists of filters, wherever they stand.
fn each_chain<'n>(node: &'n Node, look: &mut impl FnMut(&'n [Node])) {
    match &node.value {
        Value::Map(entries) => {
            let kind = node.get("@type").and_then(text_of).unwrap_or_default();
            if kind.ends_with(MANAGER)
                && let Some(Node { value: Value::List(filters), .. }) = node.get("http_filters")
            {
                look(filters);
            }
            entries.iter().for_each(|(_, node)| each_chain(node, look));
        }
        Value::List(items) => items.iter().for_each(|item| each_chain(item, look)),
        _ => {}
    }
}

/// What is wrong with the chain, if it mounts the policy.
fn lacking(policy: &Policy, payload: &str, filters: &[Node]) -> Option<String> {
    let plugin = policy.plugin.as_str();
    let is_own = |filter: &Node| filter.get("name").and_then(text_of) == Some(plugin);
    let own = filters.iter().position(is_own)?;
    let (before, behind) = filters.split_at_checked(own)?;
    // Where its configuration comes from elsewhere, nobody can tell.
    let by_discovery = |filter: &Node| {
        let name = filter.get("name").and_then(text_of).unwrap_or_default();
        name.contains("jwt_authn") && filter.get("typed_config").is_none()
    };
    let found: BTreeSet<&str> = before.iter().flat_map(written).collect();
    if found.contains(payload) || before.iter().any(by_discovery) {
        return None;
    }
    let message = format!("no `jwt_authn` filter before `{plugin}` writes `{payload}`");
    let hint = if behind.iter().flat_map(written).any(|name| name == payload) {
        "one behind it does".to_owned()
    } else if found.is_empty() {
        format!("expected a provider there with `payload_in_metadata: {payload}`")
    } else {
        let found: Vec<String> = found.iter().map(|name| format!("`{name}`")).collect();
        format!("found {}", found.join(", "))
    };
    Some(format!("{message}: {hint}"))
}

/// The names under which a filter writes payloads.
fn written(filter: &Node) -> Vec<&str> {
    let config = filter.get("typed_config");
    let is_filter = |config: &&Node| {
        config.get("@type").and_then(text_of).is_some_and(|kind| kind.ends_with(FILTER))
    };
    let providers = config.filter(is_filter).and_then(|config| config.get("providers"));
    let Some(Node { value: Value::Map(providers), .. }) = providers else { return Vec::new() };
    providers
        .iter()
        .filter_map(|(_, provider)| provider.get("payload_in_metadata").and_then(text_of))
        .collect()
}
