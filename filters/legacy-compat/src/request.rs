//! The request's way in: which rule it falls under, and what it becomes.

use std::rc::Rc;

use postern_core::host::Host as Proxy;
use postern_core::host_name::host_of;
use postern_core::rules::{Found, Subject};
use postern_core::sight::Sighted;
use postern_core::step::HeaderEdit;
use postern_core::target::Target;
use postern_core::{Decision, Outcome, Refusal, Request, Sights};

use crate::answer::Stream;
use crate::blueprint::{Blueprint, Host, Rule};
use crate::counter;
use crate::policy::Unmatched;
use crate::request_steps::{RequestSteps, Unwritable};
use crate::shadow::Shadow;
use crate::usage::Usage;

/// The filter state of the path that may be logged.
const PATH: &str = "path";

/// The request's headers came.
pub(crate) fn received(
    blueprint: &Blueprint,
    sights: &Sights,
    stream: &mut Stream,
    request: &Request<'_>,
    proxy: &dyn Proxy,
) -> Outcome {
    stream.head = request.method() == Some(b"HEAD");
    let seen = match sights.see(request) {
        Ok(seen) => seen,
        Err(bad) => {
            stream.host = host_of(request.authority());
            let host = blueprint.host(stream.host.as_deref());
            stream.dialect =
                host.map(|h| h.dialect).or_else(|| dialect_of_any_path(blueprint, request, proxy));
            let segments = log_segments(blueprint, stream, host);
            let path = blueprint.log.of_bytes(request.path().unwrap_or_default(), segments);
            return refused(stream, Refusal::bad_request(bad.to_string()), "-", path);
        }
    };
    let subject = Subject::of(request, &seen, proxy);
    stream.host = seen.host().map(str::to_owned);
    match first(blueprint, stream, &subject, &seen.target, request) {
        Some(found) => matched(blueprint, stream, request.method(), &seen.target, &found, proxy),
        None => unmatched(blueprint, stream, &seen),
    }
}

/// The first rule that counts. One before it that is only tried is noted.
fn first<'b>(
    blueprint: &'b Blueprint,
    stream: &mut Stream,
    subject: &Subject<'_>,
    target: &Target<'_>,
    request: &Request<'_>,
) -> Option<Found<'b, Rule>> {
    if !blueprint.has_shadows {
        return blueprint.rules.first(subject);
    }
    blueprint.rules.all(subject).find(|found| {
        if found.rule.is_shadow && stream.shadow.is_none() {
            let mut shadow = Shadow::of_request(found, target, request);
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

/// The dialect of a client whose path cannot be judged: that of the first rule
/// which asks nothing of the path.
fn dialect_of_any_path(
    blueprint: &Blueprint,
    request: &Request<'_>,
    proxy: &dyn Proxy,
) -> Option<usize> {
    let root = Target::parse(Some(b"/")).ok()?;
    let subject = Subject::new(request, &root, proxy);
    let mut rules = blueprint.rules.all(&subject);
    rules.find(|found| !found.rule.is_shadow)?.rule.dialect
}

/// How much of a path that no rule matches may be logged. A host that cannot be
/// read may be any: as little as of any counts.
fn log_segments(blueprint: &Blueprint, stream: &Stream, host: Option<&Host>) -> Option<usize> {
    match &stream.host {
        Some(_) => host.and_then(|h| h.log_segments),
        None => blueprint.hosts.iter().filter_map(|h| h.log_segments).min(),
    }
}

fn matched(
    blueprint: &Blueprint,
    stream: &mut Stream,
    method: Option<&[u8]>,
    target: &Target<'_>,
    found: &Found<'_, Rule>,
    proxy: &dyn Proxy,
) -> Outcome {
    let rule = found.rule;
    stream.rule = Some(found.index);
    stream.dialect = rule.dialect;
    let captures = found.captures(target);
    for capture in captures.iter().filter(|c| rule.wanted.contains(c.name)) {
        let text = String::from_utf8_lossy(&capture.decoded).into_owned();
        stream.facts.captures.push((capture.name.to_owned(), text));
    }
    let secret = |name: &str| rule.secret.contains(name);
    let mut path = blueprint.log.of_target(target, found.template(), secret, rule.log_segments);
    if let Some(masked) = stream.shadow.as_mut().and_then(|shadow| shadow.path.take())
        && rule.secret.is_empty()
    {
        path = masked;
    }
    let mut counters = vec![counter::REQUEST_MATCHED];
    if let Some((slot, retirement)) = &rule.retirement {
        let fate = retirement.fate(proxy);
        stream.fate = Some(fate);
        let fate_counter = Usage::counter(counter::NAMES.len(), *slot, fate);
        if let Some(refusal) = fate.refusal() {
            return refused(stream, refusal, &rule.name, path).counting(fate_counter);
        }
        counters.push(fate_counter);
    }
    let mut headers = match rule.request.edits(target, &captures) {
        Ok(edits) => edits,
        Err(why) => return refused(stream, refusal(why, &rule.request), &rule.name, path),
    };
    if rule.reads_body {
        headers.extend(whole_answer(method));
    }
    let code = if headers.is_empty() { "matched" } else { "rewritten" };
    stream.request = Some((Decision::Allow, code));
    let record = stream.record(Decision::Allow, rule.name.clone(), code);
    let mut outcome = Outcome::edit(headers).with_record(record);
    outcome.count = counters;
    outcome.publish.push((PATH, path.into()));
    outcome
}

fn unmatched(blueprint: &Blueprint, stream: &mut Stream, seen: &Sighted<'_>) -> Outcome {
    let host = blueprint.host(seen.host());
    stream.dialect = host.map(|h| h.dialect);
    let path = seen.text(|| {
        let segments = log_segments(blueprint, stream, host);
        blueprint.log.of_target(&seen.target, None, |_| false, segments)
    });
    let masked = stream.shadow.as_mut().and_then(|shadow| shadow.path.take());
    let path = masked.map_or(path, Rc::from);
    if host.is_some_and(|h| h.unmatched == Unmatched::Refuse) {
        let refusal =
            Refusal::new(404, "unknown_route", "Not found", "there is nothing at this path");
        return refused(stream, refusal, "-", path);
    }
    let mut outcome = Outcome::pass().with_record(stream.record(Decision::Skip, "-", "no_rule"));
    outcome.publish.push((PATH, path));
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

fn refusal(why: Unwritable, steps: &RequestSteps) -> Refusal {
    match why {
        Unwritable::Path => Refusal::bad_request("the path cannot be rewritten"),
        Unwritable::Header => Refusal::bad_request("a part of the path does not fit a header"),
        Unwritable::Credential => Refusal::new(
            401,
            "invalid_credential",
            "Unauthorized",
            "the credential in the path is malformed",
        )
        .header("www-authenticate", steps.challenge()),
    }
}

fn refused(
    stream: &mut Stream,
    refusal: Refusal,
    rule: &str,
    path: impl Into<Rc<[u8]>>,
) -> Outcome {
    stream.request = Some((Decision::Deny, refusal.code));
    let record = stream.record(Decision::Deny, rule.to_owned(), refusal.code);
    let mut outcome =
        Outcome::refuse(refusal).with_record(record).counting(counter::REQUEST_REFUSED);
    outcome.publish.push((PATH, path.into()));
    outcome
}
