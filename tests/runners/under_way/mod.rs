//! Requests at a time, on a real Envoy with two workers: never too many, and a place is
//! free however its request ends.

mod http2;

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use postern_tests::client::{Connection, PATIENCE, Wire, send};
use postern_tests::compile;
use postern_tests::corpus::workspace;
use postern_tests::envoy::{Envoy, free_ports};
use postern_tests::gateway::wait_for;
use postern_tests::observe::Answer;
use postern_tests::server;

/// Places of each caller, in `trap/envoy.yaml`.
const SEATS: usize = 4;
/// A request that ends in some way is sent so often: more often than there are places.
const OFTEN: usize = 12;
const CONNECTIONS: usize = 64;
const EACH: usize = 25;

/// An Envoy with the filter.
pub struct Seated {
    envoy: Envoy,
    at: SocketAddr,
    upstream: SocketAddr,
}

/// A test on it.
pub type Test = fn(&Seated) -> Result<(), String>;

/// All of them.
pub const ALL: &[(&str, Test)] = &[
    ("never_too_many_on_two_workers", never_too_many),
    ("a_client_that_leaves_leaves_its_place", client_leaves),
    ("an_upstream_that_resets_frees_the_place", upstream_resets),
    ("a_request_that_is_too_late_leaves_its_place", too_late),
    ("a_refusal_behind_it_frees_the_place", refused_behind),
    ("a_refusal_before_it_takes_no_place", refused_before),
    ("an_answer_replaced_before_or_behind_it_frees_the_place", replaced),
    ("a_stream_of_http_2_that_is_reset_frees_the_place", http2::reset),
    ("another_protocol_has_a_place_until_it_ends", upgraded),
    ("what_a_trapped_vm_held_lapses", trapped),
    ("counts_outlive_the_vms_that_trap", counts_stay),
];

/// How long things take at most.
const PATIENT: Duration = Duration::from_secs(20);

impl Seated {
    /// Builds the filter and starts Envoy.
    pub fn start() -> Result<Self, String> {
        let compiled = compile::filter("postern-trap", &[])?;
        let finished = postern_finish::finish(&compiled, &postern_finish::Profile::default())
            .map_err(|e| e.to_string())?;
        let upstream = server::start().map_err(|e| e.to_string())?;
        let [admin, gateway] = free_ports()?;
        let folder = workspace().join("target/test-runs/under-way");
        std::fs::create_dir_all(&folder).map_err(|e| e.to_string())?;
        let module = folder.join("trap.wasm");
        std::fs::write(&module, finished).map_err(|e| e.to_string())?;
        let bootstrap = include_str!("../../trap/envoy.yaml")
            .replace("$ADMIN", &admin.to_string())
            .replace("$GATEWAY", &gateway.to_string())
            .replace("$UPSTREAM", &upstream.port().to_string())
            .replace("$MODULE", &module.to_string_lossy());
        let envoy = Envoy::start(&folder, &bootstrap, admin)?;
        Ok(Seated { envoy, at: SocketAddr::from((Ipv4Addr::LOCALHOST, gateway)), upstream })
    }

    fn ask(&self, path: &str, caller: &str, more: &[&str]) -> Result<Answer, String> {
        send(self.at, &get(path, caller, more), PATIENCE)
    }

    /// Requests that the upstream does not answer, as many as there are places. A stream
    /// that is on its way out may have one still: then one of those that sit down is
    /// refused, and all of them get up and try again.
    fn sit(&self, caller: &str, count: usize) -> Result<Vec<Connection>, String> {
        let all = || self.sit_at_once(caller, count).ok();
        wait_for(PATIENT, all).ok_or_else(|| format!("{caller}: not all places can be taken"))
    }

    fn sit_at_once(&self, caller: &str, count: usize) -> Result<Vec<Connection>, String> {
        let sit = |_| {
            let mut connection = Connection::open(self.at, PATIENCE)?;
            connection.write(&get("/late", caller, &[]).bytes)?;
            Ok(connection)
        };
        let seated = (0..count).map(sit).collect::<Result<Vec<_>, String>>()?;
        self.until_within(Duration::from_secs(2), caller, 429)?;
        Ok(seated)
    }

    /// Waits until a request is answered so.
    fn until(&self, caller: &str, status: u16) -> Result<(), String> {
        self.until_within(PATIENT, caller, status)
    }

    fn until_within(&self, patience: Duration, caller: &str, status: u16) -> Result<(), String> {
        let answered = || {
            let answer = self.ask("/here", caller, &[]).ok()?;
            (answer.status == status).then_some(())
        };
        wait_for(patience, answered)
            .ok_or_else(|| format!("{caller}: no {status}: {}", self.envoy.printed()))
    }

    /// All places are free: as many as there are can be taken.
    fn all_free(&self, caller: &str) -> Result<(), String> {
        self.until(caller, 200)?;
        drop(self.sit(caller, SEATS)?);
        self.until(caller, 200)
    }

    /// A request that ends in some way, more often than there are places, is never over
    /// the limit.
    fn often(&self, caller: &str, path: &str, more: &[&str], status: u16) -> Result<(), String> {
        for _ in 0..OFTEN {
            let answer = self.ask(path, caller, more)?;
            // The stream of the one before may be on its way out.
            if answer.status == 429 {
                self.until(caller, 200)?;
                continue;
            }
            same(path, status, answer.status)?;
        }
        self.all_free(caller)
    }
}

fn get(path: &str, caller: &str, more: &[&str]) -> Wire {
    let caller = format!("X-Caller: {caller}");
    let lines: Vec<&str> = [caller.as_str()].into_iter().chain(more.iter().copied()).collect();
    Wire::get("seats.example", path, &lines)
}

fn same<T: PartialEq + std::fmt::Debug>(what: &str, expected: T, got: T) -> Result<(), String> {
    if expected == got {
        Ok(())
    } else {
        Err(format!("{what}: expected {expected:?}, got {got:?}"))
    }
}

/// The upstream counts what it has at once.
fn never_too_many(on: &Seated) -> Result<(), String> {
    let statuses: Result<Vec<u16>, String> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..CONNECTIONS)
            .map(|_| {
                scope.spawn(|| {
                    (0..EACH)
                        .map(|_| on.ask("/busy", "load", &[]).map(|answer| answer.status))
                        .collect::<Result<Vec<_>, _>>()
                })
            })
            .collect();
        let mut all = Vec::new();
        for thread in threads {
            all.extend(thread.join().map_err(|_| "a client panicked")??);
        }
        Ok(all)
    });
    let statuses = statuses?;
    let count = |status| statuses.iter().filter(|s| **s == status).count();
    same("200 and 429", statuses.len(), count(200) + count(429))?;
    let busiest = send(on.upstream, &Wire::get("upstream", "/busiest", &[]), PATIENCE)?;
    let busiest = String::from_utf8_lossy(&busiest.body).into_owned();
    same("at once", SEATS.to_string(), busiest)?;
    for worker in 0..2 {
        let name =
            format!("listener.127.0.0.1_{}.worker_{worker}.downstream_cx_total", on.at.port());
        let taken = on.envoy.stats(&name)?;
        if !taken.iter().any(|(_, count)| *count > 0) {
            return Err(format!("worker {worker} took no connection: {taken:?}"));
        }
    }
    on.all_free("load")
}

fn client_leaves(on: &Seated) -> Result<(), String> {
    for _ in 0..3 {
        drop(on.sit("leaves", SEATS)?);
        on.until("leaves", 200)?;
    }
    // In the middle of its request's body.
    let mut sending = Vec::new();
    for _ in 0..SEATS {
        let mut connection = Connection::open(on.at, PATIENCE)?;
        connection.write(
            b"POST /late HTTP/1.1\r\nHost: seats.example\r\nX-Caller: leaves\r\n\
              Content-Length: 1000\r\n\r\nhalf",
        )?;
        sending.push(connection);
    }
    on.until("leaves", 429)?;
    drop(sending);
    on.all_free("leaves")
}

fn upstream_resets(on: &Seated) -> Result<(), String> {
    on.often("reset", "/reset", &[], 503)?;
    on.often("cut", "/cut-length", &[], 200)
}

fn too_late(on: &Seated) -> Result<(), String> {
    on.often("late", "/late-and-timed", &[], 504)
}

fn refused_behind(on: &Seated) -> Result<(), String> {
    on.often("behind", "/length", &["x-envoy-fault-abort-request: 418"], 418)
}

fn refused_before(on: &Seated) -> Result<(), String> {
    on.often("before", "/late", &["X-Answer: outer"], 403)
}

/// In the response phase: ours may hear nothing of the answer any more.
fn replaced(on: &Seated) -> Result<(), String> {
    on.often("replaced-outer", "/answered-by-outer", &[], 502)?;
    on.often("replaced-inner", "/answered-by-inner", &[], 502)?;
    on.often("refused-inner", "/length", &["X-Answer: inner"], 403)
}

fn upgraded(on: &Seated) -> Result<(), String> {
    let upgrade = |path: &str| {
        let mut connection = Connection::open(on.at, PATIENCE)?;
        let lines = ["Connection: Upgrade", "Upgrade: websocket"];
        connection.write(&get(path, "upgraded", &lines).bytes)?;
        Ok::<_, String>(connection)
    };
    let all = (0..SEATS).map(|_| upgrade("/upgrade")).collect::<Result<Vec<_>, _>>()?;
    on.until("upgraded", 429)?;
    let mut all = all;
    for connection in &mut all {
        same("switched", 101, connection.read(true)?.status)?;
    }
    same("still", 429, on.ask("/here", "upgraded", &[])?.status)?;
    drop(all);
    on.all_free("upgraded")?;
    // The upstream leaves first.
    for _ in 0..OFTEN {
        drop(upgrade("/upgrade-and-close")?);
    }
    on.all_free("upgraded")
}

/// Of the streams of a VM that traps nothing is heard any more.
fn trapped(on: &Seated) -> Result<(), String> {
    let seated = on.sit("trapped", SEATS)?;
    trap(on)?;
    same("at first", 429, on.ask("/here", "trapped", &[])?.status)?;
    on.until("trapped", 200)?;
    let lapsed = || {
        let lapsed = on.envoy.stats("rate-limit.lapsed").ok()?;
        lapsed.iter().any(|(_, count)| *count > 0).then_some(())
    };
    wait_for(PATIENCE, lapsed).ok_or("nobody says that a VM has lapsed")?;
    drop(seated);
    on.all_free("trapped")
}

/// Traps the VMs of both workers, and waits until others are there.
fn trap(on: &Seated) -> Result<(), String> {
    let reloads = || {
        let all = on.envoy.stats("vm_reload_success").ok()?;
        Some(all.iter().map(|(_, count)| count).sum::<u64>())
    };
    let before = reloads().ok_or("Envoy counts no reloads")?;
    let trap = |_| on.ask("/here", "another", &["X-Trap: 1"]).map(|answer| answer.status);
    let statuses = (0..32).map(trap).collect::<Result<Vec<_>, _>>()?;
    same("trapped", vec![503; 32], statuses)?;
    let good = |_| on.ask("/here", "another", &[]).is_ok_and(|answer| answer.status == 200);
    // On both workers.
    let again = || (0..16).all(good).then_some(());
    wait_for(PATIENCE, again).ok_or("no VM is made anew")?;
    match reloads() {
        Some(now) if now >= before + 2 => Ok(()),
        now => Err(format!("no VM was made anew: {before} before, {now:?} now")),
    }
}

/// They are in the proxy, not in the VM that counted.
fn counts_stay(on: &Seated) -> Result<(), String> {
    let ask = |caller: &str| Ok(on.ask("/here", caller, &["X-Counted: 1"])?.status);
    let four = |caller: &str| (0..4).map(|_| ask(caller)).collect::<Result<Vec<u16>, String>>();
    same("before", vec![200, 200, 200, 429], four("spender")?)?;
    trap(on)?;
    same("who had spent all", vec![429; 4], four("spender")?)?;
    same("somebody else", vec![200, 200, 200, 429], four("newcomer")?)
}
