//! Candidates, on two workers and under load: the scenes of the drill, but for
//! their times, and what it does not show.

use std::collections::{BTreeMap, BTreeSet};

use postern_tests::client::PATIENCE;
use postern_tests::drill::Scene;
use postern_tests::drill::load::{Callers, Sample};
use postern_tests::drill::policy::{Candidate, Rollout, without_addresses};
use postern_tests::gateway::wait_for;
use serde_json::Value;

use super::policies::another_module;
use super::same;
use crate::Stage;

/// Two workers, and the main thread.
const THREADS: usize = 3;

fn play(stage: &Stage, scene: Scene) -> Result<(), String> {
    let report = scene.play(&stage.gateway, &Callers::new()?)?;
    if report.held_at_any_pace() { Ok(()) } else { Err(report.to_string()) }
}

pub(super) fn enforced(stage: &Stage) -> Result<(), String> {
    play(stage, Scene::Enforced)
}

pub(super) fn cohort(stage: &Stage) -> Result<(), String> {
    play(stage, Scene::Cohort)
}

pub(super) fn shadow(stage: &Stage) -> Result<(), String> {
    play(stage, Scene::Shadow)
}

pub(super) fn flood(stage: &Stage) -> Result<(), String> {
    play(stage, Scene::Flood)
}

pub(super) fn enforced_under_flood(stage: &Stage) -> Result<(), String> {
    let _lifted = without_addresses(&stage.gateway)?;
    play(stage, Scene::EnforcedUnderFlood)
}

pub(super) fn large_kill_switch(stage: &Stage) -> Result<(), String> {
    play(stage, Scene::LargeKillSwitch)
}

pub(super) fn kill_switch(stage: &Stage) -> Result<(), String> {
    play(stage, Scene::KillSwitch)
}

fn metric(stage: &Stage, name: &str) -> Result<u64, String> {
    stage.gateway.stat(&format!("wasmcustom.postern.authz.{name}"))
}

fn taken(stage: &Stage) -> Result<u64, String> {
    stage.gateway.stat("extension_config_discovery.http_filter.authz.config_reload")
}

/// New VMs with the same policy find that its candidate was taken back.
pub(super) fn reload(stage: &Stage) -> Result<(), String> {
    let load = Callers::new()?.come(&stage.gateway)?;
    let rollout = Rollout::of(&stage.gateway)?;
    let trips = metric(stage, "candidate.valve_trips")?;
    rollout.save(Candidate::NothingPrivate, "mode: enforce")?;
    let tripped = || metric(stage, "candidate.valve_trips").ok().filter(|n| *n > trips);
    wait_for(PATIENCE, tripped).ok_or("the candidate was not taken back")?;
    let private = |samples: &[Sample]| samples.iter().filter(|s| s.private).count();
    let more = |since: usize, count: usize| {
        let seen = || (load.seen(private) >= since + count).then_some(());
        wait_for(PATIENCE, seen).ok_or("the load has stopped")
    };
    more(load.seen(private), 300)?;
    let refused = |samples: &[Sample]| samples.iter().filter(|s| s.is_refused()).count();
    let before = load.seen(refused);
    let modules = another_module(stage, "authz")?;
    let told = || {
        let log = stage.gateway.log("envoy");
        log.lines().filter(|l| l.contains("of this very policy was taken back before")).count()
    };
    let (reloads, told_before) = (taken(stage)?, told());
    stage.gateway.apply_with(&modules)?;
    wait_for(PATIENCE, || taken(stage).ok().filter(|n| *n > reloads)).ok_or("no new module")?;
    more(load.seen(private), 600)?;
    same("refused by the new VMs", before, load.seen(refused))?;
    same("each VM says so once", told_before + THREADS, told())?;
    load.stop().map(drop)
}

/// Candidate and all.
pub(super) fn no_mixture(stage: &Stage) -> Result<(), String> {
    let pair = |name: &str| [format!("whoami{name}"), format!("whoami{name}")];
    changes(stage, 6, pair, |rollout, name| rollout.save_renamed(name, "mode: shadow").map(drop))
}

/// A policy with as many rules as there may be comes into force slice by slice, while
/// the former one serves.
pub(super) fn large(stage: &Stage) -> Result<(), String> {
    let sliced = || {
        let log = stage.gateway.log("envoy");
        log.lines().filter(|line| line.contains("authz: ") && line.contains(" slices ")).count()
    };
    let alone = |name: &str| [format!("whoami{name}"), String::new()];
    changes(stage, 3, alone, |rollout, name| {
        let before = sliced();
        rollout.save_large(name, 9_900)?;
        let all = || (sliced() >= before + THREADS).then_some(());
        wait_for(PATIENCE, all).ok_or("it did not come in slices".to_owned())
    })
}

/// The policy changes again and again. Each record is of one version, and what it says
/// is what that version says; no request is lost.
fn changes(
    stage: &Stage,
    count: usize,
    said_by: impl Fn(&str) -> [String; 2],
    save: impl Fn(&Rollout<'_>, &str) -> Result<(), String>,
) -> Result<(), String> {
    let begun = stage.gateway.access_log().len();
    let load = Callers::new()?.come(&stage.gateway)?;
    let rollout = Rollout::of(&stage.gateway)?;
    for n in 0..count {
        let reloads = taken(stage)?;
        save(&rollout, &format!("n{}", n % 3))?;
        wait_for(PATIENCE, || taken(stage).ok().filter(|n| *n > reloads)).ok_or("not taken")?;
        let (since, answers) = (load.seen(<[Sample]>::len), |s: &[Sample]| s.len());
        let more = || (load.seen(answers) >= since + 200).then_some(());
        wait_for(PATIENCE, more).ok_or("the load has stopped")?;
    }
    let samples = load.stop()?;
    let bad = samples.iter().find(|sample| sample.status != 200);
    same("an answer under load", None, bad.map(|sample| sample.status))?;
    // What each version was seen to say.
    let mut said: BTreeMap<String, BTreeSet<[String; 2]>> = BTreeMap::new();
    let whole = || {
        said.clear();
        let log = stage.gateway.access_log();
        let lines = log.iter().skip(begun).filter_map(|l| serde_json::from_str::<Value>(l).ok());
        let mut count = 0;
        for line in lines.filter(|line| line["path"] == "/whoami") {
            let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
            let record = match &line["authz"] {
                Value::String(text) => serde_json::from_str(text).unwrap_or_default(),
                record => record.clone(),
            };
            let rules = [text(&record["rule"]), text(&record["candidate"]["rule"])];
            said.entry(text(&record["version"])).or_default().insert(rules);
            count += 1;
        }
        let sent = samples.iter().filter(|s| s.private).count() / 3;
        (count >= sent).then_some(())
    };
    wait_for(PATIENCE, whole).ok_or("requests are missing in the log")?;
    if let Some((version, rules)) = said.iter().find(|(_, rules)| rules.len() != 1) {
        return Err(format!("version {version} has decided as {rules:?}"));
    }
    // What was there before this test, a candidate of the last one perhaps, is not
    // named so.
    let all = said.into_values().flatten().filter(|[rule, _]| rule != "whoami");
    let expected: BTreeSet<_> = ["-n0", "-n1", "-n2"].map(said_by).into();
    same("rules of current and candidate", expected, all.collect())
}
