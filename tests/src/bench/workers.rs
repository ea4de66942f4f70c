//! What a second worker brings.

use std::time::Instant;

use crate::bench::figures::{Quartiles, order};
use crate::bench::section::{Goal, Section};
use crate::bench::setup::{Bench, Running, Start};
use crate::bench::variant::SPEED;

const STARTS: usize = 3;
const ROUNDS: usize = 3;
const REQUESTS: usize = 6_400;

/// Requests a second with one worker and with two, on all cores.
///
/// # Errors
/// What keeps a variant from running.
pub fn measure(bench: &Bench<'_>, stop: &dyn Fn() -> bool) -> Result<Section, String> {
    let cases: Vec<_> = SPEED.iter().flat_map(|variant| [(variant, 1), (variant, 2)]).collect();
    let mut rates: Vec<Vec<f64>> = cases.iter().map(|_| Vec::new()).collect();
    let mut costs = rates.clone();
    for _ in 0..STARTS {
        let mut running = Vec::new();
        for (at, (variant, workers)) in cases.iter().enumerate() {
            let folder = bench.folder.join(format!("workers-{at}"));
            let how = Start { workers: *workers, pinned: false };
            let mut one = Running::start(variant, bench, &folder, how)?;
            one.slice(REQUESTS / bench.connections)?;
            one.costs.clear();
            running.push(one);
        }
        for round in 0..ROUNDS {
            for at in order(running.len(), round) {
                if stop() {
                    return Err("interrupted".to_owned());
                }
                let Some(one) = running.get_mut(at) else { continue };
                let begun = Instant::now();
                one.slice(REQUESTS / bench.connections)?;
                let rate = REQUESTS as f64 / begun.elapsed().as_secs_f64() / 1e3;
                if let Some(rates) = rates.get_mut(at) {
                    rates.push(rate);
                }
            }
        }
        for (one, costs) in running.iter_mut().zip(&mut costs) {
            costs.append(&mut one.costs);
        }
    }
    let rows =
        cases.iter().zip(rates.iter().zip(&costs)).map(|((variant, workers), (rate, cost))| {
            let name = format!("{}, {workers}", variant.name);
            (name, vec![Quartiles::of(rate), Quartiles::of(cost)])
        });
    // How many times as much, round by round.
    let growth = |name: &str| -> Vec<f64> {
        let of = |workers| {
            let at = cases.iter().position(|(variant, w)| variant.name == name && *w == workers);
            at.and_then(|at| rates.get(at)).map_or(&[][..], Vec::as_slice)
        };
        of(2).iter().zip(of(1)).map(|(two, one)| two / one).collect()
    };
    let (bare, ours) = (growth("bare"), growth("ours"));
    let cores = bench.cores.all;
    Ok(Section {
        name: "workers",
        title: "One worker and two, on all cores",
        columns: vec!["1,000 requests a second".to_owned(), "CPU µs per request".to_owned()],
        rows: rows.collect(),
        goals: vec![Goal::of_ratio(
            "what bare Envoy grows by over what ours does",
            &bare,
            &ours,
            &[ROUNDS; STARTS],
            1.1,
        )],
        notes: vec![format!(
            "the client and the upstream run on the same {cores} cores: a second worker shares \
             them"
        )],
        charted: 0,
    })
}
