//! An answer beside the recorded one.

use super::json::{self, Expected, Json, written};
use super::lines::Lines;
use super::text::{Piece, matches};
use super::wire::Answer;

/// How much of a body a difference shows, from just before where it begins.
const SHOWN: usize = 60;

/// A recorded answer, its values filled in.
#[derive(Clone, Debug)]
pub(super) struct Recorded {
    pub(super) status: u16,
    pub(super) reason: Option<String>,
    pub(super) headers: Lines,
    pub(super) body: Body,
}

/// A recorded body.
#[derive(Clone, Debug)]
pub(super) enum Body {
    Bytes(Vec<Piece>),
    Json { expected: Expected, ignore: Vec<Vec<String>> },
    Any,
}

/// All in which an answer differs.
pub(super) fn differences(expected: &Recorded, answer: &Answer) -> Vec<String> {
    let mut out = Vec::new();
    if answer.status != expected.status {
        out.push(format!("status: expected {}, but got {}", expected.status, answer.status));
    }
    if let Some(reason) = &expected.reason
        && reason.as_bytes() != answer.reason
    {
        let (wanted, got) = (shown(reason.as_bytes()), shown(&answer.reason));
        out.push(format!("reason phrase: expected {wanted}, but got {got}"));
    }
    expected.headers.differences(&answer.headers, &mut out);
    if let Some(why) = &answer.cut {
        out.push(format!("the body is cut: {why}"));
    }
    match &expected.body {
        Body::Any => {}
        Body::Bytes(pieces) => {
            if let Err(at) = matches(pieces, &answer.body) {
                out.push(bytes_differ(pieces, &answer.body, at));
            }
        }
        Body::Json { expected, ignore } => match Json::read(&answer.body) {
            Ok(found) => json::compare(expected, &found, ignore, &mut Vec::new(), &mut out),
            Err(at) => {
                let got = excerpt(&answer.body, at);
                out.push(format!("body: no JSON at byte {at}: {got}"));
            }
        },
    }
    out
}

fn bytes_differ(pieces: &[Piece], found: &[u8], at: usize) -> String {
    if found.is_empty() {
        return format!("body: expected {}, but it is empty", cut(&written(pieces)));
    }
    // Without placeholders both are known from there on.
    match pieces {
        [] => format!("body: expected none, but got {}", excerpt(found, 0)),
        [Piece::Bytes(wanted)] => {
            let (wanted, got) = (excerpt(wanted, at), excerpt(found, at));
            format!("body: from byte {at} on: expected {wanted}, but got {got}")
        }
        _ => {
            let (wanted, got) = (cut(&written(pieces)), excerpt(found, at));
            format!("body: from byte {at} on: expected {wanted}, but got {got}")
        }
    }
}

fn excerpt(bytes: &[u8], at: usize) -> String {
    let from = bytes.get(at..).unwrap_or_default();
    if from.is_empty() {
        return "its end".to_owned();
    }
    let part = from.get(..SHOWN).unwrap_or(from);
    if part.len() < from.len() { format!("{}…", shown(part)) } else { shown(part) }
}

fn cut(text: &str) -> String {
    const MOST: usize = 400;
    if text.chars().count() <= MOST {
        return text.to_owned();
    }
    format!("{}…", text.chars().take(MOST).collect::<String>())
}

/// Bytes on one line, in backticks.
pub(super) fn shown(bytes: &[u8]) -> String {
    let mut out = String::from("`");
    for chunk in bytes.utf8_chunks() {
        for c in chunk.valid().chars() {
            if c.is_control() { out.extend(c.escape_debug()) } else { out.push(c) }
        }
        for byte in chunk.invalid() {
            out.push_str(&format!("\\x{byte:02x}"));
        }
    }
    out.push('`');
    out
}
