//! Refusals, and the challenge in them (RFC 6750 §3, RFC 7617, RFC 9110
//! §11.6.1).

use postern_core::Refusal;

use crate::provider::Provider;
use crate::reason::Reason;
use crate::verdict::Unavailable;

/// What `WWW-Authenticate` says on some routes.
#[derive(Debug)]
pub(crate) struct Challenge {
    scheme: &'static str,
    realm: String,
}

impl Challenge {
    /// One challenge, for the kind that most clients can follow: `Bearer`,
    /// else `Basic`, else `ApiKey` (a name of no standard).
    pub(crate) fn new(realm: &str, providers: &[Provider], accepted: &[usize]) -> Self {
        let carriers =
            || accepted.iter().filter_map(|i| providers.get(*i)).flat_map(|p| p.place.carriers());
        let scheme = if carriers().any(|c| c.scheme().is_some_and(|s| s != "basic")) {
            "Bearer"
        } else if carriers().any(|c| c.scheme() == Some("basic")) {
            "Basic"
        } else {
            "ApiKey"
        };
        Challenge { scheme, realm: realm.to_owned() }
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

    fn value(&self, error: Option<&str>) -> String {
        let Challenge { scheme, realm } = self;
        match (*scheme, error) {
            ("Bearer", Some(error)) => format!("Bearer realm=\"{realm}\", error=\"{error}\""),
            ("Basic", _) => format!("Basic realm=\"{realm}\", charset=\"UTF-8\""),
            _ => format!("{scheme} realm=\"{realm}\""),
        }
    }
}
