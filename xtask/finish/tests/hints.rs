//! Which way a branch goes: watched, and written down where a compiler looks.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

use postern_finish::{Profile, finish, instrument};
use wasm_encoder::{
    BlockType, CodeSection, EntityType, ExportKind, ExportSection, Function, FunctionSection,
    ImportSection, Instruction, Module, TypeSection, ValType,
};
use wasmparser::{KnownCustom, Operator, Parser, Payload};

/// Two functions behind an import: `other` without a branch, and `branches` with an
/// `if` and, behind it, a `br_if`. The second has a local too.
fn module() -> Vec<u8> {
    let mut types = TypeSection::new();
    types.ty().function([], []);
    let mut imports = ImportSection::new();
    imports.import("env", "used", EntityType::Function(0));
    let mut functions = FunctionSection::new();
    functions.function(0).function(0);
    let mut exports = ExportSection::new();
    exports.export("a", ExportKind::Func, 1).export("b", ExportKind::Func, 2);
    let mut code = CodeSection::new();
    let mut other = Function::new([]);
    other.instruction(&Instruction::Call(0)).instruction(&Instruction::End);
    let mut branches = Function::new([(1, ValType::I64)]);
    for instruction in [
        Instruction::I32Const(0),
        Instruction::If(BlockType::Empty),
        Instruction::Call(0),
        Instruction::End,
        Instruction::Block(BlockType::Empty),
        Instruction::I32Const(1),
        Instruction::BrIf(0),
        Instruction::End,
        Instruction::End,
    ] {
        branches.instruction(&instruction);
    }
    code.function(&other).function(&branches);
    let mut module = Module::new();
    module.section(&types).section(&imports).section(&functions).section(&exports).section(&code);
    module.finish()
}

/// Function, instruction and hint, as the section says it, in the order of a module's
/// sections.
fn hints(wasm: &[u8]) -> Vec<String> {
    wasmparser::validate(wasm).unwrap();
    let (mut bodies, mut said) = (Vec::new(), Vec::new());
    for payload in Parser::new(0).parse_all(wasm) {
        match payload.unwrap() {
            Payload::CustomSection(section) => {
                let KnownCustom::BranchHints(functions) = section.as_known() else { continue };
                assert!(bodies.is_empty(), "the hints stand behind the code");
                for function in functions {
                    let function = function.unwrap();
                    for hint in function.hints {
                        let hint = hint.unwrap();
                        said.push((function.func, hint.func_offset as usize, hint.taken));
                    }
                }
            }
            Payload::CodeSectionEntry(body) => bodies.push(body),
            _ => {}
        }
    }
    let name = |(function, offset, taken): (u32, usize, bool)| {
        // One function is imported.
        let body = &bodies[function as usize - 1];
        let at = body.range().start + offset;
        let mut operators = body.get_operators_reader().unwrap().into_iter_with_offsets();
        let found = operators.find_map(|operator| {
            let (operator, place) = operator.unwrap();
            (place == at).then_some(operator)
        });
        let instruction = match found {
            Some(Operator::If { .. }) => "if",
            Some(Operator::BrIf { .. }) => "br_if",
            other => panic!("a hint on {other:?}"),
        };
        format!("{function} {instruction} {taken}")
    };
    said.into_iter().map(name).collect()
}

#[test]
fn hints_name_the_branches_of_the_new_module() {
    let wasm = module();
    let likely = [((2, 0), false), ((2, 1), true), ((2, 2), true), ((1, 0), true)];
    let profile = Profile { likely: likely.into(), hot: vec![] };
    assert_eq!(hints(&finish(&wasm, &profile).unwrap()), ["2 if false", "2 br_if true"]);
    // With another order, at another place.
    let first = Profile { hot: vec![2], ..profile };
    assert_eq!(hints(&finish(&wasm, &first).unwrap()), ["1 if false", "1 br_if true"]);
    let one = Profile { likely: [((2, 1), false)].into(), hot: vec![2] };
    assert_eq!(hints(&finish(&wasm, &one).unwrap()), ["1 br_if false"]);
}

#[test]
fn without_a_profile_nothing_is_hinted() {
    let plain = finish(&module(), &Profile::default()).unwrap();
    assert_eq!(hints(&plain), [""; 0]);
    // Those that a module had go with the module that they were for.
    let likely = [((2, 0), true)].into();
    let hinted = finish(&module(), &Profile { likely, hot: vec![] }).unwrap();
    assert_eq!(finish(&hinted, &Profile::default()).unwrap(), plain);
}

#[test]
fn a_watched_module_passes_each_condition_on() {
    let watched = instrument(&module()).unwrap();
    wasmparser::validate(&watched).unwrap();
    let mut calls = Vec::new();
    for payload in Parser::new(0).parse_all(&watched) {
        let Payload::CodeSectionEntry(body) = payload.unwrap() else { continue };
        let all: Vec<_> =
            body.get_operators_reader().unwrap().into_iter().map(Result::unwrap).collect();
        for place in all.windows(4) {
            // Behind `used` and the one for functions.
            if let [
                Operator::I32Const { value: function },
                Operator::I32Const { value: branch },
                Operator::Call { function_index: 2 },
                Operator::If { .. } | Operator::BrIf { .. },
            ] = place
            {
                calls.push((*function, *branch));
            }
        }
    }
    assert_eq!(calls, [(2, 0), (2, 1)]);
}
