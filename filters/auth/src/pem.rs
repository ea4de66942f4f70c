//! A public key in PEM (RFC 7468).

use ct_codecs::{Base64, Decoder};
use postern_core::config::schema::Schema;
use postern_core::config::{At, Decode, Errors, Text, decode_text};

use crate::algorithm::{Algorithm, Shape};
use crate::key::Key;
use crate::material::Material;

/// The longest PEM text in bytes: an RSA key of 4096 bits has about 800.
const MAX_BYTES: usize = 4096;

postern_core::config! {
    /// A public key in PEM, as `openssl pkey -pubout` prints it.
    pub struct PemConfig {
        /// The key: `-----BEGIN PUBLIC KEY-----` (SubjectPublicKeyInfo), or
        /// `-----BEGIN RSA PUBLIC KEY-----` (PKCS#1).
        key: PublicPem,
        /// The algorithm that it serves.
        alg: Algorithm,
        /// The key's id, as the issuer's tokens name it. Without it the key serves
        /// only tokens that have no `kid`; one with a `kid` is refused
        /// (`unknown_key`), also where this is the only key. Most issuers write a
        /// `kid`: as a fallback beside `remote` or `discovery` the key needs the
        /// issuer's, as it stands in the JWK Set.
        kid: Option<Text>,
    }
}

impl PemConfig {
    /// The key; what is wrong is noted.
    pub(crate) fn read(&self, at: At<'_>, errors: &mut Errors) -> Option<Key> {
        let shape = self.alg.shape();
        let good = match shape {
            Shape::Secret(_) => None,
            shape => Material::from_der(&self.key.der, shape).ok(),
        };
        let kid = self.kid.as_ref().map(|k| k.as_str().to_owned());
        let key = good.and_then(|material| Key::new(kid, self.alg, material));
        if key.is_none() {
            let expected = match shape {
                Shape::Secret(_) => {
                    let expected = "an algorithm for public keys; for a secret use `secret`";
                    if let Some(node) = at.node().get("alg") {
                        at.key("alg", node).error(errors, format!("expected {expected}"));
                    }
                    return None;
                }
                Shape::Rsa => "an RSA key of 2048 to 4096 bits with the exponent 65537",
                Shape::Point(_) => "an uncompressed point on the curve of `alg`",
                Shape::Ed25519 => "an Ed25519 key",
            };
            if let Some(node) = at.node().get("key") {
                at.key("key", node).error(errors, format!("expected {expected}"));
            }
        }
        key
    }
}

/// One block of PEM with a public key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublicPem {
    der: Vec<u8>,
}

impl PublicPem {
    fn parse(text: &str) -> Result<Self, String> {
        const EXPECTED: &str = "expected a public key in PEM, from `-----BEGIN PUBLIC KEY-----` \
                                to `-----END PUBLIC KEY-----`";
        if text.contains("PRIVATE KEY-----") {
            return Err("a private key cannot stand in a policy: give the public key only \
                        (`openssl pkey -pubout`)"
                .to_owned());
        }
        if text.contains("BEGIN CERTIFICATE-----") {
            return Err("a certificate is not a public key: take its key out \
                        (`openssl x509 -pubkey -noout`)"
                .to_owned());
        }
        let block = |label: &str| {
            let rest = text.trim().strip_prefix("-----BEGIN ")?.strip_prefix(label)?;
            rest.strip_prefix("-----")?.strip_suffix("-----")?.strip_suffix(label)
        };
        let body = ["PUBLIC KEY", "RSA PUBLIC KEY"].into_iter().find_map(block);
        let body =
            body.and_then(|b| b.strip_suffix("-----END ")).filter(|_| text.len() <= MAX_BYTES);
        let base64: Option<String> = body.map(|b| b.split_ascii_whitespace().collect());
        match base64.and_then(|b| Base64::decode_to_vec(b, None).ok()) {
            Some(der) if !der.is_empty() => Ok(PublicPem { der }),
            _ => Err(EXPECTED.to_owned()),
        }
    }
}

impl Decode for PublicPem {
    fn decode(at: At<'_>, errors: &mut Errors) -> Option<Self> {
        decode_text(at, errors, "a public key in PEM", PublicPem::parse)
    }

    fn schema() -> Schema {
        Schema::Text {
            expected: "a public key in PEM",
            pattern: Some(
                "^\\s*-----BEGIN (RSA )?PUBLIC KEY-----[^-]*-----END (RSA )?PUBLIC KEY-----\\s*$",
            ),
        }
    }
}
