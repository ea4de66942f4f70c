//! The programs of the demo: upstream, identity provider, Envoy.

use std::net::{Ipv4Addr, TcpListener};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use crate::child::{Started, end_of};
use crate::settings::{Ports, Settings};
use crate::state::{self, Process};
use crate::{Result, http, machine, policies};

/// How long each program has to be ready.
const READY: Duration = Duration::from_secs(30);

/// A public request of the demo, sent to see that all of it works.
pub const PROBE: &str = "/v1/market/total-items.json";

/// What was started; stopped when dropped, unless kept.
#[derive(Debug, Default)]
pub struct Stack {
    children: Vec<Started>,
}

impl Stack {
    /// Starts the demo's servers, out of the folder `programs`.
    ///
    /// # Errors
    /// The one that does not come up.
    pub fn servers(&mut self, settings: &Settings, programs: &Path) -> Result<()> {
        let ports = settings.ports;
        self.server(settings, programs, "upstream", ports.upstream, "/__health")?;
        self.server(settings, programs, "idp", ports.idp, "/.well-known/jwks.json")
    }

    fn server(
        &mut self,
        settings: &Settings,
        programs: &Path,
        name: &'static str,
        port: u16,
        path: &str,
    ) -> Result<()> {
        let mut command = Command::new(programs.join(format!("postern-{name}")));
        command.arg("--listen").arg(format!("127.0.0.1:{port}"));
        self.start(settings, name, &mut command)?;
        let ready = self.wait(|| http::get(port, path).filter(|a| a.status == 200).map(drop))?;
        let log = settings.log(name);
        ready.ok_or_else(|| {
            format!("{name} did not answer on port {port} within {READY:?}{}", end_of(&log))
        })?;
        say!("  {name} on 127.0.0.1:{port}");
        Ok(())
    }

    /// Starts Envoy and waits until a request has passed it.
    ///
    /// # Errors
    /// It does not come up, or the request does not pass.
    pub fn envoy(
        &mut self,
        settings: &Settings,
        envoy: &Path,
        bootstrap: &Path,
        environment: &[(String, String)],
    ) -> Result<()> {
        let ports = settings.ports;
        let mut command = Command::new(envoy);
        command
            .arg("--config-path")
            .arg(bootstrap)
            .args(["--concurrency", "2", "--disable-hot-restart", "--drain-time-s", "5"])
            .args(["--log-level", "info", "--file-flush-interval-msec", "100"])
            .envs(environment.iter().map(|(name, value)| (name, value)));
        self.start(settings, "envoy", &mut command)?;
        let log = settings.log("envoy");
        let live = |path: &str| http::get(ports.admin, path).filter(|a| a.status == 200);
        self.wait(|| live("/ready"))?
            .ok_or_else(|| format!("Envoy was not ready within {READY:?}{}", end_of(&log)))?;
        let mut last = None;
        let passed = machine::wait_for(READY, || {
            self.check()?;
            policies::none_refused(settings)?;
            last = http::get(ports.gateway, PROBE).map(|answer| answer.status);
            Ok(last.filter(|status| *status < 500))
        })?;
        let seen = last.map_or("no answer".to_owned(), |status| format!("status {status}"));
        if passed.is_none() {
            return Err(format!(
                "no request passed the gateway within {READY:?}: {seen}{}",
                end_of(&log)
            ));
        }
        say!(
            "  Envoy on 127.0.0.1:{}, https on 127.0.0.1:{}, admin on 127.0.0.1:{}",
            ports.gateway,
            ports.tls,
            ports.admin
        );
        say!("  a request has passed: GET {PROBE}, {seen}");
        Ok(())
    }

    fn start(
        &mut self,
        settings: &Settings,
        name: &'static str,
        command: &mut Command,
    ) -> Result<()> {
        machine::go_on()?;
        self.children.push(Started::new(name, command, &settings.log(name))?);
        self.note(settings, true)
    }

    fn wait<T>(&mut self, mut look: impl FnMut() -> Option<T>) -> Result<Option<T>> {
        machine::wait_for(READY, || {
            self.check()?;
            Ok(look())
        })
    }

    /// # Errors
    /// The first program that died, with the end of its log.
    pub fn check(&mut self) -> Result<()> {
        self.children.iter_mut().try_for_each(Started::check)
    }

    /// Leaves the programs running when xtask ends.
    ///
    /// # Errors
    /// The state that cannot be written: then nothing is kept.
    pub fn keep(mut self, settings: &Settings) -> Result<()> {
        self.note(settings, false)?;
        self.children.iter_mut().for_each(Started::keep);
        Ok(())
    }

    /// Writes down what runs, with xtask itself while it watches over it.
    fn note(&self, settings: &Settings, watched: bool) -> Result<()> {
        let watcher = watched.then(|| Process::note("xtask", std::process::id()));
        let programs = self.children.iter().map(|child| Process::note(child.name, child.pid()));
        state::write(settings, &watcher.into_iter().chain(programs).collect::<Vec<_>>())
    }
}

impl Drop for Stack {
    fn drop(&mut self) {
        // Envoy first, so that nothing is served half.
        while let Some(child) = self.children.pop() {
            drop(child);
        }
    }
}

/// # Errors
/// Each port that is taken, with the variable that moves it.
pub fn ports_free(ports: &Ports) -> Result<()> {
    let taken: Vec<String> = ports
        .named()
        .into_iter()
        .filter_map(|(name, port)| {
            let error = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).err()?;
            Some(format!("port {port} cannot be had ({error}): set {name} to another one"))
        })
        .collect();
    if taken.is_empty() { Ok(()) } else { Err(taken.join("\n       ")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_taken_port_is_named_with_its_variable() {
        let held = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = held.local_addr().unwrap().port();
        let ports = Ports { gateway: port, tls: 0, admin: 0, upstream: 0, idp: 0 };
        let error = ports_free(&ports).unwrap_err();
        assert!(error.starts_with(&format!("port {port} cannot be had")), "{error}");
        assert!(error.ends_with("set POSTERN_GATEWAY_PORT to another one"), "{error}");
        // Port 0 is any that is free.
        assert_eq!(ports_free(&Ports { gateway: 0, ..ports }), Ok(()));
    }
}
