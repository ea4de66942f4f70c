//! Who is calling: the contract between `auth` and the filters behind it.

use std::borrow::Cow;

use serde_json::{Map, Value};

use crate::bytes;
use crate::record::push_json_text;
use crate::scan::Scan;
use crate::scopes::Scopes;
use crate::written;

/// The filter state that holds it (in logs `wasm.postern.identity`).
pub const STATE: &str = "postern.identity";

/// An identity, published by `auth` as compact JSON in [`STATE`].
#[derive(Clone, Debug, PartialEq)]
pub enum Identity {
    /// Nobody in particular; the route allows that.
    Anonymous,
    /// A checked caller.
    Known(Box<Caller>),
}

/// A caller whose credential was checked.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Caller {
    /// The subject.
    pub sub: String,
    /// Who vouches for it, if anybody else does.
    pub iss: Option<String>,
    /// The client that calls for it.
    pub client: Option<String>,
    /// What the credential is good for.
    pub scopes: Scopes,
    /// The provider (a name in auth's policy) that checked it.
    pub provider: String,
    /// The credential's kind and id (`jwt`, `api_key:k1`), never the credential.
    pub credential: String,
    /// The caller's plan, if it has one.
    pub plan: Option<String>,
    /// Further claims that the policy publishes.
    pub claims: Map<String, Value>,
}

impl Identity {
    /// Compact JSON, version 1.
    #[must_use]
    pub fn to_json(&self) -> Vec<u8> {
        match self {
            Identity::Anonymous => br#"{"v":1,"anonymous":true}"#.to_vec(),
            Identity::Known(caller) => caller.to_json(),
        }
    }

    /// Reads what [`Identity::to_json`] wrote. `None` for anything else, scopes that are
    /// none among it: readers deny.
    #[must_use]
    pub fn from_json(json: &[u8]) -> Option<Self> {
        Some(match Seen::read(json)? {
            Seen::Anonymous => Identity::Anonymous,
            Seen::Known(caller) => Identity::Known(Box::new(caller.owned()?)),
        })
    }
}

impl Caller {
    /// The JSON of an [`Identity`].
    #[must_use]
    pub fn to_json(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(512);
        out.extend_from_slice(br#"{"v":1,"sub":"#);
        push_json_text(&mut out, &self.sub);
        let mut member = |name: &[u8], text: &str| {
            out.extend_from_slice(name);
            push_json_text(&mut out, text);
        };
        if let Some(iss) = &self.iss {
            member(br#","iss":"#, iss);
        }
        if let Some(client) = &self.client {
            member(br#","client":"#, client);
        }
        out.extend_from_slice(br#","scopes":"#);
        self.scopes.push_json(&mut out);
        out.extend_from_slice(br#","provider":"#);
        push_json_text(&mut out, &self.provider);
        out.extend_from_slice(br#","credential":"#);
        push_json_text(&mut out, &self.credential);
        if let Some(plan) = &self.plan {
            out.extend_from_slice(br#","plan":"#);
            push_json_text(&mut out, plan);
        }
        if !self.claims.is_empty() {
            out.extend_from_slice(br#","claims":"#);
            // A map of texts and values always has a form in JSON.
            out.append(&mut serde_json::to_vec(&self.claims).unwrap_or_default());
        }
        out.push(b'}');
        out
    }
}

/// An identity as the filters behind `auth` look at it, borrowed from its
/// state: they read one with each request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Seen<'a> {
    /// Nobody in particular.
    Anonymous,
    /// A checked caller.
    Known(Box<SeenCaller<'a>>),
}

/// A [`Caller`], borrowed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SeenCaller<'a> {
    /// The subject.
    pub sub: Cow<'a, str>,
    /// Who vouches for it.
    pub iss: Option<Cow<'a, str>>,
    /// The client that calls for it.
    pub client: Option<Cow<'a, str>>,
    /// What the credential is good for.
    pub scopes: Vec<Cow<'a, str>>,
    /// The provider that checked it.
    pub provider: Cow<'a, str>,
    /// The credential's kind and id.
    pub credential: Cow<'a, str>,
    /// The caller's plan.
    pub plan: Option<Cow<'a, str>>,
    /// Further claims: the text of a JSON object.
    pub claims: Option<Cow<'a, str>>,
}

impl<'a> Seen<'a> {
    /// Reads what [`Identity::to_json`] wrote. `None` for anything else, a
    /// member that stands twice among it: readers deny.
    #[must_use]
    pub fn read(json: &'a [u8]) -> Option<Self> {
        let json = bytes::text(json)?;
        written::read(json).or_else(|| Seen::read_any(json))
    }

    /// Reads it in any form that JSON has for it.
    fn read_any(json: &'a str) -> Option<Self> {
        let mut version: Option<u8> = None;
        let mut anonymous: Option<bool> = None;
        let (mut sub, mut iss, mut client, mut plan) = (None, None, None, None);
        let (mut scopes, mut provider, mut credential, mut claims) = (None, None, None, None);
        Scan::new(json).object(|name, scan| match name {
            "v" => once(&mut version, scan.value()?),
            "anonymous" => once(&mut anonymous, scan.value()?),
            "sub" => once(&mut sub, scan.text()?),
            "iss" => once(&mut iss, scan.text()?),
            "client" => once(&mut client, scan.text()?),
            "scopes" => once(&mut scopes, scan.texts()?),
            "provider" => once(&mut provider, scan.text()?),
            "credential" => once(&mut credential, scan.text()?),
            "plan" => once(&mut plan, scan.text()?),
            "claims" => {
                let text = scan.skip().filter(|c| c.starts_with('{'))?;
                once(&mut claims, Cow::Borrowed(text))
            }
            _ => scan.skip().map(drop),
        })?;
        match (version?, anonymous.unwrap_or(false), sub) {
            (1, true, None) => Some(Seen::Anonymous),
            (1, false, Some(sub)) => Some(Seen::Known(Box::new(SeenCaller {
                sub,
                iss,
                client,
                scopes: scopes.unwrap_or_default(),
                provider: provider.unwrap_or_default(),
                credential: credential.unwrap_or_default(),
                plan,
                claims,
            }))),
            _ => None,
        }
    }
}

/// A claim that cannot be read: it stands there twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unreadable;

fn carried(claims: &str, name: &str) -> Option<Option<Value>> {
    let mut found = None;
    Scan::new(claims).object(|member, scan| {
        if member == name {
            once(&mut found, scan.value::<Value>()?)
        } else {
            scan.skip().map(drop)
        }
    })?;
    Some(found.filter(|value| !value.is_null()))
}

fn once<T>(place: &mut Option<T>, value: T) -> Option<()> {
    place.replace(value).is_none().then_some(())
}

impl SeenCaller<'_> {
    /// A claim by its name. `sub`, `iss`, `client`, `provider`, `credential` and
    /// `plan` are the members of the identity; all others are the claims that it
    /// carries on. `None`: it has none of this name, or `null`.
    ///
    /// # Errors
    /// It stands there twice: which one is meant nobody can tell. That is not the same
    /// as none, or a caller would lose a role that a rule denies.
    pub fn claim(&self, name: &str) -> Result<Option<Value>, Unreadable> {
        let own = |text: &str| Some(Value::from(text));
        Ok(match name {
            "sub" => own(&self.sub),
            "iss" => self.iss.as_deref().and_then(own),
            "client" => self.client.as_deref().and_then(own),
            "provider" => own(&self.provider),
            "credential" => own(&self.credential),
            "plan" => self.plan.as_deref().and_then(own),
            _ => match self.claims.as_deref() {
                Some(claims) => carried(claims, name).ok_or(Unreadable)?,
                None => None,
            },
        })
    }

    /// The text of a claim that it carries on, as it stands in JSON: a number that is
    /// read may be rounded.
    ///
    /// # Errors
    /// It stands there twice, or the claims cannot be read.
    pub fn written(&self, name: &str) -> Result<Option<&str>, Unreadable> {
        // [`Self::claim`] has them from elsewhere.
        if matches!(name, "sub" | "iss" | "client" | "provider" | "credential" | "plan") {
            return Ok(None);
        }
        let Some(claims) = self.claims.as_deref() else { return Ok(None) };
        let mut found = None;
        let read = Scan::new(claims).object(|member, scan| {
            let text = scan.skip()?;
            if member == name { once(&mut found, text) } else { Some(()) }
        });
        read.map(|()| found).ok_or(Unreadable)
    }

    /// All claims that it carries on. `None`: one stands there twice, or they cannot be
    /// read.
    #[must_use]
    pub fn carried(&self) -> Option<Map<String, Value>> {
        let mut claims = Map::new();
        if let Some(text) = self.claims.as_deref() {
            Scan::new(text).object(|name, scan| {
                let value = scan.value::<Value>()?;
                claims.insert(name.to_owned(), value).is_none().then_some(())
            })?;
        }
        Some(claims)
    }

    fn owned(&self) -> Option<Caller> {
        let own = |text: &Option<Cow<'_, str>>| text.as_deref().map(str::to_owned);
        Some(Caller {
            sub: self.sub.clone().into_owned(),
            iss: own(&self.iss),
            client: own(&self.client),
            scopes: Scopes::of(self.scopes.iter().map(AsRef::as_ref))?,
            provider: self.provider.clone().into_owned(),
            credential: self.credential.clone().into_owned(),
            plan: own(&self.plan),
            claims: match &self.claims {
                Some(claims) => serde_json::from_str(claims).ok()?,
                None => Map::new(),
            },
        })
    }
}

#[cfg(test)]
mod tests;
