//! What a rate-limit service answers, under bytes that somebody makes to do harm: see
//! `postern_core::fuzz`.

#![allow(
    clippy::panic,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::arithmetic_side_effects,
    reason = "targets assert; nothing of this is in a module"
)]

use std::time::Duration;

use postern_core::Answer;
use postern_core::fuzz::twice;

use super::message::{Code, Descriptor, Request, Response, Unit};
use super::protobuf::{fields, frame, push_bytes, push_number, unframe};
use super::reported::{by_headers, by_status, read};
use crate::rate::{Algorithm, Rate};

postern_core::fuzz_targets! {
    /// The body of an answer, as it comes over gRPC.
    answer: 6_000, answers, WORDS, answer;
    /// A message of whatever kind.
    message: 4_000, messages, WORDS, message;
    /// A question, made of what callers say.
    question: 3_000, questions, WORDS, question;
}

const WORDS: &[&str] = &[
    "\u{8}\u{1}",
    "\u{8}\u{2}",
    "\u{12}\u{0}",
    "\u{18}\u{7f}",
    "\"\u{2}\u{8}\u{5}",
    "x-ratelimit-limit",
    "x-ratelimit-remaining",
    "x-ratelimit-reset",
    "10, 10;w=60",
    "99999999999999999999",
    "-1",
];

/// A status for each, then headers.
fn sample() -> Vec<u8> {
    let mut limit = Vec::new();
    push_number(&mut limit, 1, 10);
    push_number(&mut limit, 2, 2);
    let mut reset = Vec::new();
    push_number(&mut reset, 1, 30);
    push_number(&mut reset, 2, 500_000_000);
    let mut status = Vec::new();
    push_number(&mut status, 1, 2);
    push_bytes(&mut status, 2, &limit);
    push_number(&mut status, 3, 4);
    push_bytes(&mut status, 4, &reset);
    let mut out = Vec::new();
    push_number(&mut out, 1, 2);
    push_bytes(&mut out, 2, &status);
    for (name, value) in [
        ("X-RateLimit-Limit", "10, 10;w=60"),
        ("x-ratelimit-remaining", "0"),
        ("x-ratelimit-reset", "9"),
    ] {
        let mut header = Vec::new();
        push_bytes(&mut header, 1, name.as_bytes());
        push_bytes(&mut header, 2, value.as_bytes());
        push_bytes(&mut out, 3, &header);
    }
    out
}

fn messages() -> Vec<Vec<u8>> {
    let question = Request {
        domain: "postern".to_owned(),
        descriptors: vec![Descriptor {
            entries: vec![("limit".to_owned(), "current".to_owned())],
            limit: Some((5, Unit::Minute)),
            hits: 3,
        }],
    };
    vec![sample(), vec![8, 1], Vec::new(), question.encode()]
}

fn answers() -> Vec<Vec<u8>> {
    messages().iter().map(|message| frame(message)).collect()
}

fn questions() -> Vec<Vec<u8>> {
    vec![b"subject\nnorthwind\n7".to_vec(), "a\n\u{0}\u{7f}\u{20ac}\nb\nc".as_bytes().to_vec()]
}

/// An answer that is taken says yes or no, has a status for each descriptor or none,
/// and nobody is told to wait for longer than a year.
fn answer(bytes: &[u8]) {
    let answer = |status| Answer::Response {
        status,
        headers: vec![(":status".to_owned(), b"200".to_vec())],
        body: bytes.to_vec().into(),
    };
    let read = |descriptors| read(&answer(200), descriptors);
    let _ = twice(|| read(1));
    assert!(super::reported::read(&answer(500), 1).is_err());
    for descriptors in [0, 1, 2] {
        let Ok(response) = read(descriptors) else { continue };
        assert_ne!(response.overall, Code::Unknown);
        assert!(response.statuses.is_empty() || response.statuses.len() == descriptors);
        let rate = Rate::new(Algorithm::FixedWindow, 7, 60, 7).unwrap();
        let now = Duration::from_secs(1_700_000_000);
        let statuses = response.statuses.iter().filter_map(|status| by_status(status, &rate, now));
        let headers = by_headers(&response).map(|said| said.reported(&rate, now));
        for left in statuses.chain(headers).map(|reported| reported.left) {
            assert!(left.more_in() <= 366 * 86_400 && left.whole_ns == left.more_ns, "{left:?}");
        }
    }
}

/// The fields of a message are parts of it, and what is decoded is no longer than it.
fn message(bytes: &[u8]) {
    let mut left = bytes.len();
    for field in fields(bytes) {
        let Ok((number, value)) = field else { break };
        assert!((1..1 << 29).contains(&number));
        let length = value.bytes().map_or(0, <[u8]>::len);
        left = left.checked_sub(length + 1).expect("fields are parts of the message");
    }
    if let Ok(response) = Response::decode(bytes) {
        let names = response.headers.iter().map(|(name, value)| name.len() + value.len());
        assert!(names.sum::<usize>() + response.statuses.len() <= bytes.len());
    }
    let framed = frame(bytes);
    assert_eq!(unframe(&framed), Ok(bytes));
    assert!(bytes.is_empty() || unframe(framed.split_last().unwrap().1).is_err());
}

/// Whatever callers say, a question says it back, entry by entry.
fn question(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let lines: Vec<&str> = text.split('\n').collect();
    let entries: Vec<(String, String)> = lines
        .chunks_exact(2)
        .map(|pair| (pair.first().unwrap().to_string(), pair.last().unwrap().to_string()))
        .collect();
    let hits = u32::try_from(bytes.len()).unwrap().max(1);
    let descriptor = Descriptor { entries: entries.clone(), limit: None, hits };
    let other = Descriptor { entries: Vec::new(), limit: Some((1, Unit::Year)), hits: 1 };
    let request = Request { domain: text.to_string(), descriptors: vec![descriptor, other] };
    let encoded = request.encode();
    let mut found = Vec::new();
    for field in fields(&encoded) {
        let (number, value) = field.expect("what is written can be read");
        if number != 2 {
            continue;
        }
        for inner in fields(value.bytes().unwrap()) {
            let (1, entry) = inner.unwrap() else { continue };
            let parts: Vec<_> = fields(entry.bytes().unwrap()).map(Result::unwrap).collect();
            let [(1, key), (2, value)] = parts.as_slice() else { panic!("{parts:?}") };
            let text = |v: &super::protobuf::Value<'_>| {
                String::from_utf8(v.bytes().unwrap().to_vec()).unwrap()
            };
            found.push((text(key), text(value)));
        }
    }
    assert_eq!(found, entries);
}
