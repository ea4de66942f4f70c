//! How clients are told what is left.

use postern_core::{HeaderEdit, Response};

postern_core::config! {
    /// How clients are told what is left. `Retry-After` on 429 comes with each.
    pub choice Dialect {
        /// `RateLimit-Policy` and `RateLimit` (draft-ietf-httpapi-ratelimit-headers-11).
        Ietf = "ietf",
        /// `X-Ratelimit-Total` and `X-Ratelimit-Remaining`, without a reset, and
        /// neither on 401 and 403: what the old gateway sent.
        Legacy = "legacy",
        /// Nothing.
        None = "none",
    }
}

/// Where a caller stands after its request was counted or refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Standing {
    /// The limit's id: letters, digits, `.`, `_` and `-`, so it needs no
    /// escape in a structured field's string.
    pub(crate) policy: String,
    /// Requests per window.
    pub(crate) quota: u64,
    /// Seconds.
    pub(crate) window: u64,
    /// Requests that would pass now.
    pub(crate) remaining: u64,
    /// Seconds until there is more, rounded up.
    pub(crate) more_in: u64,
}

impl Standing {
    /// Seconds, at least 1 and never before there is more.
    pub(crate) fn retry_after(&self) -> u64 {
        self.more_in.max(1)
    }
}

impl Dialect {
    /// The fields that say so on an answer.
    pub(crate) fn fields(self, standing: &Standing, response: &Response<'_>) -> Vec<HeaderEdit> {
        let Standing { policy, quota, window, remaining, more_in } = standing;
        match self {
            Dialect::Ietf => vec![
                HeaderEdit::set("ratelimit-policy", format!("\"{policy}\";q={quota};w={window}")),
                HeaderEdit::set("ratelimit", format!("\"{policy}\";r={remaining};t={more_in}")),
            ],
            Dialect::Legacy if matches!(response.status(), Some(401 | 403)) => Vec::new(),
            Dialect::Legacy => vec![
                HeaderEdit::set("x-ratelimit-total", quota.to_string()),
                HeaderEdit::set("x-ratelimit-remaining", remaining.to_string()),
            ],
            Dialect::None => Vec::new(),
        }
    }
}
