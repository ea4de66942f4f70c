//! How much a worker does at once while a policy of 9,900 rules comes into force and goes
//! again, in instructions: numbers that do not depend on the machine.

#![allow(clippy::unwrap_used, clippy::panic)]

use std::path::{Path, PathBuf};

use postern_module::{Module, ROOT};

const NEXT: i32 = 100;
const LAST: i32 = 200;

const RULES: usize = 9_900;

fn policy(path: impl Fn(usize) -> String) -> String {
    let rules: Vec<String> = (0..RULES)
        .map(|n| {
            format!(
                r#"{{"name":"r{n}","match":{{"methods":["GET"],"paths":[{}]}},"subject":{{"any_scope":["s{}:read"]}}}}"#,
                path(n),
                n / 100
            )
        })
        .collect();
    format!(r#"{{"rules":[{}]}}"#, rules.join(","))
}

/// What each step ran, in order.
fn steps(module: &[u8], policy: &str) -> Vec<(String, u64)> {
    const SMALL: &str = r#"{"rules":[{"name":"a","match":{},"subject":"anyone"}]}"#;
    let mut module = Module::load_measured(module, "authz").unwrap();
    assert!(module.configure(SMALL).unwrap());
    module.create_root(NEXT).unwrap();
    let mut steps = Vec::new();
    fn ran(module: &mut Module) -> u64 {
        module.take_ran()
    }
    ran(&mut module);
    assert!(module.configure_root(NEXT, policy).unwrap());
    steps.push(("configure".to_owned(), ran(&mut module)));
    module.end(ROOT).unwrap();
    steps.push(("end of the former".to_owned(), ran(&mut module)));
    for n in 0..1_000 {
        module.tick(NEXT).unwrap();
        steps.push((format!("tick {n}"), ran(&mut module)));
        if let Some(line) = module.proxy().log.iter().find(|l| l.contains("refused")) {
            panic!("{line}")
        }
        if module.proxy().log.iter().any(|line| line.contains("slices of at most")) {
            break;
        }
    }
    module.create_root(LAST).unwrap();
    assert!(module.configure_root(LAST, SMALL).unwrap());
    steps.push(("configure small".to_owned(), ran(&mut module)));
    module.tick(LAST).unwrap();
    steps.push(("tick small".to_owned(), ran(&mut module)));
    module.end(NEXT).unwrap();
    steps.push(("end of the large".to_owned(), ran(&mut module)));
    steps
}

#[test]
fn no_slice_is_large() {
    let modules = std::env::var_os("POSTERN_MODULES").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/modules"),
        PathBuf::from,
    );
    let module = std::fs::read(modules.join("authz.wasm")).unwrap();
    let kinds: [(&str, &dyn Fn(usize) -> String); 6] = [
        ("literals", &|n| format!(r#""/s{}/r{}/a{n}""#, n / 100, n / 10)),
        ("captures", &|n| format!(r#""/s{}/r{}/{{id}}/a{n}""#, n / 100, n / 10)),
        ("flat", &|n| format!(r#""/a{n}""#)),
        ("suffixes", &|n| format!(r#""/{{id}}.t{n}""#)),
        ("prefixes", &|n| format!(r#""/p{n}-{{id}}""#)),
        ("three", &|n| format!(r#""/a{n}","/b/{{id}}.t{n}","/c/p{n}-{{id}}""#)),
    ];
    for (name, path) in kinds {
        let mut all = steps(&module, &policy(path));
        let total: u64 = all.iter().map(|(_, n)| n).sum();
        let count = all.len();
        all.sort_by_key(|(_, n)| std::cmp::Reverse(*n));
        println!("{name}: {count} steps, {total} in all: {:?}", &all[..8.min(count)]);
    }
}
