//! The scenes of the drill.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use crate::drill::large;
use crate::drill::load::{CALLERS, Callers, Load, Sample, is_judged};
use crate::drill::policy::{Candidate, Rollout};
use crate::drill::report::{BOUND, Report, Seen, WINDOW, after};
use crate::gateway::{Gateway, wait_for};

/// How long something that has to happen may take before the drill gives up.
const PATIENCE: Duration = Duration::from_secs(20);
/// After the bound, every worker has to have taken the candidate back.
const TAKEN_BACK: Duration = Duration::from_secs(1);

/// From the moment that a policy is saved: `postern apply` comes first.
const SAVED: Duration = Duration::from_secs(2);
/// And all is well again so long after the window that saw it.
const NORMAL: Duration = Duration::from_secs(2);
/// So many private answers without a wrong one are peace.
const CALM: usize = 400;
const BAD: Candidate = Candidate::NothingPrivate;
/// More different callers than there are: nothing is taken back.
const NO_VALVE: &str = "valve: {minimum_callers: 100000}";
/// How often each caller asks for something private in the cohort's scene.
const ROUNDS: usize = 6;
/// The names of the callers are fixed, and with them who is in the cohort: 3 of them. Of
/// 200 other names more than 10 are, once in 140,000 drills.
const COHORT_AT_MOST: usize = 10;
/// So many attacks are a flood.
const ATTACKS: usize = 2_000;

/// One way in which a candidate comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scene {
    /// One that refuses every private request counts for all.
    Enforced,
    /// The same for one percent of the callers.
    Cohort,
    /// The same for nobody.
    Shadow,
    /// A good one, while attackers are refused by both, and by it for another reason;
    /// then one that does to half of the callers what is done to the attackers.
    Flood,
    /// The bad one, while attackers are refused by both.
    EnforcedUnderFlood,
    /// The bad one without a valve, and an operator.
    KillSwitch,
    /// The same beside thousands of rules.
    LargeKillSwitch,
    /// No candidate: thousands of rules, and for how long a worker stands still.
    Large,
}

impl Scene {
    /// All of them.
    pub const ALL: [Scene; 8] = [
        Scene::Enforced,
        Scene::Cohort,
        Scene::Shadow,
        Scene::Flood,
        Scene::EnforcedUnderFlood,
        Scene::KillSwitch,
        Scene::LargeKillSwitch,
        Scene::Large,
    ];

    /// Plays it on a demo whose policy has no candidate.
    ///
    /// # Errors
    /// What keeps it from being played; a request that was lost. What does not
    /// hold stands in the report.
    pub fn play(self, gateway: &Gateway, callers: &Callers) -> Result<Report, String> {
        let load = callers.come(gateway)?;
        let stage = Stage { gateway, callers, rollout: Rollout::of(gateway)?, load };
        // What was in force before is gone by then.
        stage.calm("before the candidate")?;
        match self {
            Scene::Enforced => stage.enforced("enforced, for all"),
            Scene::Cohort => stage.cohort("cohort, 1 % of the callers"),
            Scene::Shadow => stage.shadow("shadow"),
            Scene::Flood => stage.flood("a good candidate in a flood of attacks"),
            Scene::EnforcedUnderFlood => {
                let attack = callers.attack(gateway)?;
                let report = stage.enforced("enforced, in a flood of attacks");
                attack.stop()?;
                report
            }
            Scene::KillSwitch => {
                let save = |rollout: &Rollout<'_>, how: &str| rollout.save(BAD, how);
                stage.kill_switch("without a valve, taken back by hand", save)
            }
            Scene::LargeKillSwitch => {
                let save = |rollout: &Rollout<'_>, how: &str| {
                    rollout.save_large_with(large::RULES, BAD, how)
                };
                stage.kill_switch("the same beside 9,900 rules", save)
            }
            Scene::Large => {
                stage.load.stop()?;
                large::play(gateway, callers, &stage.rollout)
            }
        }
    }
}

struct Stage<'g> {
    gateway: &'g Gateway,
    callers: &'g Callers,
    rollout: Rollout<'g>,
    load: Load,
}

impl Stage<'_> {
    fn metric(&self, name: &str) -> Result<u64, String> {
        self.gateway.stat(&format!("wasmcustom.postern.authz.{name}"))
    }

    /// Waits until a metric is so.
    fn until(&self, name: &str, is: impl Fn(u64) -> bool) -> Result<(), String> {
        wait_for(PATIENCE, || self.metric(name).ok().filter(|n| is(*n)))
            .map(drop)
            .ok_or_else(|| format!("`{name}` is {:?} after {PATIENCE:?}", self.metric(name)))
    }

    /// Waits until many private answers in a row, of now and later, are good.
    fn calm(&self, when: &str) -> Result<(), String> {
        let since = Instant::now();
        let good = || {
            self.load.seen(|samples| {
                let mut latest = samples.iter().rev().take_while(|s| s.at >= since);
                let mut good = 0;
                let bad = latest.by_ref().any(|s| {
                    good += usize::from(s.private && s.status == 200);
                    good < CALM && s.status != 200
                });
                (!bad && good >= CALM).then_some(())
            })
        };
        wait_for(PATIENCE, good).ok_or_else(|| format!("{when}: private requests are refused"))
    }

    /// Waits for wrong refusals.
    fn refusals(&self, since: Instant, count: usize) -> Result<(), String> {
        let seen = || {
            let refused = self
                .load
                .seen(|samples| samples.iter().filter(|s| s.at >= since && s.is_refused()).count());
            (refused >= count).then_some(())
        };
        wait_for(PATIENCE, seen).ok_or_else(|| "the candidate refuses nobody".to_owned())
    }

    /// A candidate that is bad, and taken back.
    fn tripped(&self, mode: &str) -> Result<[Instant; 2], String> {
        self.tripped_by(Candidate::NothingPrivate, mode)
    }

    fn tripped_by(&self, candidate: Candidate, mode: &str) -> Result<[Instant; 2], String> {
        let trips = self.metric("candidate.valve_trips")?;
        let times = self.rollout.save(candidate, &format!("{mode}\n{BOUND}"))?;
        self.until("candidate.valve_trips", |n| n > trips)?;
        self.until("candidate.valve_tripped", |n| n == 1)?;
        Ok(times)
    }

    fn enforced(self, name: &'static str) -> Result<Report, String> {
        let [begun, applied] = self.tripped("mode: enforce")?;
        self.calm("after the candidate was taken back")?;
        let seen = Seen::of(&self.load.stop()?, begun)?;
        let mut report = Report::new(name);
        report.tell(format!("`postern apply` took {}", after(begun, applied)));
        report.tell(seen.told(begun));
        let (Some(first), Some(bound), Some(last)) = (seen.first, seen.bound, seen.last) else {
            report.hold(false, "the bound was reached");
            return Ok(report);
        };
        report.hold_in_time(
            last.saturating_duration_since(bound) <= TAKEN_BACK,
            format!(
                "every worker took it back {} after the bound, at most 1 s",
                after(bound, last)
            ),
        );
        report.hold_in_time(
            last.saturating_duration_since(first) <= WINDOW + NORMAL,
            format!(
                "back to normal {} after the first, at most 2 s after its window of 10 s",
                after(first, last)
            ),
        );
        Ok(report)
    }

    /// Without a valve that would end it: each caller asks several times.
    fn cohort(self, name: &'static str) -> Result<Report, String> {
        let how = format!("mode: cohort\nshare: 1\n{NO_VALVE}");
        let counted = self.metric("decisions.cohort.deny.no_rule")?;
        let [begun, _] = self.rollout.save(Candidate::NothingPrivate, &how)?;
        self.until("decisions.cohort.deny.no_rule", |n| n > counted)?;
        let private = |samples: &[Sample]| samples.iter().filter(|s| s.private).count();
        let (since, rounds) = (self.load.seen(private), CALLERS * ROUNDS);
        let enough = || (self.load.seen(private) >= since + rounds).then_some(());
        wait_for(PATIENCE, enough).ok_or("the load has stopped")?;
        let samples = self.load.stop()?;
        let seen = Seen::of(&samples, begun)?;
        let mut report = Report::new(name);
        report.tell(seen.told(begun));
        let one_percent = CALLERS / 100;
        report.hold(
            (1..=COHORT_AT_MOST).contains(&seen.callers),
            format!(
                "{} of {CALLERS} callers were in the cohort and refused; 1 % would be \
                 {one_percent}, from 1 to {COHORT_AT_MOST} are right",
                seen.callers
            ),
        );
        // Each caller asks as often as the others, but for the last round.
        let ours = samples.iter().filter(|s| s.at >= begun && s.private).count();
        let share = seen.refused * 10_000 / ours.max(1);
        report.hold(
            (1..=COHORT_AT_MOST * 10_000 / CALLERS).contains(&share),
            format!(
                "{} of {ours} private requests were wrongly refused, {}.{:02} %",
                seen.refused,
                share / 100,
                share % 100
            ),
        );
        let half = samples.split_at(samples.len() / 2).1;
        let flapping = flapping(half);
        report.hold_in_time(
            flapping == 0,
            format!("{flapping} callers were refused and then let pass, in its second half"),
        );
        Ok(report)
    }

    fn shadow(self, name: &'static str) -> Result<Report, String> {
        let differences = self.metric("candidate.denies")?;
        let [begun, _] = self.tripped("mode: shadow")?;
        self.until("candidate.denies", |n| n >= differences + 100)?;
        let differences = self.metric("candidate.denies")?.saturating_sub(differences);
        let seen = Seen::of(&self.load.stop()?, begun)?;
        let mut report = Report::new(name);
        report.hold(seen.refused == 0, seen.told(begun));
        report.tell(format!("{differences} differences were recorded, and the valve told of them"));
        Ok(report)
    }

    /// Attackers are refused by both, for different reasons; then the control: as many
    /// of the good callers are refused as there are attackers for each of them.
    fn flood(self, name: &'static str) -> Result<Report, String> {
        let [trips, other_reason, denies] =
            ["candidate.valve_trips", "candidate.other_reason", "candidate.denies"]
                .map(|name| self.metric(name));
        let (trips, other_reason, denies) = (trips?, other_reason?, denies?);
        let decided = self.metric("decisions.shadow.allow.allowed")?;
        let how = format!("mode: enforce\n{BOUND}");
        let [begun, _] = self.rollout.save(Candidate::OtherwiseToAttackers, &how)?;
        // The current rules decide beside it: it is in force.
        self.until("decisions.shadow.allow.allowed", |n| n > decided)?;
        let attack = self.callers.attack(self.gateway)?;
        let enough = || (attack.seen(<[_]>::len) >= ATTACKS).then_some(());
        wait_for(PATIENCE, enough).ok_or("the attackers get no answers")?;
        self.calm("in the flood")?;
        let attacks = attack.stop()?;
        let admitted = attacks.iter().filter(|s| !matches!(s.status, 401 | 403)).count();
        let judged = attacks.iter().filter(|s| is_judged(s)).count();
        let other_reason = || {
            let now = self.metric("candidate.other_reason").ok()?;
            Some(now.saturating_sub(other_reason)).filter(|n| *n >= judged as u64)
        };
        let differently = wait_for(PATIENCE, other_reason)
            .ok_or("the candidate does not refuse attackers for another reason")?;
        let flood_trips = self.metric("candidate.valve_trips")?.saturating_sub(trips);
        let denies = self.metric("candidate.denies")?.saturating_sub(denies);
        let good = self.load.seen(|samples| samples.iter().filter(|s| s.at >= begun).count());
        let refused = self
            .load
            .seen(|samples| samples.iter().filter(|s| s.at >= begun && s.is_refused()).count());
        let mut report = Report::new(name);
        report.hold(refused == 0, format!("of {good} good requests {refused} were refused"));
        report.hold(
            admitted == 0,
            format!("{} attacks, {admitted} of them were not refused", attacks.len()),
        );
        report.hold(
            differently == judged as u64,
            format!(
                "{judged} of them came as far as `authz`, and {differently} were refused by both, \
                 for different reasons: {} % of its requests, of half of its callers",
                judged * 100 / (judged + good)
            ),
        );
        report.hold(denies == 0, format!("{denies} counted as wrong refusals"));
        report.hold(flood_trips == 0, format!("the valve tripped {flood_trips} times"));
        let [begun, _] = self.tripped_by(Candidate::NotHalfOfThem, "mode: enforce")?;
        self.calm("after the control was taken back")?;
        let seen = Seen::of(&self.load.stop()?, begun)?;
        report.hold(
            seen.refused > 0,
            format!(
                "the control, which refuses half of the good callers, was taken back: {}",
                seen.told(begun)
            ),
        );
        Ok(report)
    }

    /// `save` saves the bad candidate.
    fn kill_switch(
        self,
        name: &'static str,
        save: impl Fn(&Rollout<'_>, &str) -> Result<[Instant; 2], String>,
    ) -> Result<Report, String> {
        let running = self.gateway.running()?;
        let [begun, _] = save(&self.rollout, &format!("mode: enforce\n{NO_VALVE}"))?;
        self.refusals(begun, 50)?;
        let [saved, applied] = save(&self.rollout, &format!("mode: shadow\n{NO_VALVE}"))?;
        self.calm("after the switch")?;
        let seen = Seen::of(&self.load.stop()?, begun)?;
        let mut report = Report::new(name);
        report.tell(seen.told(begun));
        let last = seen.last.unwrap_or(applied);
        report.hold_in_time(
            last.saturating_duration_since(applied) <= TAKEN_BACK,
            format!(
                "`mode: shadow` saved; `postern apply` took {}, the last wrong refusal came {} \
                 after it, at most 1 s",
                after(saved, applied),
                after(applied, last)
            ),
        );
        report.hold_in_time(
            last.saturating_duration_since(saved) <= SAVED,
            format!("from the save to the last wrong refusal {}, at most 2 s", after(saved, last)),
        );
        report.hold(
            self.gateway.running()? == running,
            "no connection was lost, no listener changed, and Envoy is the same process",
        );
        Ok(report)
    }
}

/// How many callers were refused and later let pass.
fn flapping(samples: &[Sample]) -> usize {
    let mut refused = BTreeSet::new();
    let mut flapping = BTreeSet::new();
    for sample in samples.iter().filter(|sample| sample.private) {
        if sample.is_refused() {
            refused.insert(sample.caller);
        } else if refused.contains(&sample.caller) {
            flapping.insert(sample.caller);
        }
    }
    flapping.len()
}
