//! Opaque tokens: random text that means something to whoever issued it, and to nobody else.

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, PoisonError};

use serde_json::{Map, Value};

use crate::mint::SCOPES;

/// Tokens remembered at most; the oldest are forgotten first.
const KEPT: usize = 10_000;

/// What an opaque token stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Grant {
    /// Whom it speaks for.
    pub subject: String,
    /// The client it was issued to; personal tokens have none.
    pub client: Option<String>,
    /// What it may do.
    pub scopes: Vec<String>,
    /// Seconds since 1970.
    pub issued: i64,
    /// Seconds since 1970.
    pub expires: i64,
    /// What an introspection says beside the above, or instead of it.
    pub claims: Map<String, Value>,
}

/// The tokens issued since the program started.
#[derive(Default)]
pub(crate) struct Tokens(Mutex<Issued>);

#[derive(Default)]
struct Issued {
    grants: HashMap<String, Grant>,
    order: VecDeque<String>,
}

/// Personal tokens that are there from the start, by owner: test data, as the
/// API keys of `demo.json` are.
pub const PERSONAL: [(&str, &str); 2] = [
    ("northwind", "pt_demo_northwind_5b1f0c9e7d3a48269f"),
    ("quillhaven", "pt_demo_quillhaven_c20e6a915d8b47f3"),
];

impl Tokens {
    /// With the tokens of [`PERSONAL`], which have all scopes.
    pub(crate) fn personal(now: i64, lifetime: i64) -> Self {
        let tokens = Tokens::default();
        for (owner, token) in PERSONAL {
            let grant = Grant {
                subject: owner.to_owned(),
                client: None,
                scopes: SCOPES.map(str::to_owned).to_vec(),
                issued: now,
                expires: now.saturating_add(lifetime),
                claims: Map::new(),
            };
            tokens.issue(token.to_owned(), grant);
        }
        tokens
    }

    pub(crate) fn issue(&self, token: String, grant: Grant) {
        let mut issued = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        while issued.order.len() >= KEPT {
            let Some(oldest) = issued.order.pop_front() else { break };
            issued.grants.remove(&oldest);
        }
        issued.order.push_back(token.clone());
        issued.grants.insert(token, grant);
    }

    /// What the token stands for, unless it has expired by `now`.
    pub(crate) fn find(&self, token: &str, now: i64) -> Option<Grant> {
        let issued = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        issued.grants.get(token).filter(|grant| grant.expires > now).cloned()
    }

    pub(crate) fn revoke(&self, token: &str) {
        let mut issued = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        issued.grants.remove(token);
        issued.order.retain(|kept| kept != token);
    }
}
