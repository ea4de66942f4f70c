//! Where the identity comes from, if not from `auth`.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use postern_core::config::{At, AtLeastOne, Errors, Name, Text};
use postern_core::identity::{Seen, SeenCaller};
use postern_core::pairs::Pairs;
use postern_core::rules::HeaderName;
use postern_core::{Headers, Host, Request, Unreadable};
use serde_json::{Map, Value};

postern_core::config! {
    /// Where the identity comes from, if not from `auth`.
    pub oneof Source {
        /// From Envoy's own `jwt_authn`, by the metadata that it writes.
        jwt_authn: JwtAuthn(JwtAuthn),
        /// From headers that a trusted hop before this filter writes. Whoever can
        /// send a request past that hop can be anybody: the hop has to remove
        /// these headers from what clients send, on every route.
        trusted_headers: TrustedHeaders(TrustedHeaders),
    }

    /// The payload of a token that `jwt_authn` checked. Each member costs a
    /// question to the proxy per request, and a list two. Claims that are texts or
    /// lists of texts can be read, and numbers where they are named as such; one of
    /// another kind, or a list that begins with an empty text, is there and says
    /// nothing. A request without any claim is anonymous; one whose token has claims and
    /// no subject has an identity that cannot be read.
    pub struct JwtAuthn {
        /// `payload_in_metadata` of that filter.
        payload: Text,
        /// The provider that identities then have.
        provider: Name = Name::from_static("jwt_authn"),
        /// The claim that is the subject.
        subject: Text = Text::from_static("sub"),
        /// The claim that is the issuer.
        issuer: Option<Text>,
        /// The claim that is the client.
        client: Option<Text>,
        /// The claim with the scopes: a text with blanks, or a list.
        scopes: Text = Text::from_static("scope"),
        /// The claim that is the plan.
        plan: Option<Text>,
        /// Claims that rules name: texts, or lists of texts.
        claims: AtLeastOne<Text> = AtLeastOne::default(),
        /// Claims that rules name: numbers.
        numbers: AtLeastOne<Text> = AtLeastOne::default(),
    }

    /// Headers that are believed. One that stands twice, or is not UTF-8, makes
    /// the identity unreadable. A request without the subject's is anonymous.
    pub struct TrustedHeaders {
        /// The subject.
        subject: HeaderName,
        /// The provider that identities then have.
        provider: Name = Name::from_static("trusted_headers"),
        /// The client.
        client: Option<HeaderName>,
        /// The scopes, with blanks between them.
        scopes: Option<HeaderName>,
        /// The plan.
        plan: Option<HeaderName>,
        /// Claims that are texts, each by its header.
        claims: BTreeMap<String, HeaderName> = BTreeMap::default(),
        /// Claims that are lists of texts, each by its header, with commas
        /// between them: `roles`, `groups`.
        lists: BTreeMap<String, HeaderName> = BTreeMap::default(),
    }
}

/// The members of an identity by which [`SeenCaller::claim`] finds no claim.
const MEMBERS: [&str; 6] = ["sub", "iss", "client", "provider", "credential", "plan"];

impl Source {
    /// Rules see one claim of a name, and by the name of a member the member.
    pub(crate) fn check(&self, at: At<'_>, errors: &mut Errors) {
        let texts = |list: &AtLeastOne<Text>| -> Vec<String> {
            list.iter().map(|name| name.as_str().to_owned()).collect()
        };
        let keys = |map: &BTreeMap<String, HeaderName>| map.keys().cloned().collect();
        let (kind, lists) = match self {
            Source::JwtAuthn(source) => {
                let (claims, numbers) = (texts(&source.claims), texts(&source.numbers));
                ("jwt_authn", [("claims", claims), ("numbers", numbers)])
            }
            Source::TrustedHeaders(source) => (
                "trusted_headers",
                [("claims", keys(&source.claims)), ("lists", keys(&source.lists))],
            ),
        };
        let Some(node) = at.node().get(kind) else { return };
        let at = at.key(kind, node);
        let mut seen = BTreeSet::new();
        for (list, names) in lists {
            let Some(node) = at.node().get(list) else { continue };
            let at = at.key(list, node);
            for name in names {
                if MEMBERS.contains(&name.as_str()) {
                    let message = format!("`{name}` is a member of every identity, no claim");
                    at.error(errors, message);
                } else if !seen.insert(name.clone()) {
                    at.error(
                        errors,
                        format!("`{name}` is named twice: rules would see one of them"),
                    );
                }
            }
        }
    }

    /// The identity. `None`: there is one that cannot be read.
    pub(crate) fn read(&self, request: &Request<'_>, host: &dyn Host) -> Option<Seen<'static>> {
        match self {
            Source::JwtAuthn(source) => source.read(host),
            Source::TrustedHeaders(source) => source.read(request.headers()),
        }
    }
}

const METADATA: [&str; 3] = ["metadata", "filter_metadata", "envoy.filters.http.jwt_authn"];

impl JwtAuthn {
    fn read(&self, host: &dyn Host) -> Option<Seen<'static>> {
        let [a, b, c] = METADATA;
        let claim = |name: &Text| host.read(&[a, b, c, self.payload.as_str(), name.as_str()]);
        let texts = |name: &Text, bytes| {
            texts(bytes, || {
                let first = [a, b, c, self.payload.as_str(), name.as_str(), "0"];
                host.read(&first).ok().flatten()
            })
        };
        // Where it is given, it has to be a text. Envoy hands out numbers and truths as
        // bytes too, which may happen to be UTF-8, but hardly without a control.
        let text = |name: &Text| match claim(name).ok()?.map(String::from_utf8) {
            Some(Ok(text)) => (!text.contains(char::is_control)).then_some(Some(text)),
            Some(Err(_)) => None,
            None => Some(None),
        };
        let optional = |name: &Option<Text>| match name {
            Some(name) => text(name),
            None => Some(None),
        };
        let Some(sub) = text(&self.subject)? else {
            return (!self.has_claims(host)).then_some(Seen::Anonymous);
        };
        if sub.is_empty() {
            return None;
        }
        let scopes = match claim(&self.scopes).ok()? {
            None => Vec::new(),
            Some(bytes) => match texts(&self.scopes, bytes)? {
                Value::String(words) => words_of(&words),
                Value::Array(list) => list.iter().filter_map(Value::as_str).map(own).collect(),
                _ => return None,
            },
        };
        let mut claims = Map::new();
        for name in self.claims.iter() {
            let value = match claim(name) {
                Ok(None) => continue,
                Ok(Some(bytes)) => texts(name, bytes),
                Err(Unreadable) => None,
            };
            claims.insert(name.as_str().to_owned(), value.unwrap_or_else(unreadable));
        }
        for name in self.numbers.iter() {
            let bytes = match claim(name) {
                Ok(None) => continue,
                Ok(Some(bytes)) => bytes,
                Err(Unreadable) => Vec::new(),
            };
            // A text of eight bytes is none.
            let is_text = bytes.iter().all(|b| (0x20..0x7f).contains(b));
            let number = bytes.try_into().ok().filter(|_| !is_text).map(f64::from_le_bytes);
            let number = number.map_or_else(unreadable, whole_where_it_is);
            claims.insert(name.as_str().to_owned(), number);
        }
        Some(known(SeenCaller {
            sub: sub.into(),
            iss: optional(&self.issuer)?.map(Cow::Owned),
            client: optional(&self.client)?.map(Cow::Owned),
            scopes,
            provider: own(self.provider.as_str()),
            credential: Cow::Borrowed("jwt"),
            plan: optional(&self.plan)?.map(Cow::Owned),
            claims: to_text(claims),
        }))
    }
}

impl JwtAuthn {
    /// Is there a token? It has one of these, or of those that the policy names.
    fn has_claims(&self, host: &dyn Host) -> bool {
        let [a, b, c] = METADATA;
        let named = [&self.issuer, &self.client, &self.plan].into_iter().flatten();
        let named =
            named.chain([&self.scopes]).chain(self.claims.iter().chain(self.numbers.iter()));
        let mut names = ["iss", "exp", "iat"].into_iter().chain(named.map(Text::as_str));
        names.any(|name| !matches!(host.read(&[a, b, c, self.payload.as_str(), name]), Ok(None)))
    }
}

impl TrustedHeaders {
    fn read(&self, headers: &Headers<'_>) -> Option<Seen<'static>> {
        let one = |name: &HeaderName| -> Option<Option<String>> {
            let mut values = headers.all(name.as_str());
            match (values.next(), values.next()) {
                (None, _) => Some(None),
                (Some(value), None) if !value.is_empty() => {
                    String::from_utf8(value.to_vec()).ok().map(Some)
                }
                _ => None,
            }
        };
        let optional = |name: &Option<HeaderName>| match name {
            Some(name) => one(name),
            None => Some(None),
        };
        let Some(sub) = one(&self.subject)? else { return Some(Seen::Anonymous) };
        let mut claims = Map::new();
        for (claim, name) in &self.claims {
            if let Some(text) = one(name)? {
                claims.insert(claim.clone(), text.into());
            }
        }
        for (claim, name) in &self.lists {
            if let Some(text) = one(name)? {
                let items = text.split(',').map(str::trim).filter(|item| !item.is_empty());
                claims.insert(claim.clone(), items.map(Value::from).collect());
            }
        }
        Some(known(SeenCaller {
            sub: sub.into(),
            iss: None,
            client: optional(&self.client)?.map(Cow::Owned),
            scopes: optional(&self.scopes)?.map(|text| words_of(&text)).unwrap_or_default(),
            provider: own(self.provider.as_str()),
            credential: Cow::Borrowed("header"),
            plan: optional(&self.plan)?.map(Cow::Owned),
            claims: to_text(claims),
        }))
    }
}

/// Stands for a claim that is there and cannot be read: no rule can be
/// evaluated by it.
fn unreadable() -> Value {
    Value::Object(Map::new())
}

fn known(caller: SeenCaller<'static>) -> Seen<'static> {
    Seen::Known(Box::new(caller))
}

fn own(text: &str) -> Cow<'static, str> {
    Cow::Owned(text.to_owned())
}

fn words_of(text: &str) -> Vec<Cow<'static, str>> {
    text.split(' ').filter(|word| !word.is_empty()).map(own).collect()
}

/// `None`: without claims there is no object.
fn to_text(claims: Map<String, Value>) -> Option<Cow<'static, str>> {
    (!claims.is_empty()).then(|| Cow::Owned(Value::Object(claims).to_string()))
}

/// A text or a list of texts, as Envoy hands them over: a text as it is, a list
/// in the form of a header map, of which the names are the items. That form has
/// a NUL in it, and no text that is meant here has. An object whose members are empty
/// texts has the same form; but it does not have its first name at place 0 (`first`).
/// An empty one is an empty list: it says nothing.
fn texts(bytes: Vec<u8>, first: impl FnOnce() -> Option<Vec<u8>>) -> Option<Value> {
    if !bytes.contains(&0) {
        let text = String::from_utf8(bytes).ok();
        return text.filter(|text| !text.contains(char::is_control)).map(Value::String);
    }
    let size = bytes.len();
    let pairs = Pairs::from_bytes(bytes);
    let items: Option<Vec<Value>> = pairs
        .iter()
        .map(|(item, nothing)| {
            let item = std::str::from_utf8(item).ok().filter(|_| nothing.is_empty())?;
            // A number or a truth, in its own bytes.
            if item.contains(char::is_control) {
                return None;
            }
            Some(Value::from(item))
        })
        .collect();
    // A map that was cut short, or is none, is shorter than its bytes.
    let items = items?;
    let whole = items.iter().filter_map(Value::as_str).map(|item| item.len() + 10).sum::<usize>();
    let is_list = match items.first().and_then(Value::as_str) {
        // An empty text cannot be told from a member `0` of that.
        Some(item) => !item.is_empty() && first().is_some_and(|first| first == item.as_bytes()),
        None => true,
    };
    (is_list && whole + 4 == size).then_some(Value::Array(items))
}

/// Numbers of metadata are floats.
fn whole_where_it_is(number: f64) -> Value {
    const EXACT: f64 = 9_007_199_254_740_992.0;
    if number.fract() == 0.0 && number.abs() <= EXACT {
        Value::from(number as i64)
    } else {
        Value::from(number)
    }
}
