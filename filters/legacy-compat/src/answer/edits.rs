//! The headers of an answer that has become another.

use postern_core::step::HeaderEdit;

use super::{Answering, Stream};
use crate::cases::{Body, Case};
use crate::framing::announced;

/// The edits that go with a new body.
pub(crate) fn body_headers(
    answering: &Answering<'_>,
    stream: &Stream,
    case: &Case,
) -> Vec<HeaderEdit> {
    let mut edits = answering.dialect_headers(stream);
    edits.extend(of_the_old_body(stream));
    edits.extend(case_headers(answering, stream, case));
    edits
}

pub(super) fn case_headers(
    answering: &Answering<'_>,
    stream: &Stream,
    case: &Case,
) -> Vec<HeaderEdit> {
    let mut edits = Vec::new();
    let status = status_of(case, stream);
    if status != stream.status {
        edits.push(HeaderEdit::set(":status", status.to_string()));
    }
    edits.extend(case.type_of(answering.dialect, &stream.facts));
    edits.extend(stream.edits(&case.headers));
    edits
}

/// The status of an answer that has become another.
pub(super) fn status_of(case: &Case, stream: &Stream) -> u16 {
    case.status.unwrap_or(match stream.facts.status {
        // What takes the place of a part is none (RFC 9110 §15.3.7).
        206 if !matches!(case.body, Body::Keep) => 200,
        status => status,
    })
}

/// Headers that describe the bytes of the body that was.
pub(super) fn of_the_old_body(stream: &Stream) -> impl Iterator<Item = HeaderEdit> {
    const NAMES: [&str; 8] = [
        "etag",
        "content-encoding",
        "content-md5",
        "digest",
        "content-digest",
        "repr-digest",
        "accept-ranges",
        "content-range",
    ];
    let kept = stream.kept.iter().map(|(name, value)| (name.as_ref(), value.as_slice()));
    NAMES.into_iter().map(HeaderEdit::remove).chain(announced(kept))
}
