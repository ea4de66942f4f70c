//! A Python with packages from PyPI, in a virtual environment under `target/`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use crate::corpus::workspace;

/// The interpreter of a virtual environment that holds what `requirements`
/// pins (a path in the workspace). Made once, and anew when they change.
///
/// # Errors
/// There is no `python3` with its venv module, or a package cannot be had.
pub fn with(name: &str, requirements: &str) -> Result<PathBuf, String> {
    let folder = workspace().join("target").join(name);
    let requirements = workspace().join(requirements);
    let wanted = fs::read(&requirements).map_err(|e| format!("{}: {e}", requirements.display()))?;
    let (python, done) = (folder.join("bin/python"), folder.join("installed.txt"));
    // Written last: what was left half done is not taken for the whole.
    if fs::read(&done).is_ok_and(|installed| installed == wanted) && python.is_file() {
        return Ok(python);
    }
    let _ = fs::remove_dir_all(&folder);
    run(Command::new("python3").args(["-m", "venv"]).arg(&folder))
        .map_err(|e| format!("{e}\nthe tests need Python 3 with its venv module"))?;
    run(Command::new(&python)
        .args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check"])
        .args(["--no-deps", "--only-binary", ":all:", "--require-hashes", "--requirement"])
        .arg(&requirements))?;
    fs::write(&done, wanted).map_err(|e| format!("{}: {e}", done.display()))?;
    Ok(python)
}

/// What a script of the workspace prints.
///
/// # Errors
/// It cannot be started, or it failed: then what it said.
pub fn script(python: &Path, script: &str) -> Result<String, String> {
    let output = run(Command::new(python).arg(workspace().join(script)))?;
    String::from_utf8(output.stdout).map_err(|e| format!("{script}: {e}"))
}

fn run(command: &mut Command) -> Result<Output, String> {
    let shown = format!("{command:?}");
    let output = command.output().map_err(|e| format!("{shown}: {e}"))?;
    if output.status.success() {
        return Ok(output);
    }
    let printed = [&output.stdout[..], &output.stderr[..]].concat();
    Err(format!("{shown}: {}\n{}", output.status, String::from_utf8_lossy(&printed)))
}
