//! The four filters as `cargo xtask build` has left them.

#![allow(clippy::unwrap_used, clippy::panic)]

use std::path::{Path, PathBuf};

use postern_finish::Names;
use postern_finish::profile::{FILTERS, Mounted, finish_chain, policy};
use wasmparser::{ExternalKind, KnownCustom, Parser, Payload};

/// What the proxy calls of every filter.
const EXPORTS: [&str; 11] = [
    "_initialize",
    "memory",
    "proxy_abi_version_0_2_1",
    "proxy_on_configure",
    "proxy_on_context_create",
    "proxy_on_delete",
    "proxy_on_http_call_response",
    "proxy_on_memory_allocate",
    "proxy_on_request_headers",
    "proxy_on_tick",
    "proxy_on_vm_start",
];

/// And of one beyond that.
const FURTHER: [(&str, &[&str]); 4] = [
    ("authz", &["response_headers"]),
    ("rate-limit", &["response_headers"]),
    ("auth", &["request_body", "request_trailers", "response_headers"]),
    (
        "legacy-compat",
        &[
            "request_body",
            "request_trailers",
            "response_body",
            "response_headers",
            "response_trailers",
        ],
    ),
];

fn chain() -> Vec<Mounted> {
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let modules = std::env::var_os("POSTERN_MODULES")
        .map_or_else(|| workspace.join("target/modules"), PathBuf::from);
    let mount = |name: &str| {
        let file = modules.join(format!("{name}.wasm"));
        let wasm = std::fs::read(&file)
            .unwrap_or_else(|e| panic!("{}: {e}; run `cargo xtask build`", file.display()));
        let policy = policy(&workspace.join("envoy/filters").join(format!("{name}.yaml")));
        Mounted { name: name.to_owned(), wasm, policy }
    };
    FILTERS.map(mount).into()
}

/// The same requests pass the same functions, and those stand first already. So this
/// also says that the modules there are finished, and that finishing is deterministic.
#[test]
fn a_finished_filter_is_finished_as_it_is() {
    let chain = chain();
    let finished = finish_chain(chain.clone(), Names::Left).unwrap();
    assert_eq!(finished.remarks, [""; 0]);
    for ((mounted, finished), hot) in chain.iter().zip(&finished.modules).zip(finished.hot) {
        let name = &mounted.name;
        assert!(mounted.wasm == *finished, "{name} changes; run `cargo xtask build`");
        assert!(hot > 20, "{name}: {hot}");
    }
}

#[test]
fn a_filter_exports_what_it_needs() {
    for Mounted { name, wasm, .. } in chain() {
        let mut exports: Vec<String> = Vec::new();
        for payload in Parser::new(0).parse_all(&wasm) {
            if let Payload::ExportSection(reader) = payload.unwrap() {
                exports.extend(reader.into_iter().map(|e| e.unwrap().name.to_owned()));
            }
        }
        exports.sort_unstable();
        let (_, further) = FURTHER.into_iter().find(|(known, _)| *known == name).unwrap();
        let further = further.iter().map(|event| format!("proxy_on_{event}"));
        let mut expected: Vec<String> =
            EXPORTS.map(str::to_owned).into_iter().chain(further).collect();
        expected.sort_unstable();
        assert_eq!(exports, expected, "{name}");
    }
}

/// A plain request calls forwards, from one page to the next: the callback that it
/// begins with is the first function of all.
#[test]
fn a_request_begins_with_the_first_function() {
    for Mounted { name, wasm, .. } in chain() {
        let (mut imported, mut first) = (0, None);
        for payload in Parser::new(0).parse_all(&wasm) {
            match payload.unwrap() {
                Payload::ImportSection(reader) => imported = reader.count(),
                Payload::ExportSection(reader) => {
                    let mut exports = reader.into_iter().map(Result::unwrap);
                    first = exports.find(|e| e.kind == ExternalKind::Func && e.index == imported);
                }
                _ => {}
            }
        }
        assert_eq!(first.map(|e| e.name), Some("proxy_on_context_create"), "{name}");
    }
}

/// The proxy's compiler hears which way the branches of the hot functions go.
#[test]
fn a_filters_branches_have_hints() {
    for Mounted { name, wasm, .. } in chain() {
        let mut hints = [0, 0];
        for payload in Parser::new(0).parse_all(&wasm) {
            let Payload::CustomSection(section) = payload.unwrap() else { continue };
            let KnownCustom::BranchHints(functions) = section.as_known() else { continue };
            for function in functions {
                for hint in function.unwrap().hints {
                    let [no, yes] = &mut hints;
                    *(if hint.unwrap().taken { yes } else { no }) += 1;
                }
            }
        }
        assert!(hints.iter().all(|count| *count > 100), "{name}: {hints:?}");
    }
}
