//! What a runner saw of one case.

use std::collections::BTreeMap;

use serde_json::Value;

/// Headers in order, names in lower case.
pub type HeaderList = Vec<(String, Vec<u8>)>;

/// What came of one request.
#[derive(Clone, Debug, Default)]
pub struct Observation {
    /// The answer.
    pub answer: Answer,
    /// The requests that reached the upstream.
    pub upstream: Vec<Seen>,
    /// Did the runner look at the upstream at all?
    pub upstream_known: bool,
    /// Per filter, its decision record.
    pub decisions: BTreeMap<String, Value>,
    /// The path that the access log prints.
    pub logged_path: Option<String>,
    /// Credentials that were sent: they must show up nowhere.
    pub secrets: Vec<String>,
    /// Everything that was logged about the request.
    pub log: String,
}

/// An answer as the client got it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Answer {
    /// The status.
    pub status: u16,
    /// Headers in order, names in lower case.
    pub headers: HeaderList,
    /// The body, transfer coding taken off.
    pub body: Vec<u8>,
    /// Was the request a `HEAD`? Then there is no body.
    pub to_head: bool,
    /// The connection ended before the message did.
    pub cut: bool,
}

impl Answer {
    /// The values of a header.
    pub fn all<'h, 'n>(&'h self, name: &'n str) -> impl Iterator<Item = &'h [u8]> + use<'h, 'n> {
        values(&self.headers, name)
    }

    /// The first value of a header as text.
    #[must_use]
    pub fn text(&self, name: &str) -> Option<&str> {
        self.all(name).next().and_then(|v| std::str::from_utf8(v).ok())
    }

    /// The body as JSON.
    #[must_use]
    pub fn json(&self) -> Option<Value> {
        serde_json::from_slice(&self.body).ok()
    }
}

/// A request as the upstream saw it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Seen {
    /// The method.
    pub method: String,
    /// The request target.
    pub path: Vec<u8>,
    /// Headers in order, names in lower case.
    pub headers: HeaderList,
}

/// The values of one header of a list.
pub fn values<'h, 'n>(
    headers: &'h HeaderList,
    name: &'n str,
) -> impl Iterator<Item = &'h [u8]> + use<'h, 'n> {
    headers.iter().filter(move |(n, _)| n == name).map(|(_, v)| v.as_slice())
}
