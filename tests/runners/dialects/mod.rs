//! What clients are told on a real Envoy: read by libraries that others wrote, acted on by
//! clients that others wrote, and made of what stock filters and other servers report.

mod clients;
mod observe;
mod oracle;
mod read;

use std::io::{BufRead, BufReader};
use std::net::{Ipv4Addr, SocketAddr};
use std::process::{Child, Command, Stdio};

use postern_tests::bootstrap::modules;
use postern_tests::corpus::workspace;
use postern_tests::envoy::{Envoy, free_ports};
use postern_tests::python::{self, Node};
use postern_tests::rls::{self, Status};
use serde_json::{Value, json};

/// An Envoy with four listeners, and who counts behind them.
pub struct Told {
    envoy: Envoy,
    python: std::path::PathBuf,
    node: Node,
    said: SocketAddr,
    local: SocketAddr,
    global: SocketAddr,
    express: SocketAddr,
    _server: Server,
}

/// A test of what is told.
pub type Test = fn(&Told) -> Result<(), String>;

/// All of them.
pub const ALL: &[(&str, Test)] = &[
    ("http_sf_and_pygithub_read_every_dialect", read::http_sf),
    ("ratelimit_header_parser_reads_them", read::header_parser),
    ("urllib3_requests_pygithub_and_tweepy_wait_as_told", clients::wait),
    ("reports_of_envoys_local_rate_limit", observe::local),
    ("reports_of_envoys_global_rate_limit", observe::global),
    ("reports_of_express_rate_limit", observe::express),
    ("counts_of_fixed_windows_are_those_of_limits", oracle::fixed_windows),
    ("counts_of_sliding_windows_are_those_of_limits", oracle::sliding_windows),
    ("nothing_trapped", nothing_trapped),
];

const DIALECTS: [&str; 7] = ["ietf", "draft_7", "draft_3", "github", "twitter", "legacy", "none"];

/// What the service behind the global rate limit says.
const STATUSES: [Status; 2] = [
    Status { quota: 1000, unit: 4, name: "per-day", remaining: 900, reset: 99 },
    Status { quota: 10, unit: 3, name: "per-ip", remaining: 4, reset: 33 },
];

impl Told {
    /// Installs the libraries and starts all of it.
    pub fn start() -> Result<Self, String> {
        let python = python::with("limits-python", "tests/libraries/limits/requirements.txt")?;
        let node = python::node(&python, "limits-node", "tests/libraries/limits")?;
        let modules = modules();
        let service = rls::start(&STATUSES)?;
        let [admin, said, local, global, express, server] = free_ports()?;
        let quoted = |policy: &Value| policy.to_string().replace('\'', "''");
        let bootstrap = include_str!("../../libraries/limits/envoy.yaml")
            .replace("$ADMIN", &admin.to_string())
            .replace("$SAID", &said.to_string())
            .replace("$LOCAL", &local.to_string())
            .replace("$GLOBAL", &global.to_string())
            .replace("$EXPRESS", &express.to_string())
            .replace("$SERVICE", &service.port().to_string())
            .replace("$SERVER", &server.to_string())
            .replace("$SAYS", &quoted(&says()))
            .replace("$OBSERVES", &quoted(&observes()))
            .replace("$MODULE", &modules.join("rate-limit.wasm").to_string_lossy());
        let server = Server::start(&node, server)?;
        let folder = workspace().join("target/test-runs/limits");
        let envoy = Envoy::start(&folder, &bootstrap, admin)?;
        let at = |port| SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let [said, local, global, express] = [said, local, global, express].map(at);
        Ok(Told { envoy, python, node, said, local, global, express, _server: server })
    }
}

fn dialects() -> Value {
    let mut all: Vec<Value> = DIALECTS
        .iter()
        .map(|dialect| {
            let named = json!({"headers": [{"name": "x-dialect", "exact": [dialect]}]});
            json!({"match": named, "dialect": dialect, "show": "all"})
        })
        .collect();
    // By its name a client is told what it knows.
    let github = json!({"headers": [{"name": "user-agent", "prefix": ["PyGithub/"]}]});
    all.push(json!({"match": github, "dialect": "github"}));
    json!(all)
}

fn says() -> Value {
    let caller = json!([{"header": "x-caller"}]);
    json!({
        "limits": [
            {"id": "ample", "match": {"paths": ["/"]}, "key": caller,
             "windows": [{"quota": 40, "window": "366d"}, "400/h"]},
            {"id": "slow", "match": {"paths": ["/slow", "/1.1/rate.json"]}, "key": caller,
             "quota": 2, "window": "2s"},
        ],
        "dialects": dialects(),
    })
}

fn observes() -> Value {
    json!({
        "limits": [],
        "observe": [{"id": "observed", "match": {}}],
        "dialects": dialects(),
    })
}

/// The server with express-rate-limit; killed when dropped.
struct Server(Child);

impl Server {
    fn start(node: &Node, port: u16) -> Result<Self, String> {
        let script = node.folder.join("express.mjs");
        let child = Command::new(&node.program)
            .arg(&script)
            .arg(port.to_string())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn();
        let mut server = Server(child.map_err(|e| format!("{}: {e}", script.display()))?);
        let mut line = String::new();
        if let Some(printed) = server.0.stdout.take() {
            BufReader::new(printed).read_line(&mut line).map_err(|e| e.to_string())?;
        }
        if line.trim() == "ready" { Ok(server) } else { Err(format!("express.mjs: `{line}`")) }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn nothing_trapped(on: &Told) -> Result<(), String> {
    let reloads = on.envoy.stats("vm_reload")?;
    match reloads.iter().find(|(_, n)| *n > 0) {
        None => Ok(()),
        Some((name, n)) => Err(format!("{name}: {n}\n{}", on.envoy.printed())),
    }
}

/// Lines of JSON that a script printed.
fn lines(printed: &str) -> Result<Vec<Value>, String> {
    let line = |line: &str| serde_json::from_str(line).map_err(|e| format!("{line}: {e}"));
    printed.lines().map(line).collect()
}
