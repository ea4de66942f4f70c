//! What an expression may look at, and why it may come to nothing.

use std::borrow::Cow;
use std::cell::{Cell, OnceCell};
use std::fmt;

use postern_core::Headers;
use postern_core::conditions::{Ambiguous, Query};
use postern_core::identity::SeenCaller;
use postern_core::target::Target;
use postern_core::template::Template;
use serde_json::{Map, Value as Json};

use super::MAX_STEPS_PER_REQUEST;
use super::node::{Lookup, Variable};
use super::value::{List, Value};

/// One request and its caller, as one rule sees them.
pub(crate) struct Scope<'a> {
    /// The method as it came.
    pub(crate) method: &'a [u8],
    /// The canonical host.
    pub(crate) host: Option<&'a str>,
    /// The canonical target.
    pub(crate) target: &'a Target<'a>,
    /// Its query, taken apart.
    pub(crate) query: &'a Query,
    /// All headers.
    pub(crate) headers: &'a Headers<'a>,
    /// Does the request end with its headers?
    pub(crate) end_of_stream: bool,
    /// `None`: a caller without an identity.
    pub(crate) caller: Option<&'a SeenCaller<'a>>,
    /// The caller's claims.
    pub(crate) claims: &'a Claims,
    /// The template of the rule that matched the path.
    pub(crate) template: Option<&'a Template>,
    /// What is left for the conditions of all rules.
    pub(crate) budget: &'a Budget,
}

/// Steps that the conditions of one set of rules may still take for one request.
#[derive(Debug)]
pub(crate) struct Budget(pub(super) Cell<usize>);

impl Default for Budget {
    fn default() -> Self {
        Budget(Cell::new(MAX_STEPS_PER_REQUEST))
    }
}

impl Budget {
    /// Another set of rules judges the same request.
    pub(crate) fn renew(&self) {
        self.0.set(MAX_STEPS_PER_REQUEST);
    }
}

/// The claims of one caller, read when an expression first looks at them.
#[derive(Debug, Default)]
pub(crate) struct Claims(OnceCell<Option<Map<String, Json>>>);

/// Why an expression came to no value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Why {
    /// What is asked for is not there.
    Missing,
    /// A header or parameter that stands there more than once, with different values.
    Ambiguous,
    /// Servers differ on whether it is there.
    Unsure,
    /// Bytes that are no text.
    NotText,
    /// A value of another kind than the operator or function is for.
    OtherKind,
    /// A number that does not fit.
    TooLarge,
    /// Division by zero.
    ByZero,
    /// It takes too long.
    TooLong,
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Why::Missing => "it is not there",
            Why::Ambiguous => "it has several values",
            Why::Unsure => "servers differ on whether it is there",
            Why::NotText => "it is no text",
            Why::OtherKind => "it is of another kind",
            Why::TooLarge => "a number does not fit",
            Why::ByZero => "it divides by zero",
            Why::TooLong => "it takes too many steps",
        })
    }
}

type Found<'a> = Result<Value<'a>, Why>;

impl<'a> Scope<'a> {
    pub(super) fn variable(&'a self, variable: Variable) -> Found<'a> {
        let caller = self.caller.ok_or(Why::Missing);
        match variable {
            Variable::Method => text(Cow::Borrowed(self.method)),
            Variable::Host => self.host.map(|host| Value::Text(host.into())).ok_or(Why::Missing),
            Variable::Path => text(self.target.decoded_path().into()),
            Variable::Size => self.size(),
            Variable::Anonymous => Ok(Value::Bool(self.caller.is_none())),
            Variable::Subject => Ok(of(&caller?.sub)),
            Variable::Issuer => caller?.iss.as_ref().map(of).ok_or(Why::Missing),
            Variable::Client => caller?.client.as_ref().map(of).ok_or(Why::Missing),
            Variable::Provider => Ok(of(&caller?.provider)),
            Variable::Credential => Ok(of(&caller?.credential)),
            Variable::CredentialKind => {
                let kind = caller?.credential.split(':').next().unwrap_or_default();
                Ok(Value::Text(kind.into()))
            }
            Variable::Plan => caller?.plan.as_ref().map(of).ok_or(Why::Missing),
            Variable::Scopes => Ok(Value::List(List::Texts(&caller?.scopes))),
            Variable::Claims => self.claims.of(caller?).map(Value::Map),
        }
    }

    /// The path's length in bytes.
    pub(super) fn path_size(&self) -> usize {
        self.target.segments().map(|segment| segment.raw().len().saturating_add(1)).sum()
    }

    pub(super) fn capture(&self, name: &str) -> Found<'a> {
        let captured = self.template.and_then(|t| t.capture(self.target, name));
        text(captured.ok_or(Why::Missing)?.into())
    }

    /// Servers differ on which of several counts: only if they say the same is it
    /// known what is meant.
    pub(super) fn lookup(&'a self, lookup: Lookup, name: &str) -> Found<'a> {
        match lookup {
            Lookup::Headers => {
                let named = self.headers.iter().filter(|(own, _)| own.eq_ignore_ascii_case(name));
                one(named.map(|(_, value)| Cow::Borrowed(value)))
            }
            Lookup::Query => match self.query.value(self.target, name) {
                Ok(value) => text(value.ok_or(Why::Missing)?.into()),
                Err(Ambiguous::Several) => Err(Why::Ambiguous),
                Err(Ambiguous::Boundary) => Err(Why::Unsure),
            },
        }
    }

    /// What `content-length` says.
    fn size(&'a self) -> Found<'a> {
        match self.lookup(Lookup::Headers, "content-length") {
            Ok(Value::Text(text)) if is_digits(&text) => {
                text.parse().map(Value::Int).map_err(|_| Why::TooLarge)
            }
            Err(Why::Missing) if self.end_of_stream => Ok(Value::Int(0)),
            Err(why) => Err(why),
            Ok(_) => Err(Why::OtherKind),
        }
    }
}

impl Claims {
    /// `claims` are those of `caller`: one caller, one value of this type.
    fn of(&self, caller: &SeenCaller<'_>) -> Result<&Map<String, Json>, Why> {
        self.0.get_or_init(|| caller.carried()).as_ref().ok_or(Why::NotText)
    }
}

fn of<'a>(text: &'a Cow<'a, str>) -> Value<'a> {
    Value::Text(Cow::Borrowed(text))
}

fn one<'a>(mut values: impl Iterator<Item = Cow<'a, [u8]>>) -> Found<'a> {
    let first = values.next().ok_or(Why::Missing)?;
    if values.any(|other| other != first) {
        return Err(Why::Ambiguous);
    }
    text(first)
}

fn text(bytes: Cow<'_, [u8]>) -> Found<'_> {
    Ok(Value::Text(match bytes {
        Cow::Borrowed(bytes) => std::str::from_utf8(bytes).map_err(|_| Why::NotText)?.into(),
        Cow::Owned(bytes) => String::from_utf8(bytes).map_err(|_| Why::NotText)?.into(),
    }))
}

fn is_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit())
}
