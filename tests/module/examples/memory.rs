//! What a policy of 10,000 rules takes of a VM's memory: all of it, and what is kept
//! of each further one.
//!
//! ```sh
//! cargo run --profile tool -p postern-module --example memory
//! ```

#![allow(clippy::unwrap_used)]

use postern_module::{Module, ROOT};

const RULES: usize = 10_000;
const MORE: i32 = 8;

fn policy(version: i32) -> String {
    let mut text = String::from(r#"{"rules":["#);
    for n in 0..RULES {
        let (service, resource) = (n / 100, n / 10);
        let path = match n % 5 {
            0 => format!("/s{service}/r{resource}"),
            1 | 2 => format!("/s{service}/r{resource}/{{id}}"),
            3 => format!("/s{service}/r{resource}/{{id}}/a{n}"),
            _ => format!("/s{service}/r{resource}/{{id}}/**"),
        };
        let comma = if n > 0 { "," } else { "" };
        text += &format!(
            r#"{comma}{{"name":"r{n}-{version}","match":{{"methods":["GET"],"paths":["{path}"]}},"subject":{{"any_scope":["s{service}:read","s{service}:write"]}}}}"#
        );
    }
    text + "]}"
}

fn main() {
    let file = std::env::args().nth(1).unwrap_or_else(|| "target/modules/authz.wasm".to_owned());
    let wasm = std::fs::read(file).unwrap();
    let mut module = Module::load(&wasm, "authz", &[]).unwrap();
    let empty = module.memory();
    assert!(module.configure(&policy(0)).unwrap());
    let first = module.memory();
    println!("a VM without a policy: {} KiB, with one: {} KiB", empty / 1024, first / 1024);
    // Compiled beside those before, which stay.
    let mut sizes = Vec::new();
    for more in 1..=MORE {
        let root = ROOT + 1_000 * more;
        module.create_root(root).unwrap();
        assert!(module.configure_root(root, &policy(more)).unwrap());
        let mut ticks = 0;
        while !module.proxy().log.iter().any(|line| line.contains("slices")) && ticks < 10_000 {
            module.tick(root).unwrap();
            ticks += 1;
        }
        module.proxy().log.clear();
        sizes.push(module.memory());
    }
    // The last ones have room in what the compiling of those before took.
    let kept = (sizes.last().unwrap() - sizes.first().unwrap()) / (sizes.len() - 1);
    println!("each further one: {} KiB, {} bytes a rule", kept / 1024, kept / RULES);
}
