//! Secrets stand in variables of the proxy's environment, never in a policy.

use ct_codecs::{Base64UrlSafeNoPadding, Decoder};

use crate::config::schema::Schema;
use crate::config::{At, Decode, Errors, decode_text};
use crate::filter::Environment;

/// Reads a secret of at least so many bytes, as base64url; what is wrong is said
/// without it. `at` is where the variable is named. `None`: an error was added.
#[must_use]
pub fn read(
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
    /// Its name.
    #[must_use]
    pub fn as_str(&self) -> &str {
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
