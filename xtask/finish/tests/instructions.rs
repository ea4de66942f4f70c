//! How many instructions each filter runs for a request, and through how much code:
//! numbers that do not depend on the machine. One that grows by more than a twentieth is
//! a decision to take, not an accident; one that shrinks belongs here too.

#![allow(clippy::unwrap_used, clippy::panic)]

use std::path::{Path, PathBuf};

use postern_finish::count::{Counted, count, instrument};
use postern_finish::profile::{FILTERS, Mounted, policy};
use postern_module::{Module, ROOT};
use wasm_encoder::{
    BlockType, CodeSection, EntityType, ExportKind, ExportSection, Function, FunctionSection,
    ImportSection, Instruction, Module as Written, TypeSection, ValType,
};

/// Instructions and bytes of code of each filter, for a plain request and for one with a
/// token that was not seen before.
const EXPECTED: &[(&str, &str, u64, u64)] = &[
    ("a plain request", "legacy-compat", 6114, 8746),
    ("a plain request", "auth", 12967, 14794),
    ("a plain request", "rate-limit", 16604, 23161),
    ("a plain request", "authz", 9793, 12405),
    ("a request with a new token", "legacy-compat", 6114, 8746),
    ("a request with a new token", "auth", 39121, 33461),
    ("a request with a new token", "rate-limit", 16760, 23113),
    ("a request with a new token", "authz", 9793, 12405),
];

fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn counted() -> Vec<Counted> {
    let modules = std::env::var_os("POSTERN_MODULES")
        .map_or_else(|| workspace().join("target/modules"), PathBuf::from);
    let mount = |name: &str| {
        let file = modules.join(format!("{name}.wasm"));
        let wasm = std::fs::read(&file)
            .unwrap_or_else(|e| panic!("{}: {e}; run `cargo xtask build`", file.display()));
        let policy = policy(&workspace().join("envoy/filters").join(format!("{name}.yaml")));
        Mounted { name: name.to_owned(), wasm, policy }
    };
    count(&FILTERS.map(mount)).unwrap()
}

#[test]
fn a_request_costs_no_more_than_this() {
    let kinds = ["a plain request", "a request with a new token"];
    let counted: Vec<Counted> =
        counted().into_iter().filter(|one| kinds.contains(&one.request)).collect();
    let table: Vec<_> = counted
        .iter()
        .map(|one| (one.request, one.filter.as_str(), one.instructions(), one.bytes()))
        .collect();
    let like = |one: u64, other: u64| one.abs_diff(other) <= other / 20;
    let same = EXPECTED.len() == table.len()
        && EXPECTED.iter().zip(&table).all(|(expected, got)| {
            (expected.0, expected.1) == (got.0, got.1)
                && like(got.2, expected.2)
                && like(got.3, expected.3)
        });
    let lines: Vec<String> = table
        .iter()
        .map(|(request, filter, instructions, bytes)| {
            format!("    ({request:?}, {filter:?}, {instructions}, {bytes}),")
        })
        .collect();
    assert!(same, "expected {EXPECTED:#?}, got\n{}", lines.join("\n"));
}

/// `proxy_on_tick` goes three times through a loop.
fn looping() -> Vec<u8> {
    let mut types = TypeSection::new();
    types.ty().function([], []);
    types.ty().function([ValType::I32], []);
    let mut imports = ImportSection::new();
    imports.import("env", "used", EntityType::Function(0));
    let mut functions = FunctionSection::new();
    functions.function(1);
    let mut exports = ExportSection::new();
    exports.export("proxy_on_tick", ExportKind::Func, 1);
    let mut tick = Function::new([]);
    for instruction in [
        Instruction::I32Const(3),
        Instruction::LocalSet(0),
        Instruction::Loop(BlockType::Empty),
        Instruction::LocalGet(0),
        Instruction::I32Const(1),
        Instruction::I32Sub,
        Instruction::LocalTee(0),
        Instruction::BrIf(0),
        Instruction::End,
        Instruction::End,
    ] {
        tick.instruction(&instruction);
    }
    let mut code = CodeSection::new();
    code.function(&tick);
    let mut module = Written::new();
    module.section(&types).section(&imports).section(&functions).section(&exports).section(&code);
    module.finish()
}

#[test]
fn what_is_run_again_counts_again_and_its_bytes_once() {
    let mut module = Module::load(&instrument(&looping()).unwrap(), "looping", &[]).unwrap();
    for _ in 0..2 {
        module.tick(ROOT).unwrap();
        let counted = module.proxy().take_counted();
        // Three before the loop, five in it three times, and both ends.
        assert_eq!(counted.values().sum::<u64>(), 3 + 3 * 5 + 1 + 1);
        let bytes: u32 = counted.keys().map(|run| run.bytes).sum();
        assert_eq!(bytes, 2 + 2 + 2 + (2 + 2 + 1 + 2 + 2) + 1 + 1);
        assert!(counted.keys().all(|run| run.function == 1), "as it was before");
    }
}
