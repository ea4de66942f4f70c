//! Where things are and which ports they take; every one can be moved by a
//! variable, so that several runs fit on one machine.

use std::env;
use std::path::{Path, PathBuf};

use crate::Result;

/// The settings of one run.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The workspace.
    pub root: PathBuf,
    /// Logs, rendered files and state: `POSTERN_RUN_DIR`, `target/run`.
    pub run: PathBuf,
    /// The policies: `POSTERN_POLICIES`, `envoy/filters`.
    pub policies: PathBuf,
    /// Ports on loopback.
    pub ports: Ports,
}

/// The ports of the demo.
#[derive(Clone, Copy, Debug)]
pub struct Ports {
    /// `POSTERN_GATEWAY_PORT`
    pub gateway: u16,
    /// `POSTERN_TLS_PORT`
    pub tls: u16,
    /// `POSTERN_ADMIN_PORT`
    pub admin: u16,
    /// `POSTERN_UPSTREAM_PORT`
    pub upstream: u16,
    /// `POSTERN_IDP_PORT`
    pub idp: u16,
}

impl Settings {
    /// Reads them from the environment.
    pub fn from_environment() -> Result<Self> {
        // As `cargo xtask` says it: a checkout may be moved or copied after it was built.
        let manifest = env::var_os("CARGO_MANIFEST_DIR");
        let root = manifest.as_deref().map_or(Path::new(env!("CARGO_MANIFEST_DIR")), Path::new);
        let root = root
            .parent()
            .filter(|root| root.join("Cargo.toml").is_file())
            .ok_or("the workspace that this xtask was built in is gone")?
            .to_owned();
        Ok(Settings {
            run: folder(&root, "POSTERN_RUN_DIR", "target/run")?,
            policies: folder(&root, "POSTERN_POLICIES", "envoy/filters")?,
            ports: Ports {
                gateway: port("POSTERN_GATEWAY_PORT", 10000)?,
                tls: port("POSTERN_TLS_PORT", 10443)?,
                admin: port("POSTERN_ADMIN_PORT", 9901)?,
                upstream: port("POSTERN_UPSTREAM_PORT", 18080)?,
                idp: port("POSTERN_IDP_PORT", 18081)?,
            },
            root,
        })
    }

    /// The built filters, `<filter>.wasm`.
    pub fn modules(&self) -> PathBuf {
        self.root.join("target/modules")
    }

    /// The rendered policies that Envoy watches.
    pub fn rendered(&self) -> PathBuf {
        self.run.join("filters")
    }

    /// Certificates and their keys, as [`crate::tls`] makes them.
    pub fn tls(&self) -> &Path {
        &self.run
    }

    /// The access log.
    pub fn access_log(&self) -> PathBuf {
        self.run.join("access.jsonl")
    }

    /// The log of one program.
    pub fn log(&self, name: &str) -> PathBuf {
        self.run.join(format!("{name}.log"))
    }

    /// A path as people read it: relative to the workspace where it is inside.
    pub fn shown<'a>(&self, path: &'a Path) -> std::path::Display<'a> {
        path.strip_prefix(&self.root).unwrap_or(path).display()
    }
}

impl Ports {
    /// Each with the variable that moves it.
    pub fn named(&self) -> [(&'static str, u16); 5] {
        [
            ("POSTERN_GATEWAY_PORT", self.gateway),
            ("POSTERN_TLS_PORT", self.tls),
            ("POSTERN_ADMIN_PORT", self.admin),
            ("POSTERN_UPSTREAM_PORT", self.upstream),
            ("POSTERN_IDP_PORT", self.idp),
        ]
    }
}

fn folder(root: &Path, name: &str, default: &str) -> Result<PathBuf> {
    let given = env::var_os(name).filter(|v| !v.is_empty());
    let path = match given {
        // Relative to where the command was typed, as every path there is.
        Some(path) => {
            env::current_dir().map_err(|e| format!("the current folder is gone: {e}"))?.join(path)
        }
        None => root.join(default),
    };
    if path.to_str().is_none_or(|p| p.contains(['"', '\'', '#', '\n', '{', '}', ','])) {
        return Err(format!(
            "`{}` cannot stand in Envoy's configuration: set {name} to a path without quotes, \
             braces, commas and `#`",
            path.display()
        ));
    }
    Ok(path)
}

pub fn port(name: &str, default: u16) -> Result<u16> {
    match env::var(name) {
        Err(_) => Ok(default),
        Ok(text) => text
            .parse()
            .ok()
            .filter(|port| *port != 0)
            .ok_or_else(|| format!("{name}: expected a port from 1 to 65535, found `{text}`")),
    }
}
