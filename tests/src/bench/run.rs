//! The rounds.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use postern_stack::environment::variables;

use crate::bench::account::{self, Cores, Machine};
use crate::bench::check::{self, CALLERS, CHECKS, Subject, Tokens};
use crate::bench::figures::order;
use crate::bench::load::{Load, Requests};
use crate::bench::mount::Built;
use crate::bench::report::{Measured, Report};
use crate::bench::upstream::Upstream;
use crate::bench::variant::{Sent, Variant};
use crate::envoy::{Envoy, free_ports};

/// How much is measured.
#[derive(Clone, Debug)]
pub struct Options {
    /// At most so many rounds.
    pub rounds: usize,
    /// How often the Envoys are started anew, the rounds being shared out among
    /// them: where a process happens to lie in memory costs some microseconds
    /// for as long as it lives.
    pub generations: usize,
    /// Requests in each slice.
    pub requests: usize,
    /// Requests before the first round, so that caches are filled and hot code
    /// is compiled.
    pub warm_up: usize,
    /// Connections at once.
    pub connections: usize,
    /// How long it may take, from the first start of an Envoy on.
    pub limit: Duration,
}

impl Options {
    /// What `--quick` means.
    #[must_use]
    pub fn quick() -> Self {
        Options {
            rounds: 48,
            generations: 4,
            requests: 1_600,
            warm_up: 4_000,
            connections: 32,
            limit: Duration::from_secs(165),
        }
    }
}

/// An Envoy of the bench with its load.
struct Running {
    variant: Variant,
    envoy: Envoy,
    folder: PathBuf,
    load: Load,
    sent: usize,
    /// Microseconds per request, one a round.
    costs: Vec<f64>,
}

/// Measures the variants. `stop` tells whether somebody wants it to end.
///
/// # Errors
/// What keeps a variant from running or from doing its work; an answer that is
/// not as it should be; the wish to stop.
pub fn run(
    variants: &[Variant],
    built: &Built,
    folder: &Path,
    options: &Options,
    stop: &dyn Fn() -> bool,
) -> Result<Report, String> {
    let begun = Instant::now();
    let machine = Machine::this()?;
    let load_before = account::load();
    let cores = Cores::share()?;
    let upstream = Upstream::start()?;
    let tokens = Tokens::mint()?;
    let generations = options.generations.min(options.rounds);
    // Each Envoy sees each token once, however many see it, and a new start
    // has seen none.
    let once = if variants.iter().any(|variant| variant.tokens == Sent::Once) {
        options.warm_up + options.rounds.div_ceil(generations) * options.requests
    } else {
        0
    };
    let bench = Bench {
        variants,
        built,
        folder,
        options,
        upstream: &upstream,
        tokens: &tokens,
        in_turn: check::requests(CALLERS)?.into(),
        once: check::requests(once)?.into(),
        cores,
    };
    let mut measured: Vec<Measured> = variants
        .iter()
        .map(|variant| Measured { name: variant.name.to_owned(), costs: Vec::new() })
        .collect();
    for generation in 0..generations {
        // The last one takes what does not divide evenly.
        let before = options.rounds * generation / generations;
        let rounds = before..options.rounds * (generation + 1) / generations;
        // A generation that is slow leaves the later ones less.
        let end = options.limit.mul_f64((generation + 1) as f64 / generations as f64);
        let costs = bench.generation(rounds, begun + end, stop)?;
        for (one, costs) in measured.iter_mut().zip(costs) {
            one.costs.extend(costs);
        }
    }
    Ok(Report {
        measured,
        options: options.clone(),
        machine,
        cores,
        load: [load_before, account::load()],
        took: begun.elapsed(),
    })
}

/// What all generations share.
struct Bench<'a> {
    variants: &'a [Variant],
    built: &'a Built,
    folder: &'a Path,
    options: &'a Options,
    upstream: &'a Upstream,
    tokens: &'a Tokens,
    in_turn: Arc<[Vec<u8>]>,
    once: Arc<[Vec<u8>]>,
    cores: Cores,
}

impl Bench<'_> {
    /// Starts each variant, checks and warms it, and measures them in turn; the
    /// costs of each. No round begins that would not be over by `end`, save
    /// the first.
    fn generation(
        &self,
        rounds: Range<usize>,
        end: Instant,
        stop: &dyn Fn() -> bool,
    ) -> Result<Vec<Vec<f64>>, String> {
        let options = self.options;
        let go_on = || if stop() { Err("interrupted".to_owned()) } else { Ok(()) };
        let mut running = Vec::new();
        for (at, variant) in self.variants.iter().enumerate() {
            go_on()?;
            let one = Running::start(variant, self, &self.folder.join(at.to_string()));
            running.push(one.map_err(|e| format!("{}: {e}", variant.name))?);
        }
        for one in &mut running {
            go_on()?;
            one.slice(options.warm_up / options.connections)?;
            one.costs.clear();
        }
        let mut longest = Duration::ZERO;
        for round in rounds {
            let begun = Instant::now();
            if !longest.is_zero() && begun + longest > end {
                break;
            }
            for at in order(running.len(), round) {
                go_on()?;
                if let Some(one) = running.get_mut(at) {
                    one.slice(options.requests / options.connections)?;
                }
            }
            longest = longest.max(begun.elapsed());
        }
        for one in &running {
            one.counted().map_err(|e| format!("{}: {e}", one.variant.name))?;
        }
        Ok(running.iter_mut().map(|one| std::mem::take(&mut one.costs)).collect())
    }
}

impl Running {
    fn start(variant: &Variant, bench: &Bench<'_>, folder: &Path) -> Result<Self, String> {
        let Bench { built, options, upstream, tokens, .. } = *bench;
        let requests = match variant.tokens {
            Sent::InTurn => Requests { list: Arc::clone(&bench.in_turn), again: true },
            Sent::Once => Requests { list: Arc::clone(&bench.once), again: false },
        };
        let _ = fs::remove_dir_all(folder);
        fs::create_dir_all(folder).map_err(|e| format!("{}: {e}", folder.display()))?;
        let [admin, port] = free_ports()?;
        let bootstrap = variant.bootstrap(built, folder, [admin, port], upstream.address.port())?;
        // One worker: each request then meets the same VMs with the same warm
        // code, and no two workers fight for two cores with the load.
        let words = ["--concurrency", "1", "--file-flush-interval-msec", "100"];
        let start = || Envoy::start_with(folder, &bootstrap, admin, &words, &variables());
        let envoy = bench.cores.on_envoys(start)?;
        let gateway = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        check::check(&Subject { gateway, folder, upstream, tokens }, variant.does)
            .map_err(|e| format!("{e}\n{}", envoy.printed()))?;
        let load = Load::open(gateway, options.connections, requests)?;
        Ok(Running {
            variant: variant.clone(),
            envoy,
            folder: folder.to_owned(),
            load,
            sent: 0,
            costs: Vec::new(),
        })
    }

    /// One slice: the CPU time of the process before and after.
    fn slice(&mut self, each: usize) -> Result<(), String> {
        let failed = |e: String| format!("{}: {e}", self.variant.name);
        let before = account::cpu_time(self.envoy.pid()).map_err(failed)?;
        let sent = self.load.run(each).map_err(failed)?;
        let used = account::cpu_time(self.envoy.pid()).map_err(failed)?.saturating_sub(before);
        self.sent += sent;
        self.costs.push(used.as_secs_f64() * 1e6 / sent as f64);
        Ok(())
    }

    /// Every part of the chain has counted every request.
    fn counted(&self) -> Result<(), String> {
        let (each, none) = check::counters(self.variant.does);
        let stats = self.envoy.stats("")?;
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
                return Err(format!("`{name}` is {}: {}", sum(name), self.envoy.printed()));
            }
        }
        Ok(())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Some tens of megabytes, and of no use to anybody.
        let _ = fs::remove_file(self.folder.join("access.jsonl"));
    }
}
