//! Filters that the tests bring themselves.

use std::path::PathBuf;
use std::process::Command;

use crate::corpus::workspace;

/// Compiles a package of the workspace to Wasm, as the four filters are. Whatever is
/// made by `filters/host` still has to be finished.
///
/// # Errors
/// What the compiler printed.
pub fn filter(package: &str, features: &[&str]) -> Result<Vec<u8>, String> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = as_from_a_shell(&mut Command::new(cargo))
        .args(["rustc", "--quiet", "--release", "--target", "wasm32-wasip1"])
        .args(["--package", package, "--crate-type", "cdylib"])
        .args(["--features", &features.join(",")])
        .current_dir(workspace())
        .output()
        .map_err(|e| format!("cargo: {e}"))?;
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into_owned());
    }
    let target = std::env::var_os("CARGO_TARGET_DIR")
        .map_or_else(|| workspace().join("target"), PathBuf::from);
    let file = target.join("wasm32-wasip1/release").join(package.replace('-', "_"));
    let file = file.with_extension("wasm");
    std::fs::read(&file).map_err(|e| format!("{}: {e}", file.display()))
}

/// Takes away what an outer cargo says of its package, by which `ring`, and all above it,
/// would be compiled anew each time.
pub fn as_from_a_shell(command: &mut Command) -> &mut Command {
    for (name, _) in std::env::vars_os() {
        let told = ["CARGO_PKG_", "CARGO_MANIFEST_"].map(str::as_bytes);
        if told.iter().any(|prefix| name.as_encoded_bytes().starts_with(prefix)) {
            command.env_remove(name);
        }
    }
    command
}
