//! Nonces count once.

use super::*;
use crate::signature::replay::Once;

#[test]
fn a_nonce_counts_once_on_all_workers() {
    // Two filters over one map of shared data, as two workers have it.
    let (one, other, host) = (auth(json!({})), auth(json!({})), host());
    assert_eq!(subject(&ask(&one, &host, &signed("n"))), "bluefin");
    for worker in [&one, &other] {
        let replay = ask(worker, &host, &signed("n"));
        refused(&replay, "replayed");
        assert!(record(&replay).contains(r#""provider":"signed""#));
    }
    // Also with other content under it.
    let mut lines = example();
    line(&mut lines, ":method", "PUT");
    sign(&mut lines, &[("\"@method\"", "PUT"), BASE[1], BASE[2], BASE[3]], &with("n"));
    refused(&ask(&other, &host, &lines), "replayed");
    assert_eq!(subject(&ask(&other, &host, &signed("m"))), "bluefin");
    host.set_now(Duration::from_secs(CREATED as u64 + 300));
    refused(&ask(&one, &host, &signed("n")), "replayed");
    host.set_now(Duration::from_secs(CREATED as u64 + 301));
    refused(&ask(&one, &host, &signed("n")), "stale_message_signature");
}

#[test]
fn only_what_goes_on_uses_a_nonce_up() {
    let (auth, host) = (auth(json!({})), host());
    let mut bad = signed("n");
    line(&mut bad, ":method", "PUT");
    refused(&ask(&auth, &host, &bad), "bad_message_signature");
    assert_eq!(host.shared_len(), 0, "strangers write nothing");
    // A request that lacks its other credential may come again with it.
    let mut lines = example();
    line(&mut lines, ":path", "/both/a");
    let base = [BASE[0], BASE[1], ("\"@path\"", "/both/a"), ("\"@query\"", "?")];
    sign(&mut lines, &base, &with("n"));
    assert_eq!(refusal(&ask(&auth, &host, &lines)).code, "missing_credential");
    line(&mut lines, "x-api-key", "other");
    refused(&ask(&auth, &host, &lines), "unknown_api_key");
    line(&mut lines, "x-api-key", "key");
    assert_eq!(subject(&ask(&auth, &host, &lines)), "northwind");
    refused(&ask(&auth, &host, &lines), "replayed");
}

#[test]
fn a_policy_that_takes_older_signatures_lets_no_replay_through() {
    let host = host();
    let short = || auth(json!({"max_age": "1s", "leeway": "0s"}));
    assert_eq!(subject(&ask(&short(), &host, &signed("n"))), "bluefin");
    // Another signature, in its turn, clears what does not count any more.
    for (later, passed) in [60, 3600].into_iter().enumerate() {
        let now = CREATED + passed;
        host.set_now(Duration::from_secs(now as u64));
        let nonce = one_slot().filter(|nonce| nonce != "n").nth(later).unwrap();
        let mut lines = example();
        let created = with(&nonce).replace(&CREATED.to_string(), &now.to_string());
        sign(&mut lines, &BASE, &created);
        assert_eq!(subject(&ask(&short(), &host, &lines)), "bluefin");
        refused(&ask(&short(), &host, &signed("n")), "stale_message_signature");
        for changes in [
            json!({"max_age": "1h"}),
            json!({"max_age": "1h", "leeway": "5m", "max_nonces": 100_000}),
            json!({"max_age": "1h", "max_nonces": 1}),
        ] {
            refused(&ask(&auth(changes), &host, &signed("n")), "replayed");
        }
    }
}

/// Nonces of the HMAC key that share the slot of `n`.
fn one_slot() -> impl Iterator<Item = String> {
    let slot = |nonce: &str| Once::new("signed", "test-shared-secret", nonce, 1, 0).slot;
    let own = slot("n");
    (0..).map(|n: u32| n.to_string()).filter(move |nonce| slot(nonce) == own)
}

/// Signed at this time, with one of the nonces.
fn signed_at(nonce: &str, created: i64) -> Lines {
    let mut lines = example();
    sign(&mut lines, &BASE, &with(nonce).replace(&CREATED.to_string(), &created.to_string()));
    lines
}

#[test]
fn a_full_table_lets_no_replay_through_and_refuses_nothing_new() {
    let (auth, host) = (auth(json!({"max_nonces": 32})), host());
    let nonces: Vec<String> = one_slot().take(34).collect();
    for nonce in &nonces[..33] {
        assert_eq!(subject(&ask(&auth, &host, &signed(nonce))), "bluefin");
    }
    // One of them is forgotten: what else was signed in this second may be that.
    let now = CREATED as u64;
    host.set_now(Duration::from_secs(now));
    let outcome = ask(&auth, &host, &signed(&nonces[33]));
    let refusal = refusal(&outcome);
    assert_eq!((refusal.status, refusal.code), (503, "replay_guard_full"));
    assert_eq!(refusal.headers, [("retry-after".into(), b"1".to_vec())]);
    host.set_now(Duration::from_secs(now + 1));
    refused(&ask(&auth, &host, &signed(&nonces[33])), "forgotten_nonce");
    let mut codes = std::collections::BTreeSet::new();
    for nonce in &nonces[..33] {
        let outcome = ask(&auth, &host, &signed(nonce));
        codes.insert(outcome.record.as_ref().unwrap().code);
    }
    assert_eq!(codes.into_iter().collect::<Vec<_>>(), ["forgotten_nonce", "replayed"]);
    assert_eq!(subject(&ask(&auth, &host, &signed_at(&nonces[33], CREATED + 1))), "bluefin");
    // Another key's table is another.
    let mut lines = example();
    let parameters = format!(";created={CREATED};keyid=\"test-key-ed25519\";nonce=\"0\"");
    sign(&mut lines, &BASE, &parameters);
    assert_eq!(subject(&ask(&auth, &host, &lines)), "ember");
    assert_eq!(host.shared_len(), 2);
}

#[test]
fn a_request_that_waits_is_no_replay_of_itself() {
    let policy = json!({
        "realm": "market",
        "providers": {
            "signed": {"signature": {"keys": keys()}},
            "idp": {"jwt": {
                "issuer": "https://id.example.com", "audiences": ["api"], "algorithms": ["EdDSA"],
                "keys": [{"remote": {"cluster": "idp", "uri": "https://id.example.com/jwks"}}],
            }},
        },
        "rules": [{"name": "both", "match": {"paths": ["/**"]},
                   "require": {"all_of": ["signed", "idp"]}}],
    });
    let node = parse_json(policy.to_string().as_bytes()).unwrap();
    let auth = Auth::configure(&node, &secrets).unwrap();
    let host = FakeHost::at(Duration::from_secs(NOW as u64));
    let mut lines = example();
    sign(&mut lines, &BASE, &with("n").replace(&CREATED.to_string(), &NOW.to_string()));
    line(&mut lines, "authorization", &format!("Bearer {}", mint::with_claims(json!({}))));
    for _ in 0..2 {
        assert!(matches!(ask(&auth, &host, &lines).step, Step::Wait(_)));
    }
    let task = auth.tick(&host).ask.pop().unwrap();
    let body = json!({"keys": [mint::ed25519_jwk()]}).to_string().into_bytes();
    let answer =
        postern_core::Answer::Response { status: 200, headers: Vec::new(), body: body.into() };
    auth.task_answer(task.id, &answer, &host);
    assert_eq!(subject(&ask(&auth, &host, &lines)), "bluefin");
    refused(&ask(&auth, &host, &lines), "replayed");
}
