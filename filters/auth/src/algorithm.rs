//! Signature algorithms (RFC 7518, RFC 8037, RFC 8812): one row each. A further
//! one is a variant here, and a way to check it in [`crate::key`].

use postern_core::SignatureAlgorithm;

use crate::material::Curve;

postern_core::config! {
    /// A signature algorithm, by its JOSE name. `none` is not one.
    pub choice Algorithm {
        /// RSASSA-PKCS1-v1_5 with SHA-256.
        Rs256 = "RS256",
        /// RSASSA-PKCS1-v1_5 with SHA-384.
        Rs384 = "RS384",
        /// RSASSA-PKCS1-v1_5 with SHA-512.
        Rs512 = "RS512",
        /// RSASSA-PSS with SHA-256 and a salt of 32 bytes.
        Ps256 = "PS256",
        /// RSASSA-PSS with SHA-384 and a salt of 48 bytes.
        Ps384 = "PS384",
        /// RSASSA-PSS with SHA-512 and a salt of 64 bytes.
        Ps512 = "PS512",
        /// ECDSA on P-256 with SHA-256.
        Es256 = "ES256",
        /// ECDSA on P-384 with SHA-384.
        Es384 = "ES384",
        /// ECDSA on P-521 with SHA-512, where the proxy can check it (Envoy can).
        Es512 = "ES512",
        /// ECDSA on secp256k1 with SHA-256.
        Es256k = "ES256K",
        /// Ed25519.
        EdDsa = "EdDSA",
        /// HMAC with SHA-256.
        Hs256 = "HS256",
        /// HMAC with SHA-384.
        Hs384 = "HS384",
        /// HMAC with SHA-512.
        Hs512 = "HS512",
    }
}

/// What kind of key an algorithm needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shape {
    Rsa,
    Point(Curve),
    Ed25519,
    /// A shared secret of at least so many bytes: the size of the hash (RFC
    /// 7518 §3.2).
    Secret(usize),
}

impl Algorithm {
    /// All of them.
    pub(crate) const ALL: [Algorithm; 14] = [
        Algorithm::Rs256,
        Algorithm::Rs384,
        Algorithm::Rs512,
        Algorithm::Ps256,
        Algorithm::Ps384,
        Algorithm::Ps512,
        Algorithm::Es256,
        Algorithm::Es384,
        Algorithm::Es512,
        Algorithm::Es256k,
        Algorithm::EdDsa,
        Algorithm::Hs256,
        Algorithm::Hs384,
        Algorithm::Hs512,
    ];

    /// The algorithm of a JOSE header's `alg`, compared byte for byte.
    pub(crate) fn parse(name: &str) -> Option<Self> {
        Algorithm::ALL.into_iter().find(|a| a.name() == name)
    }

    /// Its JOSE name.
    pub(crate) fn name(self) -> &'static str {
        self.row().0
    }

    /// The key that it needs.
    pub(crate) fn shape(self) -> Shape {
        self.row().1
    }

    /// As the host may know it.
    pub(crate) fn host(self) -> Option<SignatureAlgorithm> {
        self.row().2
    }

    fn row(self) -> (&'static str, Shape, Option<SignatureAlgorithm>) {
        use SignatureAlgorithm as Host;
        match self {
            Algorithm::Rs256 => ("RS256", Shape::Rsa, Some(Host::Rs256)),
            Algorithm::Rs384 => ("RS384", Shape::Rsa, Some(Host::Rs384)),
            Algorithm::Rs512 => ("RS512", Shape::Rsa, Some(Host::Rs512)),
            Algorithm::Ps256 => ("PS256", Shape::Rsa, None),
            Algorithm::Ps384 => ("PS384", Shape::Rsa, None),
            Algorithm::Ps512 => ("PS512", Shape::Rsa, None),
            Algorithm::Es256 => ("ES256", Shape::Point(Curve::P256), Some(Host::Es256)),
            Algorithm::Es384 => ("ES384", Shape::Point(Curve::P384), Some(Host::Es384)),
            Algorithm::Es512 => ("ES512", Shape::Point(Curve::P521), Some(Host::Es512)),
            Algorithm::Es256k => ("ES256K", Shape::Point(Curve::Secp256k1), None),
            Algorithm::EdDsa => ("EdDSA", Shape::Ed25519, None),
            Algorithm::Hs256 => ("HS256", Shape::Secret(32), None),
            Algorithm::Hs384 => ("HS384", Shape::Secret(48), None),
            Algorithm::Hs512 => ("HS512", Shape::Secret(64), None),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_compared_byte_for_byte() {
        for algorithm in Algorithm::ALL {
            assert_eq!(Algorithm::parse(algorithm.name()), Some(algorithm));
        }
        for other in ["none", "None", "NONE", "nOnE", "", "rs256", "RS256 ", "ES256k", "HS1"] {
            assert_eq!(Algorithm::parse(other), None, "{other}");
        }
    }
}
