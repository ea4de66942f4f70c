//! A key, pinned to one algorithm, and the check of a signature with it: by
//! the host where it can, else here.

use std::rc::Rc;

use ct_codecs::{Base64UrlSafeNoPadding, Encoder, verify as equal_in_constant_time};
use ed25519_compact::Signature as Ed25519Signature;
use k256::ecdsa::signature::Verifier as _;
use postern_core::digest::sha256;
use postern_core::{Host, SignatureCheck};
use superboring::error::ErrorStack;
use superboring::hash::MessageDigest;
use superboring::pkey::{PKey, Public};
use superboring::rsa::Padding;
use superboring::sign::{RsaPssSaltlen, Verifier};

use crate::algorithm::Algorithm;
use crate::budget::{Budget, Cost, DEAREST};
use crate::checked::Failure;
use crate::material::Material;
use crate::reason::Reason;

/// A key of an issuer.
pub(crate) struct Key {
    kid: Option<String>,
    algorithm: Algorithm,
    material: Material,
    fingerprint: Rc<str>,
}

impl Key {
    /// A key for one algorithm; `None` if it is not of the kind that the
    /// algorithm needs.
    pub(crate) fn new(
        kid: Option<String>,
        algorithm: Algorithm,
        material: Material,
    ) -> Option<Self> {
        let said = [algorithm.name().as_bytes(), b":", material.bytes()].concat();
        let fingerprint = Base64UrlSafeNoPadding::encode_to_string(sha256(&said)).ok()?;
        let fingerprint = fingerprint.into();
        material.fits(algorithm).then_some(Key { kid, algorithm, material, fingerprint })
    }

    pub(crate) fn kid(&self) -> Option<&str> {
        self.kid.as_deref()
    }

    pub(crate) fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// The same for the same numbers and the same algorithm, whatever the id.
    pub(crate) fn fingerprint(&self) -> &Rc<str> {
        &self.fingerprint
    }

    /// Checks that `signature` (as in a JWS, decoded) signs `message`; what that cost
    /// this worker.
    ///
    /// # Errors
    /// It does not; or that cannot be said now, or not at all on this host.
    pub(crate) fn check(
        &self,
        message: &[u8],
        signature: &[u8],
        host: &dyn Host,
        budget: &Budget,
    ) -> Result<Cost, Failure> {
        if !self.has_the_right_length(signature) {
            return Err(Reason::Signature.into());
        }
        if let Some((algorithm, public_key)) = self.algorithm.host().zip(self.material.spki()) {
            let check = SignatureCheck { algorithm, public_key, signature, message };
            if let Some(verdict) = host.verify(&check) {
                return if verdict { Ok(Cost::NONE) } else { Err(Reason::Signature.into()) };
            }
        }
        let cost = self.cost();
        if cost != Cost::NONE {
            budget.take(cost, host.now()).map_err(|retry_after| Failure::Busy { retry_after })?;
        }
        match self.verifies_here(message, signature) {
            Some(true) => Ok(cost),
            Some(false) => Err(Reason::Signature.into()),
            None => Err(Reason::Unsupported.into()),
        }
    }

    fn has_the_right_length(&self, signature: &[u8]) -> bool {
        let right = match &self.material {
            Material::Rsa { size, .. } => *size,
            Material::P256 { .. } | Material::Secp256k1 { .. } | Material::Ed25519(_) => 64,
            Material::P384 { .. } => 96,
            Material::P521 { .. } => 132,
            Material::Secret(_) => return true,
        };
        signature.len() == right
    }

    /// What a check here costs.
    fn cost(&self) -> Cost {
        Cost(match &self.material {
            // The time grows with the square of the length.
            Material::Rsa { size, .. } if *size <= 256 => 4,
            Material::Rsa { size, .. } if *size <= 384 => 9,
            Material::Rsa { .. } => DEAREST.0,
            Material::P384 { .. } => 4,
            Material::P256 { .. } | Material::Secp256k1 { .. } => 2,
            Material::Ed25519(_) => 1,
            Material::P521 { .. } | Material::Secret(_) => return Cost::NONE,
        })
    }

    /// `None`: that cannot be checked here.
    fn verifies_here(&self, message: &[u8], signature: &[u8]) -> Option<bool> {
        Some(match &self.material {
            Material::Rsa { key, .. } => {
                let (digest, padding) = self.digest()?;
                rsa(key, digest, padding, message, signature).unwrap_or(false)
            }
            Material::P256 { key, .. } => p256::ecdsa::Signature::from_slice(signature)
                .is_ok_and(|s| key.verify(message, &s).is_ok()),
            Material::P384 { key, .. } => p384::ecdsa::Signature::from_slice(signature)
                .is_ok_and(|s| key.verify(message, &s).is_ok()),
            // RFC 8812 takes either of the two values of s, the crate the
            // lower one alone.
            Material::Secp256k1 { key, .. } => k256::ecdsa::Signature::from_slice(signature)
                .is_ok_and(|s| key.verify(message, &s.normalize_s()).is_ok()),
            Material::P521 { .. } => return None,
            Material::Ed25519(key) => Ed25519Signature::from_slice(signature)
                .is_ok_and(|s| key.verify(message, &s).is_ok()),
            Material::Secret(secret) => {
                equal_in_constant_time(&self.mac(secret, message)?, signature)
            }
        })
    }

    fn digest(&self) -> Option<(MessageDigest, Padding)> {
        match self.algorithm {
            Algorithm::Rs256 => Some((MessageDigest::sha256(), Padding::PKCS1)),
            Algorithm::Rs384 => Some((MessageDigest::sha384(), Padding::PKCS1)),
            Algorithm::Rs512 => Some((MessageDigest::sha512(), Padding::PKCS1)),
            Algorithm::Ps256 => Some((MessageDigest::sha256(), Padding::PKCS1_PSS)),
            Algorithm::Ps384 => Some((MessageDigest::sha384(), Padding::PKCS1_PSS)),
            Algorithm::Ps512 => Some((MessageDigest::sha512(), Padding::PKCS1_PSS)),
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

/// For PSS, MGF1 has the same hash and the salt its length (RFC 7518 §3.5).
fn rsa(
    key: &PKey<Public>,
    digest: MessageDigest,
    padding: Padding,
    message: &[u8],
    signature: &[u8],
) -> Result<bool, ErrorStack> {
    let mut verifier = Verifier::new(digest, key)?;
    verifier.set_rsa_padding(padding)?;
    verifier.set_rsa_pss_saltlen(RsaPssSaltlen::DIGEST_LENGTH)?;
    verifier.update(message)?;
    verifier.verify(signature)
}

impl std::fmt::Debug for Key {
    /// Never the material: it may be a secret.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Key").field("kid", &self.kid).field("algorithm", &self.algorithm).finish()
    }
}
