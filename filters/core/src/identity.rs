//! Who is calling: the contract between `auth` and the filters behind it.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

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
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Caller {
    /// The subject.
    pub sub: String,
    /// Who vouches for it, if anybody else does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub iss: Option<String>,
    /// The client that calls for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client: Option<String>,
    /// What the credential is good for.
    #[serde(default)]
    pub scopes: Vec<String>,
    /// The provider (a name in auth's policy) that checked it.
    #[serde(default)]
    pub provider: String,
    /// The credential's kind and id (`jwt`, `api_key:k1`), never the credential.
    #[serde(default)]
    pub credential: String,
    /// The caller's plan, if it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plan: Option<String>,
    /// Further claims that the policy publishes.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub claims: Map<String, Value>,
}

#[derive(Serialize, Deserialize)]
struct Wire {
    v: u8,
    #[serde(default, skip_serializing_if = "is_false")]
    anonymous: bool,
    #[serde(flatten)]
    caller: Option<Caller>,
}

#[allow(clippy::trivially_copy_pass_by_ref)]
fn is_false(b: &bool) -> bool {
    !*b
}

impl Identity {
    /// Compact JSON, version 1.
    #[must_use]
    pub fn to_json(&self) -> Vec<u8> {
        let wire = match self {
            Identity::Anonymous => Wire { v: 1, anonymous: true, caller: None },
            Identity::Known(caller) => {
                Wire { v: 1, anonymous: false, caller: Some((**caller).clone()) }
            }
        };
        serde_json::to_vec(&wire).unwrap_or_default()
    }

    /// Reads what [`Identity::to_json`] wrote. `None` for anything else:
    /// readers deny.
    #[must_use]
    pub fn from_json(json: &[u8]) -> Option<Self> {
        let wire: Wire = serde_json::from_slice(json).ok()?;
        match (wire.v, wire.anonymous, wire.caller) {
            (1, true, None) => Some(Identity::Anonymous),
            (1, false, Some(caller)) => Some(Identity::Known(Box::new(caller))),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
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
        ] {
            assert_eq!(Identity::from_json(bad.as_bytes()), None, "{bad}");
        }
    }
}
