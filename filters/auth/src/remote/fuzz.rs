//! Targets for fuzzing: see `crate::fuzz`.

use postern_core::fuzz::twice;
use postern_core::grammar;

use super::config::Uri;
use super::document::etag;
use super::state::{MAX_ETAG, State, max_age};
use crate::fuzz::texts;

pub(crate) const WORDS: &[&str] = &[
    "max-age=",
    "max-age=60",
    "no-store",
    "no-cache",
    "s-maxage=1",
    ", ",
    "\"",
    "W/",
    "https://",
    "http://",
    "id.example.com",
    ":443",
    "/.well-known/",
    "?a=b",
    "#",
    "user@",
    "[::1]",
    "%2F",
    "..",
];

pub(crate) fn state_seeds() -> Vec<Vec<u8>> {
    let state = State::example();
    vec![state.encode(), State { max_age: None, etag: Vec::new(), ..state }.encode()]
}

/// What is read is what others read.
pub(crate) fn state(bytes: &[u8]) {
    let Some(state) = twice(|| State::decode(bytes)) else { return };
    assert_eq!(state.encode(), bytes);
}

pub(crate) fn header_seeds() -> Vec<Vec<u8>> {
    texts(&[
        "public, max-age=300, must-revalidate",
        "max-age=\"5\"",
        "\"v1-abc\"",
        "W/\"weak\"",
        "NO-STORE",
    ])
}

/// An age is bounded, and a tag can be sent back.
pub(crate) fn headers(value: &[u8]) {
    let of = |name: &str| [(name.to_owned(), value.to_vec())];
    let age = twice(|| max_age(&of("Cache-Control")));
    assert_ne!(age, Some(u64::MAX), "it stands for none");
    let tag = twice(|| etag(&of("ETag")));
    assert!(tag.is_empty() || tag == value && tag.len() <= MAX_ETAG);
    assert!(grammar::may_write("if-none-match", &tag));
}

pub(crate) fn uri_seeds() -> Vec<Vec<u8>> {
    texts(&[
        "https://id.example.com/.well-known/jwks.json?v=1",
        "http://[::1]:8080",
        "https://a.example",
    ])
}

/// An address can be written into a question, and read again from its parts.
pub(crate) fn uri(text: &[u8]) {
    let Ok(text) = std::str::from_utf8(text) else { return };
    let Some(uri) = twice(|| Uri::parse(text)) else { return };
    assert!(grammar::may_write(":path", uri.path.as_bytes()));
    assert!(grammar::may_write(":authority", uri.authority.as_bytes()));
    assert!(uri.path.starts_with('/') && !uri.authority.contains(['/', '@', '?', '#']));
    let written = format!("https://{}{}", uri.authority, uri.path);
    assert_eq!(Uri::parse(&written), Some(uri.clone()));
    assert!(!uri.shown().contains('?'), "a query is not for logs");
}
