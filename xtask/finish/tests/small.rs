//! Small modules, finished, and what is in them then.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

mod describe;

use describe::describe;
use postern_finish::{Names, Profile, finish, finish_with, instrument};
use wasm_encoder::{
    CodeSection, ConstExpr, CustomSection, ElementSection, Elements, EntityType, ExportKind,
    ExportSection, Function, FunctionSection, GlobalSection, GlobalType, ImportSection,
    Instruction, MemorySection, MemoryType, Module, NameMap, NameSection, RefType, StartSection,
    TableSection, TableType, TypeSection, ValType,
};

/// Functions by their marks: an import is its name, a function the number that it
/// begins with.
struct Small<'s> {
    imports: &'s [&'s str],
    /// Of each, its mark and the indices that it calls.
    functions: &'s [(i32, &'s [u32])],
    exports: &'s [(&'s str, u32)],
    table: &'s [u32],
    global: Option<u32>,
    start: Option<u32>,
}

const NOTHING: Small<'static> = Small {
    imports: &["used", "unused"],
    functions: &[],
    exports: &[],
    table: &[],
    global: None,
    start: None,
};

impl Small<'_> {
    fn module(&self) -> Vec<u8> {
        let mut types = TypeSection::new();
        types.ty().function([], []);
        let mut imports = ImportSection::new();
        for name in self.imports {
            imports.import("env", name, EntityType::Function(0));
        }
        let mut functions = FunctionSection::new();
        let mut code = CodeSection::new();
        for (mark, calls) in self.functions {
            functions.function(0);
            let mut body = Function::new([]);
            body.instruction(&Instruction::I32Const(*mark)).instruction(&Instruction::Drop);
            for call in *calls {
                body.instruction(&Instruction::Call(*call));
            }
            body.instruction(&Instruction::End);
            code.function(&body);
        }
        let mut tables = TableSection::new();
        let size = u64::try_from(self.table.len()).unwrap();
        tables.table(TableType {
            element_type: RefType::FUNCREF,
            minimum: size,
            maximum: Some(size),
            table64: false,
            shared: false,
        });
        let mut memories = MemorySection::new();
        memories.memory(MemoryType {
            minimum: 1,
            maximum: None,
            memory64: false,
            shared: false,
            page_size_log2: None,
        });
        let mut globals = GlobalSection::new();
        if let Some(function) = self.global {
            let kind = GlobalType { val_type: ValType::FUNCREF, mutable: false, shared: false };
            globals.global(kind, &ConstExpr::ref_func(function));
        }
        let mut exports = ExportSection::new();
        exports.export("memory", ExportKind::Memory, 0);
        for (name, function) in self.exports {
            exports.export(name, ExportKind::Func, *function);
        }
        let mut elements = ElementSection::new();
        if !self.table.is_empty() {
            let held = Elements::Functions(self.table.into());
            elements.active(None, &ConstExpr::i32_const(0), held);
        }

        let mut module = Module::new();
        module.section(&types).section(&imports).section(&functions).section(&tables);
        module.section(&memories).section(&globals).section(&exports);
        if let Some(function_index) = self.start {
            module.section(&StartSection { function_index });
        }
        module.section(&elements).section(&code);
        for name in ["producers", "target_features", "other"] {
            module.section(&CustomSection { name: name.into(), data: b"".into() });
        }
        let mut map = NameMap::new();
        for (at, (mark, _)) in self.functions.iter().enumerate() {
            let index = u32::try_from(self.imports.len() + at).unwrap();
            map.append(index, &format!("name of {mark}"));
        }
        let mut names = NameSection::new();
        names.functions(&map);
        module.section(&names);
        module.finish()
    }
}

fn hot(functions: &[u32]) -> Profile {
    Profile { hot: functions.to_vec(), ..Profile::default() }
}

/// What a finished module has beside what a test is about.
fn expect(wasm: &[u8], lines: &[&str]) {
    let always = ["export memory", "custom producers", "custom target_features"];
    let described = describe(wasm);
    let rest: Vec<_> = described.iter().filter(|l| !always.contains(&l.as_str())).collect();
    assert_eq!(rest, lines);
    assert_eq!(described.len(), lines.len() + always.len(), "{described:?}");
}

#[test]
fn callbacks_of_the_shell_take_the_place_of_the_sdks() {
    let small = Small {
        functions: &[(10, &[]), (20, &[]), (30, &[]), (40, &[])],
        exports: &[
            ("proxy_on_request_headers", 2),
            ("postern_on_request_headers", 3),
            ("proxy_on_log", 2),
            ("proxy_on_memory_allocate", 4),
            ("_initialize", 5),
        ],
        ..NOTHING
    };
    expect(
        &finish(&small.module(), &hot(&[])).unwrap(),
        &[
            "function 20:",
            "function 30:",
            "function 40:",
            "export proxy_on_request_headers: 20",
            "export proxy_on_memory_allocate: 30",
            "export _initialize: 40",
        ],
    );
}

#[test]
fn a_module_without_them_loses_what_no_proxy_calls() {
    let small = Small {
        functions: &[(10, &[]), (20, &[0])],
        exports: &[("proxy_on_log", 2), ("proxy_on_queue_ready", 3)],
        ..NOTHING
    };
    let lines = ["function 10:", "export proxy_on_log: 10"];
    expect(&finish(&small.module(), &hot(&[])).unwrap(), &lines);
}

#[test]
fn hot_functions_come_first_and_calls_follow_them() {
    let small = Small {
        functions: &[(10, &[0, 3, 4]), (20, &[2]), (30, &[5]), (40, &[1])],
        exports: &[("a", 2)],
        ..NOTHING
    };
    let lines = [
        "import used",
        "import unused",
        "function 40: unused",
        "function 20: 10",
        "function 10: used 20 30",
        "function 30: 40",
        "export a: 10",
    ];
    // Twice the same, and an import, which has its place.
    expect(&finish(&small.module(), &hot(&[5, 3, 5, 0])).unwrap(), &lines);
    let in_order = [
        "import used",
        "import unused",
        "function 10: used 20 30",
        "function 20: 10",
        "function 30: 40",
        "function 40: unused",
        "export a: 10",
    ];
    expect(&finish(&small.module(), &hot(&[])).unwrap(), &in_order);
}

#[test]
fn what_nothing_reaches_goes() {
    let small = Small {
        // 20 and 30 call each other, and nobody calls them.
        functions: &[(10, &[0, 5]), (20, &[4, 1]), (30, &[3]), (40, &[])],
        exports: &[("a", 2)],
        ..NOTHING
    };
    let lines = ["import used", "function 10: used 40", "function 40:", "export a: 10"];
    expect(&finish(&small.module(), &hot(&[])).unwrap(), &lines);
    // That it would be hot keeps nothing.
    expect(&finish(&small.module(), &hot(&[3])).unwrap(), &lines);
}

#[test]
fn segments_globals_and_the_start_keep_their_functions() {
    let small = Small {
        functions: &[(10, &[]), (20, &[]), (30, &[5]), (40, &[]), (50, &[]), (60, &[])],
        table: &[3, 0, 4, 3],
        global: Some(6),
        start: Some(7),
        ..NOTHING
    };
    expect(
        &finish(&small.module(), &hot(&[7, 4])).unwrap(),
        &[
            "import used",
            "function 60:",
            "function 30: 40",
            "function 20:",
            "function 40:",
            "function 50:",
            "global 50",
            "start 60",
            "element 20 used 30 20",
        ],
    );
}

#[test]
fn names_stay_when_asked_for() {
    let small = Small {
        functions: &[(10, &[]), (20, &[]), (30, &[])],
        exports: &[("a", 2), ("b", 4)],
        ..NOTHING
    };
    expect(
        &finish_with(&small.module(), &hot(&[4]), Names::Kept).unwrap(),
        &[
            "function 30:",
            "function 10:",
            "export a: 10",
            "export b: 30",
            "custom name",
            "name of 30: 30",
            "name of 10: 10",
        ],
    );
}

#[test]
fn what_cannot_be_finished() {
    let small = Small { functions: &[(10, &[])], ..NOTHING }.module();
    let error = |wasm: &[u8], first: &[u32]| finish(wasm, &hot(first)).unwrap_err().to_string();
    assert_eq!(error(&small, &[3]), "no function 3: the module has 3");
    assert_eq!(error(b"\0asm", &[]), "no valid module: unexpected end-of-file (at offset 0x4)");
    // It calls a function that is not there.
    let broken = Small { functions: &[(10, &[9])], ..NOTHING }.module();
    assert!(error(&broken, &[]).starts_with("no valid module: unknown function 9"));
}

#[test]
fn a_watched_module_tells_its_old_indices() {
    let small =
        Small { functions: &[(10, &[0, 3]), (20, &[1, 2])], exports: &[("a", 2)], ..NOTHING };
    let watched = instrument(&small.module()).unwrap();
    wasmparser::validate(&watched).unwrap();
    // Each begins with its own index now.
    assert_eq!(
        describe(&watched),
        [
            "import used",
            "import unused",
            "import postern_enter",
            "import postern_branch",
            "function 2: postern_enter used 3",
            "function 3: postern_enter unused 2",
            "export memory",
            "export a: 2",
        ]
    );
    let mut alone = Module::new();
    alone.section(&TypeSection::new());
    let error = instrument(&alone.finish()).unwrap_err().to_string();
    assert_eq!(error, "a module that imports nothing cannot be watched");
}
