//! Fields beside those that another mount of the filter, or the upstream, wrote.

use postern_core::{HeaderEdit, Headers};

use super::Dialect;
use crate::standing::Standing;

/// Fields by which a dialect is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Family {
    Ietf,
    Draft7,
    /// `X-RateLimit-Limit`: draft 3, GitHub.
    Limit,
    /// `RateLimit-Limit`, of drafts 3 to 6: none of ours.
    Draft6,
    /// `x-rate-limit-limit`.
    Twitter,
    /// `X-Ratelimit-Total`.
    Total,
}

impl Family {
    fn of(dialect: &Dialect) -> Option<Self> {
        match dialect {
            Dialect::Ietf => Some(Family::Ietf),
            Dialect::Draft7 => Some(Family::Draft7),
            Dialect::Draft3 | Dialect::Github => Some(Family::Limit),
            Dialect::Twitter => Some(Family::Twitter),
            Dialect::Legacy => Some(Family::Total),
            Dialect::None | Dialect::Custom(_) => None,
        }
    }

    fn there(headers: &Headers<'_>) -> Option<Self> {
        if let Some(value) = headers.get("ratelimit") {
            // Draft 7 begins with a key, later ones with a string.
            let old = value.first().is_some_and(u8::is_ascii_alphabetic);
            return Some(if old { Family::Draft7 } else { Family::Ietf });
        }
        [
            ("ratelimit-limit", Family::Draft6),
            ("ratelimit-policy", Family::Ietf),
            ("x-ratelimit-total", Family::Total),
            ("x-ratelimit-limit", Family::Limit),
            ("x-rate-limit-limit", Family::Twitter),
        ]
        .into_iter()
        .find_map(|(name, family)| headers.get(name).map(|_| family))
    }

    /// What is left, as the answer says so far.
    fn left(self, headers: &Headers<'_>) -> Option<u64> {
        let number = |text: &[u8]| std::str::from_utf8(text).ok()?.trim().parse().ok();
        match self {
            Family::Ietf | Family::Draft6 => None,
            Family::Draft7 => {
                let parts = headers.get("ratelimit")?.split(|b| *b == b',');
                let mut remaining =
                    parts.filter_map(|p| p.trim_ascii().strip_prefix(b"remaining="));
                number(remaining.next()?)
            }
            Family::Limit | Family::Total => number(headers.get("x-ratelimit-remaining")?),
            Family::Twitter => number(headers.get("x-rate-limit-remaining")?),
        }
    }
}

/// Our fields, so that neither they nor those that are there lie.
pub(super) fn beside(
    dialect: &Dialect,
    ours: &Standing,
    edits: Vec<HeaderEdit>,
    headers: &Headers<'_>,
) -> Vec<HeaderEdit> {
    let Some(there) = Family::there(headers) else {
        let custom = |edit: &HeaderEdit| headers.get(edit.name()).is_some();
        // A field of the operator's own that is there already is not ours to judge.
        return if edits.iter().any(custom) { Vec::new() } else { edits };
    };
    if Family::of(dialect) != Some(there) {
        return Vec::new();
    }
    if there == Family::Ietf {
        return edits.into_iter().map(|edit| joined(edit, headers)).collect();
    }
    let tighter = there.left(headers).is_none_or(|left| ours.left.remaining < left);
    if tighter { edits } else { Vec::new() }
}

/// Lists of structured fields are joined by commas (RFC 9651).
fn joined(edit: HeaderEdit, headers: &Headers<'_>) -> HeaderEdit {
    let HeaderEdit::Set(name, value) = edit else { return edit };
    let mut all: Vec<u8> = Vec::new();
    for there in headers.all(&name).filter(|there| !there.is_empty()) {
        all.extend_from_slice(there);
        all.extend_from_slice(b", ");
    }
    all.extend(value);
    HeaderEdit::Set(name, all)
}
