//! The examples of RFC 7515, RFC 7520 and RFC 8037.

use postern_core::config::{decode, parse_json};
use postern_core::fake::FakeHost;
use postern_core::{Host, SignatureAlgorithm, SignatureCheck, StoreError, Stored};
use serde_json::{Value, json};
use std::cell::RefCell;
use std::time::Duration;
use superboring::hash::MessageDigest;

use super::mint;
use crate::algorithm::Algorithm;
use crate::budget::{Budget, Cost};
use crate::checked::Failure;
use crate::jwk::Jwk;
use crate::jws::Jws;
use crate::key::Key;
use crate::material::{Curve, Material};
use crate::reason::Reason;

const PAYLOAD: &str = "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ";
const A1: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
const A2: &str = "cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_O8W2Fp5jujGbds9uJdbF9CUAr7t1dnZcAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQBMHlb1L07Qe7K0GarZRmB_eSN9383LcOLn6_dO--xi12jzDwusC-eOkHWEsqtFZESc6BfI7noOPqvhJ1phCnvWh6IeYI2w9QOYEUipUTI8np6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrBp0igcN_IoypGlUPQGe77Rw";
const A3: &str =
    "DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q";
const RFC8037_A4: &str =
    "hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg";

/// RFC 7515 A.4.
const A4: &str = "AdwMgeerwtHoh-l192l60hp9wAHZFVJbLfD_UxMi70cwnZOYaRI1bKPWROc-mZZqwqT2SI-KGDKB34XO0aw_7XdtAG8GaSwFKdCAPZgoXD2YBJZCPEX3xKpRwcdOO8KpEHwJjyqOgzDO7iKvU8vcnwNrmxYbSW9ERBXukOXolLzeO_Jn";

/// RFC 7520 4: the payload of its examples, and the modulus of 3.3.
const FRODO: &str = "SXTigJlzIGEgZGFuZ2Vyb3VzIGJ1c2luZXNzLCBGcm9kbywgZ29pbmcgb3V0IHlvdXIgZG9vci4gWW91IHN0ZXAgb250byB0aGUgcm9hZCwgYW5kIGlmIHlvdSBkb24ndCBrZWVwIHlvdXIgZmVldCwgdGhlcmXigJlzIG5vIGtub3dpbmcgd2hlcmUgeW91IG1pZ2h0IGJlIHN3ZXB0IG9mZiB0by4";
const BILBO_N: &str = "n4EPtAOCc9AlkeQHPzHStgAbgs7bTZLwUBZdR8_KuKPEHLd4rHVTeT-O-XV2jRojdNhxJWTDvNd7nqQ0VEiZQHz_AJmSCpMaJMRBSFKrKb2wqVwGU_NsYOYL-QtiWN2lbzcEe6XC0dApr5ydQLrHqkHHig3RBordaZ6Aj-oBHqFEHYpPe7Tpe-OfVfHd1E6cS6M1FZcD1NNLYD5lFHpPI9bTwJlsde3uhGqC0ZCuEHg8lhzwOHrtIQbS0FVbb9k3-tVTU4fg_3L_vniUFAKwuCLqKnS2BYwdq_mzSnbLY7h_qixoR7jig3__kRhuaxwUkRz5iaiQkqgc5gHdrNP5zw";
/// RFC 7520 4.1 to 4.4.
const S41: &str = "MRjdkly7_-oTPTS3AXP41iQIGKa80A0ZmTuV5MEaHoxnW2e5CZ5NlKtainoFmKZopdHM1O2U4mwzJdQx996ivp83xuglII7PNDi84wnB-BDkoBwA78185hX-Es4JIwmDLJK3lfWRa-XtL0RnltuYv746iYTh_qHRD68BNt1uSNCrUCTJDt5aAE6x8wW1Kt9eRo4QPocSadnHXFxnt8Is9UzpERV0ePPQdLuW3IS_de3xyIrDaLGdjluPxUAhb6L2aXic1U12podGU0KLUQSE_oI-ZnmKJ3F4uOZDnd6QZWJushZ41Axf_fcIe8u9ipH84ogoree7vjbU5y18kDquDg";
const S42: &str = "cu22eBqkYDKgIlTpzDXGvaFfz6WGoz7fUDcfT0kkOy42miAh2qyBzk1xEsnk2IpN6-tPid6VrklHkqsGqDqHCdP6O8TTB5dDDItllVo6_1OLPpcbUrhiUSMxbbXUvdvWXzg-UD8biiReQFlfz28zGWVsdiNAUf8ZnyPEgVFn442ZdNqiVJRmBqrYRXe8P_ijQ7p8Vdz0TTrxUeT3lm8d9shnr2lfJT8ImUjvAA2Xez2Mlp8cBE5awDzT0qI0n6uiP1aCN_2_jLAeQTlqRHtfa64QQSUmFAAjVKPbByi7xho0uTOcbH510a6GYmJUAfmWjwZ6oD4ifKo8DYM-X72Eaw";
const S43: &str = "AE_R_YZCChjn4791jSQCrdPZCNYqHXCTZH0-JZGYNlaAjP2kqaluUIIUnC9qvbu9Plon7KRTzoNEuT4Va2cmL1eJAQy3mtPBu_u_sDDyYjnAMDxXPn7XrT0lw-kvAD890jl8e2puQens_IEKBpHABlsbEPX6sFY8OcGDqoRuBomu9xQ2";
const S44: &str = "s0h6KThzkfBBBkLspW1h84VsJZFTsPPqMDA7g1Md7p0";

/// The key of a JWK, pinned to an algorithm.
fn key(jwk: &Value, alg: Algorithm) -> Key {
    let jwk: Jwk = decode(&parse_json(jwk.to_string().as_bytes()).unwrap()).unwrap();
    jwk.pin(&[alg]).unwrap()
}

fn verifies(key: &Key, message: &[u8], signature: &[u8], host: &dyn Host) -> bool {
    match key.check(message, signature, host, &Budget::per_second(1000)) {
        Ok(_) => true,
        Err(failure) if failure == Reason::Signature.into() => false,
        Err(other) => panic!("{other:?}"),
    }
}

/// The example verifies, and does not with one bit changed in any byte of the
/// signature or of what is signed.
#[track_caller]
fn check(key: &Key, token: &str, alg: &str) {
    let host = Checker;
    let jws = Jws::parse(token.as_bytes()).unwrap();
    assert_eq!(jws.header.alg, alg);
    assert_eq!(key.algorithm().name(), alg);
    assert!(verifies(key, jws.signed, &jws.signature, &host));
    for at in [0, jws.signature.len() / 2, jws.signature.len() - 1] {
        let mut bad = jws.signature.clone();
        bad[at] ^= 1;
        assert!(!verifies(key, jws.signed, &bad, &host), "byte {at} of the signature");
    }
    let mut other = jws.signed.to_vec();
    other[3] ^= 1;
    assert!(!verifies(key, &other, &jws.signature, &host));
    for length in [0, 1, 31, 63, 65, 131, 133, 255, 257] {
        let mut bad = jws.signature.clone();
        bad.resize(length, 0);
        assert!(!verifies(key, jws.signed, &bad, &host), "a signature of {length} bytes");
    }
    assert!(!verifies(key, jws.signed, &vec![0; jws.signature.len()], &host), "all zero");
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
    check(
        &key(&mint::rsa_jwk(), Algorithm::Rs256),
        &format!("eyJhbGciOiJSUzI1NiJ9.{PAYLOAD}.{A2}"),
        "RS256",
    );
}

#[test]
fn rfc_7515_a_3_es256() {
    check(
        &key(&mint::p256_jwk(), Algorithm::Es256),
        &format!("eyJhbGciOiJFUzI1NiJ9.{PAYLOAD}.{A3}"),
        "ES256",
    );
}

#[test]
fn rfc_7515_a_4_es512() {
    let jwk = json!({
        "kty": "EC", "crv": "P-521",
        "x": "AekpBQ8ST8a8VcfVOTNl353vSrDCLLJXmPk06wTjxrrjcBpXp5EOnYG_NjFZ6OvLFV1jSfS9tsz4qUxcWceqwQGk",
        "y": "ADSmRA43Z1DSNx_RvcLI87cdL07l6jQyyBXMoxVg_l2Th-x3S1WDhjDly79ajL4Kkd0AZMaZmh9ubmf63e3kyMj2",
    });
    check(&key(&jwk, Algorithm::Es512), &format!("eyJhbGciOiJFUzUxMiJ9.UGF5bG9hZA.{A4}"), "ES512");
}

#[test]
fn rfc_7515_a_5_is_not_signed() {
    let token = format!("eyJhbGciOiJub25lIn0.{PAYLOAD}.");
    let jws = Jws::parse(token.as_bytes()).unwrap();
    assert_eq!((jws.header.alg.as_str(), jws.signature.len()), ("none", 0));
    assert_eq!(Algorithm::parse(&jws.header.alg), None);
}

fn bilbo() -> Value {
    let kid = "bilbo.baggins@hobbiton.example";
    json!({"kty": "RSA", "kid": kid, "use": "sig", "n": BILBO_N, "e": "AQAB"})
}

#[test]
fn rfc_7520_4_1_rs256() {
    let header = "eyJhbGciOiJSUzI1NiIsImtpZCI6ImJpbGJvLmJhZ2dpbnNAaG9iYml0b24uZXhhbXBsZSJ9";
    check(&key(&bilbo(), Algorithm::Rs256), &format!("{header}.{FRODO}.{S41}"), "RS256");
}

#[test]
fn rfc_7520_4_2_ps384() {
    let header = "eyJhbGciOiJQUzM4NCIsImtpZCI6ImJpbGJvLmJhZ2dpbnNAaG9iYml0b24uZXhhbXBsZSJ9";
    check(&key(&bilbo(), Algorithm::Ps384), &format!("{header}.{FRODO}.{S42}"), "PS384");
}

#[test]
fn rfc_7520_4_3_es512() {
    let jwk = json!({
        "kty": "EC", "kid": "bilbo.baggins@hobbiton.example", "use": "sig", "crv": "P-521",
        "x": "AHKZLLOsCOzz5cY97ewNUajB957y-C-U88c3v13nmGZx6sYl_oJXu9A5RkTKqjqvjyekWF-7ytDyRXYgCF5cj0Kt",
        "y": "AdymlHvOiLxXkEhayXQnNCvDX4h9htZaCJN34kfmC6pV5OhQHiraVySsUdaQkAgDPrwQrJmbnX9cwlGfP-HqHZR1",
    });
    let header = "eyJhbGciOiJFUzUxMiIsImtpZCI6ImJpbGJvLmJhZ2dpbnNAaG9iYml0b24uZXhhbXBsZSJ9";
    check(&key(&jwk, Algorithm::Es512), &format!("{header}.{FRODO}.{S43}"), "ES512");
}

#[test]
fn rfc_7520_4_4_hs256() {
    let secret = Material::Secret(mint::unb64("hJtXIZ2uSN5kbQfbtTNWbpdmhkV8FJG-Onbc6mxCcYg"));
    let key = Key::new(None, Algorithm::Hs256, secret).unwrap();
    let header = "eyJhbGciOiJIUzI1NiIsImtpZCI6IjAxOGMwYWU1LTRkOWItNDcxYi1iZmQ2LWVlZjMxNGJjNzAzNyJ9";
    check(&key, &format!("{header}.{FRODO}.{S44}"), "HS256");
}

#[test]
fn rfc_8037_a_4_eddsa() {
    let token = format!("eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc.{RFC8037_A4}");
    check(&key(&mint::ed25519_jwk(), Algorithm::EdDsa), &token, "EdDSA");
}

#[test]
fn signatures_made_here_are_those_of_the_rfcs() {
    let message = format!("eyJhbGciOiJSUzI1NiJ9.{PAYLOAD}");
    assert_eq!(mint::b64(mint::sign("rs", message.as_bytes())), A2);
    let message = "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc";
    assert_eq!(mint::b64(mint::sign("ed", message.as_bytes())), RFC8037_A4);
}

/// A host that checks ES512 and nothing else.
struct Checker;

impl Host for Checker {
    fn now(&self) -> Duration {
        Duration::ZERO
    }
    fn property(&self, _path: &[&str]) -> Option<Vec<u8>> {
        None
    }
    fn verify(&self, check: &SignatureCheck<'_>) -> Option<bool> {
        use p521::ecdsa::signature::Verifier as _;
        if check.algorithm != SignatureAlgorithm::Es512 {
            return None;
        }
        let point = &check.public_key[check.public_key.len() - 133..];
        let key = p521::ecdsa::VerifyingKey::from_sec1_bytes(point).unwrap();
        let signature = p521::ecdsa::Signature::from_slice(check.signature);
        Some(signature.is_ok_and(|s| key.verify(check.message, &s).is_ok()))
    }
    fn load(&self, _key: &str) -> Stored {
        Stored::Unavailable
    }
    fn store(&self, _key: &str, _value: &[u8], _seen: &Stored) -> Result<(), StoreError> {
        Err(StoreError::Unavailable)
    }
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
        (verifies(key, jws.signed, &jws.signature, &host), host.asked.into_inner())
    };
    // SubjectPublicKeyInfo of a 2048-bit key has 294 bytes.
    let question = vec![(SignatureAlgorithm::Rs256, 294, 256)];
    let rsa = key(&mint::rsa_jwk(), Algorithm::Rs256);
    assert_eq!(ask(&rsa, Some(true)), (true, question.clone()));
    assert_eq!(ask(&rsa, Some(false)), (false, question.clone()));
    assert_eq!(ask(&rsa, None), (true, question), "checked here instead");
    // The host is not asked what it cannot know.
    assert_eq!(ask(&key(&mint::ed25519_jwk(), Algorithm::EdDsa), Some(true)), (false, vec![]));
    assert_eq!(ask(&secret(), Some(true)), (false, vec![]));
    let host = Verifier { verdict: Some(true), asked: RefCell::default() };
    let p256 = key(&mint::p256_jwk(), Algorithm::Es256);
    assert!(verifies(&p256, jws.signed, &[1; 64], &host));
    assert!(!verifies(&p256, jws.signed, &jws.signature, &host), "not even asked");
    assert_eq!(host.asked.into_inner(), [(SignatureAlgorithm::Es256, 91, 64)]);
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
        assert!(verifies(&key, message, &mac, &host), "{algorithm:?}");
        assert!(!verifies(&key, b"massage", &mac, &host), "{algorithm:?}");
    }
    let signing = p384::ecdsa::SigningKey::from_slice(&[9; 48]).unwrap();
    let signature: p384::ecdsa::Signature = p384::ecdsa::signature::Signer::sign(&signing, message);
    let point = signing.verifying_key().to_sec1_point(false);
    let material =
        Material::point(Curve::P384, &point.as_bytes()[1..49], &point.as_bytes()[49..]).unwrap();
    let key = Key::new(None, Algorithm::Es384, material).unwrap();
    assert!(verifies(&key, message, &signature.to_bytes(), &host));
    assert!(!verifies(&key, b"massage", &signature.to_bytes(), &host));
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

#[test]
fn pss_has_a_salt_as_long_as_the_hash() {
    let host = FakeHost::default();
    for (alg, digest, length) in [
        (Algorithm::Ps256, MessageDigest::sha256 as fn() -> MessageDigest, 32),
        (Algorithm::Ps384, MessageDigest::sha384, 48),
        (Algorithm::Ps512, MessageDigest::sha512, 64),
    ] {
        let key = key(&mint::rsa_jwk_without_alg(), alg);
        for salt in [0, 20, 32, 48, 64] {
            let signature = mint::pss(b"message", digest(), salt);
            assert_eq!(
                verifies(&key, b"message", &signature, &host),
                salt == length,
                "{alg:?} {salt}"
            );
        }
        let signature = mint::pss(b"message", digest(), length);
        assert!(!verifies(&key, b"massage", &signature, &host), "{alg:?}");
        // The same RSA key does not serve the older padding.
        assert!(!verifies(&key, b"message", &mint::sign("rs", b"message"), &host), "{alg:?}");
    }
}

#[test]
fn either_s_of_es256k_is_good() {
    use k256::ecdsa::signature::Signer as _;
    let host = FakeHost::default();
    let signing = k256::ecdsa::SigningKey::from_slice(&[9; 32]).unwrap();
    let point = signing.verifying_key().to_sec1_point(false);
    let (x, y) = (&point.as_bytes()[1..33], &point.as_bytes()[33..]);
    let jwk = json!({"kty": "EC", "crv": "secp256k1", "x": mint::b64(x), "y": mint::b64(y)});
    let key = key(&jwk, Algorithm::Es256k);
    let low: k256::ecdsa::Signature = signing.sign(b"message");
    let (r, s) = low.split_scalars();
    let high = k256::ecdsa::Signature::from_scalars(r.to_bytes(), (-*s).to_bytes()).unwrap();
    assert_ne!(low.to_bytes(), high.to_bytes());
    for signature in [low, high] {
        assert!(verifies(&key, b"message", &signature.to_bytes(), &host));
        assert!(!verifies(&key, b"massage", &signature.to_bytes(), &host));
    }
    for zero in [[[0; 32], [1; 32]].concat(), [[1; 32], [0; 32]].concat(), vec![0xff; 64]] {
        assert!(!verifies(&key, b"message", &zero, &host));
    }
}

#[test]
fn what_no_one_can_check_is_said_to_be_so() {
    let key =
        Key::new(None, Algorithm::Es512, Material::point(Curve::P521, &[0; 66], &[1; 66]).unwrap());
    let failure = key.unwrap().check(b"m", &[1; 132], &FakeHost::default(), &Budget::per_second(0));
    assert_eq!(failure, Err(Failure::from(Reason::Unsupported)));
}

#[test]
fn checks_here_are_counted_but_not_those_of_the_host() {
    let none_left = Budget::per_second(0);
    let fake = FakeHost::default();
    let yes = Verifier { verdict: Some(true), asked: RefCell::default() };
    let busy = Err(Failure::Busy { retry_after: 60 });
    let (rsa, ed) =
        (key(&mint::rsa_jwk(), Algorithm::Rs256), key(&mint::ed25519_jwk(), Algorithm::EdDsa));
    assert_eq!(rsa.check(b"m", &[0; 256], &fake, &none_left), busy);
    assert_eq!(rsa.check(b"m", &[0; 256], &yes, &none_left), Ok(Cost::NONE));
    assert_eq!(ed.check(b"m", &[0; 64], &yes, &none_left), busy);
    // The wrong length is wrong at no cost, and HMAC costs nothing.
    let bad = Err(Failure::from(Reason::Signature));
    assert_eq!(rsa.check(b"m", &[0; 255], &fake, &none_left), bad);
    assert_eq!(ed.check(b"m", &[0; 63], &fake, &none_left), bad);
    assert_eq!(secret().check(b"m", &[0; 32], &fake, &none_left), bad);
}

#[test]
fn fingerprints_are_of_the_key_and_its_algorithm() {
    let rs = key(&mint::rsa_jwk(), Algorithm::Rs256);
    let ps = key(&mint::rsa_jwk_without_alg(), Algorithm::Ps256);
    let same =
        key(&json!({"kty": "RSA", "n": mint::rsa_jwk()["n"], "e": "AQAB"}), Algorithm::Rs256);
    assert_eq!(rs.fingerprint().len(), 43);
    assert_eq!(rs.fingerprint(), same.fingerprint());
    assert_ne!(rs.fingerprint(), ps.fingerprint());
}
