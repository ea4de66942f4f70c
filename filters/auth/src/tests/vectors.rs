//! The examples of RFC 7515 and RFC 8037.

use postern_core::config::{decode, parse_json};
use postern_core::fake::FakeHost;
use postern_core::{Host, SignatureAlgorithm, SignatureCheck, StoreError, Stored};
use serde_json::Value;
use std::cell::RefCell;
use std::time::Duration;

use super::mint;
use crate::algorithm::Algorithm;
use crate::jwk::Jwk;
use crate::jws::Jws;
use crate::key::{Key, Material};

const PAYLOAD: &str = "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ";
const A1: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
const A2: &str = "cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_O8W2Fp5jujGbds9uJdbF9CUAr7t1dnZcAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQBMHlb1L07Qe7K0GarZRmB_eSN9383LcOLn6_dO--xi12jzDwusC-eOkHWEsqtFZESc6BfI7noOPqvhJ1phCnvWh6IeYI2w9QOYEUipUTI8np6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrBp0igcN_IoypGlUPQGe77Rw";
const A3: &str =
    "DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q";
const RFC8037_A4: &str =
    "hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg";

fn key(jwk: &Value) -> Key {
    let jwk: Jwk = decode(&parse_json(jwk.to_string().as_bytes()).unwrap()).unwrap();
    jwk.pin(&Algorithm::ALL[..6].iter().copied().filter(|a| is_256(*a)).collect::<Vec<_>>())
        .unwrap()
}

fn is_256(algorithm: Algorithm) -> bool {
    matches!(algorithm, Algorithm::Rs256 | Algorithm::Es256 | Algorithm::EdDsa)
}

/// The example verifies, and does not with one bit changed in any byte of the
/// signature or of what is signed.
#[track_caller]
fn check(key: &Key, token: &str, alg: &str) {
    let host = FakeHost::default();
    let jws = Jws::parse(token.as_bytes()).unwrap();
    assert_eq!(jws.header.alg, alg);
    assert_eq!(key.algorithm().name(), alg);
    assert!(key.verifies(jws.signed, &jws.signature, &host));
    for at in [0, jws.signature.len() / 2, jws.signature.len() - 1] {
        let mut bad = jws.signature.clone();
        bad[at] ^= 1;
        assert!(!key.verifies(jws.signed, &bad, &host), "byte {at} of the signature");
    }
    let mut other = jws.signed.to_vec();
    other[3] ^= 1;
    assert!(!key.verifies(&other, &jws.signature, &host));
    for length in [0, 1, 31, 63, 65, 255, 257] {
        let mut bad = jws.signature.clone();
        bad.resize(length, 0);
        assert!(!key.verifies(jws.signed, &bad, &host), "a signature of {length} bytes");
    }
    assert!(!key.verifies(jws.signed, &vec![0; jws.signature.len()], &host), "all zero");
}

fn secret() -> Key {
    let material = Material::Secret(mint::unb64(mint::SECRET_BASE64URL));
    Key::new(None, Algorithm::Hs256, material).unwrap()
}

#[test]
fn rfc_7515_a_1_hs256() {
    let header = "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9";
    check(&secret(), &format!("{header}.{PAYLOAD}.{A1}"), "HS256");
}

#[test]
fn rfc_7515_a_2_rs256() {
    check(&key(&mint::rsa_jwk()), &format!("eyJhbGciOiJSUzI1NiJ9.{PAYLOAD}.{A2}"), "RS256");
}

#[test]
fn rfc_7515_a_3_es256() {
    check(&key(&mint::p256_jwk()), &format!("eyJhbGciOiJFUzI1NiJ9.{PAYLOAD}.{A3}"), "ES256");
}

#[test]
fn rfc_8037_a_4_eddsa() {
    let token = format!("eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc.{RFC8037_A4}");
    check(&key(&mint::ed25519_jwk()), &token, "EdDSA");
}

#[test]
fn signatures_made_here_are_those_of_the_rfcs() {
    let message = format!("eyJhbGciOiJSUzI1NiJ9.{PAYLOAD}");
    assert_eq!(mint::b64(mint::sign("rs", message.as_bytes())), A2);
    let message = "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc";
    assert_eq!(mint::b64(mint::sign("ed", message.as_bytes())), RFC8037_A4);
}

/// A host that checks signatures itself, and notes what it was asked.
struct Verifier {
    verdict: Option<bool>,
    asked: RefCell<Vec<(SignatureAlgorithm, usize, usize)>>,
}

impl Host for Verifier {
    fn now(&self) -> Duration {
        Duration::ZERO
    }
    fn property(&self, _path: &[&str]) -> Option<Vec<u8>> {
        None
    }
    fn verify(&self, check: &SignatureCheck<'_>) -> Option<bool> {
        self.asked.borrow_mut().push((
            check.algorithm,
            check.public_key.len(),
            check.signature.len(),
        ));
        self.verdict
    }
    fn load(&self, _key: &str) -> Stored {
        Stored::Unavailable
    }
    fn store(&self, _key: &str, _value: &[u8], _seen: &Stored) -> Result<(), StoreError> {
        Err(StoreError::Unavailable)
    }
}

#[test]
fn the_hosts_verdict_counts_where_it_has_one() {
    let token = format!("eyJhbGciOiJSUzI1NiJ9.{PAYLOAD}.{A2}");
    let jws = Jws::parse(token.as_bytes()).unwrap();
    let ask = |key: &Key, verdict| {
        let host = Verifier { verdict, asked: RefCell::default() };
        (key.verifies(jws.signed, &jws.signature, &host), host.asked.into_inner())
    };
    // SubjectPublicKeyInfo of a 2048-bit key has 294 bytes.
    let question = vec![(SignatureAlgorithm::Rs256, 294, 256)];
    let rsa = key(&mint::rsa_jwk());
    assert_eq!(ask(&rsa, Some(true)), (true, question.clone()));
    assert_eq!(ask(&rsa, Some(false)), (false, question.clone()));
    assert_eq!(ask(&rsa, None), (true, question), "checked here instead");
    // The host is not asked what it cannot know.
    assert_eq!(ask(&key(&mint::ed25519_jwk()), Some(true)), (false, vec![]));
    assert_eq!(ask(&secret(), Some(true)), (false, vec![]));
    let (_, asked) = ask(&key(&mint::p256_jwk()), Some(true));
    assert_eq!(asked, [(SignatureAlgorithm::Es256, 91, 256)]);
}

#[test]
fn larger_hashes_verify_too() {
    let host = FakeHost::default();
    let message = b"message";
    let secret = vec![7; 64];
    for (algorithm, mac) in [
        (Algorithm::Hs384, hmac_sha512::sha384::HMAC::mac(message, &secret).to_vec()),
        (Algorithm::Hs512, hmac_sha512::HMAC::mac(message, &secret).to_vec()),
    ] {
        let key = Key::new(None, algorithm, Material::Secret(secret.clone())).unwrap();
        assert!(key.verifies(message, &mac, &host), "{algorithm:?}");
        assert!(!key.verifies(b"massage", &mac, &host), "{algorithm:?}");
    }
    let signing = p384::ecdsa::SigningKey::from_slice(&[9; 48]).unwrap();
    let signature: p384::ecdsa::Signature = p384::ecdsa::signature::Signer::sign(&signing, message);
    let point = signing.verifying_key().to_sec1_point(false);
    let material = Material::p384(&point.as_bytes()[1..49], &point.as_bytes()[49..]).unwrap();
    let key = Key::new(None, Algorithm::Es384, material).unwrap();
    assert!(key.verifies(message, &signature.to_bytes(), &host));
    assert!(!key.verifies(b"massage", &signature.to_bytes(), &host));
}

#[test]
fn a_key_serves_its_own_algorithm_only() {
    let secret = || Material::Secret(vec![1; 40]);
    assert!(Key::new(None, Algorithm::Hs256, secret()).is_some());
    assert!(Key::new(None, Algorithm::Hs384, secret()).is_none(), "too short");
    assert!(Key::new(None, Algorithm::Rs256, secret()).is_none());
    let shown = format!("{:?}", Key::new(Some("k".into()), Algorithm::Hs256, secret()).unwrap());
    assert_eq!(shown, r#"Key { kid: Some("k"), algorithm: Hs256 }"#);
}
