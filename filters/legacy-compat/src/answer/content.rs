//! The bodies that answers become.

use std::borrow::Cow;

use super::{Answering, Stream};
use crate::cases::{Body, Case, callback, fault};
use crate::edit::Unedited;
use crate::expression::Scope;
use crate::facts::Facts;
use crate::gzip;
use crate::json::Document;
use crate::policy::OnMismatch;
use crate::template::Unrendered;

/// A rendered body may be this many times as large as the largest that is read.
pub(crate) const MAX_GROWTH: usize = 4;

/// The new body.
pub(crate) fn rewritten(
    answering: &Answering<'_>,
    stream: &Stream,
    case: &Case,
    body: &[u8],
) -> Result<Vec<u8>, &'static str> {
    if !case.reads_body() {
        return made(answering, case, &stream.facts);
    }
    if let Some(code) = stream.unfit {
        return Err(code);
    }
    let text = unpacked(stream.packed, body, answering.max_body)?;
    let document = Document::read(&text).map_err(|_| "bad_json")?;
    render(answering, case, &document, &stream.facts)
}

/// The body without gzip.
pub(crate) fn unpacked(
    packed: bool,
    body: &[u8],
    limit: usize,
) -> Result<Cow<'_, [u8]>, &'static str> {
    if !packed {
        return Ok(Cow::Borrowed(body));
    }
    gzip::decode(body, limit).map(Cow::Owned).ok_or("bad_gzip")
}

/// The body of a case that does not look at the answer's.
pub(super) fn made(
    answering: &Answering<'_>,
    case: &Case,
    facts: &Facts,
) -> Result<Vec<u8>, &'static str> {
    let nothing = Document::read(b"null").map_err(|_| "bad_json")?;
    render(answering, case, &nothing, facts)
}

/// The same, of an answer that no stream here has.
pub(crate) fn rendered(case: &Case, facts: &Facts, max_body: usize) -> Option<Vec<u8>> {
    made(&Answering { rule: None, dialect: None, max_body }, case, facts).ok()
}

pub(super) fn render(
    answering: &Answering<'_>,
    case: &Case,
    document: &Document<'_>,
    facts: &Facts,
) -> Result<Vec<u8>, &'static str> {
    let limit = answering.max_body.saturating_mul(MAX_GROWTH);
    let json = match &case.body {
        Body::Keep => return Err("no_body"),
        Body::Constant(bytes) => return Ok(bytes.clone()),
        Body::Edit(edit) => match edit.apply(document, facts, limit) {
            Ok(json) => json,
            Err(Unedited::OtherShape) => return Err("other_shape"),
            Err(Unedited::TooLarge) => return Err("too_large"),
        },
        Body::Template(template) => {
            let scope = Scope { document, current: document.root(), facts };
            match template.render(scope, limit) {
                Ok(json) => json,
                Err(Unrendered::Mismatch(_)) => return Err("other_shape"),
                Err(Unrendered::TooLarge) => return Err("too_large"),
            }
        }
    };
    let output = case.output(facts);
    output.write(json, case.charset, |name| callback(facts, name), limit).ok_or("other_shape")
}

/// What the dialect makes of an answer that cannot be used, if that is wanted.
pub(super) fn replacement<'b>(
    answering: &Answering<'b>,
    stream: &Stream,
    wanted: OnMismatch,
) -> Option<(&'b Case, Facts, Vec<u8>)> {
    if wanted != OnMismatch::Fault {
        return None;
    }
    let (mut facts, origin) = fault();
    facts.captures.clone_from(&stream.facts.captures);
    let fault = answering.case(&facts, origin).filter(|c| !c.reads_body())?;
    let body = made(answering, fault, &facts).ok()?;
    Some((fault, facts, body))
}
