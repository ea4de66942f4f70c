//! What the service answers (RFC 7662 §2.2).

use std::fmt;

use postern_core::Answer;
use postern_core::identity::Caller;
use postern_core::json::Json;

use crate::checked::Checked;
use crate::claim_header::{self, ClaimHeader};
use crate::claim_path::ClaimPath;
use crate::claims::texts;
use crate::jws::object;
use crate::mapping::{IdentityClaims, Published, printable, publish, scopes};
use crate::reason::Reason;

/// The longest answer in bytes.
const MAX_ANSWER: usize = 65_536;

/// By how many seconds the service's clock may differ, for `nbf`: many write when
/// the token was issued there.
const LEEWAY: i64 = 30;

/// The longest id that the name of a credential holds.
const MAX_ID: usize = 64;

/// What has to stand in an answer, and what of it is told on.
#[derive(Debug)]
pub(super) struct Expected {
    pub(super) provider: String,
    pub(super) issuer: Option<String>,
    /// Empty: any.
    pub(super) audiences: Vec<String>,
    /// `None`: the usual members.
    pub(super) identity: Option<IdentityClaims>,
    pub(super) published: Vec<Published>,
    pub(super) headers: Vec<ClaimHeader>,
}

/// What an answer says of a token.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Meaning {
    /// It is good.
    Active(Box<Checked>),
    /// It is not, or not for this API; not before `until`, in seconds since the
    /// Unix epoch, if it is too early.
    Refused { reason: Reason, until: Option<i64> },
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

impl Broken {
    /// Would it have failed whatever the token is? What else is wrong with an
    /// answer may be the doing of whoever sent the token.
    pub(super) fn is_of_the_service(self) -> bool {
        matches!(self, Broken::NoAnswer | Broken::Status(401 | 403 | 429 | 500..))
    }
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
        let said = Said(object(body).ok_or(Broken::NotAnObject)?);
        match said.0.get("active") {
            Some(Json::Bool(true)) => {}
            Some(Json::Bool(false)) => {
                return Ok(Meaning::Refused { reason: Reason::Inactive, until: None });
            }
            _ => return Err(Broken::Active),
        }
        Ok(match self.token(&said, now)? {
            Ok(checked) => Meaning::Active(Box::new(checked)),
            Err(reason @ Reason::NotYetValid) => Meaning::Refused { reason, until: said.starts()? },
            Err(reason) => Meaning::Refused { reason, until: None },
        })
    }

    /// The token, which is active.
    fn token(&self, said: &Said<'_>, now: i64) -> Result<Result<Checked, Reason>, Broken> {
        let expires = said.date("exp")?;
        let issued = said.date("iat")?;
        let starts = said.starts()?;
        let issuer = said.text("iss")?;
        let id = said.text("jti")?;
        for name in ["sub", "username", "client_id", "plan"] {
            said.text(name)?;
        }
        said.scopes()?;
        let audiences = said.audiences()?;
        let kind = said.text("token_type")?;
        let used_as = said.text("token_use")?;
        let refused = if expires.is_some_and(|at| now >= at) {
            Some(Reason::Expired)
        } else if starts.is_some_and(|at| now < at) {
            Some(Reason::NotYetValid)
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
        } else {
            None
        };
        if let Some(reason) = refused {
            return Ok(Err(reason));
        }
        let caller = match self.caller(&said.0, issuer, id) {
            Ok(caller) => caller,
            Err(reason) => return Ok(Err(reason)),
        };
        let headers = match claim_header::of(&self.headers, &said.0) {
            Ok(headers) => headers,
            Err(reason) => return Ok(Err(reason)),
        };
        Ok(Ok(Checked {
            headers,
            expires,
            issued,
            token_id: id.map(str::to_owned),
            ..Checked::from(caller)
        }))
    }

    fn caller(
        &self,
        said: &Json<'_>,
        issuer: Option<&str>,
        id: Option<&str>,
    ) -> Result<Caller, Reason> {
        let usual = IdentityClaims::default();
        let identity = self.identity.as_ref().unwrap_or(&usual);
        let mut subject = printable(&identity.subject, said)?;
        if self.identity.is_none() && subject.is_none() {
            subject = printable(&[ClaimPath::name("username")], said)?;
        }
        let plain = |id: &&str| {
            (1..=MAX_ID).contains(&id.len()) && id.bytes().all(|b| b.is_ascii_graphic())
        };
        Ok(Caller {
            sub: subject.ok_or(Reason::MissingClaim)?,
            iss: issuer.map(str::to_owned),
            client: printable(&identity.client, said)?,
            scopes: scopes(&identity.scopes, said)?,
            provider: self.provider.clone(),
            credential: match id.filter(plain) {
                Some(id) => format!("token:{id}"),
                None => "token".to_owned(),
            },
            plan: printable(&identity.plan, said)?,
            claims: publish(&self.published, said)?,
        })
    }
}

/// The members of an answer.
struct Said<'b>(Json<'b>);

impl<'b> Said<'b> {
    /// `null` counts as left out: many services write it so.
    fn get(&self, name: &str) -> Option<&Json<'b>> {
        self.0.get(name).filter(|value| !matches!(value, Json::Null))
    }

    fn text(&self, name: &'static str) -> Result<Option<&str>, Broken> {
        match self.get(name) {
            None => Ok(None),
            Some(Json::Text(text)) => Ok(Some(text)),
            Some(_) => Err(Broken::Member(name)),
        }
    }

    /// From when on it is good.
    fn starts(&self) -> Result<Option<i64>, Broken> {
        Ok(self.date("nbf")?.map(|at| at.saturating_sub(LEEWAY)))
    }

    /// Whole seconds, not negative.
    fn date(&self, name: &'static str) -> Result<Option<i64>, Broken> {
        match self.get(name) {
            None => Ok(None),
            Some(Json::Int(seconds)) if *seconds >= 0 => Ok(Some(*seconds)),
            Some(_) => Err(Broken::Member(name)),
        }
    }

    /// One text with blanks (RFC 7662), or a list.
    fn scopes(&self) -> Result<(), Broken> {
        match self.get("scope") {
            None | Some(Json::Text(_)) => Ok(()),
            Some(Json::List(items)) if texts(items).is_ok() => Ok(()),
            Some(_) => Err(Broken::Member("scope")),
        }
    }

    fn audiences(&self) -> Result<Vec<&str>, Broken> {
        match self.get("aud") {
            None => Ok(Vec::new()),
            Some(Json::Text(one)) => Ok(vec![one]),
            Some(Json::List(items)) => texts(items).map_err(|_| Broken::Member("aud")),
            Some(_) => Err(Broken::Member("aud")),
        }
    }
}
