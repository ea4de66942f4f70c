//! The container engine: the one that runs, or one of our own.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::child::Started;
use crate::settings::Settings;
use crate::state::{self, Process};
use crate::{Result, command, down, machine};

/// How long an engine of our own may take to answer, and to end.
const READY: Duration = Duration::from_secs(60);
const GRACE: Duration = Duration::from_secs(30);

/// How long a question to the engine may take.
const ANSWERED: Duration = Duration::from_secs(30);

/// The longest folder in which the engine's sockets still have short enough names.
const LONGEST: usize = 60;

const INSTALL: &str = "install one (Debian: `apt-get install docker.io docker-compose`)";

/// An engine that answers, and Compose for it.
#[derive(Debug)]
pub struct Engine {
    /// Where it listens, if not where Docker's client looks by itself.
    host: Option<String>,
    compose: &'static [&'static str],
    /// Ours, stopped when dropped.
    daemon: Option<Daemon>,
}

#[derive(Debug)]
struct Daemon {
    process: Started,
    settings: Settings,
    sockets: PathBuf,
    before: Before,
}

/// What a stopped engine would leave behind of its own.
#[derive(Debug)]
struct Before {
    bridge: bool,
    forwards: bool,
}

impl Before {
    fn seen() -> Self {
        let rules = command::within(ANSWERED, Command::new("iptables").args(["-S", "FORWARD"]));
        let policy = "-P FORWARD ACCEPT";
        let forwards = rules.is_ok_and(|rules| {
            String::from_utf8_lossy(&rules.stdout).lines().any(|line| line == policy)
        });
        Before { bridge: Path::new("/sys/class/net/docker0").exists(), forwards }
    }

    /// Forwards again what the machine forwarded, and removes the engine's bridge.
    fn restore(&self) {
        if self.forwards {
            let mut policy = Command::new("iptables");
            let _ = command::within(ANSWERED, policy.args(["-P", "FORWARD", "ACCEPT"]));
        }
        if !self.bridge {
            let mut link = Command::new("ip");
            let _ = command::within(ANSWERED, link.args(["link", "delete", "docker0"]));
        }
    }
}

impl Engine {
    /// The engine that runs.
    ///
    /// # Errors
    /// None does, and what to do.
    pub fn running() -> Result<Self> {
        let compose = compose_found()?;
        match asked(None)? {
            Ok(()) => Ok(Engine { host: None, compose, daemon: None }),
            Err(why) => Err(format!("no container engine answers: {why}\nstart it, or {INSTALL}")),
        }
    }

    /// The engine that runs; where none does, root gets one for this run.
    ///
    /// # Errors
    /// There is none, it cannot be started, or it may not be used: what to do.
    pub fn running_or_started(settings: &Settings) -> Result<Self> {
        let compose = compose_found()?;
        let mut engine = Engine { host: None, compose, daemon: None };
        let Err(why) = asked(None)? else { return Ok(engine) };
        let refused = |what: &str| Err(format!("no container engine answers: {why}\n{what}"));
        if env::var_os("DOCKER_HOST").is_some_and(|host| !host.is_empty()) {
            return refused("it is the one that DOCKER_HOST names: start it, or unset DOCKER_HOST");
        }
        if !nix::unistd::geteuid().is_root() {
            return refused(
                "start it (`systemctl start docker`) with you in the group `docker`; only root \
                 gets one started here",
            );
        }
        let Some(program) = found("dockerd") else {
            return refused(&format!("and there is no `dockerd` to start: {INSTALL}"));
        };
        if found("iptables").is_none() {
            // Without it the containers would start, and not find each other by name.
            return refused("and `dockerd` needs `iptables`: install it");
        }
        engine.start(settings, &program)?;
        Ok(engine)
    }

    /// Starts an engine of our own, whose files are all under `target/engine`.
    fn start(&mut self, settings: &Settings, program: &Path) -> Result<()> {
        let folder = settings.root.join("target/engine");
        let settings = Settings { run: folder.clone(), ..settings.clone() };
        let failed = |e| format!("`{}` cannot be written: {e}", folder.display());
        fs::create_dir_all(&folder).map_err(failed)?;
        stop_leftover(&settings)?;
        let sockets = sockets(&settings.run)?;
        let host = format!("unix://{}", sockets.join("docker.sock").display());
        let mut command = Command::new(program);
        command
            .arg("--data-root")
            .arg(settings.run.join("data"))
            .arg("--exec-root")
            .arg(&sockets)
            .arg("--pidfile")
            .arg(sockets.join("docker.pid"))
            .args(["--host", &host])
            // It looks for containerd and iptables by itself.
            .env("PATH", env::join_paths(folders()).unwrap_or_default());
        let log = settings.log("dockerd");
        let before = Before::seen();
        let process = Started::new("dockerd", &mut command, &log)?.with_grace(GRACE);
        let ours =
            [Process::note("xtask", std::process::id()), Process::note("dockerd", process.pid())];
        state::write(&settings, &ours)?;
        self.host = Some(host);
        let daemon = self.daemon.insert(Daemon { process, settings, sockets, before });
        let mut last = String::new();
        let ready = machine::wait_for(READY, || {
            daemon.process.check()?;
            Ok(asked(self.host.as_deref())?.map_err(|why| last = why).ok())
        });
        match ready {
            Ok(Some(())) => {
                say!("started a container engine for this run, log in {}", log.display());
                Ok(())
            }
            ended => {
                self.daemon = None;
                self.host = None;
                ended.and(Err(format!("`dockerd` did not answer within {READY:?}: {last}")))
            }
        }
    }

    /// Docker's client on this engine.
    pub fn docker(&self) -> Command {
        let mut command = Command::new("docker");
        self.point(&mut command);
        command
    }

    /// Compose on this engine.
    pub fn compose(&self) -> Command {
        let (program, words) = self.compose.split_first().unwrap_or((&"docker-compose", &[]));
        let mut command = Command::new(program);
        command.args(words);
        self.point(&mut command);
        command
    }

    /// Has a program use this engine.
    pub fn point(&self, command: &mut Command) {
        if let Some(host) = &self.host {
            command.env("DOCKER_HOST", host);
        }
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        if self.daemon.is_some() {
            // Of images that a later one replaced; the others make the next run quicker.
            let mut prune = self.docker();
            let _ = command::within(ANSWERED, prune.args(["image", "prune", "--force"]));
        }
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        self.process.stop();
        self.before.restore();
        let _ = fs::remove_dir_all(&self.sockets);
        state::remove(&self.settings);
    }
}

/// Does the engine answer? Else why not.
fn asked(host: Option<&str>) -> Result<std::result::Result<(), String>> {
    let mut info = Command::new("docker");
    info.args(["info", "--format", "{{.ServerVersion}}"]);
    info.envs(host.map(|host| ("DOCKER_HOST", host)));
    let output = command::within(ANSWERED, &mut info).map_err(|e| format!("{e}: {INSTALL}"))?;
    let good = output.status.success() && !output.stdout.trim_ascii().is_empty();
    Ok(if good { Ok(()) } else { Err(command::printed(&output).trim().to_owned()) })
}

/// `docker compose` where it is there, else `docker-compose`.
fn compose_found() -> Result<&'static [&'static str]> {
    const KNOWN: [&[&str]; 2] = [&["docker", "compose"], &["docker-compose"]];
    for words in KNOWN {
        let Some((program, rest)) = words.split_first() else { continue };
        let mut version = Command::new(program);
        version.args(rest).args(["version", "--short"]);
        if command::within(ANSWERED, &mut version).is_ok_and(|output| output.status.success()) {
            return Ok(words);
        }
    }
    Err(format!("neither `docker compose` nor `docker-compose` is there: {INSTALL}"))
}

/// A program of the system, also where its folder is not on a user's PATH.
fn found(program: &str) -> Option<PathBuf> {
    folders().into_iter().map(|folder| folder.join(program)).find(|path| path.is_file())
}

fn folders() -> Vec<PathBuf> {
    let search = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&search).chain(["/usr/sbin".into(), "/sbin".into()]).collect()
}

/// Stops what a run that was killed left behind.
fn stop_leftover(settings: &Settings) -> Result<()> {
    let running: Vec<Process> = state::read(settings)?.into_iter().filter(Process::runs).collect();
    if running.iter().any(|process| process.name == "xtask") {
        return Err("another `cargo xtask test compose` runs in this workspace".to_owned());
    }
    if running.is_empty() { Ok(()) } else { down::run(settings) }
}

/// Where the engine's sockets go: their names may have some hundred bytes only.
fn sockets(folder: &Path) -> Result<PathBuf> {
    let mut sockets = folder.join("exec");
    if sockets.as_os_str().len() > LONGEST {
        sockets = env::temp_dir().join(format!("postern-engine-{}", std::process::id()));
    }
    fs::create_dir_all(&sockets).map_err(|e| format!("`{}`: {e}", sockets.display()))?;
    Ok(sockets)
}
