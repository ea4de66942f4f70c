//! A key, pinned to one algorithm, and the check of a signature with it: by
//! the host where it can, else here.

use ct_codecs::verify as equal_in_constant_time;
use ed25519_compact::{PublicKey as Ed25519Key, Signature as Ed25519Signature};
use jwt_simple::algorithms::{Edwards25519PublicKey, P256PublicKey, P384PublicKey, RSAPublicKey};
use p256::ecdsa::signature::Verifier as _;
use postern_core::{Host, SignatureCheck};
use superboring::error::ErrorStack;
use superboring::hash::MessageDigest;
use superboring::pkey::{PKey, Public};
use superboring::rsa::{Padding, Rsa};
use superboring::sign::Verifier;

use crate::algorithm::{Algorithm, Shape};

/// A key of an issuer.
pub(crate) struct Key {
    kid: Option<String>,
    algorithm: Algorithm,
    material: Material,
}

/// What a signature is checked with.
pub(crate) enum Material {
    Rsa { key: Box<PKey<Public>>, size: usize, spki: Vec<u8> },
    P256 { key: Box<p256::ecdsa::VerifyingKey>, spki: Vec<u8> },
    P384 { key: Box<p384::ecdsa::VerifyingKey>, spki: Vec<u8> },
    Ed25519(Box<Ed25519Key>),
    Secret(Vec<u8>),
}

/// The numbers of a key are not those of a usable key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct BadKey;

impl Key {
    /// A key for one algorithm; `None` if it is not of the kind that the
    /// algorithm needs.
    pub(crate) fn new(
        kid: Option<String>,
        algorithm: Algorithm,
        material: Material,
    ) -> Option<Self> {
        material.fits(algorithm).then_some(Key { kid, algorithm, material })
    }

    pub(crate) fn kid(&self) -> Option<&str> {
        self.kid.as_deref()
    }

    pub(crate) fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// Does `signature` (as in a JWS, decoded) sign `message`?
    pub(crate) fn verifies(&self, message: &[u8], signature: &[u8], host: &dyn Host) -> bool {
        if let Some((algorithm, public_key)) = self.algorithm.host().zip(self.material.spki()) {
            let check = SignatureCheck { algorithm, public_key, signature, message };
            if let Some(verdict) = host.verify(&check) {
                return verdict;
            }
        }
        self.verifies_here(message, signature)
    }

    fn verifies_here(&self, message: &[u8], signature: &[u8]) -> bool {
        match &self.material {
            Material::Rsa { key, size, .. } => {
                signature.len() == *size
                    && self
                        .digest()
                        .is_some_and(|d| rsa(key, d, message, signature).unwrap_or(false))
            }
            Material::P256 { key, .. } => p256::ecdsa::Signature::from_slice(signature)
                .is_ok_and(|s| key.verify(message, &s).is_ok()),
            Material::P384 { key, .. } => p384::ecdsa::Signature::from_slice(signature)
                .is_ok_and(|s| key.verify(message, &s).is_ok()),
            Material::Ed25519(key) => Ed25519Signature::from_slice(signature)
                .is_ok_and(|s| key.verify(message, &s).is_ok()),
            Material::Secret(secret) => {
                self.mac(secret, message).is_some_and(|mac| equal_in_constant_time(&mac, signature))
            }
        }
    }

    fn digest(&self) -> Option<MessageDigest> {
        match self.algorithm {
            Algorithm::Rs256 => Some(MessageDigest::sha256()),
            Algorithm::Rs384 => Some(MessageDigest::sha384()),
            Algorithm::Rs512 => Some(MessageDigest::sha512()),
            _ => None,
        }
    }

    fn mac(&self, secret: &[u8], message: &[u8]) -> Option<Vec<u8>> {
        match self.algorithm {
            Algorithm::Hs256 => Some(hmac_sha256::HMAC::mac(message, secret).to_vec()),
            Algorithm::Hs384 => Some(hmac_sha512::sha384::HMAC::mac(message, secret).to_vec()),
            Algorithm::Hs512 => Some(hmac_sha512::HMAC::mac(message, secret).to_vec()),
            _ => None,
        }
    }
}

fn rsa(
    key: &PKey<Public>,
    digest: MessageDigest,
    message: &[u8],
    signature: &[u8],
) -> Result<bool, ErrorStack> {
    let mut verifier = Verifier::new(digest, key)?;
    verifier.set_rsa_padding(Padding::PKCS1)?;
    verifier.update(message)?;
    verifier.verify(signature)
}

impl std::fmt::Debug for Key {
    /// Never the material: it may be a secret.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Key").field("kid", &self.kid).field("algorithm", &self.algorithm).finish()
    }
}

impl Material {
    /// An RSA key of 2048 to 4096 bits with the exponent 65537, from the
    /// big-endian numbers of a JWK.
    pub(crate) fn rsa(n: &[u8], e: &[u8]) -> Result<Self, BadKey> {
        let checked = RSAPublicKey::from_components(n, e).map_err(|_| BadKey)?;
        let spki = checked.to_der().map_err(|_| BadKey)?;
        let key: &Rsa<Public> = checked.as_ref();
        let size = key.size() as usize;
        let key = Box::new(PKey::from_rsa(key.clone()).map_err(|_| BadKey)?);
        Ok(Material::Rsa { key, size, spki })
    }

    /// A point on P-256.
    pub(crate) fn p256(x: &[u8], y: &[u8]) -> Result<Self, BadKey> {
        let checked = P256PublicKey::from_bytes(&sec1(x, y, 32)?).map_err(|_| BadKey)?;
        let spki = checked.to_der().map_err(|_| BadKey)?;
        Ok(Material::P256 { key: Box::new(*checked.as_ref()), spki })
    }

    /// A point on P-384.
    pub(crate) fn p384(x: &[u8], y: &[u8]) -> Result<Self, BadKey> {
        let checked = P384PublicKey::from_bytes(&sec1(x, y, 48)?).map_err(|_| BadKey)?;
        let spki = checked.to_der().map_err(|_| BadKey)?;
        Ok(Material::P384 { key: Box::new(*checked.as_ref()), spki })
    }

    /// An Ed25519 key of 32 bytes, not of small order.
    pub(crate) fn ed25519(x: &[u8]) -> Result<Self, BadKey> {
        let checked = Edwards25519PublicKey::from_bytes(x).map_err(|_| BadKey)?;
        Ok(Material::Ed25519(Box::new(*checked.as_ref())))
    }

    /// Is this the kind of key that the algorithm needs?
    pub(crate) fn fits(&self, algorithm: Algorithm) -> bool {
        match (self, algorithm.shape()) {
            (Material::Rsa { .. }, Shape::Rsa)
            | (Material::P256 { .. }, Shape::P256)
            | (Material::P384 { .. }, Shape::P384)
            | (Material::Ed25519(_), Shape::Ed25519) => true,
            (Material::Secret(secret), Shape::Secret(least)) => secret.len() >= least,
            _ => false,
        }
    }

    /// SubjectPublicKeyInfo in DER, where the host may be asked.
    fn spki(&self) -> Option<&[u8]> {
        match self {
            Material::Rsa { spki, .. }
            | Material::P256 { spki, .. }
            | Material::P384 { spki, .. } => Some(spki),
            Material::Ed25519(_) | Material::Secret(_) => None,
        }
    }
}

/// An uncompressed point (SEC 1 §2.3.3); both coordinates have their full
/// length (RFC 7518 §6.2.1.2).
fn sec1(x: &[u8], y: &[u8], size: usize) -> Result<Vec<u8>, BadKey> {
    if x.len() != size || y.len() != size {
        return Err(BadKey);
    }
    Ok([&[4], x, y].concat())
}
