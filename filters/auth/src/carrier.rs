//! Where a credential stands in a request, and how it is taken out.

use std::borrow::Cow;

use ct_codecs::{Base64, Decoder};
use postern_core::config::schema::Schema;
use postern_core::config::{At, Decode, Errors, Text, decode_text};
use postern_core::filter::CredentialPlace;
use postern_core::grammar;
use postern_core::rules::HeaderName;
use postern_core::target::decode_form;

use crate::identity_headers;

/// The longest user name and secret of HTTP Basic in bytes, encoded.
const MAX_BASIC: usize = 2048;

postern_core::config! {
    /// A place in which a credential may stand.
    pub oneof Carrier {
        /// `Authorization` with this scheme, in any case: `Bearer`.
        authorization: Authorization(Scheme),
        /// `Authorization: Basic` (RFC 7617) with the credential as the
        /// password; the user name has to be its subject. For API keys only.
        basic: Basic(Yes),
        /// A header of its own: `{name: x-api-key}`.
        header: Header(HeaderCarrier),
        /// A query parameter of this name: `api_key`. The parameter is taken
        /// out of the path before the upstream sees it. Servers before the
        /// gateway may have logged it: for clients that know no other way (RFC
        /// 6750 §2.3, §5.3).
        query: Query(Parameter),
        /// A cookie of this name: `session`. It is looked at on routes whose
        /// rule takes the provider, since browsers send cookies unasked; that is
        /// also why such a route needs a guard against requests that other
        /// sites forge.
        cookie: Cookie(CookieName),
    }

    /// A header that holds a credential.
    pub struct HeaderCarrier {
        /// The header's name.
        name: CredentialHeader,
        /// What stands before the credential.
        prefix: Option<Text>,
    }
}

impl Carrier {
    /// `Authorization: Bearer` (RFC 6750).
    pub(crate) fn bearer() -> Self {
        Carrier::Authorization(Scheme("bearer".to_owned()))
    }

    /// `Authorization: Basic` (RFC 7617).
    pub(crate) fn basic() -> Self {
        Carrier::Basic(Yes)
    }

    /// `x-api-key`.
    pub(crate) fn api_key_header() -> Self {
        let name = CredentialHeader(HeaderName::from_static("x-api-key"));
        Carrier::Header(HeaderCarrier { name, prefix: None })
    }

    /// The `Authorization` scheme that it reads, in lower case.
    pub(crate) fn scheme(&self) -> Option<&str> {
        match self {
            Carrier::Authorization(scheme) => Some(&scheme.0),
            Carrier::Basic(_) => Some("basic"),
            Carrier::Header(_) | Carrier::Query(_) | Carrier::Cookie(_) => None,
        }
    }

    /// The query parameter that it reads.
    pub(crate) fn query(&self) -> Option<&str> {
        match self {
            Carrier::Query(parameter) => Some(&parameter.0),
            _ => None,
        }
    }

    /// The cookie that it reads.
    pub(crate) fn cookie(&self) -> Option<&str> {
        match self {
            Carrier::Cookie(cookie) => Some(&cookie.0),
            _ => None,
        }
    }

    /// The header of its own that it reads.
    pub(crate) fn header(&self) -> Option<&str> {
        match self {
            Carrier::Header(header) => Some(header.name.0.as_str()),
            _ => None,
        }
    }

    /// The place, for tools that show requests.
    pub(crate) fn place(&self) -> CredentialPlace {
        match self {
            Carrier::Authorization(_) | Carrier::Basic(_) => {
                CredentialPlace::Header("authorization".to_owned())
            }
            Carrier::Header(header) => CredentialPlace::Header(header.name.0.as_str().to_owned()),
            Carrier::Query(parameter) => CredentialPlace::Query(parameter.0.clone()),
            Carrier::Cookie(_) => CredentialPlace::Header("cookie".to_owned()),
        }
    }

    /// The credential, if it stands where this carrier looks.
    pub(crate) fn take<'a>(&self, found: &Found<'a>) -> Option<Result<Taken<'a>, Malformed>> {
        match (self, found) {
            (Carrier::Authorization(own), Found::Authorization { scheme, rest })
                if own.0 == *scheme =>
            {
                let token = rest.strip_prefix(b" ").ok_or(Malformed);
                Some(token.map(|token| Taken { unread: true, ..Taken::good(token.into()) }))
            }
            (Carrier::Basic(_), Found::Authorization { scheme, rest }) if *scheme == "basic" => {
                Some(token68(rest).and_then(basic))
            }
            (Carrier::Header(own), Found::Header { name, value })
                if own.name.0.as_str() == *name =>
            {
                let prefix = own.prefix.as_ref().map_or("", Text::as_str);
                Some(Taken::of(value.strip_prefix(prefix.as_bytes())?.into()))
            }
            (Carrier::Query(own), Found::Query { name, value }) if own.0 == *name => {
                Some(Taken::of(decode_form(value)))
            }
            (Carrier::Cookie(own), Found::Cookie { name, value }) if own.0 == *name => {
                Some(Taken::of((*value).into()))
            }
            _ => None,
        }
    }
}

/// A credential of a request, where it stands.
pub(crate) enum Found<'a> {
    /// In `Authorization`: the scheme in lower case, and all that follows it.
    Authorization { scheme: &'a str, rest: &'a [u8] },
    /// In `Authorization`, with a scheme that no provider reads.
    Unsupported,
    /// In a header of its own.
    Header { name: &'a str, value: &'a [u8] },
    /// In a query parameter; the value as it came.
    Query { name: &'a str, value: &'a [u8] },
    /// In a cookie.
    Cookie { name: &'a str, value: &'a [u8] },
    /// In the signature of the request.
    Signature,
}

/// Where, and not what.
impl std::fmt::Debug for Found<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (place, name) = match self {
            Found::Authorization { scheme, rest: _ } => ("Authorization", *scheme),
            Found::Header { name, value: _ } => ("Header", *name),
            Found::Query { name, value: _ } => ("Query", *name),
            Found::Cookie { name, value: _ } => ("Cookie", *name),
            Found::Unsupported => return f.write_str("Unsupported"),
            Found::Signature => return f.write_str("Signature"),
        };
        f.debug_tuple(place).field(&name).finish()
    }
}

/// A credential without its wrapping.
#[derive(PartialEq, Eq)]
pub(crate) struct Taken<'a> {
    /// The user name beside it, in HTTP Basic.
    pub(crate) user: Option<Vec<u8>>,
    /// The token or key.
    pub(crate) secret: Cow<'a, [u8]>,
    /// Is it still to be held to the grammar of its place, token68 (RFC 9110 §11.2)? One
    /// that was seen before need not be.
    unread: bool,
}

impl<'a> Taken<'a> {
    /// What a connection or a signature presents is not in one place.
    pub(crate) fn nothing() -> Self {
        Taken::good(Cow::Borrowed(&[]))
    }

    fn good(secret: Cow<'a, [u8]>) -> Self {
        Taken { user: None, secret, unread: false }
    }

    /// Is it in the grammar of its place?
    pub(crate) fn is_well_formed(&self) -> bool {
        !self.unread || grammar::is_token68(&self.secret)
    }

    fn of(secret: Cow<'a, [u8]>) -> Result<Self, Malformed> {
        let good = !secret.is_empty() && secret.iter().all(u8::is_ascii_graphic);
        if good { Ok(Taken::good(secret)) } else { Err(Malformed) }
    }
}

impl std::fmt::Debug for Taken<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Taken")
    }
}

/// Not in the grammar of its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Malformed;

/// One blank and one token68 (RFC 9110 §11.2), nothing else.
fn token68(rest: &[u8]) -> Result<&[u8], Malformed> {
    rest.strip_prefix(b" ").filter(|token| grammar::is_token68(token)).ok_or(Malformed)
}

/// User name and password of RFC 7617; the first colon ends the user name.
fn basic(token: &[u8]) -> Result<Taken<'static>, Malformed> {
    if token.len() > MAX_BASIC {
        return Err(Malformed);
    }
    let decoded = Base64::decode_to_vec(token, None).map_err(|_| Malformed)?;
    let colon = decoded.iter().position(|b| *b == b':').ok_or(Malformed)?;
    let (user, secret) = decoded.split_at_checked(colon).ok_or(Malformed)?;
    let secret = secret.get(1..).filter(|s| !s.is_empty()).ok_or(Malformed)?;
    Ok(Taken { user: Some(user.to_vec()), ..Taken::good(secret.to_vec().into()) })
}

/// An `Authorization` scheme, in lower case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scheme(String);

impl Decode for Scheme {
    fn decode(at: At<'_>, errors: &mut Errors) -> Option<Self> {
        const EXPECTED: &str = "an authentication scheme such as `Bearer`";
        decode_text(at, errors, EXPECTED, |text| {
            let lower = text.to_ascii_lowercase();
            if lower == "basic" {
                Err("HTTP Basic carries a user name too: use `basic: true`".to_owned())
            } else if grammar::is_header_name(&lower) {
                Ok(Scheme(lower))
            } else {
                Err(format!("expected {EXPECTED}"))
            }
        })
    }

    fn schema() -> Schema {
        Schema::Text { expected: "an authentication scheme such as `Bearer`", pattern: None }
    }
}

/// `true`: what is left out is off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Yes;

impl Decode for Yes {
    fn decode(at: At<'_>, errors: &mut Errors) -> Option<Self> {
        match bool::decode(at, errors)? {
            true => Some(Yes),
            false => {
                at.error(errors, "expected `true`; leave the key out otherwise");
                None
            }
        }
    }

    fn schema() -> Schema {
        Schema::Bool
    }
}

/// The name of a query parameter, as it reads when it is decoded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parameter(String);

const PARAMETER: &str = "the name of a query parameter: letters, digits, `.`, `_`, `-`";

impl Decode for Parameter {
    fn decode(at: At<'_>, errors: &mut Errors) -> Option<Self> {
        decode_text(at, errors, PARAMETER, |text| {
            let name = |b: u8| b.is_ascii_alphanumeric() || b"._-".contains(&b);
            let good = (1..=64).contains(&text.len()) && text.bytes().all(name);
            if good { Ok(Parameter(text.to_owned())) } else { Err(format!("expected {PARAMETER}")) }
        })
    }

    fn schema() -> Schema {
        Schema::Text { expected: PARAMETER, pattern: Some("^[A-Za-z0-9._-]{1,64}$") }
    }
}

/// The name of a cookie (RFC 6265 §4.1.1); its case counts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CookieName(String);

const COOKIE: &str = "the name of a cookie such as `session`";

impl Decode for CookieName {
    fn decode(at: At<'_>, errors: &mut Errors) -> Option<Self> {
        decode_text(at, errors, COOKIE, |text| {
            if grammar::is_header_name(&text.to_ascii_lowercase()) {
                Ok(CookieName(text.to_owned()))
            } else {
                Err(format!("expected {COOKIE}"))
            }
        })
    }

    fn schema() -> Schema {
        Schema::Text { expected: COOKIE, pattern: Some("^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,256}$") }
    }
}

/// The name of a header that may hold a credential.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CredentialHeader(HeaderName);

impl Decode for CredentialHeader {
    fn decode(at: At<'_>, errors: &mut Errors) -> Option<Self> {
        let name = HeaderName::decode(at, errors)?;
        let text = name.as_str();
        if text == "authorization" {
            at.error(errors, "use `authorization` with a scheme, or `basic`");
        } else if identity_headers::is_reserved(text) {
            at.error(errors, "headers that begin with `x-postern-` are the gateway's own");
        } else if text == "cookie" {
            at.error(errors, "use `cookie` with the cookie's name");
        } else if matches!(text, "host" | "connection" | "content-length" | "transfer-encoding") {
            at.error(errors, "this header cannot hold a credential");
        } else {
            return Some(CredentialHeader(name));
        }
        None
    }

    fn schema() -> Schema {
        HeaderName::schema()
    }
}
