//! The pattern of one segment of a path.

use super::Captured;
use crate::bytes;
use crate::target::Segment;

/// The pattern of one segment.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Pattern {
    prefix: Vec<u8>,
    captures: Vec<(Capture, Vec<u8>)>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Capture {
    pub(super) name: Option<String>,
    kind: Kind,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Kind {
    Some,
    Any,
    Int,
    OneOf(Vec<String>),
}

impl Pattern {
    pub(super) fn parse(text: &str, names: &mut Vec<String>) -> Result<Self, String> {
        let whole = Capture { name: None, kind: Kind::Some };
        if text == "*" {
            return Ok(Pattern { prefix: Vec::new(), captures: vec![(whole, Vec::new())] });
        }
        let mut pieces = text.split('{');
        let prefix = literal(pieces.next().unwrap_or_default())?;
        let mut captures: Vec<(Capture, Vec<u8>)> = Vec::new();
        for piece in pieces {
            let (inside, after) =
                piece.split_once('}').ok_or_else(|| format!("`{{{piece}` has no `}}`"))?;
            if captures.last().is_some_and(|(_, literal)| literal.is_empty()) {
                return Err("two captures need a literal between them".to_owned());
            }
            captures.push((Capture::parse(inside, names)?, literal(after)?));
        }
        Ok(Pattern { prefix, captures })
    }

    /// The literal text that it begins with.
    #[must_use]
    pub fn prefix(&self) -> &[u8] {
        &self.prefix
    }

    /// The literal text that it ends with, after its last capture; empty if it has none.
    #[must_use]
    pub fn suffix(&self) -> &[u8] {
        self.captures.last().map(|(_, after)| after.as_slice()).unwrap_or_default()
    }

    /// What its only capture takes, if it has one and that takes certain words alone.
    #[must_use]
    pub fn words(&self) -> Option<&[String]> {
        match self.captures.as_slice() {
            [(Capture { kind: Kind::OneOf(words), .. }, _)] => Some(words),
            _ => None,
        }
    }

    /// Has it more than one capture?
    #[must_use]
    pub fn is_compound(&self) -> bool {
        self.captures.len() > 1
    }

    /// It, with no names: equal to all that match the same in the same way.
    #[must_use]
    pub fn unnamed(&self) -> Pattern {
        let mut pattern = self.clone();
        pattern.captures.iter_mut().for_each(|(capture, _)| capture.name = None);
        pattern
    }

    /// The names of its captures.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.captures.iter().filter_map(|(capture, _)| capture.name.as_deref())
    }

    /// Is it literal text only?
    #[must_use]
    pub fn is_literal(&self) -> bool {
        self.captures.is_empty()
    }

    /// Does it take any segment that is not empty?
    #[must_use]
    pub fn is_any(&self) -> bool {
        let any = |(c, after): &(Capture, Vec<u8>)| c.kind == Kind::Some && after.is_empty();
        self.prefix.is_empty() && self.captures.len() == 1 && self.captures.iter().all(any)
    }

    /// Does it match all that `other` does?
    pub(super) fn covers(&self, other: &Pattern) -> bool {
        if other.is_literal() {
            return self.matches(&other.prefix);
        }
        let shape = |(capture, after): &(Capture, Vec<u8>)| (capture.kind.clone(), after.clone());
        let same = self.prefix == other.prefix
            && self.captures.iter().map(shape).eq(other.captures.iter().map(shape));
        same || (self.is_any() && other.is_never_empty())
    }

    /// Does it match no empty segment?
    #[must_use]
    pub fn is_never_empty(&self) -> bool {
        let filled = |(capture, after): &(Capture, Vec<u8>)| {
            !after.is_empty() || matches!(capture.kind, Kind::Some | Kind::Int | Kind::OneOf(_))
        };
        !self.prefix.is_empty() || self.captures.iter().any(filled)
    }

    /// Does it match a decoded segment?
    #[must_use]
    pub fn matches(&self, segment: &[u8]) -> bool {
        self.walk(segment, |_, _, _| {})
    }

    pub(super) fn capture<'t, 'p>(
        &'t self,
        segment: &Segment<'p, '_>,
        out: &mut Vec<Captured<'t, 'p>>,
    ) {
        let decoded = segment.decoded();
        self.walk(decoded, |capture, from, to| {
            if let Some(name) = &capture.name {
                out.push(Captured {
                    name,
                    raw: segment.raw_range(from, to).into(),
                    decoded: decoded.get(from..to).unwrap_or_default().to_vec(),
                });
            }
        });
    }

    /// Calls `found` with each capture and its range; true if all matches.
    pub(super) fn walk<'t>(
        &'t self,
        segment: &[u8],
        mut found: impl FnMut(&'t Capture, usize, usize),
    ) -> bool {
        let Some(mut rest) = segment.strip_prefix(self.prefix.as_slice()) else { return false };
        if self.captures.is_empty() {
            return rest.is_empty();
        }
        let mut from = self.prefix.len();
        for (i, (capture, after)) in self.captures.iter().enumerate() {
            let last = i + 1 == self.captures.len();
            let length = if last {
                rest.strip_suffix(after.as_slice()).map(<[u8]>::len)
            } else {
                bytes::find_text(rest, after)
            };
            let Some(value) = length.and_then(|n| rest.get(..n)) else { return false };
            if !capture.kind.accepts(value) {
                return false;
            }
            found(capture, from, from.saturating_add(value.len()));
            let used = value.len().saturating_add(after.len());
            rest = rest.get(used..).unwrap_or_default();
            from = from.saturating_add(used);
        }
        true
    }
}

impl Capture {
    fn parse(inside: &str, names: &mut Vec<String>) -> Result<Self, String> {
        let (name, kind) = match inside.split_once(':') {
            Some((name, "int")) => (name, Kind::Int),
            Some((_, "**")) => return Err("`**` takes whole segments".to_owned()),
            Some((name, words)) => {
                let words: Vec<String> = words.split('|').map(str::to_owned).collect();
                if words.iter().any(String::is_empty) {
                    return Err(format!("`{{{inside}}}` has an empty alternative"));
                }
                (name, Kind::OneOf(words))
            }
            None => match inside.strip_suffix('?') {
                Some(name) => (name, Kind::Any),
                None => (inside, Kind::Some),
            },
        };
        declare(names, name)?;
        Ok(Capture { name: Some(name.to_owned()), kind })
    }
}

impl Kind {
    fn accepts(&self, value: &[u8]) -> bool {
        match self {
            Kind::Some => !value.is_empty(),
            Kind::Any => true,
            Kind::Int => !value.is_empty() && value.iter().all(u8::is_ascii_digit),
            Kind::OneOf(words) => words.iter().any(|w| w.as_bytes() == value),
        }
    }
}

fn literal(text: &str) -> Result<Vec<u8>, String> {
    match text.chars().find(|c| matches!(c, '}' | '*' | '?' | '#' | ';' | '\\') || c.is_control()) {
        Some(c) => Err(format!("`{}` cannot stand in a path template", c.escape_debug())),
        None => Ok(text.as_bytes().to_vec()),
    }
}

pub(super) fn declare(names: &mut Vec<String>, name: &str) -> Result<(), String> {
    let good = name.starts_with(|c: char| c.is_ascii_lowercase())
        && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_');
    if !good {
        return Err(format!("`{{{name}}}` is no capture: a name is of `a-z`, `0-9` and `_`"));
    }
    if names.iter().any(|n| n == name) {
        return Err(format!("the capture `{name}` stands in the template twice"));
    }
    names.push(name.to_owned());
    Ok(())
}
