//! An Envoy of a test's own, with a bootstrap of its own.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use crate::client::{PATIENCE, Wire, send};
use crate::corpus::workspace;
use crate::gateway::wait_for;

/// A running Envoy; killed when dropped.
#[derive(Debug)]
pub struct Envoy {
    process: Child,
    admin: SocketAddr,
    /// Its log.
    pub log: PathBuf,
}

impl Envoy {
    /// Starts it with two workers and waits until it is live.
    ///
    /// # Errors
    /// That it is not, with its log.
    pub fn start(folder: &Path, bootstrap: &str, admin: u16) -> Result<Self, String> {
        Envoy::start_with(folder, bootstrap, admin, &["--concurrency", "2"], &[])
    }

    /// Starts it with further words on its command line and with variables, and
    /// waits until it is live.
    ///
    /// # Errors
    /// That it is not, with its log.
    pub fn start_with(
        folder: &Path,
        bootstrap: &str,
        admin: u16,
        words: &[&str],
        environment: &[(&str, String)],
    ) -> Result<Self, String> {
        let mut envoy = Envoy::spawn(folder, bootstrap, admin, words, environment)?;
        let ready = wait_for(Duration::from_secs(60), || {
            if envoy.process.try_wait().ok().flatten().is_some() {
                return Some(false);
            }
            let answer =
                send(envoy.admin, &Wire::get("admin", "/ready", &[]), Duration::from_secs(1));
            answer.ok().filter(|a| a.status == 200).map(|_| true)
        });
        if ready == Some(true) {
            return Ok(envoy);
        }
        Err(format!("Envoy did not start:\n{}", envoy.printed()))
    }

    /// Starts it and does not wait.
    ///
    /// # Errors
    /// That it cannot be started.
    pub fn spawn(
        folder: &Path,
        bootstrap: &str,
        admin: u16,
        words: &[&str],
        environment: &[(&str, String)],
    ) -> Result<Self, String> {
        fs::create_dir_all(folder).map_err(|e| format!("{}: {e}", folder.display()))?;
        let file = folder.join("envoy.yaml");
        fs::write(&file, bootstrap).map_err(|e| e.to_string())?;
        let log = folder.join("envoy.log");
        let out = fs::File::create(&log).map_err(|e| e.to_string())?;
        let err = out.try_clone().map_err(|e| e.to_string())?;
        let process = Command::new(binary()?)
            .arg("--config-path")
            .arg(&file)
            .args(["--use-dynamic-base-id", "--log-level", "warning"])
            .args(words)
            .envs(environment.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .stdout(out)
            .stderr(err)
            .spawn()
            .map_err(|e| format!("Envoy: {e}"))?;
        let admin = SocketAddr::from((Ipv4Addr::LOCALHOST, admin));
        Ok(Envoy { process, admin, log })
    }

    /// Its process id.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.process.id()
    }

    /// The end of what it logged so far.
    #[must_use]
    pub fn printed(&self) -> String {
        let text = fs::read_to_string(&self.log).unwrap_or_default();
        let from = text.char_indices().rev().nth(3_000).map_or(0, |(at, _)| at);
        text.get(from..).unwrap_or_default().to_owned()
    }

    /// All numbers of its statistics whose name contains `part`.
    ///
    /// # Errors
    /// When the admin interface does not answer.
    pub fn stats(&self, part: &str) -> Result<Vec<(String, u64)>, String> {
        stats(self.admin, part)
    }

    /// Waits until the number of that name, which Envoy keeps itself, is `expected`.
    ///
    /// # Errors
    /// What it is instead.
    pub fn wait_for_stat(&self, name: &str, expected: u64) -> Result<(), String> {
        let mut last = None;
        let reached = || {
            let all = stats_now(self.admin, name).ok()?;
            last = all.iter().find(|(n, _)| n == name).map(|(_, value)| *value);
            (last == Some(expected)).then_some(())
        };
        wait_for(PATIENCE, reached).ok_or(format!("{name}: expected {expected}, got {last:?}"))
    }
}

impl Drop for Envoy {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// All numbers of an Envoy's statistics whose name contains `part`. Filters tell what
/// they count some milliseconds late, so these are read until they stand still; where
/// there is always something to count, not for long.
///
/// # Errors
/// When the admin interface does not answer.
pub fn stats(admin: SocketAddr, part: &str) -> Result<Vec<(String, u64)>, String> {
    let mut last = stats_now(admin, part)?;
    let mut still = 0;
    for _ in 0..MOST_READINGS {
        std::thread::sleep(BETWEEN_READINGS);
        let now = stats_now(admin, part)?;
        still = if now == last { still + 1 } else { 0 };
        last = now;
        if still == READINGS_ALIKE {
            break;
        }
    }
    Ok(last)
}

const BETWEEN_READINGS: Duration = Duration::from_millis(15);
const READINGS_ALIKE: u32 = 3;
const MOST_READINGS: u32 = 12;

fn stats_now(admin: SocketAddr, part: &str) -> Result<Vec<(String, u64)>, String> {
    let answer = send(admin, &Wire::get("admin", "/stats", &[]), PATIENCE)?;
    let text = String::from_utf8_lossy(&answer.body);
    Ok(text
        .lines()
        .filter_map(|line| line.split_once(": "))
        .filter(|(name, _)| name.contains(part))
        .filter_map(|(name, value)| Some((name.to_owned(), value.trim().parse().ok()?)))
        .collect())
}

/// `$ENVOY`, PATH, or the one that `cargo xtask up` installed.
///
/// # Errors
/// When there is none.
pub fn binary() -> Result<PathBuf, String> {
    if let Some(given) = std::env::var_os("ENVOY").filter(|v| !v.is_empty()) {
        return Ok(PathBuf::from(given));
    }
    let search = std::env::var_os("PATH").unwrap_or_default();
    let on_path = std::env::split_paths(&search).map(|folder| folder.join("envoy"));
    let libraries = workspace().join("target/envoy/lib");
    let installed = fs::read_dir(libraries).into_iter().flatten().flatten();
    let installed = installed.map(|python| python.path().join("site-packages/envoy/_bin/envoy"));
    on_path
        .chain(installed)
        .find(|path| path.is_file())
        .ok_or_else(|| "no Envoy: set ENVOY, or run `cargo xtask up` once".to_owned())
}

/// As many ports that nobody listens on now.
///
/// # Errors
/// When there are none.
pub fn free_ports<const N: usize>() -> Result<[u16; N], String> {
    let mut ports = [0; N];
    let mut held = Vec::new();
    for port in &mut ports {
        let listener = TcpListener::bind("127.0.0.1:0").map_err(|e| e.to_string())?;
        *port = listener.local_addr().map_err(|e| e.to_string())?.port();
        held.push(listener);
    }
    Ok(ports)
}
