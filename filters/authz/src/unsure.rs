//! What of a rule cannot be told, in words, for the record: names that the policy has,
//! and never what a request or an identity holds under them. Asked only of a rule that
//! could not be evaluated.

use postern_core::Truth;
use postern_core::conditions::MediaRange;
use postern_core::rules::Found;

use crate::applies::Further;
use crate::facts::Facts;
use crate::rule::Rule;

/// The first that cannot be told, in the order in which it is asked; `None`: all can.
pub(crate) fn of(rule: &Rule, found: &Found<'_, Rule>, facts: &Facts<'_>) -> Option<String> {
    let claim = || rule.subject.unsure_claim(facts.caller?).map(cannot_be_judged);
    let header = || {
        let header = found.unsure_header(facts.asked)?;
        Some(format!("the header `{}` has several values", header.as_str()))
    };
    let claims = || rule.claims().iter().find_map(|claim| claim.unsure(found.template(), facts));
    let further = rule.further();
    let message = || further.and_then(|further| message(further, facts));
    let when = || rule.when()?.unsure(&facts.scope(found.template()));
    let route = || {
        let unsure = found.route_holds(facts.asked) == Truth::Unknown;
        unsure.then(|| "the name of the route cannot be read".to_owned())
    };
    let address = || {
        let unsure = further?.client(facts.asked) == Truth::Unknown;
        unsure.then(|| "the address of the client cannot be read".to_owned())
    };
    claim()
        .or_else(header)
        .or_else(claims)
        .or_else(message)
        .or_else(when)
        .or_else(route)
        .or_else(address)
}

pub(crate) fn cannot_be_judged(claim: &str) -> String {
    format!("the claim `{claim}` is of another kind, or stands there twice")
}

fn message(further: &Further, facts: &Facts<'_>) -> Option<String> {
    let asked = facts.asked;
    let mut queries = further.query.iter();
    if let Some(query) =
        queries.find(|query| query.holds(&facts.query, asked.target) == Truth::Unknown)
    {
        return Some(format!("the parameter `{}` says several things", query.name()));
    }
    let types = &further.content_types;
    if !types.is_empty() && MediaRange::among(types, asked.headers) == Truth::Unknown {
        return Some("there are several content types".to_owned());
    }
    let size = further.body_size?.holds(asked.headers, asked.end_of_stream);
    (size == Truth::Unknown).then(|| "the body does not say how long it is".to_owned())
}
