//! Keys as issuers publish them, and in PEM.

use postern_core::config::{decode, parse_json};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::{configured, mint, policy};
use crate::algorithm::Algorithm;
use crate::jwk::Jwk;
use crate::key::Key;
use crate::key_set::KeySet;
use crate::pem::PemConfig;

// The keys of `mint`, of RFC 7515 A.4, and those of the scalar 0x0909…, as
// OpenSSL prints them.
const RSA_PEM: &str = "\
-----BEGIN PUBLIC KEY-----\n\
MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEAofgWCuLjybRlzo0tZWJj\n\
NiuSfb4p4fAkd/wWJcyQoTbji9k0l8W26mPddxHmfHQp+Vaw+4qPCJrcS2mJPMEz\n\
P1Pt0Bm4d4QlL+yRT+SFd2lZS+pCgNMsD1W/YpRPEwOWvG6b32690r2jZ47soMZo\n\
9wGzjb/7OMg0LOL+bSf63kpaSHSXndS5z5rexMdbBYUsLA9e+KXBdQOS+UTo7WTB\n\
EMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6/I5IhlJH7aGhyxX\n\
FvUK+DWNmoudF8NAco9/h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXp\n\
oQIDAQAB\n\
-----END PUBLIC KEY-----\n";

const RSA_PKCS1_PEM: &str = "\
-----BEGIN RSA PUBLIC KEY-----\n\
MIIBCgKCAQEAofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd/wWJcyQoTbji9k0l8W2\n\
6mPddxHmfHQp+Vaw+4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL+yRT+SFd2lZS+pCgNMs\n\
D1W/YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb/7OMg0LOL+bSf63kpaSHSXndS5\n\
z5rexMdbBYUsLA9e+KXBdQOS+UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxv\n\
b3qCo5ZwKh9kG4LT6/I5IhlJH7aGhyxXFvUK+DWNmoudF8NAco9/h9iaGNj8q2et\n\
hFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQIDAQAB\n\
-----END RSA PUBLIC KEY-----\n";

const P256_PEM: &str = "\
-----BEGIN PUBLIC KEY-----\n\
MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEf83OJ3D2xF1Bg8vub9tLe1gHMzV7\n\
6e8Tus9uPHvRVEXH8UTNG72bfocs3+257rn0s2ldbqkLJK2KRiMohYjlrQ==\n\
-----END PUBLIC KEY-----\n";

const P384_PEM: &str = "\
-----BEGIN PUBLIC KEY-----\n\
MHYwEAYHKoZIzj0CAQYFK4EEACIDYgAEM6qJX/GgzRxunmbQY67Gs1y1HlJKDZ3v\n\
i3phJYK0/+xPAImwUzmZA1KOC+f+WswJuptQUm6hYgUiED2ody9ebnQqlD0XbH2r\n\
BVjEE+/DTUKAe91kdoA7cLhWas2OXECq\n\
-----END PUBLIC KEY-----\n";

const P521_PEM: &str = "\
-----BEGIN PUBLIC KEY-----\n\
MIGbMBAGByqGSM49AgEGBSuBBAAjA4GGAAQB6SkFDxJPxrxVx9U5M2Xfne9KsMIs\n\
sleY+TTrBOPGuuNwGlenkQ6dgb82MVno68sVXWNJ9L22zPipTFxZx6rBAaQANKZE\n\
DjdnUNI3H9G9wsjztx0vTuXqNDLIFcyjFWD+XZOH7HdLVYOGMOXLv1qMvgqR3QBk\n\
xpmaH25uZ/rd7eTIyPY=\n\
-----END PUBLIC KEY-----\n";

const SECP256K1_PEM: &str = "\
-----BEGIN PUBLIC KEY-----\n\
MFYwEAYHKoZIzj0CAQYFK4EEAAoDQgAEVrMoswyL9YOeJAWHR4eUCL2zYkHcnC58\n\
YZ+qErKSCWerfNn/jqf9T0IbHhn1LpVdSXosgyhaao/3LFd9bC/UkA==\n\
-----END PUBLIC KEY-----\n";

const ED25519_PEM: &str = "\
-----BEGIN PUBLIC KEY-----\n\
MCowBQYDK2VwAyEA11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=\n\
-----END PUBLIC KEY-----\n";

const P384_XY: (&str, &str) = (
    "M6qJX_GgzRxunmbQY67Gs1y1HlJKDZ3vi3phJYK0_-xPAImwUzmZA1KOC-f-WswJ",
    "uptQUm6hYgUiED2ody9ebnQqlD0XbH2rBVjEE-_DTUKAe91kdoA7cLhWas2OXECq",
);

const SECP256K1_XY: (&str, &str) =
    ("VrMoswyL9YOeJAWHR4eUCL2zYkHcnC58YZ-qErKSCWc", "q3zZ_46n_U9CGx4Z9S6VXUl6LIMoWmqP9yxXfWwv1JA");

fn jwk(jwk: &Value, alg: Algorithm) -> Key {
    let jwk: Jwk = decode(&parse_json(jwk.to_string().as_bytes()).unwrap()).unwrap();
    jwk.pin(&[alg]).unwrap()
}

fn point(crv: &str, (x, y): (&str, &str)) -> Value {
    json!({"kty": "EC", "crv": crv, "x": x, "y": y})
}

/// The key of a `pem` source, or what is wrong with it.
fn pem(alg: &str, text: &str) -> Result<Key, String> {
    let node = parse_json(json!({"alg": alg, "key": text}).to_string().as_bytes()).unwrap();
    let config: PemConfig = decode(&node).map_err(|e| e.to_string())?;
    let mut errors = postern_core::config::Errors::default();
    let key = config.read(postern_core::config::At::root(&node), &mut errors);
    key.ok_or_else(|| errors.to_string())
}

#[test]
fn a_key_in_pem_is_the_same_as_its_jwk() {
    let a4 = (
        "AekpBQ8ST8a8VcfVOTNl353vSrDCLLJXmPk06wTjxrrjcBpXp5EOnYG_NjFZ6OvLFV1jSfS9tsz4qUxcWceqwQGk",
        "ADSmRA43Z1DSNx_RvcLI87cdL07l6jQyyBXMoxVg_l2Th-x3S1WDhjDly79ajL4Kkd0AZMaZmh9ubmf63e3kyMj2",
    );
    for (alg, text, jwk_of_it) in [
        (Algorithm::Rs256, RSA_PEM, mint::rsa_jwk()),
        (Algorithm::Rs256, RSA_PKCS1_PEM, mint::rsa_jwk()),
        (Algorithm::Ps512, RSA_PEM, mint::rsa_jwk_without_alg()),
        (Algorithm::Es256, P256_PEM, mint::p256_jwk()),
        (Algorithm::Es384, P384_PEM, point("P-384", P384_XY)),
        (Algorithm::Es512, P521_PEM, point("P-521", a4)),
        (Algorithm::Es256k, SECP256K1_PEM, point("secp256k1", SECP256K1_XY)),
        (Algorithm::EdDsa, ED25519_PEM, mint::ed25519_jwk()),
    ] {
        let with_blanks = format!("\n  {}\r\n", text.replace('\n', "\r\n"));
        for text in [text, &with_blanks] {
            let key = pem(alg.name(), text).unwrap();
            assert_eq!(key.fingerprint(), jwk(&jwk_of_it, alg).fingerprint(), "{alg:?}");
        }
    }
}

#[test]
fn what_is_no_public_key_in_pem_is_told_so() {
    #[track_caller]
    fn bad(alg: &str, text: &str, expected: &str) {
        assert_eq!(pem(alg, text).unwrap_err(), expected);
    }
    const SHAPE: &str = "key: expected a public key in PEM, from `-----BEGIN PUBLIC KEY-----` to \
                         `-----END PUBLIC KEY-----`";
    for kind in ["", "RSA ", "EC ", "ENCRYPTED ", "OPENSSH "] {
        let text =
            format!("-----BEGIN {kind}PRIVATE KEY-----\nAAAA\n-----END {kind}PRIVATE KEY-----");
        bad(
            "RS256",
            &text,
            "key: a private key cannot stand in a policy: give the public key only (`openssl pkey -pubout`)",
        );
    }
    let certificate = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----";
    bad(
        "RS256",
        certificate,
        "key: a certificate is not a public key: take its key out (`openssl x509 -pubkey -noout`)",
    );
    let two = format!("{P256_PEM}{P256_PEM}");
    let crossed = P256_PEM.replace("END PUBLIC", "END RSA PUBLIC");
    let long = format!("{P256_PEM}{}", " ".repeat(4096));
    for text in [
        "",
        "x",
        "-----BEGIN PUBLIC KEY-----",
        "-----BEGIN PUBLIC KEY-----\n-----END PUBLIC KEY-----",
        "-----BEGIN PUBLIC KEY-----\n!\n-----END PUBLIC KEY-----",
        &two,
        &crossed,
        &long,
    ] {
        bad("ES256", text, SHAPE);
    }
    bad("HS256", RSA_PEM, "alg: expected an algorithm for public keys; for a secret use `secret`");
    bad("RS256", P256_PEM, "key: expected an RSA key of 2048 to 4096 bits with the exponent 65537");
    for (alg, text) in
        [("ES384", P256_PEM), ("ES256", SECP256K1_PEM), ("ES256K", P256_PEM), ("ES256", RSA_PEM)]
    {
        bad(alg, text, "key: expected an uncompressed point on the curve of `alg`");
    }
    bad("EdDSA", P256_PEM, "key: expected an Ed25519 key");
    // A byte more or less is another thing.
    let short = P256_PEM.replace("MFkw", "MFgw");
    bad("ES256", &short, "key: expected an uncompressed point on the curve of `alg`");
}

#[test]
fn pem_stands_in_a_policy() {
    let mut policy = policy();
    let idp = &mut policy["providers"]["idp"]["jwt"];
    idp["keys"] = json!([{"pem": {"alg": "RS256", "kid": "rs", "key": RSA_PEM}}]);
    let auth = configured(&policy);
    let token = mint::token(&json!({"alg": "RS256", "kid": "rs"}), &mint::claims(json!({})));
    let value = format!("Bearer {token}");
    let outcome = super::send_to(&auth, "/private", &[("authorization", value.as_bytes())]);
    assert_eq!(super::subject(&outcome), "northwind");
    // Without an id it serves tokens without one, also where it is the only key.
    policy["providers"]["idp"]["jwt"]["keys"] = json!([{"pem": {"alg": "RS256", "key": RSA_PEM}}]);
    let auth = configured(&policy);
    let claims = mint::claims(json!({})).to_string();
    for (header, code) in [
        (json!({"alg": "RS256"}), "authenticated"),
        (json!({"alg": "RS256", "kid": "rs"}), "unknown_key"),
    ] {
        let value = format!("Bearer {}", mint::signed_as("rs", &header.to_string(), &claims));
        let outcome = super::send_to(&auth, "/private", &[("authorization", value.as_bytes())]);
        assert_eq!(outcome.record.unwrap().code, code, "{header}");
    }
    policy["providers"]["idp"]["jwt"]["algorithms"] = json!(["ES256"]);
    let node = parse_json(policy.to_string().as_bytes()).unwrap();
    let errors = <crate::Auth as postern_core::Filter>::configure(&node, &super::environment);
    assert_eq!(
        errors.unwrap_err().to_string(),
        "providers.idp.jwt.keys[0].pem: `alg` is `RS256`, which `algorithms` does not list"
    );
}

const ALLOWED: &[Algorithm] =
    &[Algorithm::Ps256, Algorithm::Rs256, Algorithm::Es256, Algorithm::EdDsa];

/// `kid:algorithm` of the keys that are left of a published set.
fn fetched(keys: &Value) -> Vec<String> {
    let document = json!({"keys": keys, "next": "https://…"}).to_string();
    let set = KeySet::fetched(document.as_bytes(), ALLOWED).unwrap();
    let all = ALLOWED.iter().flat_map(|alg| set.candidates(*alg, None));
    all.map(|k| format!("{}:{}", k.kid().unwrap_or("-"), k.algorithm().name())).collect()
}

fn with(mut jwk: Value, changes: &Value) -> Value {
    for (name, value) in changes.as_object().unwrap() {
        jwk[name] = value.clone();
    }
    jwk
}

#[test]
fn a_published_set_may_hold_what_nobody_here_knows() {
    let odd = json!({"x5c": ["AAAA"], "x5t": "AA", "exp": 7, "colour": {"a": [1.5]}});
    let keys = json!([
        with(mint::rsa_jwk(), &odd),
        with(mint::ed25519_jwk(), &json!({"key_ops": ["verify", "dance"]})),
        // A key without `alg` serves the first of the provider's algorithms.
        with(mint::rsa_jwk_without_alg(), &json!({"kid": "two"})),
        mint::p256_jwk(),
    ]);
    assert_eq!(fetched(&keys), ["two:PS256", "rs:RS256", "es:ES256", "ed:EdDSA"]);
    // The same id twice, and the same key twice.
    let keys =
        json!([mint::rsa_jwk(), with(mint::p256_jwk(), &json!({"kid": "rs"})), mint::rsa_jwk()]);
    assert_eq!(fetched(&keys), ["rs:RS256", "rs:ES256"]);
}

#[test]
fn what_cannot_be_used_is_left_out() {
    let ed = mint::ed25519_jwk;
    let bad = [
        json!(null),
        json!("key"),
        json!({}),
        json!({"kty": "oct", "k": "AAAA"}),
        json!({"kty": "XY", "kid": "x"}),
        json!({"kty": 7}),
        json!({"kty": "OKP", "crv": "X25519", "x": "AAAA"}),
        json!({"kty": "OKP", "crv": "Ed25519", "x": "AAAA"}),
        json!({"kty": "EC", "crv": "P-256", "x": "AAAA", "y": "AAAA"}),
        json!({"kty": "RSA", "n": "AAAA", "e": "AQAB"}),
        json!({"kty": "RSA", "n": "", "e": ""}),
        with(ed(), &json!({"d": "c2VjcmV0"})),
        with(ed(), &json!({"use": "enc"})),
        with(ed(), &json!({"key_ops": ["sign"]})),
        with(ed(), &json!({"key_ops": "verify"})),
        with(ed(), &json!({"alg": "ES256"})),
        with(ed(), &json!({"alg": "RSA-OAEP"})),
        with(ed(), &json!({"alg": 1})),
        with(ed(), &json!({"kid": 1})),
        with(ed(), &json!({"x": "not base64url!"})),
        with(mint::rsa_jwk(), &json!({"alg": "RS512"})),
        with(mint::rsa_jwk(), &json!({"alg": "HS256"})),
    ];
    for key in &bad {
        assert_eq!(fetched(&json!([key])), [""; 0], "{key}");
        assert_eq!(fetched(&json!([key, mint::p256_jwk()])), ["es:ES256"], "{key}");
    }
    // A member twice in one key spoils that one.
    let twice = mint::rsa_jwk().to_string().replacen('{', "{\"use\":\"sig\",", 1);
    let document = format!("{{\"keys\":[{twice},{}]}}", mint::p256_jwk());
    assert_eq!(KeySet::fetched(document.as_bytes(), ALLOWED).unwrap().len(), 1);
}

#[test]
fn a_published_set_is_bounded() {
    let many: Vec<Value> =
        (0..70).map(|n| with(mint::ed25519_jwk(), &json!({"kid": n.to_string()}))).collect();
    assert_eq!(fetched(&json!(many)).len(), 64);
    let mut behind: Vec<Value> = vec![json!({}); 255];
    behind.push(mint::ed25519_jwk());
    assert_eq!(fetched(&json!(behind)).len(), 1);
    behind.insert(0, json!({}));
    assert_eq!(fetched(&json!(behind)).len(), 0);
    let large = json!({"keys": [], "x": "y".repeat(256 * 1024)}).to_string();
    let error = KeySet::fetched(large.as_bytes(), ALLOWED).unwrap_err();
    assert_eq!(error, "the JWK Set has more than 262144 bytes");
}

#[test]
fn something_else_is_no_set() {
    let fetched = |text: &str| KeySet::fetched(text.as_bytes(), ALLOWED).map(|set| set.is_empty());
    for text in
        ["", "null", "[]", "\"keys\"", "<html>", "{\"keys\":[]", "{\"keys\":[],\"keys\":[]}"]
    {
        let expected = "expected a JWK Set, but found no JSON object".to_owned();
        assert_eq!(fetched(text), Err(expected), "{text}");
    }
    for text in ["{}", "{\"keys\":{}}", "{\"keys\":null}", "{\"Keys\":[]}"] {
        let expected = "expected a JWK Set, but found no list `keys`".to_owned();
        assert_eq!(fetched(text), Err(expected), "{text}");
    }
    assert_eq!(fetched("{\"keys\":[]}"), Ok(true));
}

#[test]
fn keys_are_found_by_algorithm_and_id() {
    let document = json!({"keys": [mint::rsa_jwk(), mint::p256_jwk()]}).to_string();
    let set = KeySet::fetched(document.as_bytes(), ALLOWED).unwrap();
    let count = |alg, kid| set.candidates(alg, kid).count();
    assert_eq!(count(Algorithm::Rs256, Some("rs")), 1);
    assert_eq!(count(Algorithm::Rs256, None), 1);
    assert_eq!(count(Algorithm::Rs256, Some("es")), 0);
    assert_eq!(count(Algorithm::Ps256, Some("rs")), 0);
    let key = set.candidates(Algorithm::Es256, None).next().unwrap();
    assert!(set.has(key.fingerprint()));
    assert!(!KeySet::default().has(key.fingerprint()));
}

/// JSON that is near to a key: its members, right and wrong.
fn near_jwk() -> impl Strategy<Value = String> {
    let names = ["kty", "kid", "alg", "use", "key_ops", "n", "e", "crv", "x", "y", "d", "zz"];
    let values = [
        "\"RSA\"",
        "\"EC\"",
        "\"OKP\"",
        "\"P-256\"",
        "\"P-521\"",
        "\"secp256k1\"",
        "\"Ed25519\"",
        "\"RS256\"",
        "\"EdDSA\"",
        "\"sig\"",
        "[\"verify\"]",
        "\"AQAB\"",
        "\"AAAA\"",
        "\"\"",
        "1e400",
        "-1",
        "null",
        "{}",
        "[[]]",
        "\"\\ud800\"",
        "\"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo\"",
    ];
    let member = (prop::sample::select(names.to_vec()), prop::sample::select(values.to_vec()))
        .prop_map(|(name, value)| format!("\"{name}\":{value}"));
    prop::collection::vec(member, 0..7).prop_map(|members| format!("{{{}}}", members.join(",")))
}

proptest! {
    #[test]
    fn reading_a_published_set_is_total(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
        let _ = KeySet::fetched(&bytes, ALLOWED);
        let _ = KeySet::fetched(&[b"{\"keys\":[", &bytes[..], b"]}"].concat(), ALLOWED);
    }

    #[test]
    fn whatever_stands_beside_it_a_good_key_is_found(
        others in prop::collection::vec(near_jwk(), 0..4), at in 0usize..4,
    ) {
        let mut keys = others;
        keys.insert(at.min(keys.len()), mint::p256_jwk().to_string());
        let document = format!("{{\"keys\":[{}]}}", keys.join(","));
        // Nobody can read a document that is no JSON.
        if serde_json::from_str::<Value>(&document).is_ok() {
            let set = KeySet::fetched(document.as_bytes(), ALLOWED).unwrap();
            prop_assert_eq!(set.candidates(Algorithm::Es256, Some("es")).count(), 1);
            prop_assert!(set.len() <= keys.len());
        }
    }

    #[test]
    fn reading_pem_is_total(
        head in "(-----BEGIN (RSA )?PUBLIC KEY-----)?", body in "[A-Za-z0-9+/= \n]{0,60}|\\PC{0,8}",
        tail in "(-----END (RSA )?PUBLIC KEY-----)?", alg in prop::sample::select(&["RS256", "ES256", "ES512", "EdDSA"][..]),
    ) {
        let text = format!("{head}\n{body}\n{tail}");
        prop_assert!(pem(alg, &text).is_err());
    }

    #[test]
    fn der_of_a_changed_byte_is_no_other_panic(at in 0usize..300, to in any::<u8>()) {
        for (alg, text) in [("ES256", P256_PEM), ("EdDSA", ED25519_PEM), ("ES512", P521_PEM), ("RS256", RSA_PKCS1_PEM)] {
            let mut bytes = text.as_bytes().to_vec();
            let at = at % bytes.len();
            bytes[at] = to;
            if let Ok(text) = String::from_utf8(bytes) {
                let _ = pem(alg, &text);
            }
        }
    }
}
