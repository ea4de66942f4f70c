//! Gateways that are not Envoy, with the same policy.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use ct_codecs::{Base64UrlSafeNoPadding, Decoder as _};
use jwt_simple::algorithms::RS256PublicKey;
use postern_stack::keys::{Algorithm, Keys};

use crate::corpus::workspace;
use crate::gateway::wait_for;
use crate::python;

/// How long one has to listen.
const PATIENCE: Duration = Duration::from_secs(30);

/// A running one; killed when dropped.
#[derive(Debug)]
pub struct Peer {
    process: Child,
    errors: PathBuf,
}

impl Peer {
    /// HAProxy with `tests/bench/haproxy/NAME.cfg`: `$HAPROXY`, or the one on the PATH. Its
    /// access log is what it prints.
    ///
    /// # Errors
    /// There is none, or it does not start, with what it says.
    pub fn haproxy(name: &str, folder: &Path, port: u16, upstream: u16) -> Result<Self, String> {
        let source = workspace().join(format!("tests/bench/haproxy/{name}.cfg"));
        let text = fs::read_to_string(&source).map_err(|e| format!("{}: {e}", source.display()))?;
        let key = folder.join("key.pem");
        fs::write(&key, public_key()?).map_err(|e| format!("{}: {e}", key.display()))?;
        let config = folder.join("haproxy.cfg");
        let text = text
            .replace("$GATEWAY", &port.to_string())
            .replace("$UPSTREAM", &upstream.to_string())
            .replace("$KEY", &key.to_string_lossy());
        fs::write(&config, text).map_err(|e| format!("{}: {e}", config.display()))?;
        let program = std::env::var_os("HAPROXY").unwrap_or_else(|| "haproxy".into());
        let mut command = Command::new(&program);
        let words = command.arg("-db").arg("-f").arg(config);
        Peer::start(words, folder, port).map_err(|e| {
            format!("{e}\nset HAPROXY, or install it (Debian: `apt-get install haproxy`)")
        })
    }

    /// The gateway in Node.js; its packages are installed once, under `target/`.
    ///
    /// # Errors
    /// A package cannot be had, or it does not start, with what it says.
    pub fn node(folder: &Path, port: u16, upstream: u16) -> Result<Self, String> {
        let python = python::with("bench-python", "tests/bench/node/requirements.txt")?;
        let node = python::node(&python, "bench-node", "tests/bench/node")?;
        let mut command = Command::new(&node.program);
        command
            .arg(node.folder.join("gateway.mjs"))
            .args([port.to_string(), upstream.to_string()])
            .arg(workspace().join("stack/keys/jwks.json"))
            .arg(folder.join("access.jsonl"))
            .env("NODE_ENV", "production");
        Peer::start(&mut command, folder, port)
    }

    fn start(command: &mut Command, folder: &Path, port: u16) -> Result<Self, String> {
        let shown = command.get_program().to_string_lossy().into_owned();
        let file = |name: &str| {
            let path = folder.join(name);
            let opened = fs::File::create(&path).map_err(|e| format!("{}: {e}", path.display()));
            opened.map(|file| (path, file))
        };
        let (_, printed) = file("access.jsonl")?;
        let (errors, said) = file("errors.log")?;
        let spawned = command.stdin(Stdio::null()).stdout(printed).stderr(said).spawn();
        let process = spawned.map_err(|e| format!("`{shown}` cannot be started: {e}"))?;
        let mut peer = Peer { process, errors };
        let to = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let listens = wait_for(PATIENCE, || {
            if peer.process.try_wait().ok().flatten().is_some() {
                return Some(false);
            }
            TcpStream::connect_timeout(&to, Duration::from_secs(1)).ok().map(|_| true)
        });
        match listens {
            Some(true) => Ok(peer),
            _ => Err(format!("`{shown}` did not start:\n{}", peer.printed())),
        }
    }

    /// Its process id.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.process.id()
    }

    /// What it said of errors.
    #[must_use]
    pub fn printed(&self) -> String {
        fs::read_to_string(&self.errors).unwrap_or_default()
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// The key that checks the load's tokens, as PEM.
fn public_key() -> Result<String, String> {
    let keys = Keys::embedded().map_err(|e| e.to_string())?;
    let kid = keys.newest(Algorithm::Rs256).ok_or("the demo has no RS256 key")?.kid();
    let set = keys.jwks();
    let mut jwks = set.get("keys").and_then(|keys| keys.as_array()).into_iter().flatten();
    let jwk = jwks.find(|jwk| jwk.get("kid").is_some_and(|it| it == kid));
    let part = |name: &str| {
        let text =
            jwk.and_then(|jwk| jwk.get(name)?.as_str()).ok_or("an RS256 key lacks a part")?;
        Base64UrlSafeNoPadding::decode_to_vec(text, None).map_err(|e| e.to_string())
    };
    let key = RS256PublicKey::from_components(&part("n")?, &part("e")?);
    key.and_then(|key| key.to_pem()).map_err(|e| e.to_string())
}
