//! What a route requires of a request, in a policy and compiled.

use postern_core::challenge::{Realm, Scope};
use postern_core::config::{At, Errors, Name, Value, meant};
use postern_core::rules::Match;

use crate::carrier::Yes;
use crate::challenge::MetadataUrl;

postern_core::config! {
    /// What some routes require.
    pub struct RuleConfig {
        /// Its name in logs; unique.
        name: Name,
        /// What it applies to.
        r#match: Match,
        /// What it requires.
        require: RequireConfig,
        /// Let the requests pass that would be refused, as anonymous, and record
        /// the refusal (`"mode":"shadow"`): to see who would be locked out
        /// before it counts. The credentials of all requests that the rule is for
        /// stay in them, good ones too, for what checks them so far; identity
        /// headers that a client made up go all the same.
        report_only: bool = false,
        /// What refusals on these routes say, where it differs from the
        /// policy's.
        challenge: Option<ChallengeConfig>,
    }

    /// What a route requires of a request.
    pub oneof RequireConfig {
        /// A good credential of one of these providers: `[idp, keys]`. The
        /// request may carry one credential only.
        any_of: AnyOf(Vec<Name>),
        /// A good credential of each of these providers, in different places:
        /// `[partner, idp]`. The first one says who is calling.
        all_of: AllOf(Vec<Name>),
        /// None; but one that is there has to be good, and of one of these
        /// providers.
        optional: Optional(Vec<Name>),
        /// `true`: credentials are not looked at and stay in the request.
        none: Nothing(Yes),
    }

    /// What a refusal tells clients (RFC 6750 §3, RFC 9728 §5.1).
    #[derive(Default)]
    pub struct ChallengeConfig {
        /// The realm that challenges name.
        realm: Option<Realm>,
        /// The scopes that a token needs here: `[user:email]`.
        scopes: Vec<Scope> = Vec::new(),
        /// Where the metadata of the protected resource stand:
        /// `https://api.example.com/.well-known/oauth-protected-resource`.
        resource_metadata: Option<MetadataUrl>,
    }
}

/// Does a route need a credential?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Need {
    /// One.
    Any,
    /// One of each provider.
    All,
    /// None, but one that is there has to be good.
    Optional,
    /// It does not even look at one.
    Nothing,
}

impl RequireConfig {
    /// What is needed, and the places of the providers in `known`.
    pub(crate) fn compile(
        &self,
        known: &[&str],
        at: At<'_>,
        errors: &mut Errors,
    ) -> (Need, Vec<usize>) {
        let (need, key, names): (Need, &str, &[Name]) = match self {
            RequireConfig::AnyOf(names) => (Need::Any, "any_of", names),
            RequireConfig::AllOf(names) => (Need::All, "all_of", names),
            RequireConfig::Optional(names) => (Need::Optional, "optional", names),
            RequireConfig::Nothing(Yes) => return (Need::Nothing, Vec::new()),
        };
        match at.node().get(key) {
            Some(node) => (need, indices(names, known, at.key(key, node), errors)),
            None => (need, Vec::new()),
        }
    }
}

fn indices(names: &[Name], known: &[&str], at: At<'_>, errors: &mut Errors) -> Vec<usize> {
    let Value::List(nodes) = &at.node().value else { return Vec::new() };
    if names.is_empty() {
        at.error(errors, "expected at least one provider");
    }
    let mut found = Vec::with_capacity(names.len());
    for (i, (name, node)) in names.iter().zip(nodes).enumerate() {
        let at = at.index(i, node);
        match known.iter().position(|p| *p == name.as_str()) {
            Some(index) if found.contains(&index) => {
                at.error(errors, format!("`{}` stands in the list twice", name.as_str()));
            }
            Some(index) => found.push(index),
            None => {
                let (name, hint) = (name.as_str(), meant(known, name.as_str()));
                at.error(errors, format!("`{name}` is no provider of this policy, {hint}"));
            }
        }
    }
    found
}
