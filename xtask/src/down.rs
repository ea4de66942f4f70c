//! `cargo xtask down`: stops what `up` started, by process id.

use std::time::Duration;

use nix::sys::signal::Signal;

use crate::settings::Settings;
use crate::state::{self, Process};
use crate::{Result, child, machine};

/// Stops what was written down, Envoy first; a process id that is another
/// program's by now is left alone.
///
/// # Errors
/// The state cannot be read, or a program does not end.
pub fn run(settings: &Settings) -> Result<()> {
    let running: Vec<Process> = state::read(settings)?.into_iter().filter(Process::runs).collect();
    if running.is_empty() {
        say!("nothing runs here: `{}`", settings.shown(&settings.run));
        state::remove(settings);
        return Ok(());
    }
    // xtask itself comes first: else it would report each death.
    let (xtask, programs): (Vec<_>, Vec<_>) = running.iter().partition(|p| p.name == "xtask");
    for process in xtask.iter().chain(programs.iter().rev()) {
        for signal in [Signal::SIGTERM, Signal::SIGKILL] {
            if process.runs() {
                child::signal(process.pid, signal);
                wait_for_end(process)?;
            }
        }
        if process.runs() {
            return Err(format!("{} (process {}) does not end", process.name, process.pid));
        }
        say!("stopped {} (process {})", process.name, process.pid);
    }
    state::remove(settings);
    Ok(())
}

fn wait_for_end(process: &Process) -> Result<()> {
    let gone = || Ok((!process.runs()).then_some(()));
    machine::wait_for(Duration::from_secs(15), gone).map(drop)
}
