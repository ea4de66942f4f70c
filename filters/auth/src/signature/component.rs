//! What a signature covers (RFC 9421 §2), and its value in a request.

use std::collections::HashMap;

use postern_core::config::schema::Schema;
use postern_core::config::{At, Decode, Errors, decode_text};
use postern_core::grammar;
use postern_core::host_name::host_of;
use postern_core::target::{decode_form, percent_decode, query_pairs};

use super::fields::{Bare, Item, Member, dictionary, write_bytes};
use crate::reason::Reason;
use crate::verdict::Asked;

/// The longest query or field, in bytes, that is taken apart.
const MAX_PARSED: usize = 8192;

/// A covered component.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Component {
    Derived(Derived),
    /// A query parameter, its name decoded.
    QueryParam(Vec<u8>),
    Field(String, How),
}

/// What is taken from the request line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Derived {
    Method,
    Authority,
    Scheme,
    TargetUri,
    RequestTarget,
    Path,
    Query,
}

/// In which form a field is signed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum How {
    Plain,
    /// `bs`: each value as a byte sequence.
    Bytes,
    /// `key`: one member of a dictionary.
    Member(String),
}

/// How clients see the gateway where a filter cannot.
#[derive(Clone, Debug, Default)]
pub(super) struct Outside {
    pub(super) scheme: Option<&'static str>,
    pub(super) port: Option<u64>,
}

impl Derived {
    fn parse(name: &str) -> Option<Self> {
        Some(match name {
            "@method" => Derived::Method,
            "@authority" => Derived::Authority,
            "@scheme" => Derived::Scheme,
            "@target-uri" => Derived::TargetUri,
            "@request-target" => Derived::RequestTarget,
            "@path" => Derived::Path,
            "@query" => Derived::Query,
            _ => return None,
        })
    }
}

impl Component {
    /// Reads a component identifier.
    pub(super) fn of(item: &Item) -> Result<Self, Reason> {
        let Bare::Text(name) = &item.bare else { return Err(Reason::MessageMalformed) };
        let parameters: Vec<(&str, &Bare)> =
            item.parameters.iter().map(|(key, value)| (key.as_str(), value)).collect();
        if name.starts_with('@') {
            return match (Derived::parse(name), parameters.as_slice()) {
                (Some(derived), []) => Ok(Component::Derived(derived)),
                (None, [("name", Bare::Text(own))]) if name == "@query-param" => {
                    // In any other encoding than the RFC's it names nothing.
                    let decoded = percent_decode(own.as_bytes()).into_owned();
                    let canonical = encode_form(&decoded) == own.as_bytes();
                    canonical
                        .then_some(Component::QueryParam(decoded))
                        .ok_or(Reason::MessageComponent)
                }
                _ => Err(Reason::MessageComponent),
            };
        }
        // RFC 9421 §2.1: the name in lower case.
        if !grammar::is_header_name(name) {
            return Err(Reason::MessageMalformed);
        }
        let how = match parameters.as_slice() {
            [] => How::Plain,
            [("bs", Bare::Bool(true))] => How::Bytes,
            [("key", Bare::Text(key))] => How::Member(key.clone()),
            _ => return Err(Reason::MessageComponent),
        };
        Ok(Component::Field(name.clone(), how))
    }

    /// Its value in a request; that it is not there is an error.
    pub(super) fn value<'c>(
        &'c self,
        asked: &Asked<'_>,
        outside: &Outside,
        read: &mut Dictionaries<'c>,
    ) -> Result<Vec<u8>, Reason> {
        let found = match self {
            Component::Derived(derived) => derived.value(asked, outside),
            Component::QueryParam(name) => query_param(asked, name),
            Component::Field(name, how) => field(asked, name, how, read),
        };
        // A line break would make two lines of one.
        found.filter(|value| !value.contains(&b'\n')).ok_or(Reason::MessageComponent)
    }
}

impl Derived {
    fn value(self, asked: &Asked<'_>, outside: &Outside) -> Option<Vec<u8>> {
        let target = asked.target;
        match self {
            Derived::Method => asked.request.method().map(<[u8]>::to_vec),
            Derived::Authority => authority(asked, outside),
            Derived::Scheme => scheme(asked, outside),
            Derived::TargetUri => {
                let (scheme, authority) = (scheme(asked, outside)?, authority(asked, outside)?);
                Some([&scheme, &b"://"[..], &authority, &target.canonical()].concat())
            }
            Derived::RequestTarget => Some(target.canonical()),
            Derived::Path => Some(target.canonical_path()),
            Derived::Query => Some([b"?", target.query().unwrap_or_default()].concat()),
        }
    }
}

fn scheme(asked: &Asked<'_>, outside: &Outside) -> Option<Vec<u8>> {
    match outside.scheme {
        Some(scheme) => Some(scheme.as_bytes().to_vec()),
        None => asked.headers().get(":scheme").map(<[u8]>::to_ascii_lowercase),
    }
}

/// The host in lower case, with a port that is not its scheme's own (RFC 9110
/// §4.2.3).
fn authority(asked: &Asked<'_>, outside: &Outside) -> Option<Vec<u8>> {
    let host = host_of(asked.request.authority())?.into_bytes();
    let Some(port) = outside.port else { return Some(host) };
    let own: u64 = if scheme(asked, outside)? == b"https" { 443 } else { 80 };
    if port == own { Some(host) } else { Some([host, format!(":{port}").into_bytes()].concat()) }
}

/// Both are compared and signed in one encoding (RFC 9421 §2.2.8); a name that
/// stands twice has no one value.
fn query_param(asked: &Asked<'_>, name: &[u8]) -> Option<Vec<u8>> {
    let query = asked.target.query().filter(|query| query.len() <= MAX_PARSED)?;
    let mut found = query_pairs(query)
        .filter(|(own, _)| *decode_form(own) == *name)
        .map(|(_, value)| encode_form(&decode_form(value)));
    let value = found.next()?;
    found.next().is_none().then_some(value)
}

/// The percent-encode set of `application/x-www-form-urlencoded`, with a blank
/// as `%20`.
fn encode_form(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    for b in text {
        if b.is_ascii_alphanumeric() || b"*-._".contains(b) {
            out.push(*b);
        } else {
            out.extend_from_slice(&[b'%', hex_digit(b >> 4), hex_digit(b & 15)]);
        }
    }
    out
}

fn hex_digit(nibble: u8) -> u8 {
    b"0123456789ABCDEF".get(usize::from(nibble)).copied().unwrap_or_default()
}

/// Fields that were read as dictionaries, `None` where they are none: a field
/// is read once, however many of its members are covered.
#[derive(Debug, Default)]
pub(super) struct Dictionaries<'c>(HashMap<&'c str, Option<Vec<(String, Member)>>>);

impl<'c> Dictionaries<'c> {
    fn member(&mut self, field: &'c str, key: &str, values: &[&[u8]]) -> Option<&Member> {
        let members = self.0.entry(field).or_insert_with(|| {
            let joined = values.join(&b", "[..]);
            (joined.len() <= MAX_PARSED).then(|| dictionary(&joined))?
        });
        members.as_ref()?.iter().find(|(own, _)| own == key).map(|(_, member)| member)
    }
}

fn field<'c>(
    asked: &Asked<'_>,
    name: &'c str,
    how: &How,
    read: &mut Dictionaries<'c>,
) -> Option<Vec<u8>> {
    // The proxy took a port off it: `@authority` says what it can say.
    if name == "host" {
        return None;
    }
    let values: Vec<&[u8]> = asked.headers().all(name).map(<[u8]>::trim_ascii).collect();
    if values.is_empty() {
        return None;
    }
    match how {
        How::Plain => Some(values.join(&b", "[..])),
        How::Bytes => {
            let mut out = Vec::new();
            for (i, value) in values.iter().enumerate() {
                if i > 0 {
                    out.extend_from_slice(b", ");
                }
                write_bytes(value, &mut out);
            }
            Some(out)
        }
        How::Member(key) => {
            let mut out = Vec::new();
            read.member(name, key, &values)?.write(&mut out);
            Some(out)
        }
    }
}

/// A component that signatures have to cover.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Required(Component);

impl Required {
    pub(super) const METHOD: Required = Required(Component::Derived(Derived::Method));
    pub(super) const AUTHORITY: Required = Required(Component::Derived(Derived::Authority));
    pub(super) const PATH: Required = Required(Component::Derived(Derived::Path));
    pub(super) const QUERY: Required = Required(Component::Derived(Derived::Query));

    /// Is it among what is covered, by itself or within something larger?
    pub(super) fn is_covered<'c>(&self, covered: impl IntoIterator<Item = &'c Component>) -> bool {
        let within = |component: &Component| match (&self.0, component) {
            (Component::Field(own, _), Component::Field(name, How::Plain | How::Bytes)) => {
                own == name
            }
            (Component::Derived(own), Component::Derived(derived)) => {
                own == derived
                    || match derived {
                        Derived::TargetUri => !matches!(own, Derived::Method),
                        Derived::RequestTarget => matches!(own, Derived::Path | Derived::Query),
                        _ => false,
                    }
            }
            _ => false,
        };
        covered.into_iter().any(within)
    }
}

const EXPECTED: &str = "a header name, `@method`, `@authority`, `@scheme`, `@target-uri`, \
                        `@request-target`, `@path` or `@query`";

impl Decode for Required {
    fn decode(at: At<'_>, errors: &mut Errors) -> Option<Self> {
        decode_text(at, errors, EXPECTED, |text| {
            let lower = text.to_ascii_lowercase();
            if let Some(derived) = Derived::parse(&lower) {
                Ok(Required(Component::Derived(derived)))
            } else if lower == "host" {
                Err("use `@authority`: the proxy takes a port off `host`".to_owned())
            } else if grammar::is_header_name(&lower) && !lower.starts_with('@') {
                Ok(Required(Component::Field(lower, How::Plain)))
            } else {
                Err(format!("expected {EXPECTED}"))
            }
        })
    }

    fn schema() -> Schema {
        Schema::Text { expected: EXPECTED, pattern: Some("^@?[!#$%&'*+.^_`|~0-9A-Za-z-]{1,256}$") }
    }
}
