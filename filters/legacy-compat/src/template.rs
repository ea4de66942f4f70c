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

mod compiler;
mod pieces;

use crate::expression::{Expression, Mismatch, Scope};
use crate::facts::Facts;
use crate::json::{Document, Kind, push_quoted};

pub(crate) use compiler::{Compiler, Done};
pub(crate) use pieces::{Piece, pieces};

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

    /// Renders one that reads no body.
    ///
    /// # Errors
    /// What is known does not fit, or the result is too large.
    pub(crate) fn of_facts(&self, facts: &Facts, limit: usize) -> Result<String, Unrendered> {
        // That is JSON.
        let Ok(document) = Document::read(b"null") else { return Ok("null".to_owned()) };
        self.render(Scope { document: &document, current: document.root(), facts }, limit)
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

#[cfg(test)]
mod tests;
