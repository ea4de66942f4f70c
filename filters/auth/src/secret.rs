//! A shared secret for HMAC. It never stands in a policy.

use ct_codecs::{Base64UrlSafeNoPadding, Decoder};
use postern_core::config::schema::Schema;
use postern_core::config::{At, Decode, Errors, Text, decode_text};
use postern_core::filter::Environment;

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

/// Reads a secret of at least so many bytes, as base64url; what is wrong is said
/// without it. `at` is where the variable is named.
pub(crate) fn read(
    variable: &Variable,
    least: usize,
    at: At<'_>,
    environment: &Environment<'_>,
    errors: &mut Errors,
) -> Option<Vec<u8>> {
    let name = &variable.0;
    let Some(text) = environment(name).filter(|text| !text.is_empty()) else {
        at.error(errors, format!("the environment variable `{name}` is not set"));
        return None;
    };
    let unpadded = text.trim_end_matches('=');
    let Ok(secret) = Base64UrlSafeNoPadding::decode_to_vec(unpadded, None) else {
        at.error(errors, format!("the environment variable `{name}` is not base64url"));
        return None;
    };
    if secret.len() < least {
        at.error(
            errors,
            format!("the secret in the environment variable `{name}` has fewer than {least} bytes"),
        );
        return None;
    }
    Some(secret)
}

/// The name of an environment variable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Variable(String);

impl Variable {
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl Decode for Variable {
    fn decode(at: At<'_>, errors: &mut Errors) -> Option<Self> {
        const EXPECTED: &str = "the name of an environment variable such as `API_SECRET`";
        decode_text(at, errors, EXPECTED, |text| {
            let good = (1..=128).contains(&text.len())
                && !text.starts_with(|c: char| c.is_ascii_digit())
                && text.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'_');
            if good { Ok(Variable(text.to_owned())) } else { Err(format!("expected {EXPECTED}")) }
        })
    }

    fn schema() -> Schema {
        Schema::Text {
            expected: "the name of an environment variable such as `API_SECRET`",
            pattern: Some("^[A-Z_][A-Z0-9_]{0,127}$"),
        }
    }
}
