//! The policies: checked before Envoy sees them, applied again when saved.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::SystemTime;

use crate::settings::Settings;
use crate::{Result, child, command, http};

/// The policies of one run, applied by the command line tool `postern`.
#[derive(Debug)]
pub struct Policies<'a> {
    settings: &'a Settings,
    postern: PathBuf,
    environment: Vec<(String, String)>,
    seen: BTreeMap<PathBuf, Stamp>,
}

/// What a file looks like from outside.
type Stamp = (SystemTime, u64);

impl<'a> Policies<'a> {
    /// `programs` is the folder of the tool `postern`.
    pub fn new(settings: &'a Settings, programs: &Path) -> Self {
        Policies {
            settings,
            postern: programs.join("postern"),
            environment: demo_secrets(settings),
            seen: BTreeMap::new(),
        }
    }

    /// The variables that policies name; Envoy needs them too.
    pub fn environment(&self) -> &[(String, String)] {
        &self.environment
    }

    /// # Errors
    /// Every mistake in every policy and in the bootstrap that mounts them,
    /// `file:line:column: path: message`.
    pub fn check(&self) -> Result<()> {
        self.postern(&["check"], &[&self.folder(), Path::new("envoy/envoy.yaml")]).map(drop)
    }

    /// Renders the policies to where Envoy watches.
    ///
    /// # Errors
    /// As [`Policies::check`]; then nothing was written.
    pub fn apply(&mut self) -> Result<()> {
        self.applied(&[]).map(drop)
    }

    /// Renders them to where an Envoy watches that sees the folder under another
    /// path.
    ///
    /// # Errors
    /// As [`Policies::check`]; then nothing was written.
    pub fn apply_as(&mut self, seen_as: &str) -> Result<()> {
        self.applied(&["--seen-as", seen_as]).map(drop)
    }

    /// What `postern apply` printed.
    fn applied(&mut self, words: &[&str]) -> Result<String> {
        self.seen = self.look();
        let (to, modules) = (self.settings.rendered(), self.settings.modules());
        let paths = [&self.folder(), Path::new("--to"), &to, Path::new("--modules"), &modules];
        self.postern(&[&["apply"], words].concat(), &paths)
    }

    /// Has a policy been saved since it was last applied?
    pub fn saved(&self) -> bool {
        self.look() != self.seen
    }

    /// Applies what was saved and says what became of it.
    pub fn follow(&mut self) {
        let admin = format!("127.0.0.1:{}", self.settings.ports.admin);
        match self.applied(&["--wait", &admin]) {
            Err(error) => {
                // What is wrong with a policy stands at its place, and what became of one that
                // was written at what was written.
                let written = self.settings.rendered();
                let shown = self.settings.shown(&written).to_string();
                let what = if error.lines().any(|line| line.starts_with(&shown)) {
                    "not all policies are in force"
                } else {
                    "policies not applied, the last good ones serve on"
                };
                say!("{what}:\n{error}");
            }
            Ok(printed) => {
                let written: Vec<&str> =
                    printed.lines().filter(|line| line.contains(": written, ")).collect();
                if written.is_empty() {
                    say!("policies saved, nothing changed");
                }
                for line in written {
                    say!("{line}");
                }
            }
        }
    }

    /// The policies' folder; relative where it is inside the workspace, so that
    /// messages are.
    fn folder(&self) -> PathBuf {
        let folder = &self.settings.policies;
        folder.strip_prefix(&self.settings.root).unwrap_or(folder).to_owned()
    }

    fn look(&self) -> BTreeMap<PathBuf, Stamp> {
        let within = |folder: &Path| {
            let entries = fs::read_dir(folder).into_iter().flatten().flatten();
            entries.map(|entry| entry.path()).collect::<Vec<_>>()
        };
        // A policy may include files of a folder beside it.
        let beside = within(&self.settings.policies);
        let included: Vec<PathBuf> = beside.iter().flat_map(|path| within(path)).collect();
        let stamped = beside.into_iter().chain(included).filter_map(|path| {
            let policy = path.extension().is_some_and(|e| e == "yaml" || e == "yml" || e == "json");
            let metadata = fs::metadata(&path).ok().filter(|_| policy)?;
            Some((path, (metadata.modified().ok()?, metadata.len())))
        });
        stamped.collect()
    }

    fn postern(&self, words: &[&str], paths: &[&Path]) -> Result<String> {
        let mut command = Command::new(&self.postern);
        command.args(words).args(paths).current_dir(&self.settings.root);
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        let output = command::output(&mut command)?;
        if output.status.success() {
            Ok(String::from_utf8_lossy(&output.stdout).into_owned())
        } else {
            Err(command::printed(&output))
        }
    }
}

/// # Errors
/// A plugin whose policy Envoy, or the filter itself, refused.
pub fn none_refused(settings: &Settings) -> Result<()> {
    let admin = settings.ports.admin;
    let stats = http::get(admin, "/stats?filter=extension_config_discovery");
    match stats.and_then(|answer| refused(&answer.body).map(str::to_owned)) {
        None => Ok(()),
        Some(plugin) => {
            let log = settings.log("envoy");
            Err(format!("Envoy refused the policy of `{plugin}`{}", child::end_of(&log)))
        }
    }
}

/// `…extension_config_discovery.http_filter.<plugin>.update_rejected: 1`
fn refused(stats: &str) -> Option<&str> {
    stats.lines().find_map(|line| {
        let (_, rest) = line.split_once("extension_config_discovery.http_filter.")?;
        let (name, value) = rest.split_once(": ")?;
        let (plugin, what) = name.rsplit_once('.')?;
        let bad = matches!(what, "update_rejected" | "config_fail" | "update_failure");
        (bad && value.trim() != "0").then_some(plugin)
    })
}

/// The variables that the demo's policies name, and where the demo's own values stand.
const DEMO_SECRETS: [(&str, &str); 3] = [
    ("POSTERN_DEMO_HS256", "stack/keys/hs256.txt"),
    ("POSTERN_DEMO_INTROSPECTION_SECRET", "stack/keys/introspection.txt"),
    ("POSTERN_DEMO_EMBERLINE_SECRET", "stack/keys/emberline.txt"),
];

/// The caller's secrets, else the demo's.
pub fn demo_secrets(settings: &Settings) -> Vec<(String, String)> {
    let secret = |(name, file): (&str, &str)| {
        if let Ok(given) = std::env::var(name) {
            return Some((name.to_owned(), given));
        }
        let text = fs::read_to_string(settings.root.join(file)).ok()?;
        let mut lines = text.lines().map(str::trim);
        let value = lines.find(|line| !line.is_empty() && !line.starts_with('#'))?;
        Some((name.to_owned(), value.to_owned()))
    };
    DEMO_SECRETS.into_iter().filter_map(secret).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refused_policy_is_named() {
        let stat =
            |what: &str| format!("extension_config_discovery.http_filter.rate-limit.{what}\n");
        let good = stat("config_reload: 3") + &stat("update_rejected: 0");
        assert_eq!(refused(&good), None);
        for bad in ["update_rejected: 1", "config_fail: 2", "update_failure: 1"] {
            assert_eq!(refused(&(good.clone() + &stat(bad))), Some("rate-limit"));
        }
    }
}
