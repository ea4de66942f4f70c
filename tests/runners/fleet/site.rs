//! Two gateways of a test's own, each an Envoy with two workers and `rate-limit` alone,
//! one rate-limit service for both, and its Redis.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use postern_tests::bootstrap::{Wasm, bootstrap, cluster, http2};
use postern_tests::client::{PATIENCE, Wire, send};
use postern_tests::corpus::workspace;
use postern_tests::envoy::{Envoy, free_ports};
use postern_tests::gateway::wait_for;
use postern_tests::server;
use serde_json::{Value, json};

/// Keys the digests that the service is told: for tests alone.
const SECRET: (&str, &str) = ("FLEET_SECRET", "Zm9yIHRlc3RzIGFsb25lLCBubyBzZWNyZXQ");

/// See the module; all of it is killed when dropped.
pub struct Site {
    gateways: [(Envoy, SocketAddr); 2],
    service: Program,
    redis: Program,
}

/// A program that can be killed, frozen and started again.
struct Program {
    child: Option<Child>,
    program: PathBuf,
    words: Vec<String>,
    variables: Vec<(&'static str, String)>,
    port: u16,
}

impl Site {
    /// Starts it; `settings` stand in the policy's key `service`.
    pub fn start(name: &str, settings: &Value, report: &str) -> Result<Self, String> {
        let [redis, service, a, b, admin_a, admin_b] = free_ports()?;
        let folder = workspace().join("target/test-runs/fleet").join(name);
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(&folder).map_err(|e| format!("{}: {e}", folder.display()))?;
        let limits = folder.join("limits.json");
        fs::write(&limits, known().to_string()).map_err(|e| e.to_string())?;
        let mut redis = Program::redis(redis, &folder);
        redis.start()?;
        let variables = vec![
            ("POSTERN_RLS_LIMITS", limits.display().to_string()),
            ("POSTERN_RLS_REDIS", format!("127.0.0.1:{}", redis.port)),
            ("POSTERN_RLS_REPORT", report.to_owned()),
        ];
        let mut service = Program {
            child: None,
            program: tool("postern-rls"),
            words: vec!["--listen".to_owned(), format!("127.0.0.1:{service}")],
            variables,
            port: service,
        };
        service.start()?;
        let upstream = server::start().map_err(|e| e.to_string())?.port();
        let policy = policy(settings).to_string();
        let gateway = |name: &str, port: u16, admin: u16| {
            let variables = [SECRET.0];
            let wasm = Wasm { name: "rate-limit", policy: &policy, variables: &variables };
            let rls = cluster("rls", service.port, &http2());
            let clusters = [cluster("upstream", upstream, &json!({})), rls];
            let text = bootstrap([admin, port], wasm, Vec::new(), &clusters).to_string();
            let folder = folder.join(name);
            let envoy = Envoy::start_with(
                &folder,
                &text,
                admin,
                &["--concurrency", "2"],
                &[(SECRET.0, SECRET.1.to_owned())],
            )?;
            Ok::<_, String>((envoy, SocketAddr::from((Ipv4Addr::LOCALHOST, port))))
        };
        let gateways = [gateway("a", a, admin_a)?, gateway("b", b, admin_b)?];
        Ok(Site { gateways, service, redis })
    }

    /// Where the gateways listen.
    pub fn addresses(&self) -> [SocketAddr; 2] {
        [self.gateways[0].1, self.gateways[1].1]
    }

    /// How many questions the service has answered since it was started.
    pub fn asked(&self) -> Result<u64, String> {
        let wire = Wire::get("rls", "/__asked", &[]);
        let answer = send(self.service.address(), &wire, PATIENCE)?;
        let text = String::from_utf8_lossy(&answer.body).trim().to_owned();
        text.parse().map_err(|_| format!("no number of questions: {text}"))
    }

    /// A metric of each gateway.
    pub fn metric(&self, name: &str) -> Result<[u64; 2], String> {
        let name = format!("wasmcustom.postern.rate-limit.{name}");
        let of = |envoy: &Envoy| {
            let all = envoy.stats(&name)?;
            Ok::<_, String>(all.iter().find(|(n, _)| *n == name).map_or(0, |(_, value)| *value))
        };
        Ok([of(&self.gateways[0].0)?, of(&self.gateways[1].0)?])
    }

    /// How many questions of each gateway ended, however long they took.
    pub fn latencies(&self) -> Result<[u64; 2], String> {
        let name = "wasmcustom.postern.rate-limit.service_latency.";
        let of = |envoy: &Envoy| Ok::<_, String>(envoy.stats(name)?.iter().map(|(_, n)| n).sum());
        Ok([of(&self.gateways[0].0)?, of(&self.gateways[1].0)?])
    }

    /// Numbers of both gateways' own statistics whose names contain `part`, added up.
    pub fn sum(&self, part: &str) -> Result<u64, String> {
        let mut sum = 0;
        for (envoy, _) in &self.gateways {
            sum += envoy.stats(part)?.iter().map(|(_, value)| value).sum::<u64>();
        }
        Ok(sum)
    }

    /// Waits until both gateways say this of the service.
    pub fn state(&self, state: u64) -> Result<(), String> {
        let told = || (self.metric("service_state").ok()? == [state; 2]).then_some(());
        let late = || format!("`service_state` is {:?}", self.metric("service_state"));
        wait_for(PATIENCE * 2, told).ok_or_else(late)
    }

    pub fn kill_service(&mut self) {
        self.service.kill();
    }

    pub fn start_service(&mut self) -> Result<(), String> {
        self.service.start()
    }

    pub fn freeze_service(&mut self) -> Result<(), String> {
        self.service.signal("-STOP")
    }

    pub fn thaw_service(&mut self) -> Result<(), String> {
        self.service.signal("-CONT")
    }

    pub fn kill_redis(&mut self) {
        self.redis.kill();
    }

    pub fn start_redis(&mut self) -> Result<(), String> {
        self.redis.start()
    }
}

impl Program {
    /// Debian's `redis-server`; what it holds goes with it.
    fn redis(port: u16, folder: &Path) -> Self {
        let folder = folder.display().to_string();
        let number = port.to_string();
        let words = ["--port", &number, "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"];
        let words = words.into_iter().chain(["--dir", &folder]).map(str::to_owned).collect();
        let program = PathBuf::from("redis-server");
        Program { child: None, program, words, variables: Vec::new(), port }
    }

    fn address(&self) -> SocketAddr {
        SocketAddr::from((Ipv4Addr::LOCALHOST, self.port))
    }

    fn start(&mut self) -> Result<(), String> {
        let name = self.program.display().to_string();
        let child = Command::new(&self.program)
            .args(&self.words)
            .envs(self.variables.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn()
            .map_err(|e| {
                format!(
                    "{name}: {e}; `cargo xtask build` makes postern-rls, and Redis is a package \
                     (Debian: `apt-get install redis-server`)"
                )
            })?;
        self.child = Some(child);
        let address = self.address();
        let open = || TcpStream::connect_timeout(&address, Duration::from_secs(1)).ok().map(drop);
        wait_for(PATIENCE, open).ok_or(format!("{name} does not start"))
    }

    fn signal(&self, signal: &str) -> Result<(), String> {
        let pid = self.child.as_ref().map(|child| child.id().to_string()).ok_or("it is killed")?;
        let sent = Command::new("kill").args([signal, &pid]).status();
        sent.map_err(|e| format!("kill: {e}"))?.success().then_some(()).ok_or("kill".to_owned())
    }

    fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        self.kill();
    }
}

fn tool(name: &str) -> PathBuf {
    let target = || {
        let target = std::env::var_os("CARGO_TARGET_DIR");
        target.map_or_else(|| workspace().join("target"), PathBuf::from).join("tool")
    };
    std::env::var_os("POSTERN_BIN_DIR").map_or_else(target, PathBuf::from).join(name)
}

/// What the service knows.
fn known() -> Value {
    let limit = |id: &str, requests: u64| {
        let rate = json!({"unit": "hour", "requests_per_unit": requests});
        let caller = json!({"key": "header.x-caller", "rate_limit": rate});
        json!({"key": "limit", "value": id, "descriptors": [caller]})
    };
    let limits =
        [("dear", 100), ("shared", 100), ("open", 100), ("closed", 100), ("load", 10_000_000)];
    json!({"domain": "fleet", "descriptors": limits.map(|(id, requests)| limit(id, requests))})
}

/// A limit for each way of failing, by path, and one that is never used up.
fn policy(settings: &Value) -> Value {
    let mut service = json!({"cluster": "rls", "domain": "fleet", "gateways": 2, "header": "x-counted",
            "secret_env": SECRET.0});
    if let (Value::Object(service), Value::Object(more)) = (&mut service, settings) {
        service.extend(more.clone());
    }
    let limit = |id: &str, path: &str, quota: u64, on_failure: &str| {
        json!({
            "id": id,
            "match": {"paths": [path]},
            "engine": "service",
            "on_failure": on_failure,
            "key": [{"header": "x-caller"}],
            "algorithm": "fixed_window",
            "quota": quota,
            "window": "1h",
        })
    };
    let mut dear = limit("dear", "/chunked", 100, "degrade");
    dear["costs"] = json!([{"match": {}, "answers": [{"statuses": [200], "cost": 10}]}]);
    json!({
        "service": service,
        "limits": [
            dear,
            limit("shared", "/length", 100, "degrade"),
            limit("open", "/close", 100, "open"),
            limit("closed", "/echo", 100, "closed"),
            limit("load", "/empty", 10_000_000, "degrade"),
        ],
    })
}
