//! Programs that run beside xtask, each with its log; none outlives a run
//! that failed.

use std::fs::{self, File};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::{Result, machine};

/// How long a program has after SIGTERM.
const GRACE: Duration = Duration::from_secs(5);

/// How much of a log is shown when its program died.
const SHOWN_LINES: usize = 15;

/// A program that was started; stopped when dropped.
#[derive(Debug)]
pub struct Started {
    /// What people call it.
    pub name: &'static str,
    /// Its log.
    pub log: PathBuf,
    process: Child,
    kept: bool,
    grace: Duration,
}

impl Started {
    /// Starts a program in a process group of its own, so that Ctrl-C reaches
    /// xtask alone, which then stops everything in order.
    ///
    /// # Errors
    /// It cannot be started, or its log not be made.
    pub fn new(name: &'static str, command: &mut Command, log: &Path) -> Result<Self> {
        let file =
            File::create(log).map_err(|e| format!("`{}` cannot be written: {e}", log.display()))?;
        let errors = file.try_clone().map_err(|e| format!("`{}`: {e}", log.display()))?;
        let process = command
            .stdin(Stdio::null())
            .stdout(file)
            .stderr(errors)
            .process_group(0)
            .spawn()
            .map_err(|e| format!("{name} cannot be started: {e}"))?;
        Ok(Started { name, log: log.to_owned(), process, kept: false, grace: GRACE })
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.process.id()
    }

    /// # Errors
    /// It died: how, and the end of its log.
    pub fn check(&mut self) -> Result<()> {
        match self.process.try_wait() {
            Ok(None) => Ok(()),
            Ok(Some(status)) => {
                Err(format!("{} died: {}{}", self.name, manner(status), end_of(&self.log)))
            }
            Err(e) => Err(format!("{} was lost: {e}", self.name)),
        }
    }

    /// It needs so long after SIGTERM.
    pub fn with_grace(mut self, grace: Duration) -> Self {
        self.grace = grace;
        self
    }

    /// Stops it and waits for its end.
    pub fn stop(&mut self) {
        if !matches!(self.process.try_wait(), Ok(None)) {
            return;
        }
        signal(self.process.id(), Signal::SIGTERM);
        let end = Instant::now() + self.grace;
        while Instant::now() < end {
            if !matches!(self.process.try_wait(), Ok(None)) {
                return;
            }
            machine::pause();
        }
        let _ = self.process.kill();
        let _ = self.process.wait();
    }

    /// From here on it may outlive xtask.
    pub fn keep(&mut self) {
        self.kept = true;
    }
}

impl Drop for Started {
    fn drop(&mut self) {
        if !self.kept {
            self.stop();
        }
    }
}

/// Sends a signal to a process; one that is gone needs none.
pub fn signal(pid: u32, signal: Signal) {
    if let Ok(pid) = i32::try_from(pid) {
        let _ = kill(Pid::from_raw(pid), signal);
    }
}

/// The end of a log, to be put after a message.
pub fn end_of(log: &Path) -> String {
    let bytes = fs::read(log).unwrap_or_default();
    let text = String::from_utf8_lossy(&bytes);
    let lines: Vec<&str> = text.lines().collect();
    let shown = lines.get(lines.len().saturating_sub(SHOWN_LINES)..).unwrap_or_default();
    if shown.is_empty() {
        return format!("; its log `{}` is empty", log.display());
    }
    let indented: Vec<String> = shown.iter().map(|line| format!("    {line}")).collect();
    format!("; the end of its log `{}`:\n{}", log.display(), indented.join("\n"))
}

fn manner(status: ExitStatus) -> String {
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("exit status {code}"),
        (None, Some(number)) => format!("signal {number}"),
        (None, None) => "unknown".to_owned(),
    }
}
