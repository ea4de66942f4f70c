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

/// RSA keys that nobody has seen yet: `ring` cannot make any.
const SPARE: [&str; 3] = [
    include_str!("../keys/rs256-2.pem"),
    include_str!("../keys/rs256-3.pem"),
    include_str!("../keys/rs256-4.pem"),
];

/// Keys added to the committed ones at most.
const MOST_ADDED: usize = 1000;

/// Every key that the demo signs with: one per algorithm at first. The newest of an algorithm
/// signs unless another is asked for.
pub struct Keys {
    keys: Vec<Key>,
    random: SystemRandom,
    spare: usize,
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
            keys.push(Key::new(algorithm, Secret::from_pem(algorithm, pem, &random)?));
        }
        let shared = Secret::from_base64url(include_str!("../keys/hs256.txt"))?;
        keys.push(Key::new(Algorithm::Hs256, shared));
        Ok(Self { keys, random, spare: 0 })
    }

    /// Adds a key, which signs from now on whatever does not ask for another. Keys of RSA are out
    /// of a small stock, the others are made.
    ///
    /// # Errors
    /// The id is taken, the stock is used up, or the algorithm shares its secret.
    pub fn add(
        &mut self,
        algorithm: Algorithm,
        kid: String,
        published: bool,
    ) -> Result<(), KeyError> {
        let failed = |problem| KeyError { algorithm, problem };
        if self.named(&kid).is_some() {
            return Err(failed("has a key of that id"));
        }
        if self.keys.len() >= Algorithm::ALL.len() + MOST_ADDED {
            return Err(failed("has too many keys already"));
        }
        let unmade = |_| failed("key cannot be made");
        let secret = match algorithm {
            Algorithm::Rs256 | Algorithm::Ps256 => {
                let pem = SPARE.get(self.spare).ok_or(failed("has no key left in stock"))?;
                self.spare += 1;
                Secret::from_pem(algorithm, pem, &self.random)?
            }
            Algorithm::Es256 | Algorithm::Es384 => {
                let (signing, _) = algorithm.curve().ok_or(failed("has no curve"))?;
                let der = EcdsaKeyPair::generate_pkcs8(signing, &self.random).map_err(unmade)?;
                Secret::from_der(algorithm, der.as_ref(), &self.random)?
            }
            Algorithm::EdDsa => {
                let der = Ed25519KeyPair::generate_pkcs8(&self.random).map_err(unmade)?;
                Secret::from_der(algorithm, der.as_ref(), &self.random)?
            }
            Algorithm::Hs256 => return Err(failed("has a secret, which is in no key set")),
        };
        self.keys.push(Key { algorithm, kid, published, secret });
        Ok(())
    }

    /// Puts a key into the published set or takes it out; it signs as before. Is there such a key?
    pub fn publish(&mut self, kid: &str, published: bool) -> bool {
        let key = self.keys.iter_mut().find(|key| key.kid == kid);
        key.is_some_and(|key| {
            key.published = published;
            true
        })
    }

    /// Takes every key of an algorithm but one out of the published set.
    pub fn retire(&mut self, algorithm: Algorithm, but: &str) {
        for key in self.keys.iter_mut().filter(|key| key.algorithm == algorithm && key.kid != but) {
            key.published = false;
        }
    }

    /// Id, algorithm, whether it is published; the oldest first.
    pub fn list(&self) -> impl Iterator<Item = (&str, Algorithm, bool)> {
        self.keys.iter().map(|key| (key.kid.as_str(), key.algorithm, key.published))
    }

    /// The key that signs with an algorithm.
    #[must_use]
    pub fn newest(&self, algorithm: Algorithm) -> Option<&Key> {
        self.keys.iter().rev().find(|key| key.algorithm == algorithm)
    }

    /// The key of an id.
    #[must_use]
    pub fn named(&self, kid: &str) -> Option<&Key> {
        self.keys.iter().find(|key| key.kid == kid)
    }

    /// The signature of `message`, as RFC 7518 puts it into a JWS.
    ///
    /// # Errors
    /// The algorithm has no key, or the key cannot sign.
    pub fn sign(&self, algorithm: Algorithm, message: &[u8]) -> Result<Vec<u8>, KeyError> {
        let key = self.newest(algorithm).ok_or(KeyError { algorithm, problem: "has no key" })?;
        self.sign_with(key, message)
    }

    /// The signature of one of these keys.
    ///
    /// # Errors
    /// The key cannot sign.
    pub fn sign_with(&self, key: &Key, message: &[u8]) -> Result<Vec<u8>, KeyError> {
        key.sign(message, &self.random)
    }

    /// The JWK set (RFC 7517 §5) of the public keys that are published. Shared secrets are never
    /// in it.
    #[must_use]
    pub fn jwks(&self) -> Value {
        let keys: Vec<Value> =
            self.keys.iter().filter(|key| key.published).filter_map(Key::jwk).collect();
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

    /// The id of the committed key of this algorithm, `demo-rs256` for example.
    #[must_use]
    pub fn kid(self) -> String {
        format!("demo-{}", self.name().to_ascii_lowercase())
    }

    fn curve(self) -> Option<(&'static EcdsaSigningAlgorithm, &'static str)> {
        match self {
            Self::Es256 => Some((&ECDSA_P256_SHA256_FIXED_SIGNING, "P-256")),
            Self::Es384 => Some((&ECDSA_P384_SHA384_FIXED_SIGNING, "P-384")),
            Self::Rs256 | Self::Ps256 | Self::EdDsa | Self::Hs256 => None,
        }
    }
}

/// A key with its id.
pub struct Key {
    algorithm: Algorithm,
    kid: String,
    /// Is it in the key set?
    published: bool,
    secret: Secret,
}

impl Key {
    fn new(algorithm: Algorithm, secret: Secret) -> Self {
        Self { algorithm, kid: algorithm.kid(), published: true, secret }
    }

    /// Its id, `kid`.
    #[must_use]
    pub fn kid(&self) -> &str {
        &self.kid
    }

    /// What it signs with.
    #[must_use]
    pub fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

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
        let kid = &self.kid;
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
        Self::from_der(algorithm, &der, random)
    }

    fn from_der(algorithm: Algorithm, der: &[u8], random: &SystemRandom) -> Result<Self, KeyError> {
        let other = KeyError { algorithm, problem: "key file holds a key of another kind" };
        let rsa =
            |encoding| RsaKeyPair::from_pkcs8(der).map(|pair| Self::Rsa(Box::new(pair), encoding));
        match algorithm {
            Algorithm::Rs256 => rsa(&RSA_PKCS1_SHA256),
            Algorithm::Ps256 => rsa(&RSA_PSS_SHA256),
            Algorithm::Es256 | Algorithm::Es384 => {
                let (signing, curve) = algorithm.curve().ok_or(other)?;
                EcdsaKeyPair::from_pkcs8(signing, der, random)
                    .map(|pair| Self::Ec(Box::new(pair), curve))
            }
            Algorithm::EdDsa => Ed25519KeyPair::from_pkcs8_maybe_unchecked(der).map(Self::Ed),
            Algorithm::Hs256 => return Err(other),
        }
        .map_err(|_| other)
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
