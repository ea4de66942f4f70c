//! The test keys of `stack/keys`: signing, and the public half as a JWK set.

use std::fmt;

use ct_codecs::{Base64, Base64UrlSafeNoPadding, Decoder as _, Encoder as _};
use ring::rand::SystemRandom;
use ring::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair,
    EcdsaSigningAlgorithm, Ed25519KeyPair, KeyPair as _, RSA_PKCS1_SHA256, RSA_PSS_SHA256,
    RsaEncoding, RsaKeyPair, RsaPublicKeyComponents,
};
use ring::{error, hmac};
use serde_json::{Value, json};

/// Every key that the demo signs with, one per algorithm.
pub struct Keys {
    keys: Vec<Key>,
    random: SystemRandom,
}

impl Keys {
    /// The keys committed in `stack/keys`.
    ///
    /// # Errors
    /// A committed key file does not parse.
    pub fn embedded() -> Result<Self, KeyError> {
        let random = SystemRandom::new();
        let pairs = [
            (Algorithm::Rs256, include_str!("../keys/rs256.pem")),
            (Algorithm::Ps256, include_str!("../keys/ps256.pem")),
            (Algorithm::Es256, include_str!("../keys/es256.pem")),
            (Algorithm::Es384, include_str!("../keys/es384.pem")),
            (Algorithm::EdDsa, include_str!("../keys/eddsa.pem")),
        ];
        let mut keys = Vec::with_capacity(pairs.len() + 1);
        for (algorithm, pem) in pairs {
            keys.push(Key { algorithm, secret: Secret::from_pem(algorithm, pem, &random)? });
        }
        keys.push(Key {
            algorithm: Algorithm::Hs256,
            secret: Secret::from_base64url(include_str!("../keys/hs256.txt"))?,
        });
        Ok(Self { keys, random })
    }

    /// The signature of `message`, as RFC 7518 puts it into a JWS.
    ///
    /// # Errors
    /// The algorithm has no key, or the key cannot sign.
    pub fn sign(&self, algorithm: Algorithm, message: &[u8]) -> Result<Vec<u8>, KeyError> {
        self.keys
            .iter()
            .find(|key| key.algorithm == algorithm)
            .ok_or(KeyError { algorithm, problem: "has no key" })?
            .sign(message, &self.random)
    }

    /// The JWK set (RFC 7517 §5) of all public keys. Shared secrets are not in it.
    #[must_use]
    pub fn jwks(&self) -> Value {
        let keys: Vec<Value> = self.keys.iter().filter_map(Key::jwk).collect();
        json!({ "keys": keys })
    }

    /// 256 random bits, base64url.
    ///
    /// # Errors
    /// The system has no randomness to give.
    pub fn random_text(&self) -> Result<String, error::Unspecified> {
        let mut bytes = [0_u8; 32];
        ring::rand::SecureRandom::fill(&self.random, &mut bytes)?;
        Ok(base64url(&bytes))
    }
}

/// A JWS algorithm (RFC 7518 §3.1, RFC 8037 §3.1) that the demo signs with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Algorithm {
    /// RSASSA-PKCS1-v1_5 with SHA-256
    Rs256,
    /// RSASSA-PSS with SHA-256
    Ps256,
    /// ECDSA on P-256 with SHA-256
    Es256,
    /// ECDSA on P-384 with SHA-384
    Es384,
    /// Ed25519
    EdDsa,
    /// HMAC with SHA-256
    Hs256,
}

impl Algorithm {
    /// All of them, in the order of the key set.
    pub const ALL: [Self; 6] =
        [Self::Rs256, Self::Ps256, Self::Es256, Self::Es384, Self::EdDsa, Self::Hs256];

    /// The registered name, `RS256` for example.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Rs256 => "RS256",
            Self::Ps256 => "PS256",
            Self::Es256 => "ES256",
            Self::Es384 => "ES384",
            Self::EdDsa => "EdDSA",
            Self::Hs256 => "HS256",
        }
    }

    /// The algorithm of that registered name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|algorithm| algorithm.name() == name)
    }

    /// The id of the key that signs with this algorithm, `demo-rs256` for example.
    #[must_use]
    pub fn kid(self) -> String {
        format!("demo-{}", self.name().to_ascii_lowercase())
    }
}

struct Key {
    algorithm: Algorithm,
    secret: Secret,
}

impl Key {
    fn sign(&self, message: &[u8], random: &SystemRandom) -> Result<Vec<u8>, KeyError> {
        let signature = match &self.secret {
            Secret::Rsa(pair, encoding) => {
                let mut signature = vec![0; pair.public().modulus_len()];
                pair.sign(*encoding, random, message, &mut signature).map(|()| signature)
            }
            Secret::Ec(pair, _) => pair.sign(random, message).map(|it| it.as_ref().to_vec()),
            Secret::Ed(pair) => Ok(pair.sign(message).as_ref().to_vec()),
            Secret::Shared(key) => Ok(hmac::sign(key, message).as_ref().to_vec()),
        };
        signature
            .map_err(|_| KeyError { algorithm: self.algorithm, problem: "key cannot sign this" })
    }

    fn jwk(&self) -> Option<Value> {
        let kid = self.algorithm.kid();
        let alg = self.algorithm.name();
        match &self.secret {
            Secret::Rsa(pair, _) => {
                let public = RsaPublicKeyComponents::<Vec<u8>>::from(pair.public());
                let n = base64url(&public.n);
                let e = base64url(&public.e);
                Some(json!({"kty": "RSA", "use": "sig", "alg": alg, "kid": kid, "n": n, "e": e}))
            }
            Secret::Ec(pair, curve) => {
                // SEC 1 §2.3.3, uncompressed: 0x04, then both coordinates at full length.
                let (_, point) = pair.public_key().as_ref().split_first()?;
                let (x, y) = point.split_at_checked(point.len() / 2)?;
                let (x, y) = (base64url(x), base64url(y));
                Some(json!({
                    "kty": "EC", "crv": curve, "use": "sig", "alg": alg, "kid": kid, "x": x, "y": y
                }))
            }
            Secret::Ed(pair) => {
                let x = base64url(pair.public_key().as_ref());
                Some(json!({
                    "kty": "OKP", "crv": "Ed25519", "use": "sig", "alg": alg, "kid": kid, "x": x
                }))
            }
            Secret::Shared(_) => None,
        }
    }
}

enum Secret {
    Rsa(Box<RsaKeyPair>, &'static dyn RsaEncoding),
    Ec(Box<EcdsaKeyPair>, &'static str),
    Ed(Ed25519KeyPair),
    Shared(hmac::Key),
}

impl Secret {
    fn from_pem(algorithm: Algorithm, text: &str, random: &SystemRandom) -> Result<Self, KeyError> {
        let unreadable = KeyError { algorithm, problem: "key file is not PKCS #8 in PEM" };
        let der = der(text).ok_or(unreadable)?;
        let rsa =
            |encoding| RsaKeyPair::from_pkcs8(&der).map(|pair| Self::Rsa(Box::new(pair), encoding));
        let ec = |signing: &'static EcdsaSigningAlgorithm, curve| {
            EcdsaKeyPair::from_pkcs8(signing, &der, random)
                .map(|pair| Self::Ec(Box::new(pair), curve))
        };
        match algorithm {
            Algorithm::Rs256 => rsa(&RSA_PKCS1_SHA256),
            Algorithm::Ps256 => rsa(&RSA_PSS_SHA256),
            Algorithm::Es256 => ec(&ECDSA_P256_SHA256_FIXED_SIGNING, "P-256"),
            Algorithm::Es384 => ec(&ECDSA_P384_SHA384_FIXED_SIGNING, "P-384"),
            Algorithm::EdDsa => Ed25519KeyPair::from_pkcs8_maybe_unchecked(&der).map(Self::Ed),
            Algorithm::Hs256 => return Err(unreadable),
        }
        .map_err(|_| KeyError { algorithm, problem: "key file holds a key of another kind" })
    }

    fn from_base64url(text: &str) -> Result<Self, KeyError> {
        let problem = "secret is not base64url without padding";
        Base64UrlSafeNoPadding::decode_to_vec(text.trim(), None)
            .map(|secret| Self::Shared(hmac::Key::new(hmac::HMAC_SHA256, &secret)))
            .map_err(|_| KeyError { algorithm: Algorithm::Hs256, problem })
    }
}

/// What stands armoured in a PEM file (RFC 7468), as it was before the armour.
fn der(pem: &str) -> Option<Vec<u8>> {
    let (_, armoured) = pem.split_once("-----BEGIN PRIVATE KEY-----")?;
    let (base64, _) = armoured.split_once("-----END PRIVATE KEY-----")?;
    Base64::decode_to_vec(base64, Some(b"\r\n")).ok()
}

/// Base64 with the URL-safe alphabet and without padding (RFC 7515 §2).
pub(crate) fn base64url(bytes: &[u8]) -> String {
    // Fails only where the length overflows, which no key, token or signature reaches.
    Base64UrlSafeNoPadding::encode_to_string(bytes).unwrap_or_default()
}

/// A test key that cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyError {
    algorithm: Algorithm,
    problem: &'static str,
}

impl fmt::Display for KeyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.algorithm.name(), self.problem)
    }
}

impl std::error::Error for KeyError {}
