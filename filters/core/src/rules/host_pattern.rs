//! Hosts, as rules name them.

use crate::config::schema::Schema;
use crate::config::{At, Decode, Errors, decode_text};
use crate::host_name::host_of;

/// A host, or all hosts below one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HostPattern {
    /// This one.
    Exact(String),
    /// All that end with this, its leading dot included.
    Below(String),
}

impl HostPattern {
    /// Does it stand for every host that `other` does?
    #[must_use]
    pub fn covers(&self, other: &HostPattern) -> bool {
        match (self, other) {
            (HostPattern::Exact(own), HostPattern::Exact(host)) => own == host,
            (HostPattern::Exact(_), HostPattern::Below(_)) => false,
            (HostPattern::Below(own), HostPattern::Exact(host)) => {
                host.len() > own.len() && host.ends_with(own.as_str())
            }
            (HostPattern::Below(own), HostPattern::Below(below)) => below.ends_with(own.as_str()),
        }
    }
}

impl Decode for HostPattern {
    fn decode(at: At<'_>, errors: &mut Errors) -> Option<Self> {
        const EXPECTED: &str = "a host such as `api.example.com` or `*.example.com`, without port";
        decode_text(at, errors, EXPECTED, |text| {
            let (name, below) = match text.strip_prefix('*') {
                Some(rest) if rest.starts_with('.') => {
                    (rest.strip_prefix('.').unwrap_or(rest), true)
                }
                _ => (text, false),
            };
            let name_chars = |b: u8| b.is_ascii_alphanumeric() || b"._-".contains(&b);
            let literal = text.starts_with('[') && text.ends_with(']');
            let good = literal || (!name.is_empty() && name.bytes().all(name_chars));
            match host_of(Some(name.as_bytes())) {
                Some(host) if good && below => Ok(HostPattern::Below(format!(".{host}"))),
                Some(host) if good => Ok(HostPattern::Exact(host)),
                _ => Err(format!("expected {EXPECTED}")),
            }
        })
    }

    fn schema() -> Schema {
        Schema::Text {
            expected: "a host such as `api.example.com` or `*.example.com`, without port",
            pattern: None,
        }
    }
}
