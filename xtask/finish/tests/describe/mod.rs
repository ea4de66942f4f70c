//! A module in lines.

use wasmparser::{
    ElementItems, ExternalKind, KnownCustom, Name, Operator, Parser, Payload, TypeRef,
};

/// Sections in their order; functions by what they begin with, imports by name.
pub fn describe(wasm: &[u8]) -> Vec<String> {
    let names = names(wasm);
    let name = |index: u32| names[index as usize].clone();
    let mut lines = Vec::new();
    let mut functions = Vec::new();
    for payload in Parser::new(0).parse_all(wasm) {
        match payload.unwrap() {
            Payload::ImportSection(reader) => {
                lines.extend(reader.into_iter().map(|i| format!("import {}", i.unwrap().name)));
            }
            Payload::CodeSectionEntry(body) => {
                let mut used = Vec::new();
                for operator in body.get_operators_reader().unwrap() {
                    if let Operator::Call { function_index } = operator.unwrap() {
                        used.push(name(function_index));
                    }
                }
                functions.push(used);
            }
            Payload::GlobalSection(reader) => {
                for global in reader {
                    for operator in global.unwrap().init_expr.get_operators_reader() {
                        if let Operator::RefFunc { function_index } = operator.unwrap() {
                            lines.push(format!("global {}", name(function_index)));
                        }
                    }
                }
            }
            Payload::ExportSection(reader) => {
                for export in reader {
                    let export = export.unwrap();
                    let of = match export.kind {
                        ExternalKind::Func => format!(": {}", name(export.index)),
                        _ => String::new(),
                    };
                    lines.push(format!("export {}{of}", export.name));
                }
            }
            Payload::StartSection { func, .. } => lines.push(format!("start {}", name(func))),
            Payload::ElementSection(reader) => {
                for element in reader {
                    let ElementItems::Functions(held) = element.unwrap().items else { panic!() };
                    let held: Vec<_> = held.into_iter().map(|f| name(f.unwrap())).collect();
                    lines.push(format!("element {}", held.join(" ")).trim_end().to_owned());
                }
            }
            Payload::CustomSection(section) => {
                lines.push(format!("custom {}", section.name()));
                if let KnownCustom::Name(parts) = section.as_known() {
                    for part in parts {
                        let Name::Function(map) = part.unwrap() else { panic!() };
                        for naming in map {
                            let naming = naming.unwrap();
                            lines.push(format!("{}: {}", naming.name, name(naming.index)));
                        }
                    }
                }
            }
            _ => {}
        }
    }
    let imported = names.len() - functions.len();
    let defined = names.iter().skip(imported).zip(functions);
    let defined = defined
        .map(|(name, used)| format!("function {name}: {}", used.join(" ")).trim_end().to_owned());
    lines.splice(imported..imported, defined);
    lines
}

fn names(wasm: &[u8]) -> Vec<String> {
    let mut names = Vec::new();
    for payload in Parser::new(0).parse_all(wasm) {
        match payload.unwrap() {
            Payload::ImportSection(reader) => {
                for import in reader {
                    let import = import.unwrap();
                    assert!(matches!(import.ty, TypeRef::Func(_)));
                    names.push(import.name.to_owned());
                }
            }
            Payload::CodeSectionEntry(body) => {
                let mut operators = body.get_operators_reader().unwrap();
                let Operator::I32Const { value } = operators.read().unwrap() else { panic!() };
                names.push(value.to_string());
            }
            _ => {}
        }
    }
    names
}
