//! `postern explain` and the running gateway decide alike.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use postern_cli::chain::Chain;
use postern_cli::explain::{Answering, explain};
use postern_stack::environment::variable;
use postern_stack::keys::Keys;
use postern_tests::case::Case;
use postern_tests::corpus;
use postern_tests::offline::sent;
use postern_tests::request::fill;
use serde_json::Value;

use crate::Stage;

/// A filter's decision: plugin, decision, rule, reason.
type Decision = (String, String, String, String);

/// Every case of the corpus that needs neither a proxy, nor a certificate (curl's
/// words do not say what stands in it), nor an answer of the identity provider:
/// what a personal token means, nobody knows offline.
pub(super) fn agrees(stage: &Stage) -> Result<(), String> {
    let keys = Keys::embedded().map_err(|e| e.to_string())?;
    let (mut compared, mut unknown) = (0, 0);
    let mut differ = Vec::new();
    let comparable = |case: &&Case| case.only.is_none() && case.request.certificate.is_none();
    for case in corpus::load()?.iter().filter(comparable) {
        let Some(seen) = stage.run.seen(case) else { continue };
        let live = seen.decisions.iter().map(|(plugin, record)| decision(plugin, record));
        let live: Vec<Decision> = live.collect();
        let offline = explained(stage, case, &keys)?;
        // It asks nobody, and says so where that decides.
        if offline.iter().any(|(_, _, _, code)| code.ends_with("_unavailable")) {
            unknown += 1;
            continue;
        }
        if live != offline {
            let name = case.name.as_str();
            differ.push(format!("{name}:\n  gateway {live:?}\n  explain {offline:?}"));
        }
        compared += 1;
    }
    if compared < 150 || unknown > 20 {
        return Err(format!("only {compared} cases were compared, {unknown} need an answer"));
    }
    if differ.is_empty() { Ok(()) } else { Err(differ.join("\n")) }
}

fn explained(stage: &Stage, case: &Case, keys: &Keys) -> Result<Vec<Decision>, String> {
    let now = || SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
    let chain = Chain::of_folder(&stage.gateway.policies, &variable, now());
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
