//! Conditions of authz that only a proxy can show: what it says of the client,
//! of the request, and what becomes of obligations.

use postern_tests::client::{PATIENCE, Wire, send};
use postern_tests::observe::values;

use super::policies::{Edited, settled};
use super::{same, token};
use crate::Stage;

const RULES: &str = r#"
explain_header: x-why
sets:
  addresses:
    here: [127.0.0.0/8]
rules:
  - name: test-off
    effect: deny
    match: {paths: [/whoami], query: [{name: mode, exact: ["off"]}]}
    subject: anyone
  - name: test-here
    effect: deny
    match: {paths: [/whoami], query: [{name: here, present: true}], client_addresses: [{set: here}]}
    subject: anyone
  - name: test-afar
    effect: deny
    match: {paths: [/whoami], query: [{name: afar, present: true}], client_addresses: [198.51.100.0/24]}
    subject: anyone
  - name: test-never
    effect: deny
    match: {paths: [/whoami], times: [{not_after: "2001-01-01T00:00:00Z"}]}
    subject: anyone
  - name: test-image
    effect: deny
    match: {paths: [/whoami], content_types: [image/*], body_size: {at_most: 0}}
    subject: anyone
  - name: test-own
    match: {paths: ["/v9/{name}"]}
    subject: {providers: [idp]}
    claims: [{claim: sub, is: {path: name}}]
  - name: test-level
    match: {paths: [/v9/a/level]}
    subject: identified
    claims: [{claim: level, is: {at_least: 5}}]
  - name: test-tagged
    match: {paths: [/v1/market/total-items.json], query: [{name: tagged, present: true}]}
    subject: anyone
    counted: true
    obligations:
      request_headers: {x-tier: gold}
      response_headers: {x-obliged: "yes"}
      tags: {team: sales}
"#;

pub(super) fn conditions(stage: &Stage) -> Result<(), String> {
    let bearer = format!("Authorization: Bearer {}", token("ruled", "load")?);
    same("before", 200, settled(stage, "/whoami?mode=off", &bearer, 200)?)?;
    let _edited = Edited::new(stage, "authz", "\nrules:\n", RULES)?;
    stage.gateway.apply()?;
    same("the policy is in force", 403, settled(stage, "/whoami?mode=off", &bearer, 403)?)?;
    let forged = "X-Forwarded-For: 198.51.100.7";
    for (path, line, status, why) in [
        ("/whoami", "X-A: b", 200, "allowed; rule=whoami"),
        ("/whoami?mode=on", "X-A: b", 200, "allowed; rule=whoami"),
        ("/whoami?mode=%6fff", "X-A: b", 403, "deny_rule; rule=test-off"),
        ("/whoami?mode=on&mode=off", "X-A: b", 403, "cannot_evaluate; rule=test-off"),
        ("/whoami?here", "X-A: b", 403, "deny_rule; rule=test-here"),
        ("/whoami?here", forged, 403, "deny_rule; rule=test-here"),
        ("/whoami?afar", forged, 200, "allowed; rule=whoami"),
        ("/whoami", "Content-Type: image/png", 403, "deny_rule; rule=test-image"),
        ("/whoami", "Content-Type: text/plain", 200, "allowed; rule=whoami"),
        ("/whoami", "Content-Type: image", 403, "cannot_evaluate; rule=test-image"),
        // The upstream knows no such route: the request got there.
        ("/v9/ruled", "X-A: b", 404, "allowed; rule=test-own"),
        ("/v9/%72uled", "X-A: b", 404, "allowed; rule=test-own"),
        ("/v9/other", "X-A: b", 403, "wrong_subject; rule=test-own"),
        ("/v9/a/level", "X-A: b", 403, "cannot_evaluate; rule=test-level"),
    ] {
        let request = Wire::get("api.example.com", path, &[&bearer, line]);
        let answer = send(stage.gateway.address(), &request, PATIENCE)?;
        let told = answer.text("x-why").unwrap_or_default().to_owned();
        same(&format!("{path} {line}"), (status, why.to_owned()), (answer.status, told))?;
    }
    obligations(stage)
}

fn obligations(stage: &Stage) -> Result<(), String> {
    let counted = || stage.gateway.stat("wasmcustom.postern.authz.rule_decisions.test-tagged");
    let before = counted()?;
    stage.gateway.forget()?;
    let path = "/v1/market/total-items.json?tagged";
    let request = Wire::get("api.example.com", path, &["X-Tier: platinum"]);
    let answer = send(stage.gateway.address(), &request, PATIENCE)?;
    same("status", 200, answer.status)?;
    same("the client's header", Some("yes"), answer.text("x-obliged"))?;
    let seen = stage.gateway.seen()?;
    let [request] = seen.as_slice() else { return Err(format!("{} requests", seen.len())) };
    let tiers: Vec<_> = values(&request.headers, "x-tier").map(<[u8]>::to_vec).collect();
    same("the upstream's header", vec![b"gold".to_vec()], tiers)?;
    let all_counted = || counted().ok().filter(|now| *now == before + 1);
    let now = postern_tests::gateway::wait_for(PATIENCE, all_counted);
    same("the rule's counter", Some(before + 1), now)
}
