//! The headers that tell the upstream who calls. They come from the gateway
//! alone: what a client sends under their prefix is removed on every route.

use postern_core::step::Name;
use postern_core::{Fields, HeaderEdit, Headers, Put};

use crate::checked::Checked;

/// All headers that begin so are the gateway's own.
const PREFIX: &[u8] = b"x-postern-";

/// How what is said of the caller is written, one value each, and what is edited besides:
/// what the client sent under the reserved prefix goes.
pub(crate) fn edits(headers: &Headers<'_>, said: Option<&Fields>) -> (Put, Vec<HeaderEdit>) {
    let mut put = Put::Add;
    let mut edits = Vec::new();
    let mut has_connection = false;
    for name in headers.names() {
        if is_reserved_field(name) {
            put = Put::Replace;
            let Ok(name) = std::str::from_utf8(name) else { continue };
            let is_said = said.is_some_and(|said| said.iter().any(|(own, _)| own == name));
            if !is_said && edits.iter().all(|edit: &HeaderEdit| edit.name() != name) {
                edits.push(HeaderEdit::remove(name.to_owned()));
            }
        }
        has_connection |= name == b"connection";
    }
    if has_connection {
        edits.extend(connection(headers));
    }
    (put, edits)
}

/// Is this name under the reserved prefix, also when another sign stands for
/// `-`? Upstreams in the manner of CGI (RFC 3875 §4.1.18) read `_`, and some
/// every sign, as the same.
pub(crate) fn is_reserved(name: &str) -> bool {
    is_reserved_field(name.as_bytes())
}

fn is_reserved_field(name: &[u8]) -> bool {
    // Hardly any begins so: most are done with after one byte, most others after three.
    let has = |at: usize| name.get(at).map(u8::to_ascii_lowercase).as_ref() == PREFIX.get(at);
    has(0) && has(2) && is_under_prefix(name)
}

#[inline(never)]
fn is_under_prefix(name: &[u8]) -> bool {
    let canonical = |b: u8| if b.is_ascii_alphanumeric() { b.to_ascii_lowercase() } else { b'-' };
    name.len() >= PREFIX.len() && name.iter().zip(PREFIX).all(|(b, p)| canonical(*b) == *p)
}

/// What the upstream is told of a caller.
pub(crate) fn of(checked: &Checked) -> Fields {
    let caller = &checked.caller;
    let own = 2 + usize::from(caller.client.is_some()) + usize::from(!caller.scopes.is_empty());
    let count = own.saturating_add(checked.headers.len());
    let mut fields: Vec<(Name, Vec<u8>)> = Vec::with_capacity(count);
    let mut say = |name: &'static str, text: &str| fields.push((name.into(), text.into()));
    say("x-postern-subject", &caller.sub);
    if let Some(client) = &caller.client {
        say("x-postern-client", client);
    }
    if !caller.scopes.is_empty() {
        say("x-postern-scopes", caller.scopes.as_str());
    }
    say("x-postern-credential", &caller.credential);
    let further = checked.headers.iter();
    fields.extend(further.map(|(name, value)| (name.clone().into(), value.clone())));
    Fields::new(fields)
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

    fn caller() -> Fields {
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
        let others = [
            HeaderEdit::remove("x-postern-anything"),
            HeaderEdit::remove("x-postern-"),
            HeaderEdit::remove("x_postern_scopes"),
            HeaderEdit::remove("x.postern~scopes"),
        ];
        let all = [&[HeaderEdit::remove("x-postern-subject")], &others[..]].concat();
        assert_eq!(edits(&headers, None), (Put::Replace, all));
        assert_eq!(edits(&headers, Some(&caller())), (Put::Replace, others.to_vec()));
    }

    #[test]
    fn each_sign_of_a_name_counts_at_each_place() {
        for at in 0..PREFIX.len() {
            for sign in 0..=u8::MAX {
                let mut name = b"X-Postern-a".to_vec();
                name[at] = sign;
                let same = match PREFIX[at] {
                    b'-' => !sign.is_ascii_alphanumeric(),
                    letter => sign.eq_ignore_ascii_case(&letter),
                };
                assert_eq!(is_reserved_field(&name), same, "{}", name.escape_ascii());
            }
            assert!(!is_reserved_field(&PREFIX[..at]), "{at}");
        }
        assert!(is_reserved_field(PREFIX));
    }

    #[test]
    fn they_are_added_only_where_none_of_their_names_is_there() {
        let put = |name: &str| edits(&Headers::new([("a", "b"), (name, "c")]), Some(&caller()));
        assert_eq!(put("x-poster"), (Put::Add, Vec::new()));
        assert_eq!(put("X-Postern-Credential"), (Put::Replace, Vec::new()));
        let removal = vec![HeaderEdit::remove("x_postern_subject")];
        assert_eq!(put("x_postern_subject"), (Put::Replace, removal));
        let removal = vec![HeaderEdit::remove("x-postern-scopes")];
        assert_eq!(put("x-postern-scopes"), (Put::Replace, removal));
        let close = Headers::new([("connection", "close, x-postern-subject")]);
        let edited = vec![HeaderEdit::set("connection", "close")];
        assert_eq!(edits(&close, Some(&caller())), (Put::Add, edited));
    }

    #[test]
    fn each_says_one_thing() {
        let said = [
            HeaderEdit::set("x-postern-subject", "northwind"),
            HeaderEdit::set("x-postern-credential", "jwt"),
        ];
        assert_eq!(caller().edits(), said);
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
