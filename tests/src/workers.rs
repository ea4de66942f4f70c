//! Which of Envoy's two workers took connections: where only one did, nothing was shown
//! of what they have to agree on.

use std::fs;

use serde_json::Value;

use crate::client::{Connection, PATIENCE};
use crate::gateway::{Gateway, wait_for};

/// Connections that each worker took so far, by the name of its counter.
pub type Taken = Vec<(String, u64)>;

/// The kernel gives connections to workers by chance: of eight, a worker gets fewer than
/// two in one of fourteen tries.
const TRIES: usize = 20;

impl Gateway {
    /// Connections that each worker took so far.
    ///
    /// # Errors
    /// When the admin interface does not say.
    pub fn workers(&self) -> Result<Taken, String> {
        let port = self.address().port();
        let all = self.stats("downstream_cx_total")?;
        let ours = |name: &str| name.contains(&format!("_{port}.worker_"));
        Ok(all.into_iter().filter(|(name, _)| ours(name)).collect())
    }

    /// Has each of both workers taken connections since?
    ///
    /// # Errors
    /// The one that has not.
    pub fn both_workers(&self, before: &Taken) -> Result<(), String> {
        each_took(1, before, &self.workers()?)
    }

    /// Opens so many connections, some of which each worker has.
    ///
    /// # Errors
    /// When one worker gets none of them.
    pub fn connections(&self, count: usize) -> Result<Vec<Connection>, String> {
        let mut why = String::new();
        for _ in 0..TRIES {
            let before = self.workers()?;
            let opened: Result<Vec<_>, _> =
                (0..count).map(|_| Connection::open(self.address(), PATIENCE)).collect();
            let opened = opened?;
            let sum = |taken: &Taken| taken.iter().map(|(_, n)| n).sum::<u64>();
            let all = || {
                let now = self.workers().ok()?;
                (sum(&now) >= sum(&before) + count as u64).then_some(now)
            };
            let now = wait_for(PATIENCE, all).ok_or("no worker takes the connections")?;
            match each_took(2, &before, &now) {
                Ok(()) => return Ok(opened),
                Err(e) => why = e,
            }
        }
        Err(why)
    }

    /// What a restart, or another listener, would change.
    ///
    /// # Errors
    /// When the run does not say.
    pub fn running(&self) -> Result<Running, String> {
        let file = self.run.join("state.json");
        let text = fs::read_to_string(&file).map_err(|e| format!("{}: {e}", file.display()))?;
        let state: Value = serde_json::from_str(&text).map_err(|e| e.to_string())?;
        let processes = state["processes"].as_array().ok_or("no processes")?;
        let envoy = processes.iter().find(|p| p["name"] == "envoy").ok_or("no Envoy")?;
        let listeners = ["listener_modified", "listener_added", "listener_create_success"]
            .map(|name| self.stat(&format!("listener_manager.{name}")));
        let [modified, added, created] = listeners;
        Ok(Running {
            process: envoy["pid"].to_string(),
            since: envoy["since"].to_string(),
            listeners: [modified?, added?, created?],
        })
    }
}

/// An Envoy's process and its listeners: modified, added, created.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Running {
    process: String,
    since: String,
    listeners: [u64; 3],
}

fn each_took(least: u64, before: &Taken, after: &Taken) -> Result<(), String> {
    let names = |taken: &Taken| taken.iter().map(|(name, _)| name.clone()).collect::<Vec<_>>();
    if after.len() != 2 || names(before) != names(after) {
        return Err(format!("expected two workers, got {:?}", names(after)));
    }
    for ((name, before), (_, after)) in before.iter().zip(after) {
        let took = after.saturating_sub(*before);
        if took < least {
            return Err(format!("{name}: {took} connections, expected {least} at least"));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taken(counts: &[u64]) -> Taken {
        counts.iter().enumerate().map(|(n, count)| (format!("worker_{n}"), *count)).collect()
    }

    #[test]
    fn one_worker_alone_is_not_enough() {
        let before = taken(&[4, 7]);
        assert_eq!(each_took(1, &before, &taken(&[5, 8])), Ok(()));
        assert_eq!(
            each_took(1, &before, &taken(&[12, 7])).unwrap_err(),
            "worker_1: 0 connections, expected 1 at least"
        );
        assert_eq!(
            each_took(2, &before, &taken(&[5, 9])).unwrap_err(),
            "worker_0: 1 connections, expected 2 at least"
        );
        assert_eq!(
            each_took(1, &taken(&[4]), &taken(&[5])).unwrap_err(),
            "expected two workers, got [\"worker_0\"]"
        );
    }
}
