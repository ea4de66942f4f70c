//! What runs, written down in `state.json` of the run folder as soon as it is
//! started: `down` finds it there, even when xtask was killed.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};

use crate::settings::Settings;
use crate::{Result, tls};

/// A process that was written down.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Process {
    /// What people call it.
    pub name: String,
    /// Its process id.
    pub pid: u32,
    /// When the system started it: a process id is used again, this is not.
    pub since: String,
}

impl Process {
    /// Notes a process that runs now.
    pub fn note(name: &str, pid: u32) -> Self {
        Process { name: name.to_owned(), pid, since: since(pid).unwrap_or_default() }
    }

    /// Does that very process still run?
    pub fn runs(&self) -> bool {
        since(self.pid).is_some_and(|now| now == self.since)
    }
}

/// Writes down what runs.
///
/// # Errors
/// The file that cannot be written.
pub fn write(settings: &Settings, processes: &[Process]) -> Result<()> {
    let one = |p: &Process| {
        let log = settings.log(&p.name);
        json!({"name": p.name, "pid": p.pid, "since": p.since, "log": log})
    };
    let ports = settings.ports;
    let state = json!({
        "processes": processes.iter().map(one).collect::<Vec<_>>(),
        "ports": {
            "gateway": ports.gateway,
            "tls": ports.tls,
            "admin": ports.admin,
            "upstream": ports.upstream,
            "idp": ports.idp,
        },
        "ca": settings.tls().join(tls::CA),
        "access_log": settings.access_log(),
        "filters": settings.rendered(),
    });
    let file = file(settings);
    let beside = file.with_extension("new");
    fs::write(&beside, format!("{state:#}\n"))
        .and_then(|()| fs::rename(&beside, &file))
        .map_err(|e| format!("`{}` cannot be written: {e}", file.display()))
}

/// What was written down; nothing where nothing was.
///
/// # Errors
/// The file that cannot be read.
pub fn read(settings: &Settings) -> Result<Vec<Process>> {
    let file = file(settings);
    let text = match fs::read_to_string(&file) {
        Ok(text) => text,
        Err(e) if e.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        Err(e) => return Err(format!("`{}` cannot be read: {e}", file.display())),
    };
    let broken = || format!("`{}` is broken: stop the demo's programs by hand", file.display());
    let state: Value = serde_json::from_str(&text).map_err(|_| broken())?;
    let processes = state.get("processes").and_then(Value::as_array).ok_or_else(broken)?;
    processes
        .iter()
        .map(|p| {
            Some(Process {
                name: p.get("name")?.as_str()?.to_owned(),
                pid: p.get("pid")?.as_u64().and_then(|pid| u32::try_from(pid).ok())?,
                since: p.get("since")?.as_str()?.to_owned(),
            })
        })
        .collect::<Option<Vec<_>>>()
        .ok_or_else(broken)
}

/// Nothing runs any more.
pub fn remove(settings: &Settings) {
    let _ = fs::remove_file(file(settings));
}

fn file(settings: &Settings) -> PathBuf {
    settings.run.join("state.json")
}

/// When a process started, in the system's own words; `None` when it is gone.
fn since(pid: u32) -> Option<String> {
    if Path::new("/proc/self/stat").exists() {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        // The name, in parentheses, may hold anything; state is next, and the
        // start time is the twentieth after it (proc(5), fields 3 and 22).
        let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
        let dead = matches!(fields.first(), Some(&("Z" | "X")));
        return if dead { None } else { fields.get(19).map(|&s| s.to_owned()) };
    }
    let id = pid.to_string();
    let output = Command::new("ps").args(["-o", "lstart=", "-p", &id]).output().ok()?;
    let text = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    (!text.is_empty()).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_is_told_from_a_later_one_with_its_id() {
        let me = Process::note("me", std::process::id());
        assert!(me.runs());
        assert!(!Process { since: format!("{}0", me.since), ..me }.runs());
    }

    #[test]
    fn a_dead_process_does_not_run() {
        let mut child = Command::new("true").spawn().unwrap();
        let noted = Process::note("true", child.id());
        child.wait().unwrap();
        assert!(!noted.runs());
    }
}
