//! `cargo xtask up`: the whole demo on loopback.

use std::fs;
use std::io::{self, IsTerminal};
use std::path::Path;
use std::time::{Duration, Instant};

use crate::policies::Policies;
use crate::settings::Settings;
use crate::stack::{Stack, ports_free};
use crate::state::{self, Process};
use crate::tail::Tail;
use crate::{Result, bootstrap, build, decisions, envoy, machine, tls, tour};

/// How often the policies are looked at.
const LOOK: Duration = Duration::from_millis(250);

/// Builds, checks, starts; then follows the decisions, or returns (`detach`).
///
/// # Errors
/// What keeps the demo from running; nothing that was started is left behind.
pub fn run(settings: &Settings, detach: bool) -> Result<()> {
    refuse_second_run(settings)?;
    ports_free(&settings.ports)?;
    build::wasm_target_there(settings)?;
    let envoy = envoy::find(settings)?;
    let programs = build::programs(settings)?;
    let mut policies = Policies::new(settings, &programs);
    say!("checking the policies in {}", settings.shown(&settings.policies));
    policies.check()?;
    build::modules(settings)?;

    let run = settings.shown(&settings.run);
    say!("starting, logs in {run}");
    clear(settings)?;
    policies.apply()?;
    tls::make(settings.tls())?;
    let rendered = bootstrap::render(settings)?;
    let mut stack = Stack::default();
    let followed = stack
        .servers(settings, &programs)
        .and_then(|()| stack.envoy(settings, &envoy, &rendered, policies.environment()))
        .and_then(|()| {
            say!("\n{}", tour::text(settings));
            if detach { Ok(()) } else { follow(settings, &mut stack, &mut policies) }
        });
    match followed {
        Ok(()) if detach => {
            stack.keep(settings)?;
            say!("running; state in {run}; stop it with `cargo xtask down`");
            Ok(())
        }
        ended => {
            say!("stopping");
            drop(stack);
            state::remove(settings);
            ended
        }
    }
}

/// Prints decisions and applies saved policies until asked to stop.
fn follow(settings: &Settings, stack: &mut Stack, policies: &mut Policies<'_>) -> Result<()> {
    let colours = io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none();
    let mut log = Tail::new(settings.access_log());
    let mut envoys = Tail::new(settings.log("envoy"));
    let mut said = String::new();
    let mut looked = Instant::now();
    say!(
        "following the decisions; a saved policy in {} is checked and applied; Ctrl-C stops all\n",
        settings.shown(&settings.policies)
    );
    while !machine::asked_to_stop() {
        stack.check()?;
        for line in log.lines() {
            if let Some(line) = decisions::readable(&line, colours) {
                say!("{line}");
            }
        }
        for line in envoys.lines().iter().filter_map(|line| decisions::taken_back(line)) {
            // Each worker may tell it.
            if said != line {
                say!("{line}");
                said = line;
            }
        }
        if looked.elapsed() >= LOOK {
            if policies.saved() {
                said.clear();
                policies.follow();
            }
            looked = Instant::now();
        }
        machine::pause();
    }
    Ok(())
}

fn refuse_second_run(settings: &Settings) -> Result<()> {
    let running: Vec<String> = state::read(settings)?
        .iter()
        .filter(|process| Process::runs(process))
        .map(|process| format!("{} (process {})", process.name, process.pid))
        .collect();
    if running.is_empty() {
        return Ok(());
    }
    Err(format!(
        "the demo runs already in {}: {}; stop it with `cargo xtask down`, or set \
         POSTERN_RUN_DIR and the ports for another one",
        settings.shown(&settings.run),
        running.join(", ")
    ))
}

/// Empties the run folder of what an earlier run left.
fn clear(settings: &Settings) -> Result<()> {
    let failed = |path: &Path, e: io::Error| format!("`{}`: {e}", path.display());
    for folder in [&settings.run, &settings.rendered()] {
        fs::create_dir_all(folder).map_err(|e| failed(folder, e))?;
    }
    let old = fs::read_dir(settings.rendered()).map_err(|e| failed(&settings.rendered(), e))?;
    for entry in old.flatten().filter(|e| e.path().extension().is_some_and(|e| e == "json")) {
        fs::remove_file(entry.path()).map_err(|e| failed(&entry.path(), e))?;
    }
    let log = settings.access_log();
    fs::write(&log, "").map_err(|e| failed(&log, e))
}
