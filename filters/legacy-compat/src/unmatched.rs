//! Requests that no rule is for: those that none matches, and those that cannot be judged.

use std::rc::Rc;

use postern_core::conditions::Query;
use postern_core::host::Host as Proxy;
use postern_core::host_name::host_of;
use postern_core::rules::Subject;
use postern_core::sight::Sighted;
use postern_core::target::{BadTarget, Target};
use postern_core::{Decision, Outcome, Recorded, Refusal, Request, Step};

use crate::answer::Stream;
use crate::applies::applies;
use crate::blueprint::{Blueprint, Host};
use crate::known_hosts::KnownHosts;
use crate::policy::Unmatched;
use crate::request::{PATH, refused};

/// No rule matches it.
pub(crate) fn unmatched(
    blueprint: &Blueprint,
    hosts: &KnownHosts,
    stream: &mut Stream,
    seen: &Sighted<'_>,
) -> Outcome {
    if stream.shadow.is_none()
        && let Some(name) = seen.host()
        && let Some(record) = hosts.record(name, || blueprint.place_of(name).is_some())
    {
        let path = seen.text(|| path_of(blueprint, &seen.target, None));
        // Each part is written out: a default of all would be made first, and dropped.
        return Outcome {
            step: Step::Continue,
            fields: None,
            headers: Vec::new(),
            body: None,
            record: Some(Recorded::Kept(record)),
            publish: vec![(PATH, path)],
            count: Vec::new(),
        };
    }
    of_dialect(blueprint, stream, seen)
}

/// No rule matches it, but something may be done all the same.
#[inline(never)]
fn of_dialect(blueprint: &Blueprint, stream: &mut Stream, seen: &Sighted<'_>) -> Outcome {
    let name = seen.host();
    let host = blueprint.host(name);
    stream.host = name.map(str::to_owned);
    stream.dialect = host.map(|h| h.dialect);
    let path = seen.text(|| path_of(blueprint, &seen.target, log_segments(blueprint, name, host)));
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

/// What may be logged of a path that no rule matches.
fn path_of(blueprint: &Blueprint, target: &Target<'_>, segments: Option<usize>) -> Vec<u8> {
    blueprint.log.of_target(target, None, |_| false, segments)
}

/// A request whose target cannot be judged.
#[cold]
pub(crate) fn not_judged(
    blueprint: &Blueprint,
    stream: &mut Stream,
    request: &Request<'_>,
    bad: BadTarget,
    proxy: &dyn Proxy,
) -> Outcome {
    stream.head = request.method() == Some(b"HEAD");
    stream.host = host_of(request.authority());
    let name = stream.host.as_deref();
    let host = blueprint.host(name);
    let segments = log_segments(blueprint, name, host);
    stream.dialect =
        host.map(|h| h.dialect).or_else(|| dialect_of_any_path(blueprint, request, proxy));
    let path = blueprint.log.of_bytes(request.path().unwrap_or_default(), segments);
    refused(stream, Refusal::bad_request(bad.to_string()), "-", path)
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
    let query = Query::default();
    let mut rules = blueprint.rules.all(&subject);
    rules.find(|found| !found.rule.is_shadow && applies(found, &subject, &query))?.rule.dialect
}

/// How much of a path that no rule matches may be logged. A host that cannot be
/// read may be any: as little as of any counts.
fn log_segments(blueprint: &Blueprint, name: Option<&str>, host: Option<&Host>) -> Option<usize> {
    match name {
        Some(_) => host.and_then(|h| h.log_segments),
        None => blueprint.hosts.iter().filter_map(|h| h.log_segments).min(),
    }
}
