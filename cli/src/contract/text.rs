//! Texts with placeholders, and what they match.

use std::collections::BTreeMap;

use postern_core::config::schema::Schema;
use postern_core::config::{At, Decode, Errors, Problem, Span, decode_text};

/// What placeholders stand for, by name.
pub type Values = BTreeMap<String, String>;

/// A text as it is written, and where.
#[derive(Clone, Debug)]
pub struct Written {
    /// The text.
    pub(super) text: String,
    path: String,
    span: Span,
}

/// A part of a text whose values are filled in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Piece {
    /// These bytes.
    Bytes(Vec<u8>),
    /// Something of a kind.
    Wild(Wild),
}

/// What may stand for a placeholder of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wild {
    Any,
    Digits,
    Word,
    Date,
}

impl Wild {
    /// Those there are, and what they match.
    const ALL: [(&'static str, Wild); 4] =
        [("any", Wild::Any), ("digits", Wild::Digits), ("word", Wild::Word), ("date", Wild::Date)];
}

/// Names with a meaning of their own.
pub(super) fn is_reserved(name: &str) -> bool {
    Wild::ALL.iter().any(|(wild, _)| *wild == name) || matches!(name, "number" | "string" | "value")
}

impl Written {
    /// Notes a mistake about it.
    pub(super) fn error(&self, errors: &mut Errors, message: String) {
        errors.push(Problem { path: self.path.clone(), span: self.span, message });
    }

    /// Another text in the same place.
    pub(super) fn with(&self, text: String) -> Written {
        Written { text, path: self.path.clone(), span: self.span }
    }

    /// With its values filled in: the bytes to send.
    pub(super) fn filled(&self, values: &Values, errors: &mut Errors) -> Option<Vec<u8>> {
        let pieces = match pieces(&self.text, values) {
            Ok(pieces) => pieces,
            Err(why) => {
                self.error(errors, why);
                return None;
            }
        };
        let mut out = Vec::new();
        for piece in pieces {
            match piece {
                Piece::Bytes(bytes) => out.extend(bytes),
                Piece::Wild(_) => {
                    let message = "what is sent has to be known: `${any}`, `${digits}`, \
                                   `${word}` and `${date}` stand in answers";
                    self.error(errors, message.to_owned());
                    return None;
                }
            }
        }
        Some(out)
    }

    /// With its values filled in: what an answer is compared with.
    pub(super) fn pieces(&self, values: &Values, errors: &mut Errors) -> Vec<Piece> {
        pieces(&self.text, values).unwrap_or_else(|why| {
            self.error(errors, why);
            Vec::new()
        })
    }
}

impl Decode for Written {
    fn decode(at: At<'_>, errors: &mut Errors) -> Option<Self> {
        let text = decode_text(at, errors, "a text", |text| Ok(text.to_owned()))?;
        Some(Written { text, path: at.path(), span: at.node().span })
    }

    fn schema() -> Schema {
        String::schema()
    }
}

/// The parts of a text.
///
/// # Errors
/// A placeholder that stands for nothing.
pub(super) fn pieces(text: &str, values: &Values) -> Result<Vec<Piece>, String> {
    let mut out = Vec::new();
    let mut bytes = Vec::new();
    let mut rest = text;
    while let Some((before, from)) = rest.split_once("${") {
        if let Some(before) = before.strip_suffix('$') {
            bytes.extend(format!("{before}${{").into_bytes());
            rest = from;
            continue;
        }
        bytes.extend_from_slice(before.as_bytes());
        let (name, after) = from.split_once('}').ok_or("a placeholder `${` has no end")?;
        rest = after;
        if let Some((_, wild)) = Wild::ALL.iter().find(|(wild, _)| *wild == name) {
            out.push(Piece::Bytes(std::mem::take(&mut bytes)));
            out.push(Piece::Wild(*wild));
            continue;
        }
        let value = values.get(name).ok_or_else(|| {
            let name = name.escape_debug();
            format!("`${{{name}}}` stands for nothing: name it in `values` or `each`")
        })?;
        bytes.extend_from_slice(value.as_bytes());
    }
    bytes.extend_from_slice(rest.as_bytes());
    out.push(Piece::Bytes(bytes));
    out.retain(|piece| !matches!(piece, Piece::Bytes(bytes) if bytes.is_empty()));
    Ok(out)
}

/// Do the pieces make up a text?
///
/// # Errors
/// No: up to where they do.
pub(super) fn matches(pieces: &[Piece], text: &[u8]) -> Result<(), usize> {
    // Where what was looked at so far may end. Linear in the text for each piece,
    // whatever the placeholders are.
    let mut ends = vec![false; text.len() + 1];
    if let Some(first) = ends.first_mut() {
        *first = true;
    }
    let mut furthest = 0;
    for piece in pieces {
        ends = match piece {
            Piece::Bytes(bytes) => {
                let mut next = vec![false; text.len() + 1];
                for (at, _) in ends.iter().enumerate().filter(|(_, end)| **end) {
                    let from = text.get(at..).unwrap_or_default();
                    let same = from.iter().zip(bytes).take_while(|(a, b)| a == b).count();
                    furthest = furthest.max(at + same);
                    if same == bytes.len()
                        && let Some(end) = next.get_mut(at + same)
                    {
                        *end = true;
                    }
                }
                next
            }
            Piece::Wild(Wild::Date) => dates(&ends, text),
            Piece::Wild(Wild::Any) => {
                let first = ends.iter().position(|end| *end).unwrap_or(usize::MAX);
                (0..ends.len()).map(|at| at >= first).collect()
            }
            Piece::Wild(Wild::Digits) => many(&ends, text, u8::is_ascii_digit),
            Piece::Wild(Wild::Word) => {
                many(&ends, text, |b| b.is_ascii_alphanumeric() || b"_-.~".contains(b))
            }
        };
        furthest = furthest.max(ends.iter().rposition(|end| *end).unwrap_or(0));
    }
    if ends.last() == Some(&true) { Ok(()) } else { Err(furthest) }
}

/// At least one byte of a kind.
fn many(ends: &[bool], text: &[u8], of: impl Fn(&u8) -> bool) -> Vec<bool> {
    let mut next = vec![false];
    let mut open = false;
    for (end, byte) in ends.iter().zip(text) {
        open = (open || *end) && of(byte);
        next.push(open);
    }
    next
}

/// `Sun, 06 Nov 1994 08:49:37 GMT` (RFC 9110 §5.6.7).
fn dates(ends: &[bool], text: &[u8]) -> Vec<bool> {
    const SHAPE: &[u8] = b"Aaa, 00 Aaa 0000 00:00:00 GMT";
    let mut next = vec![false; ends.len()];
    for (at, _) in ends.iter().enumerate().filter(|(_, end)| **end) {
        let Some(from) = text.get(at..at + SHAPE.len()) else { break };
        let is_date = from.iter().zip(SHAPE).enumerate().all(|(i, (byte, shape))| match shape {
            b'0' => byte.is_ascii_digit(),
            b'A' if i < 11 => byte.is_ascii_uppercase(),
            b'a' => byte.is_ascii_lowercase(),
            other => byte == other,
        });
        if let (true, Some(end)) = (is_date, next.get_mut(at + SHAPE.len())) {
            *end = true;
        }
    }
    next
}
