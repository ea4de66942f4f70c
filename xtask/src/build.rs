//! Builds: the filters to Wasm, the programs of the demo for this machine.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::settings::Settings;
use crate::{Result, command};

/// The four filters.
pub const FILTERS: [&str; 4] = ["auth", "authz", "rate-limit", "legacy-compat"];

const TARGET: &str = "wasm32-wasip1";

/// How all programs are built. One selection of packages, since another one can
/// have other features, and so be built anew.
const PROGRAMS: [&str; 10] = [
    "build",
    "--profile",
    "tool",
    "--bins",
    "--package",
    "postern-cli",
    "--package",
    "postern-stack",
    "--package",
    "postern-finish",
];

/// Builds the filters and the command line tool.
///
/// # Errors
/// What keeps one from being built.
pub fn all(settings: &Settings) -> Result<()> {
    modules(settings)?;
    let postern = programs(settings)?.join("postern");
    say!("  {}", settings.shown(&postern));
    Ok(())
}

/// Builds the filters into `target/modules`, each replaced by a rename.
///
/// # Errors
/// What keeps one from being built or written.
pub fn modules(settings: &Settings) -> Result<PathBuf> {
    wasm_target_there(settings)?;
    let target = target_folder(settings)?;
    let to = settings.modules();
    fs::create_dir_all(&to).map_err(|e| format!("`{}` cannot be made: {e}", to.display()))?;
    for filter in FILTERS {
        say!("building {filter}");
        let package = format!("postern-{filter}");
        // The crate type is asked for here: naming it in the manifest beside
        // `rlib` would silently cost the module its link-time optimisation.
        cargo(
            settings,
            &[
                "rustc",
                "--release",
                "--target",
                TARGET,
                "--package",
                &package,
                "--crate-type",
                "cdylib",
            ],
        )?;
    }
    finish(settings, &target, &to)?;
    Ok(to)
}

/// Puts the hot functions of each filter together and drops what it does not need.
fn finish(settings: &Settings, target: &Path, to: &Path) -> Result<()> {
    say!("finishing the filters, into target/modules");
    cargo(settings, &PROGRAMS)?;
    let status = command::run(
        Command::new(target.join("tool/postern-finish"))
            .arg(target.join(TARGET).join("release"))
            .arg(settings.root.join("envoy/filters"))
            .arg(to),
    )?;
    if status.success() { Ok(()) } else { Err(format!("`postern-finish` failed: {status}")) }
}

/// Builds `postern` and the demo's servers; returns the folder they are in.
///
/// # Errors
/// What keeps one from being built.
pub fn programs(settings: &Settings) -> Result<PathBuf> {
    say!("building the command line tool and the demo's servers");
    cargo(settings, &PROGRAMS)?;
    Ok(target_folder(settings)?.join("tool"))
}

/// Runs cargo in the workspace.
///
/// # Errors
/// Its failure.
pub fn cargo(settings: &Settings, arguments: &[&str]) -> Result<()> {
    let status = command::run(cargo_command(settings).args(arguments))?;
    if status.success() {
        Ok(())
    } else {
        Err(format!("`cargo {}` failed: {status}", arguments.join(" ")))
    }
}

/// The cargo that runs this, in the workspace.
pub fn cargo_command(settings: &Settings) -> Command {
    let program = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(program);
    command.current_dir(&settings.root);
    // What the outer cargo says of the package that it runs would have `ring`, and all above
    // it, compiled anew each time.
    for (name, _) in std::env::vars_os() {
        let told = ["CARGO_PKG_", "CARGO_MANIFEST_"].map(str::as_bytes);
        if told.iter().any(|prefix| name.as_encoded_bytes().starts_with(prefix)) {
            command.env_remove(name);
        }
    }
    command
}

/// Cargo's own target folder, which variables and configuration may move.
///
/// # Errors
/// Cargo does not say.
pub fn target_folder(settings: &Settings) -> Result<PathBuf> {
    let asked = ["metadata", "--no-deps", "--format-version", "1"];
    let output = command::output(cargo_command(settings).args(asked))?;
    let metadata: serde_json::Value = serde_json::from_slice(&output.stdout)
        .map_err(|_| format!("`cargo metadata` failed: {}", command::printed(&output)))?;
    let folder = metadata.get("target_directory").and_then(|folder| folder.as_str());
    folder.map(PathBuf::from).ok_or_else(|| "`cargo metadata` names no target folder".to_owned())
}

/// # Errors
/// The Wasm target is not installed: what to do.
pub fn wasm_target_there(settings: &Settings) -> Result<()> {
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let asked = ["--print", "target-libdir", "--target", TARGET];
    let output = command::output(Command::new(rustc).args(asked).current_dir(&settings.root))?;
    let folder = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    if output.status.success() && Path::new(&folder).is_dir() {
        return Ok(());
    }
    // rustup adds it by itself only to a toolchain that it installs anew.
    say!("adding the Rust target {TARGET}");
    let added =
        Command::new("rustup").args(["target", "add", TARGET]).current_dir(&settings.root).status();
    if added.is_ok_and(|status| status.success()) {
        Ok(())
    } else {
        Err(format!(
            "the Rust target `{TARGET}` is not installed: run `rustup target add {TARGET}`{}",
            if output.status.success() {
                String::new()
            } else {
                format!(" ({})", command::printed(&output))
            }
        ))
    }
}
