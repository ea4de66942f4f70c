//! The corpus against a running gateway: every case is sent first, then the
//! access log is awaited, then each case is judged by what was seen.

use std::collections::BTreeMap;
use std::time::Duration;

use postern_stack::keys::Keys;
use serde_json::Value;

use crate::case::Case;
use crate::check::differences;
use crate::client::Wire;
use crate::demo::Demo;
use crate::gateway::wait_for;
use crate::observe::{Answer, Observation, Seen, values};
use crate::request::{Filled, fill, fill_before};

/// The filters, as their records are named in the access log.
pub const FILTERS: [(&str, &str); 5] = [
    ("auth", "auth"),
    ("authz", "authz"),
    ("rate-limit", "rate_limit"),
    ("rate-limit-address", "rate_limit_address"),
    ("legacy-compat", "legacy_compat"),
];

/// What was seen of each case, by its name.
#[derive(Debug, Default)]
pub struct Run {
    seen: BTreeMap<String, Result<Observation, String>>,
    /// Every credential that was sent.
    pub secrets: Vec<String>,
}

/// One way to send a request.
pub type Sender<'s> = &'s dyn Fn(&Filled) -> Result<Answer, String>;

impl Run {
    /// Sends every case that Envoy can show, in order.
    #[must_use]
    pub fn of(gateway: &Demo, cases: &[Case], keys: &Keys) -> Self {
        let shown = cases.iter().filter(|case| case.is_for_envoy());
        Run::through(gateway, shown, keys, &|filled| gateway.send_filled(filled))
    }

    /// Sends cases in a way of the caller's own.
    #[must_use]
    pub fn through<'c>(
        gateway: &Demo,
        cases: impl Iterator<Item = &'c Case>,
        keys: &Keys,
        send: Sender<'_>,
    ) -> Self {
        let mut run = Run::default();
        for case in cases {
            let seen = fill(case, keys).and_then(|filled| {
                run.secrets.extend(filled.secrets.iter().cloned());
                let before = fill_before(case, &filled, keys)?;
                run.secrets.extend(before.iter().flat_map(|filled| filled.secrets.clone()));
                observe(gateway, &before, &filled, send)
            });
            run.seen.insert(case.name.as_str().to_owned(), seen);
        }
        run.read_log(gateway);
        run
    }

    /// What was seen of one case, if it was sent and answered.
    #[must_use]
    pub fn seen(&self, case: &Case) -> Option<&Observation> {
        self.seen.get(case.name.as_str())?.as_ref().ok()
    }

    /// What differs in one case; empty: nothing.
    #[must_use]
    pub fn judge(&self, case: &Case) -> Vec<String> {
        match self.seen.get(case.name.as_str()) {
            Some(Ok(seen)) => differences(case, seen),
            Some(Err(why)) => vec![why.clone()],
            None => vec!["the case was not sent".to_owned()],
        }
    }

    /// Waits until the access log has a line for each answer that names its
    /// request, and puts the decisions to the observations.
    fn read_log(&mut self, gateway: &Demo) {
        let mut lines: BTreeMap<String, String> = BTreeMap::new();
        let wanted: Vec<String> =
            self.seen.values().flatten().filter_map(|seen| id(seen).map(str::to_owned)).collect();
        wait_for(Duration::from_secs(15), || {
            for line in gateway.access_log() {
                if let Some(id) = member(&line, "request_id") {
                    lines.insert(id, line);
                }
            }
            wanted.iter().all(|id| lines.contains_key(id)).then_some(())
        });
        for seen in self.seen.values_mut() {
            let Ok(observation) = seen else { continue };
            let Some(id) = id(observation).map(str::to_owned) else { continue };
            match lines.get(&id) {
                Some(line) => note(observation, line),
                None => *seen = Err(format!("the access log has no line for request {id}")),
            }
        }
    }
}

/// Sends one case and asks the upstream what it saw of it.
fn observe(
    gateway: &Demo,
    before: &[Filled],
    filled: &Filled,
    send: Sender<'_>,
) -> Result<Observation, String> {
    for filled in before {
        send(filled)?;
    }
    gateway.forget()?;
    let answer = send(filled)?;
    let upstream: Vec<Seen> = gateway.seen()?;
    Ok(Observation {
        answer,
        upstream,
        upstream_known: true,
        secrets: filled.secrets.clone(),
        ..Observation::default()
    })
}

/// A filled request as bytes.
#[must_use]
pub fn wire(filled: &Filled) -> Wire {
    match &filled.raw {
        Some(bytes) => Wire { bytes: bytes.clone(), head: bytes.starts_with(b"HEAD ") },
        None => Wire::new(
            &filled.method,
            &filled.path,
            &filled.host,
            &filled.lines,
            filled.body.as_deref(),
        ),
    }
}

fn id(seen: &Observation) -> Option<&str> {
    values(&seen.answer.headers, "x-request-id").next().and_then(|v| std::str::from_utf8(v).ok())
}

fn member(line: &str, name: &str) -> Option<String> {
    let value: Value = serde_json::from_str(line).ok()?;
    value.get(name)?.as_str().map(str::to_owned)
}

/// Reads one line of the access log.
fn note(seen: &mut Observation, line: &str) {
    line.clone_into(&mut seen.log);
    let Ok(value) = serde_json::from_str::<Value>(line) else { return };
    for (filter, name) in FILTERS {
        let record = match value.get(name) {
            // A formatter that prints the state as text.
            Some(Value::String(text)) => serde_json::from_str(text).ok(),
            Some(Value::Object(members)) => Some(Value::Object(members.clone())),
            _ => None,
        };
        if let Some(record) = record {
            seen.decisions.insert(filter.to_owned(), record);
        }
    }
    seen.logged_path = value.get("path").and_then(Value::as_str).map(str::to_owned);
}
