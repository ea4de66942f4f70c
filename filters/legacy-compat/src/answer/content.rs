//! The bodies that answers become.

use std::borrow::Cow;

use super::{Answering, Stream};
use crate::cases::{Body, Case, callback};
use crate::edit::Unedited;
use crate::expression::Scope;
use crate::facts::Facts;
use crate::fault::{fault, plain};
use crate::gzip;
use crate::json::Document;
use crate::policy::OnMismatch;
use crate::template::Unrendered;

/// A rendered body may be this many times as large as the largest that is read.
pub(crate) const MAX_GROWTH: usize = 4;
/// Why an answer does not fit that is larger than may be read, or would become so.
pub(crate) const TOO_LARGE: &str = "too_large";

/// The new body.
pub(crate) fn rewritten(
    answering: &Answering<'_>,
    stream: &Stream,
    case: &Case,
    body: &[u8],
) -> Result<Vec<u8>, &'static str> {
    if !case.reads_body() {
        return made(case, &stream.facts, answering.limit());
    }
    if let Some(code) = stream.unfit {
        return Err(code);
    }
    let text = unpacked(stream.packed, body, answering.max_body)?;
    let document = Document::read(&text).map_err(|_| "bad_json")?;
    render(case, &document, &stream.facts, answering.limit())
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
    gzip::decode(body, limit).map(Cow::Owned).map_err(|why| match why {
        gzip::Unread::Bad => "bad_gzip",
        gzip::Unread::TooLarge => TOO_LARGE,
    })
}

/// The body of a case that does not look at the answer's.
pub(crate) fn made(case: &Case, facts: &Facts, limit: usize) -> Result<Vec<u8>, &'static str> {
    let nothing = Document::read(b"null").map_err(|_| "bad_json")?;
    render(case, &nothing, facts, limit)
}

fn render(
    case: &Case,
    document: &Document<'_>,
    facts: &Facts,
    limit: usize,
) -> Result<Vec<u8>, &'static str> {
    let json = match &case.body {
        Body::Keep => return Err("no_body"),
        Body::Constant(bytes) => return Ok(bytes.clone()),
        Body::Edit(edit) => match edit.apply(document, facts, limit) {
            Ok(json) => json,
            Err(Unedited::OtherShape) => return Err("other_shape"),
            Err(Unedited::TooLarge) => return Err(TOO_LARGE),
        },
        Body::Template(template) => {
            let scope = Scope { document, current: document.root(), facts };
            match template.render(scope, limit) {
                Ok(json) => json,
                Err(Unrendered::Mismatch(_)) => return Err("other_shape"),
                Err(Unrendered::TooLarge) => return Err(TOO_LARGE),
            }
        }
    };
    let output = case.output(facts);
    output.write(json, case.charset, |name| callback(facts, name), limit).ok_or("other_shape")
}

/// What takes the place of an answer that cannot be used.
pub(super) struct Replacement<'b> {
    pub(super) case: Cow<'b, Case>,
    pub(super) facts: Facts,
    pub(super) body: Vec<u8>,
    /// What the policy says could not be rendered, and the gateway's own refusal it is.
    pub(super) is_plain: bool,
}

/// What the dialect makes of an answer that cannot be used, if that is wanted.
pub(super) fn replacement<'b>(
    answering: &Answering<'b>,
    stream: &Stream,
    wanted: OnMismatch,
) -> Option<Replacement<'b>> {
    if wanted != OnMismatch::Fault {
        return None;
    }
    let (mut facts, origin) = fault();
    facts.captures.clone_from(&stream.facts.captures);
    facts.instance.clone_from(&stream.facts.instance);
    let case = answering.case(&facts, origin).filter(|c| !c.reads_body());
    let body = case.and_then(|case| made(case, &facts, answering.limit()).ok());
    if let Some((case, body)) = case.zip(body) {
        return Some(Replacement { case: Cow::Borrowed(case), facts, body, is_plain: false });
    }
    let (case, body) = plain(&facts);
    Some(Replacement { case: Cow::Owned(case), facts, body, is_plain: true })
}
