//! The decision: a pure function of rules, request and identity.

use postern_core::identity::Seen;
use postern_core::rules::{Rules, Subject as Asked};

use crate::policy::{Effect, Rule};
use postern_core::challenge::Scope;

/// What was decided, and by which rule.
#[derive(Debug)]
pub(crate) enum Verdict<'r> {
    /// An allow rule applies, no deny rule does.
    Allow(&'r Rule),
    /// A deny rule applies.
    DenyRule(&'r Rule),
    /// This rule would allow a caller with an identity; this one has none.
    IdentityRequired(&'r Rule),
    /// This rule, the first of those that match, would allow a caller with
    /// these scopes: those of all such rules, each once, in order.
    InsufficientScope(&'r Rule, Vec<&'r Scope>),
    /// Nothing allows it.
    NoRule,
}

/// Looks at every rule that matches the request: a deny rule anywhere wins.
pub(crate) fn decide<'r>(
    rules: &'r Rules<Rule>,
    asked: &Asked<'_>,
    identity: &Seen<'_>,
) -> Verdict<'r> {
    let caller = match identity {
        Seen::Anonymous => None,
        Seen::Known(caller) => Some(caller.as_ref()),
    };
    let mut allowed = None;
    let mut lacking: Vec<&Rule> = Vec::new();
    for found in rules.all(asked) {
        let rule = found.rule;
        match (rule.effect, rule.subject.includes(caller)) {
            (Effect::Deny, true) => return Verdict::DenyRule(rule),
            (Effect::Deny, false) => {}
            (Effect::Allow, true) => {
                allowed.get_or_insert(rule);
            }
            (Effect::Allow, false) => lacking.push(rule),
        }
    }
    if let Some(rule) = allowed {
        return Verdict::Allow(rule);
    }
    match (caller, lacking.first()) {
        // Whoever is anonymous fails only rules that ask for an identity.
        (None, Some(rule)) => Verdict::IdentityRequired(rule),
        (Some(_), _) => insufficient_scope(&lacking),
        (None, None) => Verdict::NoRule,
    }
}

/// Rules for anonymous callers alone ask for no scope: they do not count.
fn insufficient_scope<'r>(lacking: &[&'r Rule]) -> Verdict<'r> {
    let mut asking = lacking.iter().filter(|rule| !rule.subject.scopes().is_empty()).peekable();
    let Some(first) = asking.peek().copied() else { return Verdict::NoRule };
    let mut scopes: Vec<&Scope> = Vec::new();
    for scope in asking.flat_map(|rule| rule.subject.scopes()) {
        if !scopes.contains(&scope) {
            scopes.push(scope);
        }
    }
    Verdict::InsufficientScope(first, scopes)
}
