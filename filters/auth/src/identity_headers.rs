//! The headers that tell the upstream who calls. They come from the gateway
//! alone: what a client sends under their prefix is removed on every route.

use postern_core::{HeaderEdit, Headers};

use crate::checked::Checked;

/// All headers that begin so are the gateway's own.
const PREFIX: &[u8] = b"x-postern-";

/// Takes out what the client sent under the reserved prefix, and sets what is
/// said of the caller, one value each.
pub(crate) fn edits(headers: &Headers<'_>, said: &[HeaderEdit]) -> Vec<HeaderEdit> {
    let mut edits = Vec::with_capacity(said.len().saturating_add(2));
    edits.extend_from_slice(said);
    let reserved = headers.fields().filter(|(name, _)| is_reserved_field(name));
    for name in reserved.filter_map(|(name, _)| std::str::from_utf8(name).ok()) {
        if edits.iter().all(|edit| edit.name() != name) {
            edits.push(HeaderEdit::remove(name.to_owned()));
        }
    }
    edits.extend(connection(headers));
    edits
}

/// Is this name under the reserved prefix, also when another sign stands for
/// `-`? Upstreams in the manner of CGI (RFC 3875 §4.1.18) read `_`, and some
/// every sign, as the same.
pub(crate) fn is_reserved(name: &str) -> bool {
    is_reserved_field(name.as_bytes())
}

fn is_reserved_field(name: &[u8]) -> bool {
    let canonical = |b: u8| if b.is_ascii_alphanumeric() { b.to_ascii_lowercase() } else { b'-' };
    name.len() >= PREFIX.len() && name.iter().zip(PREFIX).all(|(b, p)| canonical(*b) == *p)
}

/// What the upstream is told of a caller.
pub(crate) fn of(checked: &Checked) -> Vec<HeaderEdit> {
    let caller = &checked.caller;
    let mut edits = vec![HeaderEdit::set("x-postern-subject", caller.sub.as_str())];
    if let Some(client) = &caller.client {
        edits.push(HeaderEdit::set("x-postern-client", client.as_str()));
    }
    if !caller.scopes.is_empty() {
        edits.push(HeaderEdit::set("x-postern-scopes", caller.scopes.join(" ")));
    }
    edits.push(HeaderEdit::set("x-postern-credential", caller.credential.as_str()));
    for (name, value) in &checked.headers {
        edits.push(HeaderEdit::set(name.clone(), value.clone()));
    }
    edits
}

/// `Connection` names headers that the next hop drops (RFC 9110 §7.6.1): the
/// gateway's must not stand there.
fn connection(headers: &Headers<'_>) -> Option<HeaderEdit> {
    let options = || {
        headers
            .all("connection")
            .flat_map(|value| value.split(|b| *b == b','))
            .map(<[u8]>::trim_ascii)
            .filter(|option| !option.is_empty())
    };
    let names_ours = |option: &[u8]| std::str::from_utf8(option).is_ok_and(is_reserved);
    if !options().any(names_ours) {
        return None;
    }
    let kept: Vec<&[u8]> = options().filter(|option| !names_ours(option)).collect();
    Some(if kept.is_empty() {
        HeaderEdit::remove("connection")
    } else {
        HeaderEdit::set("connection", kept.join(&b", "[..]))
    })
}

#[cfg(test)]
mod tests {
    use postern_core::identity::Caller;

    use super::*;

    fn caller() -> Vec<HeaderEdit> {
        of(&Checked::from(Caller {
            sub: "northwind".to_owned(),
            credential: "jwt".to_owned(),
            ..Caller::default()
        }))
    }

    #[test]
    fn client_sent_names_go_in_every_spelling() {
        let headers = Headers::new([
            ("X-Postern-Subject", "root"),
            ("x-postern-subject", "admin"),
            ("X-POSTERN-anything", "x"),
            ("x-postern-", "x"),
            ("x_postern_scopes", "x"),
            ("x.postern~scopes", "x"),
            ("x-posternish", "stays"),
            ("x-poster", "stays"),
        ]);
        assert_eq!(
            edits(&headers, &[]),
            [
                HeaderEdit::remove("x-postern-subject"),
                HeaderEdit::remove("x-postern-anything"),
                HeaderEdit::remove("x-postern-"),
                HeaderEdit::remove("x_postern_scopes"),
                HeaderEdit::remove("x.postern~scopes"),
            ]
        );
        assert_eq!(
            edits(&headers, &caller()),
            [
                HeaderEdit::set("x-postern-subject", "northwind"),
                HeaderEdit::set("x-postern-credential", "jwt"),
                HeaderEdit::remove("x-postern-anything"),
                HeaderEdit::remove("x-postern-"),
                HeaderEdit::remove("x_postern_scopes"),
                HeaderEdit::remove("x.postern~scopes"),
            ]
        );
    }

    #[track_caller]
    fn check_connection(sent: &[&str], expected: Option<HeaderEdit>) {
        let headers = Headers::new(sent.iter().map(|v| ("connection", *v)));
        assert_eq!(connection(&headers), expected, "{sent:?}");
    }

    #[test]
    fn the_gateways_headers_cannot_be_made_hop_by_hop() {
        check_connection(&[], None);
        check_connection(&["keep-alive, x-other"], None);
        check_connection(&["X-Postern-Subject"], Some(HeaderEdit::remove("connection")));
        check_connection(
            &["close,x-postern-subject , ,upgrade", "x_postern_scopes"],
            Some(HeaderEdit::set("connection", "close, upgrade")),
        );
    }
}
