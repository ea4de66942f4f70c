//! Did Envoy take a policy? Its statistics count each that it took and each
//! that it refused, per filter.

use std::collections::BTreeMap;
use std::fmt;
use std::time::{Duration, Instant};

/// How often the statistics are read.
const PAUSE: Duration = Duration::from_millis(50);

/// How long one answer of Envoy's admin interface may take.
const ANSWER: Duration = Duration::from_secs(2);

/// Envoy's admin interface.
#[derive(Clone, Debug)]
pub struct Admin {
    agent: ureq::Agent,
    address: String,
}

/// How often Envoy took and refused a plugin's policy.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Count {
    /// Taken.
    pub taken: u64,
    /// Refused: by the filter, or because the file is none.
    pub refused: u64,
    /// Read: also one that Envoy runs already.
    pub read: u64,
    /// How many of its VMs compile a large one, in slices. One that trapped meanwhile
    /// counts for ever.
    pub loading: u64,
}

/// The counts by plugin.
pub type Counts = BTreeMap<String, Count>;

/// What became of a policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Envoy took it; the next request is judged by it.
    Taken,
    /// Envoy refused it; the last good one serves on, if there was one.
    Refused,
    /// Envoy did neither in time.
    Late,
    /// Envoy took it, but some workers are not done with compiling it: the former one
    /// serves there.
    Loading,
    /// Envoy has no filter of this name.
    NotMounted,
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Outcome::Taken => "Envoy took it",
            Outcome::Refused => "refused by Envoy",
            Outcome::Late => "Envoy did not take it in time; see its log",
            Outcome::Loading => "Envoy took it, but was not done with compiling it in time",
            Outcome::NotMounted => "Envoy has no filter of this name",
        })
    }
}

impl Admin {
    /// The interface at `host:port`.
    #[must_use]
    pub fn new(address: &str) -> Self {
        let config = ureq::Agent::config_builder().timeout_global(Some(ANSWER)).build();
        Admin { agent: config.new_agent(), address: address.to_owned() }
    }

    /// The counts, asked for until `limit` is over where Envoy does not answer in time: it
    /// answers nobody while it compiles new modules.
    ///
    /// # Errors
    /// When it does not answer.
    pub fn counts(&self, limit: Duration) -> Result<Counts, String> {
        let end = Instant::now() + limit;
        loop {
            match self.counts_now() {
                Err(error) if is_passing(&error) && Instant::now() < end => {
                    std::thread::sleep(PAUSE);
                }
                counts => {
                    return counts.map_err(|e| {
                        format!(
                            "Envoy's admin interface at `{}` does not answer: {e}",
                            self.address
                        )
                    });
                }
            }
        }
    }

    fn counts_now(&self) -> Result<Counts, ureq::Error> {
        const FILTER: &str = "extension_config_discovery%7Cpolicies_loading";
        let url = format!("http://{}/stats?filter={FILTER}", self.address);
        let text =
            self.agent.get(&url).call().and_then(|mut answer| answer.body_mut().read_to_string());
        Ok(counts(&text?))
    }

    /// Waits until each of the plugins was taken or refused since `before`.
    ///
    /// # Errors
    /// When the interface has not answered since.
    pub fn wait<'p>(
        &self,
        plugins: &[&'p str],
        before: &Counts,
        limit: Duration,
    ) -> Result<Vec<(&'p str, Outcome)>, String> {
        let end = Instant::now() + limit;
        let mut last: Option<Vec<(&str, Outcome)>> = None;
        loop {
            let now = match (self.counts(end.saturating_duration_since(Instant::now())), last) {
                (Ok(now), _) => now,
                // What was known before it fell silent.
                (Err(_), Some(outcomes)) => return Ok(outcomes),
                (Err(error), None) => return Err(error),
            };
            let outcomes: Vec<_> =
                plugins.iter().map(|plugin| (*plugin, outcome(plugin, before, &now))).collect();
            let is_open = |outcome| matches!(outcome, Outcome::Late | Outcome::Loading);
            let open = outcomes.iter().any(|(_, outcome)| is_open(*outcome));
            if !open || Instant::now() >= end {
                return Ok(outcomes);
            }
            last = Some(outcomes);
            std::thread::sleep(PAUSE);
        }
    }

    /// Waits until each of the plugins' files was read since `before`, so that what
    /// is counted of it does not count as the next policy's; not for ever.
    ///
    /// # Errors
    /// When the interface stops answering.
    pub fn wait_read(
        &self,
        plugins: &[&str],
        before: &Counts,
        limit: Duration,
    ) -> Result<(), String> {
        let end = Instant::now() + limit;
        let read = |counts: &Counts, plugin: &str| counts.get(plugin).map_or(0, |c| c.read);
        loop {
            let now = self.counts(end.saturating_duration_since(Instant::now()))?;
            let open = plugins.iter().any(|plugin| read(&now, plugin) <= read(before, plugin));
            if !open || Instant::now() >= end {
                return Ok(());
            }
            std::thread::sleep(PAUSE);
        }
    }
}

/// May Envoy answer the next time? Nobody listens, or another server does: then not.
fn is_passing(error: &ureq::Error) -> bool {
    match error {
        ureq::Error::Timeout(_) => true,
        ureq::Error::Io(e) => e.kind() != std::io::ErrorKind::ConnectionRefused,
        _ => false,
    }
}

fn outcome(plugin: &str, before: &Counts, now: &Counts) -> Outcome {
    let old = before.get(plugin).copied().unwrap_or_default();
    match now.get(plugin) {
        None => Outcome::NotMounted,
        Some(now) if now.refused > old.refused => Outcome::Refused,
        // It is counted as taken once all workers have begun.
        Some(now) if now.taken > old.taken && now.loading > old.loading => Outcome::Loading,
        Some(now) if now.taken > old.taken => Outcome::Taken,
        Some(_) => Outcome::Late,
    }
}

/// `…extension_config_discovery.http_filter.<plugin>.config_reload: 1`, and
/// `wasmcustom.postern.<plugin>.policies_loading: 1`
fn counts(stats: &str) -> Counts {
    let mut out = Counts::new();
    let loading = stats.lines().filter_map(|line| {
        let name = line.split_once("wasmcustom.postern.")?.1;
        let (plugin, value) = name.split_once(".policies_loading: ")?;
        Some((plugin, value.trim().parse::<u64>().ok()?))
    });
    for (plugin, value) in loading {
        out.entry(plugin.to_owned()).or_default().loading = value;
    }
    for line in stats.lines() {
        let Some((_, rest)) = line.split_once("extension_config_discovery.http_filter.") else {
            continue;
        };
        let Some((name, value)) = rest.split_once(": ") else { continue };
        let Some((plugin, what)) = name.rsplit_once('.') else { continue };
        let Ok(value) = value.trim().parse::<u64>() else { continue };
        let count = out.entry(plugin.to_owned()).or_default();
        match what {
            "config_reload" => count.taken = value,
            "update_attempt" => count.read = value,
            "update_rejected" | "config_fail" | "update_failure" => count.refused += value,
            _ => {}
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_became_of_a_policy_is_told_by_the_counts() {
        let before = counts(
            "extension_config_discovery.http_filter.auth.config_reload: 1\n\
             extension_config_discovery.http_filter.auth.update_rejected: 2\n\
             extension_config_discovery.http_filter.auth.update_attempt: 4\n\
             http.g.extension_config_discovery.http_filter.authz.config_reload: 1\n\
             wasmcustom.postern.authz.policies_loading: 1\n\
             something else: 5\n",
        );
        assert_eq!(before.get("auth"), Some(&Count { taken: 1, refused: 2, read: 4, loading: 0 }));
        let mut now = before.clone();
        assert_eq!(outcome("auth", &before, &now), Outcome::Late);
        assert_eq!(outcome("nobody", &before, &now), Outcome::NotMounted);
        now.insert("auth".to_owned(), Count { taken: 2, refused: 2, read: 5, loading: 0 });
        assert_eq!(outcome("auth", &before, &now), Outcome::Taken);
        // Taken by the main thread, refused by a worker.
        now.insert("auth".to_owned(), Count { taken: 2, refused: 3, read: 5, loading: 0 });
        assert_eq!(outcome("auth", &before, &now), Outcome::Refused);
        assert_eq!(outcome("authz", &before, &now), Outcome::Late);
        // One was at it before, or trapped once.
        let authz = |taken, loading| Count { taken, loading, ..Count::default() };
        assert_eq!(before.get("authz"), Some(&authz(1, 1)));
        for (loading, expected) in
            [(3, Outcome::Loading), (2, Outcome::Loading), (1, Outcome::Taken)]
        {
            now.insert("authz".to_owned(), authz(2, loading));
            assert_eq!(outcome("authz", &before, &now), expected);
        }
    }
}
