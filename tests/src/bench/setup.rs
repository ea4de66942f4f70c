//! One gateway of the bench, with its load.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use postern_stack::environment::variables;

use crate::bench::account::{self, Cores};
use crate::bench::check::{self, CALLERS, CHECKS, Subject, Tokens};
use crate::bench::load::{Load, Requests};
use crate::bench::mount::Built;
use crate::bench::peer::Peer;
use crate::bench::upstream::Upstream;
use crate::bench::variant::{Does, Program, Sent, Variant};
use crate::envoy::{Envoy, free_ports};
use crate::gateway::wait_for;

/// What all gateways of a run share.
#[derive(Debug)]
pub struct Bench<'a> {
    /// The modules.
    pub built: &'a Built,
    /// A folder of the run's own.
    pub folder: &'a Path,
    /// What stands behind all of them.
    pub upstream: Upstream,
    /// For checks.
    pub tokens: Tokens,
    /// Requests of 2,000 callers.
    pub in_turn: Arc<[Vec<u8>]>,
    /// Requests whose tokens are seen once.
    pub once: Arc<[Vec<u8>]>,
    /// Which core is whose.
    pub cores: Cores,
    /// Connections of a load.
    pub connections: usize,
}

/// A process.
#[derive(Debug)]
pub enum Process {
    /// An Envoy.
    Envoy(Envoy),
    /// Another program.
    Peer(Peer),
}

impl Process {
    /// Its id.
    #[must_use]
    pub fn pid(&self) -> u32 {
        match self {
            Process::Envoy(envoy) => envoy.pid(),
            Process::Peer(peer) => peer.pid(),
        }
    }

    /// What it said.
    #[must_use]
    pub fn printed(&self) -> String {
        match self {
            Process::Envoy(envoy) => envoy.printed(),
            Process::Peer(peer) => peer.printed(),
        }
    }
}

/// A gateway of the bench with its load.
#[derive(Debug)]
pub struct Running {
    /// What it is.
    pub variant: Variant,
    /// It.
    pub process: Process,
    /// Where it listens.
    pub gateway: SocketAddr,
    folder: PathBuf,
    /// Its load.
    pub load: Load,
    sent: usize,
    /// Microseconds per request, one a slice.
    pub costs: Vec<f64>,
}

/// How a gateway is started.
#[derive(Clone, Copy, Debug)]
pub struct Start {
    /// Worker threads.
    pub workers: usize,
    /// On a core of its own, where there is more than one? Otherwise on any.
    pub pinned: bool,
}

impl Start {
    /// One worker: each request then meets the same VMs with the same warm code, and no
    /// two workers fight for two cores with the load.
    pub const ALONE: Start = Start { workers: 1, pinned: true };
}

impl Running {
    /// Starts it, and checks that it does what it has to.
    ///
    /// # Errors
    /// What keeps it from running, or from doing its work.
    pub fn start(
        variant: &Variant,
        bench: &Bench<'_>,
        folder: &Path,
        how: Start,
    ) -> Result<Self, String> {
        let Bench { built, upstream, tokens, .. } = bench;
        let requests = match variant.tokens {
            Sent::InTurn => Requests { list: Arc::clone(&bench.in_turn), again: true },
            Sent::Once => Requests { list: Arc::clone(&bench.once), again: false },
        };
        let _ = fs::remove_dir_all(folder);
        fs::create_dir_all(folder).map_err(|e| format!("{}: {e}", folder.display()))?;
        let [admin, port] = free_ports()?;
        let behind = upstream.address.port();
        let start = || match variant.program {
            Program::Envoy => {
                let bootstrap = variant.bootstrap(built, folder, [admin, port], behind)?;
                let workers = how.workers.to_string();
                let words = ["--concurrency", &workers, "--file-flush-interval-msec", "100"];
                let envoy = Envoy::start_with(folder, &bootstrap, admin, &words, &variables());
                envoy.map(Process::Envoy)
            }
            Program::HaProxy(name) => Peer::haproxy(name, folder, port, behind).map(Process::Peer),
            Program::Node => Peer::node(folder, port, behind).map(Process::Peer),
        };
        let process =
            if how.pinned { bench.cores.on_envoys(start)? } else { bench.cores.on_any(start)? };
        let gateway = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        check::check(&Subject { gateway, folder, upstream, tokens }, variant.does)
            .map_err(|e| format!("{e}\n{}", process.printed()))?;
        let load = Load::open(gateway, bench.connections, requests)?;
        Ok(Running {
            variant: variant.clone(),
            process,
            gateway,
            folder: folder.to_owned(),
            load,
            sent: 0,
            costs: Vec::new(),
        })
    }

    /// One slice: the CPU time of the process before and after.
    ///
    /// # Errors
    /// An answer that is not as it should be, a process that is gone.
    pub fn slice(&mut self, each: usize) -> Result<(), String> {
        let failed = |e: String| format!("{}: {e}", self.variant.name);
        let pid = self.process.pid();
        let before = account::cpu_time(pid).map_err(failed)?;
        let sent = self.load.run(each).map_err(failed)?;
        let used = account::cpu_time(pid).map_err(failed)?.saturating_sub(before);
        self.sent += sent;
        self.costs.push(used.as_secs_f64() * 1e6 / sent as f64);
        Ok(())
    }

    /// Every part of the chain has counted every request.
    ///
    /// # Errors
    /// Which has not.
    pub fn counted(&self) -> Result<(), String> {
        let envoy = match &self.process {
            Process::Envoy(envoy) => envoy,
            Process::Peer(_) => return self.logged(),
        };
        let (each, none) = check::counters(self.variant.does);
        let stats = envoy.stats("")?;
        let sum = |end: &str| -> u64 {
            stats.iter().filter(|(name, _)| name.ends_with(end)).map(|(_, value)| value).sum()
        };
        for name in each {
            if sum(name) < self.sent as u64 {
                return Err(format!("`{name}` is {} after {} requests", sum(name), self.sent));
            }
        }
        if let Some(name) = check::cache_hits(self.variant.does) {
            let hits = usize::try_from(sum(name)).unwrap_or(usize::MAX);
            let right = match self.variant.tokens {
                Sent::Once => hits < CHECKS,
                // The first two of each caller are none: a token is kept when it comes
                // again. And a few share a place of the cache with too many.
                Sent::InTurn => hits + 2 * CALLERS + self.sent / 50 >= self.sent,
            };
            if !right {
                return Err(format!("`{name}` is {hits} after {} requests", self.sent));
            }
        }
        for name in none {
            if sum(name) > 0 {
                return Err(format!("`{name}` is {}: {}", sum(name), envoy.printed()));
            }
        }
        Ok(())
    }

    /// Each request is in the access log.
    fn logged(&self) -> Result<(), String> {
        let file = self.folder.join("access.jsonl");
        let good = if self.variant.does == Does::Peer { r#""subject":"caller-"# } else { "" };
        let mut seen = 0;
        let all = wait_for(Duration::from_secs(15), || {
            let text = fs::read_to_string(&file).unwrap_or_default();
            let lines = text.lines().filter(|line| line.contains(r#""status":200"#));
            seen = lines.filter(|line| line.contains(good)).count();
            (seen >= self.sent).then_some(())
        });
        all.ok_or_else(|| format!("{seen} lines in the log after {} requests", self.sent))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Some tens of megabytes, and of no use to anybody.
        let _ = fs::remove_file(self.folder.join("access.jsonl"));
    }
}
