//! The words of an expression, each with the byte at which it begins.

use std::str::Chars;

use super::Mistake;

/// A word.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Token {
    /// A name; `true`, `false`, `null` and `in` too.
    Name(Box<str>),
    /// A number without a fraction, without its sign.
    Int(u64),
    /// A number with one.
    Double(f64),
    /// A text, its escapes resolved.
    Text(Box<str>),
    /// An operator or a bracket.
    Sign(&'static str),
    /// The end.
    End,
}

/// Longer ones first.
const SIGNS: [&str; 24] = [
    "==", "!=", "<=", ">=", "&&", "||", "<", ">", "!", "+", "-", "*", "/", "%", "(", ")", "[", "]",
    "?", ":", ",", ".", "{", "}",
];

/// Cuts a text into words. The last is the end.
pub(super) fn tokens(text: &str) -> Result<Vec<(usize, Token)>, Mistake> {
    let mut words = Vec::new();
    let mut rest = text;
    loop {
        rest = after_blanks(rest);
        let at = text.len().saturating_sub(rest.len());
        let Some(first) = rest.chars().next() else {
            words.push((at, Token::End));
            return Ok(words);
        };
        let (token, after) = match first {
            '\'' | '"' => quoted(rest, false),
            'r' | 'R' if rest.get(1..).is_some_and(|r| r.starts_with(['\'', '"'])) => {
                quoted(rest.get(1..).unwrap_or_default(), true)
            }
            'b' | 'B' if rest.get(1..).is_some_and(|r| r.starts_with(['\'', '"'])) => {
                Err("bytes are not supported: use a string".to_owned())
            }
            'a'..='z' | 'A'..='Z' | '_' => Ok(name(rest)),
            '0'..='9' => number(rest),
            '.' if rest.get(1..).is_some_and(|r| r.starts_with(|c: char| c.is_ascii_digit())) => {
                number(rest)
            }
            _ => sign(rest, first),
        }
        .map_err(|message| Mistake { at, message })?;
        words.push((at, token));
        rest = after;
    }
}

/// What a word is called in a message.
impl std::fmt::Display for Token {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Token::Name(name) => write!(f, "`{}`", super::shown(name)),
            Token::Int(_) | Token::Double(_) => f.write_str("a number"),
            Token::Text(_) => f.write_str("a text"),
            Token::Sign(sign) => write!(f, "`{sign}`"),
            Token::End => f.write_str("the end"),
        }
    }
}

type Cut<'t> = Result<(Token, &'t str), String>;

/// Past blanks and comments, which end with their line.
fn after_blanks(mut rest: &str) -> &str {
    loop {
        rest = rest.trim_start_matches([' ', '\t', '\n', '\r', '\x0c']);
        match rest.strip_prefix("//") {
            Some(comment) => rest = comment.split_once('\n').map_or("", |(_, after)| after),
            None => return rest,
        }
    }
}

fn split(text: &str, end: usize) -> (&str, &str) {
    text.split_at_checked(end).unwrap_or((text, ""))
}

fn name(rest: &str) -> (Token, &str) {
    let part = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let (name, after) = split(rest, rest.find(|c| !part(c)).unwrap_or(rest.len()));
    (Token::Name(name.into()), after)
}

fn sign(rest: &str, first: char) -> Cut<'_> {
    let found = SIGNS.iter().find_map(|sign| Some((*sign, rest.strip_prefix(sign)?)));
    match (found, first) {
        (Some((sign, after)), _) => Ok((Token::Sign(sign), after)),
        (None, '=') => Err("expected `==`".to_owned()),
        (None, '&') => Err("expected `&&`".to_owned()),
        (None, '|') => Err("expected `||`".to_owned()),
        (None, other) => Err(format!("`{}` has no meaning here", other.escape_debug())),
    }
}

fn number(rest: &str) -> Cut<'_> {
    let digits = |text: &str| text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let too_large = || "expected a number that fits into 64 bits".to_owned();
    if let Some(hex) = rest.strip_prefix("0x").or_else(|| rest.strip_prefix("0X")) {
        let (hex, after) =
            split(hex, hex.find(|c: char| !c.is_ascii_hexdigit()).unwrap_or(hex.len()));
        if hex.is_empty() {
            return Err("expected a digit after `0x`".to_owned());
        }
        let value = u64::from_str_radix(hex, 16).map_err(|_| too_large())?;
        return ended(Token::Int(value), after);
    }
    let (whole, mut after) = split(rest, digits(rest));
    let mut fraction = false;
    if let Some(part) = after.strip_prefix('.')
        && part.starts_with(|c: char| c.is_ascii_digit())
    {
        (fraction, after) = (true, split(part, digits(part)).1);
    }
    if let Some(part) = after.strip_prefix(['e', 'E']) {
        let part = part.strip_prefix(['+', '-']).unwrap_or(part);
        if digits(part) == 0 {
            return Err("expected a digit in the exponent".to_owned());
        }
        (fraction, after) = (true, split(part, digits(part)).1);
    }
    if !fraction {
        return ended(Token::Int(whole.parse().map_err(|_| too_large())?), after);
    }
    let (text, _) = split(rest, rest.len().saturating_sub(after.len()));
    ended(Token::Double(super::double(text).ok_or_else(too_large)?), after)
}

/// No name may begin where a number ends.
fn ended(token: Token, after: &str) -> Cut<'_> {
    match after.chars().next() {
        Some('u' | 'U') => Err("unsigned numbers are not supported: use an int".to_owned()),
        Some('_' | 'a'..='z' | 'A'..='Z') => {
            Err("expected an operator after the number".to_owned())
        }
        _ => Ok((token, after)),
    }
}

fn quoted(rest: &str, raw: bool) -> Cut<'_> {
    let unclosed = || "expected a closing quote".to_owned();
    let mut chars = rest.chars();
    let quote = chars.next().ok_or_else(unclosed)?;
    if rest.starts_with("'''") || rest.starts_with("\"\"\"") {
        return Err("texts in three quotes are not supported: use one, and `\\n`".to_owned());
    }
    let mut text = String::new();
    loop {
        match chars.next().ok_or_else(unclosed)? {
            '\n' | '\r' => return Err(unclosed()),
            '\\' if !raw => text.push(escape(&mut chars)?),
            c if c == quote => return Ok((Token::Text(text.into()), chars.as_str())),
            c => text.push(c),
        }
    }
}

/// What stands for a character after a backslash.
fn escape(chars: &mut Chars<'_>) -> Result<char, String> {
    let unknown = || "expected an escape such as `\\n`, `\\'` or `\\u00e9`".to_owned();
    let (count, radix, begun) = match chars.next().ok_or_else(unknown)? {
        c @ ('\\' | '\'' | '"' | '`' | '?') => return Ok(c),
        'a' => return Ok('\x07'),
        'b' => return Ok('\x08'),
        'f' => return Ok('\x0c'),
        'n' => return Ok('\n'),
        'r' => return Ok('\r'),
        't' => return Ok('\t'),
        'v' => return Ok('\x0b'),
        'x' | 'X' => (2, 16, 0),
        'u' => (4, 16, 0),
        'U' => (8, 16, 0),
        c @ '0'..='3' => (2, 8, c.to_digit(8).unwrap_or(0)),
        _ => return Err(unknown()),
    };
    coded(chars, count, radix, begun).ok_or_else(unknown)
}

/// A character by its number, of which `value` is the beginning.
fn coded(chars: &mut Chars<'_>, count: usize, radix: u32, value: u32) -> Option<char> {
    let number = (0..count).try_fold(value, |value, _| {
        let digit = chars.next()?.to_digit(radix)?;
        value.checked_mul(radix)?.checked_add(digit)
    })?;
    char::from_u32(number)
}
