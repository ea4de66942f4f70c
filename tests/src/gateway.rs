//! The whole demo on ports and in a folder of its own: `cargo xtask up`.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use postern_stack::environment::variables;

use crate::client::{PATIENCE, Wire, send};
use crate::compile::as_from_a_shell;
use crate::corpus::{Set, workspace};
use crate::demo::Demo;
use crate::envoy::{self, free_ports};

/// How long the demo may take to start, modules and programs to build included.
const START: Duration = Duration::from_secs(900);

/// A running demo; stopped when dropped.
#[derive(Debug)]
pub struct Gateway {
    /// Logs, rendered policies, state.
    pub run: PathBuf,
    /// The policies that this run applies: a copy that a test may edit.
    pub policies: PathBuf,
    ports: [(&'static str, u16); 5],
    demo: Demo,
    /// Held as long as the demo runs.
    lock: Option<fs::File>,
}

impl Gateway {
    /// Starts the demo under a name of its own.
    ///
    /// # Errors
    /// What `cargo xtask up` printed.
    pub fn start(name: &str) -> Result<Self, String> {
        let gateway = Gateway::prepared(name)?;
        gateway.xtask(&["up", "--detach"], START)?;
        Ok(gateway)
    }

    /// The same, with the policies of a set of cases in place of some.
    ///
    /// # Errors
    /// What `cargo xtask up` printed.
    pub fn of_set(set: &Set) -> Result<Self, String> {
        let gateway = Gateway::prepared(&format!("envoy-{}", set.name))?;
        copy(&set.policies, &gateway.policies)?;
        gateway.xtask(&["up", "--detach"], START)?;
        Ok(gateway)
    }

    /// Starts it as a person does who stays to watch.
    ///
    /// # Errors
    /// What `xtask up` printed instead of following the decisions.
    pub fn watched(name: &str) -> Result<(Self, Watched), String> {
        let gateway = Gateway::prepared(name)?;
        let printed = gateway.run.with_extension("xtask.log");
        let child = gateway.command(&gateway.tool("xtask"), &["up"], &printed)?;
        let mut watched = Watched { child, printed };
        watched.wait_for("following the decisions", START)?;
        Ok((gateway, watched))
    }

    /// A folder of policies and free ports; nothing runs yet.
    fn prepared(name: &str) -> Result<Self, String> {
        let run = workspace().join("target/test-runs").join(name);
        let mut gateway = Gateway {
            policies: run.join("policies"),
            ports: [
                ("POSTERN_GATEWAY_PORT", 0),
                ("POSTERN_ADMIN_PORT", 0),
                ("POSTERN_UPSTREAM_PORT", 0),
                ("POSTERN_IDP_PORT", 0),
                ("POSTERN_TLS_PORT", 0),
            ],
            demo: Demo::at(0, 0, 0, run.join("run/access.jsonl")),
            run: run.join("run"),
            lock: None,
        };
        // Two runs of the tests at once would stop each other's demo.
        let folder = workspace().join("target/test-runs");
        fs::create_dir_all(&folder).map_err(|e| format!("{}: {e}", folder.display()))?;
        let lock = fs::File::create(folder.join(format!("{name}.lock")));
        let lock = lock.and_then(|file| file.lock().map(|()| file));
        gateway.lock = Some(lock.map_err(|e| format!("{}: {e}", folder.display()))?);
        // An earlier run that was killed may have left programs behind.
        if gateway.run.join("state.json").exists() {
            gateway.xtask(&["down"], PATIENCE).unwrap_or_default();
        }
        let _ = fs::remove_dir_all(&run);
        copy(&workspace().join("envoy/filters"), &gateway.policies)?;
        fs::create_dir_all(&gateway.run).map_err(|e| e.to_string())?;
        for ((_, port), free) in gateway.ports.iter_mut().zip(free_ports::<5>()?) {
            *port = free;
        }
        let log = gateway.run.join("access.jsonl");
        let [http, _, upstream, idp, tls] = gateway.ports.map(|(_, port)| port);
        gateway.demo = Demo::at(http, upstream, idp, log).with_tls(tls, gateway.run.clone());
        Ok(gateway)
    }

    /// Where the gateway listens for TLS.
    #[must_use]
    pub fn tls(&self) -> SocketAddr {
        self.port(4)
    }

    fn port(&self, index: usize) -> SocketAddr {
        SocketAddr::from((Ipv4Addr::LOCALHOST, self.ports[index].1))
    }

    /// A number of Envoy's statistics; a counter that was never touched is 0.
    ///
    /// # Errors
    /// When the admin interface does not say.
    pub fn stat(&self, name: &str) -> Result<u64, String> {
        let all = self.stats(name)?;
        Ok(all.iter().find(|(n, _)| n == name).map_or(0, |(_, value)| *value))
    }

    /// All numbers of Envoy's statistics whose name contains `part`.
    ///
    /// # Errors
    /// When the admin interface does not say.
    pub fn stats(&self, part: &str) -> Result<Vec<(String, u64)>, String> {
        envoy::stats(self.port(1), part)
    }

    /// The lines of Envoy's statistics as Prometheus gets them.
    ///
    /// # Errors
    /// When the admin interface does not say.
    pub fn prometheus(&self) -> Result<Vec<String>, String> {
        let answer = send(self.port(1), &Wire::get("admin", "/stats/prometheus", &[]), PATIENCE)?;
        Ok(String::from_utf8_lossy(&answer.body).lines().map(str::to_owned).collect())
    }

    /// What a program of the run logged.
    #[must_use]
    pub fn log(&self, program: &str) -> String {
        let bytes = fs::read(self.run.join(format!("{program}.log"))).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// Runs `postern apply` on this run's policies, as `up` does at each save.
    ///
    /// # Errors
    /// What it printed, when it refused.
    pub fn apply(&self) -> Result<(), String> {
        self.apply_with(&workspace().join("target/modules"))
    }

    /// The same, with the modules of another folder.
    ///
    /// # Errors
    /// What it printed, when it refused.
    pub fn apply_with(&self, modules: &Path) -> Result<(), String> {
        let tool = self.tool("postern");
        let output = Command::new(&tool)
            .arg("apply")
            .arg(&self.policies)
            .arg("--to")
            .arg(self.run.join("filters"))
            .arg("--modules")
            .arg(modules)
            .envs(variables())
            .output()
            .map_err(|e| format!("{}: {e}", tool.display()))?;
        let printed = printed(&output.stdout, &output.stderr);
        if output.status.success() { Ok(()) } else { Err(printed) }
    }

    /// A program that `up` built.
    fn tool(&self, name: &str) -> PathBuf {
        if let Some(folder) = std::env::var_os("POSTERN_BIN_DIR") {
            return PathBuf::from(folder).join(name);
        }
        let target = std::env::var_os("CARGO_TARGET_DIR")
            .map_or_else(|| workspace().join("target"), PathBuf::from);
        target.join("tool").join(name)
    }

    fn xtask(&self, arguments: &[&str], patience: Duration) -> Result<(), String> {
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let log = self.run.with_extension("xtask.log");
        let words = [&["xtask"], arguments].concat();
        let mut child = self.command(Path::new(&cargo), &words, &log)?;
        let ended = wait_for(patience, || child.try_wait().ok().flatten());
        let text = fs::read_to_string(&log).unwrap_or_default();
        match ended {
            Some(status) if status.success() => Ok(()),
            Some(status) => Err(format!("cargo xtask {}: {status}\n{text}", arguments.join(" "))),
            None => {
                let _ = child.kill();
                let _ = child.wait();
                Err(format!(
                    "cargo xtask {}: not done in {patience:?}\n{text}",
                    arguments.join(" ")
                ))
            }
        }
    }
}

impl Gateway {
    /// Starts a program of the workspace on this run's ports and folders.
    fn command(&self, program: &Path, words: &[&str], log: &Path) -> Result<Child, String> {
        if let Some(folder) = log.parent() {
            fs::create_dir_all(folder).map_err(|e| e.to_string())?;
        }
        let out = fs::File::create(log).map_err(|e| e.to_string())?;
        let err = out.try_clone().map_err(|e| e.to_string())?;
        let mut command = Command::new(program);
        if words.first() == Some(&"xtask") {
            as_from_a_shell(&mut command);
        }
        command
            .args(words)
            .current_dir(workspace())
            .env("POSTERN_RUN_DIR", &self.run)
            .env("POSTERN_POLICIES", &self.policies)
            .envs(self.ports.iter().map(|(name, port)| (*name, port.max(&1).to_string())))
            .stdin(Stdio::null())
            .stdout(out)
            .stderr(err)
            .spawn()
            .map_err(|e| format!("{}: {e}", program.display()))
    }
}

impl Deref for Gateway {
    type Target = Demo;

    fn deref(&self) -> &Demo {
        &self.demo
    }
}

/// `xtask up` in the foreground; killed when dropped.
#[derive(Debug)]
pub struct Watched {
    child: Child,
    printed: PathBuf,
}

impl Watched {
    /// Waits until it has printed a text.
    ///
    /// # Errors
    /// All that it printed, when the text does not come or it ends before.
    pub fn wait_for(&mut self, text: &str, patience: Duration) -> Result<(), String> {
        let found = wait_for(patience, || {
            if self.printed().contains(text) {
                return Some(true);
            }
            self.child.try_wait().ok().flatten().map(|_| false)
        });
        match found {
            Some(true) => Ok(()),
            _ => Err(format!("`xtask up` did not print `{text}`:\n{}", self.printed())),
        }
    }

    /// All that it printed so far.
    #[must_use]
    pub fn printed(&self) -> String {
        String::from_utf8_lossy(&fs::read(&self.printed).unwrap_or_default()).into_owned()
    }

    /// Presses Ctrl-C and waits until it has ended.
    ///
    /// # Errors
    /// That it does not end, or not well.
    pub fn interrupt(&mut self) -> Result<(), String> {
        let pid = self.child.id().to_string();
        let sent = Command::new("kill").args(["-INT", &pid]).status();
        sent.map_err(|e| format!("kill: {e}"))?;
        let ended = wait_for(Duration::from_secs(30), || self.child.try_wait().ok().flatten());
        match ended {
            Some(status) if status.success() => Ok(()),
            Some(status) => Err(format!("`xtask up`: {status}\n{}", self.printed())),
            None => Err("`xtask up` did not end after Ctrl-C".to_owned()),
        }
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        if self.child.try_wait().is_ok_and(|ended| ended.is_none()) {
            let _ = self.interrupt();
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        if let Err(e) = self.xtask(&["down"], Duration::from_secs(60)) {
            eprintln!("{e}");
        }
    }
}

/// Asks again and again until there is something, at most for `patience`.
pub fn wait_for<T>(patience: Duration, mut ask: impl FnMut() -> Option<T>) -> Option<T> {
    let deadline = Instant::now() + patience;
    loop {
        if let Some(found) = ask() {
            return Some(found);
        }
        if Instant::now() >= deadline {
            return None;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// Whole minutes since 1970, in which aligned windows of a minute are counted.
#[must_use]
pub fn minute() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    now.map_or(0, |now| now.as_secs() / 60)
}

/// Copies the files of a folder into another one, which is made if there is none.
pub(crate) fn copy(from: &Path, to: &Path) -> Result<(), String> {
    fs::create_dir_all(to).map_err(|e| format!("{}: {e}", to.display()))?;
    for entry in fs::read_dir(from).map_err(|e| format!("{}: {e}", from.display()))?.flatten() {
        let target = to.join(entry.file_name());
        fs::copy(entry.path(), &target).map_err(|e| format!("{}: {e}", target.display()))?;
    }
    Ok(())
}

fn printed(out: &[u8], err: &[u8]) -> String {
    format!("{}{}", String::from_utf8_lossy(out), String::from_utf8_lossy(err))
}
