//! Where parts of a request come from, and what stood there.

use postern_core::Request;
use postern_core::target::{Target, decode_form};
use postern_core::template::Captured;

use ct_codecs::{Base64, Decoder};

use crate::blueprint::Captures;
use crate::expression::{COOKIE, HEADER};

/// A place in a request.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Source {
    /// A part of the path, by the rule's template.
    Capture(String),
    /// A parameter of the query.
    Query(String),
    /// A header, its name in lower case.
    Header(String),
    /// A cookie.
    Cookie(String),
    /// A member of the body, or a field of the form.
    Body(String),
    /// The user of `Authorization: Basic`.
    BasicUser,
    /// The password of it.
    BasicPassword,
}

/// What stood there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Found {
    /// As it came, where that fits a URL.
    raw: Option<Vec<u8>>,
    /// Does `raw` fit a path?
    in_path: bool,
    /// Without escapes.
    pub(crate) decoded: Vec<u8>,
}

/// It stands there several times, and says different things.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ambiguous;

impl Source {
    /// Parses its name.
    ///
    /// # Errors
    /// What was expected.
    pub(crate) fn parse(name: &str, captures: &Captures) -> Result<Self, String> {
        let Some((place, inside)) = name.split_once('.').filter(|(_, i)| !i.is_empty()) else {
            return captures.check(name).map(|()| Source::Capture(name.to_owned()));
        };
        match (place, inside) {
            ("query", name) => Ok(Source::Query(name.to_owned())),
            ("header", name) => Ok(Source::Header(name.to_ascii_lowercase())),
            ("cookie", name) => Ok(Source::Cookie(name.to_owned())),
            ("body", name) => Ok(Source::Body(name.to_owned())),
            ("basic", "username") => Ok(Source::BasicUser),
            ("basic", "password") => Ok(Source::BasicPassword),
            _ => Err(format!(
                "`{}` is no part of a request, expected a capture, `query.NAME`, `header.NAME`, \
                 `cookie.NAME`, `body.NAME`, `basic.username` or `basic.password`",
                name.escape_debug()
            )),
        }
    }

    /// The header or cookie that a template names.
    pub(crate) fn of_request(name: &str) -> Option<Self> {
        let header = name.strip_prefix(HEADER).map(|name| Source::Header(name.to_owned()));
        header.or_else(|| name.strip_prefix(COOKIE).map(|name| Source::Cookie(name.to_owned())))
    }

    /// Does it hold a credential, whatever the policy says (RFC 9110 §11)?
    pub(crate) fn holds_credential(&self) -> bool {
        match self {
            Source::Header(name) => {
                matches!(name.as_str(), "authorization" | "proxy-authorization" | "cookie")
            }
            Source::BasicPassword => true,
            Source::Capture(_)
            | Source::Query(_)
            | Source::Cookie(_)
            | Source::Body(_)
            | Source::BasicUser => false,
        }
    }

    /// As the policy names it.
    pub(crate) fn name(&self) -> String {
        match self {
            Source::Capture(name) => name.clone(),
            Source::Query(name) => format!("query.{name}"),
            Source::Header(name) => format!("header.{name}"),
            Source::Cookie(name) => format!("cookie.{name}"),
            Source::Body(name) => format!("body.{name}"),
            Source::BasicUser => "basic.username".to_owned(),
            Source::BasicPassword => "basic.password".to_owned(),
        }
    }

    /// What stands there. `None`: nothing; what the body holds is not known yet.
    ///
    /// # Errors
    /// Several different things.
    pub(crate) fn find(
        &self,
        request: &Request<'_>,
        target: &Target<'_>,
        captures: &[Captured<'_, '_>],
    ) -> Result<Option<Found>, Ambiguous> {
        match self {
            Source::Capture(name) => {
                Ok(captures.iter().find(|c| c.name == name).map(|capture| Found {
                    raw: Some(capture.raw.to_vec()),
                    in_path: true,
                    decoded: capture.decoded.clone(),
                }))
            }
            Source::Query(name) => one(target.query_values(name).map(|raw| Found {
                raw: Some(raw.to_vec()),
                in_path: false,
                decoded: decode_form(raw).into_owned(),
            })),
            Source::Header(name) => {
                one(request.headers().all(name).filter(|v| !v.is_empty()).map(Found::plain))
            }
            Source::Cookie(name) => {
                let all = request.headers().all("cookie").flat_map(cookies);
                one(all.filter(|(own, _)| *own == name.as_bytes()).map(|(_, v)| Found::plain(v)))
            }
            Source::Body(_) => Ok(None),
            Source::BasicUser => Ok(basic(request).map(|(user, _)| Found::plain(&user))),
            Source::BasicPassword => Ok(basic(request).map(|(_, secret)| Found::plain(&secret))),
        }
    }
}

impl Found {
    /// Bytes that stand for themselves.
    pub(crate) fn plain(bytes: &[u8]) -> Self {
        Found { raw: None, in_path: false, decoded: bytes.to_vec() }
    }

    /// As a path has it.
    pub(crate) fn for_path(&self) -> Vec<u8> {
        match &self.raw {
            Some(raw) if self.in_path => raw.clone(),
            _ => encoded(&self.decoded),
        }
    }

    /// As a query has it. A `+` of a path is one, and no blank.
    pub(crate) fn for_query(&self) -> Vec<u8> {
        match &self.raw {
            Some(raw) if self.in_path && raw.contains(&b'+') => {
                raw.split(|b| *b == b'+').collect::<Vec<_>>().join(&b"%2B"[..])
            }
            Some(raw) => raw.clone(),
            None => encoded(&self.decoded),
        }
    }
}

/// The one of all, which may be repeated.
fn one(mut all: impl Iterator<Item = Found>) -> Result<Option<Found>, Ambiguous> {
    let first = all.next();
    let same = all.all(|other| first.as_ref().is_some_and(|f| f.decoded == other.decoded));
    if same { Ok(first) } else { Err(Ambiguous) }
}

/// The pairs of a `Cookie` header (RFC 6265 §4.2).
pub(crate) fn cookies(value: &[u8]) -> impl Iterator<Item = (&[u8], &[u8])> {
    value.split(|b| *b == b';').filter_map(|pair| {
        let pair = pair.trim_ascii();
        let at = pair.iter().position(|b| *b == b'=')?;
        let (name, value) = pair.split_at_checked(at)?;
        Some((name, value.get(1..).unwrap_or_default()))
    })
}

/// User and password (RFC 7617).
fn basic(request: &Request<'_>) -> Option<(Vec<u8>, Vec<u8>)> {
    let value = request.headers().get("authorization")?;
    let (scheme, encoded) = value.split_at_checked(6)?;
    let basic = scheme.eq_ignore_ascii_case(b"basic ");
    let pair = Base64::decode_to_vec(encoded.trim_ascii(), None).ok().filter(|_| basic)?;
    let at = pair.iter().position(|b| *b == b':')?;
    let (user, password) = pair.split_at_checked(at)?;
    Some((user.to_vec(), password.get(1..).unwrap_or_default().to_vec()))
}

/// Percent-encoded, so that it is one part of a path or query (RFC 3986 §2.3).
pub(crate) fn encoded(bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(bytes.len());
    for b in bytes {
        if b.is_ascii_alphanumeric() || b"-._~".contains(b) {
            out.push(*b);
        } else {
            push_percent(&mut out, *b);
        }
    }
    out
}

/// Appends `%HH`.
pub(crate) fn push_percent(out: &mut Vec<u8>, byte: u8) {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    let digit = |n: u8| HEX.get(usize::from(n & 15)).copied().unwrap_or(b'0');
    out.extend_from_slice(&[b'%', digit(byte >> 4), digit(byte)]);
}
