//! A list of 100,000 API keys.

use std::fs;
use std::time::Instant;

use postern_core::digest::{hex, sha256};
use postern_tests::client::PATIENCE;
use postern_tests::gateway::wait_for;
use serde_json::{Value, json};

use super::site::{Prepared, Site, told};
use super::{ok, same, under_load, unknown};

const KEYS: usize = 100_000;
const PATH: &str = "/api-keys.json";

fn secret(n: usize) -> String {
    hex(&sha256(format!("the key of customer {n}").as_bytes()))
}

/// Keys as a real list has them; about 20 MB in all.
fn list(numbers: impl Iterator<Item = usize>) -> Value {
    let keys: Vec<Value> = numbers
        .map(|n| {
            json!({
                "id": format!("customer-{n}-2026"),
                "sha256": hex(&sha256(secret(n).as_bytes())),
                "subject": format!("customer-{n}"),
                "client": format!("shop-{}", n % 500),
                "scopes": ["sale:history", "sale:verify", "purchase:list"],
                "plan": if n.is_multiple_of(10) { "gold" } else { "free" },
                "expires": "2036-01-31T12:00:00Z",
            })
        })
        .collect();
    json!({ "keys": keys })
}

/// On both workers.
fn everywhere(site: &Site, secret: &str, expected: &(u16, String)) -> Option<()> {
    let header = format!("X-Api-Key: {secret}");
    let all = (0..12).map(|_| site.send(&[&header])).collect::<Result<Vec<_>, _>>().ok()?;
    all.iter().all(|answer| told(answer) == *expected).then_some(())
}

pub(super) fn large() -> Result<(), String> {
    let (prepared, demo) = Prepared::new("list")?.with_idp()?;
    demo.tell_idp("PUT", PATH, &list(0..3))?;
    let remote = json!({
        "cluster": "idp",
        "uri": format!("http://id.example.com{PATH}"),
        "refresh": {"default": "2s", "min": "2s", "max": "2s"},
    });
    let from = json!([{"header": {"name": "x-api-key"}}, {"authorization": "Bearer"}]);
    let site = prepared.start("keys", &json!({"api_key": {"from": from, "remote": remote}}))?;
    wait_for(PATIENCE, || everywhere(&site, &secret(2), &ok())).ok_or("it does not start")?;
    let small = memory(&site)?;
    let whole = list(0..KEYS);
    let size = whole.to_string().len();
    demo.tell_idp("PUT", PATH, &whole)?;
    let began = Instant::now();
    let loaded = |last: usize| wait_for(PATIENCE * 4, || everywhere(&site, &secret(last), &ok()));
    let (sent, slowest) = under_load(&site, &secret(0), || {
        loaded(KEYS - 1).ok_or_else(|| "the list is not loaded".to_owned())
    })?;
    let took = began.elapsed();
    same("known", KEYS as u64, site.metric("keys_known")?)?;
    eprintln!(
        "{KEYS} keys, {size} bytes: everywhere {took:?} after they were there (refresh 2s), \
         {sent} requests meanwhile, the slowest {slowest:?}, {} slices, memory {small} to {} kB",
        site.metric("keys_slices")?,
        memory(&site)?,
    );
    // One is gone, one is new, none of the others is refused meanwhile.
    demo.tell_idp("PUT", PATH, &list((0..=KEYS).filter(|n| *n != 5)))?;
    let (sent, slowest) = under_load(&site, &secret(0), || {
        loaded(KEYS).ok_or_else(|| "the new key does not work".to_owned())?;
        wait_for(PATIENCE, || everywhere(&site, &secret(5), &unknown()))
            .ok_or_else(|| "the removed key still works".to_owned())
    })?;
    let memory = memory(&site)?;
    eprintln!(
        "loaded anew: {sent} requests meanwhile, the slowest {slowest:?}, memory {memory} kB"
    );
    // A list that nobody changed is not sent again.
    let before = demo.asked_idp(PATH)?.1;
    let confirmed = || demo.asked_idp(PATH).ok().filter(|(_, unmodified)| *unmodified > before);
    wait_for(PATIENCE, confirmed).ok_or("nothing is confirmed")?;
    // Garbage does not take the list away.
    let failures = site.metric("keys_fetch_failures")?;
    let drill = json!({"path": PATH, "body": "{\"keys\":[", "no_etag": true});
    demo.tell_idp("PUT", "/__behaviour", &drill)?;
    under_load(&site, &secret(1), || {
        let failed = || site.metric("keys_fetch_failures").ok().filter(|n| *n > failures + 1);
        wait_for(PATIENCE, failed).map(drop).ok_or_else(|| "no failure".to_owned())
    })?;
    same("reloads", 0, site.envoy.stats("vm_reload")?.iter().map(|(_, n)| n).sum())
}

/// What Envoy has in memory, in kB.
fn memory(site: &Site) -> Result<u64, String> {
    let status = fs::read_to_string(format!("/proc/{}/status", site.envoy.pid()));
    let status = status.map_err(|e| e.to_string())?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let number = line.and_then(|line| line.trim().trim_end_matches(" kB").trim().parse().ok());
    number.ok_or_else(|| "no VmRSS".to_owned())
}
