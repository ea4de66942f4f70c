//! Files with one misdeed each: `check` names it, whole, at its place.

#![allow(clippy::unwrap_used, clippy::panic)]

use std::path::Path;

use postern_cli::check::check;
use postern_cli::report;

#[test]
fn each_misdeed_is_named_at_its_place() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/broken");
    let expected = std::fs::read_to_string(folder.join("expected.txt")).unwrap();
    let mut files: Vec<_> = std::fs::read_dir(&folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|e| e == "yaml"))
        .collect();
    files.sort();
    assert!(files.len() >= 40, "{}", files.len());
    let mut found = String::new();
    for file in files {
        let findings = check(std::slice::from_ref(&file), &|_| None).unwrap_err();
        let [finding] = findings.as_slice() else { panic!("{file:?}: {findings:?}") };
        let line = finding.to_string();
        let prefix = format!("{}/", folder.display());
        found.push_str(line.strip_prefix(&prefix).unwrap());
        found.push('\n');

        // The span is shown, and programs get the same place.
        let text = report::text(&findings, false);
        assert!(text.contains('^') || text.contains("^_"), "{text}");
        let json = report::json(&findings);
        assert_eq!(json.pointer("/0/line"), Some(&finding.span.start.line.into()));
        assert_eq!(json.pointer("/0/message"), Some(&finding.message.as_str().into()));
    }
    assert_eq!(found, expected);
}

#[test]
fn all_files_are_named_at_once() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/broken");
    let files = ["authz-no-scopes.yaml", "not-yaml.yaml", "nowhere.yaml"].map(|f| folder.join(f));
    let findings = check(&files, &|_| None).unwrap_err();
    let places: Vec<_> = findings.iter().map(|f| f.span.start.line).collect();
    assert_eq!(places, [12, 11, 0]);
}
