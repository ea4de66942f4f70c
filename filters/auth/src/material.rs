//! What signatures are checked with: numbers that were checked to be those of
//! a key.

use ed25519_compact::PublicKey as Ed25519Key;
use jwt_simple::algorithms::{Edwards25519PublicKey, RSAPublicKey};
use superboring::pkey::{PKey, Public};
use superboring::rsa::Rsa;

use crate::algorithm::{Algorithm, Shape};

/// What a signature is checked with; `spki` is the SubjectPublicKeyInfo in DER
/// (RFC 5280), for the host.
pub(crate) enum Material {
    Rsa {
        key: Box<PKey<Public>>,
        /// Of a signature, in bytes.
        size: usize,
        spki: Vec<u8>,
    },
    P256 {
        key: Box<p256::ecdsa::VerifyingKey>,
        spki: Vec<u8>,
    },
    P384 {
        key: Box<p384::ecdsa::VerifyingKey>,
        spki: Vec<u8>,
    },
    /// The host alone checks with it, and that the point is on the curve.
    P521 {
        spki: Vec<u8>,
    },
    Secp256k1 {
        key: Box<k256::ecdsa::VerifyingKey>,
        spki: Vec<u8>,
    },
    Ed25519(Box<Ed25519Key>),
    Secret(Vec<u8>),
}

/// The numbers of a key are not those of a usable key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct BadKey;

/// An elliptic curve of ECDSA.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Curve {
    P256,
    P384,
    P521,
    Secp256k1,
}

/// What stands before the 32 bytes of an Ed25519 key (RFC 8410 §4).
const ED25519_SPKI: &[u8] = b"\x30\x2a\x30\x05\x06\x03\x2b\x65\x70\x03\x21\0";

impl Curve {
    /// The curve of a JWK's `crv` (RFC 7518 §6.2.1.1, RFC 8812 §3.1).
    pub(crate) fn parse(crv: &str) -> Option<Self> {
        match crv {
            "P-256" => Some(Curve::P256),
            "P-384" => Some(Curve::P384),
            "P-521" => Some(Curve::P521),
            "secp256k1" => Some(Curve::Secp256k1),
            _ => None,
        }
    }

    /// The bytes of a coordinate.
    fn size(self) -> usize {
        match self {
            Curve::P256 | Curve::Secp256k1 => 32,
            Curve::P384 => 48,
            Curve::P521 => 66,
        }
    }

    /// What stands before an uncompressed point (RFC 5480 §2).
    fn spki(self) -> &'static [u8] {
        match self {
            Curve::P256 => {
                b"\x30\x59\x30\x13\x06\x07\x2a\x86\x48\xce\x3d\x02\x01\
                  \x06\x08\x2a\x86\x48\xce\x3d\x03\x01\x07\x03\x42\0"
            }
            Curve::P384 => {
                b"\x30\x76\x30\x10\x06\x07\x2a\x86\x48\xce\x3d\x02\x01\
                  \x06\x05\x2b\x81\x04\0\x22\x03\x62\0"
            }
            Curve::P521 => {
                b"\x30\x81\x9b\x30\x10\x06\x07\x2a\x86\x48\xce\x3d\x02\x01\
                  \x06\x05\x2b\x81\x04\0\x23\x03\x81\x86\0"
            }
            Curve::Secp256k1 => {
                b"\x30\x56\x30\x10\x06\x07\x2a\x86\x48\xce\x3d\x02\x01\
                  \x06\x05\x2b\x81\x04\0\x0a\x03\x42\0"
            }
        }
    }
}

impl Material {
    /// An RSA key of 2048 to 4096 bits with the exponent 65537, from the
    /// big-endian numbers of a JWK.
    pub(crate) fn rsa(n: &[u8], e: &[u8]) -> Result<Self, BadKey> {
        // `RSAPublicKey` looks at the last byte without asking whether it is there.
        if n.is_empty() || e.is_empty() {
            return Err(BadKey);
        }
        Material::from_rsa(&RSAPublicKey::from_components(n, e).map_err(|_| BadKey)?)
    }

    fn from_rsa(checked: &RSAPublicKey) -> Result<Self, BadKey> {
        let spki = checked.to_der().map_err(|_| BadKey)?;
        let key: &Rsa<Public> = checked.as_ref();
        let size = key.size() as usize;
        let key = Box::new(PKey::from_rsa(key.clone()).map_err(|_| BadKey)?);
        Ok(Material::Rsa { key, size, spki })
    }

    /// A point on a curve; both coordinates have their full length (RFC 7518
    /// §6.2.1.2).
    pub(crate) fn point(curve: Curve, x: &[u8], y: &[u8]) -> Result<Self, BadKey> {
        if x.len() != curve.size() || y.len() != curve.size() {
            return Err(BadKey);
        }
        // SEC 1 §2.3.3: uncompressed.
        let point = [&[4], x, y].concat();
        let spki = [curve.spki(), &point].concat();
        match curve {
            Curve::P256 => {
                let key = p256::ecdsa::VerifyingKey::from_sec1_bytes(&point).map_err(|_| BadKey)?;
                Ok(Material::P256 { key: Box::new(key), spki })
            }
            Curve::P384 => {
                let key = p384::ecdsa::VerifyingKey::from_sec1_bytes(&point).map_err(|_| BadKey)?;
                Ok(Material::P384 { key: Box::new(key), spki })
            }
            Curve::P521 => {
                let fits = |n: &[u8]| n.first().is_some_and(|top| *top <= 1);
                if fits(x) && fits(y) { Ok(Material::P521 { spki }) } else { Err(BadKey) }
            }
            Curve::Secp256k1 => {
                let key = k256::ecdsa::VerifyingKey::from_sec1_bytes(&point).map_err(|_| BadKey)?;
                Ok(Material::Secp256k1 { key: Box::new(key), spki })
            }
        }
    }

    /// An Ed25519 key of 32 bytes, not of small order.
    pub(crate) fn ed25519(x: &[u8]) -> Result<Self, BadKey> {
        let checked = Edwards25519PublicKey::from_bytes(x).map_err(|_| BadKey)?;
        Ok(Material::Ed25519(Box::new(*checked.as_ref())))
    }

    /// A public key in DER: SubjectPublicKeyInfo with an uncompressed point,
    /// or PKCS#1 (RFC 8017 A.1.1) for RSA.
    pub(crate) fn from_der(der: &[u8], shape: Shape) -> Result<Self, BadKey> {
        match shape {
            Shape::Rsa => Material::from_rsa(&RSAPublicKey::from_der(der).map_err(|_| BadKey)?),
            Shape::Point(curve) => {
                let point = der.strip_prefix(curve.spki()).and_then(|p| p.strip_prefix(&[4]));
                let (x, y) = point.and_then(|p| p.split_at_checked(curve.size())).ok_or(BadKey)?;
                Material::point(curve, x, y)
            }
            Shape::Ed25519 => Material::ed25519(der.strip_prefix(ED25519_SPKI).ok_or(BadKey)?),
            Shape::Secret(_) => Err(BadKey),
        }
    }

    /// Is this the kind of key that the algorithm needs?
    pub(crate) fn fits(&self, algorithm: Algorithm) -> bool {
        match (self, algorithm.shape()) {
            (Material::Rsa { .. }, Shape::Rsa)
            | (Material::P256 { .. }, Shape::Point(Curve::P256))
            | (Material::P384 { .. }, Shape::Point(Curve::P384))
            | (Material::P521 { .. }, Shape::Point(Curve::P521))
            | (Material::Secp256k1 { .. }, Shape::Point(Curve::Secp256k1))
            | (Material::Ed25519(_), Shape::Ed25519) => true,
            (Material::Secret(secret), Shape::Secret(least)) => secret.len() >= least,
            _ => false,
        }
    }

    /// SubjectPublicKeyInfo in DER, where there is one at hand.
    pub(crate) fn spki(&self) -> Option<&[u8]> {
        match self {
            Material::Rsa { spki, .. }
            | Material::P256 { spki, .. }
            | Material::P384 { spki, .. }
            | Material::P521 { spki }
            | Material::Secp256k1 { spki, .. } => Some(spki),
            Material::Ed25519(_) | Material::Secret(_) => None,
        }
    }

    /// Bytes that stand for this key and no other.
    pub(crate) fn bytes(&self) -> &[u8] {
        match self {
            Material::Ed25519(key) => &key[..],
            Material::Secret(secret) => secret,
            other => other.spki().unwrap_or_default(),
        }
    }
}
