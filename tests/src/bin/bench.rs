//! `postern-bench`: the bench as a program. `cargo xtask bench` builds what it
//! needs and runs it.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};

use postern_tests::bench::mount::Built;
use postern_tests::bench::run::{Options, run};
use postern_tests::bench::variant::{BUILDS, COMPARED, FLOOR, PARTS, STOCK_PARTS, Variant};
use postern_tests::bootstrap::modules;
use postern_tests::corpus::workspace;

const USAGE: &str =
    "usage: postern-bench [--parts | --floor | --stock-parts | --other FOLDER] [--rounds N] [--requests N]
                     [--warm-up N] [--starts N] [--connections N] [--json FILE]

variables: ENVOY, POSTERN_MODULES";

/// What was asked for.
struct Asked {
    variants: &'static [Variant],
    options: Options,
    json: Option<PathBuf>,
    /// The modules of another build, to compare ours with.
    other: Option<PathBuf>,
}

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let Some(asked) = parse(&words) else {
        eprintln!("{USAGE}");
        return ExitCode::from(2);
    };
    match bench(&asked) {
        Ok(text) => {
            print!("{text}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn parse(words: &[String]) -> Option<Asked> {
    let mut asked =
        Asked { variants: COMPARED, options: Options::quick(), json: None, other: None };
    let mut words = words.iter().map(String::as_str);
    while let Some(word) = words.next() {
        let options = &mut asked.options;
        match word {
            "--parts" => asked.variants = PARTS,
            "--floor" => asked.variants = FLOOR,
            "--stock-parts" => asked.variants = STOCK_PARTS,
            "--rounds" => options.rounds = words.next()?.parse().ok().filter(|n| *n > 0)?,
            "--requests" => {
                options.requests = words.next()?.parse().ok()?;
            }
            "--starts" => options.generations = words.next()?.parse().ok().filter(|n| *n > 0)?,
            "--warm-up" => options.warm_up = words.next()?.parse().ok()?,
            "--other" => {
                asked.variants = BUILDS;
                asked.other = Some(PathBuf::from(words.next()?));
            }
            "--connections" => {
                options.connections = words.next()?.parse().ok().filter(|n| *n > 0)?;
            }
            "--json" => asked.json = Some(PathBuf::from(words.next()?)),
            _ => return None,
        }
    }
    let Options { requests, connections, .. } = asked.options;
    (requests >= connections).then_some(asked)
}

fn bench(asked: &Asked) -> Result<String, String> {
    static STOP: AtomicBool = AtomicBool::new(false);
    // Heeded between two slices, so that every Envoy is stopped.
    ctrlc::set_handler(|| STOP.store(true, Ordering::SeqCst))
        .map_err(|e| format!("signals cannot be handled: {e}"))?;
    // Of its own, so that two benches do not remove each other's files.
    let folder = workspace().join("target/bench").join(std::process::id().to_string());
    let report = measure(asked, &folder, &|| STOP.load(Ordering::SeqCst));
    let _ = std::fs::remove_dir_all(&folder);
    let report = report?;
    if let Some(file) = &asked.json {
        let text = format!("{:#}\n", report.to_json());
        std::fs::write(file, text).map_err(|e| format!("{}: {e}", file.display()))?;
    }
    Ok(report.text())
}

fn measure(
    asked: &Asked,
    folder: &Path,
    stop: &dyn Fn() -> bool,
) -> Result<postern_tests::bench::report::Report, String> {
    let modules = modules();
    let other = asked.other.clone().unwrap_or_else(|| modules.clone());
    let built = Built::new(modules, other, &folder.join("empty"))?;
    run(asked.variants, &built, folder, &asked.options, stop)
}
