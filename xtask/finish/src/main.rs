//! `postern-finish`: finishes the four filters as the compiler has left them, for
//! `cargo xtask build`.

use std::fs;
use std::path::Path;
use std::process::ExitCode;

use postern_finish::Names;
use postern_finish::profile::{FILTERS, Mounted, finish_chain, policy};

const USAGE: &str = "usage: postern-finish [--names] COMPILED POLICIES MODULES

  reads COMPILED/postern_<filter>.wasm and POLICIES/<filter>.yaml,
  writes MODULES/<filter>.wasm; with --names, functions keep their names";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (names, folders) = match arguments.as_slice() {
        [flag, folders @ ..] if flag == "--names" => (Names::Kept, folders),
        folders => (Names::Left, folders),
    };
    let [compiled, policies, modules] = folders else {
        eprintln!("{USAGE}");
        return ExitCode::from(2);
    };
    match run(names, compiled.as_ref(), policies.as_ref(), modules.as_ref()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(names: Names, compiled: &Path, policies: &Path, modules: &Path) -> Result<(), String> {
    let mount = |name: &str| {
        let file = compiled.join(format!("postern_{}.wasm", name.replace('-', "_")));
        let wasm = fs::read(&file).map_err(|e| format!("`{}`: {e}", file.display()))?;
        let policy = policy(&policies.join(format!("{name}.yaml")));
        Ok(Mounted { name: name.to_owned(), wasm, policy })
    };
    let chain = FILTERS.into_iter().map(mount).collect::<Result<Vec<_>, String>>()?;
    let sizes: Vec<usize> = chain.iter().map(|mounted| mounted.wasm.len()).collect();
    let finished = finish_chain(chain, names).map_err(|error| error.to_string())?;
    for remark in &finished.remarks {
        println!("  note, for speed alone: {remark}");
    }
    let parts = finished.modules.iter().zip(&finished.hot).zip(sizes);
    for (name, ((wasm, hot), before)) in FILTERS.into_iter().zip(parts) {
        place(wasm, &modules.join(format!("{name}.wasm")))?;
        let (before, after) = (before / 1024, wasm.len() / 1024);
        println!("  {name}.wasm, {after} KiB of {before}, {hot} functions first");
    }
    Ok(())
}

/// Writes beside the goal and renames, so that a reader sees a whole file.
fn place(wasm: &[u8], to: &Path) -> Result<(), String> {
    let beside = to.with_extension(format!("new.{}", std::process::id()));
    fs::write(&beside, wasm).and_then(|()| fs::rename(&beside, to)).map_err(|e| {
        let _ = fs::remove_file(&beside);
        format!("`{}` cannot be written: {e}", to.display())
    })
}
