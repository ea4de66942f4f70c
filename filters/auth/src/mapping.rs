//! Which claims make up the identity.

use std::collections::BTreeSet;

use postern_core::config::schema::Schema;
use postern_core::config::{At, Decode, Errors, Text, Value};
use postern_core::json::Json;
use postern_core::scopes::Scopes;
use serde_json::Map;

use crate::claim_path::ClaimPath;
use crate::claims::{is_printable, texts};
use crate::reason::Reason;

postern_core::config! {
    /// Which claims make up the identity. Of each list the first claim that is
    /// there counts. A claim is a name, `outer.inner`, or a list of names, one
    /// inside the other; a name with `://` in it is one name, dots and all.
    pub struct IdentityClaims {
        /// The subject: a text, which has to be there.
        subject: Vec<ClaimPath> = vec![ClaimPath::name("sub")],
        /// The client that calls for it: a text.
        client: Vec<ClaimPath> = vec![ClaimPath::name("client_id"), ClaimPath::name("azp")],
        /// What the token is good for: a text with blanks, or a list.
        scopes: Vec<ClaimPath> = vec![ClaimPath::name("scope"), ClaimPath::name("scp")],
        /// The caller's plan: a text.
        plan: Vec<ClaimPath> = vec![ClaimPath::name("plan")],
    }
}

impl Default for IdentityClaims {
    fn default() -> Self {
        IdentityClaims {
            subject: vec![ClaimPath::name("sub")],
            client: vec![ClaimPath::name("client_id"), ClaimPath::name("azp")],
            scopes: vec![ClaimPath::name("scope"), ClaimPath::name("scp")],
            plan: vec![ClaimPath::name("plan")],
        }
    }
}

impl IdentityClaims {
    pub(crate) fn check(&self, at: At<'_>, errors: &mut Errors) {
        if self.subject.is_empty()
            && let Some(list) = at.node().get("subject")
        {
            at.key("subject", list).error(errors, "expected at least one");
        }
    }
}

/// The first of these claims that is there.
fn first<'c, 'p>(paths: &[ClaimPath], claims: &'c Json<'p>) -> Option<&'c Json<'p>> {
    paths.iter().find_map(|path| path.find(claims))
}

/// The first of these claims, a text that can stand in a header.
pub(crate) fn printable(paths: &[ClaimPath], claims: &Json<'_>) -> Result<Option<String>, Reason> {
    match first(paths, claims) {
        None => Ok(None),
        Some(Json::Text(text)) if is_printable(text) => Ok(Some(text.clone().into_owned())),
        Some(_) => Err(Reason::BadClaim),
    }
}

/// Scopes as one text with blanks (RFC 8693) or as a list.
pub(crate) fn scopes(paths: &[ClaimPath], claims: &Json<'_>) -> Result<Scopes, Reason> {
    let scopes = match first(paths, claims) {
        None => Some(Scopes::default()),
        Some(Json::Text(text)) => Scopes::read(text),
        Some(Json::List(several)) => Scopes::of(texts(several)?),
        Some(_) => None,
    };
    scopes.ok_or(Reason::BadClaim)
}

/// A claim that the identity carries on: its name, or `{from, to}`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Published {
    from: ClaimPath,
    to: String,
}

postern_core::config! {
    /// A claim that the identity carries on under another name. Whole numbers of 64
    /// bits are carried on digit for digit; a token is refused if the claim holds a
    /// number that is larger.
    pub struct Renamed {
        /// The claim: a name, `outer.inner`, or a list of names, one inside
        /// the other.
        from: ClaimPath,
        /// Its name in the identity.
        to: Text,
    }
}

impl Decode for Published {
    fn decode(at: At<'_>, errors: &mut Errors) -> Option<Self> {
        match &at.node().value {
            Value::Map(_) => {
                let Renamed { from, to } = Renamed::decode(at, errors)?;
                Some(Published { from, to: to.as_str().to_owned() })
            }
            Value::Text(name) => {
                Some(Published { from: ClaimPath::decode(at, errors)?, to: name.clone() })
            }
            _ => {
                at.expected(errors, "the name of a claim, or a mapping with `from` and `to`");
                None
            }
        }
    }

    fn schema() -> Schema {
        let name = "a claim such as `outer.inner`";
        let text = Schema::Text { expected: name, pattern: Some("^[^\\x00-\\x1f\\x7f]+$") };
        Schema::AnyOf(vec![text, Renamed::schema()])
    }
}

/// Notes names that stand twice; `at` is the list's place.
pub(crate) fn check_published(list: &[Published], at: At<'_>, errors: &mut Errors) {
    let Value::List(nodes) = &at.node().value else { return };
    let mut names = BTreeSet::new();
    for (i, (published, node)) in list.iter().zip(nodes).enumerate() {
        if !names.insert(published.to.as_str()) {
            at.index(i, node).error(errors, "another claim has the same name in the identity");
        }
    }
}

/// The claims that the identity carries on; what is missing or `null` is left
/// out.
pub(crate) fn publish(
    list: &[Published],
    claims: &Json<'_>,
) -> Result<Map<String, serde_json::Value>, Reason> {
    let found = list.iter().filter_map(|p| Some((p.to.clone(), p.from.find(claims)?)));
    found.map(|(name, claim)| Ok((name, owned(exact(claim)?)))).collect()
}

/// From here on a double cannot tell a number from its neighbours: 2^53.
const TOO_LARGE: f64 = 9_007_199_254_740_992.0;

/// A value that can be told on as it is. A number that is neither a whole one of 64
/// bits nor a double of some precision would be told on as another: somebody else's
/// account, perhaps.
pub(crate) fn exact<'c, 'p>(claim: &'c Json<'p>) -> Result<&'c Json<'p>, Reason> {
    fn is_exact(value: &Json<'_>) -> bool {
        match value {
            Json::Float(number) => {
                serde_json::from_str::<f64>(number).is_ok_and(|x| x.abs() < TOO_LARGE)
            }
            Json::List(items) => items.iter().all(is_exact),
            Json::Object(members) => members.iter().all(|member| is_exact(&member.value)),
            Json::Null | Json::Bool(_) | Json::Int(_) | Json::Large(_) | Json::Text(_) => true,
        }
    }
    if is_exact(claim) { Ok(claim) } else { Err(Reason::BadClaim) }
}

fn owned(value: &Json<'_>) -> serde_json::Value {
    match value {
        Json::Null => serde_json::Value::Null,
        Json::Bool(b) => (*b).into(),
        Json::Int(i) => (*i).into(),
        Json::Large(n) => (*n).into(),
        Json::Float(number) => serde_json::from_str(number).unwrap_or_default(),
        Json::Text(text) => (&**text).into(),
        Json::List(items) => items.iter().map(owned).collect(),
        Json::Object(members) => {
            let members = members.iter().map(|m| (m.name.clone().into_owned(), owned(&m.value)));
            members.collect()
        }
    }
}
