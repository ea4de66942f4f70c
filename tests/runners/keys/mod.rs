//! Keys that survive their issuer, and what else depends on one: on Envoy with two
//! workers, before an identity provider that is killed, slow, or sends what it should
//! not. How often it was asked is counted there.

mod asked;
mod list;
mod revoked;
mod routes;
mod site;

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use postern_stack::keys::Keys;
use postern_stack::mint::{MintRequest, mint, now};
use postern_tests::client::{Connection, PATIENCE};
use postern_tests::demo::Demo;
use postern_tests::gateway::wait_for;
use serde_json::{Value, json};

use site::{Prepared, Site, told};

/// A test with a gateway of its own.
pub type Test = fn() -> Result<(), String>;

/// All of them.
pub const ALL: &[(&str, Test)] = &[
    ("a_cold_start_without_an_issuer_is_unavailable_and_recovers", cold_start),
    ("a_cold_start_waits_for_a_slow_issuer", slow_start),
    ("known_keys_serve_through_every_drill", drills),
    ("a_flood_of_unknown_keys_causes_one_fetch", flood),
    ("a_new_key_works_at_once_and_a_removed_one_stops", rotation),
    ("discovery_leads_to_the_keys", discovery),
    ("what_is_revoked_is_refused_within_the_bound_remembered_or_not", revoked::bound),
    ("without_a_list_of_what_is_revoked_nobody_is_admitted", revoked::missing),
    ("an_introspection_service_that_is_killed_refuses_nobody", asked::killed),
    ("an_old_answer_serves_until_a_killed_service_is_back", asked::stale),
    ("requirements_follow_the_names_of_routes", routes::by_name),
    ("a_hundred_thousand_api_keys_load_while_requests_are_served", list::large),
];

const JWKS: &str = "/.well-known/jwks.json";

/// A provider of the issuer's tokens, whose keys are fetched; `more` goes beside
/// the address.
fn jwt(more: &Value) -> Value {
    let mut remote = json!({"cluster": "idp", "uri": format!("http://id.example.com{JWKS}")});
    merge(&mut remote, more);
    with_keys(&json!({ "remote": remote }))
}

fn with_keys(source: &Value) -> Value {
    json!({"jwt": {
        "issuer": "https://id.example.com",
        "audiences": ["marketplace-api"],
        "algorithms": ["RS256", "ES256", "ES384", "EdDSA"],
        "keys": [source],
    }})
}

fn merge(into: &mut Value, more: &Value) {
    if let (Value::Object(into), Value::Object(more)) = (into, more) {
        into.extend(more.clone());
    }
}

/// A token that is signed here, with the committed keys.
fn own_token() -> Result<String, String> {
    let keys = Keys::embedded().map_err(|e| e.to_string())?;
    mint(&keys, MintRequest::for_subject("northwind"), now())
}

/// A token that the issuer signs, with its newest key.
fn issued(demo: &Demo, alg: &str) -> Result<String, String> {
    let minted = demo.tell_idp("POST", "/mint", &json!({"sub": "northwind", "alg": alg}))?;
    minted["access_token"].as_str().map(str::to_owned).ok_or_else(|| "no token".to_owned())
}

fn same<T: PartialEq + std::fmt::Debug>(what: &str, expected: T, got: T) -> Result<(), String> {
    if expected == got {
        Ok(())
    } else {
        Err(format!("{what}: expected {expected:?}, got {got:?}"))
    }
}

fn ok() -> (u16, String) {
    (200, String::new())
}

fn unknown() -> (u16, String) {
    (401, "invalid_token".to_owned())
}

/// The same on each worker: connections go to either.
fn everywhere(site: &Site, token: &str, expected: &(u16, String)) -> Option<()> {
    let all = (0..12).map(|_| site.bearer(token)).collect::<Result<Vec<_>, _>>().ok()?;
    all.iter().all(|told| told == expected).then_some(())
}

fn cold_start() -> Result<(), String> {
    let prepared = Prepared::new("cold")?;
    let mut site = prepared.start("idp", &jwt(&json!({"wait": "300ms", "cooldown": "1s"})))?;
    let token = own_token()?;
    let header = format!("Authorization: Bearer {token}");
    for _ in 0..6 {
        let answer = site.send(&[&header])?;
        same("down", (503, "keys_unavailable".to_owned()), told(&answer))?;
        let after: Option<u64> = answer.text("retry-after").and_then(|v| v.parse().ok());
        same("retry-after", true, after.is_some_and(|seconds| seconds >= 1))?;
    }
    // What needs no key is judged all the same.
    same("nonsense", 401, site.bearer("nonsense")?.0)?;
    site.revive_idp()?;
    wait_for(PATIENCE, || everywhere(&site, &token, &ok())).ok_or("it does not recover")?;
    same("reloads", 0, site.envoy.stats("vm_reload")?.iter().map(|(_, n)| n).sum())
}

fn slow_start() -> Result<(), String> {
    let (prepared, demo) = Prepared::new("slow")?.with_idp()?;
    demo.tell_idp("PUT", "/__behaviour", &json!({"path": JWKS, "delay_ms": 2500}))?;
    let site = prepared.start("idp", &jwt(&json!({"wait": "8s"})))?;
    let token = own_token()?;
    let first = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..32).map(|_| scope.spawn(|| site.bearer(&token))).collect();
        let joined = threads.into_iter().map(|t| t.join().unwrap_or_else(|_| Err("panic".into())));
        joined.collect::<Result<Vec<_>, String>>()
    })?;
    same("all of them", vec![ok(); 32], first)?;
    same("asked", 1, demo.asked_idp(JWKS)?.0)
}

/// Requests without a pause on some connections, each of which has to pass.
fn under_load(
    site: &Site,
    token: &str,
    during: impl FnOnce() -> Result<(), String>,
) -> Result<(u64, Duration), String> {
    let stop = AtomicBool::new(false);
    let slowest = AtomicU64::new(0);
    let request = format!(
        "GET /length HTTP/1.1\r\nHost: api.example.com\r\nAuthorization: Bearer {token}\r\n\r\n"
    );
    std::thread::scope(|scope| {
        let load: Vec<_> = (0..4)
            .map(|_| {
                scope.spawn(|| -> Result<u64, String> {
                    let mut connection = Connection::open(site.address(), PATIENCE)?;
                    let mut sent = 0;
                    while !stop.load(Ordering::Relaxed) {
                        let before = Instant::now();
                        connection.write(request.as_bytes())?;
                        let answer = connection.read(false)?;
                        let took = u64::try_from(before.elapsed().as_micros()).unwrap_or(u64::MAX);
                        slowest.fetch_max(took, Ordering::Relaxed);
                        same("under load", ok(), told(&answer))?;
                        sent += 1;
                    }
                    Ok(sent)
                })
            })
            .collect();
        let result = during();
        stop.store(true, Ordering::Relaxed);
        let mut sent = 0;
        for thread in load {
            sent += thread.join().map_err(|_| "a client panicked")??;
        }
        result?;
        Ok((sent, Duration::from_micros(slowest.load(Ordering::Relaxed))))
    })
}

/// With a refresh each second, so that each drill is met.
fn drills() -> Result<(), String> {
    let (prepared, demo) = Prepared::new("drills")?.with_idp()?;
    let each_second = json!({"default": "1s", "min": "1s", "max": "1s"});
    let mut site = prepared.start(
        "idp",
        &jwt(&json!({"refresh": each_second, "timeout": "500ms", "cooldown": "1s"})),
    )?;
    let token = own_token()?;
    wait_for(PATIENCE, || everywhere(&site, &token, &ok())).ok_or("it does not start")?;
    let began = Instant::now();
    let before = demo.asked_idp(JWKS)?.0;
    let huge = json!({"path": JWKS, "size": 20_000_000, "no_etag": true});
    for drill in [
        json!({"path": JWKS, "status": 500}),
        json!({"path": JWKS, "status": 302}),
        json!({"path": JWKS, "body": "<html>garbage", "no_etag": true}),
        json!({"path": JWKS, "body": "{\"keys\":[]}", "no_etag": true}),
        json!({"path": JWKS, "body": "{\"keys\":[{\"kty\":\"oct\",\"k\":\"AAAA\"}]}"}),
        json!({"path": JWKS, "empty": true, "no_etag": true}),
        json!({"path": JWKS, "cut": true, "no_etag": true}),
        json!({"path": JWKS, "stall": true, "no_etag": true}),
        json!({"path": JWKS, "truncate": 100, "no_etag": true}),
        json!({"path": JWKS, "delay_ms": 5000, "no_etag": true}),
        huge,
    ] {
        demo.tell_idp("PUT", "/__behaviour", &drill)?;
        let failures = site.metric("keys_fetch_failures")?;
        let (sent, _) = under_load(&site, &token, || {
            let twice = || site.metric("keys_fetch_failures").ok().filter(|n| *n >= failures + 2);
            wait_for(PATIENCE, twice).map(drop).ok_or_else(|| format!("{drill}: no failure"))
        })?;
        same("requests were served", true, sent > 10)?;
    }
    demo.tell_idp("DELETE", "/__behaviour", &Value::Null)?;
    // Each attempt at least four fifths of a second after the last.
    let asked = demo.asked_idp(JWKS)?.0 - before;
    let bound = began.elapsed().as_millis() / 800 + 1;
    if u128::from(asked) > bound {
        return Err(format!("asked {asked} times in {:?}", began.elapsed()));
    }
    let failures = site.metric("keys_fetch_failures")?;
    site.kill_idp();
    under_load(&site, &token, || {
        let thrice = || site.metric("keys_fetch_failures").ok().filter(|n| *n >= failures + 3);
        wait_for(PATIENCE, thrice).map(drop).ok_or_else(|| "killed: no failure".to_owned())
    })?;
    site.revive_idp()?;
    let successes = || demo.asked_idp(JWKS).ok().filter(|(n, _)| *n >= 2);
    under_load(&site, &token, || {
        wait_for(PATIENCE, successes).map(drop).ok_or_else(|| "not asked again".to_owned())
    })?;
    same("known", true, site.metric("keys_known")? >= 4)?;
    same("reloads", 0, site.envoy.stats("vm_reload")?.iter().map(|(_, n)| n).sum())
}

fn flood() -> Result<(), String> {
    let (prepared, demo) = Prepared::new("flood")?.with_idp()?;
    let site = prepared.start("idp", &jwt(&json!({})))?;
    let good = own_token()?;
    wait_for(PATIENCE, || everywhere(&site, &good, &ok())).ok_or("it does not start")?;
    same("asked before", 1, demo.asked_idp(JWKS)?.0)?;
    let keys = Keys::embedded().map_err(|e| e.to_string())?;
    let tokens: Vec<String> = (0..400)
        .map(|n| {
            let mut request = MintRequest::for_subject("mallory");
            request.header.insert("kid".to_owned(), json!(format!("unknown-{n}")));
            mint(&keys, request, now())
        })
        .collect::<Result<_, _>>()?;
    std::thread::scope(|scope| {
        let threads: Vec<_> = tokens
            .chunks(50)
            .map(|tokens| {
                let site = &site;
                scope.spawn(move || {
                    tokens.iter().try_for_each(|t| same("unknown", unknown(), site.bearer(t)?))
                })
            })
            .collect();
        threads.into_iter().try_for_each(|t| t.join().map_err(|_| "a client panicked")?)
    })?;
    same("asked", 2, demo.asked_idp(JWKS)?.0)?;
    same("a good one", ok(), site.bearer(&good)?)
}

fn rotation() -> Result<(), String> {
    let (prepared, demo) = Prepared::new("rotation")?.with_idp()?;
    let site = prepared
        .start("idp", &jwt(&json!({"refresh": {"default": "2s", "min": "2s", "max": "2s"}})))?;
    let old = issued(&demo, "ES256")?;
    wait_for(PATIENCE, || everywhere(&site, &old, &ok())).ok_or("it does not start")?;
    demo.tell_idp("POST", "/__rotate", &json!({"alg": "ES256", "kid": "next"}))?;
    let new = issued(&demo, "ES256")?;
    same("the first request with the new key", ok(), site.bearer(&new)?)?;
    same("the old key", ok(), site.bearer(&old)?)?;
    demo.tell_idp("PUT", "/__keys", &json!({"kid": "demo-es256", "published": false}))?;
    // Remembered tokens too, on both workers.
    wait_for(PATIENCE, || everywhere(&site, &old, &unknown())).ok_or("the old key still works")?;
    wait_for(PATIENCE, || everywhere(&site, &new, &ok())).ok_or("the new key does not work")?;
    Ok(())
}

fn discovery() -> Result<(), String> {
    let (prepared, demo) = Prepared::new("discovery")?.with_idp()?;
    let site = prepared.start("idp", &with_keys(&json!({"discovery": {"cluster": "idp"}})))?;
    let token = own_token()?;
    wait_for(PATIENCE, || everywhere(&site, &token, &ok())).ok_or("it does not start")?;
    let asked = |path: &str| demo.asked_idp(path).map(|(n, _)| n);
    let each = (asked("/.well-known/openid-configuration")?, asked(JWKS)?);
    same("asked", (1, 1), each)
}
