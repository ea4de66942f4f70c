//! From the policy to a template.

use std::collections::BTreeMap;

use postern_core::config::{At, Errors, Value};

use super::{Part, Piece, Template, pieces};
use crate::expression::{Expression, Names};
use crate::json::push_quoted;
use crate::place::{Place, text};

/// Larger templates, includes put in, are refused.
const MAX_PARTS: usize = 10_000;
/// Deeper ones too: rendering is bounded with it.
const MAX_DEPTH: usize = 64;

const TOO_LARGE: &str = "the template is too deep or too large";

/// The named templates that were compiled; `None` after a mistake, which was told then.
pub(crate) type Done = BTreeMap<String, Option<Template>>;

/// Compiles templates, named ones once.
pub(crate) struct Compiler<'p> {
    names: &'p Names,
    named: &'p BTreeMap<String, Place>,
    open: Vec<&'p str>,
    done: Done,
    parts: usize,
}

impl<'p> Compiler<'p> {
    /// A compiler over a policy's names.
    pub(crate) fn new(names: &'p Names, named: &'p BTreeMap<String, Place>) -> Self {
        Compiler { names, named, open: Vec::new(), done: Done::new(), parts: 0 }
    }

    /// The same, where some were compiled before.
    pub(crate) fn after(mut self, done: Done) -> Self {
        self.done = done;
        self
    }

    /// What was compiled.
    pub(crate) fn into_done(self) -> Done {
        self.done
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
        self.compile(place.at(), 0, errors)
    }

    fn compile(&mut self, at: At<'_>, depth: usize, errors: &mut Errors) -> Option<Template> {
        self.parts = self.parts.saturating_add(1);
        if depth > MAX_DEPTH || self.parts > MAX_PARTS {
            at.error(errors, TOO_LARGE);
            return None;
        }
        match &at.node().value {
            Value::Text(text) => match self.text(text) {
                Ok(template) => Some(template),
                Err(why) => {
                    at.error(errors, why);
                    None
                }
            },
            Value::List(items) => {
                let items: Vec<_> = items
                    .iter()
                    .enumerate()
                    .map(|(i, n)| self.compile(at.index(i, n), depth.saturating_add(1), errors))
                    .collect();
                items.into_iter().collect::<Option<_>>().map(Template::List)
            }
            Value::Map(entries) => {
                let members: Vec<(&str, At<'_>)> =
                    entries.iter().map(|(k, n)| (k.text.as_str(), at.key(&k.text, n))).collect();
                self.mapping(at, &members, depth, errors)
            }
            Value::Null | Value::Bool(_) | Value::Int(_) | Value::Large(_) | Value::Float(_) => {
                Some(Template::Constant(at.node().to_json()))
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
        at: At<'_>,
        members: &[(&str, At<'_>)],
        depth: usize,
        errors: &mut Errors,
    ) -> Option<Template> {
        let mut good = true;
        let mut path = None;
        let mut value = None;
        let mut object: Vec<(String, Template)> = Vec::new();
        let mut plain = 0usize;
        for (i, (key, member)) in members.iter().enumerate() {
            if members.iter().take(i).any(|(k, _)| k == key) {
                at.error(errors, format!("duplicate key `{}`", key.escape_debug()));
                good = false;
                continue;
            }
            let compiled = match *key {
                "$each" | "$with" => {
                    let expression = self.path(*member, errors);
                    if path.is_some() {
                        member.error(errors, "expected one of `$each` and `$with`, not both");
                        good = false;
                    }
                    good &= expression.is_some();
                    path = Some((*key == "$each", expression));
                    continue;
                }
                "$value" => {
                    value = Some(self.compile(*member, depth.saturating_add(1), errors));
                    good &= matches!(value, Some(Some(_)));
                    continue;
                }
                "$include" => {
                    let included = self.included(*member, depth, errors);
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
                _ => self.compile(*member, depth.saturating_add(1), errors),
            };
            plain = plain.saturating_add(1);
            good &= compiled.is_some();
            if let Some(template) = compiled {
                let mut quoted = String::new();
                push_quoted(&mut quoted, key);
                put(&mut object, quoted, template);
            }
        }
        if value.is_some() && (plain > 0 || !object.is_empty()) {
            at.error(errors, "a template that is no mapping takes no further members");
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
    fn path(&self, at: At<'_>, errors: &mut Errors) -> Option<Expression> {
        let text = text(at, errors, "a path into the body")?;
        match Expression::parse(text, self.names) {
            Ok(expression) if expression.is_path() => Some(expression),
            Ok(_) => {
                at.error(errors, "expected a path into the body, without conversions");
                None
            }
            Err(why) => {
                at.error(errors, why);
                None
            }
        }
    }

    fn included(&mut self, at: At<'_>, depth: usize, errors: &mut Errors) -> Option<Template> {
        let wanted = text(at, errors, "the name of a template")?;
        let Some((name, target)) = self.named.get_key_value(wanted) else {
            at.error(errors, format!("unknown template `{}`", wanted.escape_debug()));
            return None;
        };
        if self.open.contains(&name.as_str()) {
            at.error(errors, format!("the template `{name}` includes itself"));
            return None;
        }
        let template = self.include(name, target, errors)?;
        // Put in many times, a small policy would make a huge template.
        let (size, levels) = template.measure();
        self.parts = self.parts.saturating_add(size);
        if self.parts > MAX_PARTS || depth.saturating_add(levels) > MAX_DEPTH {
            at.error(errors, TOO_LARGE);
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
        let compiled = self.compile(place.at(), self.open.len(), errors);
        self.open.pop();
        self.done.insert(name.to_owned(), compiled.clone());
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
