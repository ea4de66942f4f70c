//! What an allow rule wants done with the requests that it lets pass.

use std::collections::BTreeMap;

use postern_core::HeaderEdit;
use postern_core::config::schema::Schema;
use postern_core::config::{At, Decode, Errors, Text};
use postern_core::grammar;
use serde_json::{Map, Value as Json};

/// How many of each kind.
const MAX: usize = 8;

postern_core::config! {
    /// What follows when this rule decides. Of a request that several rules
    /// allow, the first one decides.
    struct ObligationsConfig {
        /// Headers that the upstream gets, in place of any that the client sent.
        request_headers: HeaderLines = HeaderLines::default(),
        /// Headers that the client gets, in place of any that the upstream sent.
        response_headers: HeaderLines = HeaderLines::default(),
        /// What the decision record has as its member `tags`.
        tags: Tags = Tags::default(),
    }
}

/// What follows from an allow rule; not empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Obligations {
    /// Edits of the request.
    pub request: Vec<HeaderEdit>,
    /// Edits of the response.
    pub response: Vec<HeaderEdit>,
    /// For the log; empty: none.
    pub tags: Map<String, Json>,
}

impl Decode for Obligations {
    fn decode(at: At<'_>, errors: &mut Errors) -> Option<Self> {
        let before = errors.problems().len();
        let ObligationsConfig { request_headers, response_headers, tags } =
            ObligationsConfig::decode(at, errors)?;
        let (request, response, tags) = (request_headers.0, response_headers.0, tags.0);
        let none = request.is_empty() && response.is_empty() && tags.is_empty();
        if none && errors.problems().len() == before {
            at.error(errors, "expected at least one obligation");
        }
        Some(Obligations { request, response, tags })
    }

    fn schema() -> Schema {
        ObligationsConfig::schema()
    }
}

/// Headers with their values.
#[derive(Clone, Debug, Default)]
struct HeaderLines(Vec<HeaderEdit>);

/// What is not for a policy to write: what frames a message or says where it
/// goes, and what the gateway itself says.
pub(crate) fn is_reserved(name: &str) -> bool {
    const NAMES: [&str; 11] = [
        "host",
        "connection",
        "content-length",
        "content-encoding",
        "transfer-encoding",
        "te",
        "trailer",
        "upgrade",
        "keep-alive",
        "proxy-connection",
        "x-request-id",
    ];
    NAMES.contains(&name) || name.starts_with("x-postern-") || name.starts_with("x-envoy-")
}

impl Decode for HeaderLines {
    fn decode(at: At<'_>, errors: &mut Errors) -> Option<Self> {
        let lines = BTreeMap::<String, Text>::decode(at, errors)?;
        let mut edits = Vec::with_capacity(lines.len());
        for (name, value) in &lines {
            let lower = name.to_ascii_lowercase();
            let node = at.node().get(name).unwrap_or(at.node());
            let place = at.key(name, node);
            if !grammar::is_header_name(&lower) {
                place.error(errors, "expected a header name (RFC 9110 token)");
            } else if edits.iter().any(|edit: &HeaderEdit| edit.name() == lower) {
                place.error(errors, "this header is there already, in another case");
            } else if is_reserved(&lower) {
                place.error(errors, "expected a header that a policy may write");
            } else if !value.as_str().is_ascii()
                || !grammar::is_header_value(value.as_str().as_bytes())
            {
                place.error(errors, "expected printable ASCII without blanks at its ends");
            } else {
                edits.push(HeaderEdit::set(lower, value.as_str()));
            }
        }
        if lines.len() > MAX {
            at.error(errors, format!("expected at most {MAX} headers"));
        }
        Some(HeaderLines(edits))
    }

    fn schema() -> Schema {
        Schema::Map(Box::new(Text::schema()))
    }
}

/// Texts by name.
#[derive(Clone, Debug, Default)]
struct Tags(Map<String, Json>);

impl Decode for Tags {
    fn decode(at: At<'_>, errors: &mut Errors) -> Option<Self> {
        let tags = BTreeMap::<String, Text>::decode(at, errors)?;
        if tags.len() > MAX {
            at.error(errors, format!("expected at most {MAX} tags"));
        }
        Some(Tags(tags.into_iter().map(|(k, v)| (k, v.as_str().into())).collect()))
    }

    fn schema() -> Schema {
        Schema::Map(Box::new(Text::schema()))
    }
}
