//! One set of the containers: its files, its variables, its life.

use std::fs::{self, DirBuilder, OpenOptions};
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::engine::Engine;
use super::images::Images;
use crate::policies::{Policies, demo_secrets};
use crate::settings::Settings;
use crate::stack::PROBE;
use crate::{Result, command, http, machine, tls};

/// Where Envoy sees the rendered policies.
const SEEN_AS: &str = "/etc/postern/config";

/// How long containers may take to start or to go, pulls and builds excepted.
const STARTED: Duration = Duration::from_secs(180);
const HEALTHY: Duration = Duration::from_secs(180);
const PASSED: Duration = Duration::from_secs(30);
const GONE: Duration = Duration::from_secs(120);

/// A set of containers under a name of its own.
#[derive(Debug)]
pub struct Project {
    name: String,
    /// The settings, with the run's folder and the policies of this set.
    settings: Settings,
    /// Instead of those that docker-compose.yml names.
    pub images: Images,
    /// The ports of a second gateway and its admin, which shares limits with the first.
    pub fleet: Option<[u16; 2]>,
}

impl Project {
    /// Of this name, with its files in a folder.
    pub fn new(settings: &Settings, folder: &Path, name: &str) -> Self {
        let settings = Settings { run: folder.to_owned(), ..settings.clone() };
        Project { name: name.to_owned(), settings, images: Images::default(), fleet: None }
    }

    /// The variables for docker-compose.yml, for those who call Compose themselves.
    pub fn env_file(&self) -> PathBuf {
        self.settings.run.join("env")
    }

    /// The settings as the tour needs them.
    pub fn seen_by_clients(&self) -> Settings {
        Settings { run: self.tls(), ..self.settings.clone() }
    }

    fn tls(&self) -> PathBuf {
        self.settings.run.join("tls")
    }

    /// Writes policies, modules, certificates and variables.
    ///
    /// # Errors
    /// The policy that is wrong, or the file that cannot be written.
    pub fn render(&self, programs: &Path) -> Result<()> {
        let log = self.settings.run.join("log");
        for folder in [&self.settings.rendered(), &self.tls(), &log] {
            // Not for its owner alone: Envoy may be somebody else in its container.
            DirBuilder::new()
                .recursive(true)
                .mode(0o755)
                .create(folder)
                .map_err(|e| format!("`{}`: {e}", folder.display()))?;
        }
        let settings = match self.fleet {
            Some(_) => &self.with_shared_limits()?,
            None => &self.settings,
        };
        let mut policies = Policies::new(settings, programs);
        policies.check()?;
        policies.apply_as(SEEN_AS)?;
        tls::make(&self.tls())?;
        self.write_env_file()
    }

    /// The policies, with limits that gateways share.
    fn with_shared_limits(&self) -> Result<Settings> {
        let folder = self.settings.run.join("shared");
        let failed = |e: std::io::Error| format!("`{}`: {e}", folder.display());
        fs::create_dir_all(&folder).map_err(failed)?;
        for entry in fs::read_dir(&self.settings.policies).map_err(failed)?.flatten() {
            fs::copy(entry.path(), folder.join(entry.file_name())).map_err(failed)?;
        }
        let shared = self.settings.root.join("envoy/fleet/rate-limit.yaml");
        fs::copy(shared, folder.join("rate-limit.yaml")).map_err(failed)?;
        Ok(Settings { policies: folder, ..self.settings.clone() })
    }

    fn write_env_file(&self) -> Result<()> {
        let file = self.env_file();
        let failed = |e| format!("`{}` cannot be written: {e}", file.display());
        let mut text = String::from("# By `cargo xtask compose render`, for docker-compose.yml.\n");
        for (name, value) in self.variables()? {
            text += &format!("{name}={value}\n");
        }
        let beside = file.with_extension("new");
        let _ = fs::remove_file(&beside);
        // It holds what the policies keep out of their files.
        let mut options = OpenOptions::new();
        options.write(true).create_new(true).mode(0o600);
        options
            .open(&beside)
            .and_then(|mut new| new.write_all(text.as_bytes()))
            .and_then(|()| fs::rename(&beside, &file))
            .map_err(failed)
    }

    /// What docker-compose.yml asks for.
    fn variables(&self) -> Result<Vec<(String, String)>> {
        let folder = &self.settings.run;
        let owner = fs::metadata(folder).map_err(|e| format!("`{}`: {e}", folder.display()))?;
        let user = std::env::var("POSTERN_USER")
            .unwrap_or_else(|_| format!("{}:{}", owner.uid(), owner.gid()));
        let mut variables = vec![
            ("COMPOSE_PROJECT_NAME".to_owned(), self.name.clone()),
            ("POSTERN_COMPOSE_DIR".to_owned(), folder.to_string_lossy().into_owned()),
            ("POSTERN_USER".to_owned(), user),
        ];
        let ports = self.settings.ports.named();
        variables.extend(ports.map(|(name, port)| (name.to_owned(), port.to_string())));
        variables.extend(demo_secrets(&self.settings));
        variables.extend(self.images.variables());
        if let Some([gateway, admin]) = self.fleet {
            variables.push(("COMPOSE_PROFILES".to_owned(), "fleet".to_owned()));
            variables.push(("POSTERN_GATEWAY_B_PORT".to_owned(), gateway.to_string()));
            variables.push(("POSTERN_ADMIN_B_PORT".to_owned(), admin.to_string()));
        }
        Ok(variables)
    }

    /// The ports, the folder and all else that whoever asks the containers needs.
    ///
    /// # Errors
    /// The folder is gone.
    pub fn environment(&self) -> Result<Vec<(String, String)>> {
        let policies = self.settings.policies.to_string_lossy().into_owned();
        let mut variables = self.variables()?;
        variables.push(("POSTERN_POLICIES".to_owned(), policies));
        Ok(variables)
    }

    /// A command of Compose on this set.
    pub fn compose(&self, engine: &Engine, words: &[&str]) -> Result<std::process::Command> {
        let mut command = engine.compose();
        command
            .args(["--file", "docker-compose.yml", "--project-name", &self.name])
            .args(words)
            .current_dir(&self.settings.root)
            .envs(self.variables()?);
        Ok(command)
    }

    /// Starts the containers and waits until all are healthy and a request passes.
    ///
    /// # Errors
    /// What they did instead, with the end of what they logged.
    pub fn up(&self, engine: &Engine) -> Result<()> {
        if !self.images.given() {
            // May take minutes: it shows what it does, and Ctrl-C ends it.
            let built = command::run(&mut self.compose(engine, &["build"])?)?;
            if !built.success() {
                return Err(format!("the stack's image cannot be built (see above): {NO_IMAGE}"));
            }
        }
        say!("starting the containers of `{}`", self.name);
        // Anew also where they run: the certificates are, and are read at the start.
        let words = ["up", "--detach", "--no-build", "--force-recreate"];
        let mut up = self.compose(engine, &words)?;
        let started = command::within(STARTED, &mut up)?;
        if !started.status.success() {
            return Err(self.logs(engine, &command::printed(&started)));
        }
        let healthy = machine::wait_for(HEALTHY, || self.all_healthy(engine))?;
        healthy.ok_or_else(|| self.logs(engine, &format!("not healthy within {HEALTHY:?}")))?;
        let port = self.settings.ports.gateway;
        let mut last = None;
        let passed = machine::wait_for(PASSED, || {
            last = http::get(port, PROBE).map(|answer| answer.status);
            Ok(last.filter(|status| *status == 200))
        })?;
        if passed.is_none() {
            let seen = last.map_or("no answer".to_owned(), |status| format!("status {status}"));
            return Err(self.logs(engine, &format!("GET {PROBE} does not pass: {seen}")));
        }
        say!("  all healthy; a request has passed: GET {PROBE}");
        Ok(())
    }

    /// Is each container healthy?
    fn all_healthy(&self, engine: &Engine) -> Result<Option<()>> {
        let ids = command::within(GONE, &mut self.compose(engine, &["ps", "--quiet"])?)?;
        let ids = String::from_utf8_lossy(&ids.stdout).into_owned();
        let format = "{{.Name}} {{.State.Status}} {{.State.Health.Status}}";
        let mut inspect = engine.docker();
        inspect.args(["inspect", "--format", format]).args(ids.split_whitespace());
        let output = command::within(GONE, &mut inspect)?;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        health(&text, if self.fleet.is_some() { FLEET } else { SERVICES })
            .map_err(|line| self.logs(engine, &line))
    }

    /// What went wrong, and the end of what the containers logged.
    fn logs(&self, engine: &Engine, problem: &str) -> String {
        let logs = self.compose(engine, &["logs", "--no-color", "--tail", "20"]);
        let logs = logs.and_then(|mut logs| command::within(GONE, &mut logs));
        let logs = logs.map_or_else(|e| e, |output| command::printed(&output));
        format!("the containers of `{}`: {problem}\n{logs}", self.name)
    }

    /// Removes the containers, their network and their volumes.
    ///
    /// # Errors
    /// What they cannot be removed for.
    pub fn down(&self, engine: &Engine) -> Result<()> {
        let words = ["down", "--volumes", "--remove-orphans", "--timeout", "5"];
        let mut down = self.compose(engine, &words)?;
        let output = command::within(GONE, &mut down)?;
        if output.status.success() { Ok(()) } else { Err(command::printed(&output)) }
    }
}

/// What to do where no image can be pulled.
pub const NO_IMAGE: &str =
    "where none can be pulled, POSTERN_STANDIN=1 makes stand-ins out of this machine's files";

/// The services of docker-compose.yml.
const SERVICES: usize = 3;

/// With those of the profile `fleet`.
const FLEET: usize = 6;

/// Reads a line per container, `name state health`. An error is the line of one
/// that will not come up any more.
fn health(lines: &str, wanted: usize) -> std::result::Result<Option<()>, String> {
    let mut healthy = 0;
    for line in lines.lines() {
        let mut words = line.split_whitespace().skip(1);
        match (words.next(), words.next()) {
            (Some("running"), Some("healthy")) => healthy += 1,
            (Some("exited" | "dead"), _) | (_, Some("unhealthy")) => return Err(line.to_owned()),
            // One that ends at once is restarted, and is to be seen as such.
            (Some("restarting"), _) => return Err(line.to_owned()),
            _ => {}
        }
    }
    Ok((healthy >= wanted).then_some(()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_have_to_be_healthy() {
        let line = |health: &str| format!("/p_envoy_1 running {health}\n");
        assert_eq!(health(&line("healthy").repeat(3), 3), Ok(Some(())));
        assert_eq!(health(&line("healthy").repeat(2), 3), Ok(None));
        assert_eq!(health(&(line("healthy").repeat(2) + &line("starting")), 3), Ok(None));
        assert_eq!(health("", 3), Ok(None));
    }

    #[test]
    fn one_that_died_is_named() {
        for bad in ["restarting starting", "exited unhealthy", "running unhealthy"] {
            let line = format!("/p_envoy_1 {bad}");
            assert_eq!(health(&line, 3), Err(line));
        }
    }
}
