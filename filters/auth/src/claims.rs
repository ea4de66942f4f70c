//! The claims of a JWT (RFC 7519), and the caller that they name.

use postern_core::challenge::is_scope;
use postern_core::config::{Node, Value};
use postern_core::grammar;
use postern_core::identity::Caller;
use serde_json::Map;

use crate::jws::strict_object;
use crate::reason::Reason;

/// The longest subject, client or plan, in bytes.
pub(crate) const MAX_TEXT: usize = 256;

/// What the claims have to fulfil.
#[derive(Debug)]
pub(crate) struct Expected {
    /// One of these has to be in `aud`.
    pub(crate) audiences: Vec<String>,
    /// By how many seconds clocks may differ.
    pub(crate) leeway: i64,
    /// Further claims that the identity carries on.
    pub(crate) published: Vec<String>,
}

/// Claims that were read but not yet checked.
#[derive(Debug)]
pub(crate) struct Claims(Node);

impl Claims {
    /// Reads a payload.
    pub(crate) fn parse(payload: &[u8]) -> Result<Self, Reason> {
        strict_object(payload).map(Claims).ok_or(Reason::BadClaims)
    }

    /// `iss`.
    pub(crate) fn issuer(&self) -> Result<&str, Reason> {
        self.text("iss")?.ok_or(Reason::MissingClaim)
    }

    /// Checks dates and audience; `now` in seconds since the Unix epoch.
    pub(crate) fn check(&self, expected: &Expected, now: i64) -> Result<(), Reason> {
        let leeway = expected.leeway;
        let expires = self.date("exp")?.ok_or(Reason::MissingClaim)?;
        let not_before = self.date("nbf")?;
        let issued = self.date("iat")?;
        if now >= expires.saturating_add(leeway) {
            return Err(Reason::Expired);
        }
        if not_before.is_some_and(|at| now.saturating_add(leeway) < at) {
            return Err(Reason::NotYetValid);
        }
        if issued.is_some_and(|at| now.saturating_add(leeway) < at) {
            return Err(Reason::IssuedInFuture);
        }
        // Only ID tokens (OpenID Connect Core §3.1.3.6) have these.
        if self.0.get("at_hash").is_some() || self.0.get("c_hash").is_some() {
            return Err(Reason::WrongType);
        }
        self.check_audience(&expected.audiences)
    }

    /// The caller that the claims name: `sub`, `client_id` or `azp`, `scope`
    /// or `scp`, `plan`, `jti`, and what the policy publishes.
    pub(crate) fn caller(&self, provider: &str, expected: &Expected) -> Result<Caller, Reason> {
        let client = match self.printable("client_id")? {
            Some(client) => Some(client),
            None => self.printable("azp")?,
        };
        let credential = match self.text("jti")? {
            Some(id) if is_plain_id(id) => format!("jwt:{id}"),
            _ => "jwt".to_owned(),
        };
        let mut claims = Map::new();
        for name in &expected.published {
            if let Some(node) = self.0.get(name) {
                claims.insert(name.clone(), to_json(node));
            }
        }
        Ok(Caller {
            sub: self.printable("sub")?.ok_or(Reason::MissingClaim)?,
            iss: self.text("iss")?.map(str::to_owned),
            client,
            scopes: self.scopes()?,
            provider: provider.to_owned(),
            credential,
            plan: self.printable("plan")?,
            claims,
        })
    }

    fn check_audience(&self, accepted: &[String]) -> Result<(), Reason> {
        let accepts = |text: &str| accepted.iter().any(|a| a == text);
        let good = match self.0.get("aud").map(|n| &n.value) {
            None => return Err(Reason::MissingClaim),
            Some(Value::Text(one)) => accepts(one),
            Some(Value::List(several)) => texts(several)?.into_iter().any(accepts),
            Some(_) => return Err(Reason::BadClaim),
        };
        if good { Ok(()) } else { Err(Reason::Audience) }
    }

    /// Scopes as one text with blanks (RFC 8693) or as a list, by either name.
    fn scopes(&self) -> Result<Vec<String>, Reason> {
        let claim = self.0.get("scope").or_else(|| self.0.get("scp"));
        let words: Vec<&str> = match claim.map(|n| &n.value) {
            None => Vec::new(),
            Some(Value::Text(text)) => text.split(' ').filter(|word| !word.is_empty()).collect(),
            Some(Value::List(several)) => texts(several)?,
            Some(_) => return Err(Reason::BadClaim),
        };
        if words.iter().all(|word| is_scope(word)) {
            Ok(words.into_iter().map(str::to_owned).collect())
        } else {
            Err(Reason::BadClaim)
        }
    }

    /// A date: whole seconds, not negative.
    fn date(&self, name: &str) -> Result<Option<i64>, Reason> {
        match self.0.get(name).map(|n| &n.value) {
            None => Ok(None),
            Some(Value::Int(seconds)) if *seconds >= 0 => Ok(Some(*seconds)),
            Some(_) => Err(Reason::BadClaim),
        }
    }

    fn text(&self, name: &str) -> Result<Option<&str>, Reason> {
        match self.0.get(name).map(|n| &n.value) {
            None => Ok(None),
            Some(Value::Text(text)) => Ok(Some(text)),
            Some(_) => Err(Reason::BadClaim),
        }
    }

    /// A text that can stand in a header.
    fn printable(&self, name: &str) -> Result<Option<String>, Reason> {
        match self.text(name)? {
            None => Ok(None),
            Some(text) if is_printable(text) => Ok(Some(text.to_owned())),
            Some(_) => Err(Reason::BadClaim),
        }
    }
}

fn texts(items: &[Node]) -> Result<Vec<&str>, Reason> {
    let text = |node: &'_ Node| matches!(node.value, Value::Text(_));
    if !items.iter().all(text) {
        return Err(Reason::BadClaim);
    }
    Ok(items
        .iter()
        .filter_map(|node| match &node.value {
            Value::Text(text) => Some(text.as_str()),
            _ => None,
        })
        .collect())
}

/// Can this name a subject, client or plan, in a header and in a log?
pub(crate) fn is_printable(text: &str) -> bool {
    (1..=MAX_TEXT).contains(&text.len())
        && !text.chars().any(char::is_control)
        && grammar::is_header_value(text.as_bytes())
}

fn is_plain_id(text: &str) -> bool {
    (1..=64).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_graphic())
}

fn to_json(node: &Node) -> serde_json::Value {
    use serde_json::Value as Json;
    match &node.value {
        Value::Null => Json::Null,
        Value::Bool(b) => Json::from(*b),
        Value::Int(i) => Json::from(*i),
        Value::Float(x) => Json::from(*x),
        Value::Text(text) => Json::from(text.as_str()),
        Value::List(items) => items.iter().map(to_json).collect(),
        Value::Map(entries) => {
            entries.iter().map(|(key, value)| (key.text.clone(), to_json(value))).collect()
        }
    }
}
