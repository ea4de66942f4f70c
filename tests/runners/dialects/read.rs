//! Each dialect, read by a library that others wrote. All of them say the same: the first
//! request of a caller who may send 40 in 366 days and 400 in an hour.

use std::ops::RangeInclusive;
use std::time::{SystemTime, UNIX_EPOCH};

use postern_tests::python;
use serde_json::{Value, json};

use super::{Told, lines};
use crate::behaviour::same;

/// Seconds until there are 40 again.
const RESET: u64 = 790_560;

pub(super) fn http_sf(on: &Told) -> Result<(), String> {
    let begun = now();
    let to = on.said.to_string();
    let script = "tests/libraries/limits/dialects.py";
    let mut read = lines(&python::script_with(&on.python, script, &[&to])?)?;
    let policies = json!([[40, {"w": 31_622_400, "name": "ample.366d"}], [400, {"w": 3600, "name": "ample.1h"}]]);
    let unnamed = json!([[40, {"w": 31_622_400}], [400, {"w": 3600}]]);
    let behind: Vec<Value> = [json!([40, {}])]
        .into_iter()
        .chain(policies.as_array().cloned().unwrap_or_default())
        .collect();
    let github = read.pop().ok_or("nothing was read")?;
    let expected = vec![
        json!({
            "dialect": "ietf",
            "policy": [["ample.366d", {"q": 40, "w": 31_622_400}], ["ample.1h", {"q": 400, "w": 3600}]],
            "left": [["ample.366d", {"r": 39, "t": RESET}], ["ample.1h", {"r": 399, "t": 9}]],
        }),
        json!({
            "dialect": "draft_7",
            "policy": unnamed,
            "left": {"limit": 40, "remaining": 39, "reset": RESET},
        }),
        json!({"dialect": "draft_3", "policy": behind, "left": [39, RESET]}),
        json!({"dialect": "legacy", "left": [40, 39]}),
        json!({"dialect": "none", "left": []}),
    ];
    same("read by http_sf", expected, read)?;
    same("read by PyGithub", json!([40, 39]), github["left"].clone())?;
    within("PyGithub's reset", begun..=now(), &github["reset"])
}

pub(super) fn header_parser(on: &Told) -> Result<(), String> {
    let begun = now();
    let script = on.node.folder.join("read.mjs");
    let to = on.said.to_string();
    let read = lines(&python::script_with(&on.node.program, &script.to_string_lossy(), &[&to])?)?;
    let dialects: Vec<&str> = read.iter().filter_map(|line| line["dialect"].as_str()).collect();
    same("dialects", vec!["draft_7", "draft_3", "github", "twitter"], dialects)?;
    for line in read {
        let what = line["dialect"].to_string();
        let numbers = ["limit", "used", "remaining"].map(|name| line[name].as_u64());
        same(&what, [Some(40), Some(1), Some(39)], numbers)?;
        match line["dialect"].as_str() {
            Some("github" | "twitter") => within(&what, begun..=now(), &line["reset"])?,
            _ => same(&what, Some(RESET as f64), line["seconds"].as_f64())?,
        }
    }
    Ok(())
}

/// A reset since the epoch is rounded up (never too early): it may be a second past one that
/// was [`RESET`] away when asked.
fn within(what: &str, asked: RangeInclusive<u64>, reset: &Value) -> Result<(), String> {
    let reset = reset.as_u64().ok_or_else(|| format!("{what}: {reset} is no time"))?;
    let exact = reset.saturating_sub(RESET);
    if asked.contains(&exact) || asked.contains(&exact.saturating_sub(1)) {
        return Ok(());
    }
    Err(format!("{what}: {reset} is not {RESET} s after {asked:?}"))
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_secs())
}
