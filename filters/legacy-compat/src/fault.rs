//! Faults: what an answer becomes that does not fit its case. A policy whose fault may
//! not be rendered is refused; what the request at hand does to it all the same gives
//! the gateway's own refusal, never the answer that does not fit.

use postern_core::Refusal;
use postern_core::config::Errors;

use crate::answer::made;
use crate::cases::{Body, Case, Cases};
use crate::expression::QUERY;
use crate::facts::{Facts, RefusalFacts};
use crate::place::{Located, Place};
use crate::policy::{CasePolicy, Charset, OnMismatch, Origin};
use crate::template::{Template, Unrendered};

/// A fault's content type where the policy's own cannot be rendered (RFC 9457).
const PROBLEM: &[u8] = b"application/problem+json";

/// What is known of an answer that does not fit: a refusal by this filter.
pub(crate) fn fault() -> (Facts, Origin) {
    let refusal = Some(RefusalFacts::unusable_answer("legacy-compat"));
    (Facts { status: 502, refusal, ..Facts::default() }, Origin::Filter)
}

/// The fault of last resort, and its body.
pub(crate) fn plain(facts: &Facts) -> (Case, Vec<u8>) {
    let refusal =
        Refusal::new(502, "unusable_answer", "Bad gateway", "the upstream's answer cannot be used");
    let reply = refusal.to_reply(facts.instance.as_ref().map(|id| id.as_bytes()));
    (Case::constant(502, PROBLEM.to_vec()), reply.body)
}

impl Cases {
    /// Has a case that becomes a fault something to become? `fallback`: the dialect's.
    pub(crate) fn check_faults(
        &self,
        policies: &[Located<CasePolicy>],
        fallback: Option<&Cases>,
        errors: &mut Errors,
    ) {
        let (facts, origin) = fault();
        let own = self.first(&facts, origin);
        let found = own.or_else(|| fallback?.first(&facts, origin));
        let usable = found.filter(|c| !matches!(c.body, Body::Keep) && !c.reads_body());
        let why = match usable {
            None => {
                "a `fault` needs a case for the status 502, here or in the dialect, with a \
                     body of its own"
            }
            Some(case) => match &case.doubt {
                Some(why) => why,
                None => return,
            },
        };
        let mut is_told = false;
        let wanting =
            |case: &Case| [case.on_mismatch, case.on_too_large].contains(&OnMismatch::Fault);
        for (case, policy) in self.iter().zip(policies) {
            if wanting(case) {
                policy.error(errors, why);
                is_told = true;
            }
        }
        // The dialect's faults become what the rule says.
        let place = own.and_then(|own| self.iter().position(|case| std::ptr::eq(case, own)));
        if let (false, Some(policy)) = (is_told, place.and_then(|place| policies.get(place)))
            && fallback.is_some_and(|all| all.iter().any(wanting))
        {
            policy.error(errors, why);
        }
    }
}

/// What of a template may not be there, or not fit, when a fault is made of it.
pub(crate) fn doubt(case: &Case, place: &Place) -> Option<Box<str>> {
    let (mut facts, origin) = fault();
    let Body::Template(template) = &case.body else { return None };
    if !case.may_cover(&facts, origin) || template.reads_body() {
        return None;
    }
    let path = place.path();
    let mut found = None;
    template.visit(&mut |expression| {
        let own = expression.captures().filter(|name| !name.starts_with(QUERY));
        facts.captures.extend(own.map(|name| (name.to_owned(), "x".to_owned())));
        found = found.take().or_else(|| expression.doubt());
    });
    if let Some((expression, why)) = found {
        return Some(format!("a `fault` becomes `{path}`, whose `{{{expression}}}` {why}").into());
    }
    facts.instance = Some("x".to_owned());
    unmade(case, template, &facts).map(|why| format!("a `fault` becomes `{path}`, {why}").into())
}

/// Why a template that reads no body cannot be rendered with these facts.
pub(crate) fn unmade(case: &Case, template: &Template, facts: &Facts) -> Option<String> {
    match template.of_facts(facts, usize::MAX) {
        Err(Unrendered::Mismatch(mismatch)) => {
            Some(format!("whose `{{{}}}` needs {}", mismatch.expression, mismatch.wanted))
        }
        Err(Unrendered::TooLarge) => Some("which is too large".to_owned()),
        Ok(_) => match made(case, facts, usize::MAX) {
            Ok(_) => None,
            Err(_) if case.charset == Charset::Utf8 => Some("which `as` cannot hold".to_owned()),
            Err(_) => Some("which `as` or `charset` cannot hold".to_owned()),
        },
    }
}
