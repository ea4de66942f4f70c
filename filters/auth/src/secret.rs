//! A shared secret for HMAC. It never stands in a policy.

use postern_core::config::{At, Errors, Text};
use postern_core::filter::Environment;
use postern_core::secret::{Variable, read};

use crate::algorithm::{Algorithm, Shape};
use crate::key::Key;
use crate::material::Material;

postern_core::config! {
    /// A shared secret, as base64url in a variable of the proxy's environment.
    /// It has at least as many bytes as the algorithm's hash: 32, 48 or 64.
    pub struct SecretConfig {
        /// The variable's name.
        env: Variable,
        /// The algorithm: `HS256`, `HS384` or `HS512`.
        alg: Algorithm,
        /// The key's id; a token with a `kid` is only checked with this key
        /// if it is the same.
        kid: Option<Text>,
    }
}

impl SecretConfig {
    /// Reads the secret; what is wrong is said without it.
    pub(crate) fn read(
        &self,
        at: At<'_>,
        environment: &Environment<'_>,
        errors: &mut Errors,
    ) -> Option<Key> {
        let Shape::Secret(least) = self.alg.shape() else {
            if let Some(node) = at.node().get("alg") {
                at.key("alg", node).error(errors, "expected `HS256`, `HS384` or `HS512`");
            }
            return None;
        };
        let node = at.node().get("env")?;
        let secret = read(&self.env, least, at.key("env", node), environment, errors)?;
        let kid = self.kid.as_ref().map(|k| k.as_str().to_owned());
        Key::new(kid, self.alg, Material::Secret(secret))
    }
}
