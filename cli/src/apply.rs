//! Check, render, and rename into place: all or nothing. What Envoy refuses gives
//! place again to what was there.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use postern_core::digest;

use crate::finding::Finding;
use crate::policy::{Checked, files_of};
use crate::render;

/// Where rendered files go, and where modules come from.
#[derive(Clone, Debug)]
pub struct Target {
    /// The folder that Envoy watches.
    pub to: PathBuf,
    /// The folder of `<filter>.wasm`.
    pub modules: PathBuf,
    /// `to` as Envoy sees it, if it runs elsewhere (a container).
    pub seen_as: Option<PathBuf>,
}

/// What became of one plugin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Applied {
    /// The plugin.
    pub plugin: String,
    /// The version of its policy.
    pub version: String,
    /// Was anything written? The same policy with the same module is left alone.
    pub changed: bool,
    /// What the file held before, if there was one and it could be read.
    pub former: Option<Vec<u8>>,
}

/// Renders checked policies into the folder that Envoy watches. A module is
/// copied under its digest, so that a new build is a new file name. The modules of
/// before stay until [`prune`]: what was there may be wanted again.
///
/// # Errors
/// The file that could not be read or written; what was there before is whole.
pub fn apply(checked: &[Checked], target: &Target) -> Result<Vec<Applied>, Finding> {
    let folder = target.to.join("modules");
    fs::create_dir_all(&folder).map_err(|e| unwritable(&folder, &e))?;
    // Everything that can fail for want of a file comes before the first rename.
    let mut ready = Vec::new();
    for one in checked {
        let source = target.modules.join(format!("{}.wasm", one.policy.kind.name()));
        let module = fs::read(&source)
            .map_err(|e| Finding::of_file(&source, format!("the module cannot be read: {e}")))?;
        let name = format!("{}-{}.wasm", one.policy.kind.name(), digest::version(&module));
        let copy = folder.join(&name);
        if !copy.exists() {
            replace(&copy, &module).map_err(|e| unwritable(&copy, &e))?;
        }
        let seen = match &target.seen_as {
            Some(root) => root.join("modules").join(&name),
            None => fs::canonicalize(&copy).map_err(|e| unwritable(&copy, &e))?,
        };
        ready.push((one, render::resource(one, &seen).to_string()));
    }
    let mut done = Vec::new();
    for (one, text) in ready {
        let file = target.to.join(format!("{}.json", one.policy.plugin));
        let former = fs::read(&file).ok();
        let changed = former.as_deref() != Some(text.as_bytes());
        if changed {
            replace(&file, text.as_bytes()).map_err(|e| unwritable(&file, &e))?;
        }
        done.push(Applied {
            plugin: one.policy.plugin.clone(),
            version: render::version(one),
            changed,
            former,
        });
    }
    Ok(done)
}

/// Puts back what the file of a plugin held before: an Envoy that starts with a
/// policy that it refuses answers 500 to everything. `false`: there was nothing.
///
/// # Errors
/// The file that could not be written.
pub fn put_back(one: &Applied, to: &Path) -> Result<bool, Finding> {
    let file = to.join(format!("{}.json", one.plugin));
    let Some(former) = &one.former else { return Ok(false) };
    replace(&file, former).map_err(|e| unwritable(&file, &e))?;
    Ok(true)
}

/// Writes beside the file and renames: a reader sees the old or the new one.
fn replace(file: &Path, bytes: &[u8]) -> io::Result<()> {
    let name = file.file_name().unwrap_or_default().to_string_lossy();
    let beside = file.with_file_name(format!(".{name}.{}", std::process::id()));
    let written = fs::File::create(&beside).and_then(|mut out| {
        out.write_all(bytes)?;
        out.sync_all()
    });
    let renamed = written.and_then(|()| fs::rename(&beside, file));
    if renamed.is_err() {
        let _ = fs::remove_file(&beside);
    }
    renamed
}

/// Removes modules that no rendered file names any more. Envoy keeps the one
/// that it runs in memory.
pub fn prune(to: &Path) {
    let texts: Vec<String> = files_of(to)
        .unwrap_or_default()
        .iter()
        .filter_map(|file| fs::read_to_string(file).ok())
        .collect();
    for entry in fs::read_dir(to.join("modules")).into_iter().flatten().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        if name.ends_with(".wasm") && !texts.iter().any(|text| text.contains(&name)) {
            let _ = fs::remove_file(entry.path());
        }
    }
}

fn unwritable(file: &Path, error: &io::Error) -> Finding {
    Finding::of_file(file, format!("cannot be written: {error}"))
}
