//! A service that is asked about tokens, and really gone: nobody listens where it was.

use postern_tests::client::PATIENCE;
use postern_tests::gateway::wait_for;
use serde_json::{Value, json};

use super::site::{Prepared, Site, told};
use super::{everywhere, ok, same};

/// Tokens that are there from the start, also after the service was killed.
const KNOWN: &str = "pt_demo_northwind_5b1f0c9e7d3a48269f";
const NEW: &str = "pt_demo_quillhaven_c20e6a915d8b47f3";

fn provider(more: &Value) -> Value {
    let mut introspection = json!({
        "cluster": "idp",
        "uri": "http://id.example.com/introspect",
        "timeout": "1s",
        "client": {"id": "demo-gateway", "secret_env": "POSTERN_DEMO_INTROSPECTION_SECRET"},
        "cache": {"ttl": "6s", "negative_ttl": "1500ms"},
    });
    super::merge(&mut introspection, more);
    json!({ "introspection": introspection })
}

fn unavailable() -> (u16, String) {
    (503, "introspection_unavailable".to_owned())
}

fn inactive() -> (u16, String) {
    (401, "invalid_token".to_owned())
}

/// 503 with a time to come back, on each worker, and no word against the token.
fn unknown_now(site: &Site, token: &str) -> Result<(), String> {
    for _ in 0..12 {
        let answer = site.send(&[&format!("Authorization: Bearer {token}")])?;
        same("gone", unavailable(), told(&answer))?;
        same("challenge", None, answer.text("www-authenticate"))?;
        let after = answer.text("retry-after").and_then(|seconds| seconds.parse().ok());
        same("retry-after", true, after.is_some_and(|seconds: u64| seconds >= 1))?;
    }
    Ok(())
}

pub(super) fn killed() -> Result<(), String> {
    let (prepared, demo) = Prepared::new("asked")?.with_idp()?;
    let mut site = prepared.start("personal", &provider(&json!({})))?;
    everywhere(&site, "pt_nobodys", &inactive()).ok_or("a bad token is not refused")?;
    everywhere(&site, KNOWN, &ok()).ok_or("a good token does not pass")?;
    same("questions", 2, demo.asked_idp("/introspect")?.0)?;
    site.kill_idp();
    // What it said counts as long as it was to; of others nobody can tell.
    everywhere(&site, KNOWN, &ok()).ok_or("a known token does not pass")?;
    unknown_now(&site, NEW)?;
    unknown_now(&site, "pt_another-nobody")?;
    // Never 401, when the answer has run out either.
    let mut seen = Vec::new();
    let over = || {
        let told = site.bearer(KNOWN).ok()?;
        seen.push(told.clone());
        (told == unavailable()).then_some(())
    };
    wait_for(PATIENCE, over).ok_or("the old answer never runs out")?;
    if let Some(other) = seen.iter().find(|told| **told != ok() && **told != unavailable()) {
        return Err(format!("meanwhile: {other:?}"));
    }
    unknown_now(&site, KNOWN)?;
    same("failures are counted", true, site.metric("failed")? > 0)?;
    site.revive_idp()?;
    for token in [NEW, KNOWN] {
        wait_for(PATIENCE, || everywhere(&site, token, &ok()))
            .ok_or_else(|| format!("{token}: it does not recover"))?;
    }
    wait_for(PATIENCE, || everywhere(&site, "pt_nobodys", &inactive())).ok_or("no refusal")?;
    same("reloads", 0, site.envoy.stats("vm_reload")?.iter().map(|(_, n)| n).sum())
}

pub(super) fn stale() -> Result<(), String> {
    let (prepared, demo) = Prepared::new("stale")?.with_idp()?;
    let more = json!({
        "cache": {"ttl": "1500ms", "negative_ttl": "1500ms"},
        "stale_if_unavailable": "10m",
    });
    let mut site = prepared.start("personal", &provider(&more))?;
    everywhere(&site, KNOWN, &ok()).ok_or("a good token does not pass")?;
    site.kill_idp();
    // Until an old answer has served on each worker; nobody is refused meanwhile.
    let served = site.metric("stale")?;
    let mut seen = Vec::new();
    let old = || {
        let all: Vec<_> = (0..12).filter_map(|_| site.bearer(KNOWN).ok()).collect();
        seen.extend(all.into_iter().filter(|told| *told != ok()));
        site.metric("stale").ok().filter(|n| *n >= served + 24)
    };
    wait_for(PATIENCE, old).ok_or("no old answer served")?;
    same("meanwhile", Vec::<(u16, String)>::new(), seen)?;
    unknown_now(&site, NEW)?;
    site.revive_idp()?;
    wait_for(PATIENCE, || everywhere(&site, NEW, &ok())).ok_or("it does not recover")?;
    let asked = || demo.asked_idp("/introspect").ok().filter(|(n, _)| *n >= 2);
    let again = || everywhere(&site, KNOWN, &ok()).and_then(|()| asked());
    wait_for(PATIENCE, again).map(drop).ok_or_else(|| "it is not asked again".to_owned())
}
