//! The refusals, with the challenges of RFC 6750 §3.

use postern_core::Refusal;

use postern_core::challenge::{Realm, Scope};

/// How long the list of scopes in a challenge may grow, in bytes; further ones
/// are left out. One rule's scopes fit whole.
const MAX_SCOPE_TEXT: usize = 4200;

/// 403: a deny rule, no rule, or no identity to judge. The client does not
/// learn which.
pub(crate) fn access_denied() -> Refusal {
    Refusal::new(403, "access_denied", "Access denied", "the policy does not allow this request")
}

/// 401: the caller sent no credential where one is needed, so the challenge
/// has no `error` (RFC 6750 §3.1).
pub(crate) fn identity_required(realm: &Realm) -> Refusal {
    Refusal::new(
        401,
        "credentials_required",
        "Credentials required",
        "this request needs a credential, and it has none",
    )
    .header("www-authenticate", format!("Bearer realm=\"{}\"", realm.as_str()))
}

/// 403: the credential is good, but not for this (RFC 6750 §3.1).
pub(crate) fn insufficient_scope(realm: &Realm, scopes: &[&Scope]) -> Refusal {
    let mut list = String::new();
    for scope in scopes.iter().map(|s| s.as_str()) {
        if list.len().saturating_add(scope.len()) >= MAX_SCOPE_TEXT {
            break;
        }
        if !list.is_empty() {
            list.push(' ');
        }
        list.push_str(scope);
    }
    let challenge = format!(
        "Bearer realm=\"{}\", error=\"insufficient_scope\", scope=\"{list}\"",
        realm.as_str()
    );
    Refusal::new(
        403,
        "insufficient_scope",
        "Insufficient scope",
        "the credential lacks a scope that this request needs",
    )
    .header("www-authenticate", challenge)
}
