//! Expressions in JSON templates: where a value comes from, and the
//! conversions on its way.
//!
//! ```text
//! {price_cents | cents}      {description ?? name}      {$refusal.detail}
//! {item.'odd.key'.0}         {. | string}               {tags | join ', '}
//! ```
//!
//! A path leads from the current value (of a `$each`, else the whole body); a
//! number in it is a place in a list. `??` takes the first that is neither
//! missing nor null. `$root` is the whole body, `$capture.name` a part of the
//! request's path, `$query.name` a parameter of its query, `$header.name` and
//! `$cookie.name` (in its own body alone) what their names say, `$refusal.…` a refusal
//! of the gateway (its `instance`, the request's id, is of every answer), `$status` the answer's status as it came.

mod parse;

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::rc::Rc;

use parse::{Token, conversion, source, tokens};

use crate::facts::{Facts, RefusalField};
use crate::json::{Document, Kind, Value};
use crate::value::{Conversion, DateFormat, Item};

/// What the names of facts that are parameters of the query begin with.
pub(crate) const QUERY: &str = "query.";
/// The same of headers and cookies of the request, which its own body alone can take.
pub(crate) const HEADER: &str = "header.";
pub(crate) const COOKIE: &str = "cookie.";

/// Names that expressions refer to.
#[derive(Debug, Default)]
pub(crate) struct Names {
    /// Date formats.
    pub(crate) date_formats: BTreeMap<String, Rc<DateFormat>>,
    /// Word maps.
    pub(crate) words: BTreeMap<String, Rc<BTreeMap<String, String>>>,
}

/// A compiled expression.
#[derive(Clone, Debug)]
pub(crate) struct Expression {
    text: String,
    sources: Vec<Source>,
    conversions: Vec<Conversion>,
}

#[derive(Clone, Debug)]
enum Source {
    Current(Vec<String>),
    Root(Vec<String>),
    Capture(String),
    Refusal(RefusalField),
    Status,
}

/// An answer that does not fit a template: the expression, and what it needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Mismatch {
    /// The expression as written in the policy.
    pub(crate) expression: String,
    /// What it found wanting.
    pub(crate) wanted: &'static str,
}

/// What expressions are evaluated in.
#[derive(Clone, Copy)]
pub(crate) struct Scope<'d, 'f> {
    /// The body.
    pub(crate) document: &'d Document<'d>,
    /// The current value.
    pub(crate) current: &'d Value,
    /// What is known of the request and the answer.
    pub(crate) facts: &'f Facts,
}

impl Expression {
    /// Parses the text between the braces.
    ///
    /// # Errors
    /// What is wrong with it, for the operator.
    pub(crate) fn parse(text: &str, names: &Names) -> Result<Self, String> {
        let tokens = tokens(text)?;
        let mut stages = tokens.split(|t| *t == Token::Bar);
        let sources = stages.next().unwrap_or_default();
        let sources: Result<Vec<_>, _> =
            sources.split(|t| *t == Token::Else).map(|t| source(t, text)).collect();
        let conversions: Result<Vec<_>, _> = stages.map(|t| conversion(t, names)).collect();
        Ok(Expression {
            text: text.trim().to_owned(),
            sources: sources?,
            conversions: conversions?,
        })
    }

    /// A pipeline of conversions alone, as edits name it: `money`,
    /// `date old`.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(crate) fn parse_conversions(text: &str, names: &Names) -> Result<Vec<Conversion>, String> {
        tokens(text)?.split(|t| *t == Token::Bar).map(|t| conversion(t, names)).collect()
    }

    /// Does it look at the answer's body?
    pub(crate) fn reads_body(&self) -> bool {
        self.sources.iter().any(|s| matches!(s, Source::Current(_) | Source::Root(_)))
    }

    /// Does it look at the whole body?
    pub(crate) fn reads_root(&self) -> bool {
        self.sources.iter().any(|s| matches!(s, Source::Root(_)))
    }

    /// Does it look at the answer, or at a refusal?
    pub(crate) fn reads_answer(&self) -> bool {
        self.sources.iter().any(|s| matches!(s, Source::Refusal(_) | Source::Status))
    }

    /// Does it name the request, by its id?
    pub(crate) fn names_request(&self) -> bool {
        self.sources.iter().any(|s| matches!(s, Source::Refusal(RefusalField::Instance)))
    }

    /// What of it is not sure in an answer of the gateway's own: the expression, and what
    /// is allowed.
    pub(crate) fn doubt(&self) -> Option<(&str, &'static str)> {
        let of_client = |s: &Source| match s {
            Source::Capture(_) | Source::Refusal(RefusalField::Instance) => true,
            Source::Current(_) | Source::Root(_) | Source::Refusal(_) | Source::Status => false,
        };
        let may_lack = |s: &Source| matches!(s, Source::Capture(name) if name.starts_with(QUERY));
        let replaced = |c: &Conversion| matches!(c, Conversion::Or(_) | Conversion::Optional);
        if self.sources.iter().all(may_lack) && !self.conversions.iter().any(replaced) {
            return Some((
                &self.text,
                "may not be there: expected `?? PATH` of what is, `| or 'TEXT'` or `| optional`",
            ));
        }
        let any_text = self.conversions.iter().all(Conversion::fits_any_text);
        (self.sources.iter().any(of_client) && !any_text).then_some((
            &self.text,
            "may not fit what a client sends: expected no conversion but `string`, `lower`, \
             `replace`, `words`, `or` and `optional`",
        ))
    }

    /// The captures that it takes.
    pub(crate) fn captures(&self) -> impl Iterator<Item = &str> {
        self.sources.iter().filter_map(|s| match s {
            Source::Capture(name) => Some(name.as_str()),
            _ => None,
        })
    }

    /// Evaluates it.
    ///
    /// # Errors
    /// Something is missing, or a conversion does not fit.
    pub(crate) fn evaluate<'d>(&self, scope: Scope<'d, '_>) -> Result<Item<'d>, Mismatch> {
        let mut item = self.take(scope);
        for conversion in &self.conversions {
            item =
                conversion.apply(item, scope.document).map_err(|wanted| self.mismatch(wanted))?;
        }
        let optional = matches!(self.conversions.last(), Some(Conversion::Optional));
        if matches!(item, Item::Missing) && !optional {
            return Err(self.mismatch("a value"));
        }
        Ok(item)
    }

    /// The value at a path, for `$each` and `$with`, which take no conversion.
    ///
    /// # Errors
    /// There is none.
    pub(crate) fn node<'d>(&self, scope: Scope<'d, '_>) -> Result<&'d Value, Mismatch> {
        match self.take(scope) {
            Item::Node(value) => Ok(value),
            _ => Err(self.mismatch("a value")),
        }
    }

    /// Has it only paths into the body?
    pub(crate) fn is_path(&self) -> bool {
        self.conversions.is_empty()
            && self.sources.iter().all(|s| matches!(s, Source::Current(_) | Source::Root(_)))
    }

    /// It needed something else.
    pub(crate) fn mismatch(&self, wanted: &'static str) -> Mismatch {
        Mismatch { expression: self.text.clone(), wanted }
    }

    fn take<'d>(&self, scope: Scope<'d, '_>) -> Item<'d> {
        let mut last = Item::Missing;
        for source in &self.sources {
            let item = source.take(scope);
            if !item.is_void() {
                return item;
            }
            if matches!(last, Item::Missing) {
                last = item;
            }
        }
        last
    }
}

impl Source {
    fn take<'d>(&self, scope: Scope<'d, '_>) -> Item<'d> {
        let node = |from: &'d Value, path: &[String]| {
            path.iter()
                .try_fold(from, |value, step| match &value.kind {
                    Kind::List(items) => items.get(step.parse::<usize>().ok()?),
                    _ => scope.document.member(value, step),
                })
                .map_or(Item::Missing, Item::Node)
        };
        let text = |text: Option<&str>| match text {
            Some(text) => Item::Text(Cow::Owned(text.to_owned())),
            None => Item::Missing,
        };
        match self {
            Source::Current(path) => node(scope.current, path),
            Source::Root(path) => node(scope.document.root(), path),
            Source::Capture(name) => text(scope.facts.capture(name)),
            Source::Refusal(field) => text(scope.facts.refusal(*field)),
            Source::Status => Item::Number(scope.facts.status.to_string()),
        }
    }
}

#[cfg(test)]
mod tests;
