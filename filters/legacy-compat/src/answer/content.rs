//! The bodies that answers become.

use super::{Answering, Stream};
use crate::cases::{Body, Case, fault};
use crate::expression::Scope;
use crate::facts::Facts;
use crate::gzip;
use crate::json::Document;
use crate::policy::OnMismatch;
use crate::template::Unrendered;

/// A rendered body may be this many times as large as the largest that is read.
const MAX_GROWTH: usize = 4;

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
    let unpacked;
    let text = if stream.packed {
        unpacked = gzip::decode(body, answering.max_body).ok_or("bad_gzip")?;
        unpacked.as_slice()
    } else {
        body
    };
    let document = Document::read(text).map_err(|_| "bad_json")?;
    render(answering, case, &document, &stream.facts)
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
    match &case.body {
        Body::Keep => Err("no_body"),
        Body::Constant(bytes) => Ok(bytes.clone()),
        Body::Edit(edit) => Ok(edit.apply(document).into_bytes()),
        Body::Template(template) => {
            let scope = Scope { document, current: document.root(), facts };
            let limit = answering.max_body.saturating_mul(MAX_GROWTH);
            match template.render(scope, limit) {
                Ok(json) => Ok(json.into_bytes()),
                Err(Unrendered::Mismatch(_)) => Err("other_shape"),
                Err(Unrendered::TooLarge) => Err("too_large"),
            }
        }
    }
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
