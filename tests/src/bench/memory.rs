//! What a worker more takes of memory, and how long a start takes.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

use postern_stack::environment::variables;

use crate::bench::figures::Quartiles;
use crate::bench::section::{Goal, Section};
use crate::bench::setup::{Bench, Running, Start};
use crate::bench::variant::{MEMORY, Variant};
use crate::client::{Wire, send};
use crate::envoy::{Envoy, free_ports};

/// Starts of each.
const STARTS: usize = 3;
/// Workers of the larger one.
const WORKERS: usize = 4;
/// Requests before it is read; the connections are spread over the workers.
const REQUESTS: usize = 8_000;
/// How long a start may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// Memory by worker.
///
/// # Errors
/// What keeps a variant from running.
pub fn memory(bench: &Bench<'_>, stop: &dyn Fn() -> bool) -> Result<Section, String> {
    let mut by_worker: Vec<Vec<f64>> = MEMORY.iter().map(|_| Vec::new()).collect();
    let mut alone = by_worker.clone();
    for _ in 0..STARTS {
        for (at, variant) in MEMORY.iter().enumerate() {
            if stop() {
                return Err("interrupted".to_owned());
            }
            let folder = bench.folder.join("memory");
            let one = resident(bench, variant, &folder, 1)?;
            let many = resident(bench, variant, &folder, WORKERS)?;
            if let (Some(alone), Some(by_worker)) = (alone.get_mut(at), by_worker.get_mut(at)) {
                alone.push(one);
                by_worker.push((many - one) / (WORKERS - 1) as f64);
            }
        }
    }
    let figures = |name: &str| {
        let at = MEMORY.iter().position(|variant| variant.name == name);
        at.and_then(|at| by_worker.get(at)).map_or(&[][..], Vec::as_slice)
    };
    let (ours, empty) = (figures("ours"), figures("empty"));
    let rows = MEMORY.iter().zip(alone.iter().zip(&by_worker)).map(|(variant, (alone, more))| {
        (variant.name.to_owned(), vec![Quartiles::of(alone), Quartiles::of(more)])
    });
    Ok(Section {
        name: "memory",
        title: "Resident memory, MB",
        columns: vec!["with one worker".to_owned(), "each worker more".to_owned()],
        rows: rows.collect(),
        goals: vec![Goal::of_ratio(
            "a worker more over one with four empty filters",
            ours,
            empty,
            &[1; STARTS],
            1.5,
        )],
        notes: vec![format!("after {REQUESTS} requests of 2,000 callers, {STARTS} starts")],
        charted: 1,
    })
}

fn resident(
    bench: &Bench<'_>,
    variant: &Variant,
    folder: &std::path::Path,
    workers: usize,
) -> Result<f64, String> {
    let how = Start { workers, pinned: false };
    let mut one = Running::start(variant, bench, folder, how)?;
    one.slice(REQUESTS / bench.connections)?;
    let file = format!("/proc/{}/smaps_rollup", one.process.pid());
    let text = fs::read_to_string(&file).map_err(|e| format!("{file}: {e}"))?;
    let line = text.lines().find_map(|line| line.strip_prefix("Rss:"));
    let kilobytes: Option<f64> = line.and_then(|line| line.split_whitespace().next()?.parse().ok());
    kilobytes.map(|k| k / 1e3).ok_or_else(|| format!("{file}: no `Rss:` in kB"))
}

/// Time from the start of the process to its first answer through the gateway.
///
/// # Errors
/// What keeps a variant from running.
pub fn start_up(bench: &Bench<'_>, stop: &dyn Fn() -> bool) -> Result<Section, String> {
    const STARTS: usize = 5;
    let mut took: Vec<Vec<f64>> = MEMORY.iter().map(|_| Vec::new()).collect();
    for _ in 0..STARTS {
        for (at, variant) in MEMORY.iter().enumerate() {
            if stop() {
                return Err("interrupted".to_owned());
            }
            let one = first_answer(bench, variant)?;
            if let Some(took) = took.get_mut(at) {
                took.push(one.as_secs_f64() * 1e3);
            }
        }
    }
    let figures = |name: &str| {
        let at = MEMORY.iter().position(|variant| variant.name == name);
        at.and_then(|at| took.get(at)).map_or(&[][..], Vec::as_slice)
    };
    let rows = MEMORY.iter().zip(&took);
    let rows = rows.map(|(variant, took)| (variant.name.to_owned(), vec![Quartiles::of(took)]));
    Ok(Section {
        name: "start-up",
        title: "Milliseconds from the start of the process to its first answer",
        columns: vec!["two workers".to_owned()],
        rows: rows.collect(),
        goals: vec![Goal::of_ratio(
            "the first answer over that of a bare Envoy",
            figures("ours"),
            figures("bare"),
            &[1; STARTS],
            2.0,
        )],
        notes: Vec::new(),
        charted: 0,
    })
}

fn first_answer(bench: &Bench<'_>, variant: &Variant) -> Result<Duration, String> {
    let folder = bench.folder.join("start");
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).map_err(|e| format!("{}: {e}", folder.display()))?;
    let [admin, port] = free_ports()?;
    let behind = bench.upstream.address.port();
    let bootstrap = variant.bootstrap(bench.built, &folder, [admin, port], behind)?;
    let to = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let bearer = format!("Authorization: Bearer {}", bench.tokens.good);
    let request = Wire::get("api.example.com", crate::bench::check::PATH, &[&bearer]);
    let begun = Instant::now();
    let spawn = || Envoy::spawn(&folder, &bootstrap, admin, &["--concurrency", "2"], &variables());
    let envoy = bench.cores.on_any(spawn)?;
    while begun.elapsed() < PATIENCE {
        if send(to, &request, PATIENCE).is_ok_and(|answer| answer.status == 200) {
            return Ok(begun.elapsed());
        }
        // The port is not open yet: a look costs nothing to speak of.
        std::thread::sleep(Duration::from_millis(1));
    }
    Err(format!("{}: no answer within {PATIENCE:?}\n{}", variant.name, envoy.printed()))
}
