//! The question to the service (RFC 7662 §2.1).

use std::fmt;
use std::time::Duration;

use ct_codecs::{Base64, Encoder};
use postern_core::Ask;
use postern_core::config::{At, Errors};
use postern_core::filter::Environment;
use postern_core::secret::Variable;

use super::config::{ClientConfig, IntrospectionConfig};
use crate::remote::Uri;

/// How to ask.
pub(super) struct Question {
    pub(super) cluster: String,
    endpoint: Uri,
    /// The value of `authorization`: a secret.
    authorization: String,
    hint: Option<String>,
    pub(super) timeout: Duration,
}

/// Without the secret.
impl fmt::Debug for Question {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Question to {}", self.endpoint.authority)
    }
}

impl Question {
    pub(super) fn compile(
        config: &IntrospectionConfig,
        at: At<'_>,
        environment: &Environment<'_>,
        errors: &mut Errors,
    ) -> Self {
        let authorization = match (&config.client, &config.bearer_env) {
            (Some(client), _) => at.node().get("client").and_then(|node| {
                let at = at.key("client", node);
                Some(basic(
                    client,
                    &read(&client.secret_env, "secret_env", at, environment, errors)?,
                ))
            }),
            (None, Some(bearer)) => {
                read(bearer, "bearer_env", at, environment, errors).map(|t| format!("Bearer {t}"))
            }
            (None, None) => None,
        };
        Question {
            cluster: config.cluster.as_str().to_owned(),
            endpoint: config.uri.clone(),
            authorization: authorization.unwrap_or_default(),
            hint: config.token_type_hint.as_ref().map(|hint| hint.as_str().to_owned()),
            timeout: config.timeout.get(),
        }
    }

    /// The question about a token.
    pub(super) fn about(&self, token: &[u8]) -> Ask {
        let mut body = b"token=".to_vec();
        push_encoded(&mut body, token);
        if let Some(hint) = &self.hint {
            body.extend_from_slice(b"&token_type_hint=");
            push_encoded(&mut body, hint.as_bytes());
        }
        let header = |name: &'static str, value: &str| (name.into(), value.as_bytes().to_vec());
        Ask {
            cluster: self.cluster.clone(),
            headers: vec![
                header(":method", "POST"),
                header(":path", &self.endpoint.path),
                header(":authority", &self.endpoint.authority),
                header("authorization", &self.authorization),
                header("content-type", "application/x-www-form-urlencoded"),
                header("accept", "application/json"),
            ],
            body,
            deadline: self.timeout,
        }
    }
}

/// Id and secret are encoded before they are joined (RFC 6749 §2.3.1).
fn basic(client: &ClientConfig, secret: &str) -> String {
    let mut pair = Vec::new();
    push_encoded(&mut pair, client.id.as_str().as_bytes());
    pair.push(b':');
    push_encoded(&mut pair, secret.as_bytes());
    format!("Basic {}", Base64::encode_to_string(pair).unwrap_or_default())
}

/// Reads a secret; what is wrong is said without it.
fn read(
    variable: &Variable,
    key: &str,
    at: At<'_>,
    environment: &Environment<'_>,
    errors: &mut Errors,
) -> Option<String> {
    let at = at.key(key, at.node().get(key)?);
    let name = variable.as_str();
    match environment(name).filter(|text| !text.is_empty()) {
        None => at.error(errors, format!("the environment variable `{name}` is not set")),
        Some(text) if text.bytes().all(|b| b.is_ascii_graphic()) => return Some(text),
        Some(_) => at.error(
            errors,
            format!("the environment variable `{name}` has blanks, or is not printable ASCII"),
        ),
    }
    None
}

/// Percent-encodes all but the unreserved characters of RFC 3986, which is also
/// `application/x-www-form-urlencoded`.
fn push_encoded(out: &mut Vec<u8>, text: &[u8]) {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    let digit = |nibble: u8| DIGITS.get(usize::from(nibble & 15)).copied().unwrap_or(b'0');
    for b in text {
        if b.is_ascii_alphanumeric() || b"-._~".contains(b) {
            out.push(*b);
        } else {
            out.extend_from_slice(&[b'%', digit(b >> 4), digit(*b)]);
        }
    }
}
