//! `xtask up` as a person uses it: it follows the decisions, applies what is
//! saved, refuses what is broken, and Ctrl-C stops all of it.

use std::fs;
use std::time::Duration;

use postern_tests::client::{PATIENCE, Wire, send};
use postern_tests::gateway::Gateway;

use super::same;
use crate::Stage;

const SOON: Duration = Duration::from_secs(20);

pub(super) fn up(_stage: &Stage) -> Result<(), String> {
    let (gateway, mut watched) = Gateway::watched("follow")?;
    let status =
        |path: &str| gateway.send(&Wire::get("api.example.com", path, &[])).map(|a| a.status);
    same("a private route", 401, status("/whoami")?)?;
    watched.wait_for("GET api.example.com/whoami", SOON)?;
    watched.wait_for("missing_credential", SOON)?;

    // Saved in place, as editors do.
    let file = gateway.policies.join("authz.yaml");
    let good = fs::read_to_string(&file).map_err(|e| e.to_string())?;
    let save = |text: &str| fs::write(&file, text).map_err(|e| e.to_string());
    save(&good.replacen("effect:", "efect:", 1).replacen(
        "subject: anyone",
        "subject: anybody",
        1,
    ))?;
    watched.wait_for("rules[0].subject: expected `anyone`", SOON)?;
    watched.wait_for("the last good ones serve on", SOON)?;
    same("the old policy", 200, status("/v1/market/total-items.json")?)?;

    save(&good.replacen("- name: public-catalogue", "- name: catalogue-of-all", 1))?;
    watched.wait_for("authz: ", SOON)?;
    watched.wait_for("Envoy took it", SOON)?;
    same("the new policy", 200, status("/v1/market/total-items.json")?)?;
    watched.wait_for("catalogue-of-all", SOON)?;
    for other in ["auth: ", "rate-limit: ", "legacy-compat: "] {
        let applied = |line: &str| line.starts_with(other) && line.contains("Envoy took it");
        if let Some(line) = watched.printed().lines().find(|line| applied(line)) {
            return Err(format!("another filter changed too: {line}"));
        }
    }

    let (gateway_at, upstream_at) = (gateway.address(), gateway.upstream());
    watched.interrupt()?;
    for at in [gateway_at, upstream_at] {
        if send(at, &Wire::get("x", "/", &[]), PATIENCE).is_ok() {
            return Err(format!("{at} still answers after Ctrl-C"));
        }
    }
    same("state is left", false, gateway.run.join("state.json").exists())
}
