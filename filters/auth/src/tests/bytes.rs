//! Whatever bytes come, there is a decision and no panic.

use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::jws::{Jws, LastHeader, object};
use crate::reason::Reason;

/// Bytes that are near to something meaningful.
fn near() -> impl Strategy<Value = Vec<u8>> {
    let good = mint::with_claims(json!({}));
    let pieces: Vec<Vec<u8>> = [
        "Bearer ",
        "Basic ",
        "bearer",
        " ",
        ",",
        ".",
        "=",
        ":",
        "\"",
        "{",
        "}",
        "e30",
        "eyJhbGciOiJub25lIn0",
        "bm9ydGh3aW5kOmtleS1vZi1ub3J0aHdpbmQ=",
        "key-of-northwind",
        &good,
    ]
    .iter()
    .map(|p| p.as_bytes().to_vec())
    .collect();
    let piece = prop_oneof![
        3 => prop::sample::select(pieces),
        1 => prop::collection::vec(any::<u8>(), 0..6),
    ];
    prop::collection::vec(piece, 0..6).prop_map(|pieces| pieces.concat())
}

/// Few names are compared each with each, many are sorted.
#[test]
fn a_name_that_stands_twice_is_found_among_few_and_many() {
    for count in [2, 3, 23, 24, 25, 26, 90] {
        // Of one length, with the same last byte.
        let names: Vec<String> = (0..count).map(|n| format!("a{n:02}z")).collect();
        let read = |names: &[String]| {
            let members: Vec<String> = names.iter().map(|name| format!("\"{name}\":1")).collect();
            object(format!("{{{}}}", members.join(",")).as_bytes()).is_some()
        };
        assert!(read(&names), "{count}");
        for (one, other) in [(0, count - 1), (0, 1), (count - 2, count - 1)] {
            let mut twice = names.clone();
            twice[other] = names[one].clone();
            assert!(!read(&twice), "{one} and {other} of {count}");
        }
    }
}

/// A header that is too long to be kept is read each time.
#[test]
fn a_header_of_any_length_is_read_after_any_other() {
    let last = LastHeader::default();
    for size in [1, 700, 740, 741, 742, 743, 744, 745, 900, 1] {
        let header = format!("{{\"alg\":\"RS256\",\"kid\":\"{}\"}}", "k".repeat(size));
        let token = format!("{}.e30.", mint::b64(header));
        for _ in 0..2 {
            let jws = Jws::parse_like(token.as_bytes(), &last).unwrap();
            assert_eq!(jws.header.kid.as_ref().map(String::len), Some(size));
        }
    }
}

proptest! {
    #[test]
    fn every_request_is_decided(
        authorization in prop::collection::vec(near(), 0..2),
        key in prop::collection::vec(near(), 0..2),
        path in prop_oneof![
            Just(b"/public/a".to_vec()), Just(b"/private".to_vec()),
            prop::collection::vec(any::<u8>(), 0..12),
        ],
    ) {
        let mut headers = vec![(":path", path.as_slice())];
        headers.extend(authorization.iter().map(|v| ("authorization", v.as_slice())));
        headers.extend(key.iter().map(|v| ("x-api-key", v.as_slice())));
        let outcome = send_raw(&shared(), Headers::new(headers));
        match &outcome.step {
            Step::Continue => {
                let known = matches!(identity(&outcome), Identity::Known(_));
                let credentials = authorization.len() + key.len();
                prop_assert_eq!(known, credentials == 1);
            }
            Step::Refuse(refusal) => prop_assert!([400, 401].contains(&refusal.status)),
            other => prop_assert!(false, "{other:?}"),
        }
        for edit in &outcome.edits() {
            if let HeaderEdit::Set(name, value) = edit {
                prop_assert!(postern_core::grammar::may_write(name, value));
            }
        }
    }

    #[test]
    fn a_token_changed_in_one_byte_is_no_good_token(at in 0usize..400, to in any::<u8>()) {
        let good = mint::with_claims(json!({})).into_bytes();
        let mut bad = good.clone();
        let at = at % bad.len();
        bad[at] = to;
        let value = [b"Bearer ", bad.as_slice()].concat();
        let outcome = send_to(&shared(), "/private", &[("authorization", value.as_slice())]);
        prop_assert_eq!(matches!(outcome.step, Step::Continue), bad == good);
    }

    #[test]
    fn reading_a_token_is_total(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
        let _ = Jws::parse(&bytes);
        let dotted = [&bytes[..], b".", &bytes[..], b".", &bytes[..]].concat();
        let _ = Jws::parse(&dotted);
        let json = mint::b64(&bytes);
        let _ = Jws::parse(format!("{json}.{json}.{json}").as_bytes());
    }

    /// A good token need not be held to the grammar of its header: it is narrower.
    #[test]
    fn what_is_read_as_a_token_is_a_token68(at: prop::sample::Index, to in any::<u8>()) {
        let good = mint::with_claims(json!({})).into_bytes();
        let mut other = good.clone();
        let at = at.index(other.len());
        other[at] = to;
        for token in [&good, &other] {
            let is_read = Jws::parse(token).is_ok();
            prop_assert!(!is_read || postern_core::grammar::is_token68(token));
        }
    }

    /// A JOSE header of any members is read as a simple model reads it.
    #[test]
    fn headers_are_read_as_a_simple_model_reads_them(
        members in prop::collection::vec((0usize..7, 0usize..7), 0..5),
    ) {
        let names = ["alg", "kid", "typ", "crit", "b64", "jwk", "\\u0061lg"];
        let values = ["\"EdDSA\"", "\"x\"", "null", "true", "1e400", "[]", "{\"a\":1,\"a\":2}"];
        let members: Vec<(&str, &str)> =
            members.into_iter().map(|(n, v)| (names[n], values[v])).collect();
        let text: Vec<String> = members.iter().map(|(n, v)| format!("\"{n}\":{v}")).collect();
        let token = format!("{}.e30.", mint::b64(format!("{{{}}}", text.join(","))));
        let other = format!("{}.e30.", mint::b64("{\"alg\":\"RS256\",\"kid\":\"other\"}"));
        let named = |name: &str| -> Vec<&str> {
            let same = |n: &str| n == name || (n.ends_with("lg") && name == "alg");
            members.iter().filter(|(n, _)| same(n)).map(|(_, v)| *v).collect()
        };
        let ambiguous = ["alg", "kid", "typ", "crit", "b64", "jwk"].iter().any(|n| named(n).len() > 1)
            || members.iter().any(|(_, v)| v.contains("1e400") || v.contains("\"a\":2"));
        let text_or_none = |name: &str| named(name).iter().all(|v| v.starts_with('"'));
        let expected = if ambiguous {
            Err(Reason::BadHeader)
        } else if !named("crit").is_empty() || !named("b64").is_empty() {
            Err(Reason::Extension)
        } else if named("alg").is_empty() || !["alg", "kid", "typ"].into_iter().all(text_or_none) {
            Err(Reason::BadHeader)
        } else {
            Ok(named("alg")[0].trim_matches('"').to_owned())
        };
        let alg = |jws: Result<Jws<'_>, Reason>| jws.map(|jws| jws.header.alg.clone());
        prop_assert_eq!(&alg(Jws::parse(token.as_bytes())), &expected);
        // Whatever header was read before it.
        let last = LastHeader::default();
        for before in [&other, &token, &other] {
            let _ = Jws::parse_like(before.as_bytes(), &last);
            prop_assert_eq!(&alg(Jws::parse_like(token.as_bytes(), &last)), &expected);
        }
    }

    #[test]
    fn any_text_as_a_claim_is_carried_whole_or_refused(text in "\\PC{0,8}|[\\x00-\\x20a\\x7f\\u{80}-\\u{a0}]{0,4}") {
        let outcome = send_to(
            &shared(),
            "/private",
            &[("authorization", format!("Bearer {}", mint::with_claims(json!({"sub": text}))).as_bytes())],
        );
        if let Step::Continue = outcome.step {
            prop_assert_eq!(subject(&outcome), text.clone());
            prop_assert_eq!(edit(&outcome, "x-postern-subject"), Some(text));
        }
    }
}

/// Compiled once: the checks of RSA keys are slow in debug builds.
fn shared() -> std::rc::Rc<Auth> {
    thread_local!(static AUTH: std::rc::Rc<Auth> = std::rc::Rc::new(configured(&policy())));
    AUTH.with(std::rc::Rc::clone)
}
