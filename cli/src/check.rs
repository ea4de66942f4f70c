//! Checks files and folders of policies, and the bootstrap that mounts them.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use postern_core::config::Node;
use postern_core::filter::Environment;

use crate::bootstrap::{self, Plugins};
use crate::clusters;
use crate::finding::Finding;
use crate::policy::{Checked, Policy, files_of};
use crate::{local_replies, policy, published, routes, source};

/// What was found to be good.
#[derive(Debug, Default)]
pub struct Good {
    /// The policies.
    pub policies: Vec<Checked>,
    /// The bootstraps.
    pub bootstraps: Vec<PathBuf>,
    /// What the bootstraps are warned of.
    warnings: Vec<Finding>,
}

impl Good {
    /// The files, in the order in which they were looked at, and how much each says
    /// in vain.
    pub fn files(&self) -> impl Iterator<Item = (&Path, usize)> {
        let policies = self.policies.iter().map(|c| (c.policy.file.as_path(), c.warnings.len()));
        policies.chain(self.bootstraps.iter().map(|file| (file.as_path(), 0)))
    }

    /// What the policies say in vain, and what of the bootstraps is rarely meant.
    pub fn warnings(&self) -> impl Iterator<Item = &Finding> {
        self.policies.iter().flat_map(|c| &c.warnings).chain(&self.warnings)
    }
}

/// Checks policy files, bootstraps, and folders of them. A folder stands for
/// its `*.yaml`, `*.yml` and `*.json`, and for those of its folder `filters`.
///
/// # Errors
/// Every mistake of every file.
pub fn check(paths: &[PathBuf], environment: &Environment<'_>) -> Result<Good, Vec<Finding>> {
    let mut good = Good::default();
    let mut findings = Vec::new();
    let mut plugins = Plugins::new();
    let mut bootstraps = Vec::new();
    let files: Vec<PathBuf> = paths.iter().flat_map(|path| expand(path, &mut findings)).collect();
    for file in files {
        let document = policy::document(&file);
        if document.as_ref().is_ok_and(bootstrap::is_bootstrap) {
            bootstraps.push(file);
            continue;
        }
        match document.and_then(|node| Policy::of_file(&file, node)).and_then(|policy| {
            if plugins.insert(policy.plugin.clone(), policy.kind).is_some() {
                let message = format!("another file names the plugin `{}` too", policy.plugin);
                return Err(vec![Finding::of_file(&file, message)]);
            }
            policy.check(environment)
        }) {
            Ok(checked) => good.policies.push(checked),
            Err(mut found) => findings.append(&mut found),
        }
    }
    let asked: Vec<Vec<Finding>> = good
        .policies
        .iter()
        .map(|one| published::asked_in_vain(&one.policy, good.policies.iter().map(|c| &c.policy)))
        .collect();
    for (one, mut asked) in good.policies.iter_mut().zip(asked) {
        one.warnings.append(&mut asked);
    }
    for one in &good.policies {
        findings.extend(local_replies::mappers(&one.policy).err().into_iter().flatten());
    }
    findings.extend(routes::beside_rewrites(good.policies.iter().map(|c| &c.policy)));
    // A bootstrap alone is no reason to look for its policies.
    let known = (!plugins.is_empty()).then_some(&plugins);
    let certificates = good.policies.iter().find_map(|c| c.policy.certificates());
    let mut mounted = BTreeSet::new();
    for file in bootstraps {
        match bootstrap::check(&file, known, certificates.as_deref()) {
            Ok(mut names) => {
                if let Some(node) = parsed(&file) {
                    let clusters = clusters::of_bootstrap(&node);
                    let asking = good.policies.iter().filter(|c| names.contains(&c.policy.plugin));
                    findings.extend(asking.flat_map(|c| {
                        let mut found = clusters::unfit(&c.policy, &clusters);
                        found.append(&mut source::unwritten(&c.policy, &node));
                        found.append(&mut local_replies::stale(&c.policy, &node));
                        found
                    }));
                }
                good.warnings.extend(shared_counts(&file));
                if let Some(node) = parsed(&file) {
                    let policies = good.policies.iter().map(|c| &c.policy);
                    good.warnings.extend(bootstrap::limiters::clash(&file, &node, policies));
                }
                mounted.append(&mut names);
                good.bootstraps.push(file);
            }
            Err(mut found) => findings.append(&mut found),
        }
    }
    if !good.bootstraps.is_empty() && findings.is_empty() {
        let idle = good.policies.iter().filter(|c| !mounted.contains(&c.policy.plugin));
        findings.extend(idle.map(|c| {
            let message = "no bootstrap mounts this policy: requests would pass it unjudged";
            Finding::of_file(&c.policy.file, message)
        }));
    }
    if findings.is_empty() { Ok(good) } else { Err(findings) }
}

fn expand(path: &Path, findings: &mut Vec<Finding>) -> Vec<PathBuf> {
    let inner = path.join("filters");
    let mut files = Vec::new();
    let folders: &[&Path] = if inner.is_dir() { &[&inner, path] } else { &[path] };
    for folder in folders {
        match files_of(folder) {
            Ok(mut found) => files.append(&mut found),
            Err(mut found) => findings.append(&mut found),
        }
    }
    files
}

fn parsed(file: &Path) -> Option<Node> {
    let text = std::fs::read_to_string(file).ok()?;
    bootstrap::parse(&text).ok()
}

fn shared_counts(file: &Path) -> Vec<Finding> {
    let text = std::fs::read_to_string(file).unwrap_or_default();
    bootstrap::parse(&text)
        .map_or_else(|_| Vec::new(), |node| bootstrap::shared::counts(file, &node))
}
