//! What answers take that are held until they are whole: as much of each as may be held, and
//! no more, however many come at once and however slow they are.

use std::time::Duration;

use postern_tests::client::{Connection, PATIENCE};
use postern_tests::gateway::wait_for;

use super::{BUFFERS, CAP, Held};

/// How many come at once.
const MANY: usize = 128;
/// What Envoy's own parts of so many streams and connections may take, and what a worker
/// takes while it rewrites one body.
const BESIDES: usize = 24 << 20;

/// What Envoy has received from the upstream, in bytes.
const RECEIVED: &str = "cluster.upstream.upstream_cx_rx_bytes_total";

/// What Envoy has in memory (`VmRSS`), or had at most (`VmHWM`), in bytes.
fn memory(on: &Held, what: &str) -> Result<usize, String> {
    let file = format!("/proc/{}/status", on.envoy.pid());
    let text = std::fs::read_to_string(&file).map_err(|e| format!("{file}: {e}"))?;
    let line = text.lines().find_map(|line| line.strip_prefix(what)?.strip_prefix(':'));
    let kib = line.and_then(|rest| rest.split_whitespace().next()?.parse::<usize>().ok());
    kib.map(|kib| kib << 10).ok_or_else(|| format!("{file}: no `{what}`"))
}

/// Asks for a document of this size as often as that.
fn ask(on: &Held, size: usize) -> Result<Vec<Connection>, String> {
    let head = format!("GET /edited/{size} HTTP/1.1\r\nHost: a\r\n\r\n");
    let one = |_| {
        let mut connection = Connection::open(on.to, PATIENCE)?;
        connection.write(head.as_bytes())?;
        Ok::<_, String>(connection)
    };
    (0..MANY).map(one).collect()
}

/// Waits until Envoy has received so many bytes from the upstream since then.
fn received(on: &Held, before: u64, bytes: usize) -> Result<(), String> {
    let there = || (on.stat(RECEIVED).ok()? - before >= bytes as u64).then_some(());
    wait_for(Duration::from_secs(60), there).ok_or_else(|| "the answers do not come".to_owned())
}

/// Reads the answers, which are whole and have a body of so many bytes.
fn whole(connections: Vec<Connection>, size: usize) -> Result<(), String> {
    for mut connection in connections {
        let answer = connection.read(false)?;
        let got = (answer.status, answer.cut, answer.body.len());
        if got != (200, false, size) || !answer.body.ends_with(b"aaa\"}") {
            return Err(format!("status, cut, length: {got:?}"));
        }
    }
    Ok(())
}

/// As much as there was at most since `begun`, where so much is to be expected.
fn at_most(on: &Held, begun: usize, what: &str, bound: usize) -> Result<usize, String> {
    let most = memory(on, "VmHWM")?.saturating_sub(begun);
    println!("{MANY} {what}: {} KiB at most; bound {} KiB", most >> 10, bound >> 10);
    if most > bound { Err(format!("{what}: {most} bytes, of {bound}")) } else { Ok(most) }
}

/// Largest answers that are rewritten, none of which ends before all have come: then all
/// become others at once. (1.6 times the cap was measured for each.)
pub(super) fn held(on: &Held) -> Result<(), String> {
    let before = on.stat(RECEIVED)?;
    let begun = memory(on, "VmRSS")?;
    on.upstream.open(false);
    let connections = ask(on, CAP)?;
    received(on, before, MANY * (CAP - 2))?;
    on.upstream.open(true);
    whole(connections, CAP)?;
    let most = at_most(on, begun, "held", MANY * (2 * CAP + BUFFERS[1]) + BESIDES)?;
    // It was Envoy that held them.
    if most < MANY * CAP / 2 { Err(format!("{most} bytes were held")) } else { Ok(()) }
}

/// Answers of which too much comes to be rewritten, to clients that do not read them yet.
pub(super) fn too_large(on: &Held) -> Result<(), String> {
    let size = 4 << 20;
    let begun = memory(on, "VmRSS")?;
    on.upstream.open(true);
    let mut connections = ask(on, size)?;
    // By its first byte each has been let go on.
    for connection in &mut connections {
        wait_for(PATIENCE, || connection.has_answer().then_some(())).ok_or("no answer")?;
    }
    let bound = MANY * (CAP + BUFFERS.iter().sum::<usize>()) + BESIDES;
    at_most(on, begun, "that are too large", bound)?;
    whole(connections, size)
}
