//! Path templates: `/v1/market/user:{name}.json`, `/v3/market/{rest:**}`.
//!
//! A segment is literal text with captures: `{name}` (not empty), `{name?}`
//! (may be empty), `{name:int}` (decimal digits), `{name:a|b}` (one of these),
//! `*` (a whole segment, not empty). At the end `**` or `{name:**}` stands for
//! any number of segments, none included. Literals are written decoded. A
//! capture ends at the first place where the literal after it stands; the last
//! literal is the segment's end.

mod pattern;

use std::rc::Rc;

use crate::config::schema::Schema;
use crate::config::{At, Decode, Errors, decode_text};
use crate::target::{Segment, Target};

pub use pattern::Pattern;
use pattern::declare;

/// A checked template.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Template {
    segments: Box<[Rc<Pattern>]>,
    tail: Option<Tail>,
}

/// The `**` at the end, perhaps named.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Tail {
    name: Option<Box<str>>,
}

/// One captured part of a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Captured<'t, 'p> {
    /// Its name in the template.
    pub name: &'t str,
    /// The bytes as they came, escapes included.
    pub raw: std::borrow::Cow<'p, [u8]>,
    /// The bytes percent-decoded.
    pub decoded: Vec<u8>,
}

impl Template {
    /// Parses a template.
    ///
    /// # Errors
    /// What is wrong with it, as a message for the operator.
    pub fn parse(text: &str) -> Result<Self, String> {
        let path = text.strip_prefix('/').ok_or("a path template begins with `/`")?;
        let mut segments = Vec::new();
        let mut tail = None;
        let mut names: Vec<String> = Vec::new();
        let parts: Vec<&str> = path.split('/').collect();
        for (i, part) in parts.iter().enumerate() {
            let last = i + 1 == parts.len();
            let named = part.strip_prefix('{').and_then(|p| p.strip_suffix(":**}"));
            if *part == "**" || named.is_some() {
                if !last {
                    return Err("`**` stands at the end of a template only".to_owned());
                }
                if let Some(name) = named {
                    declare(&mut names, name)?;
                }
                tail = Some(Tail { name: named.map(Box::from) });
                break;
            }
            if part.is_empty() && !last {
                return Err("a template has no empty segment but the last".to_owned());
            }
            if matches!(*part, "." | "..") {
                return Err("a template has no `.` or `..` segment".to_owned());
            }
            segments.push(Rc::new(Pattern::parse(part, &mut names)?));
        }
        Ok(Template { segments: segments.into(), tail })
    }

    /// The patterns of its segments, the `**` left out.
    #[must_use]
    pub fn segments(&self) -> &[Rc<Pattern>] {
        &self.segments
    }

    /// The same, to put equal ones of other templates in their place.
    pub(crate) fn patterns_mut(&mut self) -> &mut [Rc<Pattern>] {
        &mut self.segments
    }

    /// Does it end with `**`?
    #[must_use]
    pub fn has_tail(&self) -> bool {
        self.tail.is_some()
    }

    /// The names of its captures.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        let inner = self.segments.iter().flat_map(|pattern| pattern.names());
        inner.chain(self.tail.iter().filter_map(|t| t.name.as_deref()))
    }

    /// Does it match? The slow way, one template at a time; rule sets use the
    /// index.
    #[must_use]
    pub fn matches(&self, target: &Target<'_>) -> bool {
        let mut segments = target.segments();
        let count = segments.clone().count();
        let fits = match self.tail {
            Some(_) => count >= self.segments.len(),
            None => count == self.segments.len(),
        };
        !target.is_asterisk()
            && fits
            && self.segments.iter().all(|p| segments.next().is_some_and(|s| p.matches(s.decoded())))
    }

    /// Does every path that `other` matches match this one too? It may say no
    /// where it is so, but never yes where it is not.
    #[must_use]
    pub fn covers(&self, other: &Template) -> bool {
        let fits = match self.tail {
            Some(_) => other.segments.len() >= self.segments.len(),
            None => other.segments.len() == self.segments.len() && other.tail.is_none(),
        };
        fits && self.segments.iter().zip(&other.segments).all(|(a, b)| a.covers(b))
    }

    /// Is this what a path that matches has at a capture, decoded? `None`: there is no
    /// capture of this name. It looks at no more of the path than it has to.
    #[must_use]
    pub fn capture_is(&self, target: &Target<'_>, name: &str, text: &[u8]) -> Option<bool> {
        if self.tail.as_ref().is_some_and(|tail| tail.name.as_deref() == Some(name)) {
            let mut left = Some(text);
            for (i, segment) in self.rest(target).enumerate() {
                let after = if i == 0 { left } else { left.and_then(|l| l.strip_prefix(b"/")) };
                left = after.and_then(|left| left.strip_prefix(segment.decoded()));
                if left.is_none() {
                    break;
                }
            }
            return Some(left == Some(b""));
        }
        self.segment_of(target, name).map(|decoded| decoded == text)
    }

    /// What a path that matches has at a capture, decoded.
    #[must_use]
    pub fn capture(&self, target: &Target<'_>, name: &str) -> Option<Vec<u8>> {
        if self.tail.as_ref().is_some_and(|tail| tail.name.as_deref() == Some(name)) {
            let rest: Vec<_> = self.rest(target).map(|segment| segment.decoded()).collect();
            return Some(rest.join(&b'/'));
        }
        self.segment_of(target, name).map(<[u8]>::to_vec)
    }

    /// A capture inside one segment, decoded.
    fn segment_of<'s>(&self, target: &'s Target<'_>, name: &str) -> Option<&'s [u8]> {
        let mut pairs = self.segments.iter().zip(target.segments());
        let (pattern, segment) = pairs.find(|(p, _)| p.names().any(|n| n == name))?;
        let mut found = None;
        pattern.walk(segment.decoded(), |capture, from, to| {
            if capture.name.as_deref() == Some(name) {
                found = segment.decoded().get(from..to);
            }
        });
        found
    }

    /// The captured parts of a path that matches.
    #[must_use]
    pub fn captures<'t, 'p>(&'t self, target: &Target<'p>) -> Vec<Captured<'t, 'p>> {
        let mut out = Vec::new();
        for (pattern, segment) in self.segments.iter().zip(target.segments()) {
            pattern.capture(&segment, &mut out);
        }
        if let Some(Tail { name: Some(name) }) = &self.tail {
            let raw: Vec<_> = self.rest(target).map(|segment| segment.raw()).collect();
            let decoded: Vec<_> = self.rest(target).map(|segment| segment.decoded()).collect();
            out.push(Captured { name, raw: raw.join(&b'/').into(), decoded: decoded.join(&b'/') });
        }
        out
    }

    /// The segments that its `**` takes.
    fn rest<'p, 's>(&self, target: &'s Target<'p>) -> impl Iterator<Item = Segment<'p, 's>> {
        target.segments().skip(self.segments.len())
    }
}

impl Template {
    /// The canonical path of a target that matches, without the query; `with`
    /// stands in place of each capture for whose name `hide` says yes.
    #[must_use]
    pub fn masked(&self, target: &Target<'_>, hide: impl Fn(&str) -> bool, with: &[u8]) -> Vec<u8> {
        let mut out = Vec::with_capacity(64);
        for (pattern, segment) in self.segments.iter().zip(target.segments()) {
            out.push(b'/');
            let mut from = 0;
            pattern.walk(segment.decoded(), |capture, start, end| {
                if capture.name.as_deref().is_some_and(&hide) {
                    out.extend_from_slice(segment.raw_range(from, start));
                    out.extend_from_slice(with);
                    from = end;
                }
            });
            out.extend_from_slice(segment.raw_range(from, segment.decoded().len()));
        }
        let tail = self.tail.as_ref().and_then(|t| t.name.as_deref());
        let mut rest = self.rest(target).peekable();
        if tail.is_some_and(&hide) && rest.peek().is_some() {
            out.push(b'/');
            out.extend_from_slice(with);
        } else {
            for segment in rest {
                out.push(b'/');
                out.extend_from_slice(segment.raw());
            }
        }
        out
    }
}

impl Decode for Template {
    fn decode(at: At<'_>, errors: &mut Errors) -> Option<Self> {
        decode_text(at, errors, "a path template such as `/v1/items/{id}`", Template::parse)
    }

    fn schema() -> Schema {
        Schema::Text {
            expected: "a path template such as `/v1/items/{id}`",
            pattern: Some("^/.*$"),
        }
    }
}

#[cfg(test)]
mod tests;
