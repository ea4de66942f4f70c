//! How expressions are read.

use std::collections::BTreeMap;
use std::rc::Rc;

use super::{COOKIE, HEADER, Names, QUERY, Source};
use crate::facts::RefusalField;
use crate::value::Conversion;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Token {
    /// A bare word: `a.b`, `$root`, `cents`.
    Word(String),
    /// A quoted text that stands for itself.
    Quoted(String),
    Bar,
    Else,
}

pub(super) fn tokens(text: &str) -> Result<Vec<Token>, String> {
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

pub(super) fn source(tokens: &[Token], whole: &str) -> Result<Source, String> {
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

pub(super) fn conversion(tokens: &[Token], names: &Names) -> Result<Conversion, String> {
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
