//! What the service answers (RFC 7662 §2.2).

use std::fmt;

use postern_core::Answer;
use postern_core::challenge::is_scope;
use postern_core::config::{Node, Value};
use postern_core::identity::Caller;
use serde_json::Map;

use crate::checked::Checked;
use crate::claims::is_printable;
use crate::jws::strict_object;
use crate::reason::Reason;

/// The longest answer in bytes.
const MAX_ANSWER: usize = 65_536;

/// The longest id that the name of a credential holds.
const MAX_ID: usize = 64;

/// What has to stand in an answer, and what of it is told on.
#[derive(Debug)]
pub(super) struct Expected {
    pub(super) provider: String,
    pub(super) issuer: Option<String>,
    /// Empty: any.
    pub(super) audiences: Vec<String>,
    pub(super) published: Vec<String>,
}

/// What an answer says of a token.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Meaning {
    /// It is good.
    Active(Box<Checked>),
    /// It is not, or not for this API.
    Refused(Reason),
}

/// Why an answer says nothing. Holds nothing of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Broken {
    /// None came, or not whole, or not in time.
    NoAnswer,
    Status(u16),
    TooLong,
    NotAnObject,
    /// No `active`, or it is neither true nor false.
    Active,
    /// A member of the wrong type.
    Member(&'static str),
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Broken::NoAnswer => f.write_str("no answer"),
            Broken::Status(status @ (401 | 403)) => {
                write!(f, "status {status}: the gateway's own credentials are refused")
            }
            Broken::Status(status) => write!(f, "status {status}"),
            Broken::TooLong => write!(f, "an answer of more than {MAX_ANSWER} bytes"),
            Broken::NotAnObject => f.write_str("no JSON object, or one with a member twice"),
            Broken::Active => f.write_str("an answer without `active` as true or false"),
            Broken::Member(name) => write!(f, "an answer whose `{name}` has the wrong type"),
        }
    }
}

impl Expected {
    /// Reads an answer; `now` in seconds since the Unix epoch.
    pub(super) fn read(&self, answer: &Answer, now: i64) -> Result<Meaning, Broken> {
        let body = match answer {
            Answer::Unavailable => return Err(Broken::NoAnswer),
            Answer::Response { status: 200, body, .. } => body,
            Answer::Response { status, .. } => return Err(Broken::Status(*status)),
        };
        if body.len() > MAX_ANSWER {
            return Err(Broken::TooLong);
        }
        let said = Said(strict_object(body).ok_or(Broken::NotAnObject)?);
        match said.0.get("active").map(|node| &node.value) {
            Some(Value::Bool(true)) => {}
            Some(Value::Bool(false)) => return Ok(Meaning::Refused(Reason::Inactive)),
            _ => return Err(Broken::Active),
        }
        Ok(match self.token(&said, now)? {
            Ok(checked) => Meaning::Active(Box::new(checked)),
            Err(reason) => Meaning::Refused(reason),
        })
    }

    /// The token, which is active.
    fn token(&self, said: &Said, now: i64) -> Result<Result<Checked, Reason>, Broken> {
        let expires = said.date("exp")?;
        let issued = said.date("iat")?;
        let issuer = said.text("iss")?;
        let client = said.text("client_id")?;
        let plan = said.text("plan")?;
        let id = said.text("jti")?;
        let subject = said.text("sub")?.or(said.text("username")?);
        let scopes = said.scopes()?;
        let audiences = said.audiences()?;
        let kind = said.text("token_type")?;
        let used_as = said.text("token_use")?;
        let refused = if expires.is_some_and(|at| now >= at) {
            Some(Reason::Expired)
        } else if self.issuer.as_deref().is_some_and(|expected| issuer != Some(expected)) {
            Some(Reason::Issuer)
        } else if !self.audiences.is_empty()
            && !audiences.iter().any(|aud| self.audiences.iter().any(|own| own == aud))
        {
            Some(Reason::Audience)
        } else if kind.is_some_and(|kind| kind.eq_ignore_ascii_case("refresh_token"))
            || used_as.is_some_and(|used| used != "access_token")
        {
            Some(Reason::WrongType)
        } else if said.get("cnf").is_some()
            || kind.is_some_and(|kind| kind.eq_ignore_ascii_case("dpop"))
        {
            // RFC 9449 §7.1, RFC 8705 §3.2: no bearer token.
            Some(Reason::Bound)
        } else if subject.is_none() {
            Some(Reason::MissingClaim)
        } else if ![subject, client, plan].into_iter().flatten().all(is_printable)
            || !scopes.iter().all(|scope| is_scope(scope))
        {
            Some(Reason::BadClaim)
        } else {
            None
        };
        if let Some(reason) = refused {
            return Ok(Err(reason));
        }
        let plain = |id: &&str| {
            (1..=MAX_ID).contains(&id.len()) && id.bytes().all(|b| b.is_ascii_graphic())
        };
        let mut claims = Map::new();
        for name in &self.published {
            let value = said.0.get(name).map(Node::to_json);
            if let Some(value) = value.and_then(|json| serde_json::from_str(&json).ok()) {
                claims.insert(name.clone(), value);
            }
        }
        let owned = |text: Option<&str>| text.map(str::to_owned);
        let caller = Caller {
            sub: subject.unwrap_or_default().to_owned(),
            iss: owned(issuer),
            client: owned(client),
            scopes: scopes.into_iter().map(str::to_owned).collect(),
            provider: self.provider.clone(),
            credential: match id.filter(plain) {
                Some(id) => format!("token:{id}"),
                None => "token".to_owned(),
            },
            plan: owned(plan),
            claims,
        };
        Ok(Ok(Checked { expires, issued, token_id: owned(id), ..Checked::from(caller) }))
    }
}

/// The members of an answer.
struct Said(Node);

impl Said {
    /// `null` counts as left out: many services write it so.
    fn get(&self, name: &str) -> Option<&Value> {
        self.0.get(name).map(|node| &node.value).filter(|value| !matches!(value, Value::Null))
    }

    fn text(&self, name: &'static str) -> Result<Option<&str>, Broken> {
        match self.get(name) {
            None => Ok(None),
            Some(Value::Text(text)) => Ok(Some(text)),
            Some(_) => Err(Broken::Member(name)),
        }
    }

    /// Whole seconds, not negative.
    fn date(&self, name: &'static str) -> Result<Option<i64>, Broken> {
        match self.get(name) {
            None => Ok(None),
            Some(Value::Int(seconds)) if *seconds >= 0 => Ok(Some(*seconds)),
            Some(_) => Err(Broken::Member(name)),
        }
    }

    /// One text with blanks (RFC 7662), or a list.
    fn scopes(&self) -> Result<Vec<&str>, Broken> {
        match self.get("scope") {
            None => Ok(Vec::new()),
            Some(Value::Text(text)) => {
                Ok(text.split(' ').filter(|word| !word.is_empty()).collect())
            }
            Some(Value::List(items)) => texts(items).ok_or(Broken::Member("scope")),
            Some(_) => Err(Broken::Member("scope")),
        }
    }

    fn audiences(&self) -> Result<Vec<&str>, Broken> {
        match self.get("aud") {
            None => Ok(Vec::new()),
            Some(Value::Text(one)) => Ok(vec![one]),
            Some(Value::List(items)) => texts(items).ok_or(Broken::Member("aud")),
            Some(_) => Err(Broken::Member("aud")),
        }
    }
}

fn texts(items: &[Node]) -> Option<Vec<&str>> {
    items
        .iter()
        .map(|item| match &item.value {
            Value::Text(text) => Some(text.as_str()),
            _ => None,
        })
        .collect()
}
