//! The targets of this crate.

use serde::de::IgnoredAny;
use serde_json::Value;

use super::twice;
use crate::config::{self, parse_json};
use crate::grammar;
use crate::host_name::host_of;
use crate::identity::{Identity, Seen};
use crate::json::Json;
use crate::record::{Decision, Record};
use crate::target::{Target, decode_form, percent_decode, query_pairs};
use crate::template::Template;

crate::fuzz_targets! {
    /// JSON into a tree.
    json: 4_000, json_seeds, JSON, json;
    /// The identity that the filters behind `auth` read.
    identity: 4_000, identity_seeds, JSON, identity;
    /// A request's path and query.
    target: 6_000, target_seeds, PATHS, target;
    /// A template and a path.
    template: 4_000, template_seeds, PATHS, template;
    /// A `Host` header.
    host_name: 4_000, host_seeds, &[], host_name;
    /// Percent-encoding and queries.
    form: 4_000, target_seeds, PATHS, form;
    /// A request's text in a decision record.
    record: 3_000, target_seeds, JSON, record;
}

fn texts(list: &[&str]) -> Vec<Vec<u8>> {
    list.iter().map(|text| text.as_bytes().to_vec()).collect()
}

const JSON: &[&str] = &[
    "\"v\":1,",
    "\"sub\":\"b\",",
    ",\"iss\":\"b\"",
    ",\"scopes\":[\"b\"]",
    "\"sub\"",
    "\"anonymous\":true",
    "\"scopes\":[]",
    "\"claims\":{}",
    "\"s\\u0075b\"",
    "\\\"",
    "\\u",
    "\u{2028}",
];

fn json_seeds() -> Vec<Vec<u8>> {
    texts(&[
        r#"{"b":1,"a":[null,true,1.5,"x",-0,-0.0,1e3],"b":{"c":"\u00e9\n\ud83d\ude00"}}"#,
        r#"[18446744073709551615,-9223372036854775808,0.1,1e-7]"#,
        " \t\r\n{ } ",
        "\"text\"",
    ])
}

/// It takes what serde takes, numbers beyond all floats beside, and what it takes survives
/// the way there and back.
fn json(text: &[u8]) {
    let ours = twice(|| parse_json(text).map_err(|errors| errors.to_string()));
    let theirs = serde_json::from_slice::<Value>(text);
    let beyond = |e: &serde_json::Error| e.to_string().starts_with("number out of range");
    if !theirs.as_ref().is_err_and(beyond) {
        assert_eq!(ours.is_ok(), theirs.is_ok(), "{theirs:?}");
    }
    match ours {
        Ok(node) => {
            let written = node.to_json();
            let again = parse_json(written.as_bytes()).expect("what was written is read");
            assert_eq!(again, node);
            // Of what is not ambiguous, who reads claims makes the same.
            let claims = twice(|| Json::read(text));
            assert!(claims.is_none_or(|claims| claims.to_json() == written));
        }
        Err(why) => {
            assert_eq!(Json::read(text), None);
            // Nothing of the text: it may hold a secret.
            let place = why.rsplit_once(" (line ").expect("a place");
            assert!(["the text is not JSON", "the text ends too early"].contains(&place.0));
            assert!(place.1.bytes().all(|b| b.is_ascii_digit() || b", column)".contains(&b)));
        }
    }
}

fn identity_seeds() -> Vec<Vec<u8>> {
    texts(&[
        r#"{"v":1,"sub":"a \"b\"","iss":"https://id.example.com","client":"app","scopes":["x","y"],"provider":"idp","credential":"jwt:1","plan":"tiny","claims":{"team":7,"in":{"a":[1]}}}"#,
        r#"{"v":1,"anonymous":true}"#,
        r#" { "new" : {"sub":["b"]} , "sub" : "a\u0062" , "scopes":[ ] , "v" : 1 } "#,
    ])
}

/// What is read is JSON in which no known member stands twice, means the same to
/// another reader, and survives the way there and back.
fn identity(text: &[u8]) {
    let seen = twice(|| Seen::read(text));
    let read = twice(|| Identity::from_json(text));
    assert!(read.is_none() || seen.is_some());
    assert!(seen.is_none() || serde_json::from_slice::<IgnoredAny>(text).is_ok(), "no JSON");
    let Some(read) = read else { return };
    // A number that is too large for any type may stand in what is not read.
    let Ok(node) = parse_json(text) else { return };
    let config::Value::Map(members) = &node.value else { panic!("an object") };
    for name in ["v", "anonymous", "sub", "iss", "client", "scopes", "provider", "credential"] {
        assert!(members.iter().filter(|(key, _)| key.text == name).count() <= 1, "{name} twice");
    }
    if let Identity::Known(caller) = &read {
        let sub = node.get("sub").map(|sub| &sub.value);
        assert_eq!(sub, Some(&config::Value::Text(caller.sub.clone())));
    }
    let written = read.to_json();
    assert!(serde_json::from_slice::<Value>(&written).is_ok());
    assert_eq!(Identity::from_json(&written), Some(read));
}

const PATHS: &[&str] = &[
    "/",
    "/../",
    "/./",
    "//",
    "%2e%2e",
    "/%2F",
    "%5C",
    "%25",
    "%00",
    "%C3%A9",
    "%C3",
    "?a=b",
    "&api_key=c",
    "api%5Fkey",
    "{name}",
    "{rest:**}",
    "{n:int}",
    "{x:a|b}",
    "{y?}",
    "**",
    "*",
    "\n",
];

fn target_seeds() -> Vec<Vec<u8>> {
    texts(&[
        "/v1/market/user:northwind.json?api_key=a%2Bb&page=2",
        "/a/./b/../%2e%2e/c%C3%A9/?q=x+y&api%5Fkey=d&flag",
        "//private/%41;x",
        "*",
        "/",
    ])
}

/// The canonical form is one: it means the same, and stays as it is.
fn target(text: &[u8]) {
    let Ok(target) = twice(|| Target::parse(Some(text))) else { return };
    let canonical = target.canonical();
    assert!(canonical.len() <= text.len());
    let again = Target::parse(Some(&canonical)).expect("the canonical form is good");
    assert!(!again.is_changed());
    assert_eq!(again.canonical(), canonical);
    assert!(again.segments().eq(target.segments()));
    assert_eq!(again.query(), target.query());
    assert_eq!(target.is_changed(), canonical != text);
    if target.is_asterisk() {
        return;
    }
    let path = target.canonical_path();
    assert_eq!(path, model(text));
    assert!(canonical.starts_with(&path) && path.first() == Some(&b'/'));
    assert!(grammar::may_write(":path", &canonical));
    let last = target.segments().count() - 1;
    for (at, segment) in target.segments().enumerate() {
        let decoded = segment.decoded();
        let decoded = std::str::from_utf8(decoded).expect("UTF-8");
        assert!(!decoded.contains(|c: char| c.is_ascii_control() || "/\\".contains(c)));
        assert!(at == last || !decoded.is_empty());
        assert!(!matches!(decoded, "." | ".."));
        assert_eq!(segment.raw_range(0, decoded.len()), segment.raw());
        for cut in 0..=decoded.len().min(64) {
            let halves = [segment.raw_range(0, cut), segment.raw_range(cut, decoded.len())];
            assert_eq!(halves.concat(), segment.raw());
        }
    }
    without(&target, &["api_key"]);
    without(&target, &["api_key", "page", ""]);
}

/// The canonical path of a good target, in the simplest way.
fn model(text: &[u8]) -> Vec<u8> {
    let path = text.split(|b| *b == b'?').next().unwrap_or_default();
    let mut kept: Vec<&[u8]> = Vec::new();
    let mut slash = false;
    for part in path.split(|b| *b == b'/').skip(1) {
        slash = true;
        match percent_decode(part).as_ref() {
            b"" | b"." => {}
            b".." => drop(kept.pop()),
            _ => {
                kept.push(part);
                slash = false;
            }
        }
    }
    let mut out: Vec<u8> = kept.iter().flat_map(|part| [b"/", *part].concat()).collect();
    if slash {
        out.push(b'/');
    }
    out
}

/// Parameters are taken out, and the others stay as they were.
fn without(target: &Target<'_>, names: &[&str]) {
    let rest = target.canonical_without(names);
    let left = Target::parse(Some(&rest)).expect("what is left is good");
    assert!(left.segments().eq(target.segments()));
    let is_named = |name: &[u8]| names.iter().any(|own| decode_form(name) == own.as_bytes());
    let kept: Vec<_> =
        query_pairs(target.query().unwrap_or_default()).filter(|(n, _)| !is_named(n)).collect();
    assert_eq!(query_pairs(left.query().unwrap_or_default()).collect::<Vec<_>>(), kept);
    assert!(names.iter().all(|name| left.query_values(name).next().is_none()));
}

fn template_seeds() -> Vec<Vec<u8>> {
    texts(&[
        "/v1/market/user:{name}.json\n/v1/market/user:nor%74h%20wind.json",
        "/v3/{kind:item|sale}/{n:int}/{rest:**}\n/v3/item/12/a/b%2Bc/",
        "/a/{x?}-{y}/*/\n/a/-%C3%A9/c/",
        "/**\n/a/b",
    ])
}

/// Captures are parts of the path, and nothing else of it is masked.
fn template(text: &[u8]) {
    let Some(at) = text.iter().position(|b| *b == b'\n') else { return };
    let (template, path) = (&text[..at], &text[at + 1..]);
    let Ok(template) = std::str::from_utf8(template) else { return };
    let Ok(template) = twice(|| Template::parse(template)) else { return };
    let Ok(target) = Target::parse(Some(path)) else { return };
    let matches = twice(|| template.matches(&target));
    let captures = twice(|| template.captures(&target));
    let mask = |name: Option<&str>| {
        template.masked(&target, |own| name.is_none_or(|name| name == own), b"***")
    };
    let all = twice(|| mask(None));
    if !matches {
        return;
    }
    assert_eq!(template.masked(&target, |_| false, b"***"), target.canonical_path());
    assert_eq!(captures.len(), template.names().count());
    for capture in &captures {
        assert_eq!(percent_decode(&capture.raw), capture.decoded);
        let one = mask(Some(capture.name));
        let gone = one.len() + capture.raw.len() - target.canonical_path().len();
        // A `**` that stands for no segment has nothing to hide.
        assert!(gone == 3 || gone == 0 && capture.raw.is_empty(), "{gone}");
    }
    assert!(all.len() <= target.canonical_path().len() + 3 * captures.len());
}

fn host_seeds() -> Vec<Vec<u8>> {
    texts(&["API.example.com.:8080", "[2001:db8::1]:443", "127.0.0.1", "a_b~c-d.e"])
}

/// The form in which a host is judged is one, and cannot hold a port.
fn host_name(text: &[u8]) {
    let Some(host) = twice(|| host_of(Some(text))) else { return };
    assert_eq!(host_of(Some(host.as_bytes())).as_deref(), Some(host.as_str()));
    assert!(host.is_ascii() && !host.is_empty());
    assert!(!host.bytes().any(|b| b.is_ascii_uppercase() || b.is_ascii_whitespace()));
    assert!(host.starts_with('[') || !host.contains(':'));
    assert!(grammar::may_write(":authority", host.as_bytes()));
}

/// Decoding makes nothing longer, and leaves what is not encoded.
fn form(text: &[u8]) {
    let decoded = twice(|| percent_decode(text));
    assert!(decoded.len() <= text.len());
    let spaced: Vec<u8> = text.iter().map(|b| if *b == b'+' { b' ' } else { *b }).collect();
    assert_eq!(decode_form(text), percent_decode(&spaced));
    if !text.contains(&b'%') {
        assert_eq!(decoded, text);
    }
    let encoded: Vec<u8> = text.iter().flat_map(|b| format!("%{b:02x}").into_bytes()).collect();
    assert_eq!(percent_decode(&encoded), text);
    let pairs: Vec<_> = query_pairs(text).collect();
    let parts = text.split(|b| *b == b'&').filter(|part| !part.is_empty());
    let joined = pairs.iter().map(|(name, value)| {
        let bare = name.len() + value.len();
        (bare, bare + 1)
    });
    assert!(parts.map(<[u8]>::len).zip(joined).all(|(whole, (a, b))| whole == a || whole == b));
    // What a filter would write is held to the grammar.
    if grammar::is_path(text) {
        assert!(text.starts_with(b"/") && !text.iter().any(u8::is_ascii_control));
        assert!(!text.contains(&b'#') && std::str::from_utf8(text).is_ok());
    }
    if grammar::is_header_value(text) {
        assert!(!text.iter().any(|b| b"\0\r\n".contains(b)));
        assert_eq!(text.trim_ascii(), text);
    }
}

/// Whatever a request says, its record is one JSON object that says it.
fn record(text: &[u8]) {
    let text = String::from_utf8_lossy(text).into_owned();
    let record = Record::new(Decision::Deny, text.clone(), "code").with("host", text.clone());
    let json: Value = serde_json::from_slice(&record.to_json("abc")).expect("JSON");
    assert_eq!(json["rule"], text.as_str());
    assert_eq!(json["host"], text.as_str());
    assert_eq!(json.as_object().map(serde_json::Map::len), Some(6));
}
