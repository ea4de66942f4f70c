//! A gateway of a test's own: Envoy with two workers and `auth` alone, before an
//! identity provider that can be killed.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use postern_stack::environment;
use postern_tests::bootstrap::{Wasm, bootstrap, cluster};
use postern_tests::client::{PATIENCE, Wire, send};
use postern_tests::corpus::workspace;
use postern_tests::demo::Demo;
use postern_tests::envoy::{Envoy, free_ports};
use postern_tests::gateway::wait_for;
use postern_tests::observe::Answer;
use postern_tests::server;
use serde_json::{Value, json};

/// An Envoy with `auth` and its identity provider; both are killed when dropped.
pub struct Site {
    pub envoy: Envoy,
    to: SocketAddr,
    idp: Option<Child>,
    listen: String,
}

/// An identity provider that runs, and the ports of the rest.
pub struct Prepared {
    name: &'static str,
    idp: Option<Child>,
    demo: Demo,
    ports: [u16; 3],
}

impl Prepared {
    /// Picks ports; nothing runs yet.
    pub fn new(name: &'static str) -> Result<Self, String> {
        let ports @ [_, gateway, idp] = free_ports()?;
        let demo = Demo::at(gateway, 0, idp, PathBuf::new());
        Ok(Prepared { name, idp: None, demo, ports })
    }

    /// Starts the identity provider first.
    pub fn with_idp(mut self) -> Result<(Self, Demo), String> {
        self.idp = Some(start_idp(self.ports[2])?);
        let demo = self.demo.clone();
        Ok((self, demo))
    }

    /// Starts Envoy with a provider of this name and kind.
    pub fn start(self, provider: &str, kind: &Value) -> Result<Site, String> {
        self.start_with(&json!({"providers": {provider: kind}}), Vec::new())
    }

    /// Starts Envoy with this policy, and routes before the one that takes all.
    pub fn start_with(mut self, policy: &Value, routes: Vec<Value>) -> Result<Site, String> {
        let [admin, gateway, idp] = self.ports;
        let upstream = server::start().map_err(|e| e.to_string())?;
        let folder = workspace().join("target/test-runs/keys").join(self.name);
        fs::create_dir_all(&folder).map_err(|e| e.to_string())?;
        let large = json!({"per_connection_buffer_limit_bytes": 1_048_576});
        let clusters = [cluster("upstream", upstream.port(), &large), cluster("idp", idp, &large)];
        let (policy, variables) = (policy.to_string(), environment::variables().map(|v| v.0));
        let wasm = Wasm { name: "auth", policy: &policy, variables: &variables };
        let text = bootstrap([admin, gateway], wasm, routes, &clusters);
        let (words, secrets) = (["--concurrency", "2"], environment::variables());
        let envoy = Envoy::start_with(&folder, &text.to_string(), admin, &words, &secrets)?;
        let to = SocketAddr::from((Ipv4Addr::LOCALHOST, gateway));
        let listen = format!("127.0.0.1:{idp}");
        Ok(Site { envoy, to, idp: self.idp.take(), listen })
    }
}

fn start_idp(port: u16) -> Result<Child, String> {
    let folder = std::env::var_os("POSTERN_BIN_DIR").map_or_else(
        || {
            let target = std::env::var_os("CARGO_TARGET_DIR");
            target.map_or_else(|| workspace().join("target"), PathBuf::from).join("tool")
        },
        PathBuf::from,
    );
    let program = folder.join("postern-idp");
    let idp = Command::new(&program)
        .args(["--listen", &format!("127.0.0.1:{port}")])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .spawn()
        .map_err(|e| format!("{}: {e}; `cargo xtask build` makes it", program.display()))?;
    let at = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let wire = Wire::get("idp", "/__health", &[]);
    let healthy = || send(at, &wire, Duration::from_secs(1)).ok().filter(|a| a.status == 200);
    wait_for(PATIENCE, healthy).ok_or("the identity provider does not start")?;
    Ok(idp)
}

impl Site {
    /// Sends a request with these lines.
    pub fn send(&self, lines: &[&str]) -> Result<Answer, String> {
        self.send_to("/length", lines)
    }

    /// Sends a request for a path of the upstream with these lines.
    pub fn send_to(&self, path: &str, lines: &[&str]) -> Result<Answer, String> {
        send(self.to, &Wire::get("api.example.com", path, lines), PATIENCE)
    }

    /// Status and code of the answer to a request with this token.
    pub fn bearer(&self, token: &str) -> Result<(u16, String), String> {
        self.send(&[&format!("Authorization: Bearer {token}")]).map(|answer| told(&answer))
    }

    /// Where the gateway listens.
    pub fn address(&self) -> SocketAddr {
        self.to
    }

    pub fn kill_idp(&mut self) {
        if let Some(mut idp) = self.idp.take() {
            let _ = idp.kill();
            let _ = idp.wait();
        }
    }

    pub fn revive_idp(&mut self) -> Result<(), String> {
        let port = self.listen.rsplit(':').next().and_then(|port| port.parse().ok());
        self.idp = Some(start_idp(port.ok_or("no port")?)?);
        Ok(())
    }

    /// A metric of the provider, or of what is revoked.
    pub fn metric(&self, name: &str) -> Result<u64, String> {
        let ends = format!(".{name}");
        let all = self.envoy.stats("postern.auth.")?;
        Ok(all.iter().find(|(n, _)| n.ends_with(&ends)).map_or(0, |(_, value)| *value))
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        self.kill_idp();
    }
}

impl Drop for Prepared {
    fn drop(&mut self) {
        if let Some(mut idp) = self.idp.take() {
            let _ = idp.kill();
            let _ = idp.wait();
        }
    }
}

/// The status and, of a refusal, its code.
pub fn told(answer: &Answer) -> (u16, String) {
    let code = answer.json().and_then(|v| v["code"].as_str().map(str::to_owned));
    (answer.status, code.unwrap_or_default())
}
