//! The rounds.

use std::ops::Range;
use std::path::Path;
use std::time::{Duration, Instant};

use crate::bench::account::{self, Cores, Machine};
use crate::bench::check::{self, CALLERS, Tokens};
use crate::bench::figures::order;
use crate::bench::mount::Built;
use crate::bench::report::{Measured, Report};
use crate::bench::setup::{Bench, Running, Start};
use crate::bench::upstream::Upstream;
use crate::bench::variant::{Sent, Variant};

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

    /// How many starts there are.
    fn starts(&self) -> usize {
        self.generations.min(self.rounds)
    }
}

/// Starts what all gateways share.
///
/// # Errors
/// What cannot be had: a core, a port, a signature.
pub fn prepare<'a>(
    built: &'a Built,
    folder: &'a Path,
    variants: &[Variant],
    options: &Options,
) -> Result<Bench<'a>, String> {
    let cores = Cores::share()?;
    // Each Envoy sees each token once, however many see it, and a new start
    // has seen none.
    let once = if variants.iter().any(|variant| variant.tokens == Sent::Once) {
        options.warm_up + options.rounds.div_ceil(options.starts()) * options.requests
    } else {
        0
    };
    Ok(Bench {
        built,
        folder,
        upstream: Upstream::start()?,
        tokens: Tokens::mint()?,
        in_turn: check::requests(CALLERS)?.into(),
        once: check::requests(once)?.into(),
        cores,
        connections: options.connections,
    })
}

/// Measures the variants. `stop` tells whether somebody wants it to end.
///
/// # Errors
/// What keeps a variant from running or from doing its work; an answer that is
/// not as it should be; the wish to stop.
pub fn run(
    bench: &Bench<'_>,
    variants: &[Variant],
    options: &Options,
    stop: &dyn Fn() -> bool,
) -> Result<Report, String> {
    let begun = Instant::now();
    let machine = Machine::this(bench.cores)?;
    let load_before = account::load();
    let starts = options.starts();
    let mut measured: Vec<Measured> = variants
        .iter()
        .map(|variant| Measured {
            name: variant.name.to_owned(),
            base: variant.base,
            costs: Vec::new(),
        })
        .collect();
    let mut rounds_of = Vec::new();
    for generation in 0..starts {
        // The last one takes what does not divide evenly.
        let before = options.rounds * generation / starts;
        let rounds = before..options.rounds * (generation + 1) / starts;
        // A generation that is slow leaves the later ones less.
        let end = options.limit.mul_f64((generation + 1) as f64 / starts as f64);
        let costs = rounds_of_a_start(bench, variants, options, rounds, begun + end, stop)?;
        rounds_of.push(costs.first().map_or(0, Vec::len));
        for (one, costs) in measured.iter_mut().zip(costs) {
            one.costs.extend(costs);
        }
    }
    Ok(Report {
        measured,
        starts: rounds_of,
        options: options.clone(),
        machine,
        cores: bench.cores,
        load: [load_before, account::load()],
        took: begun.elapsed(),
    })
}

/// Starts each variant, checks and warms it, and measures them in turn; the
/// costs of each. No round begins that would not be over by `end`, save
/// the first.
fn rounds_of_a_start(
    bench: &Bench<'_>,
    variants: &[Variant],
    options: &Options,
    rounds: Range<usize>,
    end: Instant,
    stop: &dyn Fn() -> bool,
) -> Result<Vec<Vec<f64>>, String> {
    let go_on = || if stop() { Err("interrupted".to_owned()) } else { Ok(()) };
    let mut running = Vec::new();
    for (at, variant) in variants.iter().enumerate() {
        go_on()?;
        let folder = bench.folder.join(at.to_string());
        let one = Running::start(variant, bench, &folder, Start::ALONE);
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
