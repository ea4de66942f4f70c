//! Limits are exact, whichever worker a request reaches.

use std::io::{Read, Write};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use postern_tests::client::{PATIENCE, Wire, connect, send};
use postern_tests::gateway::wait_for;
use postern_tests::observe::Answer;

use super::{get, rush, same, token};
use crate::Stage;

const CONNECTIONS: usize = 64;
const CALLERS: usize = 40;
const PATH: &str = "/v1/market/total-items.json";

pub(super) fn small_plan(stage: &Stage) -> Result<(), String> {
    gcra(stage, "rush-tiny", "tiny", 5, 60.0)
}

/// Many callers: two workers rarely write one count at the same moment.
pub(super) fn usual_limit(stage: &Stage) -> Result<(), String> {
    (0..CALLERS).try_for_each(|n| gcra(stage, &format!("rush-usual-{n}"), "", 100, 60.0))
}

/// GCRA admits the burst, and then one request each `window / quota`.
fn gcra(stage: &Stage, subject: &str, plan: &str, quota: u32, window: f64) -> Result<(), String> {
    let bearer = format!("Authorization: Bearer {}", token(subject, plan)?);
    let before = stage.gateway.workers()?;
    let begun = Instant::now();
    let request = get("api.example.com", PATH, &[&bearer]);
    let answers = rush(stage.gateway.address(), CONNECTIONS, 2, &request)?;
    let came_back = (begun.elapsed().as_secs_f64() * f64::from(quota) / window).floor() as usize;
    let passed = count(&answers, 200);
    let quota = quota as usize;
    if passed < quota || passed > quota + came_back {
        return Err(format!("{passed} passed of {quota} and {came_back} that came back"));
    }
    same("all others", answers.len() - passed, count(&answers, 429))?;
    for refused in answers.iter().filter(|a| a.status == 429) {
        refusal(refused)?;
    }
    stage.gateway.both_workers(&before)
}

/// The fields of a 429 fit together.
fn refusal(answer: &Answer) -> Result<(), String> {
    let number = |text: Option<&str>| text.and_then(|t| t.parse::<u64>().ok());
    let after = number(answer.text("retry-after")).ok_or("a 429 without `retry-after`")?;
    let fields = answer.text("ratelimit").unwrap_or_default();
    let left = fields.split(';').find_map(|part| part.strip_prefix("r="));
    let more_in = number(fields.split(';').find_map(|part| part.strip_prefix("t=")));
    let more_in = more_in.ok_or_else(|| format!("`t` is missing in `{fields}`"))?;
    if left != Some("0") || after < more_in || after == 0 {
        return Err(format!("`retry-after: {after}` does not fit `ratelimit: {fields}`"));
    }
    Ok(())
}

/// The legacy API counts in aligned windows of 60 s, per key.
pub(super) fn old_window(stage: &Stage) -> Result<(), String> {
    const WINDOW: u64 = 60;
    let key = "pk_demo_quillhaven_0123456789abcdef012345678";
    let path = format!("/api/v3/quillhaven/{key}/vitals.json");
    // A window that ends meanwhile would be two: that takes well under 10 s.
    let room = || (seconds() % WINDOW <= WINDOW - 10).then_some(());
    wait_for(Duration::from_secs(15), room).ok_or("no window has room")?;
    let window = seconds() / WINDOW;
    let first = stage.gateway.send(&Wire::get("marketplace.example.com", &path, &[]))?;
    let left: usize = first
        .text("x-ratelimit-remaining")
        .and_then(|text| text.parse().ok())
        .ok_or("no `x-ratelimit-remaining`")?;
    let request = get("marketplace.example.com", &path, &[]);
    let answers = rush(stage.gateway.address(), CONNECTIONS, 2, &request)?;
    same("the window", window, seconds() / WINDOW)?;
    same("passed", left, count(&answers, 200))?;
    same("refused", answers.len() - left, count(&answers, 429))?;
    let mut said: Vec<usize> = answers
        .iter()
        .filter(|a| a.status == 200)
        .filter_map(|a| a.text("x-ratelimit-remaining")?.parse().ok())
        .collect();
    said.sort_unstable();
    same("each count was said once", (0..left).collect(), said)
}

/// Refused credentials and refused permissions of others cost a caller nothing.
pub(super) fn floods_of_refusals(stage: &Stage) -> Result<(), String> {
    let to = stage.gateway.address();
    let bearer = format!("Authorization: Bearer {}", token("rush-innocent", "")?);
    let ask = || send(to, &Wire::get("api.example.com", PATH, &[&bearer]), PATIENCE);
    let left = |answer: Answer| answer.text("ratelimit").unwrap_or_default().to_owned();
    let first = left(ask()?);
    let forged = format!("{bearer}x");
    let unauthorized = get("api.example.com", PATH, &[&forged]);
    same("401", 640, count(&rush(to, CONNECTIONS, 10, &unauthorized)?, 401))?;
    let other = format!("Authorization: Bearer {}", token("rush-guilty", "load")?);
    let forbidden = get("api.example.com", "/v9/nothing", &[&other]);
    same("403", 640, count(&rush(to, CONNECTIONS, 10, &forbidden)?, 403))?;
    // What was spent before has come back meanwhile, at most.
    let last = left(ask()?);
    let remaining = |text: &str| {
        let found = text.split(';').find_map(|part| part.strip_prefix("r="));
        found.and_then(|n| n.parse::<u32>().ok()).ok_or(format!("no `r` in `{text}`"))
    };
    if remaining(&last)? + 1 < remaining(&first)? {
        return Err(format!("{first} before, {last} after"));
    }
    Ok(())
}

/// Some old clients look for names by case: each as the old gateway wrote it, whoever
/// made the answer.
pub(super) fn names(stage: &Stage) -> Result<(), String> {
    let key = "pk_demo_northwind_0123456789abcdef0123456789";
    let asked = format!("/api/v3/northwind/{key}/vitals.json");
    let counted = ["X-Ratelimit-Total: 100", "X-Ratelimit-Remaining: "];
    let common =
        ["Access-Control-Allow-Origin: *", "X-Powered-By: Express", "Vary: *", "Expires: 0"];
    let made_up = "/api/v3/northwind/made-up/vitals.json";
    for (path, more) in [
        (asked.as_str(), counted.as_slice()),
        (made_up, &["Cache-Control: no-store", "Pragma: no-cache"]),
        // By Envoy itself.
        ("/api/v3/%2F", &["Content-Type: text/html; charset=utf-8"]),
    ] {
        let mut stream = connect(stage.gateway.address(), PATIENCE)?;
        stream.set_read_timeout(Some(PATIENCE)).map_err(|e| e.to_string())?;
        let request = Wire::get("marketplace.example.com", path, &[]);
        stream.write_all(&request.bytes).map_err(|e| e.to_string())?;
        let mut bytes = Vec::new();
        stream.read_to_end(&mut bytes).map_err(|e| e.to_string())?;
        let text = String::from_utf8_lossy(&bytes).into_owned();
        for line in common.iter().chain(more) {
            if !text.contains(&format!("\r\n{line}")) {
                return Err(format!("{path}: no `{line}` in\n{text}"));
            }
        }
    }
    Ok(())
}

/// One key is one caller in every form in which it may come.
pub(super) fn one_key(stage: &Stage) -> Result<(), String> {
    const KEY: &str = "pk_demo_northwind_0123456789abcdef0123456789";
    const BASIC: &str = "bm9ydGh3aW5kOnBrX2RlbW9fbm9ydGh3aW5kXzAxMjM0NTY3ODlhYmNkZWYwMTIzNDU2Nzg5";
    let (bearer, basic) =
        (format!("Authorization: Bearer {KEY}"), format!("Authorization: Basic {BASIC}"));
    let plain = format!("X-Api-Key: {KEY}");
    let in_path = format!("/api/v2/northwind/{KEY}/vitals.json");
    let public = "/api/v3/popular:themeforest.json";
    let forms: [(&str, &[&str]); 4] =
        [(&in_path, &[]), (public, &[&bearer]), (public, &[&basic]), (public, &[&plain])];
    // A window that ends meanwhile would be two.
    let room = || (seconds() % 60 <= 50).then_some(());
    wait_for(PATIENCE, room).ok_or("no window has room")?;
    let left = |(path, lines): &(&str, &[&str])| -> Result<u64, String> {
        let answer = stage.gateway.send(&Wire::get("marketplace.example.com", path, lines))?;
        same(path, 200, answer.status)?;
        let left = answer.text("x-ratelimit-remaining").and_then(|text| text.parse().ok());
        left.ok_or_else(|| format!("{path}: no `x-ratelimit-remaining`"))
    };
    let left: Vec<u64> = forms.iter().map(left).collect::<Result<_, _>>()?;
    let expected = left.first().map(|first| (0..4).map(|n| first.saturating_sub(n)).collect());
    same("left after each form", expected, Some(left))
}

pub(super) fn count(answers: &[Answer], status: u16) -> usize {
    answers.iter().filter(|a| a.status == status).count()
}

fn seconds() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_secs())
}
