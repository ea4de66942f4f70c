//! A list of what is revoked, which is fetched.

use std::time::Instant;

use postern_core::digest::{hex, sha256};
use postern_stack::keys::Keys;
use postern_stack::mint::{MintRequest, mint, now};
use postern_tests::client::PATIENCE;
use postern_tests::gateway::wait_for;
use serde_json::{Value, json};

use super::site::{Prepared, Site, told};
use super::{everywhere, jwt, ok, same, under_load, unknown};

const LIST: &str = "/revoked.json";

/// The stated bound is `refresh.max`, and a second until each worker has looked. In fetches
/// of the list, once it names a token: one may be under way, the second brings it, and when
/// the third comes every worker has looked. Who asks from then on is refused.
const FETCHES: u64 = 3;

fn policy(providers: &Value) -> Value {
    json!({
        "providers": providers,
        "revoked": {"remote": {
            "cluster": "idp",
            "uri": format!("http://id.example.com{LIST}"),
            "refresh": {"default": "2s", "min": "2s", "max": "2s"},
            "timeout": "1s",
            "cooldown": "1s",
            "wait": "1s",
        }},
    })
}

fn token(subject: &str, claims: &Value) -> Result<String, String> {
    let keys = Keys::embedded().map_err(|e| e.to_string())?;
    let mut request = MintRequest::for_subject(subject);
    for (name, value) in claims.as_object().into_iter().flatten() {
        request.claims.insert(name.clone(), value.clone());
    }
    mint(&keys, request, now())
}

/// Each kind of entry, on a token that both workers remember.
pub(super) fn bound() -> Result<(), String> {
    let (prepared, demo) = Prepared::new("revoked")?.with_idp()?;
    demo.tell_idp("PUT", LIST, &json!({}))?;
    let each_second = json!({"default": "1s", "min": "1s", "max": "1s"});
    let providers = json!({"idp": jwt(&json!({ "refresh": each_second }))});
    let mut site = prepared.start_with(&policy(&providers), Vec::new())?;
    let other = token("bystander", &json!({}))?;
    let of_client = token("user", &json!({"client_id": "shop"}))?;
    let bad = [
        (token("one", &json!({"jti": "t-1"}))?, json!({"token_ids": ["t-1"]})),
        (token("two", &json!({}))?, json!({"subjects": ["two"]})),
        (token("three", &json!({"jti": "t-3"}))?, json!({"credentials": ["jwt:t-3"]})),
        (of_client, json!({"clients": ["shop"]})),
        (
            token("five", &json!({}))?,
            json!({"issued_before": [{"subject": "five", "at": "2099-01-01T00:00:00Z"}]}),
        ),
    ];
    for (token, list) in &bad {
        let what = list.to_string();
        wait_for(PATIENCE, || everywhere(&site, token, &ok()))
            .ok_or_else(|| format!("before {what}: it does not pass"))?;
        // Whoever answers remembers it by then.
        let remembered = || {
            let hits = site.metric("cache_hits").ok()?;
            everywhere(&site, token, &ok())?;
            (site.metric("cache_hits").ok()? >= hits + 12).then_some(())
        };
        wait_for(PATIENCE, remembered)
            .ok_or_else(|| format!("before {what}: it is not remembered"))?;
        let fetched = || Ok::<u64, String>(demo.asked_idp(LIST)?.0);
        let (began, before) = (Instant::now(), fetched()?);
        demo.tell_idp("PUT", LIST, list)?;
        // Before the last of those requests that were not all refused.
        let mut passed_at = before;
        let refused = || {
            let now = fetched().ok()?;
            if everywhere(&site, token, &unknown()).is_none() {
                passed_at = now;
                return None;
            }
            Some(())
        };
        under_load(&site, &other, || {
            wait_for(PATIENCE, refused).ok_or_else(|| format!("{what}: it still passes"))
        })?;
        let (took, fetched) = (began.elapsed(), passed_at - before);
        if fetched >= FETCHES {
            return Err(format!("{what}: it passed after {fetched} fetches of the list"));
        }
        eprintln!(
            "revoked by {what}: refused everywhere after {took:?}, passed after {fetched} fetches"
        );
    }
    let (token, list) = &bad[0];
    demo.tell_idp("PUT", LIST, list)?;
    wait_for(PATIENCE, || everywhere(&site, token, &unknown())).ok_or("not revoked again")?;
    // Nothing that breaks the list lifts it, the service's end included.
    for drill in [
        json!({"path": LIST, "body": "[]", "no_etag": true}),
        json!({"path": LIST, "body": "{\"token_ids\":", "no_etag": true}),
        json!({"path": LIST, "empty": true, "no_etag": true}),
        json!({"path": LIST, "status": 404}),
    ] {
        demo.tell_idp("PUT", "/__behaviour", &drill)?;
        still_revoked(&site, token, &other, &drill.to_string())?;
    }
    demo.tell_idp("DELETE", "/__behaviour", &Value::Null)?;
    site.kill_idp();
    still_revoked(&site, token, &other, "killed")?;
    // The list of one that comes back is empty: nothing is revoked any more.
    site.revive_idp()?;
    wait_for(PATIENCE, || everywhere(&site, token, &ok())).ok_or("it stays revoked")?;
    same("reloads", 0, site.envoy.stats("vm_reload")?.iter().map(|(_, n)| n).sum())
}

/// Over two failures to fetch the list.
fn still_revoked(site: &Site, token: &str, other: &str, what: &str) -> Result<(), String> {
    let failures = site.metric("revocations_fetch_failures")?;
    under_load(site, other, || {
        let twice =
            || site.metric("revocations_fetch_failures").ok().filter(|n| *n >= failures + 2);
        wait_for(PATIENCE, twice).map(drop).ok_or_else(|| format!("{what}: no failure"))
    })?;
    everywhere(site, token, &unknown()).ok_or_else(|| format!("{what}: it passes"))
}

/// Whether a credential still counts is not known then.
pub(super) fn missing() -> Result<(), String> {
    let key = "a-key-that-needs-nobody-else";
    let keys = json!({"keys": {"api_key": {"keys": [
        {"id": "own", "sha256": hex(&sha256(key.as_bytes())), "subject": "northwind"},
    ]}}});
    let mut site = Prepared::new("unlisted")?.start_with(&policy(&keys), Vec::new())?;
    let line = format!("X-Api-Key: {key}");
    for _ in 0..6 {
        let answer = site.send(&[&line])?;
        same("without a list", (503, "revocations_unavailable".to_owned()), told(&answer))?;
        same("challenge", None, answer.text("www-authenticate"))?;
        let after = answer.text("retry-after").and_then(|seconds| seconds.parse().ok());
        same("retry-after", true, after.is_some_and(|seconds: u64| seconds >= 1))?;
    }
    // What is bad anyway is not in doubt.
    same("a bad key", 401, site.send(&["X-Api-Key: nobodys"])?.status)?;
    site.revive_idp()?;
    let passes = || {
        let all: Vec<_> = (0..12).filter_map(|_| site.send(&[&line]).ok()).collect();
        (all.len() == 12 && all.iter().all(|answer| answer.status == 200)).then_some(())
    };
    wait_for(PATIENCE, passes).ok_or_else(|| "it does not recover".to_owned())
}
