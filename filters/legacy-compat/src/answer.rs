//! The answer's way out: which case it falls under, and what it becomes.

mod answering;
mod content;
mod edits;
mod seen;

use std::borrow::Cow;

pub(crate) use answering::Answering;
pub(crate) use content::{MAX_GROWTH, TOO_LARGE};
use content::{Replacement, replacement};
pub(crate) use content::{made, rewritten, unpacked};
pub(crate) use edits::body_headers;
use edits::{case_headers, of_the_old_body, status_of};
use postern_core::step::{HeaderEdit, Name, Reply};
use postern_core::{Decision, Host, Outcome, Record, Response};
use seen::see;

use crate::blueprint::Blueprint;
use crate::cases::{Body, Case};
use crate::counter;
use crate::facts::Facts;
use crate::framing::{is_packed, is_stream, length, unfit};
use crate::header_edits::HeaderEdits;
use crate::json::Document;
use crate::policy::{OnMismatch, Origin};
use crate::request::Held;
use crate::retirement::Fate;
use crate::shadow::{self, Shadow};

/// What is kept of a stream between its events.
#[derive(Debug, Default)]
pub struct Stream {
    /// The rule that the request falls under.
    pub(crate) rule: Option<usize>,
    /// The dialect of its answers.
    pub(crate) dialect: Option<usize>,
    /// Is it a HEAD request?
    pub(crate) head: bool,
    /// The canonical host; `None` if it cannot be read.
    pub(crate) host: Option<String>,
    /// What becomes of it if its rule retires.
    pub(crate) fate: Option<Fate>,
    /// What became of the request, for the record.
    pub(crate) request: Option<(Decision, &'static str)>,
    /// What templates and cases look at.
    pub(crate) facts: Facts,
    /// The answer's status as it came.
    pub(crate) status: u16,
    pub(crate) origin: Option<Origin>,
    /// The headers as they came, for edits that look at them and for an answer made anew.
    pub(crate) kept: Vec<(Name, Vec<u8>)>,
    /// A request that is held for its body.
    pub(crate) held: Option<Box<Held>>,
    /// The cases that it may fall under, in order: the rule's, then the dialect's. What
    /// the body says decides between them, and the last one does not ask.
    pub(crate) picked: Vec<usize>,
    /// Does the body decide?
    pub(crate) open: bool,
    pub(crate) packed: bool,
    pub(crate) unfit: Option<&'static str>,
    /// A rule that is only tried.
    pub(crate) shadow: Option<Box<Shadow>>,
    pub(crate) finished: bool,
}

impl Stream {
    /// May its answer have to be changed?
    pub(crate) fn is_followed(&self) -> bool {
        !self.finished && (self.rule.is_some() || self.dialect.is_some() || self.shadow.is_some())
    }

    /// Has no answer with this status, or to this method, a body?
    pub(crate) fn has_none(&self) -> bool {
        self.head || matches!(self.status, 204 | 304)
    }

    /// Edits of the headers as they came.
    fn edits(&self, edits: &HeaderEdits) -> Vec<HeaderEdit> {
        edits.of(|| self.kept.iter().map(|(name, value)| (name.as_ref(), value)))
    }

    /// Its record.
    pub(crate) fn record(
        &self,
        decision: Decision,
        rule: impl Into<Cow<'static, str>>,
        code: &'static str,
    ) -> Record {
        let record = record_of(self.host.as_deref(), decision, rule, code);
        let record = match self.fate {
            Some(fate) => record.with("retirement", fate.as_str()),
            None => record,
        };
        match &self.shadow {
            Some(shadow) => shadow.record(record),
            None => record,
        }
    }
}

/// A record with the host, which the log takes from it: as a client wrote it, it may hold
/// a credential (`user:key@host`).
pub(crate) fn record_of(
    host: Option<&str>,
    decision: Decision,
    rule: impl Into<Cow<'static, str>>,
    code: &'static str,
) -> Record {
    Record::new(decision, rule, code).with("host", host.unwrap_or("-"))
}

/// The answer's headers came.
pub(crate) fn headers(
    blueprint: &Blueprint,
    stream: &mut Stream,
    response: &Response<'_>,
    host: &dyn Host,
) -> Outcome {
    if !see(blueprint, stream, response, host) {
        return Outcome::pass();
    }
    shadow::headers(blueprint, stream, response, |stream| {
        headers_enforced(blueprint, stream, response)
    })
}

fn headers_enforced(
    blueprint: &Blueprint,
    stream: &mut Stream,
    response: &Response<'_>,
) -> Outcome {
    let (status, Some(origin)) = (stream.status, stream.origin) else { return Outcome::pass() };
    let answering = Answering::new(blueprint, stream);
    stream.picked = answering.pick(&stream.facts, origin, response);
    let asks = answering.first_of(&stream.picked).is_some_and(Case::asks_body);
    let bodiless = stream.has_none() || response.is_end_of_stream();
    stream.open = asks
        && !bodiless
        && !is_stream(response)
        && unfit(response).is_none()
        && length(response).is_none_or(|length| length <= answering.max_body);
    if stream.open {
        stream.packed = is_packed(response.headers());
        return Outcome::hold();
    }
    // Nothing that is asked of a body holds.
    let Some(case) = answering.chosen(stream, None) else {
        let edits = answering.dialect_headers(stream);
        return Outcome::edit(edits);
    };
    if matches!(case.body, Body::Keep) {
        let mut edits = answering.dialect_headers(stream);
        edits.extend(case_headers(&answering, stream, case));
        return Outcome::edit(edits).with_record(answering.record(stream, "headers_edited"));
    }
    // Streams of events or messages have no whole body.
    if is_stream(response) {
        return Outcome::edit(answering.dialect_headers(stream));
    }
    if stream.head || (matches!(status, 204 | 304) && !case.is_another_answer(status)) {
        return without_body(&answering, stream, case);
    }
    stream.unfit = if case.reads_body() { unfit(response) } else { None };
    stream.packed = is_packed(response.headers());
    if case.changes_nothing() && !stream.packed && stream.unfit.is_none() {
        return original(&answering, stream, "unchanged");
    }
    // What its body says changes nothing any more, and it may never end. The gateway's
    // own answers are here as a whole.
    let stays = stream.unfit.is_some() && case.on_mismatch == OnMismatch::Original;
    // A short one is waited for all the same: a reply in its place would close the
    // connection to the upstream, and pass by the filters further out. (Faults of an upstream
    // seldom come to an end.)
    let is_short = status < 500 && length(response).is_some_and(|n| n <= answering.max_body);
    let is_made = origin == Origin::Upstream && !is_short && !waits_for_body(stream, case);
    let is_known = stays || is_made;
    if is_known || response.is_end_of_stream() {
        return anew(&answering, stream, case, b"");
    }
    // Told beforehand, it is not collected up to the proxy's own limit, whose
    // answer would not have the headers that this one has by now.
    if length(response).is_some_and(|length| length > answering.max_body) {
        return over_cap_enforced(blueprint, stream);
    }
    Outcome::hold()
}

/// Does the body decide what it becomes?
fn waits_for_body(stream: &Stream, case: &Case) -> bool {
    case.reads_body() && stream.unfit.is_none()
}

/// The answer's body came, whole.
pub(crate) fn body(blueprint: &Blueprint, stream: &mut Stream, body: &[u8]) -> Outcome {
    shadow::body(blueprint, stream, Some(body), |stream| body_enforced(blueprint, stream, body))
}

fn body_enforced(blueprint: &Blueprint, stream: &mut Stream, body: &[u8]) -> Outcome {
    let answering = Answering::new(blueprint, stream);
    let case = if stream.open {
        let text = unpacked(stream.packed, body, answering.max_body);
        let document = text.as_deref().ok().and_then(|text| Document::read(text).ok());
        answering.chosen(stream, document.as_ref())
    } else {
        answering.chosen(stream, None)
    };
    let Some(case) = case else { return Outcome::edit(answering.dialect_headers(stream)) };
    if matches!(case.body, Body::Keep) {
        let mut edits = answering.dialect_headers(stream);
        edits.extend(case_headers(&answering, stream, case));
        return Outcome::edit(edits).with_record(answering.record(stream, "headers_edited"));
    }
    // Where no byte came, there is no buffer to put another body into.
    if body.is_empty() {
        return anew(&answering, stream, case, body);
    }
    match rewritten(&answering, stream, case, body) {
        Ok(new) => {
            let mut outcome = Outcome::edit(body_headers(&answering, stream, case))
                .with_record(answering.record(stream, "rewritten"))
                .counting(counter::ANSWER_REWRITTEN);
            outcome.body = Some(new);
            outcome
        }
        Err(code) => mismatched(&answering, stream, case, code),
    }
}

/// The answer's body is too long to be rewritten.
pub(crate) fn over_cap(blueprint: &Blueprint, stream: &mut Stream) -> Outcome {
    shadow::body(blueprint, stream, None, |stream| over_cap_enforced(blueprint, stream))
}

fn over_cap_enforced(blueprint: &Blueprint, stream: &mut Stream) -> Outcome {
    let answering = Answering::new(blueprint, stream);
    let Some(case) = answering.chosen(stream, None) else {
        return Outcome::edit(answering.dialect_headers(stream));
    };
    if matches!(case.body, Body::Keep) {
        let mut edits = answering.dialect_headers(stream);
        edits.extend(case_headers(&answering, stream, case));
        return Outcome::edit(edits)
            .with_record(answering.record(stream, "headers_edited"))
            .counting(counter::ANSWER_OVER_CAP);
    }
    let outcome = if case.reads_body() {
        match replacement(&answering, stream, case.on_too_large) {
            Some(fault) => fault_reply(&answering, stream, fault, TOO_LARGE),
            None => original(&answering, stream, TOO_LARGE),
        }
    } else {
        anew(&answering, stream, case, b"")
    };
    outcome.counting(counter::ANSWER_OVER_CAP)
}

/// An answer that does not fit its case: the original, or a fault.
fn mismatched(
    answering: &Answering<'_>,
    stream: &mut Stream,
    case: &Case,
    code: &'static str,
) -> Outcome {
    let outcome = match replacement(answering, stream, case.wanted(code)) {
        Some(Replacement { case, facts, body, is_plain }) => {
            stream.facts = facts;
            let mut outcome = Outcome::edit(body_headers(answering, stream, &case))
                .with_record(answering.record(stream, code));
            outcome.body = Some(body);
            told(outcome, is_plain)
        }
        None => original(answering, stream, code),
    };
    outcome.counting(unusable(code))
}

/// What counts an answer that does not fit.
fn unusable(code: &str) -> usize {
    if code == TOO_LARGE { counter::ANSWER_OVER_CAP } else { counter::ANSWER_MISMATCHED }
}

fn original(answering: &Answering<'_>, stream: &Stream, code: &'static str) -> Outcome {
    Outcome::edit(answering.dialect_headers(stream)).with_record(answering.record(stream, code))
}

/// An answer made anew: one without a body cannot be given one otherwise, nor
/// one that is too long for the buffer.
fn anew(answering: &Answering<'_>, stream: &mut Stream, case: &Case, body: &[u8]) -> Outcome {
    match rewritten(answering, stream, case, body) {
        Ok(new) => {
            reply(answering, stream, case, new, "rewritten").counting(counter::ANSWER_REWRITTEN)
        }
        Err(code) => match replacement(answering, stream, case.wanted(code)) {
            Some(fault) => fault_reply(answering, stream, fault, code),
            None => original(answering, stream, code),
        }
        .counting(unusable(code)),
    }
}

fn fault_reply(
    answering: &Answering<'_>,
    stream: &mut Stream,
    fault: Replacement<'_>,
    code: &'static str,
) -> Outcome {
    let Replacement { case, facts, body, is_plain } = fault;
    stream.facts = facts;
    told(reply(answering, stream, &case, body, code), is_plain)
}

/// A fault that the policy's own answer could not become is told.
fn told(mut outcome: Outcome, is_plain: bool) -> Outcome {
    if is_plain {
        outcome.record = outcome.record.map(|record| record.with("fault", "unrendered"));
        outcome.count.push(counter::FAULT_UNRENDERED);
    }
    outcome
}

fn reply(
    answering: &Answering<'_>,
    stream: &mut Stream,
    case: &Case,
    body: Vec<u8>,
    code: &'static str,
) -> Outcome {
    let status = status_of(case, stream);
    let mut headers = std::mem::take(&mut stream.kept);
    // No trailers come behind it either.
    headers.retain(|(name, _)| {
        !matches!(name.as_ref(), "content-length" | "transfer-encoding" | "trailer")
    });
    for edit in body_headers(answering, stream, case) {
        match edit {
            HeaderEdit::Set(name, _) if name == ":status" => {}
            HeaderEdit::Set(name, value) => {
                headers.retain(|(n, _)| *n != name);
                headers.push((name, value));
            }
            HeaderEdit::Append(name, value) => headers.push((name, value)),
            HeaderEdit::Remove(name) => headers.retain(|(n, _)| *n != name),
        }
    }
    // The reply comes back through this filter's own response events.
    stream.finished = true;
    Outcome::reply(Reply { status, headers, body }).with_record(answering.record(stream, code))
}

/// HEAD, 204 and 304: the headers of the rewritten answer, without its body.
fn without_body(answering: &Answering<'_>, stream: &Stream, case: &Case) -> Outcome {
    let mut edits = answering.dialect_headers(stream);
    if case.is_another_answer(stream.status) || !matches!(stream.status, 204 | 304) {
        edits.extend(case_headers(answering, stream, case));
        // The length of the body that there would be is not known.
        edits.push(HeaderEdit::remove("content-length"));
    } else {
        edits.extend(stream.edits(&case.headers));
    }
    edits.extend(of_the_old_body(stream));
    Outcome::edit(edits).with_record(answering.record(stream, "rewritten"))
}
