//! Reports under bytes that nobody vouches for: see `postern_core::fuzz`.

use std::fmt::Write as _;

use super::super::structured::{Bare, dictionary, list};
use super::*;

/// A line of the seeds of the fuzzer is a field.
fn fuzzed(bytes: &[u8]) {
    let fields = bytes.split(|b| *b == b'\n').filter_map(|line| {
        let at = line.iter().position(|b| *b == b':')?;
        let name = std::str::from_utf8(line.get(..at)?).ok()?;
        Some((name.to_owned(), line.get(at + 1..)?.trim_ascii().to_vec()))
    });
    let fields: Vec<(String, Vec<u8>)> = fields.collect();
    let filter = filter(ALL, "\"ietf\"");
    let response = Response::new(Headers::new(fields.clone()), true);
    let reading = filter.observes.get(0).unwrap().read(&response, START);
    assert!(reading.standings.len() + reading.spoilt.len() <= 6 * 32);
    for Standing { policy, left, .. } in &reading.standings {
        assert!(left.remaining <= left.quota, "{left:?}");
        let longest = crate::rate::LONGEST.as_secs();
        assert!(left.more_in() <= longest && left.window.unwrap_or(1) <= longest, "{left:?}");
        assert!(!policy.is_empty() && policy.len() <= LONGEST_NAME);
        let plain = |b: u8| b.is_ascii_alphanumeric() || b"._-".contains(&b);
        assert!(policy.bytes().all(plain), "{policy}");
        let same = reading.standings.iter().filter(|other| other.policy == *policy).count();
        assert_eq!(same, 1, "{policy}");
    }
    // Whatever was there of limits goes.
    for (name, _) in &fields {
        if name.to_ascii_lowercase().starts_with("x-ratelimit-") {
            assert!(reading.fields.contains(&name.to_ascii_lowercase()));
        }
    }
}

fn seeds() -> Vec<Vec<u8>> {
    let three = |prefix: &str, limit: &str| {
        format!("{prefix}-limit: {limit}\n{prefix}-remaining: 3\n{prefix}-reset: 7")
    };
    let mut all = vec![
        three("x-ratelimit", r#"10, 10;w=1;name="per-ip", 1000;w=3600"#),
        three("x-rate-limit", "10"),
        three("ratelimit", "10"),
        "ratelimit: limit=10, remaining=3, reset=7\nratelimit-policy: 10;w=60".to_owned(),
        "ratelimit-policy: \"a\";q=10;w=60;pk=:YQ==:, b;q=5;qu=\"requests\"\nratelimit: \"a\";r=3;t=7, b;r=1".to_owned(),
        "x-ratelimit-total: 10\nx-ratelimit-remaining: 3".to_owned(),
    ];
    let mut whole = String::new();
    for one in &all {
        writeln!(whole, "{one}").unwrap();
    }
    all.push(whole);
    all.into_iter().map(String::into_bytes).collect()
}

const WORDS: &[&str] = &[
    "x-ratelimit-limit:",
    "x-ratelimit-remaining:",
    "x-ratelimit-reset:",
    "x-ratelimit-total:",
    "ratelimit:",
    "ratelimit-policy:",
    ";w=",
    ";q=",
    ";r=",
    ";t=",
    ";pk=:",
    ";qu=",
    ";name=\"",
    "limit=",
    "remaining=",
    "reset=",
    "\"",
    "\\",
    ",",
    "?1",
    "@1",
    "1.5",
    "999999999999999",
    "1699999207",
    "1699999207000",
    "\n",
];

postern_core::fuzz_targets! {
    /// An answer's fields, a line each.
    reports: 6_000, seeds, WORDS, fuzzed;
    /// A list or a dictionary, beside what the crate `sfv` reads in it.
    structured: 20_000, lists, WORDS, agrees;
}

fn lists() -> Vec<Vec<u8>> {
    let all = [
        r#"10, 10;w=1;name="per-ip", 1000;w=3600"#,
        r#""a";q=10;w=60;pk=:YQ==:;x;y=?0;z=@-1;*=1.25, b/c:d;q=-5;qu="re\"q\\""#,
        "limit=10, remaining=3;a, reset=7, flag;b=2, *k.-_=?1",
        "",
    ];
    all.map(|text| text.as_bytes().to_vec()).to_vec()
}

fn same(ours: Bare<'_>, theirs: &sfv::BareItem) -> bool {
    match (ours, theirs) {
        (Bare::Number(number), sfv::BareItem::Integer(n)) => i64::from(*n) == number as i64,
        (Bare::Text(text), sfv::BareItem::String(s)) => {
            text.replace("\\\"", "\"").replace("\\\\", "\\") == s.as_str() || text.contains("\\\\")
        }
        (Bare::Text(text), sfv::BareItem::Token(t)) => text == t.as_str(),
        (Bare::Other, sfv::BareItem::Integer(n)) => i64::from(*n) <= 0,
        (Bare::Other, other) => {
            !matches!(other, sfv::BareItem::String(_) | sfv::BareItem::Token(_))
        }
        (Bare::Number(_) | Bare::Text(_), _) => false,
    }
}

/// We read less than they do, and nothing else.
fn agrees(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let bare = |entry: &sfv::ListEntry| match entry {
        sfv::ListEntry::Item(item) => item.clone(),
        sfv::ListEntry::InnerList(_) => panic!("we read no inner lists: {text}"),
    };
    // What stands between the colons of bytes we do not look at.
    let bytes_inside = text.contains(':');
    let beyond = text.matches([',', ';']).count() >= 32 || text.len() > 2_048;
    match (list(text), sfv::Parser::new(text).parse::<sfv::List>()) {
        (Some(ours), Ok(theirs)) => {
            assert_eq!(ours.len(), theirs.len(), "{text}");
            for (own, their) in ours.iter().zip(theirs.iter().map(bare)) {
                assert!(same(own.value, &their.bare_item), "{text}: {own:?}, {their:?}");
                for (name, value) in &their.params {
                    let own = own.parameter(name.as_str());
                    assert!(own.is_some_and(|own| same(own, value)), "{text}: {own:?}, {value:?}");
                }
            }
        }
        (Some(ours), Err(why)) => assert!(bytes_inside, "{text}: {ours:?}, {why}"),
        (None, Ok(_)) => {
            assert!(text.contains('(') || text.contains('%') || beyond, "{text}")
        }
        (None, Err(_)) => {}
    }
    match (dictionary(text), sfv::Parser::new(text).parse::<sfv::Dictionary>()) {
        (Some(ours), Ok(theirs)) => {
            for (name, own) in &ours {
                // Of several of one name the last counts for them; for us none does.
                let there = theirs.get(*name).map(bare);
                assert!(there.is_some(), "{text}: {name}");
                if ours.iter().filter(|(other, _)| other == name).count() == 1 {
                    assert!(there.is_some_and(|t| same(own.value, &t.bare_item)), "{text}: {name}");
                }
            }
        }
        (Some(ours), Err(why)) => assert!(bytes_inside, "{text}: {ours:?}, {why}"),
        (None, Ok(_)) => {
            assert!(text.contains('(') || text.contains('%') || beyond, "{text}")
        }
        (None, Err(_)) => {}
    }
}
