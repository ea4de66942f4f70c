//! `postern explain` and the running gateway decide alike.

use std::fs;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use postern_cli::chain::Chain;
use postern_cli::explain::{Answering, explain};
use postern_stack::keys::Keys;
use postern_tests::case::Case;
use postern_tests::corpus::{self, workspace};
use postern_tests::offline::sent;
use postern_tests::request::fill;
use serde_json::Value;

use crate::Stage;

/// A filter's decision: plugin, decision, rule, reason.
type Decision = (String, String, String, String);

/// Every case of the corpus that no proxy is needed for.
pub(super) fn agrees(stage: &Stage) -> Result<(), String> {
    let secret =
        fs::read_to_string(workspace().join("stack/keys/hs256.txt")).map_err(|e| e.to_string())?;
    let keys = Keys::embedded().map_err(|e| e.to_string())?;
    let mut compared = 0;
    let mut differ = Vec::new();
    for case in corpus::load()?.iter().filter(|case| case.only.is_none()) {
        let Some(seen) = stage.run.seen(case) else { continue };
        let live = seen.decisions.iter().map(|(plugin, record)| decision(plugin, record));
        let live: Vec<Decision> = live.collect();
        let offline = explained(stage, case, &keys, secret.trim())?;
        if live != offline {
            let name = case.name.as_str();
            differ.push(format!("{name}:\n  gateway {live:?}\n  explain {offline:?}"));
        }
        compared += 1;
    }
    if compared < 150 {
        return Err(format!("only {compared} cases were compared"));
    }
    if differ.is_empty() { Ok(()) } else { Err(differ.join("\n")) }
}

fn explained(
    stage: &Stage,
    case: &Case,
    keys: &Keys,
    secret: &str,
) -> Result<Vec<Decision>, String> {
    let environment = |name: &str| (name == "POSTERN_DEMO_HS256").then(|| secret.to_owned());
    let now = || SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
    let chain = Chain::of_folder(&stage.gateway.policies, &environment, now());
    let chain = chain.map_err(|findings| format!("{findings:?}"))?;
    let sent = sent(&fill(case, keys)?, 1);
    for _ in 0..case.request.before.get() {
        explain(&chain, &sent, Answering::default());
    }
    let explanation = explain(&chain, &sent, Answering::default());
    let mut found: Vec<Decision> =
        explanation.records().map(|(plugin, record)| decision(plugin, &record)).collect();
    found.sort();
    Ok(found)
}

fn decision(plugin: &str, record: &Value) -> Decision {
    let member = |name: &str| record.get(name).and_then(Value::as_str).unwrap_or("-").to_owned();
    (plugin.to_owned(), member("decision"), member("rule"), member("code"))
}
