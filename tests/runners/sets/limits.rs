//! Several limits of one request, on two workers; and what is counted of them.

use postern_stack::keys::Keys;
use postern_stack::mint::{MintRequest, mint, now};
use postern_tests::client::{PATIENCE, Wire, send};
use postern_tests::observe::Answer;
use serde_json::json;

use crate::Stage;
use crate::behaviour::{get, rush, same};

const CONNECTIONS: usize = 64;
const PATH: &str = "/v1/market/total-items.json";

fn bearer(subject: &str, team: &str) -> Result<String, String> {
    let keys = Keys::embedded().map_err(|e| e.to_string())?;
    let mut request = MintRequest::for_subject(subject);
    request.alg = Some("HS256".to_owned());
    request.claims.insert("team".to_owned(), json!(team));
    Ok(format!("Authorization: Bearer {}", mint(&keys, request, now())?))
}

/// Three limits count each request: 70 for each caller, 100 for a team, 130 for the
/// address. They are of three algorithms' windows that end in months, so nothing comes
/// back. Four callers of two teams at once: the sums are exact, and what one limit refused
/// was counted by none.
pub(super) fn several_limits(stage: &Stage) -> Result<(), String> {
    let before = stage.gateway.workers()?;
    let callers = [("rush-1", "one"), ("rush-2", "one"), ("rush-3", "two"), ("rush-4", "two")];
    let mut passed = Vec::new();
    for (subject, team) in callers {
        let request = get("api.example.com", PATH, &[&bearer(subject, team)?, "x-case: rush"]);
        let answers = rush(stage.gateway.address(), CONNECTIONS, 3, &request)?;
        let good = answers.iter().filter(|answer| answer.status == 200).count();
        let refused: Vec<&Answer> = answers.iter().filter(|a| a.status == 429).collect();
        same("all others", answers.len() - good, refused.len())?;
        for answer in refused {
            named(answer)?;
        }
        passed.push(good);
    }
    // Of the team's 100 the first caller takes 70, of the address's 130 the second team
    // takes what the first left.
    same("passed", vec![70, 30, 30, 0], passed)?;
    stage.gateway.both_workers(&before)
}

/// A refusal names limits that have nothing left, and only those.
fn named(answer: &Answer) -> Result<(), String> {
    let problem = answer.json().ok_or("no problem")?;
    let violated = problem["violated-policies"].as_array().ok_or("no `violated-policies`")?;
    let known = ["rush-second", "rush-team", "rush-all"].map(|name| json!(name));
    if violated.is_empty() || !violated.iter().all(|name| known.contains(name)) {
        return Err(format!("violated: {violated:?}"));
    }
    Ok(())
}

/// Each with its labels, and moved by a request.
pub(super) fn metrics(stage: &Stage) -> Result<(), String> {
    let read = |label: &str| -> Result<u64, String> {
        let lines = stage.gateway.prometheus()?;
        let found = lines.iter().find_map(|line| line.strip_prefix(label)?.strip_prefix(' '));
        found.and_then(|n| n.parse().ok()).ok_or_else(|| format!("no `{label}`"))
    };
    let ask = |lines: &[&str]| {
        send(stage.gateway.address(), &Wire::get("api.example.com", PATH, lines), PATIENCE)
    };
    let decided = |limit: &str, outcome: &str| {
        format!(
            r#"postern_limit_decisions{{plugin="rate-limit",limit="{limit}",outcome="{outcome}"}}"#
        )
    };
    let reported = |outcome: &str| {
        format!(
            r#"postern_limit_reports{{plugin="rate-limit",limit="upstream",outcome="{outcome}"}}"#
        )
    };
    let metered = bearer("metered", "metered")?;
    let three = ["x-demo-say: X-RateLimit-Limit: 10", "x-demo-say: X-RateLimit-Remaining: 4"];
    let windows: &[&str] = &[&metered, "x-case: windows"];
    let shadow: &[&str] = &[&metered, "x-case: shadow"];
    let exempt = bearer("limits-exempt", "metered")?;
    let exempt: &[&str] = &[&exempt, "x-case: plans"];
    let told: &[&str] =
        &["x-case: observe", three[0], three[1], "x-demo-say: X-RateLimit-Reset: 9"];
    let incomplete: &[&str] = &["x-case: observe", three[0], three[1]];
    let malformed: &[&str] = &["x-case: observe", "x-demo-say: RateLimit: limit=x"];
    let duplicate: &[&str] = &["x-case: observe", three[0], three[0], three[1]];
    let contradictory: &[&str] =
        &["x-case: observe", "x-demo-say: RateLimit: limit=1, remaining=2, reset=3"];
    // In this order: the fourth of one caller is refused.
    let steps = [
        (windows, decided("windows", "allowed")),
        (windows, decided("windows", "allowed")),
        (windows, decided("windows", "allowed")),
        (windows, decided("windows", "refused")),
        (shadow, decided("shadow", "allowed")),
        (shadow, decided("shadow", "would_refuse")),
        (exempt, decided("plans", "unlimited")),
        (told, reported("told")),
        (incomplete, reported("incomplete")),
        (malformed, reported("malformed")),
        (duplicate, reported("duplicate")),
        (contradictory, reported("contradictory")),
    ];
    for (lines, label) in steps {
        // Counts are told some milliseconds late: `stats` waits until they stand still.
        stage.gateway.stats("rate-limit")?;
        let before = read(&label)?;
        ask(lines)?;
        stage.gateway.stats("rate-limit")?;
        same(&label, before + 1, read(&label)?)?;
    }
    // The table tells how full it is every ten seconds; by then it has something in it.
    for label in ["postern_table_fill_permille", "postern_evicted", "postern_uncorrected"] {
        read(&format!(r#"{label}{{plugin="rate-limit"}}"#))?;
    }
    Ok(())
}
