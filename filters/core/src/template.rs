//! Path templates: `/v1/market/user:{name}.json`, `/v3/market/{rest:**}`.
//!
//! A segment is literal text with captures: `{name}` (not empty), `{name?}`
//! (may be empty), `{name:int}` (decimal digits), `{name:a|b}` (one of these),
//! `*` (a whole segment, not empty). At the end `**` or `{name:**}` stands for
//! any number of segments, none included. Literals are written decoded. A
//! capture ends at the first place where the literal after it stands; the last
//! literal is the segment's end.

use crate::config::schema::Schema;
use crate::config::{At, Decode, Errors, decode_text};
use crate::target::{Segment, Target};

/// A checked template.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template {
    text: String,
    segments: Vec<Pattern>,
    tail: Option<Tail>,
}

/// The `**` at the end, perhaps named.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Tail {
    name: Option<String>,
}

/// The pattern of one segment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pattern {
    prefix: Vec<u8>,
    captures: Vec<(Capture, Vec<u8>)>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Capture {
    name: Option<String>,
    kind: Kind,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Kind {
    Some,
    Any,
    Int,
    OneOf(Vec<String>),
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
                tail = Some(Tail { name: named.map(str::to_owned) });
                break;
            }
            if part.is_empty() && !last {
                return Err("a template has no empty segment but the last".to_owned());
            }
            if matches!(*part, "." | "..") {
                return Err("a template has no `.` or `..` segment".to_owned());
            }
            segments.push(Pattern::parse(part, &mut names)?);
        }
        Ok(Template { text: text.to_owned(), segments, tail })
    }

    /// The template as it was written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The patterns of its segments, the `**` left out.
    #[must_use]
    pub fn segments(&self) -> &[Pattern] {
        &self.segments
    }

    /// Does it end with `**`?
    #[must_use]
    pub fn has_tail(&self) -> bool {
        self.tail.is_some()
    }

    /// The names of its captures.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        let inner = self.segments.iter().flat_map(|p| &p.captures);
        inner
            .filter_map(|(c, _)| c.name.as_deref())
            .chain(self.tail.iter().filter_map(|t| t.name.as_deref()))
    }

    /// Does it match? The slow way, one template at a time; rule sets use the
    /// index.
    #[must_use]
    pub fn matches(&self, target: &Target<'_>) -> bool {
        let segments = target.segments();
        let fits = match self.tail {
            Some(_) => segments.len() >= self.segments.len(),
            None => segments.len() == self.segments.len(),
        };
        !target.is_asterisk()
            && fits
            && self.segments.iter().zip(segments).all(|(p, s)| p.matches(s.decoded()))
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

    /// The captured parts of a path that matches.
    #[must_use]
    pub fn captures<'t, 'p>(&'t self, target: &Target<'p>) -> Vec<Captured<'t, 'p>> {
        let mut out = Vec::new();
        for (pattern, segment) in self.segments.iter().zip(target.segments()) {
            pattern.capture(segment, &mut out);
        }
        if let Some(Tail { name: Some(name) }) = &self.tail {
            let rest = target.segments().get(self.segments.len()..).unwrap_or_default();
            let join = |part: fn(&Segment<'p>) -> Vec<u8>| {
                rest.iter().map(part).collect::<Vec<_>>().join(&b'/')
            };
            out.push(Captured {
                name,
                raw: join(|s| s.raw().to_vec()).into(),
                decoded: join(|s| s.decoded().to_vec()),
            });
        }
        out
    }
}

impl Template {
    /// The canonical path of a target that matches, without the query; `with`
    /// stands in place of each capture for whose name `hide` says yes.
    #[must_use]
    pub fn masked(&self, target: &Target<'_>, hide: impl Fn(&str) -> bool, with: &[u8]) -> Vec<u8> {
        let mut out = Vec::with_capacity(64);
        let (head, rest) = target
            .segments()
            .split_at_checked(self.segments.len())
            .unwrap_or((target.segments(), &[]));
        for (pattern, segment) in self.segments.iter().zip(head) {
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
        if tail.is_some_and(&hide) && !rest.is_empty() {
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

fn declare(names: &mut Vec<String>, name: &str) -> Result<(), String> {
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

impl Pattern {
    fn parse(text: &str, names: &mut Vec<String>) -> Result<Self, String> {
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
    fn covers(&self, other: &Pattern) -> bool {
        if other.is_literal() {
            return self.matches(&other.prefix);
        }
        let shape = |(capture, after): &(Capture, Vec<u8>)| (capture.kind.clone(), after.clone());
        let same = self.prefix == other.prefix
            && self.captures.iter().map(shape).eq(other.captures.iter().map(shape));
        same || (self.is_any() && other.is_never_empty())
    }

    fn is_never_empty(&self) -> bool {
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

    fn capture<'t, 'p>(&'t self, segment: &Segment<'p>, out: &mut Vec<Captured<'t, 'p>>) {
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
    fn walk<'t>(
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
                rest.windows(after.len().max(1)).position(|w| w == after.as_slice())
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
mod tests {
    use super::*;

    #[track_caller]
    fn check(template: &str, path: &str, expected: Option<&[(&str, &str)]>) {
        let template = Template::parse(template).unwrap();
        let target = Target::parse(Some(path.as_bytes())).unwrap();
        assert_eq!(template.matches(&target), expected.is_some());
        if let Some(expected) = expected {
            let captures = template.captures(&target);
            let found: Vec<(&str, &str)> =
                captures.iter().map(|c| (c.name, std::str::from_utf8(&c.raw).unwrap())).collect();
            assert_eq!(found, expected);
        }
    }

    #[test]
    fn literals_and_captures() {
        check("/", "/", Some(&[]));
        check("/", "/a", None);
        check("/whoami", "/whoami", Some(&[]));
        check("/whoami", "/whoami/", None);
        check("/user/{name}", "/user/", None);
        check(
            "/market/user:{name}.json",
            "/market/user:north.wind.json",
            Some(&[("name", "north.wind")]),
        );
        check("/market/user:{name}.json", "/market/user:.json", None);
        check("/a/*/c", "/a/b/c", Some(&[]));
        check("/a/%2F", "/a/%252F", Some(&[]));
        check("/a b", "/a%20b", Some(&[]));
    }

    #[test]
    fn several_captures_in_a_segment() {
        let search = "/search:{site?},{category?},{term}.json";
        check(
            search,
            "/search:a,b,c,d.json",
            Some(&[("site", "a"), ("category", "b"), ("term", "c,d")]),
        );
        check(
            search,
            "/search:,,x%7Cy.json",
            Some(&[("site", ""), ("category", ""), ("term", "x%7Cy")]),
        );
        check(
            search,
            "/search:%41,%20,x.json.json",
            Some(&[("site", "%41"), ("category", "%20"), ("term", "x.json")]),
        );
        check(search, "/search:a.json", None);
    }

    #[test]
    fn typed_captures() {
        check("/api/{v:edge|v1|v2}/x", "/api/edge/x", Some(&[("v", "edge")]));
        check("/api/{v:edge|v1|v2}/x", "/api/v3/x", None);
        check("/item:{id:int}.json", "/item:4615.json", Some(&[("id", "4615")]));
        check("/item:{id:int}.json", "/item:x.json", None);
    }

    #[test]
    fn tails() {
        check("/a/**", "/a", Some(&[]));
        check("/a/**", "/a/b/c/", Some(&[]));
        check("/a/**", "/b", None);
        check("/**", "/", Some(&[]));
        check("/**", "*", None);
        check("/a/{rest:**}", "/a/b/c%20d", Some(&[("rest", "b/c%20d")]));
    }

    #[test]
    fn wider_templates_cover_narrower_ones() {
        for (wide, narrow, expected) in [
            ("/**", "/", true),
            ("/**", "/a/{x}/**", true),
            ("/a/**", "/a", true),
            ("/a/**", "/**", false),
            ("/a/{x}", "/a/b", true),
            ("/a/{x}", "/a/{y}", true),
            ("/a/{x}", "/a/{y:int}.json", true),
            ("/a/{x}", "/a/", false),
            ("/a/{x}", "/a/{y?}", false),
            ("/a/{x?}", "/a/{y?}", true),
            ("/a/*", "/a/**", false),
            ("/a/{x}.json", "/a/b.json", true),
            ("/a/{x}.json", "/a/{y}.json", true),
            ("/a/{x}.json", "/a/{y}", false),
            ("/a/{x:b|c}", "/a/b", true),
            ("/a/{x:b|c}", "/a/d", false),
            ("/a/b", "/a/{x}", false),
        ] {
            let parse = |text| Template::parse(text).unwrap();
            assert_eq!(parse(wide).covers(&parse(narrow)), expected, "{wide} {narrow}");
        }
    }

    #[test]
    fn captures_are_masked() {
        let masked = |template: &str, path: &str, hidden: &[&str]| {
            let template = Template::parse(template).unwrap();
            let target = Target::parse(Some(path.as_bytes())).unwrap();
            assert!(template.matches(&target));
            String::from_utf8(template.masked(&target, |n| hidden.contains(&n), b"***")).unwrap()
        };
        let private = "/api/{user}/{key}/{set}:{arg}.json";
        assert_eq!(
            masked(private, "/api/u%20v/k%2C1/a:b.json?x", &["key"]),
            "/api/u%20v/***/a:b.json"
        );
        assert_eq!(
            masked(private, "/api/u/k/a%3Ab:b.json", &["key", "arg"]),
            "/api/u/***/a%3A***.json"
        );
        assert_eq!(masked(private, "/api/u/k/a:b.json", &[]), "/api/u/k/a:b.json");
        assert_eq!(masked("/a/{rest:**}", "/a/b/c", &["rest"]), "/a/***");
        assert_eq!(masked("/a/{rest:**}", "/a", &["rest"]), "/a");
        assert_eq!(masked("/a/{rest:**}", "/a/b/c/", &[]), "/a/b/c/");
    }

    #[test]
    fn bad_templates_are_named() {
        for (text, expected) in [
            ("a", "a path template begins with `/`"),
            ("/a//b", "a template has no empty segment but the last"),
            ("/**/a", "`**` stands at the end of a template only"),
            ("/{a}{b}", "two captures need a literal between them"),
            ("/{a}/{a}", "the capture `a` stands in the template twice"),
            ("/{a", "`{a` has no `}`"),
            ("/{A}", "`{A}` is no capture: a name is of `a-z`, `0-9` and `_`"),
            ("/a*", "`*` cannot stand in a path template"),
            ("/a}", "`}` cannot stand in a path template"),
            ("/a?b", "`?` cannot stand in a path template"),
            ("/../a", "a template has no `.` or `..` segment"),
            ("/{a:x||y}", "`{a:x||y}` has an empty alternative"),
        ] {
            assert_eq!(Template::parse(text).unwrap_err(), expected, "{text}");
        }
    }
}
