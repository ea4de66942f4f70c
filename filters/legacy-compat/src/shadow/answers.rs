//! What a rule on trial would have done to an answer.

use postern_core::{Outcome, Response, Step};

use super::difference::{difference, push_body};
use super::{Shadow, Would};
use crate::answer::{Answering, Stream, TOO_LARGE, body_headers, rewritten, unpacked};
use crate::blueprint::Blueprint;
use crate::cases::{Body, Case};
use crate::facts::Facts;
use crate::framing::{is_packed, is_stream, length, unfit};
use crate::gzip;
use crate::json::Document;
use crate::policy::{OnMismatch, Origin};

/// The rule that counts answered before the body came that this one would look at.
const UNSEEN: &str = "not_seen";

/// The headers of the answer came; `act` is what is done to it.
pub(crate) fn headers(
    blueprint: &Blueprint,
    stream: &mut Stream,
    response: &Response<'_>,
    act: impl FnOnce(&mut Stream) -> Outcome,
) -> Outcome {
    let Some(mut shadow) = stream.shadow.take() else { return act(stream) };
    let answering = shadow.answering(blueprint);
    let would = match stream.origin {
        Some(origin) => of_head(&answering, &mut shadow, stream, origin, response),
        None => Some(Would::Unfit(UNSEEN)),
    };
    let mut outcome = act(stream);
    let would = match outcome.step {
        // Another answer takes its place before its body has come.
        Step::Reply(_) => would.or_else(|| Some(of_unseen(&answering, &shadow))),
        _ => would,
    };
    if let Some(would) = would {
        return judged(blueprint, stream, shadow, would, outcome);
    }
    if !matches!(outcome.step, Step::Hold) {
        shadow.held = Some(std::mem::replace(&mut outcome, Outcome::hold()));
    }
    stream.shadow = Some(shadow);
    outcome
}

/// What it would have done, if the headers say so; `None`: the body does.
fn of_head(
    answering: &Answering<'_>,
    shadow: &mut Shadow,
    stream: &Stream,
    origin: Origin,
    response: &Response<'_>,
) -> Option<Would> {
    let facts = Facts { captures: shadow.captures.clone(), ..stream.facts.clone() };
    let has_no_body = stream.head
        || matches!(stream.status, 204 | 304)
        || response.is_end_of_stream()
        || is_stream(response);
    let is_long = length(response).is_some_and(|length| length > answering.max_body);
    let picked = answering.pick(&facts, origin, response);
    let asks = answering.first_of(&picked).is_some_and(Case::asks_body);
    let unfit = unfit(response);
    let seen = Stream {
        open: asks && !has_no_body && !is_long && unfit.is_none(),
        status: stream.status,
        kept: stream.kept.clone(),
        packed: is_packed(response.headers()),
        facts,
        picked,
        unfit,
        ..Stream::default()
    };
    *shadow.seen = seen;
    let seen = &shadow.seen;
    if seen.open {
        return None;
    }
    // Nothing that is asked of a body holds, unless it is held and read.
    match answering.chosen(seen, None) {
        Some(case) if matches!(case.body, Body::Keep) => {
            Some(of_headers(answering, shadow, Some(case)))
        }
        None => Some(of_headers(answering, shadow, None)),
        Some(case) if has_no_body => {
            let has_none = case.reads_body() || stream.has_none() || is_stream(response);
            Some(match has_none {
                true => Would::Unfit("no_body"),
                false => of_case(answering, shadow, case, None),
            })
        }
        Some(_) if is_long => Some(of_long(answering, shadow)),
        Some(case) if case.changes_nothing() && !seen.packed && unfit.is_none() => {
            Some(of_headers(answering, shadow, None))
        }
        // Whether a constant changes anything says the body.
        Some(case) => unfit.filter(|_| case.reads_body()).map(Would::Unfit),
    }
}

/// What it would have done to an answer whose body nobody waits for.
fn of_unseen(answering: &Answering<'_>, shadow: &Shadow) -> Would {
    match answering.chosen(&shadow.seen, None) {
        Some(case) if !shadow.seen.open && !case.reads_body() => {
            of_case(answering, shadow, case, None)
        }
        _ => Would::Unfit(UNSEEN),
    }
}

/// What it would have done to the headers alone.
fn of_headers(answering: &Answering<'_>, shadow: &Shadow, case: Option<&Case>) -> Would {
    let edits = answering.headers_of(&shadow.seen, case);
    Would::of(&shadow.secret, &difference(&edits, None, |name| shadow.has(name)))
}

/// What it would have done to an answer that is too long to be read.
fn of_long(answering: &Answering<'_>, shadow: &Shadow) -> Would {
    match answering.chosen(&shadow.seen, None) {
        Some(case) if matches!(case.body, Body::Keep) => of_headers(answering, shadow, Some(case)),
        Some(case) if !case.reads_body() => of_case(answering, shadow, case, None),
        Some(case) if case.on_too_large == OnMismatch::Fault => Would::Unfit(TOO_LARGE),
        Some(case) if !case.edits_nothing() => Would::Unfit(TOO_LARGE),
        _ => of_headers(answering, shadow, None),
    }
}

/// The body came; `act` is what is done to it, unless it was held for the trial alone.
pub(crate) fn body(
    blueprint: &Blueprint,
    stream: &mut Stream,
    body: Option<&[u8]>,
    act: impl FnOnce(&mut Stream) -> Outcome,
) -> Outcome {
    let Some(mut shadow) = stream.shadow.take() else { return act(stream) };
    if let Some(would) = shadow.answer.clone() {
        // The headers said it.
        let outcome = act(stream);
        return told(blueprint, stream, shadow, would, outcome);
    }
    let answering = shadow.answering(blueprint);
    let would = match body {
        Some(body) => of_body(&answering, &shadow, body),
        None => of_long(&answering, &shadow),
    };
    let outcome = shadow.held.take().unwrap_or_else(|| act(stream));
    judged(blueprint, stream, shadow, would, outcome)
}

fn of_body(answering: &Answering<'_>, shadow: &Shadow, body: &[u8]) -> Would {
    let Stream { open, packed, .. } = *shadow.seen;
    let text = if open { unpacked(packed, body, answering.max_body).ok() } else { None };
    let document = text.as_deref().and_then(|text| Document::read(text).ok());
    let case = answering.chosen(&shadow.seen, document.as_ref());
    match case.filter(|case| !matches!(case.body, Body::Keep)) {
        None => of_headers(answering, shadow, case),
        Some(case) => of_case(answering, shadow, case, Some(body)),
    }
}

/// What a case with another body would have done; `None`: to one that is not seen.
fn of_case(answering: &Answering<'_>, shadow: &Shadow, case: &Case, body: Option<&[u8]>) -> Would {
    let seen = &shadow.seen;
    match rewritten(answering, seen, case, body.unwrap_or_default()) {
        Err(why) => Would::Unfit(why),
        Ok(new) => {
            let edits = body_headers(answering, seen, case);
            let mut found = difference(&edits, None, |name| shadow.has(name));
            let plain = body.filter(|_| seen.packed);
            let plain = plain.and_then(|body| gzip::decode(body, answering.max_body).ok());
            let is_same = plain.as_deref().or(body) == Some(&new);
            push_body(&mut found, (!is_same).then_some(new));
            Would::of(&shadow.secret, &found)
        }
    }
}

/// Counts what it would have done.
fn judged(
    blueprint: &Blueprint,
    stream: &mut Stream,
    shadow: Box<Shadow>,
    would: Would,
    mut outcome: Outcome,
) -> Outcome {
    outcome.count.push(would.counter());
    told(blueprint, stream, shadow, would, outcome)
}

/// Puts what it would have done into the record of what is done.
fn told(
    blueprint: &Blueprint,
    stream: &mut Stream,
    mut shadow: Box<Shadow>,
    would: Would,
    mut outcome: Outcome,
) -> Outcome {
    shadow.answer = Some(would);
    let record = match outcome.record {
        Some(record) => record.into_record(),
        None => Answering::new(blueprint, stream).record(stream, "unchanged"),
    };
    outcome.record = Some(shadow.record(record).into());
    stream.shadow = Some(shadow);
    outcome
}
