//! The request target as every filter, and the upstream, have to see it.
//!
//! Envoy normalises paths before the filters run; this does the same again, so
//! that a filter judges the canonical path wherever it is mounted, and refuses
//! what two servers could read differently.

mod encoding;
mod segment;

use std::borrow::Cow;
use std::fmt;

use crate::ascii_set::{AsciiSet, ascii_set};
use crate::bytes;
use crate::grammar::percent_triplets_whole;

pub(crate) use encoding::form_pairs;
pub use encoding::{decode_form, percent_decode, query_pairs};
pub(crate) use segment::Checked;
pub use segment::Segment;
use segment::Segments;

/// The longest segment of a path, in bytes as they came: each pattern of a policy may
/// have to look through it.
pub const LONGEST_SEGMENT: usize = 8192;

/// Why a request's method or target cannot be judged. All are answered with 400.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BadTarget {
    /// No `:path` at all (plain `CONNECT`).
    Missing,
    /// Does not begin with `/`.
    NotAPath,
    /// A raw control character or blank, or in the path one beyond ASCII.
    BadByte,
    /// A `#`.
    Fragment,
    /// A `%` without two hexadecimal digits, in the path.
    BadPercent,
    /// `%2F`, `%5C` or a raw backslash: a slash to some servers.
    HiddenSlash,
    /// An encoded control character.
    EncodedControl,
    /// Bytes that are not UTF-8, raw or percent-encoded.
    NotUtf8,
    /// A `;` in a segment: a parameter to some servers.
    Parameter,
    /// A segment of more than [`LONGEST_SEGMENT`] bytes.
    LongSegment,
    /// Small letters in the method: some servers take it for the one in capitals.
    SmallMethod,
}

impl fmt::Display for BadTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            BadTarget::Missing => "the request has no path",
            BadTarget::NotAPath => "the path does not begin with a slash",
            BadTarget::BadByte => "the path or query has a byte that must be percent-encoded",
            BadTarget::Fragment => "the path or query has a `#`",
            BadTarget::BadPercent => "the path has a `%` without two hexadecimal digits",
            BadTarget::HiddenSlash => "the path has an encoded slash or a backslash",
            BadTarget::EncodedControl => "the path or query has an encoded control character",
            BadTarget::NotUtf8 => "the path or query is not UTF-8",
            BadTarget::Parameter => "the path has a `;`",
            BadTarget::LongSegment => "a segment of the path is longer than 8192 bytes",
            BadTarget::SmallMethod => "the method has small letters",
        })
    }
}

impl std::error::Error for BadTarget {}

/// A checked request target.
#[derive(Clone)]
pub struct Target<'a> {
    segments: Segments<'a>,
    /// The path as it came, and has it nothing that could be read in two ways?
    path: &'a [u8],
    plain: bool,
    query: Option<&'a [u8]>,
    changed: bool,
    asterisk: bool,
}

impl<'a> Target<'a> {
    /// Checks and canonicalises `:path`: empty and `.` segments go, `..` takes
    /// its parent along, escapes of the path are decoded for matching.
    ///
    /// # Errors
    /// What makes the target ambiguous.
    pub fn parse(path: Option<&'a [u8]>) -> Result<Self, BadTarget> {
        let text = path.filter(|p| !p.is_empty()).ok_or(BadTarget::Missing)?;
        if text == b"*" {
            return Ok(Target {
                segments: Segments::Checked(Vec::new()),
                path: text,
                plain: false,
                query: None,
                changed: false,
                asterisk: true,
            });
        }
        let (path, query) = match bytes::find(text, b'?') {
            Some(at) => {
                let (path, query) = text.split_at_checked(at).ok_or(BadTarget::NotAPath)?;
                (path, query.get(1..))
            }
            None => (text, None),
        };
        let whole = path;
        let path = path.strip_prefix(b"/").ok_or(BadTarget::NotAPath)?;
        // Most targets have nothing in them that could be read in two ways.
        let plain = Target::is_plain(text);
        if !plain {
            check_bytes(text)?;
            if !path.is_ascii() {
                return Err(BadTarget::BadByte);
            }
            if !percent_triplets_whole(path) {
                return Err(BadTarget::BadPercent);
            }
            if let Some(query) = query {
                check_query(query)?;
            }
        }
        let mut segments: Vec<Checked<'a>> = Vec::with_capacity(8);
        let mut changed = false;
        let mut rest = Some(path);
        while let Some(text) = rest {
            let (raw, after) = match bytes::find(text, b'/') {
                Some(at) => (text.get(..at).unwrap_or_default(), text.get(at.saturating_add(1)..)),
                None => (text, None),
            };
            rest = after;
            if raw.len() > LONGEST_SEGMENT {
                return Err(BadTarget::LongSegment);
            }
            let last = rest.is_none();
            let decoded = if plain { Cow::Borrowed(raw) } else { decode_segment(raw)? };
            match &*decoded {
                b"" if last => segments.push(Checked { raw, decoded }),
                b"" => changed = true,
                dots @ (b"." | b"..") => {
                    changed = true;
                    if dots == b".." {
                        segments.pop();
                    }
                    if last {
                        segments.push(Checked { raw: b"", decoded: Cow::Borrowed(b"") });
                    }
                }
                _ => segments.push(Checked { raw, decoded }),
            }
        }
        let segments = Segments::Checked(segments);
        Ok(Target { segments, path: whole, plain, query, changed, asterisk: false })
    }

    /// One whose path was found to be [as it came](Self::is_as_it_came) before, and whose
    /// query [is plain](Self::is_plain).
    pub(crate) fn known(path: &'a [u8], query: Option<&'a [u8]>) -> Self {
        let segments = Segments::Plain(path);
        Target { segments, path, plain: true, query, changed: false, asterisk: false }
    }

    /// Has a path, or a query, nothing in it that asks for a closer look?
    pub(crate) fn is_plain(text: &[u8]) -> bool {
        PLAIN.has_all(text)
    }

    /// Is it what came, byte for byte, each byte standing for itself?
    pub(crate) fn is_as_it_came(&self) -> bool {
        self.plain && !self.changed && !self.asterisk
    }

    /// The path's segments; a trailing slash is an empty last segment. `/` is
    /// one empty segment.
    pub fn segments(&self) -> impl Iterator<Item = Segment<'a, '_>> + Clone {
        self.segments.iter()
    }

    /// The same, all at once.
    pub(crate) fn checked(&self) -> Cow<'_, [Checked<'a>]> {
        self.segments.whole()
    }

    /// The query as it came, without the `?`.
    #[must_use]
    pub fn query(&self) -> Option<&'a [u8]> {
        self.query
    }

    /// Is this the `*` of `OPTIONS *`? No rule matches it.
    #[must_use]
    pub fn is_asterisk(&self) -> bool {
        self.asterisk
    }

    /// Does the canonical form differ from what came? Then the upstream has to
    /// get the canonical one.
    #[must_use]
    pub fn is_changed(&self) -> bool {
        self.changed
    }

    /// The canonical path with the query.
    #[must_use]
    pub fn canonical(&self) -> Vec<u8> {
        if self.asterisk {
            return b"*".to_vec();
        }
        let mut out = self.canonical_path();
        if let Some(query) = self.query {
            out.push(b'?');
            out.extend_from_slice(query);
        }
        out
    }

    /// The canonical path with the query, without the parameters of these
    /// names; no `?` is left of a query that is empty then.
    #[must_use]
    pub fn canonical_without(&self, names: &[&str]) -> Vec<u8> {
        let mut out = self.canonical_path();
        let named = |pair: &&[u8]| {
            query_pairs(pair).any(|(n, _)| names.iter().any(|own| decode_form(n) == own.as_bytes()))
        };
        let parts = self.query.unwrap_or_default().split(|b| *b == b'&');
        let kept: Vec<&[u8]> = parts.filter(|pair| !named(pair)).collect();
        if !kept.iter().all(|pair| pair.is_empty()) {
            out.push(b'?');
            out.extend_from_slice(&kept.join(&b"&"[..]));
        }
        out
    }

    /// The canonical path without the query.
    #[must_use]
    pub fn canonical_path(&self) -> Vec<u8> {
        if self.asterisk {
            return b"*".to_vec();
        }
        if self.is_as_it_came() {
            return self.path.to_vec();
        }
        let mut out = Vec::with_capacity(64);
        for segment in self.segments() {
            out.push(b'/');
            out.extend_from_slice(segment.raw());
        }
        if out.is_empty() {
            out.push(b'/');
        }
        out
    }

    /// The same, each segment percent-decoded. No segment holds an encoded slash.
    #[must_use]
    pub fn decoded_path(&self) -> Vec<u8> {
        if self.asterisk {
            return b"*".to_vec();
        }
        let mut out = Vec::with_capacity(64);
        for segment in self.segments() {
            out.push(b'/');
            out.extend_from_slice(segment.decoded());
        }
        if out.is_empty() {
            out.push(b'/');
        }
        out
    }

    /// The raw values of a query parameter, in order, escapes left as they are.
    pub fn query_values<'s>(
        &'s self,
        name: &'s str,
    ) -> impl Iterator<Item = &'a [u8]> + use<'a, 's> {
        query_pairs(self.query.unwrap_or_default())
            .filter(move |(n, _)| decode_form(n) == name.as_bytes())
            .map(|(_, v)| v)
    }
}

impl PartialEq for Target<'_> {
    fn eq(&self, other: &Self) -> bool {
        let Target { segments: _, path, plain, query, changed, asterisk } = other;
        self.segments().eq(other.segments())
            && (self.path, self.plain, self.query) == (*path, *plain, *query)
            && (self.changed, self.asterisk) == (*changed, *asterisk)
    }
}

impl Eq for Target<'_> {}

/// Bytes that stand for themselves wherever they are.
const PLAIN: AsciiSet = {
    const fn is_plain(b: u8) -> bool {
        b.is_ascii_graphic() && !matches!(b, b'%' | b'#' | b';' | b'\\')
    }
    ascii_set!(is_plain)
};

fn check_bytes(text: &[u8]) -> Result<(), BadTarget> {
    if std::str::from_utf8(text).is_err() {
        return Err(BadTarget::NotUtf8);
    }
    if text.iter().any(|b| *b <= 0x20 || *b == 0x7f) {
        return Err(BadTarget::BadByte);
    }
    if text.contains(&b'#') {
        return Err(BadTarget::Fragment);
    }
    Ok(())
}

/// A query's broken escapes are left to the upstream; what decodes to NUL or
/// to bytes that are not UTF-8 is refused.
fn check_query(query: &[u8]) -> Result<(), BadTarget> {
    let decoded = percent_decode(query);
    if decoded.contains(&0) {
        return Err(BadTarget::EncodedControl);
    }
    std::str::from_utf8(&decoded).map(|_| ()).map_err(|_| BadTarget::NotUtf8)
}

fn decode_segment(raw: &[u8]) -> Result<Cow<'_, [u8]>, BadTarget> {
    if raw.contains(&b'\\') {
        return Err(BadTarget::HiddenSlash);
    }
    if raw.contains(&b';') {
        return Err(BadTarget::Parameter);
    }
    let decoded = percent_decode(raw);
    if let Cow::Owned(decoded) = &decoded {
        if decoded.iter().any(|b| matches!(b, b'/' | b'\\')) {
            return Err(BadTarget::HiddenSlash);
        }
        if decoded.iter().any(u8::is_ascii_control) {
            return Err(BadTarget::EncodedControl);
        }
        if std::str::from_utf8(decoded).is_err() {
            return Err(BadTarget::NotUtf8);
        }
    }
    Ok(decoded)
}

#[cfg(test)]
mod tests;
