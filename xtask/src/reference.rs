//! `cargo xtask reference`: the pages and schemas of `docs/reference`.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::build::{self, FILTERS};
use crate::settings::Settings;
use crate::{Result, command};

/// Writes what `postern` prints of each filter's policy.
///
/// # Errors
/// What keeps a file from being made or written.
pub fn run(settings: &Settings) -> Result<()> {
    let postern = build::programs(settings)?.join("postern");
    let folder = settings.root.join("docs/reference");
    fs::create_dir_all(&folder).map_err(|e| format!("`{}`: {e}", folder.display()))?;
    for filter in FILTERS {
        write(&postern, &["reference", filter], &folder.join(format!("{filter}.md")))?;
        write(&postern, &["schema", filter], &folder.join(format!("{filter}.schema.json")))?;
    }
    write(&postern, &["reference", "contract"], &folder.join("contract.md"))?;
    write(&postern, &["schema", "contract"], &folder.join("contract.schema.json"))?;
    let included = folder.join("authz-included.schema.json");
    write(&postern, &["schema", "authz", "--included"], &included)?;
    say!("{} is up to date", settings.shown(&folder));
    Ok(())
}

fn write(postern: &Path, arguments: &[&str], file: &Path) -> Result<()> {
    let output = command::output(Command::new(postern).args(arguments))?;
    if !output.status.success() {
        return Err(command::printed(&output));
    }
    fs::write(file, output.stdout).map_err(|e| format!("`{}`: {e}", file.display()))
}
