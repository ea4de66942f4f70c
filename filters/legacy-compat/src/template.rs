//! JSON templates: the shape of an answer, written in the policy as the answer
//! itself with expressions in braces.
//!
//! - a text that is one expression, `"{price | money}"`, is its value;
//! - a text with expressions in it, `"by {user}"`, is a string; `{{` and `}}`
//!   are braces;
//! - a mapping with `$each: path` is a list: its other members, or `$value`,
//!   say what becomes of each item;
//! - `$with: path` makes another value the current one;
//! - `$include: name` puts in a named template, whose members can be written
//!   over.

use std::collections::BTreeMap;

use postern_core::config::{Errors, Key, Value};

use crate::expression::{Expression, Mismatch, Names, Scope};
use crate::json::{Kind, push_quoted};
use crate::place::Place;

/// Larger templates, includes put in, are refused.
const MAX_PARTS: usize = 10_000;
/// Deeper ones too: rendering is bounded with it.
const MAX_DEPTH: usize = 64;

const TOO_LARGE: &str = "the template is too deep or too large";

/// A compiled template.
#[derive(Clone, Debug)]
pub(crate) enum Template {
    /// JSON text.
    Constant(String),
    /// A value.
    Value(Expression),
    /// A string of several parts.
    Text(Vec<Part>),
    List(Vec<Template>),
    Object(Vec<(String, Template)>),
    Each(Expression, Box<Template>),
    With(Expression, Box<Template>),
}

/// A part of a text.
#[derive(Clone, Debug)]
pub(crate) enum Part {
    Literal(String),
    Value(Expression),
}

/// Why a template was not rendered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Unrendered {
    /// The answer does not fit it.
    Mismatch(Mismatch),
    /// The result would be too large.
    TooLarge,
}

impl From<Mismatch> for Unrendered {
    fn from(mismatch: Mismatch) -> Self {
        Unrendered::Mismatch(mismatch)
    }
}

impl Template {
    /// Renders it as JSON text of at most `limit` bytes.
    ///
    /// # Errors
    /// The answer does not fit, or the result is too large.
    pub(crate) fn render(&self, scope: Scope<'_, '_>, limit: usize) -> Result<String, Unrendered> {
        let mut out = String::with_capacity(1024);
        if !self.write(scope, limit, &mut out)? {
            out.push_str("null");
        }
        Ok(out)
    }

    /// Appends it; false if it is left out.
    fn write(
        &self,
        scope: Scope<'_, '_>,
        limit: usize,
        out: &mut String,
    ) -> Result<bool, Unrendered> {
        match self {
            Template::Constant(json) => out.push_str(json),
            Template::Value(expression) => {
                return Ok(expression.evaluate(scope)?.write(scope.document, out));
            }
            Template::Text(parts) => {
                let mut text = String::new();
                for part in parts {
                    match part {
                        Part::Literal(literal) => text.push_str(literal),
                        Part::Value(expression) => {
                            let item = expression.evaluate(scope)?;
                            let scalar = item.scalar(scope.document);
                            text.push_str(&scalar.map_err(|w| expression.mismatch(w))?);
                        }
                    }
                }
                push_quoted(out, &text);
            }
            Template::List(items) => {
                let mut list = Commas::open(out, '[');
                for item in items {
                    list.item(out, |out| item.write(scope, limit, out))?;
                }
                out.push(']');
            }
            Template::Object(members) => {
                let mut object = Commas::open(out, '{');
                for (key, member) in members {
                    object.item(out, |out| {
                        out.push_str(key);
                        out.push(':');
                        member.write(scope, limit, out)
                    })?;
                }
                out.push('}');
            }
            Template::Each(path, template) => {
                let items = match &path.node(scope)?.kind {
                    Kind::List(items) => items.as_slice(),
                    Kind::Null => &[],
                    _ => return Err(path.mismatch("a list").into()),
                };
                let mut list = Commas::open(out, '[');
                for item in items {
                    let scope = Scope { current: item, ..scope };
                    list.item(out, |out| template.write(scope, limit, out))?;
                }
                out.push(']');
            }
            Template::With(path, template) => {
                let current = path.node(scope)?;
                return template.write(Scope { current, ..scope }, limit, out);
            }
        }
        if out.len() > limit { Err(Unrendered::TooLarge) } else { Ok(true) }
    }

    /// Does it look at the answer's body?
    pub(crate) fn reads_body(&self) -> bool {
        let mut reads = matches!(self, Template::Each(..) | Template::With(..));
        self.visit(&mut |expression| reads |= expression.reads_body());
        reads
    }

    /// How many parts it has, and how deep they are.
    fn measure(&self) -> (usize, usize) {
        let sum = |all: &mut dyn Iterator<Item = &Template>| {
            all.map(Template::measure).fold((1usize, 1usize), |(size, depth), (s, d)| {
                (size.saturating_add(s), depth.max(d.saturating_add(1)))
            })
        };
        match self {
            Template::Constant(_) | Template::Value(_) => (1, 1),
            Template::Text(parts) => (parts.len(), 1),
            Template::List(items) => sum(&mut items.iter()),
            Template::Object(members) => sum(&mut members.iter().map(|(_, m)| m)),
            Template::Each(_, inner) | Template::With(_, inner) => {
                sum(&mut std::iter::once(inner.as_ref()))
            }
        }
    }

    /// Shows every expression in it.
    pub(crate) fn visit<'t>(&'t self, see: &mut impl FnMut(&'t Expression)) {
        match self {
            Template::Constant(_) => {}
            Template::Value(expression) => see(expression),
            Template::Text(parts) => {
                for part in parts {
                    if let Part::Value(expression) = part {
                        see(expression);
                    }
                }
            }
            Template::List(items) => items.iter().for_each(|item| item.visit(see)),
            Template::Object(members) => members.iter().for_each(|(_, m)| m.visit(see)),
            Template::Each(path, inner) | Template::With(path, inner) => {
                see(path);
                inner.visit(see);
            }
        }
    }
}

/// Items with commas between them; one that is left out leaves nothing.
struct Commas {
    first: bool,
}

impl Commas {
    fn open(out: &mut String, bracket: char) -> Self {
        out.push(bracket);
        Commas { first: true }
    }

    fn item(
        &mut self,
        out: &mut String,
        write: impl FnOnce(&mut String) -> Result<bool, Unrendered>,
    ) -> Result<(), Unrendered> {
        let mark = out.len();
        if !self.first {
            out.push(',');
        }
        if write(out)? {
            self.first = false;
        } else {
            out.truncate(mark);
        }
        Ok(())
    }
}

/// Compiles templates, named ones once.
pub(crate) struct Compiler<'p> {
    names: &'p Names,
    named: &'p BTreeMap<String, Place>,
    open: Vec<&'p str>,
    done: BTreeMap<&'p str, Option<Template>>,
    parts: usize,
}

impl<'p> Compiler<'p> {
    /// A compiler over a policy's names.
    pub(crate) fn new(names: &'p Names, named: &'p BTreeMap<String, Place>) -> Self {
        Compiler { names, named, open: Vec::new(), done: BTreeMap::new(), parts: 0 }
    }

    /// Compiles all named templates, so that mistakes in unused ones show.
    pub(crate) fn named_templates(&mut self, errors: &mut Errors) {
        for (name, place) in self.named {
            self.include(name, place, errors);
        }
    }

    /// Compiles a template; `None` after a mistake.
    pub(crate) fn template(&mut self, place: &Place, errors: &mut Errors) -> Option<Template> {
        self.parts = 0;
        self.compile(place, 0, errors)
    }

    fn compile(&mut self, place: &Place, depth: usize, errors: &mut Errors) -> Option<Template> {
        self.parts = self.parts.saturating_add(1);
        if depth > MAX_DEPTH || self.parts > MAX_PARTS {
            place.error(errors, TOO_LARGE);
            return None;
        }
        match &place.value.value {
            Value::Text(text) => match self.text(text) {
                Ok(template) => Some(template),
                Err(why) => {
                    place.error(errors, why);
                    None
                }
            },
            Value::List(items) => {
                let items: Vec<_> = items
                    .iter()
                    .enumerate()
                    .map(|(i, n)| self.compile(&place.index(i, n), depth.saturating_add(1), errors))
                    .collect();
                items.into_iter().collect::<Option<_>>().map(Template::List)
            }
            Value::Map(entries) => {
                let members: Vec<(&Key, Place)> =
                    entries.iter().map(|(k, n)| (k, place.key(k, n))).collect();
                self.mapping(place, &members, depth, errors)
            }
            Value::Null | Value::Bool(_) | Value::Int(_) | Value::Float(_) => {
                Some(Template::Constant(place.value.to_json()))
            }
        }
    }

    fn text(&self, text: &str) -> Result<Template, String> {
        let mut parts = Vec::new();
        for piece in pieces(text)? {
            parts.push(match piece {
                Piece::Literal(literal) => Part::Literal(literal),
                Piece::Braced(inside) => Part::Value(Expression::parse(inside, self.names)?),
            });
        }
        Ok(match <[Part; 1]>::try_from(parts) {
            Ok([Part::Value(expression)]) => Template::Value(expression),
            Ok([Part::Literal(literal)]) => constant(&literal),
            Err(parts) if parts.is_empty() => constant(""),
            Err(parts) => Template::Text(parts),
        })
    }

    fn mapping(
        &mut self,
        place: &Place,
        members: &[(&Key, Place)],
        depth: usize,
        errors: &mut Errors,
    ) -> Option<Template> {
        let mut good = true;
        let mut path = None;
        let mut value = None;
        let mut object: Vec<(String, Template)> = Vec::new();
        let mut plain = 0usize;
        for (i, (key, member)) in members.iter().enumerate() {
            if members.iter().take(i).any(|(k, _)| k.text == key.text) {
                place.error(errors, format!("duplicate key `{}`", key.text.escape_debug()));
                good = false;
                continue;
            }
            let compiled = match key.text.as_str() {
                "$each" | "$with" => {
                    let expression = self.path(member, errors);
                    if path.is_some() {
                        member.error(errors, "expected one of `$each` and `$with`, not both");
                        good = false;
                    }
                    good &= expression.is_some();
                    path = Some((key.text == "$each", expression));
                    continue;
                }
                "$value" => {
                    value = Some(self.compile(member, depth.saturating_add(1), errors));
                    good &= matches!(value, Some(Some(_)));
                    continue;
                }
                "$include" => {
                    let included = self.included(member, depth, errors);
                    good &= included.is_some();
                    match included {
                        Some(Template::Object(inner)) => {
                            inner.into_iter().for_each(|(k, t)| put(&mut object, k, t));
                        }
                        Some(other) if value.is_none() => value = Some(Some(other)),
                        Some(_) => good = false,
                        None => {}
                    }
                    continue;
                }
                name if name.starts_with('$') => {
                    member.error(
                        errors,
                        format!(
                            "unknown directive `{}`, expected `$each`, `$with`, `$value` or `$include`",
                            name.escape_debug()
                        ),
                    );
                    good = false;
                    continue;
                }
                _ => self.compile(member, depth.saturating_add(1), errors),
            };
            plain = plain.saturating_add(1);
            good &= compiled.is_some();
            if let Some(template) = compiled {
                let mut quoted = String::new();
                push_quoted(&mut quoted, &key.text);
                put(&mut object, quoted, template);
            }
        }
        if value.is_some() && (plain > 0 || !object.is_empty()) {
            place.error(errors, "a template that is no mapping takes no further members");
            good = false;
        }
        if !good {
            return None;
        }
        let inner = value.flatten().unwrap_or(Template::Object(object));
        Some(match path {
            Some((true, Some(list))) => Template::Each(list, Box::new(inner)),
            Some((false, Some(path))) => Template::With(path, Box::new(inner)),
            _ => inner,
        })
    }

    /// The path of `$each` or `$with`.
    fn path(&self, place: &Place, errors: &mut Errors) -> Option<Expression> {
        let text = place.text(errors, "a path into the body")?;
        match Expression::parse(text, self.names) {
            Ok(expression) if expression.is_path() => Some(expression),
            Ok(_) => {
                place.error(errors, "expected a path into the body, without conversions");
                None
            }
            Err(why) => {
                place.error(errors, why);
                None
            }
        }
    }

    fn included(&mut self, place: &Place, depth: usize, errors: &mut Errors) -> Option<Template> {
        let wanted = place.text(errors, "the name of a template")?;
        let Some((name, target)) = self.named.get_key_value(wanted) else {
            place.error(errors, format!("unknown template `{}`", wanted.escape_debug()));
            return None;
        };
        if self.open.contains(&name.as_str()) {
            place.error(errors, format!("the template `{name}` includes itself"));
            return None;
        }
        let template = self.include(name, target, errors)?;
        // Put in many times, a small policy would make a huge template.
        let (size, levels) = template.measure();
        self.parts = self.parts.saturating_add(size);
        if self.parts > MAX_PARTS || depth.saturating_add(levels) > MAX_DEPTH {
            place.error(errors, TOO_LARGE);
            return None;
        }
        Some(template)
    }

    fn include(
        &mut self,
        name: &'p str,
        place: &'p Place,
        errors: &mut Errors,
    ) -> Option<Template> {
        if let Some(done) = self.done.get(name) {
            return done.clone();
        }
        self.open.push(name);
        let compiled = self.compile(place, self.open.len(), errors);
        self.open.pop();
        self.done.insert(name, compiled.clone());
        compiled
    }
}

fn constant(text: &str) -> Template {
    let mut json = String::new();
    push_quoted(&mut json, text);
    Template::Constant(json)
}

/// Puts a member in, over one of the same name.
fn put(object: &mut Vec<(String, Template)>, key: String, template: Template) {
    match object.iter_mut().find(|(k, _)| *k == key) {
        Some((_, old)) => *old = template,
        None => object.push((key, template)),
    }
}

/// A piece of a text with braces.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Piece<'t> {
    /// Text.
    Literal(String),
    /// What stands between braces.
    Braced(&'t str),
}

/// Splits `a {b} {{c}}` into its pieces.
///
/// # Errors
/// A brace has no partner.
pub(crate) fn pieces(text: &str) -> Result<Vec<Piece<'_>>, String> {
    let mut out = Vec::new();
    let mut literal = String::new();
    let mut rest = text;
    while let Some(at) = rest.find(['{', '}']) {
        let (before, braced) = rest.split_at_checked(at).unwrap_or((rest, ""));
        literal.push_str(before);
        if let Some(after) = braced.strip_prefix("{{") {
            literal.push('{');
            rest = after;
        } else if let Some(after) = braced.strip_prefix("}}") {
            literal.push('}');
            rest = after;
        } else if let Some(inside) = braced.strip_prefix('{') {
            let mut quoted = false;
            let end = inside.char_indices().find(|(_, c)| {
                quoted ^= *c == '\'';
                !quoted && *c == '}'
            });
            let (inside, after) = end
                .and_then(|(at, _)| inside.split_at_checked(at))
                .ok_or("a `{` has no `}`; a brace that is meant is written `{{`")?;
            if !literal.is_empty() {
                out.push(Piece::Literal(std::mem::take(&mut literal)));
            }
            out.push(Piece::Braced(inside));
            rest = after.strip_prefix('}').unwrap_or(after);
        } else {
            return Err("a `}` has no `{`; a brace that is meant is written `}}`".to_owned());
        }
    }
    literal.push_str(rest);
    if !literal.is_empty() {
        out.push(Piece::Literal(literal));
    }
    Ok(out)
}

#[cfg(test)]
mod tests;
