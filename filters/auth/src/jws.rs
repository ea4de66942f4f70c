//! A JSON Web Signature in its compact form (RFC 7515 §7.1), read but not yet
//! trusted.

use std::cell::RefCell;
use std::rc::Rc;

use postern_core::json::Json;
use postern_core::{base64url, bytes};

use crate::reason::Reason;

/// The parts of a compact JWS.
pub(crate) struct Jws<'a> {
    /// The JOSE header.
    pub(crate) header: Rc<Header>,
    /// The payload, decoded.
    pub(crate) payload: Vec<u8>,
    /// The signature, decoded.
    pub(crate) signature: Vec<u8>,
    /// What is signed: header and payload as they came.
    pub(crate) signed: &'a [u8],
}

/// Without what would make it a token.
impl std::fmt::Debug for Jws<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Jws").field(&self.header).finish()
    }
}

/// What a JOSE header says. `jwk`, `jku`, `x5u` and `x5c` are never looked at:
/// an issuer's keys come from the policy.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Header {
    pub(crate) alg: String,
    pub(crate) kid: Option<String>,
    pub(crate) typ: Option<String>,
}

/// The last header that could be read: an issuer writes the same one into all of its tokens,
/// or nearly.
#[derive(Default)]
pub(crate) struct LastHeader(RefCell<Option<Kept>>);

/// A header, and how it came.
type Kept = (Box<[u8]>, Rc<Header>);

/// The longest header that is kept, in bytes.
const LONGEST_KEPT: usize = 1024;

impl LastHeader {
    fn of(&self, encoded: &[u8]) -> Option<Rc<Header>> {
        let last = self.0.borrow();
        let (same, header) = last.as_ref()?;
        (**same == *encoded).then(|| Rc::clone(header))
    }

    fn note(&self, encoded: &[u8], read: Result<Header, Reason>) -> Result<Rc<Header>, Reason> {
        let header = Rc::new(read?);
        if encoded.len() <= LONGEST_KEPT {
            *self.0.borrow_mut() = Some((encoded.into(), Rc::clone(&header)));
        }
        Ok(header)
    }
}

/// Without what stands in tokens.
impl std::fmt::Debug for LastHeader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("LastHeader")
    }
}

impl<'a> Jws<'a> {
    /// Reads a token. Base64url without padding, without white space and
    /// without stray bits: one token has one form.
    pub(crate) fn parse(token: &'a [u8]) -> Result<Self, Reason> {
        Jws::parse_like(token, &LastHeader::default())
    }

    /// The same, for one token after the other.
    pub(crate) fn parse_like(token: &'a [u8], last: &LastHeader) -> Result<Self, Reason> {
        let dot =
            |from: usize| bytes::find(token.get(from..)?, b'.').map(|at| at.saturating_add(from));
        let first = dot(0).ok_or(Reason::NotAToken)?;
        let second = dot(first.saturating_add(1)).ok_or(Reason::NotAToken)?;
        if let Some(third) = dot(second.saturating_add(1)) {
            let more = token.iter().skip(third).filter(|b| **b == b'.').count();
            return Err(if more == 2 { Reason::Encrypted } else { Reason::BadToken });
        }
        let part = |from: usize, to: usize| token.get(from..to).and_then(base64url::decode);
        let encoded = token.get(..first).ok_or(Reason::BadToken)?;
        let header = match last.of(encoded) {
            Some(header) => Ok(header),
            None => {
                let json = base64url::decode(encoded).ok_or(Reason::BadToken)?;
                last.note(encoded, Header::parse(&json))
            }
        };
        let payload = part(first + 1, second).ok_or(Reason::BadToken)?;
        let signature = part(second + 1, token.len()).ok_or(Reason::BadToken)?;
        let signed = token.get(..second).ok_or(Reason::BadToken)?;
        Ok(Jws { header: header?, payload, signature, signed })
    }
}

impl Header {
    fn parse(json: &[u8]) -> Result<Self, Reason> {
        let header = object(json).ok_or(Reason::BadHeader)?;
        // No extension is understood, so none may be critical (RFC 7515
        // §4.1.11), and an unencoded payload (RFC 7797) is not taken at all.
        if header.get("crit").is_some() || header.get("b64").is_some() {
            return Err(Reason::Extension);
        }
        Ok(Header {
            alg: text(&header, "alg")?.ok_or(Reason::BadHeader)?,
            kid: text(&header, "kid")?,
            typ: text(&header, "typ")?,
        })
    }
}

fn text(header: &Json<'_>, name: &str) -> Result<Option<String>, Reason> {
    match header.get(name) {
        None => Ok(None),
        Some(Json::Text(text)) => Ok(Some(text.clone().into_owned())),
        Some(_) => Err(Reason::BadHeader),
    }
}

/// A JSON object.
pub(crate) fn object(json: &[u8]) -> Option<Json<'_>> {
    Json::read(json).filter(|json| matches!(json, Json::Object(_)))
}
