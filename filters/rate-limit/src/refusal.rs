//! The answers of refused requests.

use postern_core::Refusal;

use crate::allowance::Left;
use crate::digits;
use crate::standing::Standing;

/// 429 with the problem type of draft-ietf-httpapi-ratelimit-headers. The
/// fields of the dialect are added when this answer passes on its way out.
pub(crate) fn over_limit(tightest: &Standing, standings: &[Standing]) -> Refusal {
    let Left { quota, window, .. } = tightest.left;
    let again = tightest.retry_after();
    let detail = if tightest.left.is_at_once() {
        format!("the limit is {quota} requests at a time; try again in {again} seconds")
    } else {
        let window = window.unwrap_or(1);
        format!("the limit is {quota} per {window} seconds; try again in {again} seconds")
    };
    let violated = standings.iter().filter(|s| !s.left.enough);
    let violated: Vec<String> = violated.map(|s| s.policy.as_ref().to_owned()).collect();
    Refusal {
        problem_type: Some("https://iana.org/assignments/http-problem-types#quota-exceeded"),
        ..Refusal::new(429, "quota_exceeded", "Quota Exceeded", detail)
    }
    .header("retry-after", digits::of(tightest.retry_after()))
    .member("violated-policies", violated)
}

pub(crate) fn unavailable() -> Refusal {
    let detail = "the request cannot be counted at the moment";
    Refusal::new(503, "unavailable", "Service unavailable", detail).header("retry-after", "1")
}
