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

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::rc::Rc;

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

#[derive(Clone, Debug, PartialEq, Eq)]
enum Token {
    /// A bare word: `a.b`, `$root`, `cents`.
    Word(String),
    /// A quoted text that stands for itself.
    Quoted(String),
    Bar,
    Else,
}

fn tokens(text: &str) -> Result<Vec<Token>, String> {
    let mut out = Vec::new();
    let mut rest = text;
    loop {
        rest = rest.trim_start_matches(' ');
        let Some(first) = rest.chars().next() else { return Ok(out) };
        if let Some(after) = rest.strip_prefix("??") {
            out.push(Token::Else);
            rest = after;
        } else if let Some(after) = rest.strip_prefix('|') {
            out.push(Token::Bar);
            rest = after;
        } else if let Some(after) = rest.strip_prefix('\'') {
            let (inside, after) =
                after.split_once('\'').ok_or("a quoted text has no closing `'`")?;
            // A quoted key of a path goes on with a dot.
            if after.starts_with('.') {
                let (word, after) = word(rest)?;
                out.push(Token::Word(word));
                rest = after;
            } else {
                out.push(Token::Quoted(inside.to_owned()));
                rest = after;
            }
        } else if is_word_char(first) {
            let (word, after) = word(rest)?;
            out.push(Token::Word(word));
            rest = after;
        } else {
            return Err(format!("`{}` cannot stand in an expression", first.escape_debug()));
        }
    }
}

fn is_word_char(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.' | '$')
}

/// A word up to a blank or a bar, quoted parts included.
fn word(text: &str) -> Result<(String, &str), String> {
    let mut quoted = false;
    let end = text
        .char_indices()
        .find(|(_, c)| {
            quoted ^= *c == '\'';
            !quoted && !is_word_char(*c) && *c != '\''
        })
        .map_or(text.len(), |(at, _)| at);
    let (word, rest) = text.split_at_checked(end).unwrap_or((text, ""));
    if !word.matches('\'').count().is_multiple_of(2) {
        return Err("a quoted text has no closing `'`".to_owned());
    }
    Ok((word.to_owned(), rest))
}

fn source(tokens: &[Token], whole: &str) -> Result<Source, String> {
    let path = match tokens {
        [Token::Word(word)] => word.as_str(),
        [Token::Quoted(key)] => return Ok(Source::Current(vec![key.clone()])),
        _ => {
            return Err(format!(
                "expected one path on each side of `??` and before `|` in `{{{}}}`",
                whole.escape_debug()
            ));
        }
    };
    if path == "." {
        return Ok(Source::Current(Vec::new()));
    }
    let steps = steps(path)?;
    let Some(scope) = path.strip_prefix('$') else { return Ok(Source::Current(steps)) };
    let scope = scope.split('.').next().unwrap_or_default();
    let steps: Vec<String> = steps.into_iter().skip(1).collect();
    match (scope, steps.as_slice()) {
        ("root", _) => Ok(Source::Root(steps)),
        ("capture", [name]) => Ok(Source::Capture(name.clone())),
        // No capture has a dot in its name.
        ("query", [name]) => Ok(Source::Capture(format!("{QUERY}{name}"))),
        ("header", [name]) => Ok(Source::Capture(format!("{HEADER}{}", name.to_ascii_lowercase()))),
        ("cookie", [name]) => Ok(Source::Capture(format!("{COOKIE}{name}"))),
        ("refusal", [field]) => RefusalField::parse(field).map(Source::Refusal),
        ("status", []) => Ok(Source::Status),
        _ => Err(format!(
            "`{}` is no source, expected a path, `$root`, `$capture.name`, `$query.name`, \
             `$header.name`, `$cookie.name`, `$refusal.field` or `$status`",
            path.escape_debug()
        )),
    }
}

/// The steps of a dotted path; a quoted step may hold dots.
fn steps(path: &str) -> Result<Vec<String>, String> {
    let mut out = vec![String::new()];
    let mut quoted = false;
    for c in path.chars() {
        match (c, out.last_mut()) {
            ('\'', _) => quoted = !quoted,
            ('.', _) if !quoted => out.push(String::new()),
            (c, Some(step)) => step.push(c),
            (_, None) => {}
        }
    }
    if out.iter().any(String::is_empty) {
        return Err(format!("the path `{}` has an empty step", path.escape_debug()));
    }
    Ok(out)
}

fn conversion(tokens: &[Token], names: &Names) -> Result<Conversion, String> {
    let Some((Token::Word(name), arguments)) = tokens.split_first() else {
        return Err("expected a conversion after `|`".to_owned());
    };
    let arguments: Option<Vec<&str>> = arguments
        .iter()
        .map(|a| match a {
            Token::Word(text) | Token::Quoted(text) => Some(text.as_str()),
            Token::Bar | Token::Else => None,
        })
        .collect();
    let arguments = arguments.ok_or("`??` stands between paths only")?;
    Ok(match (name.as_str(), arguments.as_slice()) {
        ("string", []) => Conversion::Text,
        ("number", []) => Conversion::Number,
        ("money", []) => Conversion::Money,
        ("cents", []) => Conversion::Cents,
        ("round", []) => Conversion::Round,
        ("lower", []) => Conversion::Lower,
        ("optional", []) => Conversion::Optional,
        ("required", []) => Conversion::Required,
        ("or", [text]) => Conversion::Or((*text).to_owned()),
        ("join", [separator]) => Conversion::Join((*separator).to_owned()),
        ("replace", [from, to]) if !from.is_empty() => {
            Conversion::Replace((*from).to_owned(), (*to).to_owned())
        }
        ("date", [to, from @ ..]) if from.len() <= 1 => {
            let format = |name: &str| named(&names.date_formats, "date format", name);
            let from = from.first().map(|from| format(from)).transpose()?;
            Conversion::Date(format(to)?, from)
        }
        ("words", [map]) => Conversion::Words(named(&names.words, "word map", map)?),
        (
            "string" | "number" | "money" | "cents" | "round" | "lower" | "optional" | "required",
            _,
        ) => {
            return Err(format!("the conversion `{name}` takes no argument"));
        }
        ("date", _) => {
            return Err("the conversion `date` takes a date format, and the one that dates come \
                        in unless it is ISO 8601"
                .to_owned());
        }
        ("or" | "join" | "words", _) => {
            return Err(format!("the conversion `{name}` takes one argument"));
        }
        ("replace", _) => {
            return Err(
                "the conversion `replace` takes a text, not empty, and its replacement".to_owned()
            );
        }
        _ => {
            return Err(format!(
                "unknown conversion `{name}`, expected `string`, `number`, `money`, `cents`, \
                 `round`, `lower`, `date`, `words`, `replace`, `join`, `or`, `optional` or \
                 `required`"
            ));
        }
    })
}

fn named<T>(map: &BTreeMap<String, Rc<T>>, kind: &str, name: &str) -> Result<Rc<T>, String> {
    map.get(name).cloned().ok_or_else(|| format!("unknown {kind} `{}`", name.escape_debug()))
}

#[cfg(test)]
mod tests;
