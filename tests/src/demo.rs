//! A demo that runs, wherever: `cargo xtask up`, or containers.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use rustls::version::{TLS12, TLS13};
use serde_json::Value;

use crate::case::Certificate;
use crate::client::{PATIENCE, Wire, send, send_from};
use crate::live::wire;
use crate::observe::{Answer, Seen};
use crate::request::Filled;
use crate::tls::{Client, Identity};

/// How a running demo is met.
#[derive(Clone, Debug)]
pub struct Demo {
    gateway: SocketAddr,
    upstream: SocketAddr,
    idp: SocketAddr,
    log: PathBuf,
    /// The listener with TLS, and the folder of the certificates.
    tls: Option<(SocketAddr, PathBuf)>,
}

impl Demo {
    /// By the ports of the gateway, the upstream and the identity provider, and the
    /// access log.
    #[must_use]
    pub fn at(gateway: u16, upstream: u16, idp: u16, log: PathBuf) -> Self {
        let local = |port| SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        Demo { gateway: local(gateway), upstream: local(upstream), idp: local(idp), log, tls: None }
    }

    /// With the port of the listener with TLS, and the folder of the certificates.
    #[must_use]
    pub fn with_tls(mut self, port: u16, certificates: PathBuf) -> Self {
        self.tls = Some((SocketAddr::from((Ipv4Addr::LOCALHOST, port)), certificates));
        self
    }

    /// Where the gateway listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.gateway
    }

    /// Where the upstream listens.
    #[must_use]
    pub fn upstream(&self) -> SocketAddr {
        self.upstream
    }

    /// Where the identity provider listens.
    #[must_use]
    pub fn idp(&self) -> SocketAddr {
        self.idp
    }

    /// Tells the identity provider something: a body as JSON, and its answer,
    /// null where there is none.
    ///
    /// # Errors
    /// When it refuses.
    pub fn tell_idp(&self, method: &str, path: &str, body: &Value) -> Result<Value, String> {
        let text = if body.is_null() { Vec::new() } else { body.to_string().into_bytes() };
        let wire = Wire::new(method, path.as_bytes(), b"idp", &[], Some(&text));
        let answer = send(self.idp(), &wire, PATIENCE)?;
        if answer.status / 100 == 2 {
            return Ok(answer.json().unwrap_or_default());
        }
        let said = String::from_utf8_lossy(&answer.body);
        Err(format!("{method} {path}: {} {said}", answer.status))
    }

    /// How often the identity provider was asked for a path, and how often of that
    /// it answered 304.
    ///
    /// # Errors
    /// When it does not say.
    pub fn asked_idp(&self, path: &str) -> Result<(u64, u64), String> {
        let counters = self.tell_idp("GET", "/__counters", &Value::Null)?;
        let count = |name: &str| {
            let paths = counters.get("paths").and_then(|paths| paths.get(path));
            paths.and_then(|counts| counts.get(name)?.as_u64()).unwrap_or(0)
        };
        Ok((count("requests"), count("not_modified")))
    }

    /// Sends a request to the gateway.
    ///
    /// # Errors
    /// When there is no answer.
    pub fn send(&self, wire: &Wire) -> Result<Answer, String> {
        send(self.address(), wire, PATIENCE)
    }

    /// Sends a case's request to the listener that it is for.
    ///
    /// # Errors
    /// When there is no answer.
    pub fn send_filled(&self, filled: &Filled) -> Result<Answer, String> {
        let Some(certificate) = filled.certificate else {
            let from = filled.from.unwrap_or(Ipv4Addr::LOCALHOST);
            return send_from(from, self.address(), &wire(filled), PATIENCE);
        };
        let (to, folder) = self.tls.as_ref().ok_or("no listener with TLS")?;
        let file = match certificate {
            Certificate::Bluefin => "partner",
            Certificate::Emberline => "partner-dns",
            Certificate::Quillhaven => "partner-subject",
        };
        let identity = Identity::read(folder, file)?;
        let versions = [&TLS13, &TLS12];
        let client =
            Client::new(&folder.join("ca.pem"), Some(&identity), &["http/1.1"], &versions)?;
        client.send(*to, &wire(filled), PATIENCE)
    }

    /// The requests that the upstream saw since it was last told to forget.
    ///
    /// # Errors
    /// When it does not say.
    pub fn seen(&self) -> Result<Vec<Seen>, String> {
        let answer = send(self.upstream(), &Wire::get("upstream", "/__requests", &[]), PATIENCE)?;
        let list = answer.json().ok_or("`/__requests` is not JSON")?;
        list.as_array()
            .ok_or("`/__requests` is no list")?
            .iter()
            .map(|r| seen(r).ok_or_else(|| format!("`/__requests`: not understood: {r}")))
            .collect()
    }

    /// Tells the upstream to forget what it saw.
    ///
    /// # Errors
    /// When it does not.
    pub fn forget(&self) -> Result<(), String> {
        let wire = Wire::new("DELETE", b"/__requests", b"upstream", &[], None);
        let answer = send(self.upstream(), &wire, PATIENCE)?;
        if answer.status / 100 == 2 { Ok(()) } else { Err(format!("{}", answer.status)) }
    }

    /// The access log's lines so far.
    #[must_use]
    pub fn access_log(&self) -> Vec<String> {
        let text = fs::read(&self.log).unwrap_or_default();
        String::from_utf8_lossy(&text).lines().map(str::to_owned).collect()
    }
}

/// A request as the upstream lists it.
fn seen(value: &Value) -> Option<Seen> {
    let headers = value.get("headers")?.as_array()?;
    Some(Seen {
        method: value.get("method")?.as_str()?.to_owned(),
        path: value.get("path")?.as_str()?.as_bytes().to_vec(),
        headers: headers
            .iter()
            .map(|pair| {
                let name = pair.get(0)?.as_str()?.to_ascii_lowercase();
                Some((name, pair.get(1)?.as_str()?.as_bytes().to_vec()))
            })
            .collect::<Option<Vec<_>>>()?,
    })
}
