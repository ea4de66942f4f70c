//! The host that a request names, in the one form in which it is judged.

use std::net::Ipv6Addr;

use crate::bytes::{self, table};

/// The host that `:authority` names: lower case, without port and trailing
/// dot. `None` when it is absent, empty or neither a name nor an address: a
/// proxy joins two `Host` headers into one value with a comma, for example. A
/// name has no empty part: with a second dot at its end it would be another
/// name to whoever takes one off, and no rule's.
///
/// An IPv6 address is written as RFC 5952 has it.
#[must_use]
pub fn host_of(authority: Option<&[u8]>) -> Option<String> {
    let text = std::str::from_utf8(authority?).ok()?;
    // An IPv6 literal keeps its colons: only what follows the bracket is a port.
    let (host, port) = match text.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((literal, port)) => {
            // It has many forms: `[0:0::1]` is `[::1]`.
            let address = literal.parse::<Ipv6Addr>().ok();
            (address.map(|address| format!("[{address}]")), port)
        }
        None => {
            let colon = bytes::find(text.as_bytes(), b':').unwrap_or(text.len());
            let (name, port) = text.split_at_checked(colon)?;
            let name = name.strip_suffix('.').unwrap_or(name);
            (is_name(name.as_bytes()).then(|| name.to_owned()), port)
        }
    };
    let port_is_good = match port.strip_prefix(':') {
        Some(digits) => digits.bytes().all(|b| b.is_ascii_digit()),
        None => port.is_empty(),
    };
    let mut host = host.filter(|_| port_is_good)?;
    host.make_ascii_lowercase();
    Some(host)
}

/// Kinds of bytes: a dot, and one that stands in no name.
const DOT: u8 = 1;
const FOREIGN: u8 = 2;

const fn kind(b: u8) -> u8 {
    match b {
        b'.' => DOT,
        b'-' | b'_' | b'~' => 0,
        _ if b.is_ascii_alphanumeric() => 0,
        _ => FOREIGN,
    }
}

/// Parts of letters, digits, `-`, `_` and `~`, none empty, with dots between them.
fn is_name(name: &[u8]) -> bool {
    // Before the first part there is an end of a part, as a dot is one.
    let mut before = DOT;
    let mut bad = 0;
    for b in name {
        let kind = bytes::kind_in(table!(kind), *b);
        bad |= kind & (before | FOREIGN);
        before = kind;
    }
    bad | before == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_are_compared_in_one_form() {
        for same in
            ["api.example.com", "API.Example.com", "api.example.com:443", "api.example.com."]
        {
            assert_eq!(host_of(Some(same.as_bytes())).as_deref(), Some("api.example.com"));
        }
        assert_eq!(host_of(Some(b"[::1]:80")).as_deref(), Some("[::1]"));
        for none in [
            &b""[..],
            b":80",
            b".",
            b"\xff",
            b"a,b",
            b"user@a",
            b"a b",
            b"a:b",
            b"[::1",
            b"[x]",
            b"[1]",
            b"[::1.2]",
            b"[::1%25eth0]",
            b"[v1.a]",
            b"[]",
        ] {
            assert_eq!(host_of(Some(none)), None);
        }
    }

    /// A rule for one form of an address has to see the requests with another.
    #[test]
    fn an_address_has_one_form() {
        for same in ["[::1]", "[0:0:0:0:0:0:0:1]", "[0::0001]:443", "[::0.0.0.1]"] {
            assert_eq!(host_of(Some(same.as_bytes())).as_deref(), Some("[::1]"), "{same}");
        }
        let long = b"[2001:0DB8:0:0:0:0:0:00Aa]";
        assert_eq!(host_of(Some(long)).as_deref(), Some("[2001:db8::aa]"));
    }

    /// Fuzzing found that one dot was taken off `a..` and the other left: `a.` is no
    /// name that a rule has, so a rule for `a` did not see the request, while an
    /// upstream, or a second reading, takes it for `a`.
    #[test]
    fn a_name_has_no_empty_part() {
        for none in ["api.example.com..", "api.example.com...", "..", ".a", "a..b", "a..:80"] {
            assert_eq!(host_of(Some(none.as_bytes())), None, "{none}");
        }
    }
}
