//! Who is calling: the contract between `auth` and the filters behind it.

use std::borrow::Cow;

use serde_json::{Map, Value};

use crate::record::push_json_text;
use crate::scan::Scan;
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
    pub scopes: Vec<String>,
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

    /// Reads what [`Identity::to_json`] wrote. `None` for anything else:
    /// readers deny.
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
        out.extend_from_slice(br#","scopes":["#);
        for (at, scope) in self.scopes.iter().enumerate() {
            if at > 0 {
                out.push(b',');
            }
            push_json_text(&mut out, scope);
        }
        out.extend_from_slice(br#"],"provider":"#);
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
        let json = std::str::from_utf8(json).ok()?;
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
            scopes: self.scopes.iter().map(|s| s.clone().into_owned()).collect(),
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
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn identities_survive_the_way_between_filters() {
        let caller = Caller {
            sub: "northwind".into(),
            scopes: vec!["user:email".into()],
            provider: "idp".into(),
            credential: "jwt".into(),
            ..Caller::default()
        };
        for identity in [Identity::Anonymous, Identity::Known(Box::new(caller))] {
            assert_eq!(Identity::from_json(&identity.to_json()), Some(identity));
        }
        assert_eq!(Identity::Anonymous.to_json(), br#"{"v":1,"anonymous":true}"#);
    }

    #[test]
    fn anything_else_is_no_identity() {
        for bad in [
            "",
            "{}",
            r#"{"v":2,"sub":"a"}"#,
            r#"{"v":1}"#,
            r#"{"v":1,"anonymous":true,"sub":"a"}"#,
            r#"{"v":1,"sub":"a","sub":"b"}"#,
            r#"{"v":1,"v":1,"sub":"a"}"#,
            r#"{"v":1,"sub":null}"#,
            r#"{"v":1,"sub":"a","scopes":["b",1]}"#,
            r#"{"v":1,"sub":"a","scopes":["b",]}"#,
            r#"{"v":1,"sub":"a","scopes":["b",],"provider":"p","credential":"c"}"#,
            r#"{"v":1,"sub":"a","scopes":["b" "c"],"provider":"p","credential":"c"}"#,
            r#"{"v":1,"sub":"a","scopes":[],"provider":"p","credential":"c"}}"#,
            r#"{"v":1,"sub":"a","scopes":[],"provider":"p","credential":"c","#,
            r#"{"v":1,"sub":"a","claims":[]}"#,
            r#"{"v":1,"sub":"a",}"#,
            r#"{"v":1,"sub":"a"}}"#,
            r#"{"v":1,"sub":"a"#,
            r#"{"v":1 "sub":"a"}"#,
            "{\"v\":1,\"sub\":\"a\nb\"}",
        ] {
            assert_eq!(Identity::from_json(bad.as_bytes()), None, "{bad}");
        }
    }

    #[test]
    fn what_is_written_is_one_form() {
        let caller = Caller {
            sub: "a \"b\"".into(),
            iss: Some("https://id.example.com".into()),
            client: Some("app".into()),
            scopes: vec!["x".into(), "y".into()],
            provider: "idp".into(),
            credential: "jwt:1".into(),
            plan: Some("tiny".into()),
            claims: Map::from_iter([("team".to_owned(), Value::from(7))]),
        };
        let json = Identity::Known(Box::new(caller)).to_json();
        assert_eq!(
            String::from_utf8_lossy(&json),
            r#"{"v":1,"sub":"a \"b\"","iss":"https://id.example.com","client":"app","scopes":["x","y"],"provider":"idp","credential":"jwt:1","plan":"tiny","claims":{"team":7}}"#
        );
    }

    #[test]
    fn claims_are_found_by_name() {
        let json = br#"{"v":1,"sub":"a","plan":"p","provider":"idp","claims":{"x":[1],"sub":"b","n":null,"d":1,"d":2}}"#;
        let Some(Seen::Known(caller)) = Seen::read(json) else { panic!("not read") };
        let claim = |name| caller.claim(name).unwrap().map(|v| v.to_string());
        assert_eq!(claim("sub").as_deref(), Some("\"a\""));
        assert_eq!(claim("plan").as_deref(), Some("\"p\""));
        assert_eq!(claim("provider").as_deref(), Some("\"idp\""));
        // One that stands twice makes all of them unreadable only where it is
        // asked for.
        assert_eq!(claim("x").as_deref(), Some("[1]"));
        for none in ["n", "client", "iss", "y"] {
            assert_eq!(claim(none), None, "{none}");
        }
        assert_eq!(caller.claim("d"), Err(Unreadable));
        assert_eq!(caller.written("x"), Ok(Some("[1]")));
        assert_eq!(caller.written("sub"), Ok(None), "the caller is `a`");
        assert_eq!(caller.carried(), None);
    }

    #[test]
    fn blanks_and_unknown_members_are_passed_over() {
        let json = br#" { "new" : {"sub":["b"]} , "sub" : "a\u0062" , "scopes":[ ] , "v" : 1 } "#;
        let Some(Seen::Known(caller)) = Seen::read(json) else { panic!("not read") };
        assert_eq!((caller.sub.as_ref(), caller.scopes.len()), ("ab", 0));
    }

    proptest! {
        #[test]
        fn every_caller_survives(
            sub in ".{0,8}", iss in prop::option::of(".{0,8}"), plan in prop::option::of(".{0,8}"),
            scopes in prop::collection::vec("[ -~]{0,5}", 0..4), team in prop::option::of(".{0,5}"),
        ) {
            let claims = team.into_iter().map(|team| ("team".to_owned(), Value::from(team)));
            let caller = Caller {
                sub, iss, plan, scopes, claims: claims.collect(), ..Caller::default()
            };
            let identity = Identity::Known(Box::new(caller));
            let json = identity.to_json();
            // Any reader of JSON takes it, and it is read from any writer's form.
            let value: Value = serde_json::from_slice(&json).unwrap();
            prop_assert_eq!(Identity::from_json(&json), Some(identity.clone()));
            // What is read in its very form is what any reader reads.
            let text = std::str::from_utf8(&json).unwrap();
            let plain = !text.contains('\\') && !text.contains(r#","claims":"#);
            prop_assert_eq!(written::read(text).is_some(), plain);
            prop_assert!(!plain || written::read(text) == Seen::read_any(text));
            prop_assert_eq!(Identity::from_json(format!("{value:#}").as_bytes()), Some(identity));
        }

        #[test]
        fn another_form_is_read_as_any(
            cuts in prop::collection::vec(
                prop::sample::select(vec![
                    "{\"v\":1,\"sub\":\"", "a", "\"", ",", ",\"iss\":\"", ",\"client\":\"x\"",
                    ",\"scopes\":[", "\"b\"", "]", ",\"scopes\":[]", ",\"provider\":\"p\"",
                    ",\"credential\":\"c\"", ",\"plan\":\"t\"", "}", " ", "\\",
                    ",\"scopes\":[\"b\",\"c\"]", "a\",\"scopes\":[\"b\",]",
                ]),
                0..12,
            ),
        ) {
            let text: String = cuts.concat();
            let short = written::read(&text);
            prop_assert!(short.is_none() || short == Seen::read_any(&text), "{text}");
            let whole = format!("{{\"v\":1,\"sub\":\"{text}");
            let short = written::read(&whole);
            prop_assert!(short.is_none() || short == Seen::read_any(&whole), "{whole}");
        }

        #[test]
        fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..40)) {
            let mut text = br#"{"v":1,"sub":"#.to_vec();
            text.extend(bytes);
            let read = Identity::from_json(&text).is_some();
            if let Ok(text) = std::str::from_utf8(&text) {
                let short = written::read(text);
                prop_assert!(short.is_none() || short == Seen::read_any(text));
            }
            prop_assert!(!read || serde_json::from_slice::<Value>(&text).is_ok());
        }
    }
}
