//! Taking credentials out of a request, so that the upstream never sees them.

use postern_core::{HeaderEdit, Headers, Target};

use crate::carrier::Found;
use crate::cookies;
use crate::signature::{INPUT, SIGNATURE};

/// The edits that take these out. Where a query parameter goes, the path is
/// written anew, in its canonical form.
pub(crate) fn edits(
    used: &[&Found<'_>],
    headers: &Headers<'_>,
    target: &Target<'_>,
) -> Vec<HeaderEdit> {
    let mut edits = Vec::with_capacity(used.len());
    let mut parameters: Vec<&str> = Vec::new();
    for found in used {
        match found {
            Found::Authorization { .. } => edits.push(HeaderEdit::remove("authorization")),
            Found::Header { name, .. } => edits.push(HeaderEdit::remove((*name).to_owned())),
            Found::Query { name, .. } => parameters.push(name),
            Found::Cookie { name, .. } => edits.push(without_cookie(headers, name)),
            Found::Signature => {
                edits.extend([INPUT, SIGNATURE].map(|name| HeaderEdit::remove(name.to_owned())));
            }
            Found::Unsupported => {}
        }
    }
    if !parameters.is_empty() {
        edits.push(HeaderEdit::set(":path", target.canonical_without(&parameters)));
    }
    edits
}

/// Several `Cookie` headers, as HTTP/2 may bring them, become one.
fn without_cookie(headers: &Headers<'_>, name: &str) -> HeaderEdit {
    let all: Vec<&[u8]> = headers.all("cookie").collect();
    match cookies::without(&all.join(&b"; "[..]), name) {
        Some(left) => HeaderEdit::set("cookie", left),
        None => HeaderEdit::remove("cookie"),
    }
}
