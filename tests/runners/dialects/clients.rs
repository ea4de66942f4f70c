//! Clients that others wrote honour what is sent: each is refused, sleeps as it is told,
//! and passes.

use postern_tests::python;
use serde_json::json;

use super::{Told, lines};
use crate::behaviour::same;

pub(super) fn wait(on: &Told) -> Result<(), String> {
    let script = "tests/libraries/limits/clients.py";
    let printed = lines(&python::script_with(&on.python, script, &[&on.said.to_string()])?)?;
    let clients: Vec<&str> = printed.iter().filter_map(|line| line["client"].as_str()).collect();
    same("clients", vec!["urllib3", "requests", "PyGithub", "tweepy"], clients)?;
    for line in &printed {
        let client = line["client"].to_string();
        let slept = line["slept"].as_array().ok_or("no `slept`")?;
        if slept.len() < 2 || slept.iter().any(|seconds| seconds.as_f64().is_none_or(|s| s < 1.0)) {
            return Err(format!("{client} slept {slept:?}"));
        }
        // `requests` has no hook to see what it was told.
        if line["told"] != json!([]) {
            let told = line["told"].as_array().ok_or("no `told`")?;
            let seconds = |all: &[serde_json::Value]| -> Vec<Option<f64>> {
                all.iter().map(serde_json::Value::as_f64).collect()
            };
            same(&format!("{client} slept"), seconds(told), seconds(slept))?;
        } else {
            same("without a hook", "\"requests\"", client.as_str())?;
        }
        // After what it was told there was one left: no request was refused twice.
        let statuses = line["statuses"].as_array().ok_or("no `statuses`")?;
        let good = |status: &serde_json::Value| {
            status[0] == json!(200) && status[1].as_u64().is_some_and(|refused| refused <= 1)
        };
        if !statuses.iter().all(good) {
            return Err(format!("{client}: {statuses:?}"));
        }
    }
    Ok(())
}
