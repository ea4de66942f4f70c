//! The claims of a JWT (RFC 7519), and the caller that they name.

use postern_core::bytes;
use postern_core::identity::Caller;
use postern_core::json::Json;

use crate::checked::Checked;
use crate::claim_header::{self, ClaimHeader};
use crate::claim_match::ClaimMatch;
use crate::claim_path::ClaimPath;
use crate::flaw::Flaw;
use crate::jws::object;
use crate::mapping::{IdentityClaims, Published, printable, publish, scopes};
use crate::reason::Reason;

/// What the name of a credential with an id begins with.
const JWT: &str = "jwt:";
/// The longest subject, client or plan, in bytes.
pub(crate) const MAX_TEXT: usize = 256;

/// What the claims have to fulfil.
#[derive(Debug)]
pub(crate) struct Expected {
    /// One of these has to be in `aud`.
    pub(crate) audiences: Vec<String>,
    /// By how many seconds clocks may differ.
    pub(crate) leeway: i64,
    /// The most seconds since `iat`.
    pub(crate) max_age: Option<i64>,
    /// These have to be there.
    pub(crate) required: Vec<ClaimPath>,
    /// All of these have to hold.
    pub(crate) matches: Vec<ClaimMatch>,
}

/// What is made of the claims.
#[derive(Debug)]
pub(crate) struct Told {
    /// The claims that make up the identity.
    pub(crate) identity: IdentityClaims,
    /// Further claims that it carries on.
    pub(crate) published: Vec<Published>,
    /// Headers for the upstream.
    pub(crate) headers: Vec<ClaimHeader>,
}

/// When a token is good, in seconds since the Unix epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Times {
    /// From when on it is not, with all tolerance.
    pub(crate) expires: i64,
    /// `iat`.
    pub(crate) issued: Option<i64>,
}

/// Claims that were read but not yet checked.
#[derive(Debug)]
pub(crate) struct Claims<'p>(Json<'p>);

impl<'p> Claims<'p> {
    /// Reads a payload.
    pub(crate) fn parse(payload: &'p [u8]) -> Result<Self, Reason> {
        object(payload).map(Claims).ok_or(Reason::BadClaims)
    }

    /// `iss`.
    pub(crate) fn issuer(&self) -> Result<&str, Flaw> {
        self.text("iss")?.ok_or_else(|| missing("iss"))
    }

    /// Checks dates, audience, and what else is asked of the claims; `now` in
    /// seconds since the Unix epoch.
    pub(crate) fn check(&self, expected: &Expected, now: i64) -> Result<Times, Flaw> {
        let leeway = expected.leeway;
        let expires = self.date("exp")?.ok_or_else(|| missing("exp"))?.saturating_add(leeway);
        let not_before = self.date("nbf")?;
        let issued = self.date("iat")?;
        if now >= expires {
            return Err(Reason::Expired.into());
        }
        if not_before.is_some_and(|at| now.saturating_add(leeway) < at) {
            return Err(Reason::NotYetValid.into());
        }
        if issued.is_some_and(|at| now.saturating_add(leeway) < at) {
            return Err(Reason::IssuedInFuture.into());
        }
        let mut times = Times { expires, issued };
        if let Some(age) = expected.max_age {
            let issued = issued.ok_or_else(|| missing("iat"))?;
            let too_old = issued.saturating_add(age).saturating_add(leeway);
            if now >= too_old {
                return Err(Reason::TooOld.into());
            }
            times.expires = expires.min(too_old);
        }
        // Only ID tokens (OpenID Connect Core §3.1.3.6) have these.
        if self.0.get("at_hash").is_some() || self.0.get("c_hash").is_some() {
            return Err(Reason::WrongType.into());
        }
        // Bound to a key or a certificate that nobody looks at here (RFC 7800): a
        // thief could send it as well.
        if self.0.get("cnf").is_some() {
            return Err(Reason::Bound.into());
        }
        self.check_audience(&expected.audiences)?;
        if let Some(path) = expected.required.iter().find(|path| path.find(&self.0).is_none()) {
            return Err(missing(&path.to_string()));
        }
        if let Some(wrong) = expected.matches.iter().find(|m| !m.holds(&self.0)) {
            return Err(Flaw::from(Reason::ClaimMismatch).at(wrong.claim().to_string()));
        }
        Ok(times)
    }

    /// The caller that the claims name, and what is told of it.
    pub(crate) fn checked(
        &self,
        provider: &str,
        told: &Told,
        times: Times,
    ) -> Result<Checked, Flaw> {
        let Told { identity, published, headers } = told;
        let id = self.text("jti")?;
        let caller = Caller {
            sub: printable(&identity.subject, &self.0)?
                .ok_or_else(|| missing(&any_of(&identity.subject)))?,
            iss: self.text("iss")?.map(str::to_owned),
            client: printable(&identity.client, &self.0)?,
            scopes: scopes(&identity.scopes, &self.0)?,
            provider: provider.to_owned(),
            credential: match id {
                Some(id) if is_plain_id(id) => {
                    let mut credential = String::with_capacity(JWT.len().saturating_add(id.len()));
                    credential.push_str(JWT);
                    credential.push_str(id);
                    credential
                }
                _ => "jwt".to_owned(),
            },
            plan: printable(&identity.plan, &self.0)?,
            claims: publish(published, &self.0)?,
        };
        Ok(Checked {
            caller,
            headers: claim_header::of(headers, &self.0)?,
            expires: Some(times.expires),
            issued: times.issued,
            token_id: id.map(str::to_owned),
            key: None,
            dear: false,
        })
    }

    fn check_audience(&self, accepted: &[String]) -> Result<(), Flaw> {
        let accepts = |text: &str| accepted.iter().any(|a| a == text);
        let good = match self.0.get("aud") {
            None => return Err(missing("aud")),
            Some(Json::Text(one)) => accepts(one),
            Some(Json::List(several)) => {
                texts(several).map_err(|r| Flaw::from(r).at("aud"))?.into_iter().any(accepts)
            }
            Some(_) => return Err(bad("aud")),
        };
        if good { Ok(()) } else { Err(Reason::Audience.into()) }
    }

    /// A date: whole seconds, not negative.
    fn date(&self, name: &str) -> Result<Option<i64>, Flaw> {
        match self.0.get(name) {
            None => Ok(None),
            Some(Json::Int(seconds)) if *seconds >= 0 => Ok(Some(*seconds)),
            Some(_) => Err(bad(name)),
        }
    }

    fn text(&self, name: &str) -> Result<Option<&str>, Flaw> {
        match self.0.get(name) {
            None => Ok(None),
            Some(Json::Text(text)) => Ok(Some(text)),
            Some(_) => Err(bad(name)),
        }
    }
}

fn missing(claim: &str) -> Flaw {
    Flaw::from(Reason::MissingClaim).at(claim)
}

fn bad(claim: &str) -> Flaw {
    Flaw::from(Reason::BadClaim).at(claim)
}

/// `email or sub`.
fn any_of(paths: &[ClaimPath]) -> String {
    paths.iter().map(ClaimPath::to_string).collect::<Vec<_>>().join(" or ")
}

/// The items of a list of nothing but texts.
pub(crate) fn texts<'c>(items: &'c [Json<'_>]) -> Result<Vec<&'c str>, Reason> {
    let text = |item: &'c Json<'_>| match item {
        Json::Text(text) => Ok(&**text),
        _ => Err(Reason::BadClaim),
    };
    items.iter().map(text).collect()
}

/// Can this name a subject, client or plan, in a header and in a log?
pub(crate) fn is_printable(text: &str) -> bool {
    (1..=MAX_TEXT).contains(&text.len())
        && !bytes::has_control(text.as_bytes())
        && (text.is_ascii() || !text.chars().any(char::is_control))
        && !text.starts_with(' ')
        && !text.ends_with(' ')
}

fn is_plain_id(text: &str) -> bool {
    (1..=64).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_graphic())
}
