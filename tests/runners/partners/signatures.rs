//! Partners by the signature of their request.

use postern_tests::client::{Connection, PATIENCE};
use postern_tests::observe::Answer;
use serde_json::Value;

use super::{Partners, same};

/// A request and what it is.
pub(super) struct Case {
    what: String,
    good: bool,
    bytes: Vec<u8>,
}

impl Case {
    pub(super) fn parse(line: &str) -> Result<Self, String> {
        let value: Value = serde_json::from_str(line).map_err(|e| format!("{e}: {line}"))?;
        let text = |name: &str| value[name].as_str();
        let case = || {
            let (method, target, host) = (text("method")?, text("target")?, text("host")?);
            let mut bytes = format!("{method} {target} HTTP/1.1\r\nHost: {host}\r\n");
            for line in value["headers"].as_array()? {
                bytes.push_str(&format!("{}: {}\r\n", line[0].as_str()?, line[1].as_str()?));
            }
            bytes.push_str("\r\n");
            let (what, good) = (text("what")?.to_owned(), value["good"].as_bool()?);
            Some(Case { what, good, bytes: bytes.into_bytes() })
        };
        case().ok_or_else(|| format!("no case: {line}"))
    }

    /// Sends it on a connection of its own.
    fn send(&self, on: &Partners) -> Result<Answer, String> {
        let mut connection = Connection::open(on.plain, PATIENCE)?;
        connection.write(&self.bytes)?;
        connection.read(false).map_err(|e| format!("{}: {e}", self.what))
    }
}

/// Each with a nonce of its own.
pub(super) fn good(on: &Partners) -> Result<(), String> {
    let mut sent = 0;
    for case in on.cases.iter().filter(|case| case.good) {
        let answer = case.send(on)?;
        let (kind, _) = case.what.split_once(' ').ok_or("no kind")?;
        let got = (answer.status, answer.text("x-subject"), answer.text("x-credential"));
        let (subject, credential) = (format!("{kind}-partner"), format!("signature:{kind}"));
        same(&case.what, (200, Some(subject.as_str()), Some(credential.as_str())), got)?;
        same(&case.what, None, answer.text("x-signature"))?;
        sent += 1;
    }
    same("requests", 2 * 22, sent)
}

pub(super) fn mutations(on: &Partners) -> Result<(), String> {
    let mut sent = 0;
    let mut wrong = Vec::new();
    for case in on.cases.iter().filter(|case| !case.good) {
        let answer = case.send(on)?;
        if (answer.status, answer.text("x-subject")) != (401, None) {
            wrong.push(format!("{}: {}", case.what, answer.status));
        }
        sent += 1;
    }
    if !wrong.is_empty() {
        return Err(wrong.join("\n"));
    }
    same("mutations", 87, sent)
}

/// Connections are spread over the workers.
pub(super) fn replays(on: &Partners) -> Result<(), String> {
    let connections = || -> Result<Vec<u64>, String> {
        let all = on.envoy.stats(&format!("listener.127.0.0.1_{}.worker_", on.plain.port()))?;
        let of = |(name, n): (String, u64)| name.ends_with(".downstream_cx_total").then_some(n);
        Ok(all.into_iter().filter_map(of).collect())
    };
    let before = connections()?;
    same("workers", 2, before.len())?;
    for case in on.cases.iter().filter(|case| case.good).take(5) {
        // Another test may have sent it first.
        case.send(on)?;
        for _ in 0..16 {
            let answer = case.send(on)?;
            same(&case.what, (401, None), (answer.status, answer.text("x-subject")))?;
        }
    }
    let now = connections()?;
    if before.iter().zip(&now).all(|(before, now)| before < now) {
        return Ok(());
    }
    Err(format!("one worker had none of them: {before:?}, {now:?}"))
}
