//! Which limit a descriptor is of: a file as envoyproxy/ratelimit has it, in JSON, which
//! is YAML too, so that both read the same one.
//!
//! `{"domain": "…", "descriptors": [{"key": "limit", "value": "current", "descriptors":
//! [{"key": "subject", "rate_limit": {"unit": "minute", "requests_per_unit": 100}}]}]}`:
//! entry by entry, one with the value before one without. A descriptor that brings its own
//! limit is counted by that.

use serde::Deserialize;

use super::messages::{Entry, RateLimitDescriptor};

/// The units of the protocol: name, number, seconds.
pub(super) const UNITS: [(&str, i32, u64); 7] = [
    ("second", 1, 1),
    ("minute", 2, 60),
    ("hour", 3, 3_600),
    ("day", 4, 86_400),
    ("month", 5, 30 * 86_400),
    ("year", 6, 365 * 86_400),
    ("week", 7, 7 * 86_400),
];

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Limits {
    domain: String,
    descriptors: Vec<Node>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Node {
    key: String,
    value: Option<String>,
    #[serde(default)]
    descriptors: Vec<Node>,
    rate_limit: Option<Rate>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Rate {
    unit: Unit,
    requests_per_unit: u64,
}

/// Seconds.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(try_from = "String")]
struct Unit(u64);

impl TryFrom<String> for Unit {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let own = UNITS.iter().find(|(name, ..)| *name == text);
        own.map(|(.., seconds)| Unit(*seconds)).ok_or(format!("`{text}` is no unit"))
    }
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
        serde_json::from_str(text).map_err(|e| format!("limits: {e}"))
    }

    pub(super) fn find(&self, domain: &str, descriptor: &RateLimitDescriptor) -> Option<Found> {
        let RateLimitDescriptor { entries, limit, hits_addend: _ } = descriptor;
        if domain != self.domain {
            return None;
        }
        let sent = limit.and_then(|own| {
            let (.., seconds) = UNITS.iter().find(|(_, unit, _)| *unit == own.unit)?;
            Some((u64::from(own.requests_per_unit), *seconds))
        });
        let known = || of(&self.descriptors, entries).map(|r| (r.requests_per_unit, r.unit.0));
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

/// The limit at the end of the entries.
fn of<'l>(nodes: &'l [Node], entries: &[Entry]) -> Option<&'l Rate> {
    let (entry, rest) = entries.split_first()?;
    let own = |node: &&Node| node.key == entry.key && node.value.as_ref() == Some(&entry.value);
    let any = |node: &&Node| node.key == entry.key && node.value.is_none();
    let node = nodes.iter().find(own).or_else(|| nodes.iter().find(any))?;
    if rest.is_empty() { node.rate_limit.as_ref() } else { of(&node.descriptors, rest) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = r#"{"domain": "d", "descriptors": [
        {"key": "limit", "value": "a", "rate_limit": {"unit": "hour", "requests_per_unit": 9},
         "descriptors": [
            {"key": "subject", "rate_limit": {"unit": "minute", "requests_per_unit": 5}},
            {"key": "subject", "value": "vip", "rate_limit": {"unit": "minute", "requests_per_unit": 50}}
         ]}]}"#;

    /// Requests and seconds for these entries.
    fn found(domain: &str, entries: &[(&str, &str)]) -> Option<(u64, u64)> {
        let entry = |(key, value): &(&str, &str)| Entry {
            key: (*key).to_owned(),
            value: (*value).to_owned(),
        };
        let entries = entries.iter().map(entry).collect();
        let descriptor = RateLimitDescriptor { entries, limit: None, hits_addend: None };
        let found = Limits::parse(FILE).unwrap().find(domain, &descriptor)?;
        Some((found.requests, found.seconds))
    }

    #[test]
    fn entry_by_entry_the_value_first() {
        assert_eq!(found("d", &[("limit", "a"), ("subject", "x")]), Some((5, 60)));
        assert_eq!(found("d", &[("limit", "a"), ("subject", "vip")]), Some((50, 60)));
        assert_eq!(found("d", &[("limit", "a")]), Some((9, 3_600)));
        assert_eq!(found("d", &[("limit", "b")]), None);
        assert_eq!(found("d", &[("subject", "x"), ("limit", "a")]), None);
        assert_eq!(found("d", &[("limit", "a"), ("subject", "x"), ("more", "y")]), None);
        assert_eq!(found("e", &[("limit", "a")]), None);
    }

    #[test]
    fn what_is_no_file_of_limits_is_refused() {
        let refused = |text: &str| Limits::parse(text).unwrap_err();
        let unit = FILE.replace("hour", "fortnight");
        assert_eq!(refused(&unit), "limits: `fortnight` is no unit at line 2 column 73");
        assert!(refused("{}").starts_with("limits: missing field `domain`"));
        assert!(
            refused(r#"{"domain": "d", "descriptors": [], "x": 1}"#)
                .starts_with("limits: unknown field `x`")
        );
    }
}
