//! Rules that are tried: what they would do is computed and recorded, and not done.

mod difference;

use postern_core::digest::sha256;
use postern_core::rules::Found;
use postern_core::target::Target;
use postern_core::{Outcome, Record, Request, Response, Step};

use difference::{difference, push_body};

use crate::answer::{Answering, Stream, body_headers, rewritten, unpacked};
use crate::blueprint::{Blueprint, Rule};
use crate::cases::{Body, Case};
use crate::counter;
use crate::facts::Facts;
use crate::framing::{is_packed, is_stream, length, unfit};
use crate::gzip;
use crate::json::Document;
use crate::policy::OnMismatch;
use crate::request::{Held, facts, waits};

/// What it would have done to a request, in a record.
const REQUEST: &str = "shadow_request";
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
    /// What of the request waits for its body.
    waiting: Option<Box<Waiting>>,
    answer: Option<Would>,
    /// What waits for the body: all that is done to the answer otherwise.
    held: Option<Outcome>,
    /// The places of the cases that the answer may fall under, and whether its body
    /// says under which.
    picked: Vec<usize>,
    open: bool,
    /// The answer's headers, as far as edits are compared with them.
    headers: Vec<(String, Vec<u8>)>,
    packed: bool,
    unfit: Option<&'static str>,
}

/// A request whose body the rule would look at.
#[derive(Debug)]
struct Waiting {
    held: Held,
    /// Its headers, as far as edits are compared with them.
    headers: Vec<(String, Vec<u8>)>,
    /// All that is done to the request otherwise, if that does not wait too.
    outcome: Option<Outcome>,
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
        let (mut waiting, mut would) = (None, Would::Unfit("request"));
        if let Ok(parts) = rule.request.find(request, target, &captures) {
            match waits(rule, request, parts, target) {
                Ok(held) => {
                    let headers = owned(request.headers().iter());
                    waiting = Some(Box::new(Waiting { held, headers, outcome: None }));
                }
                Err(Ok(edits)) => {
                    let has =
                        |name: &str| request.headers().all(name).map(<[u8]>::to_vec).collect();
                    would = Would::of(&difference(&edits, has));
                }
                Err(Err(_)) => {}
            }
        }
        Shadow {
            rule: found.index,
            name: rule.name.clone(),
            path: None,
            captures: facts(rule, request, target, &captures),
            request: would,
            waiting,
            answer: None,
            held: None,
            picked: Vec::new(),
            open: false,
            headers: Vec::new(),
            packed: false,
            unfit: None,
        }
    }

    /// Adds what is known to a record.
    pub(crate) fn record(&self, record: Record) -> Record {
        let request = match self.waiting {
            Some(_) => "held".to_owned(),
            None => self.request.shown(),
        };
        let record = record.with("shadow", self.name.clone()).with(REQUEST, request);
        match &self.answer {
            Some(would) => record.with("shadow_answer", would.shown()),
            None => record,
        }
    }

    /// As its rule answers.
    pub(crate) fn answering<'b>(&self, blueprint: &'b Blueprint) -> Answering<'b> {
        Answering::of_rule(blueprint, self.rule)
    }

    fn facts(&self, stream: &Stream) -> Facts {
        Facts { captures: self.captures.clone(), ..stream.facts.clone() }
    }
}

/// The headers of the request came, and `outcome` is what is done to them.
pub(crate) fn request(stream: &mut Stream, mut outcome: Outcome) -> Outcome {
    let Some(shadow) = &mut stream.shadow else { return outcome };
    match (&outcome.step, &mut shadow.waiting) {
        (Step::Continue, Some(waiting)) => {
            let mut hold = Outcome::hold();
            hold.publish = std::mem::take(&mut outcome.publish);
            // What is known of it by now: it may never end.
            hold.record.clone_from(&outcome.record);
            waiting.outcome = Some(outcome);
            hold
        }
        // It waits anyway, or no body will be seen.
        _ => outcome,
    }
}

/// The body of the request came; `None`: it is too long.
pub(crate) fn request_body(
    blueprint: &Blueprint,
    stream: &mut Stream,
    body: Option<&[u8]>,
) -> Outcome {
    let waiting = stream.shadow.as_mut().and_then(|shadow| shadow.waiting.take());
    let (Some(waiting), Some(shadow)) = (waiting, &mut stream.shadow) else {
        return crate::request::body(blueprint, stream, body);
    };
    let Waiting { held, headers, outcome } = *waiting;
    let facts = Facts { captures: shadow.captures.clone(), ..Facts::default() };
    if let Some(rule) = blueprint.rules.get(shadow.rule)
        && let Ok((edits, new)) = held.with_body(rule, &facts, body, blueprint.max_body)
    {
        let mut found = difference(&edits, |name| named(&headers, name));
        push_body(&mut found, new.filter(|new| body != Some(new.as_slice())));
        shadow.request = Would::of(&found);
    }
    let Some(mut outcome) = outcome else {
        return crate::request::body(blueprint, stream, body);
    };
    // It was told before the body was looked at.
    outcome.record = outcome.record.map(|record| {
        let mut record = record.into_record();
        for (_, detail) in record.details.iter_mut().filter(|(name, _)| *name == REQUEST) {
            *detail = shadow.request.shown().into();
        }
        record.into()
    });
    outcome
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
    let answering = shadow.answering(blueprint);
    shadow.headers = owned(response.headers().iter());
    (shadow.packed, shadow.unfit) = (is_packed(response.headers()), unfit(response));
    shadow.picked = answering.pick(&shadow.facts(stream), origin, response);
    let asks = answering.first_of(&shadow.picked).is_some_and(Case::asks_body);
    let has_no_body = stream.head
        || matches!(stream.status, 204 | 304)
        || response.is_end_of_stream()
        || is_stream(response);
    let is_long = length(response).is_some_and(|length| length > blueprint.max_body);
    shadow.open = asks && !has_no_body && !is_long && shadow.unfit.is_none();
    // Nothing that is asked of a body holds, unless it is held and read.
    let case = answering.chosen_of(&shadow.picked, None);
    let replaced = case.filter(|case| !matches!(case.body, Body::Keep));
    let would = match replaced {
        _ if shadow.open => None,
        None => Some(of_headers(&answering, stream, &shadow, case)),
        Some(_) if has_no_body => Some(Would::Unfit("no_body")),
        Some(_) if is_long => Some(of_long(&answering, stream, &shadow)),
        Some(case) if case.changes_nothing() && !shadow.packed && shadow.unfit.is_none() => {
            Some(of_headers(&answering, stream, &shadow, None))
        }
        // Whether a constant changes anything says the body.
        Some(case) => shadow.unfit.filter(|_| case.reads_body()).map(Would::Unfit),
    };
    if let Some(would) = would {
        return judged(blueprint, stream, shadow, would, outcome);
    }
    if !is_held {
        shadow.held = Some(std::mem::replace(&mut outcome, Outcome::hold()));
    }
    stream.shadow = Some(shadow);
    outcome
}

/// What it would have done to the headers alone.
fn of_headers(
    answering: &Answering<'_>,
    stream: &Stream,
    shadow: &Shadow,
    case: Option<&Case>,
) -> Would {
    let edits = answering.headers_of(stream, case);
    Would::of(&difference(&edits, |name| named(&shadow.headers, name)))
}

/// What it would have done to an answer that is too long to be read.
fn of_long(answering: &Answering<'_>, stream: &Stream, shadow: &Shadow) -> Would {
    match answering.chosen_of(&shadow.picked, None) {
        Some(case) if matches!(case.body, Body::Keep) => {
            of_headers(answering, stream, shadow, Some(case))
        }
        Some(case) if !case.reads_body() => of_case(answering, stream, shadow, case, None),
        Some(case) if case.on_too_large == OnMismatch::Fault => Would::Unfit("too_large"),
        Some(case) if !case.edits_nothing() => Would::Unfit("too_large"),
        _ => of_headers(answering, stream, shadow, None),
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
        None => of_long(&shadow.answering(blueprint), stream, &shadow),
    };
    let outcome = shadow.held.take().unwrap_or_else(|| act(stream));
    judged(blueprint, stream, shadow, would, outcome)
}

fn of_body(blueprint: &Blueprint, stream: &Stream, shadow: &Shadow, body: &[u8]) -> Would {
    let answering = shadow.answering(blueprint);
    let text =
        if shadow.open { unpacked(shadow.packed, body, blueprint.max_body).ok() } else { None };
    let document = text.as_deref().and_then(|text| Document::read(text).ok());
    let case = answering.chosen_of(&shadow.picked, document.as_ref());
    match case.filter(|case| !matches!(case.body, Body::Keep)) {
        None => of_headers(&answering, stream, shadow, case),
        Some(case) => of_case(&answering, stream, shadow, case, Some(body)),
    }
}

/// What a case with another body would have done; `None`: to one that is too long.
fn of_case(
    answering: &Answering<'_>,
    stream: &Stream,
    shadow: &Shadow,
    case: &Case,
    body: Option<&[u8]>,
) -> Would {
    let alone = Stream {
        facts: shadow.facts(stream),
        status: stream.status,
        kept: shadow.headers.iter().map(|(n, v)| (n.clone().into(), v.clone())).collect(),
        packed: shadow.packed,
        unfit: shadow.unfit.filter(|_| case.reads_body()),
        ..Stream::default()
    };
    match rewritten(answering, &alone, case, body.unwrap_or_default()) {
        Err(why) => Would::Unfit(why),
        Ok(new) => {
            let edits = body_headers(answering, &alone, case);
            let mut found = difference(&edits, |name| named(&shadow.headers, name));
            let plain = body.filter(|_| shadow.packed);
            let plain = plain.and_then(|body| gzip::decode(body, answering.max_body));
            let is_same = plain.as_deref().or(body) == Some(&new);
            push_body(&mut found, (!is_same).then_some(new));
            Would::of(&found)
        }
    }
}

fn owned<'h>(headers: impl Iterator<Item = (&'h str, &'h [u8])>) -> Vec<(String, Vec<u8>)> {
    headers.map(|(name, value)| (name.to_owned(), value.to_vec())).collect()
}

fn named(headers: &[(String, Vec<u8>)], name: &str) -> Vec<Vec<u8>> {
    headers.iter().filter(|(n, _)| n == name).map(|(_, v)| v.clone()).collect()
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
    let record = match outcome.record {
        Some(record) => shadow.record(record.into_record()),
        None => {
            let answering = Answering::new(blueprint, stream);
            shadow.record(answering.record(stream, "unchanged"))
        }
    };
    outcome.record = Some(record.into());
    stream.shadow = Some(shadow);
    outcome
}

#[cfg(test)]
mod tests;
