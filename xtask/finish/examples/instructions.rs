//! Prints how many instructions each filter runs for each kind of request, and in
//! which functions those of one kind are:
//! `instructions MODULES POLICIES [REQUEST]`, REQUEST such as `a plain request`. Functions have names if the modules do.

use std::collections::BTreeMap;
use std::path::Path;

use postern_finish::count::count;
use postern_finish::profile::{FILTERS, Mounted, policy};
use wasmparser::{KnownCustom, Name, Parser, Payload};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [modules, policies, wanted @ ..] = arguments.as_slice() else {
        return Err("usage: instructions MODULES POLICIES [REQUEST]".into());
    };
    let mount = |name: &str| {
        let wasm = std::fs::read(Path::new(modules).join(format!("{name}.wasm")))?;
        let policy = policy(&Path::new(policies).join(format!("{name}.yaml")));
        Ok(Mounted { name: name.to_owned(), wasm, policy })
    };
    let chain = FILTERS.into_iter().map(mount).collect::<Result<Vec<_>, std::io::Error>>()?;
    for counted in count(&chain)? {
        let (instructions, bytes) = (counted.instructions(), counted.bytes());
        println!("{instructions:>8} in {bytes:>6} bytes  {} {}", counted.filter, counted.request);
        if wanted.first().is_none_or(|wanted| wanted != counted.request) {
            continue;
        }
        let names = chain.iter().find(|m| m.name == counted.filter).map(|m| names(&m.wasm));
        let names = names.unwrap_or_default();
        let mut functions: Vec<_> = counted.functions.into_iter().collect();
        functions.sort_by_key(|(_, ran)| std::cmp::Reverse(ran.bytes));
        for (function, ran) in functions {
            let name = names.get(&function).map_or("", String::as_str);
            println!("{:>18} in {:>6} bytes  {function} {name}", ran.instructions, ran.bytes);
        }
    }
    Ok(())
}

fn names(wasm: &[u8]) -> BTreeMap<u32, String> {
    let mut found = BTreeMap::new();
    for payload in Parser::new(0).parse_all(wasm).flatten() {
        let Payload::CustomSection(section) = payload else { continue };
        let KnownCustom::Name(parts) = section.as_known() else { continue };
        for part in parts.into_iter().flatten() {
            if let Name::Function(functions) = part {
                let functions = functions.into_iter().flatten();
                found.extend(functions.map(|naming| (naming.index, naming.name.to_owned())));
            }
        }
    }
    found
}
