//! The request's way in: which rule it falls under, and what it becomes.

use std::rc::Rc;

use postern_core::conditions::Query;
use postern_core::host::Host as Proxy;
use postern_core::rules::{Found, Subject};
use postern_core::step::HeaderEdit;
use postern_core::target::{Target, decode_form};
use postern_core::template::Captured;
use postern_core::{Decision, Outcome, Refusal, Request};

use crate::LegacyCompat;
use crate::answer::Stream;
use crate::applies::applies;
use crate::blueprint::{Blueprint, Rule};
use crate::counter;
use crate::expression::QUERY;
use crate::facts::Facts;
use crate::framing::{TRAILER, is_packed};
use crate::json::Document;
use crate::output::is_callback;
use crate::request_body::{Unfit, member};
use crate::request_steps::{Parts, no_body};
use crate::shadow::{self, Shadow};
use crate::source::Source;
use crate::unmatched::{not_judged, unmatched};
use crate::usage::Usage;

/// The filter state of the path that may be logged.
pub(crate) const PATH: &str = "path";

/// The request's headers came.
pub(crate) fn received(
    filter: &LegacyCompat,
    stream: &mut Stream,
    request: &Request<'_>,
    proxy: &dyn Proxy,
) -> Outcome {
    let LegacyCompat { blueprint, sights, hosts } = filter;
    let seen = match sights.see(request) {
        Ok(seen) => seen,
        Err(bad) => return not_judged(blueprint, stream, request, bad, proxy),
    };
    let subject = Subject::of(request, &seen, proxy);
    stream.head = subject.method == b"HEAD";
    let outcome = match first(blueprint, stream, &subject, &seen.target, request, proxy) {
        Some(found) => {
            stream.host = seen.host().map(str::to_owned);
            matched(blueprint, stream, request, &seen.target, &found, proxy)
        }
        None => unmatched(blueprint, hosts, stream, &seen),
    };
    if stream.shadow.is_some() { shadow::request(stream, outcome) } else { outcome }
}

/// The first rule that counts. One before it that is only tried is noted.
fn first<'b>(
    blueprint: &'b Blueprint,
    stream: &mut Stream,
    subject: &Subject<'_>,
    target: &Target<'_>,
    request: &Request<'_>,
    proxy: &dyn Proxy,
) -> Option<Found<'b, Rule>> {
    let query = Query::default();
    let mut all = blueprint.rules.all(subject).filter(|found| applies(found, subject, &query));
    if !blueprint.has_shadows {
        return all.next();
    }
    all.find(|found| {
        if found.rule.is_shadow && stream.shadow.is_none() {
            let secret = blueprint.trial_secret(proxy);
            let mut shadow = Shadow::of_request(found, target, request, secret);
            let Rule { secret, log_segments, .. } = found.rule;
            if !secret.is_empty() || log_segments.is_some() {
                let is_secret = |name: &str| secret.contains(name);
                let path =
                    blueprint.log.of_target(target, found.template(), is_secret, *log_segments);
                shadow.path = Some(path);
            }
            stream.shadow = Some(Box::new(shadow));
        }
        !found.rule.is_shadow
    })
}

fn matched(
    blueprint: &Blueprint,
    stream: &mut Stream,
    request: &Request<'_>,
    target: &Target<'_>,
    found: &Found<'_, Rule>,
    proxy: &dyn Proxy,
) -> Outcome {
    let rule = found.rule;
    stream.rule = Some(found.index);
    stream.dialect = rule.dialect;
    let captures = found.captures(target);
    stream.facts.captures = facts(rule, request, target, &captures);
    let secret = |name: &str| rule.secret.contains(name);
    let mut path = blueprint.log.of_target(target, found.template(), secret, rule.log_segments);
    if let Some(masked) = stream.shadow.as_mut().and_then(|shadow| shadow.path.take())
        && rule.secret.is_empty()
    {
        path = masked;
    }
    if let Some((slot, retirement)) = rule.retirement.as_deref() {
        let fate = retirement.fate(proxy);
        stream.fate = Some(fate);
        let fate_counter = Usage::counter(counter::NAMES.len(), *slot, fate);
        if let Some(refusal) = fate.refusal() {
            return refused(stream, refusal, &rule.name, path).counting(fate_counter);
        }
    }
    let no_function = |name: &&String| {
        !target
            .query_values(name)
            .all(|v| std::str::from_utf8(&decode_form(v)).is_ok_and(is_callback))
    };
    if rule.answers.callbacks.iter().any(|name| no_function(&name)) {
        let refusal = Refusal::bad_request("a parameter of the query is no name of a function");
        return refused(stream, refusal, &rule.name, path);
    }
    let mut parts = match rule.request.find(request, target, &captures) {
        Ok(parts) => parts,
        Err(why) => return refused(stream, rule.request.refusal(why), &rule.name, path),
    };
    if rule.answers.reads_body {
        whole_answer(request.method()).into_iter().for_each(|edit| parts.push(edit));
    }
    let held = match waits(rule, request, parts, target) {
        Ok(held) => held,
        Err(edits) => {
            let mut outcome = rewritten(stream, rule, edits);
            outcome.publish.push((PATH, path.into()));
            return outcome;
        }
    };
    stream.held = Some(Box::new(held));
    let record = stream.record(Decision::Allow, rule.name.clone(), "held");
    let mut outcome = Outcome::hold().with_record(record);
    outcome.publish.push((PATH, path.into()));
    outcome
}

/// The edits that no body changes, or why it is refused.
type Edits = Result<Vec<HeaderEdit>, Box<Refusal>>;
/// The same, and another body if it becomes one.
type WithBody = Result<(Vec<HeaderEdit>, Option<Vec<u8>>), Box<Refusal>>;

/// What waits for the request's body, if the rule rewrites one and it may be rewritten.
pub(crate) fn waits(
    rule: &Rule,
    request: &Request<'_>,
    parts: Parts,
    target: &Target<'_>,
) -> Result<Held, Edits> {
    let body = rule.request.body().filter(|_| !request.is_end_of_stream());
    let Some(steps) = body else { return Err(without_body(rule, parts, target)) };
    if let Some(why) = steps.unfit(request) {
        let refused = |refusal| Err(Box::new(refusal));
        return Err(steps.refusal(why).map_or_else(|| without_body(rule, parts, target), refused));
    }
    Ok(Held {
        parts,
        path: request.path().unwrap_or_default().to_vec(),
        packed: is_packed(request.headers()),
        trailer: request.headers().all(TRAILER).map(<[u8]>::to_vec).collect(),
    })
}

fn without_body(rule: &Rule, parts: Parts, target: &Target<'_>) -> Edits {
    rule.request.edits(parts, target, no_body).map_err(|why| Box::new(rule.request.refusal(why)))
}

/// What the templates of a rule look at of a request.
pub(crate) fn facts(
    rule: &Rule,
    request: &Request<'_>,
    target: &Target<'_>,
    captures: &[Captured<'_, '_>],
) -> Vec<(String, String)> {
    // What is no text is as if it were not there, and no other text.
    let text = |bytes: &[u8]| std::str::from_utf8(bytes).ok().map(str::to_owned);
    let mut out: Vec<(String, String)> = Vec::new();
    for name in rule.wanted() {
        let value = match (name.strip_prefix(QUERY), Source::of_request(name)) {
            (Some(parameter), _) => {
                target.query_values(parameter).next().and_then(|v| text(&decode_form(v)))
            }
            // Where it says different things, the request is refused.
            (None, Some(source)) => {
                let found = source.find(request, target, captures).ok().flatten();
                found.and_then(|found| text(&found.decoded))
            }
            (None, None) => captures.iter().find(|c| c.name == name).and_then(|c| text(&c.decoded)),
        };
        if let Some(value) = value.filter(|_| !out.iter().any(|(own, _)| own == name)) {
            out.push((name.to_owned(), value));
        }
    }
    out
}

/// A request that is held for its body.
#[derive(Debug)]
pub(crate) struct Held {
    parts: Parts,
    /// As it came.
    path: Vec<u8>,
    packed: bool,
    /// The trailers that it announces.
    trailer: Vec<Vec<u8>>,
}

/// The request's body came, whole; `None`: it is too long to be rewritten.
pub(crate) fn body(blueprint: &Blueprint, stream: &mut Stream, body: Option<&[u8]>) -> Outcome {
    let rule = stream.rule.and_then(|index| blueprint.rules.get(index));
    let (Some(rule), Some(held)) = (rule, stream.held.take()) else { return Outcome::pass() };
    match held.with_body(rule, &stream.facts, body, blueprint.max_body) {
        Ok((edits, new)) => {
            let mut outcome = rewritten(stream, rule, Ok(edits));
            outcome.body = new;
            outcome
        }
        Err(refusal) => refusal_of(stream, *refusal, &rule.name),
    }
}

impl Held {
    /// The edits of the headers, and another body if it becomes one.
    ///
    /// # Errors
    /// The refusal, where it does not fit.
    pub(crate) fn with_body(
        self,
        rule: &Rule,
        facts: &Facts,
        body: Option<&[u8]>,
        limit: usize,
    ) -> WithBody {
        let Held { parts, path, packed, trailer } = self;
        let (Some(steps), Ok(target)) = (rule.request.body(), Target::parse(Some(&path))) else {
            return Ok((Vec::new(), None));
        };
        let read = match body {
            // Where no byte came, there is no buffer to put another body into.
            Some([]) => return without_body(rule, parts, &target).map(|edits| (edits, None)),
            Some(body) => steps.read(body, packed, limit),
            None => Err(Unfit::Size),
        };
        let limit = limit.saturating_mul(crate::answer::MAX_GROWTH);
        let written = read.as_ref().map_err(|why| *why).and_then(|json| {
            let document = Document::read(json.as_bytes()).map_err(|_| Unfit::Content)?;
            let new = steps.write(&document, facts, limit)?;
            Ok((document, new))
        });
        match written {
            Ok((document, new)) => {
                let told = |name: &str| member(&document, name);
                let edits = rule.request.edits(parts, &target, told);
                let mut edits = edits.map_err(|why| Box::new(rule.request.refusal(why)))?;
                edits.extend(steps.headers(&trailer));
                Ok((edits, Some(new)))
            }
            Err(why) => match steps.refusal(why) {
                Some(refusal) => Err(Box::new(refusal)),
                None => without_body(rule, parts, &target).map(|edits| (edits, None)),
            },
        }
    }
}

fn rewritten(stream: &mut Stream, rule: &Rule, edits: Edits) -> Outcome {
    let headers = match edits {
        Ok(edits) => edits,
        Err(refusal) => return refusal_of(stream, *refusal, &rule.name),
    };
    let code = if headers.is_empty() { "matched" } else { "rewritten" };
    stream.request = Some((Decision::Allow, code));
    let record = stream.record(Decision::Allow, rule.name.clone(), code);
    let mut outcome = Outcome::edit(headers).with_record(record);
    outcome.count = vec![counter::REQUEST_MATCHED];
    if let (Some((slot, _)), Some(fate)) = (rule.retirement.as_deref(), stream.fate) {
        outcome.count.push(Usage::counter(counter::NAMES.len(), *slot, fate));
    }
    outcome
}

/// The answer has to come uncompressed, whole, and as it is now: the client's
/// validators are those of another body. Where the request changes something
/// they stay: it must not happen unconditionally (RFC 9110 §13.1).
fn whole_answer(method: Option<&[u8]>) -> Vec<HeaderEdit> {
    let mut edits = vec![HeaderEdit::set("accept-encoding", "identity")];
    if matches!(method, Some(b"GET" | b"HEAD")) {
        let names = [
            "range",
            "if-range",
            "if-match",
            "if-none-match",
            "if-modified-since",
            "if-unmodified-since",
        ];
        edits.extend(names.map(HeaderEdit::remove));
    }
    edits
}

pub(crate) fn refused(
    stream: &mut Stream,
    refusal: Refusal,
    rule: &str,
    path: impl Into<Rc<[u8]>>,
) -> Outcome {
    let mut outcome = refusal_of(stream, refusal, rule);
    outcome.publish.push((PATH, path.into()));
    outcome
}

fn refusal_of(stream: &mut Stream, refusal: Refusal, rule: &str) -> Outcome {
    stream.request = Some((Decision::Deny, refusal.code));
    let record = stream.record(Decision::Deny, rule.to_owned(), refusal.code);
    Outcome::refuse(refusal).with_record(record).counting(counter::REQUEST_REFUSED)
}
