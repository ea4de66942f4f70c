//! Refusals, and the challenge in them (RFC 6750 §3, RFC 7617, RFC 9110
//! §11.6.1).

use postern_core::Refusal;
use postern_core::challenge::{Realm, Scope};
use postern_core::config::schema::Schema;
use postern_core::config::{At, Decode, Errors, decode_text};

use crate::provider::Place;
use crate::reason::Reason;
use crate::requirement::ChallengeConfig;
use crate::verdict::Unavailable;

/// What `WWW-Authenticate` says on some routes.
#[derive(Debug)]
pub(crate) struct Challenge {
    scheme: &'static str,
    realm: String,
    scopes: String,
    resource_metadata: Option<String>,
}

impl Challenge {
    /// One challenge, for the kind that most clients can follow: `Bearer`,
    /// else `Basic`, else `ApiKey`, `Signature` or `Certificate` (names of no
    /// standard). What a rule says of its `own` goes over what the policy says.
    pub(crate) fn new<'c>(
        realm: &Realm,
        resource_metadata: Option<&MetadataUrl>,
        own: Option<&ChallengeConfig>,
        places: impl Iterator<Item = &'c Place> + Clone,
    ) -> Self {
        let carriers = || places.clone().flat_map(Place::carriers);
        let scheme = if carriers().any(|c| c.scheme().is_some_and(|s| s != "basic")) {
            "Bearer"
        } else if carriers().any(|c| c.scheme() == Some("basic")) {
            "Basic"
        } else if carriers().next().is_some() {
            "ApiKey"
        } else if places.clone().any(|place| matches!(place, Place::Signature)) {
            "Signature"
        } else {
            "Certificate"
        };
        let realm = own.and_then(|own| own.realm.as_ref()).unwrap_or(realm);
        let scopes = own.map(|own| own.scopes.as_slice()).unwrap_or_default();
        let scopes: Vec<&str> = scopes.iter().map(Scope::as_str).collect();
        let metadata = own.and_then(|own| own.resource_metadata.as_ref()).or(resource_metadata);
        Challenge {
            scheme,
            realm: realm.as_str().to_owned(),
            scopes: scopes.join(" "),
            resource_metadata: metadata.map(|url| url.0.clone()),
        }
    }

    /// No credential, or none of a kind that is known: 401 without `error`.
    pub(crate) fn missing(&self) -> Refusal {
        let detail = "this resource needs a credential";
        Refusal::new(401, "missing_credential", "Authentication required", detail)
            .header("www-authenticate", self.value(None))
    }

    /// A scheme that nothing here reads: 401 without `error`.
    pub(crate) fn unsupported(&self) -> Refusal {
        let detail = "the authentication scheme is not supported";
        Refusal::new(401, "unsupported_scheme", "Authentication required", detail)
            .header("www-authenticate", self.value(None))
    }

    /// A credential that is not good.
    pub(crate) fn invalid(&self, reason: Reason) -> Refusal {
        Refusal::new(401, "invalid_token", "Invalid credential", reason.detail())
            .header("www-authenticate", self.value(Some("invalid_token")))
    }

    /// A request that cannot be read one way only.
    pub(crate) fn invalid_request(&self, detail: &'static str) -> Refusal {
        Refusal::new(400, "invalid_request", "Invalid request", detail)
            .header("www-authenticate", self.value(Some("invalid_request")))
    }

    /// A credential that cannot be checked now (RFC 9110 §15.6.4): it may be
    /// good, so it is not called bad.
    pub(crate) fn unavailable(&self, why: Unavailable) -> Refusal {
        let detail = "the credential cannot be checked at the moment";
        Refusal::new(503, why.code, "Authentication unavailable", detail)
            .header("retry-after", why.retry_after.max(1).to_string())
    }

    /// Every value is in the grammar of a quoted string.
    fn value(&self, error: Option<&str>) -> String {
        let mut out = format!("{} realm=\"{}\"", self.scheme, self.realm);
        let mut parameter = |name: &str, value: &str| {
            out.push_str(&format!(", {name}=\"{value}\""));
        };
        match self.scheme {
            "Bearer" => {
                if let Some(error) = error {
                    parameter("error", error);
                }
                if !self.scopes.is_empty() {
                    parameter("scope", &self.scopes);
                }
                if let Some(url) = &self.resource_metadata {
                    parameter("resource_metadata", url);
                }
            }
            "Basic" => parameter("charset", "UTF-8"),
            _ => {}
        }
        out
    }
}

/// A URL that a challenge names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MetadataUrl(String);

const URL: &str = "an `https` URL without blanks, `\"` and `\\`";

impl Decode for MetadataUrl {
    fn decode(at: At<'_>, errors: &mut Errors) -> Option<Self> {
        decode_text(at, errors, URL, |text| {
            let good = |b: u8| b.is_ascii_graphic() && b != b'"' && b != b'\\';
            let rest = text.strip_prefix("https://").filter(|rest| !rest.starts_with('/'));
            if rest.is_some_and(|r| (1..=2048).contains(&r.len())) && text.bytes().all(good) {
                Ok(MetadataUrl(text.to_owned()))
            } else {
                Err(format!("expected {URL}"))
            }
        })
    }

    fn schema() -> Schema {
        Schema::Text { expected: URL, pattern: Some(r"^https://[!#-\[\]-~]{1,2048}$") }
    }
}
