//! What a service's answer says of a request. Services report what is left in one of
//! two ways: a status for each descriptor, or headers for the client (draft 3 of the
//! rate-limit fields), of the tightest limit alone.

use std::time::Duration;

use postern_core::Answer;

use super::message::{Code, Limit, Response, Status};
use super::protobuf::unframe;
use crate::allowance::Left;
use crate::rate::Rate;

/// Longer answers are not read: thousands of statuses would fit.
const LONGEST: usize = 64 * 1024;

/// No client is told to wait for longer: a year, in seconds.
const LATEST: u64 = 366 * 86_400;

/// Why there is no answer, in a word for the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Failure {
    /// The deadline was over, or nobody is there.
    Unavailable,
    /// The service answered that it cannot.
    Erring,
    /// It is no answer.
    Malformed,
}

impl Failure {
    pub(crate) fn word(self) -> &'static str {
        match self {
            Failure::Unavailable => "unavailable",
            Failure::Erring => "erring",
            Failure::Malformed => "malformed",
        }
    }
}

/// Reads an answer to a question of so many descriptors.
pub(crate) fn read(answer: &Answer, descriptors: usize) -> Result<Response, Failure> {
    let Answer::Response { status, headers, body } = answer else {
        return Err(Failure::Unavailable);
    };
    // The proxy says in the same form that the service is late or not there.
    let said = headers.iter().rfind(|(name, _)| name == "grpc-status");
    match (status, said.map(|(_, code)| code.as_slice())) {
        (200, Some(b"0") | None) => {}
        (_, Some(b"4" | b"14")) | (502..=504, _) => return Err(Failure::Unavailable),
        _ => return Err(Failure::Erring),
    }
    if body.len() > LONGEST {
        return Err(Failure::Malformed);
    }
    let message = unframe(body).map_err(|_| Failure::Malformed)?;
    let mut response = Response::decode(message).map_err(|_| Failure::Malformed)?;
    if response.overall == Code::Unknown {
        return Err(Failure::Erring);
    }
    if response.statuses.len() != descriptors {
        // Which of them it means cannot be known.
        response.statuses.clear();
    }
    Ok(response)
}

/// Where a caller stands by a status, in a window that the policy has so. `None`: the
/// service has no limit for it.
pub(crate) fn by_status(status: &Status, rate: &Rate) -> Option<Left> {
    let Status { code, limit, remaining, reset } = status;
    let Limit { requests, unit } = limit.as_ref()?;
    let named = unit.map(super::message::Unit::seconds);
    // Windows that no unit stands for are told as the policy has them.
    let window = named.unwrap_or(rate.window());
    let seconds = reset.map_or(window, |milliseconds| milliseconds.div_ceil(1_000)).min(LATEST);
    let enough = *code != Code::OverLimit;
    Some(Left {
        quota: if *requests == 0 { rate.quota() } else { u64::from(*requests) },
        window: Some(window),
        remaining: u64::from(*remaining),
        more_in: seconds,
        whole_in: seconds,
        enough,
    })
}

/// Where a caller stands by headers, and what the window is called.
pub(crate) fn by_headers(response: &Response, rate: &Rate) -> Option<Left> {
    let all = |name: &str| {
        let own = response.headers.iter().filter(move |(own, _)| own == name);
        own.filter_map(|(_, value)| std::str::from_utf8(value).ok()).next()
    };
    let number = |text: &str| text.trim().parse::<u64>().ok();
    let limit = all("x-ratelimit-limit")?;
    let mut parts = limit.split(',');
    let quota = number(parts.next()?)?;
    // `10, 10;w=1;name="per-ip", 1000;w=3600`
    let window = parts.find_map(|policy| {
        let mut words = policy.split(';');
        let own = number(words.next()?)? == quota;
        let window = words.find_map(|word| number(word.trim().strip_prefix("w=")?))?;
        own.then_some(window)
    });
    let window = window.unwrap_or(rate.window());
    let seconds = all("x-ratelimit-reset").and_then(number).unwrap_or(window).min(LATEST);
    Some(Left {
        quota,
        window: Some(window),
        remaining: all("x-ratelimit-remaining").and_then(number).unwrap_or(0),
        more_in: seconds,
        whole_in: seconds,
        enough: response.overall != Code::OverLimit,
    })
}

/// Where a caller stands of whom the service says no more than that it is over.
pub(crate) fn over(rate: &Rate) -> Left {
    Left {
        quota: rate.quota(),
        window: Some(rate.window()),
        remaining: 0,
        more_in: rate.window(),
        whole_in: rate.window(),
        enough: false,
    }
}

/// Until when a caller that is over stays over; `None`: it was not said.
pub(crate) fn until(status: Option<&Status>, left: &Left, now: Duration) -> Option<Duration> {
    let for_so_long = match status {
        Some(status) => Duration::from_millis(status.reset?),
        None => Duration::from_secs(left.more_in),
    };
    now.checked_add(for_so_long)
}
