//! The policies: checked before Envoy sees them, applied again when saved.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, SystemTime};

use crate::settings::Settings;
use crate::{Result, child, command, http, machine};

/// How long Envoy has to take a new policy.
const TAKEN: Duration = Duration::from_secs(5);

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
    /// Every mistake in every policy, `file:line:column: path: message`.
    pub fn check(&self) -> Result<()> {
        self.postern(&["check"], &[&self.folder()]).map(drop)
    }

    /// Renders the policies to where Envoy watches; returns the plugins that
    /// changed with what `postern` says of each.
    ///
    /// # Errors
    /// As [`Policies::check`]; then nothing was written.
    pub fn apply(&mut self) -> Result<Vec<(String, String)>> {
        self.seen = self.look();
        let (to, modules) = (self.settings.rendered(), self.settings.modules());
        let paths = [&self.folder(), Path::new("--to"), &to, Path::new("--modules"), &modules];
        let printed = self.postern(&["apply"], &paths)?;
        let changed = printed.lines().filter_map(|line| {
            let (plugin, what) = line.split_once(": ")?;
            what.strip_prefix("written, ").map(|what| (plugin.to_owned(), what.to_owned()))
        });
        Ok(changed.collect())
    }

    /// Has a policy been saved since it was last applied?
    pub fn saved(&self) -> bool {
        self.look() != self.seen
    }

    /// Applies what was saved and says what became of it: in Envoy's words.
    pub fn follow(&mut self) {
        let before = taken(self.settings.ports.admin);
        match self.apply() {
            Err(error) => say!("policies not applied, the last good ones serve on:\n{error}"),
            Ok(changed) if changed.is_empty() => say!("policies saved, nothing changed"),
            Ok(changed) => {
                for (plugin, version) in changed {
                    say!("{plugin}: {version}: {}", self.outcome(&plugin, &before));
                }
            }
        }
    }

    /// What Envoy made of a new policy.
    fn outcome(&self, plugin: &str, before: &Counts) -> &'static str {
        let admin = self.settings.ports.admin;
        let old = before.get(plugin).copied().unwrap_or_default();
        let found = machine::wait_for(TAKEN, || {
            let now = taken(admin).get(plugin).copied().unwrap_or_default();
            Ok(if now.refused > old.refused {
                Some("refused by Envoy, the last good one serves on; see envoy.log")
            } else if now.taken > old.taken {
                Some("Envoy took it")
            } else {
                None
            })
        });
        match found {
            Ok(Some(outcome)) => outcome,
            Ok(None) if !before.contains_key(plugin) => "no filter of this name in envoy.yaml",
            Ok(None) => "Envoy did not take it in time; see envoy.log",
            Err(_) => "interrupted",
        }
    }

    /// The policies' folder; relative where it is inside the workspace, so that
    /// messages are.
    fn folder(&self) -> PathBuf {
        let folder = &self.settings.policies;
        folder.strip_prefix(&self.settings.root).unwrap_or(folder).to_owned()
    }

    fn look(&self) -> BTreeMap<PathBuf, Stamp> {
        let entries = fs::read_dir(&self.settings.policies).into_iter().flatten().flatten();
        let stamped = entries.filter_map(|entry| {
            let path = entry.path();
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
    let refused = taken(settings.ports.admin).into_iter().find(|(_, count)| count.refused > 0);
    match refused {
        None => Ok(()),
        Some((plugin, _)) => {
            let log = settings.log("envoy");
            Err(format!("Envoy refused the policy of `{plugin}`{}", child::end_of(&log)))
        }
    }
}

/// How often Envoy took and refused a plugin's policy.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Count {
    taken: u64,
    refused: u64,
}

type Counts = BTreeMap<String, Count>;

fn taken(admin: u16) -> Counts {
    let answer = http::get(admin, "/stats?filter=extension_config_discovery");
    answer.map(|a| counts(&a.body)).unwrap_or_default()
}

/// `…extension_config_discovery.http_filter.<plugin>.config_reload: 1`
fn counts(stats: &str) -> Counts {
    let mut out = Counts::new();
    for line in stats.lines() {
        let Some((_, rest)) = line.split_once("extension_config_discovery.http_filter.") else {
            continue;
        };
        let Some((name, value)) = rest.split_once(": ") else { continue };
        let Some((plugin, what)) = name.rsplit_once('.') else { continue };
        let Ok(value) = value.trim().parse::<u64>() else { continue };
        let count = out.entry(plugin.to_owned()).or_default();
        match what {
            "config_reload" => count.taken = value,
            "update_rejected" | "config_fail" | "update_failure" => count.refused += value,
            _ => {}
        }
    }
    out
}

/// The demo's HS256 test secret, unless the caller has set one.
fn demo_secrets(settings: &Settings) -> Vec<(String, String)> {
    let name = "POSTERN_DEMO_HS256";
    if std::env::var_os(name).is_some() {
        return Vec::new();
    }
    let text = fs::read_to_string(settings.root.join("stack/keys/hs256.txt")).unwrap_or_default();
    let secret =
        text.lines().map(str::trim).find(|line| !line.is_empty() && !line.starts_with('#'));
    secret.map(|secret| (name.to_owned(), secret.to_owned())).into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn envoys_counters_are_read_per_plugin() {
        let stats = "extension_config_discovery.http_filter.auth.config_reload: 3\n\
                     extension_config_discovery.http_filter.auth.update_rejected: 1\n\
                     extension_config_discovery.http_filter.auth.update_failure: 2\n\
                     extension_config_discovery.http_filter.rate-limit.config_reload: 1\n\
                     http.http.rq_total: 9\n";
        let counts = counts(stats);
        assert_eq!(counts.get("auth"), Some(&Count { taken: 3, refused: 3 }));
        assert_eq!(counts.get("rate-limit"), Some(&Count { taken: 1, refused: 0 }));
        assert_eq!(counts.len(), 2);
    }
}
