//! The filter as a whole, with keys of the RFCs: public test keys, no secrets.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice
)]

mod admits;
mod attacks;
mod basic;
mod bytes;
mod certificates;
mod config;
mod introspection;
mod keys;
mod mint;
mod options;
mod order;
mod remote_keys;
mod requires;
mod revocation;
mod secrecy;
mod signatures;
mod told;
mod vectors;

use std::time::Duration;

use postern_core::config::parse_json;
use postern_core::fake::FakeHost;
use postern_core::{
    Filter, HeaderEdit, Headers, Identity, Outcome, Refusal, Request, Response, Step,
};
use serde_json::{Value, json};

use crate::Auth;
use mint::NOW;

/// A policy with a provider of each kind and a rule of each need.
fn policy() -> Value {
    json!({
        "realm": "market",
        "providers": {
            "idp": {"jwt": {
                "issuer": "https://id.example.com",
                "audiences": ["api", "api-v2"],
                "algorithms": ["RS256", "ES256", "EdDSA", "HS256"],
                "leeway": "30s",
                "claims": ["tenant", "groups", "absent"],
                "keys": [
                    {"jwks": {"keys": [mint::rsa_jwk(), mint::p256_jwk(), mint::ed25519_jwk()]}},
                    {"secret": {"env": "SECRET", "alg": "HS256", "kid": "hs"}},
                ],
            }},
            "other": {"jwt": {
                "issuer": "https://other.example.com",
                "audiences": ["api"],
                "algorithms": ["EdDSA"],
                "from": [{"authorization": "Bearer"}, {"authorization": "Token"}],
                "forward": true,
                "keys": [{"jwks": {"keys": [mint::ed25519_jwk()]}}],
            }},
            "keys": {"api_key": {
                "from": [
                    {"header": {"name": "X-Api-Key"}},
                    {"header": {"name": "x-partner", "prefix": "key="}},
                    {"basic": true},
                    {"authorization": "Bearer"},
                ],
                "keys": [
                    {"id": "nw-1", "sha256": sha256("key-of-northwind"), "subject": "northwind",
                     "client": "shop", "scopes": ["a:read", "b"], "plan": "tiny"},
                    {"id": "nw-2", "sha256": sha256("next-key"), "subject": "northwind",
                     "not_before": "2026-11-24T00:00:00Z", "expires": "2026-11-24T00:01:00Z"},
                ],
            }},
        },
        "rules": [
            {"name": "open", "match": {"paths": ["/open/**"]}, "require": {"none": true}},
            {"name": "public", "match": {"paths": ["/public/**"]},
             "require": {"optional": ["idp", "keys"]}},
            {"name": "legacy", "match": {"paths": ["/legacy/**"]}, "require": {"any_of": ["keys"]}},
            {"name": "tokens", "match": {"paths": ["/tokens/**"]}, "require": {"any_of": ["idp"]}},
        ],
    })
}

fn sha256(text: &str) -> String {
    postern_core::digest::hex(&postern_core::digest::sha256(text.as_bytes()))
}

fn environment(name: &str) -> Option<String> {
    match name {
        "SECRET" => Some(mint::SECRET_BASE64URL.to_owned()),
        "SHORT" => Some("c2hvcnQ".to_owned()),
        "BROKEN" => Some("not base64url!".to_owned()),
        "EMPTY" => Some(String::new()),
        _ => None,
    }
}

fn configured(policy: &Value) -> Auth {
    let node = parse_json(policy.to_string().as_bytes()).unwrap();
    Auth::configure(&node, &environment).unwrap_or_else(|e| panic!("{e}"))
}

/// Sends a request to `GET path` with these headers, at [`NOW`].
fn send(path: &str, headers: &[(&str, &[u8])]) -> Outcome {
    send_to(&configured(&policy()), path, headers)
}

fn send_to(auth: &Auth, path: &str, headers: &[(&str, &[u8])]) -> Outcome {
    let pseudo =
        [(":method", &b"GET"[..]), (":authority", b"api.example.com"), (":path", path.as_bytes())];
    let all = pseudo.iter().chain(headers).map(|(n, v)| (*n, *v));
    send_raw(auth, Headers::new(all))
}

fn send_raw(auth: &Auth, headers: Headers<'_>) -> Outcome {
    let host = FakeHost::at(Duration::from_secs(NOW as u64));
    auth.request_headers(&mut Default::default(), &Request::new(headers, true), &host)
}

/// Sends `Authorization: Bearer token` to a route that needs one.
fn bearer(token: &str) -> Outcome {
    send("/private", &[("authorization", format!("Bearer {token}").as_bytes())])
}

#[track_caller]
fn identity(outcome: &Outcome) -> Identity {
    assert!(matches!(outcome.step, Step::Continue), "refused: {:?}", outcome.step);
    let [("identity", json)] = outcome.publish.as_slice() else { panic!("one state") };
    Identity::from_json(json).expect("an identity")
}

#[track_caller]
fn subject(outcome: &Outcome) -> String {
    match identity(outcome) {
        Identity::Known(caller) => caller.sub,
        Identity::Anonymous => "(anonymous)".to_owned(),
    }
}

#[track_caller]
fn refusal(outcome: &Outcome) -> &Refusal {
    let Step::Refuse(refusal) = &outcome.step else { panic!("admitted") };
    assert!(outcome.edits().is_empty() && outcome.publish.is_empty(), "nothing goes on");
    refusal
}

/// `decision rule code details` of the record, as in the log.
fn record(outcome: &Outcome) -> String {
    let json = outcome.record.as_ref().expect("a record").to_json("v");
    String::from_utf8(json).unwrap()
}

/// The edit of one header: `None` if there is none, else the value set, or
/// `""` when it is removed.
fn edit(outcome: &Outcome, name: &str) -> Option<String> {
    let all = outcome.edits();
    let edits: Vec<_> = all.iter().filter(|e| e.name() == name).collect();
    match edits.as_slice() {
        [] => None,
        [HeaderEdit::Set(_, value)] => Some(String::from_utf8_lossy(value).into_owned()),
        [HeaderEdit::Remove(_)] => Some(String::new()),
        other => panic!("more than one edit: {other:?}"),
    }
}

/// 401 with `error="invalid_token"`, and this reason in the record.
#[track_caller]
fn refused(outcome: &Outcome, code: &str) {
    let refusal = refusal(outcome);
    assert_eq!((refusal.status, refusal.code), (401, "invalid_token"));
    let challenge = br#"Bearer realm="market", error="invalid_token""#;
    assert_eq!(refusal.headers, [("www-authenticate".into(), challenge.to_vec())]);
    assert_eq!(outcome.record.as_ref().unwrap().code, code);
    assert_eq!(outcome.count.first(), Some(&3));
}

/// 401 without `error`.
#[track_caller]
fn challenged(outcome: &Outcome, code: &str) {
    let refusal = refusal(outcome);
    assert_eq!((refusal.status, refusal.code), (401, code));
    let challenge = br#"Bearer realm="market""#;
    assert_eq!(refusal.headers, [("www-authenticate".into(), challenge.to_vec())]);
    assert_eq!(outcome.record.as_ref().unwrap().code, code);
}

/// 400 with `error="invalid_request"`.
#[track_caller]
fn invalid_request(outcome: &Outcome) {
    let refusal = refusal(outcome);
    assert_eq!((refusal.status, refusal.code), (400, "invalid_request"));
    let challenge = br#"Bearer realm="market", error="invalid_request""#;
    assert_eq!(refusal.headers, [("www-authenticate".into(), challenge.to_vec())]);
    assert_eq!(outcome.record.as_ref().unwrap().code, "invalid_request");
}
