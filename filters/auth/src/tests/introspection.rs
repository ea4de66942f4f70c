//! Tokens about which their issuer is asked, through the whole filter.

use std::time::Duration;

use postern_core::fake::FakeHost;
use postern_core::{Answer, Filter, Headers, Outcome, Request, Step};
use serde_json::{Value, json};

use super::mint::NOW;
use super::{configured, edit, mint, record, refusal, subject};
use crate::Auth;
use crate::filter::Waited;

/// JWTs, and tokens of two services, on one route.
fn policy() -> Value {
    let service = |changes: Value| {
        let mut config = json!({
            "cluster": "idp",
            "uri": "https://id.example.com/introspect",
            "client": {"id": "gateway", "secret_env": "SECRET"},
        });
        for (key, value) in changes.as_object().unwrap() {
            config[key] = value.clone();
        }
        json!({"introspection": config})
    };
    json!({
        "realm": "market",
        "providers": {
            "idp": {"jwt": {
                "issuer": "https://id.example.com",
                "audiences": ["api"],
                "algorithms": ["EdDSA"],
                "keys": [{"jwks": {"keys": [mint::ed25519_jwk()]}}],
            }},
            "opaque": service(json!({"from": [{"header": {"name": "x-token"}}], "max_bytes": 16})),
            "personal": service(json!({"token_prefix": "pt_"})),
            "signed": service(json!({"from": [{"header": {"name": "x-jwt"}}], "jwts": true})),
        },
    })
}

struct World {
    auth: Auth,
    host: FakeHost,
    waited: Waited,
}

impl World {
    fn new() -> Self {
        let host = FakeHost::at(Duration::from_secs(NOW as u64));
        World { auth: configured(&policy()), host, waited: Waited::default() }
    }

    fn send(&mut self, name: &str, value: &str) -> Outcome {
        let all = [
            (":method", &b"GET"[..]),
            (":authority", b"api.example.com"),
            (":path", b"/"),
            (name, value.as_bytes()),
        ];
        let request = Request::new(Headers::new(all), true);
        self.auth.request_headers(&mut self.waited, &request, &self.host)
    }

    /// The one question that is open, answered.
    fn answer(&mut self, body: &str) -> Vec<u64> {
        let [task] = self.auth.tick(&self.host).ask.try_into().expect("one question");
        let answer = Answer::Response {
            status: 200,
            headers: Vec::new(),
            body: body.as_bytes().to_vec().into(),
        };
        self.auth.task_answer(task.id, &answer, &self.host).wake
    }
}

#[test]
fn a_request_waits_and_then_goes_on() {
    let mut world = World::new();
    let outcome = world.send("authorization", "Bearer pt_a");
    let Step::Wait(wait) = outcome.step else { panic!("it does not wait") };
    assert_eq!(wait.until, Duration::from_millis(NOW as u64 * 1_000 + 2_500));
    let woken = world.answer(r#"{"active":true,"sub":"zoe"}"#);
    assert_eq!(woken, [wait.key]);
    let outcome = world.send("authorization", "Bearer pt_a");
    assert_eq!(subject(&outcome), "zoe");
    assert_eq!(edit(&outcome, "authorization").as_deref(), Some(""), "not for the upstream");
    assert_eq!(
        record(&outcome),
        r#"{"decision":"allow","rule":"-","code":"authenticated","version":"v","mode":"enforce","provider":"personal","credential":"token"}"#
    );
}

#[test]
fn no_answer_is_503_and_a_time_to_come_back() {
    let mut world = World::new();
    let outcome = world.send("authorization", "Bearer pt_a");
    assert!(matches!(outcome.step, Step::Wait(_)));
    world.host.set_now(Duration::from_millis(NOW as u64 * 1_000 + 2_500));
    let outcome = world.send("authorization", "Bearer pt_a");
    let refusal = refusal(&outcome);
    assert_eq!((refusal.status, refusal.code), (503, "introspection_unavailable"));
    assert_eq!(refusal.headers, [("retry-after".into(), b"1".to_vec())]);
    assert_eq!(
        record(&outcome),
        r#"{"decision":"deny","rule":"-","code":"introspection_unavailable","version":"v","mode":"enforce","provider":"personal"}"#
    );
}

#[test]
fn no_question_is_asked_about_tokens_of_another_kind() {
    let mut world = World::new();
    let good = mint::with_claims(json!({}));
    let (signed, _) = good.rsplit_once('.').unwrap();
    let bad = format!("{signed}.{}", mint::b64([0; 64]));
    for (name, value, code) in [
        ("authorization", format!("Bearer {good}"), "authenticated"),
        ("authorization", format!("Bearer {bad}"), "bad_signature"),
        ("authorization", "Bearer opaque".to_owned(), "malformed_token"),
        ("x-token", good.clone(), "credential_too_long"),
        ("x-token", "e30.e30.".to_owned(), "wrong_kind"),
        ("x-token", "x".repeat(17), "credential_too_long"),
    ] {
        let outcome = world.send(name, &value);
        assert_eq!(outcome.record.unwrap().code, code, "{name}: {value}");
        assert!(world.auth.tick(&world.host).ask.is_empty(), "{name}: {value}");
    }
    // What is not quite a JWT is a token like any other.
    for (name, value) in [("x-token", "a.b.c"), ("x-token", "a.b"), ("x-jwt", good.as_str())] {
        world.waited = Waited::default();
        assert!(matches!(world.send(name, value).step, Step::Wait(_)), "{value}");
        world.answer(r#"{"active":false}"#);
        let outcome = world.send(name, value);
        assert_eq!(outcome.record.unwrap().code, "inactive_token", "{value}");
    }
}
