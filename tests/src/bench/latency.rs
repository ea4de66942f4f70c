//! How long an answer takes at half and at a quarter of the load that a gateway can bear:
//! requests are sent when they are due, whether or not the answers to others have come, and
//! each is timed from when it was due (Tene, "How NOT to Measure Latency", 2013: else a
//! gateway that stands still is asked nothing meanwhile, and its wait does not count).

use std::os::fd::AsFd;
use std::sync::Arc;
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags};
use nix::sys::time::TimeSpec;

use crate::bench::figures::{Quartiles, order};
use crate::bench::section::{Goal, Section};
use crate::bench::setup::{Bench, Running, Start};
use crate::bench::variant::SPEED;
use crate::client::{Connection, PATIENCE, connect};

/// Connections that requests are spread over: more than are ever at work, so that none waits
/// for another's answer.
const CONNECTIONS: usize = 64;
/// Rounds of each variant, over so many starts: many and short, since who else has the
/// machine for some milliseconds spoils the 99th of 100 of a round, but not the median of
/// the rounds.
const ROUNDS: usize = 32;
const STARTS: usize = 4;
/// Shares of the load that the slowest can bear. At half of it requests queue wherever the
/// machine is slow for some milliseconds, and what queues grows with each of them.
const LOADS: [f64; 2] = [0.5, 0.25];
/// A round's length: some 1,000 or 2,000 requests.
const ROUND: Duration = Duration::from_millis(500);
/// What comes before it at the same pace and does not count: the gateway has slept while
/// others were measured.
const RUN_UP: Duration = Duration::from_millis(250);
/// Requests of a load that is as fast as it can be.
const SATURATION: usize = 8_000;

/// Measures it, the variants in turn.
///
/// # Errors
/// What keeps a variant from running, or an answer that is not as it should be.
pub fn measure(bench: &Bench<'_>, stop: &dyn Fn() -> bool) -> Result<Section, String> {
    let mut of: Vec<[Measured; LOADS.len()]> = SPEED.iter().map(|_| Default::default()).collect();
    let mut borne = Vec::new();
    for _ in 0..STARTS {
        let mut running = Vec::new();
        for (at, variant) in SPEED.iter().enumerate() {
            let folder = bench.folder.join(format!("latency-{at}"));
            let mut one = Running::start(variant, bench, &folder, Start::ALONE)?;
            one.slice(SATURATION / bench.connections)?;
            running.push(one);
        }
        let mut slowest = f64::INFINITY;
        for one in &mut running {
            let begun = Instant::now();
            one.slice(SATURATION / bench.connections)?;
            slowest = slowest.min(SATURATION as f64 / begun.elapsed().as_secs_f64());
        }
        borne.push(slowest);
        for round in 0..ROUNDS / STARTS {
            for (load, share) in LOADS.iter().enumerate() {
                for at in order(running.len(), round) {
                    if stop() {
                        return Err("interrupted".to_owned());
                    }
                    let measured = of.get_mut(at).and_then(|one| one.get_mut(load));
                    if let (Some(one), Some(measured)) = (running.get(at), measured) {
                        measured.add(&mut paced(one, &bench.in_turn, slowest * share)?);
                    }
                }
            }
        }
    }
    Ok(section(&of, Quartiles::of(&borne).median))
}

/// Milliseconds, a figure a round.
#[derive(Debug, Default)]
struct Measured {
    median: Vec<f64>,
    p99: Vec<f64>,
    longest: Vec<f64>,
}

impl Measured {
    fn add(&mut self, seen: &mut [f64]) {
        seen.sort_by(f64::total_cmp);
        let at = |share: f64| {
            let place = (seen.len() as f64 * share) as usize;
            seen.get(place.min(seen.len().saturating_sub(1))).copied().unwrap_or(f64::NAN)
        };
        self.median.push(at(0.5));
        self.p99.push(at(0.99));
        self.longest.push(at(1.0));
    }
}

/// Milliseconds of each request, sent at `rate` a second for a round.
fn paced(one: &Running, requests: &Arc<[Vec<u8>]>, rate: f64) -> Result<Vec<f64>, String> {
    let failed = |e: std::io::Error| format!("{}: {e}", one.variant.name);
    let mut sockets = Vec::new();
    let mut connections = Vec::new();
    for _ in 0..CONNECTIONS {
        let socket = connect(one.gateway, PATIENCE)?;
        let stream = socket.try_clone().map_err(failed)?;
        connections.push(Connection::over(Box::new(stream), PATIENCE));
        sockets.push(socket);
    }
    let between = Duration::from_secs_f64(1.0 / rate);
    let uncounted = (RUN_UP.as_secs_f64() * rate) as u32;
    let count = uncounted + (ROUND.as_secs_f64() * rate) as u32;
    let begun = Instant::now();
    // When the request that each connection waits for was due.
    let mut due: Vec<Option<(u32, Instant)>> = vec![None; CONNECTIONS];
    let mut free: Vec<usize> = (0..CONNECTIONS).collect();
    let mut seen = Vec::with_capacity(count as usize);
    let (mut next, mut answered) = (0, 0);
    while answered < count {
        let now = Instant::now();
        let mut wait = PATIENCE;
        while next < count {
            let at = begun + between * next;
            if at > now {
                wait = at - now;
                break;
            }
            let Some(on) = free.pop() else { break };
            let request = requests.get(next as usize % requests.len()).ok_or("no request")?;
            connections.get_mut(on).ok_or("no connection")?.write(request)?;
            if let Some(slot) = due.get_mut(on) {
                *slot = Some((next, at));
            }
            next += 1;
        }
        for on in ready(&sockets, &due, wait)? {
            let answer = connections.get_mut(on).ok_or("no connection")?.read(false)?;
            if answer.status != 200 || answer.cut {
                return Err(format!("{}: an answer was {}", one.variant.name, answer.status));
            }
            if let Some((number, at)) = due.get_mut(on).and_then(Option::take) {
                answered += 1;
                if number >= uncounted {
                    seen.push(at.elapsed().as_secs_f64() * 1e3);
                }
                free.push(on);
            }
        }
    }
    Ok(seen)
}

/// The connections that have an answer; none if there is none in time.
fn ready(
    sockets: &[std::net::TcpStream],
    due: &[Option<(u32, Instant)>],
    wait: Duration,
) -> Result<Vec<usize>, String> {
    let busy: Vec<usize> =
        (0..due.len()).filter(|on| due.get(*on).is_some_and(Option::is_some)).collect();
    let polled = busy.iter().filter_map(|on| sockets.get(*on));
    let mut polled: Vec<PollFd<'_>> =
        polled.map(|socket| PollFd::new(socket.as_fd(), PollFlags::POLLIN)).collect();
    nix::poll::ppoll(&mut polled, Some(TimeSpec::from_duration(wait)), None)
        .map_err(|e| format!("waiting for answers: {e}"))?;
    let answered = busy.iter().zip(&polled).filter(|(_, fd)| fd.any().unwrap_or(false));
    Ok(answered.map(|(on, _)| *on).collect())
}

fn section(of: &[[Measured; LOADS.len()]], borne: f64) -> Section {
    let rows = LOADS.iter().enumerate().flat_map(|(load, share)| {
        SPEED.iter().zip(of).filter_map(move |(variant, one)| {
            let one = one.get(load)?;
            let figures = [&one.median, &one.p99, &one.longest].map(|all| Quartiles::of(all));
            Some((format!("{}, {share}", variant.name), figures.to_vec()))
        })
    });
    let p99 = |name: &str, load: usize| {
        let at = SPEED.iter().position(|variant| variant.name == name);
        let one = at.and_then(|at| of.get(at)?.get(load));
        one.map_or(&[][..], |one| one.p99.as_slice())
    };
    let goals = LOADS.iter().enumerate().map(|(load, share)| {
        Goal::of_pairs(
            &format!("at {share} of it, the 99th of 100 over that of stock+cache"),
            p99("ours", load),
            p99("stock+cache", load),
            &[ROUNDS / STARTS; STARTS],
            1.2,
        )
    });
    Section {
        name: "latency",
        title: "Milliseconds from when a request was due to its answer, at half and at a quarter \
                of the load that the slowest can bear",
        columns: ["median", "99 of 100", "longest"].map(str::to_owned).to_vec(),
        rows: rows.collect(),
        goals: goals.collect(),
        notes: vec![format!(
            "the slowest bears {borne:.0} requests a second; {ROUNDS} rounds of {} ms",
            ROUND.as_millis()
        )],
        charted: 1,
    }
}
