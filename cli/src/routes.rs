//! Rules that name the proxy's routes, beside a filter that rewrites paths.

use postern_core::config::{At, Errors, Value};

use crate::finding::Finding;
use crate::policy::{Kind, Policy};

/// The places at which policies match on `routes` although a policy of
/// legacy-compat is among them: the proxy names the route of the request as it
/// came, and sends it by that of the path as it was rewritten.
pub fn beside_rewrites<'p>(policies: impl Iterator<Item = &'p Policy> + Clone) -> Vec<Finding> {
    if policies.clone().all(|policy| policy.kind != Kind::LegacyCompat) {
        return Vec::new();
    }
    let judging = policies.filter(|policy| policy.kind != Kind::LegacyCompat);
    let named = judging.flat_map(|policy| {
        let mut errors = Errors::default();
        walk(At::root(&policy.node), "", &mut errors);
        policy.findings(&errors)
    });
    named.collect()
}

fn walk(at: At<'_>, under: &str, errors: &mut Errors) {
    match &at.node().value {
        Value::Map(entries) => {
            for (key, node) in entries {
                let at = at.key(&key.text, node);
                // The members of `matches` are named matches.
                let name = if under == "matches" { "match" } else { &key.text };
                if under == "match" && key.text == "routes" {
                    at.error(
                        errors,
                        "legacy-compat rewrites paths, and the proxy's route is that of the \
                         request as it came: match on hosts and paths",
                    );
                } else {
                    walk(at, name, errors);
                }
            }
        }
        Value::List(items) => {
            items.iter().enumerate().for_each(|(i, node)| walk(at.index(i, node), under, errors));
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::path::{Path, PathBuf};

    use crate::check::check;

    #[test]
    fn a_route_is_no_ground_for_a_decision_beside_rewrites() {
        let folder = std::env::temp_dir().join(format!("postern-routes-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let write = |name: &str, text: &str| {
            let file = folder.join(name);
            std::fs::write(&file, text).unwrap();
            file
        };
        let authz = write(
            "authz.yaml",
            "filter: authz\nrules:\n  - name: a\n    match:\n      routes: [orders]\n    subject: anyone\n",
        );
        let compat = Path::new(env!("CARGO_MANIFEST_DIR"));
        let compat = compat.join("../envoy/filters/legacy-compat.yaml");
        let messages = |files: &[PathBuf]| match check(files, &|_| None) {
            Ok(_) => Vec::new(),
            Err(findings) => {
                findings.iter().map(|f| format!("{}: {}", f.span.start.line, f.message)).collect()
            }
        };
        assert_eq!(messages(std::slice::from_ref(&authz)), [""; 0]);
        assert_eq!(
            messages(&[authz, compat]),
            [
                "5: legacy-compat rewrites paths, and the proxy's route is that of the request as it \
              came: match on hosts and paths"
            ]
        );
        std::fs::remove_dir_all(folder).unwrap();
    }
}
