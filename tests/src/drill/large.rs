//! A policy of thousands of rules comes into force, and goes again: for how long does a
//! worker stand still?

use std::time::{Duration, Instant};

use crate::drill::load::{Callers, Load, Sample};
use crate::drill::policy::{Many, Rollout};
use crate::drill::report::Report;
use crate::gateway::{Gateway, wait_for};

/// With those of the demo about as many as there may be.
pub(super) const RULES: usize = 9_900;
/// So long a worker may stand still.
const HELD: Duration = Duration::from_millis(50);
/// What is the worker's doing comes again, what the machine's is mostly does not: of so
/// many rounds the one in the middle counts.
const ROUNDS: usize = 3;
/// Two workers, and the main thread.
const THREADS: usize = 3;
const PATIENCE: Duration = Duration::from_secs(30);
/// So many answers are waited for once all has come into force: what went is freed then.
const AFTER: usize = 400;

/// Lets policies come and go before callers who notice.
///
/// # Errors
/// A policy that is not taken, a request that was lost.
pub(super) fn play(
    gateway: &Gateway,
    callers: &Callers,
    rollout: &Rollout<'_>,
) -> Result<Report, String> {
    let mut report = Report::new("9,900 rules come into force, and go again");
    let load = callers.watch(gateway)?;
    let watched = Watched { gateway, load };
    for (what, many) in [("paths", Many::Paths), ("patterns in one place", Many::Patterns)] {
        let mut rounds = Vec::new();
        for round in 0..ROUNDS {
            let before = watched.sliced().len();
            let began = rollout.save_many(&format!("l{round}"), RULES, many)?[1];
            let all = || Some(watched.sliced()).filter(|now| now.len() >= before + THREADS);
            let told = wait_for(PATIENCE, all).ok_or("it does not come in slices")?;
            let came = watched.longest_until_calm(began)?;
            let reloads = watched.reloads()?;
            let began = rollout.save_original()?[1];
            let taken = || watched.reloads().ok().filter(|now| *now > reloads);
            wait_for(PATIENCE, taken).ok_or("the former policy does not come back")?;
            let went = watched.longest_until_calm(began)?;
            rounds.push((came, went, told.last().cloned().unwrap_or_default()));
        }
        let middle = |held: &dyn Fn(&(Duration, Duration, String)) -> Duration| {
            median(rounds.iter().map(held).collect())
        };
        let all = |held: &dyn Fn(&(Duration, Duration, String)) -> Duration| {
            let all: Vec<_> = rounds.iter().map(|round| ms(held(round))).collect();
            all.join(", ")
        };
        let (came, went) = (middle(&|r| r.0), middle(&|r| r.1));
        report.hold_in_time(
            came <= HELD,
            format!(
                "{what}: while they came the longest request took {}, at most 50 ms; median of \
                 {ROUNDS} rounds: {}",
                ms(came),
                all(&|r| r.0)
            ),
        );
        report.hold_in_time(
            went <= HELD,
            format!("{what}: while they went {}; median of {}", ms(went), all(&|r| r.1)),
        );
        let told: Vec<_> = rounds.into_iter().map(|(_, _, slices)| slices).collect();
        report.tell(format!("{what}: the workers say: {}", told.join("; ")));
    }
    let samples = watched.load.stop()?;
    let lost = samples.iter().filter(|sample| sample.status != 200).count();
    report.hold(lost == 0, format!("of {} requests {lost} were refused or lost", samples.len()));
    Ok(report)
}

struct Watched<'g> {
    gateway: &'g Gateway,
    load: Load,
}

impl Watched<'_> {
    /// What threads have said of policies that they took in slices.
    fn sliced(&self) -> Vec<String> {
        let log = self.gateway.log("envoy");
        let lines = log.lines().filter(|line| line.contains("authz: configuration "));
        lines
            .filter_map(|line| Some(line.split_once("is in force, compiled in ")?.1.to_owned()))
            .filter(|told| told.contains(" slices "))
            .collect()
    }

    fn reloads(&self) -> Result<u64, String> {
        self.gateway.stat("extension_config_discovery.http_filter.authz.config_reload")
    }

    /// How long the longest request took since then, some that are still to come included.
    fn longest_until_calm(&self, since: Instant) -> Result<Duration, String> {
        let before = self.load.seen(<[Sample]>::len);
        let more = || (self.load.seen(<[Sample]>::len) >= before + AFTER).then_some(());
        wait_for(PATIENCE, more).ok_or("the load has stopped")?;
        Ok(self.load.seen(|samples| {
            let ours = samples.iter().filter(|sample| sample.at >= since);
            ours.map(|sample| sample.took).max().unwrap_or_default()
        }))
    }
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times.get(times.len() / 2).copied().unwrap_or_default()
}

fn ms(time: Duration) -> String {
    format!("{:.1} ms", time.as_secs_f64() * 1000.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hold_in_most_rounds_counts_and_one_in_a_single_round_does_not() {
        let of = |times: [u64; 3]| median(times.map(Duration::from_millis).to_vec());
        assert_eq!(of([80, 9, 70]), Duration::from_millis(70));
        assert_eq!(of([80, 9, 12]), Duration::from_millis(12));
    }
}
