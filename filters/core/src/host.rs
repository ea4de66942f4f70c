//! What a pure core asks of its surroundings: small questions with an answer
//! at once. Everything that takes time is a [`Step`](crate::Step) instead.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::time::Duration;

/// A property that is there, of a kind that the proxy cannot hand out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unreadable;

/// The surroundings of a filter. Implemented over proxy-wasm by
/// `postern-host`, and as a stateful stand-in by [`fake`](crate::fake).
pub trait Host {
    /// Wall-clock time since the Unix epoch.
    fn now(&self) -> Duration;

    /// An attribute or filter state of the stream, for example
    /// `["source", "address"]`; `None` when it is not there.
    fn property(&self, path: &[&str]) -> Option<Vec<u8>>;

    /// The same, told apart from one that is there and that the proxy cannot hand out.
    ///
    /// # Errors
    /// It cannot.
    fn read(&self, path: &[&str]) -> Result<Option<Vec<u8>>, Unreadable> {
        Ok(self.property(path))
    }

    /// Checks a signature with the host's own cryptography. `None`: this host
    /// cannot check that kind, the filter has to do it itself.
    fn verify(&self, check: &SignatureCheck<'_>) -> Option<bool>;

    /// A value of the map that all workers share, with the token for
    /// [`Host::store`].
    fn load(&self, key: &str) -> Stored;

    /// Puts a value into the shared map if nobody changed it since `seen` was
    /// loaded.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] if somebody did: load again.
    fn store(&self, key: &str, value: &[u8], seen: &Stored) -> Result<(), StoreError>;

    /// Puts a value into the shared map, whatever is there.
    ///
    /// # Errors
    /// The host could not write.
    fn put(&self, key: &str, value: &[u8]) -> Result<(), StoreError> {
        self.store(key, value, &self.load(key))
    }

    /// Bytes that nobody outside can guess: a seed for keyed hashes, not a key
    /// for signatures. Never the same twice.
    fn random(&self) -> [u8; 16] {
        // The standard library seeds these from the system's randomness.
        let half = || RandomState::new().build_hasher().finish();
        let mut out = [0; 16];
        let bytes = half().to_le_bytes().into_iter().chain(half().to_le_bytes());
        for (to, from) in out.iter_mut().zip(bytes) {
            *to = from;
        }
        out
    }
}

/// What [`Host::load`] found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stored {
    /// Nothing under this key yet.
    Absent,
    /// A value, and the host's compare-and-swap token for it.
    Value(Vec<u8>, u32),
    /// The host could not answer.
    Unavailable,
}

/// Why a shared value was not written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StoreError {
    /// Another worker wrote in between.
    Conflict,
    /// The host could not write.
    Unavailable,
}

/// A signature kind that a host may check.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SignatureAlgorithm {
    /// RSASSA-PKCS1-v1_5 with SHA-256 (RFC 7518 `RS256`).
    Rs256,
    /// The same with SHA-384.
    Rs384,
    /// The same with SHA-512.
    Rs512,
    /// ECDSA on P-256 with SHA-256 (RFC 7518 `ES256`).
    Es256,
    /// ECDSA on P-384 with SHA-384.
    Es384,
    /// ECDSA on P-521 with SHA-512.
    Es512,
}

/// One question for [`Host::verify`].
#[derive(Clone, Copy)]
pub struct SignatureCheck<'a> {
    /// The kind of signature.
    pub algorithm: SignatureAlgorithm,
    /// The public key as SubjectPublicKeyInfo, DER (RFC 5280).
    pub public_key: &'a [u8],
    /// The signature: PKCS#1 bytes, or r‖s of fixed length as in a JWS
    /// (RFC 7518 §3.4); the host converts where it needs DER.
    pub signature: &'a [u8],
    /// The signed bytes.
    pub message: &'a [u8],
}
