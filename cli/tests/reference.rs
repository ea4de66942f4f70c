//! The pages and schemas of `docs/reference` are those of the policies' types,
//! and the demo's policies follow them.

#![allow(clippy::unwrap_used, clippy::panic)]

use std::path::{Path, PathBuf};

use boon::{Compiler, Schemas};
use postern_cli::policy::Kind;
use postern_cli::{reference, schema, yaml};
use postern_core::challenge::Realm;

fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(name)
}

fn current(file: &str, made: &str) {
    let found = std::fs::read_to_string(folder("docs/reference").join(file)).unwrap_or_default();
    assert!(
        found.trim_end() == made.trim_end(),
        "`docs/reference/{file}` is stale: run `cargo xtask reference`"
    );
}

#[test]
fn the_reference_is_current() {
    for kind in Kind::ALL {
        current(&format!("{}.md", kind.name()), &reference::of(kind));
        current(&format!("{}.schema.json", kind.name()), &format!("{:#}", schema::of(kind)));
    }
    current("contract.md", &reference::contract());
    current("contract.schema.json", &format!("{:#}", schema::contract()));
    current("authz-included.schema.json", &format!("{:#}", schema::included()));
}

#[test]
fn defaults_are_as_an_operator_writes_them() {
    let mut seen = 0;
    for kind in Kind::ALL {
        for row in reference::of(kind).lines().filter(|line| line.starts_with("| `")) {
            // `\|` is no border of a cell.
            let row = row.replace("\\|", "/");
            let cells: Vec<&str> = row.split(" | ").collect();
            let [_, _, default, ..] = cells.as_slice() else { continue };
            assert!(!default.contains("::") && !default.contains('('), "{row}");
            seen += usize::from(default.starts_with('`'));
        }
    }
    assert!(seen > 100, "{seen}");
    let realm = format!("characters without `\"` and `\\` | `{}` |", Realm::default().as_str());
    assert_eq!(reference::of(Kind::Authz).matches(&realm).count(), 1);
    let offset =
        "| `utc_offset` | an offset such as `+01:00`, from `-14:00` to `+14:00` | `+00:00` |";
    assert_eq!(reference::of(Kind::Authz).matches(offset).count(), 1);
    let covered = "`['@method', '@authority', '@path', '@query']`";
    assert_eq!(reference::of(Kind::Auth).matches(covered).count(), 1);
}

/// Does a schema take a document? Else why not.
fn follows(schema: serde_json::Value, text: &str) -> Result<(), String> {
    let (mut schemas, mut compiler) = (Schemas::new(), Compiler::new());
    compiler.add_resource("policy.json", schema).unwrap();
    let compiled = compiler.compile("policy.json", &mut schemas).unwrap();
    let json = yaml::parse(text).unwrap().to_json();
    let value = serde_json::from_str(&json).unwrap();
    schemas.validate(&value, compiled).map_err(|e| e.to_string())
}

#[test]
fn what_is_included_is_in_the_schema() {
    let authz = || schema::of(Kind::Authz);
    let own = "rules: []\ncandidate:\n  mode: shadow\n";
    for (good, text) in [
        (true, "include: [authz/sales.yaml]\n"),
        (true, "include: [authz/sales.yaml]\nrules: []\n"),
        (true, &format!("{own}  include: [authz/sales.yaml]\n")),
        (true, &format!("{own}  rules: []\n")),
        // Something has to say the rules, and an absolute path is none.
        (false, "realm: shop\n"),
        (false, own),
        (false, "include: authz/sales.yaml\n"),
        (false, "include: [/authz/sales.yaml]\n"),
    ] {
        assert_eq!(follows(authz(), text).is_ok(), good, "{text}");
    }
    assert!(follows(schema::of(Kind::Auth), "include: [a.yaml]\n").is_err());
    for (good, text) in [
        (true, "rules: []\n"),
        (true, "sets: {scopes: {all: [a]}}\n"),
        (false, "rules: []\ninclude: [a.yaml]\n"),
        (false, "rules: []\nrealm: shop\n"),
        (false, "filter: authz\n"),
        (false, "rules: {}\n"),
    ] {
        assert_eq!(follows(schema::included(), text).is_ok(), good, "{text}");
    }
}

#[test]
fn what_is_included_is_in_the_reference() {
    let page = reference::of(Kind::Authz);
    let row = "| `include` | list of a path from this file's folder | – | Files with `sets` and \
        `rules` alone, at most 64, in this file's folder or below; no patterns, and they include \
        none themselves. Their rules come first, in the order of the files. With it `rules` may be \
        left out. |";
    // Of the policy, and of a candidate.
    assert_eq!(page.matches(row).count(), 2, "{page}");
    assert_eq!(page.matches("| required without `include` |").count(), 2, "{page}");
    for kind in Kind::ALL {
        let page = reference::of(kind);
        let filter = "| `filter` | [Filter](#filter) | – | The filter that this policy is for; \
            left out: the one that the file is named after. |";
        assert_eq!(page.matches(filter).count(), 1, "{page}");
        assert_eq!(page.contains("`include`"), kind == Kind::Authz, "{page}");
    }
}

#[test]
fn the_policies_name_their_schema_and_follow_it() {
    for kind in Kind::ALL {
        let good = |text: &str| follows(schema::of(kind), text);
        let file = folder("envoy/filters").join(format!("{}.yaml", kind.name()));
        let text = std::fs::read_to_string(file).unwrap();
        let line = format!(
            "# yaml-language-server: $schema=../../docs/reference/{}.schema.json",
            kind.name()
        );
        assert_eq!(text.lines().next(), Some(line.as_str()));
        assert_eq!(good(&text), Ok(()), "{}", kind.name());
        assert!(good(&format!("{text}\nno_such_key: 1\n")).is_err(), "{}", kind.name());
    }
}
