//! What holds a credential is shown without it: the whole filter, after it has
//! seen some.

use std::time::Duration;

use postern_core::fake::FakeHost;
use postern_core::{Filter, Headers, Request};
use serde_json::json;

use super::{configured, mint, sha256};
use crate::carrier::Found;
use crate::jws::Jws;

/// Neither as text nor as a list of bytes.
#[track_caller]
fn hides(shown: &str, secret: &str) {
    let bytes = format!("{:?}", secret.as_bytes());
    assert!(!shown.contains(secret), "{shown}");
    assert!(!shown.contains(bytes.trim_matches(['[', ']'])), "{shown}");
}

#[test]
fn no_filter_shows_what_it_remembers() {
    let auth = configured(&json!({"providers": {
        "idp": {"jwt": {
            "issuer": "https://id.example.com",
            "audiences": ["api"],
            "algorithms": ["EdDSA", "HS256"],
            "keys": [
                {"jwks": {"keys": [mint::ed25519_jwk()]}},
                {"secret": {"env": "SECRET", "alg": "HS256", "kid": "hs"}},
                {"remote": {"cluster": "idp", "uri": "https://id.example.com/jwks"}},
            ],
        }},
        "personal": {"introspection": {
            "cluster": "idp",
            "uri": "https://id.example.com/introspect",
            "client": {"id": "gateway", "secret_env": "SECRET"},
            "token_prefix": "pt_",
        }},
        "keys": {"api_key": {"keys": [
            {"id": "a", "sha256": sha256("key-of-somebody"), "subject": "a"},
        ]}},
        "old": {"basic": {"users": [
            {"id": "b", "user": "b", "sha256": sha256("b:secret-of-somebody-else"), "subject": "b"},
        ]}},
    }}));
    let host = FakeHost::at(Duration::from_secs(mint::NOW as u64));
    let good = mint::token(&json!({"alg": "EdDSA", "kid": "ed"}), &mint::claims(json!({})));
    let bad = format!("{}AAAA", &good[..good.len() - 4]);
    let asked = "pt_a-token-that-only-its-issuer-can-read";
    for (name, value) in [
        ("authorization", format!("Bearer {good}")),
        ("authorization", format!("Bearer {bad}")),
        ("authorization", format!("Bearer {asked}")),
        ("authorization", mint::basic("b", "secret-of-somebody-else")),
        ("x-api-key", "key-of-somebody".to_owned()),
    ] {
        let all = [
            (":method", &b"GET"[..]),
            (":authority", b"api.example.com"),
            (":path", b"/"),
            (name, value.as_bytes()),
        ];
        let request = Request::new(Headers::new(all), true);
        let outcome = auth.request_headers(&mut Default::default(), &request, &host);
        let shown = format!("{auth:?} {request:?} {outcome:?}");
        let signed = good.rsplit_once('.').unwrap().0;
        for secret in [&good, &bad, signed, asked, "key-of-somebody", "secret-of-somebody-else"] {
            hides(&shown, secret);
        }
    }
    let work = auth.tick(&host);
    assert_eq!(work.ask.len(), 2, "the keys, and about the token");
    let shown = format!("{auth:?} {work:?}");
    hides(&shown, asked);
    hides(&shown, mint::SECRET_BASE64URL);
    hides(&shown, &mint::basic("gateway", mint::SECRET_BASE64URL));
    let secret = String::from_utf8_lossy(&mint::unb64(mint::SECRET_BASE64URL)).into_owned();
    hides(&shown, &secret);
    hides(&shown, &format!("{:?}", mint::unb64(mint::SECRET_BASE64URL)));
}

#[test]
fn no_credential_is_shown_where_it_stands() {
    const SECRET: &str = "s3cret-token";
    let value = SECRET.as_bytes();
    for found in [
        Found::Authorization { scheme: "bearer", rest: value },
        Found::Header { name: "x-api-key", value },
        Found::Query { name: "key", value },
        Found::Cookie { name: "session", value },
    ] {
        hides(&format!("{found:?}"), SECRET);
    }
    let header = Found::Header { name: "x-api-key", value };
    assert_eq!(format!("{header:?}"), "Header(\"x-api-key\")");
    let token = mint::token(&json!({"alg": "EdDSA", "kid": "ed"}), &mint::claims(json!({})));
    let jws = Jws::parse(token.as_bytes()).unwrap();
    let shown = format!("{jws:?}");
    hides(&shown, token.rsplit_once('.').unwrap().0);
    hides(&shown, &format!("{:?}", jws.signature));
    hides(&shown, &String::from_utf8_lossy(&jws.payload));
    assert!(shown.contains("EdDSA"), "{shown}");
}
