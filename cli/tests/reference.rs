//! The pages and schemas of `docs/reference` are those of the policies' types,
//! and the demo's policies follow them.

#![allow(clippy::unwrap_used, clippy::panic)]

use std::path::{Path, PathBuf};

use boon::{Compiler, Schemas};
use postern_cli::policy::Kind;
use postern_cli::{reference, schema, yaml};

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
}

#[test]
fn the_policies_name_their_schema_and_follow_it() {
    for kind in Kind::ALL {
        let (mut schemas, mut compiler) = (Schemas::new(), Compiler::new());
        compiler.add_resource("policy.json", schema::of(kind)).unwrap();
        let compiled = compiler.compile("policy.json", &mut schemas).unwrap();
        let good = |text: &str| {
            let json = yaml::parse(text).unwrap().to_json();
            schemas
                .validate(&serde_json::from_str(&json).unwrap(), compiled)
                .map_err(|e| e.to_string())
        };
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
