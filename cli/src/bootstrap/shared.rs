//! Two mounts of `rate-limit` that count in one: the data of a `vm_id` are those of all
//! that have it, and a limit's counts in them go by its id.
//!
//! `postern apply` gives each mount a `vm_id` of its own. A bootstrap whose filters have
//! their configuration in place may not.

use std::path::Path;

use postern_core::config::{At, Errors, Node, Value, parse_json};

use crate::finding::Finding;
use crate::policy::text_of;

/// A mount whose policy stands in the bootstrap.
struct Mount<'n> {
    name: &'n str,
    vm_id: &'n str,
    policy: &'n str,
    limits: Vec<String>,
    /// The path to its configuration, and the node.
    path: String,
    node: &'n Node,
}

/// The mounts that count in another's counts, as warnings.
#[must_use]
pub fn counts(file: &Path, bootstrap: &Node) -> Vec<Finding> {
    let mut mounts = Vec::new();
    walk(bootstrap, &mut String::new(), &mut mounts);
    let mut errors = Errors::default();
    for (i, mount) in mounts.iter().enumerate() {
        for other in mounts.iter().take(i) {
            // One mount in two listeners counts in one, as it should.
            let same = mount.name == other.name && mount.policy == other.policy;
            if mount.vm_id != other.vm_id || same {
                continue;
            }
            for id in mount.limits.iter().filter(|id| other.limits.contains(id)) {
                let message = format!(
                    "`{}` and `{}` both have a limit `{id}`, and count in one: give each a `vm_id` \
                     of its own, or the limits other ids",
                    other.name, mount.name
                );
                At::root(mount.node).error(&mut errors, message);
            }
        }
    }
    let mut findings = Finding::all_of(file, &errors);
    for finding in &mut findings {
        let mount = mounts.iter().find(|mount| mount.node.span == finding.span);
        finding.path = mount.map(|mount| mount.path.clone()).unwrap_or_default();
    }
    findings
}

fn walk<'n>(node: &'n Node, path: &mut String, into: &mut Vec<Mount<'n>>) {
    let length = path.len();
    match &node.value {
        Value::Map(entries) => {
            if let Some(mount) = mount(node, path)
                && !into.iter().any(|there| there.node.span == mount.node.span)
            {
                into.push(mount);
            }
            for (key, node) in entries {
                if length > 0 {
                    path.push('.');
                }
                path.push_str(&key.text);
                walk(node, path, into);
                path.truncate(length);
            }
        }
        Value::List(items) => {
            for (i, item) in items.iter().enumerate() {
                path.push_str(&format!("[{i}]"));
                walk(item, path, into);
                path.truncate(length);
            }
        }
        _ => {}
    }
}

/// A plugin's configuration with limits in it.
fn mount<'n>(node: &'n Node, path: &str) -> Option<Mount<'n>> {
    let vm = node.get("vm_config")?;
    let policy = text_of(node.get("configuration")?.get("value")?)?;
    let parsed = parse_json(policy.as_bytes()).ok()?;
    let Value::List(limits) = &parsed.get("limits")?.value else { return None };
    let limits = limits.iter().filter_map(|limit| Some(text_of(limit.get("id")?)?.to_owned()));
    Some(Mount {
        name: node.get("name").and_then(text_of).unwrap_or_default(),
        vm_id: vm.get("vm_id").and_then(text_of).unwrap_or_default(),
        policy,
        limits: limits.collect(),
        path: path.to_owned(),
        node,
    })
}
