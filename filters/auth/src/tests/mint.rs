//! Tokens, signed with the private keys that RFC 7515 and RFC 8037 print.
//! TEST KEYS: everybody has them.

use ct_codecs::{Base64, Base64UrlSafeNoPadding, Decoder, Encoder};
use p256::ecdsa::signature::Signer as _;
use serde_json::{Value, json};
use superboring::bn::BigNum;
use superboring::hash::MessageDigest;
use superboring::pkey::PKey;
use superboring::rsa::{Padding, Rsa};
use superboring::sign::{RsaPssSaltlen, Signer};

/// 2026-11-24T00:00:30Z.
pub(super) const NOW: i64 = 1_795_478_430;

/// RFC 7515 A.1.1.
pub(super) const SECRET_BASE64URL: &str =
    "AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow";

/// RFC 7515 A.2.1.
const RSA_N: &str = "ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yRT-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ";
const RSA_D: &str = "Eq5xpGnNCivDflJsRQBXHx1hdR1k6Ulwe2JZD50LpXyWPEAeP88vLNO97IjlA7_GQ5sLKMgvfTeXZx9SE-7YwVol2NXOoAJe46sui395IW_GO-pWJ1O0BkTGoVEn2bKVRUCgu-GjBVaYLU6f3l9kJfFNS3E0QbVdxzubSu3Mkqzjkn439X0M_V51gfpRLI9JYanrC4D4qAdGcopV_0ZHHzQlBjudU2QvXt4ehNYTCBr6XCLQUShb1juUO1ZdiYoFaFQT5Tw8bGUl_x_jTj3ccPDVZFD9pIuhLhBOneufuBiB4cS98l2SR_RQyGWSeWjnczT0QU91p1DhOVRuOopznQ";
const RSA_P: &str = "4BzEEOtIpmVdVEZNCqS7baC4crd0pqnRH_5IB3jw3bcxGn6QLvnEtfdUdiYrqBdss1l58BQ3KhooKeQTa9AB0Hw_Py5PJdTJNPY8cQn7ouZ2KKDcmnPGBY5t7yLc1QlQ5xHdwW1VhvKn-nXqhJTBgIPgtldC-KDV5z-y2XDwGUc";
const RSA_Q: &str = "uQPEfgmVtjL0Uyyx88GZFF1fOunH3-7cepKmtH4pxhtCoHqpWmT8YAmZxaewHgHAjLYsp1ZSe7zFYHj7C6ul7TjeLQeZD_YwD66t62wDmpe_HlB-TnBA-njbglfIsRLtXlnDzQkv5dTltRJ11BKBBypeeF6689rjcJIDEz9RWdc";
const RSA_DP: &str = "BwKfV3Akq5_MFZDFZCnW-wzl-CCo83WoZvnLQwCTeDv8uzluRSnm71I3QCLdhrqE2e9YkxvuxdBfpT_PI7Yz-FOKnu1R6HsJeDCjn12Sk3vmAktV2zb34MCdy7cpdTh_YVr7tss2u6vneTwrA86rZtu5Mbr1C1XsmvkxHQAdYo0";
const RSA_DQ: &str = "h_96-mK1R_7glhsum81dZxjTnYynPbZpHziZjeeHcXYsXaaMwkOlODsWa7I9xXDoRwbKgB719rrmI2oKr6N3Do9U0ajaHF-NKJnwgjMd2w9cjz3_-kyNlxAr2v4IKhGNpmM5iIgOS1VZnOZ68m6_pbLBSp3nssTdlqvd0tIiTHU";
const RSA_QI: &str = "IYd7DHOhrWvxkwPQsRM2tOgrjbcrfvtQJipd-DlcxyVuuM9sQLdgjVk2oy26F0EmpScGLq2MowX7fhd_QJQ3ydy5cY7YIBi87w93IKLEdfnbJtoOPLUW0ITrJReOgo1cq9SbsxYawBgfp_gh6A5603k2-ZQwVK0JKSHuLFkuQ3U";

/// RFC 7515 A.3.1.
const P256_X: &str = "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU";
const P256_Y: &str = "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0";
const P256_D: &str = "jpsQnnGQmL-YBIffH1136cspYG6-0iY7X1fCE9-E9LI";

/// RFC 8037 A.1.
const ED25519_X: &str = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo";
const ED25519_D: &str = "nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A";

pub(super) fn rsa_jwk() -> Value {
    json!({"kty": "RSA", "kid": "rs", "alg": "RS256", "use": "sig", "n": RSA_N, "e": "AQAB"})
}

pub(super) fn rsa_jwk_without_alg() -> Value {
    json!({"kty": "RSA", "n": RSA_N, "e": "AQAB"})
}

pub(super) fn p256_jwk() -> Value {
    json!({"kty": "EC", "kid": "es", "crv": "P-256", "x": P256_X, "y": P256_Y})
}

pub(super) fn ed25519_jwk() -> Value {
    json!({"kty": "OKP", "kid": "ed", "crv": "Ed25519", "x": ED25519_X, "key_ops": ["verify"]})
}

pub(super) fn b64(bytes: impl AsRef<[u8]>) -> String {
    Base64UrlSafeNoPadding::encode_to_string(bytes).unwrap()
}

pub(super) fn unb64(text: &str) -> Vec<u8> {
    Base64UrlSafeNoPadding::decode_to_vec(text, None).unwrap()
}

pub(super) fn basic(user: &str, password: &str) -> String {
    format!("Basic {}", Base64::encode_to_string(format!("{user}:{password}")).unwrap())
}

/// Good claims; `changes` are put over them, `null` removes one.
pub(super) fn claims(changes: Value) -> Value {
    let mut claims = json!({
        "iss": "https://id.example.com",
        "aud": "api",
        "sub": "northwind",
        "client_id": "shop",
        "scope": "a:read b",
        "exp": NOW + 60,
        "nbf": NOW - 60,
        "iat": NOW - 60,
        "jti": "t-1",
    });
    for (name, value) in changes.as_object().unwrap() {
        if value.is_null() {
            claims.as_object_mut().unwrap().remove(name);
        } else {
            claims[name] = value.clone();
        }
    }
    claims
}

/// A token with this header, signed by the key that `kid` names.
pub(super) fn token(header: &Value, claims: &Value) -> String {
    signed_as(header["kid"].as_str().unwrap(), &header.to_string(), &claims.to_string())
}

/// An EdDSA token with good claims but for `changes`.
pub(super) fn with_claims(changes: Value) -> String {
    token(&json!({"alg": "EdDSA", "kid": "ed"}), &claims(changes))
}

/// Signs any header and payload with the key of this name.
pub(super) fn signed_as(key: &str, header: &str, payload: &str) -> String {
    let message = format!("{}.{}", b64(header), b64(payload));
    let signature = sign(key, message.as_bytes());
    format!("{message}.{}", b64(signature))
}

pub(super) fn sign(key: &str, message: &[u8]) -> Vec<u8> {
    match key {
        "rs" => rsa(message),
        "es" => {
            let key = p256::ecdsa::SigningKey::from_slice(&unb64(P256_D)).unwrap();
            let signature: p256::ecdsa::Signature = key.sign(message);
            signature.to_bytes().to_vec()
        }
        "ed" => {
            let seed = ed25519_compact::Seed::from_slice(&unb64(ED25519_D)).unwrap();
            ed25519_compact::KeyPair::from_seed(seed).sk.sign(message, None).to_vec()
        }
        _ => hmac(&unb64(SECRET_BASE64URL), message),
    }
}

pub(super) fn hmac(secret: &[u8], message: &[u8]) -> Vec<u8> {
    hmac_sha256::HMAC::mac(message, secret).to_vec()
}

/// RSASSA-PSS with a salt of so many bytes.
pub(super) fn pss(message: &[u8], digest: MessageDigest, salt: i32) -> Vec<u8> {
    rsa_with(message, digest, Padding::PKCS1_PSS, RsaPssSaltlen::custom(salt))
}

fn rsa(message: &[u8]) -> Vec<u8> {
    rsa_with(message, MessageDigest::sha256(), Padding::PKCS1, RsaPssSaltlen::DIGEST_LENGTH)
}

fn rsa_with(
    message: &[u8],
    digest: MessageDigest,
    padding: Padding,
    salt: RsaPssSaltlen,
) -> Vec<u8> {
    let number = |text: &str| BigNum::from_slice(&unb64(text)).unwrap();
    let [d, p, q] = [RSA_D, RSA_P, RSA_Q].map(number);
    let rsa = Rsa::from_private_components(
        number(RSA_N),
        number("AQAB"),
        d,
        p,
        q,
        number(RSA_DP),
        number(RSA_DQ),
        number(RSA_QI),
    );
    let key = PKey::from_rsa(rsa.unwrap()).unwrap();
    let mut signer = Signer::new(digest, &key).unwrap();
    signer.set_rsa_padding(padding).unwrap();
    signer.set_rsa_pss_saltlen(salt).unwrap();
    signer.update(message).unwrap();
    signer.sign_to_vec().unwrap()
}
