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
    /// The proxy had more questions under way than its cluster takes: that says nothing of
    /// the service.
    Overflow,
    /// The service answered that it cannot.
    Erring,
    /// It is no answer.
    Malformed,
}

impl Failure {
    pub(crate) fn word(self) -> &'static str {
        match self {
            Failure::Unavailable => "unavailable",
            Failure::Overflow => "overflow",
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
    if headers.iter().any(|(name, _)| name == "x-envoy-overloaded") {
        return Err(Failure::Overflow);
    }
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

/// Where a caller stands, and when that is over, if that was said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Reported {
    pub(crate) left: Left,
    pub(crate) reset: Option<Duration>,
}

/// No client is told of a larger number: it has to be one of a structured field.
const LARGEST: u64 = 999_999_999_999_999;

/// Where a caller stands by a status, in a window that the policy has so. `None`: the
/// service has no limit for it.
pub(crate) fn by_status(status: &Status, rate: &Rate, now: Duration) -> Option<Reported> {
    let Status { code, limit, remaining, reset } = status;
    let Limit { requests, unit } = limit.as_ref()?;
    let named = unit.map(super::message::Unit::seconds);
    // Windows that no unit stands for are told as the policy has them.
    let window = named.unwrap_or(rate.window());
    let seconds = reset.map_or(window, |milliseconds| milliseconds.div_ceil(1_000)).min(LATEST);
    let quota = if *requests == 0 { rate.quota() } else { u64::from(*requests) };
    let (remaining, enough) = (u64::from(*remaining).min(quota), *code != Code::OverLimit);
    let left = of(quota, window, remaining, enough).in_seconds(seconds, now);
    Some(Reported { left, reset: reset.map(Duration::from_millis) })
}

/// What headers say of the tightest of all limits.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Said {
    quota: u64,
    /// In seconds, as the two below.
    window: Option<u64>,
    remaining: u64,
    reset: Option<u64>,
    over: bool,
}

/// Reads the headers of an answer. `None`: there are none that can be read.
pub(crate) fn by_headers(response: &Response) -> Option<Said> {
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
    let remaining = all("x-ratelimit-remaining").and_then(number).unwrap_or(0);
    let reset = all("x-ratelimit-reset").and_then(number);
    let over = response.overall == Code::OverLimit;
    Some(Said { quota, window, remaining, reset, over })
}

impl Said {
    /// Which of these windows is meant? `None`: that cannot be known.
    pub(crate) fn which(&self, rates: &[&Rate]) -> Option<usize> {
        if rates.len() == 1 {
            return Some(0);
        }
        let long = |rate: &Rate| self.window.is_none_or(|window| window == rate.window());
        let alike = |rate: &Rate| long(rate) && rate.quota() == self.quota;
        let only = |fits: &dyn Fn(&Rate) -> bool| {
            let mut all = rates.iter().enumerate().filter(|(_, rate)| fits(rate));
            all.next().filter(|_| all.next().is_none()).map(|(at, _)| at)
        };
        only(&alike).or_else(|| only(&long))
    }

    /// Of this window.
    pub(crate) fn reported(&self, rate: &Rate, now: Duration) -> Reported {
        let window = self.window.unwrap_or(rate.window()).min(LATEST);
        let seconds = self.reset.unwrap_or(window).min(LATEST);
        let quota = self.quota.min(LARGEST);
        let left = of(quota, window, self.remaining.min(quota), !self.over);
        let left = left.in_seconds(seconds, now);
        Reported { left, reset: self.reset.map(|_| Duration::from_secs(seconds)) }
    }
}

/// Where a caller stands of whom the service says no more than that it is over.
pub(crate) fn over(rate: &Rate, now: Duration) -> Reported {
    let left = of(rate.quota(), rate.window(), 0, false).in_seconds(rate.window(), now);
    Reported { left, reset: None }
}

fn of(quota: u64, window: u64, remaining: u64, enough: bool) -> Left {
    Left { quota, window: Some(window), remaining, more_ns: 0, whole_ns: 0, at_ns: 0, enough }
}
