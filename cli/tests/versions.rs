//! The versions that the README shows are those of the demo's policies.

#![allow(clippy::unwrap_used)]

use std::path::Path;

use postern_cli::policy::{Checked, Kind, Policy, files_of};
use postern_cli::render;

#[test]
fn the_readme_shows_the_versions_that_are_printed() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let readme = std::fs::read_to_string(root.join("README.md")).unwrap();
    let shown = |name: &str, before: &str| -> Vec<String> {
        let found = readme.split(before).skip(1).map(|rest| rest.chars().take(12).collect());
        let found: Vec<String> = found.collect();
        assert!(!found.is_empty(), "{name}: `{before}` is gone");
        found
    };
    let mut wrong = Vec::new();
    let files = files_of(&root.join("envoy/filters")).unwrap();
    assert!(files.len() > Kind::ALL.len(), "one is mounted twice: {files:?}");
    for file in files {
        let policy = Policy::read(&file).unwrap();
        let (name, kind) = (policy.plugin.clone(), policy.kind);
        let checked = Checked { policy, environment: Vec::new(), warnings: Vec::new() };
        let version = render::version(&checked);
        // What `postern apply` prints of a folder, and the record in the log.
        let mut found = shown(&name, &format!("   {name}: written, version "));
        if kind == Kind::Auth {
            found.extend(shown(&name, r#"\"code\":\"authenticated\",\"version\":\""#));
        }
        wrong.extend(
            found
                .into_iter()
                .filter(|v| *v != version)
                .map(|v| format!("{name}: {v} is {version}")),
        );
    }
    assert_eq!(wrong, Vec::<String>::new());
}
