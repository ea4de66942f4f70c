//! `postern-bench`: the bench as a program. `cargo xtask bench` builds what it
//! needs and runs it.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use postern_tests::bench::full;
use postern_tests::bench::mount::Built;
use postern_tests::bench::run::{Options, prepare, run};
use postern_tests::bench::variant::{
    BUILDS, COMPARED, COMPUTED, FLOOR, PARTS, PEERS, STOCK_PARTS, Variant,
};
use postern_tests::bootstrap::modules;
use postern_tests::corpus::workspace;
use serde_json::Value;

const USAGE: &str =
    "usage: postern-bench [--all CHARTS | --part NAME | --peers | --parts | --computed | --floor | --stock-parts | --other FOLDER] [--rounds N] [--requests N]
                     [--warm-up N] [--starts N] [--connections N] [--limit SECONDS] [--json FILE]

variables: ENVOY, POSTERN_MODULES";

/// What was asked for.
struct Asked {
    variants: &'static [Variant],
    options: Options,
    json: Option<PathBuf>,
    /// The modules of another build, to compare ours with.
    other: Option<PathBuf>,
    /// All that it can tell, and where its charts go.
    charts: Option<PathBuf>,
    /// One of its parts alone.
    part: Option<full::Part>,
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
    let mut asked = Asked {
        variants: COMPARED,
        options: Options::quick(),
        json: None,
        other: None,
        charts: None,
        part: None,
    };
    let mut words = words.iter().map(String::as_str);
    while let Some(word) = words.next() {
        let options = &mut asked.options;
        match word {
            "--parts" => asked.variants = PARTS,
            "--peers" => asked.variants = PEERS,
            "--computed" => asked.variants = COMPUTED,
            "--floor" => asked.variants = FLOOR,
            "--stock-parts" => asked.variants = STOCK_PARTS,
            "--rounds" => options.rounds = words.next()?.parse().ok().filter(|n| *n > 0)?,
            "--requests" => {
                options.requests = words.next()?.parse().ok()?;
            }
            "--starts" => options.generations = words.next()?.parse().ok().filter(|n| *n > 0)?,
            "--warm-up" => options.warm_up = words.next()?.parse().ok()?,
            "--limit" => options.limit = Duration::from_secs(words.next()?.parse().ok()?),
            "--other" => {
                asked.variants = BUILDS;
                asked.other = Some(PathBuf::from(words.next()?));
            }
            "--connections" => {
                options.connections = words.next()?.parse().ok().filter(|n| *n > 0)?;
            }
            "--all" => {
                asked.options = full::options();
                asked.charts = Some(PathBuf::from(words.next()?));
            }
            "--part" => {
                let name = words.next()?;
                asked.part = full::PARTS.iter().find(|(own, _)| *own == name).map(|(_, it)| *it);
                asked.part?;
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
    let (text, json) = report?;
    if let Some(file) = &asked.json {
        let json = format!("{json:#}\n");
        std::fs::write(file, json).map_err(|e| format!("{}: {e}", file.display()))?;
    }
    Ok(text)
}

/// What is printed, and what is written for programs.
fn measure(
    asked: &Asked,
    folder: &Path,
    stop: &dyn Fn() -> bool,
) -> Result<(String, Value), String> {
    let modules = modules();
    let other = asked.other.clone().unwrap_or_else(|| modules.clone());
    let built = Built::new(modules, other, &folder.join("modules"))?;
    if let Some(charts) = &asked.charts {
        let full = full::measure(&built, folder, &asked.options, stop)?;
        full.charts(charts)?;
        return Ok((full.text(), full.to_json()));
    }
    if let Some(part) = asked.part {
        let section = part(&prepare(&built, folder, &[], &asked.options)?, stop)?;
        return Ok((section.text(), section.to_json()));
    }
    let bench = prepare(&built, folder, asked.variants, &asked.options)?;
    let report = run(&bench, asked.variants, &asked.options, stop)?;
    Ok((report.text(), report.to_json()))
}
