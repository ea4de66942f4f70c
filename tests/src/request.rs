//! A case's request with its placeholders filled in.
//!
//! `{token}` is the minted token, `{key:OWNER}` the demo's API key of OWNER,
//! `{basic:OWNER}` Basic credentials of OWNER with that key,
//! `{basic:USER:OWNER}` of USER with the key of OWNER, `{personal:OWNER}` the
//! demo's personal token of OWNER.

use std::net::Ipv4Addr;

use ct_codecs::{Base64, Encoder};
use postern_stack::keys::Keys;
use postern_stack::tokens::PERSONAL;

use crate::case::{Case, Certificate};
use crate::sign::{self, Request};
use crate::token;

/// The API keys of the demo: test data of `stack/demo.json`.
const KEYS: [(&str, &str); 2] = [
    ("northwind", "pk_demo_northwind_0123456789abcdef0123456789"),
    ("quillhaven", "pk_demo_quillhaven_0123456789abcdef012345678"),
];

/// What goes onto the wire.
#[derive(Clone, Debug, Default)]
pub struct Filled {
    /// The method.
    pub method: String,
    /// The request target.
    pub path: Vec<u8>,
    /// The `Host` header; empty: none.
    pub host: Vec<u8>,
    /// Header lines.
    pub lines: Vec<Vec<u8>>,
    /// The body.
    pub body: Option<Vec<u8>>,
    /// The client certificate of the connection, over TLS then.
    pub certificate: Option<Certificate>,
    /// The address that it comes from, if not the usual one.
    pub from: Option<Ipv4Addr>,
    /// The whole request, if the case gives it.
    pub raw: Option<Vec<u8>>,
    /// The credentials in it.
    pub secrets: Vec<String>,
}

/// Fills in a case's request.
///
/// # Errors
/// A token that cannot be minted, an unknown placeholder.
pub fn fill(case: &Case, keys: &Keys) -> Result<Filled, String> {
    let request = &case.request;
    let minted = request.token.as_ref().map(|t| token::make(keys, t)).transpose()?;
    let mut filler = Filler { token: minted.clone(), used: false, secrets: Vec::new() };
    let mut filled = Filled {
        method: request.method.clone(),
        path: filler.fill(&request.path.0)?,
        host: request.host.0.clone(),
        lines: Vec::new(),
        body: request.body.as_ref().map(|b| filler.fill(&b.0)).transpose()?,
        certificate: request.certificate,
        from: request.from.map(|from| from.0),
        raw: request.raw.as_ref().map(|r| filler.fill(&r.0)).transpose()?,
        secrets: Vec::new(),
    };
    for line in &request.headers {
        filled.lines.push(filler.fill(&line.0)?);
    }
    if let Some(token) = minted.filter(|_| !filler.used) {
        filled.lines.push(format!("Authorization: Bearer {token}").into_bytes());
        filler.secrets.push(token);
    }
    let signed = Request {
        method: &filled.method,
        path: &filled.path,
        host: &filled.host,
        lines: &filled.lines,
    };
    let (lines, signatures) = sign::lines(&signed, &request.sign)?;
    filled.lines.extend(lines);
    filled.secrets = filler.secrets;
    filled.secrets.extend(signatures);
    Ok(filled)
}

/// The requests that are sent before a case's own, in order.
///
/// # Errors
/// As [`fill`].
pub fn fill_before(case: &Case, filled: &Filled, keys: &Keys) -> Result<Vec<Filled>, String> {
    let others: Result<Vec<Filled>, String> =
        case.others().iter().map(|other| fill(other, keys)).collect();
    let mut others = others?;
    if others.is_empty() {
        others.push(filled.clone());
    }
    let count = usize::try_from(case.request.before.get()).unwrap_or(0);
    Ok(others.iter().cycle().take(count).cloned().collect())
}

struct Filler {
    token: Option<String>,
    used: bool,
    secrets: Vec<String>,
}

impl Filler {
    fn fill(&mut self, text: &[u8]) -> Result<Vec<u8>, String> {
        let mut out = Vec::with_capacity(text.len());
        let mut rest = text;
        while let Some(open) = rest.iter().position(|b| *b == b'{') {
            let (before, from) = rest.split_at(open);
            out.extend_from_slice(before);
            let close = from.iter().position(|b| *b == b'}');
            let name = close.and_then(|c| std::str::from_utf8(&from[1..c]).ok());
            match name.map(|n| self.value(n)).transpose()?.flatten() {
                Some(value) => {
                    out.extend_from_slice(value.as_bytes());
                    rest = &from[close.unwrap_or(0) + 1..];
                }
                None => {
                    out.push(b'{');
                    rest = &from[1..];
                }
            }
        }
        out.extend_from_slice(rest);
        Ok(out)
    }

    /// The value of a placeholder; `None` if it is none.
    fn value(&mut self, name: &str) -> Result<Option<String>, String> {
        let words: Vec<&str> = name.split(':').collect();
        let value = match words.as_slice() {
            ["token"] => {
                self.used = true;
                self.token.clone().ok_or("`{token}` without a token")?
            }
            ["key", owner] => self.key(owner)?,
            ["personal", owner] => {
                let found = PERSONAL.iter().find(|(name, _)| name == owner);
                found.map(|(_, token)| (*token).to_owned()).ok_or("no such personal token")?
            }
            ["basic", owner] => self.basic(owner, owner)?,
            ["basic", user, owner] => self.basic(user, owner)?,
            _ => return Ok(None),
        };
        self.secrets.push(value.clone());
        Ok(Some(value))
    }

    fn key(&mut self, owner: &str) -> Result<String, String> {
        let found = KEYS.iter().find(|(name, _)| *name == owner);
        found.map(|(_, key)| (*key).to_owned()).ok_or(format!("`{owner}` has no key"))
    }

    fn basic(&mut self, user: &str, owner: &str) -> Result<String, String> {
        let key = self.key(owner)?;
        self.secrets.push(key.clone());
        Base64::encode_to_string(format!("{user}:{key}")).map_err(|e| e.to_string())
    }
}
