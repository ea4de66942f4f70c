//! The clusters that policies ask: each has to be one of the bootstrap's.

use std::collections::BTreeSet;

use postern_core::config::{At, Errors, Node, Value};

use crate::finding::Finding;
use crate::policy::{Kind, Policy};

/// Under these keys a filter is told whom to ask, and under those by which
/// cluster.
const ASKED: [&str; 3] = ["remote", "discovery", "introspection"];
const NAMED: [&str; 2] = ["cluster", "jwks_cluster"];

/// The names of a bootstrap's clusters; `None`: it gets some elsewhere.
#[must_use]
pub fn of_bootstrap(node: &Node) -> Option<BTreeSet<String>> {
    if node.get("dynamic_resources").is_some_and(|dynamic| dynamic.get("cds_config").is_some()) {
        return None;
    }
    let clusters = node.get("static_resources").and_then(|resources| resources.get("clusters"));
    let Some(Node { value: Value::List(clusters), .. }) = clusters else {
        return Some(BTreeSet::new());
    };
    let name = |cluster: &Node| match cluster.get("name") {
        Some(Node { value: Value::Text(name), .. }) => Some(name.clone()),
        _ => None,
    };
    Some(clusters.iter().filter_map(name).collect())
}

/// The places at which a policy names a cluster that is none of `known`.
#[must_use]
pub fn unknown(policy: &Policy, known: &BTreeSet<String>) -> Vec<Finding> {
    let mut errors = Errors::default();
    if policy.kind == Kind::Auth {
        walk(At::root(&policy.node), "", known, &mut errors);
    }
    Finding::all_of(&policy.file, &errors)
}

fn walk(at: At<'_>, under: &str, known: &BTreeSet<String>, errors: &mut Errors) {
    match &at.node().value {
        Value::Map(entries) => {
            for (key, node) in entries {
                let name = key.text.as_str();
                match &node.value {
                    Value::Text(cluster) if ASKED.contains(&under) && NAMED.contains(&name) => {
                        if !known.contains(cluster) {
                            let message = format!(
                                "the bootstrap has no cluster `{cluster}`, {}",
                                expected(known)
                            );
                            at.key(name, node).error(errors, message);
                        }
                    }
                    _ => walk(at.key(name, node), name, known, errors),
                }
            }
        }
        Value::List(items) => {
            for (i, item) in items.iter().enumerate() {
                walk(at.index(i, item), "", known, errors);
            }
        }
        _ => {}
    }
}

fn expected(known: &BTreeSet<String>) -> String {
    let names: Vec<String> = known.iter().take(8).map(|name| format!("`{name}`")).collect();
    match names.as_slice() {
        [] => "and none at all".to_owned(),
        names => format!("expected one of {}", names.join(", ")),
    }
}
