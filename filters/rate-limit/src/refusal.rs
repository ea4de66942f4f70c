//! The answers of refused requests.

use postern_core::Refusal;

use crate::digits;
use crate::standing::Standing;

/// 429 with the problem type of draft-ietf-httpapi-ratelimit-headers. The
/// fields of the dialect are added when this answer passes on its way out.
pub(crate) fn over_limit(tightest: &Standing, standings: &[Standing]) -> Refusal {
    let detail = format!(
        "the limit is {} per {} seconds; try again in {} seconds",
        tightest.left.quota,
        tightest.left.window.unwrap_or(1),
        tightest.retry_after()
    );
    let violated = standings.iter().filter(|s| !s.left.enough);
    let violated: Vec<String> = violated.map(|s| s.policy.as_ref().to_owned()).collect();
    Refusal {
        problem_type: Some("https://iana.org/assignments/http-problem-types#quota-exceeded"),
        ..Refusal::new(429, "quota_exceeded", "Quota exceeded", detail)
    }
    .header("retry-after", digits::of(tightest.retry_after()))
    .member("violated-policies", violated)
}

pub(crate) fn unavailable() -> Refusal {
    let detail = "the request cannot be counted at the moment";
    Refusal::new(503, "unavailable", "Service unavailable", detail).header("retry-after", "1")
}
