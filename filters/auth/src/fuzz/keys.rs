//! Public keys.

use postern_core::base64url;
use postern_core::config::{At, Decode, Errors, Node, Value as Known, parse_json};
use postern_core::fuzz::twice;
use serde_json::json;

use super::documents::read;
use super::{HIDDEN, texts};
use crate::algorithm::{Algorithm, Shape};
use crate::issuer_keys::KeyForm;
use crate::material::{Curve, Material};
use crate::pem::PublicPem;

const N: &str = "ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yRT-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ";

const X: &str = "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU";

const Y: &str = "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0";

const ED: &str = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo";

pub(super) fn jwks_seeds() -> Vec<Vec<u8>> {
    let keys = [
        json!({"kty": "EC", "kid": "es", "crv": "P-256", "x": X, "y": Y, "note": HIDDEN}),
        json!({"kty": "OKP", "kid": "ed", "crv": "Ed25519", "x": ED, "use": "sig", "key_ops": ["verify"]}),
        json!({"kty": "oct", "k": HIDDEN, "alg": "HS256"}),
        json!({"kty": "RSA", "kid": "rs", "alg": "RS256", "n": N, "e": "AQAB", "x5c": ["AAAA"]}),
    ];
    let several = json!({"keys": [keys[0], keys[1], keys[2], 7, null], "more": {"keys": []}});
    let mut all: Vec<_> =
        keys.iter().map(|key| json!({"keys": [key]}).to_string().into_bytes()).collect();
    let private = json!({"kty": "EC", "crv": "P-256", "x": X, "y": Y, "d": HIDDEN});
    all.push(json!({"keys": [private, keys[1]]}).to_string().into_bytes());
    all.push(several.to_string().into_bytes());
    all
}

/// Few keys, public ones, each of the kind that its algorithm needs.
pub(super) fn jwks(body: &[u8]) {
    let form = KeyForm { algorithms: Algorithm::ALL.to_vec() };
    let Some(keys) = read(&form, body) else { return };
    assert!((1..=64).contains(&keys.len()));
    let set = parse_json(body).expect("JSON");
    let Some(Node { value: Known::List(items), .. }) = set.get("keys") else { panic!("a list") };
    let private = ["d", "p", "q", "dp", "dq", "qi", "oth", "k"];
    let is_public = |key: &&Node| private.iter().all(|name| key.get(name).is_none());
    assert!(keys.len() <= items.iter().filter(is_public).count(), "a private key");
    let of = |algorithm| keys.candidates(algorithm, None).count();
    assert_eq!(Algorithm::ALL.into_iter().map(of).sum::<usize>(), keys.len());
    let secrets = [Algorithm::Hs256, Algorithm::Hs384, Algorithm::Hs512];
    assert!(secrets.into_iter().all(|algorithm| of(algorithm) == 0), "a shared secret");
}

pub(super) fn pem_seeds() -> Vec<Vec<u8>> {
    texts(&[
        "-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEAJrQLj5P/89iXES9+vFgrIy29clF9CC/oPPsw3c5D0bs=\n-----END PUBLIC KEY-----\n",
        "-----BEGIN PUBLIC KEY-----\nMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEf83OJ3D2xF1Bg8vub9tLe1gHMzV7\n6e8Tus9uPHvRVEXH8UTNG72bfocs3+257rn0s2ldbqkLJK2KRiMohYjlrQ==\n-----END PUBLIC KEY-----\n",
        "-----BEGIN RSA PUBLIC KEY-----\nMAMCAQM=\n-----END RSA PUBLIC KEY-----",
        "-----BEGIN PRIVATE KEY-----\nhidden-0451\n-----END PRIVATE KEY-----\n",
    ])
}

/// A policy's key; a message quotes nothing of it.
pub(super) fn pem(text: &[u8]) {
    let Ok(text) = std::str::from_utf8(text) else { return };
    let node = Node::unplaced(Known::Text(text.to_owned()));
    let decode = || {
        let mut errors = Errors::default();
        let pem = PublicPem::decode(At::root(&node), &mut errors);
        (pem, errors.to_string())
    };
    let (pem, errors) = twice(decode);
    assert_eq!(pem.is_some(), errors.is_empty());
    assert!(!errors.contains(HIDDEN), "{errors}");
    assert!(pem.is_none() || !text.contains("PRIVATE KEY-----"));
}

/// RFC 8410 §4.
const ED25519_SPKI: &[u8] = b"\x30\x2a\x30\x05\x06\x03\x2b\x65\x70\x03\x21\0";

pub(super) fn der_seeds() -> Vec<Vec<u8>> {
    let point = |curve: Curve| {
        let bytes = |text: &str| base64url::decode(text.as_bytes()).unwrap();
        Material::point(curve, &bytes(X), &bytes(Y)).ok()
    };
    let ed = [ED25519_SPKI, &base64url::decode(ED.as_bytes()).unwrap()].concat();
    let n = base64url::decode(N.as_bytes()).unwrap();
    let rsa = Material::rsa(&n, &[1, 0, 1]).ok();
    let spki = |material: Option<Material>| material?.spki().map(<[u8]>::to_vec);
    [spki(point(Curve::P256)), spki(rsa), Some(ed)].into_iter().flatten().collect()
}

/// What is taken has one form for the host, which is taken again.
pub(super) fn der(der: &[u8]) {
    let shapes = [
        Shape::Rsa,
        Shape::Ed25519,
        Shape::Point(Curve::P256),
        Shape::Point(Curve::P384),
        Shape::Point(Curve::P521),
        Shape::Point(Curve::Secp256k1),
        Shape::Secret(1),
    ];
    let mut taken = 0;
    for shape in shapes {
        let bytes = || Material::from_der(der, shape).ok().map(|m| m.bytes().to_vec());
        let Some(bytes) = twice(bytes) else { continue };
        taken += 1;
        assert!(!matches!(shape, Shape::Secret(_)));
        let Ok(material) = Material::from_der(der, shape) else { panic!("taken before") };
        let fits = Algorithm::ALL.into_iter().filter(|algorithm| material.fits(*algorithm));
        assert!(fits.clone().count() > 0 && fits.clone().all(|a| a.shape() == shape));
        // Of all but RSA there is one form.
        match (shape, material.spki()) {
            (Shape::Rsa, _) => {}
            (_, Some(spki)) => assert_eq!(spki, der),
            (_, None) => assert_eq!([ED25519_SPKI, &bytes].concat(), der),
        }
        if let Some(spki) = material.spki() {
            let Ok(again) = Material::from_der(spki, shape) else { panic!("its own form") };
            assert_eq!(again.bytes(), bytes);
        }
    }
    assert!(taken <= 1, "a key of two kinds");
}
