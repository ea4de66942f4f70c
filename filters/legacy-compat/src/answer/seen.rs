//! What is noted of an answer when its headers come.

use postern_core::{Host, Response};

use super::{Answering, Stream};
use crate::blueprint::Blueprint;
use crate::facts::Facts;
use crate::facts::RefusalFacts;
use crate::policy::Origin;
use crate::retirement::Fate;
use crate::shadow::Shadow;

/// Notes what the answer is. Is there anything to do about it?
pub(super) fn see(
    blueprint: &Blueprint,
    stream: &mut Stream,
    response: &Response<'_>,
    host: &dyn Host,
) -> bool {
    if names_request(blueprint, stream) {
        let id = host.property(&["request", "id"]).and_then(|id| String::from_utf8(id).ok());
        stream.facts.instance = id.filter(|id| !id.is_empty());
    }
    let answering = Answering::new(blueprint, stream);
    let Some(status) = response.status().filter(|s| *s >= 200 && stream.is_followed()) else {
        return false;
    };
    // Of what was switched off for a while, who it is for is not known yet.
    if let Some((slot, _)) = answering.rule.and_then(|r| r.retirement.as_deref())
        && !matches!(stream.fate, Some(Fate::BrownOut(_)))
    {
        blueprint.usage.note(*slot, host);
    }
    stream.status = status;
    stream.facts.status = status;
    stream.origin = Some(origin(&mut stream.facts, host));
    stream.kept = response
        .headers()
        .iter()
        .filter(|(name, _)| !name.starts_with(':'))
        .map(|(name, value)| (name.to_owned().into(), value.to_vec()))
        .collect();
    true
}

/// May an answer name the request, done or tried?
fn names_request(blueprint: &Blueprint, stream: &Stream) -> bool {
    let tried = |shadow: &Shadow| shadow.answering(blueprint).names_request();
    Answering::new(blueprint, stream).names_request() || stream.shadow.as_deref().is_some_and(tried)
}

/// Who made the answer. A filter's refusal is known by its state; what did not
/// come from upstream otherwise is the proxy's own.
fn origin(facts: &mut Facts, host: &dyn Host) -> Origin {
    if facts.status >= 400
        && let Some(state) = host.property(&["postern.refusal"])
        && let Some(refusal) = RefusalFacts::from_state(&state)
        && refusal.is_answer(facts.status)
    {
        facts.refusal = Some(refusal);
        return Origin::Filter;
    }
    if facts.status < 400 {
        return Origin::Upstream;
    }
    match host.property(&["response", "code_details"]) {
        Some(details) if details != b"via_upstream" => Origin::Proxy,
        _ => Origin::Upstream,
    }
}
