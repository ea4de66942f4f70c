//! The issuer says where its keys are.

use super::*;

#[test]
fn discovery_leads_to_the_keys() {
    let site = Site::new(json!([{"discovery": {"cluster": "idp"}}]));
    let document = "/.well-known/openid-configuration";
    let told = |issuer: &str, uri: &str| json!({"issuer": issuer, "jwks_uri": uri}).to_string();
    let mut waited = Waited::default();
    assert_eq!(site.send(&mut waited, &token_of("ed")), Came::Waits);
    for bad in [
        told("https://evil.example", "https://id.example.com/jwks"),
        told("https://id.example.com", "https://elsewhere.example/jwks"),
        told("https://id.example.com", "file:///etc/passwd"),
        json!({"issuer": "https://id.example.com"}).to_string(),
        // Fuzzing found that the first of two counted: another reader, such as whoever
        // audits the document, may go by the second.
        told("https://id.example.com", "https://id.example.com/jwks").replacen(
            '{',
            r#"{"jwks_uri":"https://id.example.com/other","#,
            1,
        ),
        told("https://id.example.com", "https://id.example.com/jwks").replacen(
            '{',
            r#"{"issuer":"https://id.example.com","#,
            1,
        ),
        "[]".to_owned(),
    ] {
        site.tick();
        site.answer(document, 200, &bad);
        assert!(site.is_quiet(), "{bad}");
        site.pass(30 * SECOND);
    }
    site.tick();
    site.answer(document, 200, &told("https://id.example.com", "https://id.example.com/jwks"));
    let mut waited = Waited::default();
    assert_eq!(site.send(&mut waited, &token_of("ed")), Came::Waits);
    site.fetch(&[mint::ed25519_jwk()]);
    assert_eq!(site.send(&mut waited, &token_of("ed")), Came::Admitted);
    // The address changes: the old set serves until the new one is there.
    site.pass(600 * SECOND);
    let at = i64::try_from(site.host.now().as_secs()).unwrap();
    let claims = mint::claims(json!({"exp": at + 60, "nbf": at, "iat": at}));
    let old = mint::token(&json!({"alg": "EdDSA", "kid": "ed"}), &claims);
    let new = mint::token(&json!({"alg": "ES256", "kid": "es"}), &claims);
    site.tick();
    let open = site.open.borrow_mut().drain(..).collect::<Vec<_>>();
    for task in open {
        let of_keys = task.ask.headers.iter().any(|(_, value)| value == b"/jwks");
        let answer = if of_keys {
            Answer::Unavailable
        } else {
            let body = told("https://id.example.com", "https://id.example.com/jwks/2");
            Answer::Response { status: 200, headers: Vec::new(), body: body.into_bytes().into() }
        };
        site.auth.task_answer(task.id, &answer, &site.host);
    }
    site.tick();
    assert_eq!(site.first(&old), Came::Admitted);
    site.answer("/jwks/2", 200, &json!({"keys": [mint::p256_jwk()]}).to_string());
    assert_eq!(site.first(&new), Came::Admitted);
    assert_eq!(site.first(&old), Came::Waits, "it is no key of the issuer any more");
}
