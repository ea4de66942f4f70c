//! Requests and answers at once, and bytes that trickle in: no answer is made
//! of the other message's bytes, and nothing waits without end.

use std::time::{Duration, Instant};

use postern_tests::client::Connection;
use postern_tests::gateway::wait_for;
use postern_tests::observe::Answer;

use super::same;
use crate::Stage;

const PATIENCE: Duration = Duration::from_secs(45);

/// An upstream that answers while the request's body still comes: what comes
/// late is no part of the held answer.
pub(super) fn late_request_body(stage: &Stage) -> Result<(), String> {
    for fault in ["bytes=5", "status=404,bytes=5", "status=404,chunked,bytes=5"] {
        let plain = early(stage, fault, false)?;
        let late = early(stage, fault, true)?;
        same(fault, (plain.status, plain.body.clone()), (late.status, late.body.clone()))?;
        same(fault, (false, false), (late.cut, late.body.is_empty()))?;
    }
    Ok(())
}

fn early(stage: &Stage, fault: &str, with_body: bool) -> Result<Answer, String> {
    let length = if with_body { "Content-Length: 300\r\n" } else { "" };
    let head = format!(
        "GET /api/v1/user:northwind.json HTTP/1.1\r\nHost: marketplace.example.com\r\n\
         X-Demo-Fault: {fault}\r\n{length}Connection: close\r\n\r\n"
    );
    stage.gateway.forget()?;
    let mut connection = Connection::open(stage.gateway.address(), PATIENCE)?;
    connection.write(head.as_bytes())?;
    if with_body {
        // Once the upstream has the head, its answer is on the way.
        let there = || stage.gateway.seen().ok().filter(|seen| !seen.is_empty());
        wait_for(PATIENCE, there).ok_or("the upstream got no request")?;
        for _ in 0..3 {
            connection.write(&[b'x'; 100])?;
            std::thread::sleep(Duration::from_millis(20));
        }
    }
    connection.read(false)
}

/// Each byte keeps the idle timers at bay; the stream ends all the same.
pub(super) fn trickle(stage: &Stage) -> Result<(), String> {
    let head = "GET /api/v1/user:northwind.json HTTP/1.1\r\nHost: marketplace.example.com\r\n\
                X-Demo-Fault: stall\r\nContent-Length: 1000\r\n\r\n";
    let begun = Instant::now();
    let mut connection = Connection::open(stage.gateway.address(), PATIENCE)?;
    connection.write(head.as_bytes())?;
    let ended = wait_for(PATIENCE, || {
        // The pace of the trickle: well under every idle timer.
        std::thread::sleep(Duration::from_millis(500));
        // A write fails, or an answer is there to be read.
        let gone = connection.write(b"x").is_err() || connection.has_answer();
        gone.then_some(())
    });
    ended.ok_or_else(|| format!("the stream is still open after {:?}", begun.elapsed()))
}
