//! What editing JSON costs by its size: the same answers through the same Envoy with
//! `legacy-compat` alone, by a path whose rule edits them and by one that has no rule.

use std::sync::Arc;

use crate::bench::account::cpu_time;
use crate::bench::figures::Quartiles;
use crate::bench::load::{Load, Requests};
use crate::bench::section::{Goal, Section};
use crate::bench::setup::{Bench, Running, Start};
use crate::bench::variant::EDITS;
use crate::client::{PATIENCE, Wire, send};

/// Bytes of an answer, about.
const SIZES: [usize; 4] = [4_000, 32_000, 256_000, 900_000];
const ROUNDS: usize = 7;
/// Bytes in each slice, about.
const SLICE: usize = 12_000_000;
const CONNECTIONS: usize = 4;

/// Measures it.
///
/// # Errors
/// What keeps Envoy from running, or an answer that is not edited.
pub fn measure(bench: &Bench<'_>, stop: &dyn Fn() -> bool) -> Result<Section, String> {
    let one = Running::start(&EDITS, bench, &bench.folder.join("edits"), Start::ALONE)?;
    let mut rows = Vec::new();
    let mut per_kilobyte = Vec::new();
    for size in SIZES {
        let bytes = edited(&one, size)?;
        let mut loads = ["json", "plain"].map(|kind| {
            let request = format!("GET /{kind}/{size} HTTP/1.1\r\nhost: api.example.com\r\n\r\n");
            let list: Arc<[Vec<u8>]> = vec![request.into_bytes()].into();
            Load::open(one.gateway, CONNECTIONS, Requests { list, again: true })
        });
        let each = (SLICE / size / CONNECTIONS).clamp(2, 400);
        let mut costs: [Vec<f64>; 2] = [Vec::new(), Vec::new()];
        // The first round warms.
        for round in 0..=ROUNDS {
            if stop() {
                return Err("interrupted".to_owned());
            }
            for (load, costs) in loads.iter_mut().zip(&mut costs) {
                let load = load.as_mut().map_err(|e| e.clone())?;
                let before = cpu_time(one.process.pid())?;
                let sent = load.run(each)?;
                let spent = cpu_time(one.process.pid())?.saturating_sub(before);
                if round > 0 {
                    costs.push(spent.as_secs_f64() * 1e6 / sent as f64);
                }
            }
        }
        let [edited, plain] = &costs;
        let more: Vec<f64> = edited.iter().zip(plain).map(|(e, p)| e - p).collect();
        let speed: Vec<f64> = more.iter().map(|more| bytes as f64 / more).collect();
        per_kilobyte.push(more.iter().map(|more| more / bytes as f64 * 1e3).collect::<Vec<f64>>());
        let figures = [plain.as_slice(), edited, &speed].map(Quartiles::of);
        rows.push((format!("{:.0} kB", bytes as f64 / 1e3), figures.to_vec()));
    }
    let of = |at: usize| per_kilobyte.get(at).map_or(&[][..], Vec::as_slice);
    Ok(Section {
        name: "edits",
        title: "JSON answers, passed on and edited (each scalar a string, money, dates)",
        columns: ["µs passed on", "µs edited", "MB/s of editing"].map(str::to_owned).to_vec(),
        rows,
        goals: vec![Goal::of_ratio(
            "a kilobyte of 900 over one of 32",
            of(3),
            of(1),
            &[ROUNDS],
            1.2,
        )],
        notes: Vec::new(),
        charted: 2,
    })
}

/// How long the answer is that comes from the upstream, if it is edited by one path and
/// not by the other.
fn edited(one: &Running, size: usize) -> Result<usize, String> {
    let get = |kind: &str| {
        send(one.gateway, &Wire::get("api.example.com", &format!("/{kind}/{size}"), &[]), PATIENCE)
    };
    let (edited, plain) = (get("json")?, get("plain")?);
    let of = |body: &[u8]| serde_json::from_slice::<serde_json::Value>(body);
    let (was, is) = (of(&plain.body), of(&edited.body));
    let amount = |value: &Result<serde_json::Value, _>| {
        value.as_ref().ok().and_then(|it| it.pointer("/0/id").cloned())
    };
    if amount(&was) != Some(1.into()) || amount(&is) != Some("1".into()) {
        let seen = String::from_utf8_lossy(&edited.body).chars().take(200).collect::<String>();
        return Err(format!("an answer of {size} bytes was not edited as it should be: {seen}"));
    }
    Ok(plain.body.len())
}
