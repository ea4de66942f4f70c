//! Keys that an issuer publishes: through the whole filter, over its worst days.

mod configuration;
mod discovery;
mod lists;

use std::cell::{Cell, RefCell};

use postern_core::{Answer, Host as _, Task};

use super::*;
use crate::filter::Waited;

/// One VM of a gateway, and an issuer that answers as the test says.
struct Site {
    auth: Auth,
    host: FakeHost,
    open: RefCell<Vec<Task>>,
    woken: Cell<bool>,
}

/// What came of a request.
#[derive(Debug, PartialEq, Eq)]
enum Came {
    Admitted,
    Waits,
    /// Status, code of the record, `retry-after`.
    Refused(u16, &'static str, Option<String>),
}

fn refused(status: u16, code: &'static str) -> Came {
    Came::Refused(status, code, None)
}

fn unavailable(seconds: u64) -> Came {
    Came::Refused(503, "keys_unavailable", Some(seconds.to_string()))
}

impl Site {
    fn new(keys: Value) -> Self {
        Site::of(&json!({"jwt": {
            "issuer": "https://id.example.com",
            "audiences": ["api"],
            "algorithms": ["RS256", "ES256", "EdDSA", "HS256"],
            "keys": keys,
        }}))
    }

    fn of(provider: &Value) -> Self {
        let policy = json!({"providers": {"idp": provider}});
        Site {
            auth: configured(&policy),
            host: FakeHost::at(Duration::from_secs(NOW as u64)),
            open: RefCell::default(),
            woken: Cell::new(false),
        }
    }

    fn pass(&self, time: Duration) {
        self.host.set_now(self.host.now() + time);
    }

    fn tick(&self) {
        let work = self.auth.tick(&self.host);
        self.open.borrow_mut().extend(work.ask);
        self.woken.set(self.woken.get() || !work.wake.is_empty());
    }

    /// Answers the one question that is open, which has to be for this path.
    #[track_caller]
    fn answer(&self, path: &str, status: u16, body: &str) {
        let task = self.open.borrow_mut().pop().expect("a question is open");
        assert!(self.open.borrow().is_empty(), "one question at a time");
        let asked = task.ask.headers.iter().find(|(name, _)| name == ":path").unwrap();
        assert_eq!(asked.1, path.as_bytes());
        let answer =
            Answer::Response { status, headers: Vec::new(), body: body.as_bytes().to_vec().into() };
        let work = self.auth.task_answer(task.id, &answer, &self.host);
        assert!(work.ask.is_empty());
        self.woken.set(self.woken.get() || !work.wake.is_empty());
    }

    #[track_caller]
    fn fetch(&self, keys: &[Value]) {
        self.tick();
        self.answer("/jwks", 200, &json!({"keys": keys}).to_string());
    }

    fn send(&self, waited: &mut Waited, token: &str) -> Came {
        let value = format!("Bearer {token}");
        let headers = Headers::new([
            (":method", &b"GET"[..]),
            (":authority", b"api.example.com"),
            (":path", b"/private"),
            ("authorization", value.as_bytes()),
        ]);
        let outcome = self.auth.request_headers(waited, &Request::new(headers, true), &self.host);
        match &outcome.step {
            Step::Continue => Came::Admitted,
            Step::Wait(_) => Came::Waits,
            Step::Refuse(refusal) => {
                let retry = refusal.headers.iter().find(|(name, _)| name == "retry-after");
                let retry = retry.map(|(_, v)| String::from_utf8_lossy(v).into_owned());
                Came::Refused(refusal.status, outcome.record.as_ref().unwrap().code, retry)
            }
            other => panic!("{other:?}"),
        }
    }

    fn first(&self, token: &str) -> Came {
        self.send(&mut Waited::default(), token)
    }

    fn is_quiet(&self) -> bool {
        self.tick();
        self.open.borrow().is_empty()
    }
}

fn remote() -> Value {
    json!([{"remote": {"cluster": "idp", "uri": "https://id.example.com/jwks"}}])
}

fn token_of(key: &str) -> String {
    let alg = match key {
        "es" => "ES256",
        "rs" => "RS256",
        "hs" => "HS256",
        _ => "EdDSA",
    };
    let claims = mint::claims(json!({"exp": NOW + 3_600}));
    mint::token(&json!({"alg": alg, "kid": key}), &claims)
}

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn a_cold_start_waits_and_then_says_unavailable() {
    let site = Site::new(remote());
    let mut waited = Waited::default();
    assert_eq!(site.send(&mut waited, &token_of("ed")), Came::Waits);
    site.fetch(&[mint::ed25519_jwk()]);
    assert!(site.woken.get());
    assert_eq!(site.send(&mut waited, &token_of("ed")), Came::Admitted);

    let down = Site::new(remote());
    let mut waited = Waited::default();
    assert_eq!(down.send(&mut waited, &token_of("ed")), Came::Waits);
    down.tick();
    assert_eq!(down.first(&token_of("ed")), Came::Waits, "the question is open");
    down.answer("/jwks", 503, "");
    assert!(down.woken.get());
    assert_eq!(down.send(&mut waited, &token_of("ed")), Came::Waits, "the next comes in time");
    down.pass(3 * SECOND);
    assert_eq!(down.send(&mut waited, &token_of("ed")), unavailable(1));
    // What is wrong anyway needs no key.
    assert_eq!(down.first("nonsense"), refused(401, "malformed_token"));
    for _ in 0..3 {
        down.tick();
        down.answer("/jwks", 500, "");
        down.pass(8 * SECOND);
    }
    down.tick();
    down.answer("/jwks", 500, "");
    assert!(matches!(down.first(&token_of("ed")), Came::Refused(503, "keys_unavailable", Some(_))));
    down.pass(30 * SECOND);
    down.fetch(&[mint::ed25519_jwk()]);
    assert_eq!(down.first(&token_of("ed")), Came::Admitted);
}

#[test]
fn a_new_key_works_within_one_request_and_a_removed_one_stops() {
    let site = Site::new(remote());
    site.fetch(&[mint::ed25519_jwk()]);
    assert_eq!(site.first(&token_of("ed")), Came::Admitted);
    let mut waited = Waited::default();
    assert_eq!(site.send(&mut waited, &token_of("es")), Came::Waits);
    assert_eq!(site.first(&token_of("ed")), Came::Admitted, "others do not wait");
    site.fetch(&[mint::p256_jwk()]);
    assert!(site.woken.get());
    assert_eq!(site.send(&mut waited, &token_of("es")), Came::Admitted);
    // Remembered or not, it was checked with a key that is gone.
    assert_eq!(site.first(&token_of("ed")), refused(401, "unknown_key"));
}

#[test]
fn a_key_that_comes_within_the_cooldown_is_known_when_it_is_over() {
    let site = Site::new(remote());
    let of = |key: &str, issued: Value| {
        let claims = mint::claims(json!({"exp": NOW + 3_600, "nbf": null, "iat": issued}));
        mint::token(
            &json!({"alg": if key == "es" { "ES256" } else { "EdDSA" }, "kid": key}),
            &claims,
        )
    };
    site.fetch(&[mint::ed25519_jwk()]);
    site.pass(10 * SECOND);
    // Somebody spends the cooldown, at an issuer that takes its time.
    let (mut waited, mut undated) = (Waited::default(), Waited::default());
    assert_eq!(site.send(&mut waited, &of("es", json!(NOW + 10))), Came::Waits);
    assert_eq!(site.send(&mut undated, &of("es", Value::Null)), Came::Waits);
    site.tick();
    site.pass(4 * SECOND);
    site.answer("/jwks", 200, &json!({"keys": [mint::ed25519_jwk()]}).to_string());
    assert_eq!(site.send(&mut waited, &of("es", json!(NOW + 10))), refused(401, "unknown_key"));
    let undated = site.send(&mut undated, &of("es", Value::Null));
    assert_eq!(undated, refused(401, "unknown_key"), "it was there when the issuer was asked");
    // Whatever it says of its age: everybody can write that.
    for (issued, expected) in [
        (json!(NOW - 60), refused(401, "unknown_key")),
        (json!(NOW + 10), refused(401, "unknown_key")),
        (json!(NOW + 11), refused(401, "unknown_key")),
        (json!(NOW + 14), refused(401, "unknown_key")),
        (Value::Null, refused(401, "unknown_key")),
    ] {
        assert_eq!(site.first(&of("es", issued.clone())), expected, "{issued}");
    }
    assert!(site.is_quiet(), "nobody asks");
    site.pass(26 * SECOND);
    let mut waited = Waited::default();
    let token = of("es", json!(NOW + 14));
    assert_eq!(site.send(&mut waited, &token), Came::Waits);
    site.fetch(&[mint::p256_jwk()]);
    assert_eq!(site.send(&mut waited, &token), Came::Admitted);
}

#[test]
fn a_flood_of_unknown_keys_causes_one_fetch_per_cooldown() {
    let site = Site::new(remote());
    site.fetch(&[mint::ed25519_jwk()]);
    let mut fetches = 0;
    for round in 0..100 {
        let kid = format!("kid-{round}");
        let token = mint::signed_as(
            "ed",
            &json!({"alg": "EdDSA", "kid": kid}).to_string(),
            &mint::claims(json!({"exp": NOW + 3_600})).to_string(),
        );
        let came = site.first(&token);
        site.tick();
        if site.open.borrow().is_empty() {
            assert_eq!(came, refused(401, "unknown_key"));
        } else {
            assert_eq!(came, Came::Waits);
            fetches += 1;
            site.answer("/jwks", 200, &json!({"keys": [mint::ed25519_jwk()]}).to_string());
        }
        site.pass(SECOND);
    }
    assert_eq!(fetches, 4, "in 100 seconds, with a cooldown of 30");
}

#[test]
fn known_keys_serve_while_the_issuer_is_down_and_unknown_ones_are_not_refused() {
    let site = Site::new(remote());
    site.fetch(&[mint::ed25519_jwk()]);
    let nothing = json!({"keys": []}).to_string();
    let foreign = json!({"keys": [{"kty": "oct", "k": "AAAA"}, 7, null]}).to_string();
    let huge = format!("{{\"keys\":[],\"x\":\"{}\"}}", "y".repeat(300_000));
    for (status, body) in [
        (500, "{}"),
        (200, ""),
        (200, "<html>"),
        (200, nothing.as_str()),
        (200, foreign.as_str()),
        (200, huge.as_str()),
    ] {
        site.pass(3600 * SECOND);
        site.tick();
        site.answer("/jwks", status, body);
        // The token has run out meanwhile, the key has not.
        let at = i64::try_from(site.host.now().as_secs()).unwrap();
        let good = mint::token(
            &json!({"alg": "EdDSA", "kid": "ed"}),
            &mint::claims(json!({"exp": at + 60, "nbf": at, "iat": at})),
        );
        assert_eq!(site.first(&good), Came::Admitted, "{status} {}", body.len());
        let other = mint::token(
            &json!({"alg": "ES256", "kid": "es"}),
            &mint::claims(json!({"exp": at + 60, "nbf": at, "iat": at})),
        );
        let came = site.first(&other);
        assert!(
            matches!(came, Came::Refused(503, "keys_unavailable", Some(_))),
            "{status}: {came:?}"
        );
    }
}

#[test]
fn pinned_keys_serve_until_there_are_others_and_when_those_are_too_old() {
    let site = Site::new(json!([
        {"jwks": {"keys": [mint::ed25519_jwk()]}},
        {"secret": {"env": "SECRET", "alg": "HS256", "kid": "hs"}},
        {"remote": {"cluster": "idp", "uri": "https://id.example.com/jwks"}},
    ]));
    assert_eq!(site.first(&token_of("ed")), Came::Admitted);
    assert_eq!(site.first(&token_of("hs")), Came::Admitted);
    assert_eq!(site.first(&token_of("es")), Came::Waits);
    site.fetch(&[mint::p256_jwk()]);
    assert_eq!(site.first(&token_of("es")), Came::Admitted);
    assert_eq!(site.first(&token_of("hs")), Came::Admitted, "no issuer publishes a secret");
    // The pinned one is no key of the issuer any more, remembered or not.
    assert_eq!(site.first(&token_of("ed")), Came::Waits);
    site.fetch(&[mint::p256_jwk()]);
    assert_eq!(site.first(&token_of("ed")), refused(401, "unknown_key"));
    site.pass(86_400 * SECOND);
    let at = i64::try_from(site.host.now().as_secs()).unwrap();
    let claims = mint::claims(json!({"exp": at + 60, "nbf": at, "iat": at}));
    let pinned = mint::token(&json!({"alg": "EdDSA", "kid": "ed"}), &claims);
    let fetched = mint::token(&json!({"alg": "ES256", "kid": "es"}), &claims);
    assert_eq!(site.first(&pinned), Came::Admitted);
    assert_eq!(site.first(&fetched), Came::Waits);
}

#[test]
fn each_vm_knows_what_one_fetched() {
    let site = Site::new(remote());
    site.fetch(&[mint::ed25519_jwk()]);
    // The configuration changed; the issuer is not asked again.
    let other = Site { auth: Site::new(remote()).auth, ..site };
    assert_eq!(other.first(&token_of("ed")), Came::Admitted);
    assert!(other.is_quiet());
}
