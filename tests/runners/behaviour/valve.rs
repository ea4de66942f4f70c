//! What a candidate that is taken back leaves behind, in the log and in metrics, and how
//! it gets a new chance.

use std::collections::BTreeMap;

use postern_tests::client::{Connection, PATIENCE};
use postern_tests::drill::load::{Callers, Sample};
use postern_tests::drill::policy::{Candidate, Rollout};
use postern_tests::drill::report::BOUND;
use postern_tests::gateway::wait_for;
use postern_tests::observe::Answer;
use serde_json::Value;

use super::{get, same, token};
use crate::Stage;

const BAD: Candidate = Candidate::NothingPrivate;
const NO_VALVE: &str = "valve: {minimum_callers: 100000}";
const TRIPPED: &str = " identified callers: it is taken back: the current rules decide until \
                       the configuration changes";

/// One caller, on connections of both workers: too few callers for any valve.
struct Caller {
    open: Vec<Connection>,
    request: Vec<u8>,
}

impl Caller {
    fn new(stage: &Stage) -> Result<Self, String> {
        let bearer = format!("Authorization: Bearer {}", token("valve", "load")?);
        let request = get("api.example.com", "/whoami", &[&bearer]);
        Ok(Caller { open: stage.gateway.connections(ASKED as usize)?, request })
    }

    /// Asks once on each.
    fn ask(&mut self) -> Result<Vec<Answer>, String> {
        let request = &self.request;
        let answers = self.open.iter_mut().map(|connection| {
            connection.write(request)?;
            connection.read(false)
        });
        answers.collect()
    }

    /// Waits until both workers answer so.
    fn until(&mut self, what: &str, status: u16) -> Result<(), String> {
        let mut last = Vec::new();
        let so = || {
            last = self.ask().unwrap_or_default().iter().map(|a| a.status).collect::<Vec<_>>();
            (last == [status; ASKED as usize]).then_some(())
        };
        wait_for(PATIENCE, so).ok_or_else(|| format!("{what}: expected {status}, got {last:?}"))
    }
}

/// So many are asked at a time.
const ASKED: u64 = 6;

fn metric(stage: &Stage, name: &str) -> Result<u64, String> {
    stage.gateway.stat(&format!("wasmcustom.postern.authz.candidate.{name}"))
}

/// Many callers come until the bad candidate is taken back; how many it refused.
fn trip(stage: &Stage, rollout: &Rollout<'_>, how: &str) -> Result<u64, String> {
    let load = Callers::new()?.come(&stage.gateway)?;
    let trips = metric(stage, "valve_trips")?;
    rollout.save(BAD, &format!("mode: enforce\n{how}\n{BOUND}"))?;
    wait_for(PATIENCE, || metric(stage, "valve_trips").ok().filter(|now| *now > trips))
        .ok_or("the candidate is not taken back")?;
    let calm = |samples: &[Sample]| {
        let private: Vec<_> = samples.iter().rev().filter(|s| s.private).take(300).collect();
        private.len() == 300 && private.iter().all(|s| s.status == 200)
    };
    wait_for(PATIENCE, || load.seen(calm).then_some(())).ok_or("it goes on refusing")?;
    same("times that it was taken back", trips + 1, metric(stage, "valve_trips")?)?;
    Ok(load.stop()?.iter().filter(|sample| sample.is_refused()).count() as u64)
}

/// One line says it, whichever worker it was. Another seed, and refusals come again.
pub(super) fn said_once(stage: &Stage) -> Result<(), String> {
    let told = || -> Vec<String> {
        let log = stage.gateway.log("envoy");
        log.lines().filter(|line| line.contains(TRIPPED)).map(str::to_owned).collect()
    };
    let before = told().len();
    let rollout = Rollout::of(&stage.gateway)?;
    trip(stage, &rollout, "seed: one")?;
    let mut caller = Caller::new(stage)?;
    caller.until("taken back", 200)?;
    same("the gauge", 1, metric(stage, "valve_tripped")?)?;
    rollout.save(BAD, &format!("mode: enforce\nseed: two\n{BOUND}"))?;
    caller.until("a new chance", 403)?;
    same("the gauge of the new chance", 0, metric(stage, "valve_tripped")?)?;
    let lines = told();
    let [line] = &lines[before..] else {
        return Err(format!("expected one line, got {:?}", &lines[before..]));
    };
    let figures = line.contains("warning") && line.contains("authz: the candidate refuses ");
    same(line, true, figures)
}

/// All numbers of `authz`, as Prometheus gets them, once they stand still.
fn numbers(stage: &Stage) -> Result<BTreeMap<String, u64>, String> {
    stage.gateway.stats("wasmcustom.postern.authz.")?;
    let lines = stage.gateway.prometheus()?;
    let ours = lines.iter().filter(|line| line.contains("{plugin=\"authz\""));
    let number = |line: &String| {
        let (name, number) = line.rsplit_once(' ')?;
        let name = name.strip_prefix("postern_")?.replace("plugin=\"authz\"", "");
        Some((name.replace("{,", "{").replace("{}", ""), number.parse().ok()?))
    };
    Ok(ours.filter_map(number).collect())
}

const DECIDED: [&str; 8] = [
    r#"decisions{mode="enforce",effect="allow",code="allowed"}"#,
    r#"decisions{mode="enforce",effect="deny",code="no_rule"}"#,
    r#"decisions{mode="cohort",effect="deny",code="no_rule"}"#,
    r#"decisions{mode="shadow",effect="allow",code="allowed"}"#,
    r#"decisions{mode="shadow",effect="deny",code="no_rule"}"#,
    r#"rule_decisions{rule="whoami"}"#,
    "candidate_denies",
    "candidate_refused",
];

/// What the caller's requests add to each of [`DECIDED`].
fn adds(stage: &Stage, caller: &mut Caller, what: &str, adds: [u64; 8]) -> Result<(), String> {
    let decided = |numbers: &BTreeMap<String, u64>| {
        DECIDED.map(|name| numbers.get(name).copied().unwrap_or(0))
    };
    let before = decided(&numbers(stage)?);
    caller.ask()?;
    let expected: Vec<_> = before.iter().zip(adds).map(|(n, add)| n + add * ASKED).collect();
    let mut now = before;
    let all = || {
        now = decided(&numbers(stage).ok()?);
        (now == expected[..]).then_some(())
    };
    wait_for(PATIENCE, all);
    same(&format!("{what}: {DECIDED:?}"), expected, now.to_vec())
}

/// Who decided, who would have decided otherwise, and by which policy.
pub(super) fn metrics(stage: &Stage) -> Result<(), String> {
    let rollout = Rollout::of(&stage.gateway)?.counting("whoami")?;
    let mut caller = Caller::new(stage)?;
    rollout.save(BAD, &format!("mode: enforce\n{NO_VALVE}"))?;
    caller.until("enforced", 403)?;
    adds(stage, &mut caller, "enforced", [0, 1, 0, 1, 0, 0, 1, 1])?;
    rollout.save(BAD, &format!("mode: shadow\n{NO_VALVE}"))?;
    caller.until("shadow", 200)?;
    adds(stage, &mut caller, "shadow", [1, 0, 0, 0, 1, 1, 1, 0])?;
    rollout.save(BAD, &format!("mode: cohort\nshare: 100\n{NO_VALVE}"))?;
    caller.until("cohort", 403)?;
    adds(stage, &mut caller, "cohort", [0, 0, 1, 1, 0, 0, 1, 1])?;
    let gauge = |name: &str| Ok::<_, String>(numbers(stage)?.get(name).copied());
    same("not taken back", Some(0), gauge("candidate_valve_tripped")?)?;
    // Something good in between: what was refused is all the candidate's.
    rollout.save(Candidate::Same, "mode: shadow")?;
    caller.until("none", 200)?;
    let refused = gauge("candidate_refused")?;
    let all = trip(stage, &rollout, "seed: counted")?;
    same("refused", refused.map(|n| n + all), gauge("candidate_refused")?)?;
    caller.until("taken back", 200)?;
    adds(stage, &mut caller, "taken back", [1, 0, 0, 0, 1, 1, 1, 0])?;
    same("taken back", Some(1), gauge("candidate_valve_tripped")?)?;
    version(stage, &mut caller, gauge("policy_version")?)
}

/// The version that the metric tells, and the one in a record.
fn version(stage: &Stage, caller: &mut Caller, told: Option<u64>) -> Result<(), String> {
    let answer = caller.ask()?.pop().ok_or("no answer")?;
    let id = answer.text("x-request-id").ok_or("no `x-request-id`")?.to_owned();
    let record = || {
        let lines = stage.gateway.access_log();
        let mut lines = lines.iter().rev().filter_map(|l| serde_json::from_str::<Value>(l).ok());
        let line = lines.find(|line| line["request_id"] == id.as_str())?;
        match &line["authz"] {
            Value::String(text) => serde_json::from_str(text).ok(),
            record => Some(record.clone()),
        }
    };
    let record: Value = wait_for(PATIENCE, record).ok_or("no record")?;
    let version = record["version"].as_str().ok_or_else(|| format!("no version: {record}"))?;
    let number = u64::from_str_radix(version, 16).map_err(|e| format!("{version}: {e}"))?;
    same("the version", Some(number), told)
}
