//! Rules that are tried: what they would do is computed and recorded, and not done.

use postern_core::digest::sha256;
use postern_core::rules::Found;
use postern_core::target::Target;
use postern_core::{HeaderEdit, Outcome, Record, Request, Response, Step};

use crate::answer::{Answering, Stream, body_headers, rewritten};
use crate::blueprint::{Blueprint, Rule};
use crate::cases::{Body, Case};
use crate::counter;
use crate::facts::Facts;
use crate::framing::{is_packed, is_stream, length, unfit};
use crate::gzip;
use crate::request::facts;
use crate::request_steps::no_body;

/// Of what would have changed, as much as tells one change from another.
const DIGEST: usize = 12;

/// A rule on trial, and what it would have done so far.
#[derive(Debug)]
pub(crate) struct Shadow {
    rule: usize,
    name: String,
    /// What it looks at of the request.
    captures: Vec<(String, String)>,
    /// What may be logged of a path in which it knows a secret.
    pub(crate) path: Option<Vec<u8>>,
    request: Would,
    answer: Option<Would>,
    /// What waits for the body: all that is done to the answer otherwise.
    held: Option<Outcome>,
    /// The answer's headers, as far as edits are compared with them.
    headers: Vec<(String, Vec<u8>)>,
    packed: bool,
    unfit: Option<&'static str>,
}

/// What a rule would have done.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Would {
    /// Nothing.
    Same,
    /// Something, by its digest.
    Change(String),
    /// It would not have fitted; why.
    Unfit(&'static str),
}

impl Would {
    fn of(difference: &[u8]) -> Self {
        if difference.is_empty() {
            return Would::Same;
        }
        let digest = sha256(difference);
        let hex: String = digest.iter().take(DIGEST / 2).map(|b| format!("{b:02x}")).collect();
        Would::Change(hex)
    }

    /// As it stands in records.
    fn shown(&self) -> String {
        match self {
            Would::Same => "same".to_owned(),
            Would::Change(digest) => format!("change:{digest}"),
            Would::Unfit(why) => format!("unfit:{why}"),
        }
    }

    fn counter(&self) -> usize {
        match self {
            Would::Same => counter::SHADOW_SAME,
            Would::Change(_) => counter::SHADOW_CHANGED,
            Would::Unfit(_) => counter::SHADOW_UNFIT,
        }
    }
}

impl Shadow {
    /// What a rule would make of a request.
    pub(crate) fn of_request(
        found: &Found<'_, Rule>,
        target: &Target<'_>,
        request: &Request<'_>,
    ) -> Self {
        let rule = found.rule;
        let captures = found.captures(target);
        let parts = rule.request.find(request, target, &captures);
        let would = match parts.and_then(|parts| rule.request.edits(parts, target, no_body)) {
            Ok(edits) => {
                let has = |name: &str| request.headers().all(name).map(<[u8]>::to_vec).collect();
                Would::of(&difference(&edits, has))
            }
            Err(_) => Would::Unfit("request"),
        };
        Shadow {
            rule: found.index,
            name: rule.name.clone(),
            path: None,
            captures: facts(rule, target, &captures),
            request: would,
            answer: None,
            held: None,
            headers: Vec::new(),
            packed: false,
            unfit: None,
        }
    }

    /// Adds what is known to a record.
    pub(crate) fn record(&self, record: Record) -> Record {
        let record =
            record.with("shadow", self.name.clone()).with("shadow_request", self.request.shown());
        match &self.answer {
            Some(would) => record.with("shadow_answer", would.shown()),
            None => record,
        }
    }

    fn facts(&self, stream: &Stream) -> Facts {
        Facts { captures: self.captures.clone(), ..stream.facts.clone() }
    }
}

/// The headers of the answer came, and `outcome` is what is done to them.
pub(crate) fn headers(
    blueprint: &Blueprint,
    stream: &mut Stream,
    response: &Response<'_>,
    mut outcome: Outcome,
) -> Outcome {
    let Some(mut shadow) = stream.shadow.take() else { return outcome };
    let is_held = matches!(outcome.step, Step::Hold);
    let (Some(origin), true) = (stream.origin, is_held || matches!(outcome.step, Step::Continue))
    else {
        stream.shadow = Some(shadow);
        return outcome;
    };
    let answering = Answering::of_rule(blueprint, shadow.rule);
    let all = response.headers().iter();
    shadow.headers = all.map(|(name, value)| (name.to_owned(), value.to_vec())).collect();
    (shadow.packed, shadow.unfit) = (is_packed(response.headers()), unfit(response));
    let has_body = |case: &&Case| !matches!(case.body, Body::Keep);
    let is_whole = !stream.head
        && !matches!(stream.status, 204 | 304)
        && !response.is_end_of_stream()
        && !is_stream(response)
        && length(response).is_none_or(|length| length <= blueprint.max_body);
    match answering.case(&shadow.facts(stream), origin).filter(has_body) {
        Some(_) if is_whole => {
            if !is_held {
                shadow.held = Some(std::mem::replace(&mut outcome, Outcome::hold()));
            }
            stream.shadow = Some(shadow);
            outcome
        }
        Some(_) => judged(blueprint, stream, shadow, Would::Unfit("no_body"), outcome),
        None => {
            let edits = headers_of(&answering, stream, &shadow);
            let would = Would::of(&difference(&edits, |name| values(&shadow, name)));
            judged(blueprint, stream, shadow, would, outcome)
        }
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
    let would = match body {
        Some(body) => of_body(blueprint, stream, &shadow, body),
        None => Would::Unfit("too_large"),
    };
    let outcome = shadow.held.take().unwrap_or_else(|| act(stream));
    judged(blueprint, stream, shadow, would, outcome)
}

fn of_body(blueprint: &Blueprint, stream: &Stream, shadow: &Shadow, body: &[u8]) -> Would {
    let answering = Answering::of_rule(blueprint, shadow.rule);
    let facts = shadow.facts(stream);
    let Some(case) = stream.origin.and_then(|o| answering.case(&facts, o)) else {
        return Would::Same;
    };
    let alone = Stream {
        facts,
        status: stream.status,
        kept: shadow.headers.iter().map(|(n, v)| (n.clone().into(), v.clone())).collect(),
        packed: shadow.packed,
        unfit: shadow.unfit.filter(|_| case.reads_body()),
        ..Stream::default()
    };
    match rewritten(&answering, &alone, case, body) {
        Err(why) => Would::Unfit(why),
        Ok(new) => {
            let edits = body_headers(&answering, &alone, case);
            let mut found = difference(&edits, |name| values(shadow, name));
            let plain = if shadow.packed { gzip::decode(body, blueprint.max_body) } else { None };
            if plain.as_deref().unwrap_or(body) != new {
                found.extend_from_slice(b"\nbody\n");
                found.extend(new);
            }
            Would::of(&found)
        }
    }
}

fn headers_of(answering: &Answering<'_>, stream: &Stream, shadow: &Shadow) -> Vec<HeaderEdit> {
    let facts = shadow.facts(stream);
    let case = stream.origin.and_then(|o| answering.case(&facts, o));
    answering.headers_of(stream, case)
}

fn values(shadow: &Shadow, name: &str) -> Vec<Vec<u8>> {
    shadow.headers.iter().filter(|(n, _)| n == name).map(|(_, v)| v.clone()).collect()
}

/// Puts what it would have done into the record of what is done.
fn judged(
    blueprint: &Blueprint,
    stream: &mut Stream,
    mut shadow: Box<Shadow>,
    would: Would,
    mut outcome: Outcome,
) -> Outcome {
    outcome.count.push(would.counter());
    shadow.answer = Some(would);
    outcome.record = Some(match outcome.record {
        Some(record) => shadow.record(record),
        None => {
            let answering = Answering::new(blueprint, stream);
            shadow.record(answering.record(stream, "unchanged"))
        }
    });
    stream.shadow = Some(shadow);
    outcome
}

/// What edits change in headers, a line for each. Of credentials the name alone.
fn difference(edits: &[HeaderEdit], has: impl Fn(&str) -> Vec<Vec<u8>>) -> Vec<u8> {
    let mut out = Vec::new();
    for edit in edits {
        let before = has(edit.name());
        let value: &[u8] = match edit {
            HeaderEdit::Set(_, value) if before.as_slice() == [value.as_slice()] => continue,
            HeaderEdit::Remove(_) if before.is_empty() => continue,
            HeaderEdit::Remove(_) => b"",
            HeaderEdit::Set(_, value) | HeaderEdit::Append(_, value) => value,
        };
        let sign: &[u8] = match edit {
            HeaderEdit::Set(..) => b"=",
            HeaderEdit::Append(..) => b"+",
            HeaderEdit::Remove(_) => b"-",
        };
        let is_secret = matches!(edit.name(), "authorization" | "cookie" | "x-api-key");
        for part in [edit.name().as_bytes(), sign, if is_secret { b"" } else { value }, b"\n"] {
            out.extend_from_slice(part);
        }
    }
    out
}

#[cfg(test)]
mod tests;
