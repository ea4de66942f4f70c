//! The refusals, with the challenges of RFC 6750 §3.

use postern_core::Refusal;
use postern_core::challenge::{Realm, Scope};

use crate::policy::Refusals;
use crate::reason::Reason;
use crate::rule::Rule;

/// The scopes of one rule, with blanks between them, in bytes.
pub(crate) const MAX_SCOPES_OF_RULE: usize = 4000;
/// How long the list of scopes in a challenge may grow, in bytes; further ones
/// are left out. One rule's scopes fit whole.
const MAX_SCOPE_TEXT: usize = 4200;

/// What the client gets, as the policy wants it told.
pub(crate) fn of(
    reason: Reason,
    rule: Option<&Rule>,
    scopes: &[&Scope],
    realm: &Realm,
    told: &Refusals,
) -> Refusal {
    let refusal = match reason {
        Reason::IdentityRequired => identity_required(realm),
        Reason::InsufficientScope => insufficient_scope(realm, scopes),
        _ => {
            let own = rule.and_then(|rule| rule.detail());
            access_denied(own.unwrap_or(&told.detail).as_str().to_owned())
        }
    };
    match rule {
        Some(rule) if told.name_rule => refusal.member("rule", rule.name.as_str()),
        _ => refusal,
    }
}

/// 403: a deny rule, no rule, a rule for others, or no identity to judge. The
/// client does not learn which, unless the policy says so.
fn access_denied(detail: String) -> Refusal {
    Refusal::new(403, "access_denied", "Access denied", detail)
}

/// 401: the caller sent no credential where one is needed, so the challenge
/// has no `error` (RFC 6750 §3.1).
fn identity_required(realm: &Realm) -> Refusal {
    Refusal::new(
        401,
        "credentials_required",
        "Credentials required",
        "this request needs a credential, and it has none",
    )
    .header("www-authenticate", format!("Bearer realm=\"{}\"", realm.as_str()))
}

/// 403: the credential is good, but not for this (RFC 6750 §3.1).
fn insufficient_scope(realm: &Realm, scopes: &[&Scope]) -> Refusal {
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
