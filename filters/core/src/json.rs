//! JSON that somebody else wrote, such as the claims of a token: read with each request,
//! so what it holds is borrowed from its text. Two readers could disagree on an object
//! that names a member twice and on a number beyond all floats, so neither is read.

mod tokens;

use std::borrow::Cow;

use crate::bytes;
use crate::json_text::push_quoted;

pub(crate) use tokens::{MAX_DEPTH, Number, Tokens};

/// A value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Json<'t> {
    /// `null`.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// A whole number beyond those.
    Large(u64),
    /// Another number, as it is written.
    Float(&'t str),
    /// A string.
    Text(Cow<'t, str>),
    /// An array.
    List(Vec<Json<'t>>),
    /// An object, its members in order.
    Object(Vec<Member<'t>>),
}

/// A member of an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member<'t> {
    /// Its name.
    pub name: Cow<'t, str>,
    /// What it holds.
    pub value: Json<'t>,
}

/// How many members of an object there is room for at first: most claims have no more.
const USUAL: usize = 16;
/// How many names are looked at one by one: sorting them costs more.
const FEW: usize = 24;

impl<'t> Json<'t> {
    /// Reads a text (RFC 8259), strictly: no string holds lone surrogates, no object at
    /// any depth names a member twice, no number is beyond all floats, and nothing is
    /// nested more than 127 times.
    #[must_use]
    pub fn read(text: &'t [u8]) -> Option<Self> {
        let mut tokens = Tokens::new(bytes::text(text)?);
        let value = read(&mut tokens, 0)?;
        tokens.blanks();
        tokens.rest().is_empty().then_some(value)
    }

    /// What a member holds, if this is an object that has it.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Json<'t>> {
        match self {
            Json::Object(members) => {
                members.iter().find(|member| is_same(&member.name, name)).map(|m| &m.value)
            }
            _ => None,
        }
    }

    /// Compact JSON.
    #[must_use]
    pub fn to_json(&self) -> String {
        let mut out = String::new();
        self.push_to(&mut out);
        out
    }

    fn push_to(&self, out: &mut String) {
        match self {
            Json::Null => out.push_str("null"),
            Json::Bool(b) => out.push_str(if *b { "true" } else { "false" }),
            Json::Int(i) => out.push_str(&i.to_string()),
            Json::Large(n) => out.push_str(&n.to_string()),
            Json::Float(number) => out.push_str(number),
            Json::Text(text) => push_quoted(out, text),
            Json::List(items) => {
                let mut sign = '[';
                for item in items {
                    out.push(sign);
                    item.push_to(out);
                    sign = ',';
                }
                out.push_str(if items.is_empty() { "[]" } else { "]" });
            }
            Json::Object(members) => {
                let mut sign = '{';
                for Member { name, value } in members {
                    out.push(sign);
                    push_quoted(out, name);
                    out.push(':');
                    value.push_to(out);
                    sign = ',';
                }
                out.push_str(if members.is_empty() { "{}" } else { "}" });
            }
        }
    }
}

/// Names of one length mostly differ in their last byte: that is seen without a call.
fn is_same(a: &str, b: &str) -> bool {
    let (a, b) = (a.as_bytes(), b.as_bytes());
    a.len() == b.len() && a.last() == b.last() && a == b
}

fn read<'t>(tokens: &mut Tokens<'t>, depth: usize) -> Option<Json<'t>> {
    tokens.blanks();
    match tokens.next()? {
        b'"' => tokens.string().map(Json::Text),
        b'{' | b'[' if depth == MAX_DEPTH => None,
        b'{' => object(tokens, depth),
        b'[' => list(tokens, depth),
        b'-' | b'0'..=b'9' => number(tokens),
        b't' => tokens.word("true").map(|()| Json::Bool(true)),
        b'f' => tokens.word("false").map(|()| Json::Bool(false)),
        b'n' => tokens.word("null").map(|()| Json::Null),
        _ => None,
    }
}

fn object<'t>(tokens: &mut Tokens<'t>, depth: usize) -> Option<Json<'t>> {
    tokens.step();
    if tokens.sign(b'}') {
        return Some(Json::Object(Vec::new()));
    }
    let mut members = Vec::with_capacity(if depth == 0 { USUAL } else { 0 });
    loop {
        tokens.blanks();
        let name = tokens.string()?;
        tokens.sign(b':').then_some(())?;
        let value = read(tokens, depth.saturating_add(1))?;
        members.push(Member { name, value });
        if !tokens.sign(b',') {
            break;
        }
    }
    (tokens.takes(b'}') && are_unique(&members)).then_some(Json::Object(members))
}

fn list<'t>(tokens: &mut Tokens<'t>, depth: usize) -> Option<Json<'t>> {
    tokens.step();
    let mut items = Vec::new();
    if tokens.sign(b']') {
        return Some(Json::List(items));
    }
    loop {
        items.push(read(tokens, depth.saturating_add(1))?);
        if !tokens.sign(b',') {
            return tokens.takes(b']').then_some(Json::List(items));
        }
    }
}

fn number<'t>(tokens: &mut Tokens<'t>) -> Option<Json<'t>> {
    Some(match tokens.number()? {
        Number::Int(number) => Json::Int(number),
        Number::Large(number) => Json::Large(number),
        Number::Float(text) => {
            serde_json::from_str::<f64>(text).ok()?;
            Json::Float(text)
        }
    })
}

fn are_unique(members: &[Member<'_>]) -> bool {
    if members.len() > FEW {
        let mut names: Vec<&str> = members.iter().map(|member| &*member.name).collect();
        names.sort_unstable();
        return names.windows(2).all(|pair| pair.first() != pair.last());
    }
    // A bit for each name: one that stands there twice finds its bit taken.
    let mut taken = 0u64;
    members.iter().enumerate().all(|(at, Member { name, .. })| {
        let bit = 1 << (sketch(name) % 64);
        let is_new = taken & bit == 0 || is_unique(name, members.get(..at));
        taken |= bit;
        is_new
    })
}

#[cold]
fn is_unique(name: &str, before: Option<&[Member<'_>]>) -> bool {
    before.is_some_and(|before| before.iter().all(|other| !is_same(&other.name, name)))
}

/// Differs for the usual names of claims.
fn sketch(name: &str) -> usize {
    let value = |b: Option<&u8>| b.map_or(0, |b| usize::from(*b));
    let (first, last) = (value(name.as_bytes().first()), value(name.as_bytes().last()));
    first.wrapping_mul(3).wrapping_add(name.len().wrapping_mul(48)) ^ last
}

#[cfg(test)]
pub(crate) mod tests;
