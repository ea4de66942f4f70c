//! Which limit a descriptor is of.
//!
//! `{"domain": "…", "limits": [{"match": {"limit": "current"}, "requests": 100, "seconds": 60}]}`:
//! the first limit whose pairs are all among the descriptor's entries. A descriptor that
//! brings its own limit is counted by that.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::messages::RateLimitDescriptor;

/// The units of the protocol, with their seconds.
pub(super) const UNITS: [(i32, u64); 7] = [
    (1, 1),
    (2, 60),
    (3, 3_600),
    (4, 86_400),
    (5, 30 * 86_400),
    (6, 365 * 86_400),
    (7, 7 * 86_400),
];

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Limits {
    domain: String,
    limits: Vec<Limit>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Limit {
    #[serde(rename = "match")]
    matches: BTreeMap<String, String>,
    requests: u64,
    seconds: u64,
}

/// A limit for a descriptor.
#[derive(Debug)]
pub(super) struct Found {
    /// Whose count, and what of.
    pub(super) key: String,
    pub(super) requests: u64,
    pub(super) seconds: u64,
    pub(super) name: String,
}

impl Limits {
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let limits: Limits = serde_json::from_str(text).map_err(|e| format!("limits: {e}"))?;
        match limits.limits.iter().position(|limit| limit.seconds == 0) {
            Some(at) => Err(format!("limits[{at}].seconds: expected at least 1")),
            None => Ok(limits),
        }
    }

    pub(super) fn find(&self, domain: &str, descriptor: &RateLimitDescriptor) -> Option<Found> {
        let RateLimitDescriptor { entries, limit, hits_addend: _ } = descriptor;
        if domain != self.domain {
            return None;
        }
        let has = |(key, value): (&String, &String)| {
            entries.iter().any(|entry| entry.key == *key && entry.value == *value)
        };
        let sent = limit.and_then(|own| {
            let (_, seconds) = UNITS.iter().find(|(unit, _)| *unit == own.unit)?;
            Some((u64::from(own.requests_per_unit), *seconds))
        });
        let known = || {
            let limit = self.limits.iter().find(|limit| limit.matches.iter().all(has))?;
            Some((limit.requests, limit.seconds))
        };
        let (requests, seconds) = sent.or_else(known)?;
        // Lengths keep entries apart.
        let key = entries
            .iter()
            .map(|e| format!("{}:{}={}:{};", e.key.len(), e.key, e.value.len(), e.value));
        let key = format!("rls/{domain}/{seconds}/{}", key.collect::<String>());
        let name = entries.first().map(|entry| entry.value.clone()).unwrap_or_default();
        Some(Found { key, requests, seconds, name })
    }
}
