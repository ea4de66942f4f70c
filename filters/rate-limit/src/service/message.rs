//! The messages of `envoy.service.ratelimit.v3`, as far as they are asked and read:
//! `RateLimitRequest` and `RateLimitResponse`.

use super::protobuf::{Malformed, Value, fields, push_bytes, push_number};

/// The method that is called.
pub(crate) const METHOD: &str = "/envoy.service.ratelimit.v3.RateLimitService/ShouldRateLimit";

/// So many descriptors are told of at most, and so many headers are read.
const MOST: usize = 128;

/// What is asked: may this pass, and count it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Request {
    pub(crate) domain: String,
    /// In the order in which the answer's statuses stand.
    pub(crate) descriptors: Vec<Descriptor>,
}

/// One count: whose and what of, and how much is to be added to it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Descriptor {
    pub(crate) entries: Vec<(String, String)>,
    /// What the limit is, for services that take it from the question.
    pub(crate) limit: Option<(u32, Unit)>,
    /// Not 0.
    pub(crate) hits: u32,
}

/// A service's windows, as they are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unit {
    Second,
    Minute,
    Hour,
    Day,
    Week,
    Month,
    Year,
}

/// Number and length in seconds.
const UNITS: [(Unit, u32, u64); 7] = [
    (Unit::Second, 1, 1),
    (Unit::Minute, 2, 60),
    (Unit::Hour, 3, 3_600),
    (Unit::Day, 4, 86_400),
    (Unit::Month, 5, 30 * 86_400),
    (Unit::Year, 6, 365 * 86_400),
    (Unit::Week, 7, 7 * 86_400),
];

impl Unit {
    /// The unit that is so many seconds long, if a question can name it: weeks stand in
    /// answers alone.
    pub(crate) fn of_seconds(seconds: u64) -> Option<Self> {
        let own = UNITS.iter().find(|(.., own)| *own == seconds).map(|(unit, ..)| *unit);
        own.filter(|unit| *unit != Unit::Week)
    }

    pub(crate) fn seconds(self) -> u64 {
        UNITS.iter().find(|(unit, ..)| *unit == self).map_or(1, |(.., seconds)| *seconds)
    }

    fn number(self) -> u32 {
        UNITS.iter().find(|(unit, ..)| *unit == self).map_or(0, |(_, number, _)| *number)
    }

    fn of_number(number: u32) -> Option<Self> {
        UNITS.iter().find(|(_, own, _)| *own == number).map(|(unit, ..)| *unit)
    }
}

impl Request {
    /// `RateLimitRequest`. Costs that differ stand in each descriptor; the one of the
    /// whole request, which older services read alone, is the highest.
    pub(crate) fn encode(&self) -> Vec<u8> {
        let most = self.descriptors.iter().map(|d| d.hits).max().unwrap_or(0);
        let differ = self.descriptors.iter().any(|d| d.hits != most);
        let mut out = Vec::new();
        push_bytes(&mut out, 1, self.domain.as_bytes());
        for descriptor in &self.descriptors {
            push_bytes(&mut out, 2, &descriptor.encode(differ));
        }
        push_number(&mut out, 3, most.into());
        out
    }
}

impl Descriptor {
    fn encode(&self, with_hits: bool) -> Vec<u8> {
        let mut out = Vec::new();
        for (key, value) in &self.entries {
            let mut entry = Vec::new();
            push_bytes(&mut entry, 1, key.as_bytes());
            push_bytes(&mut entry, 2, value.as_bytes());
            push_bytes(&mut out, 1, &entry);
        }
        if let Some((requests, unit)) = self.limit {
            let mut limit = Vec::new();
            push_number(&mut limit, 1, requests.into());
            push_number(&mut limit, 2, unit.number().into());
            push_bytes(&mut out, 2, &limit);
        }
        if with_hits {
            // `google.protobuf.UInt64Value`.
            let mut hits = Vec::new();
            push_number(&mut hits, 1, self.hits.into());
            push_bytes(&mut out, 3, &hits);
        }
        out
    }
}

/// What was answered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Code {
    /// None, or one that nobody knows: no answer.
    #[default]
    Unknown,
    Ok,
    OverLimit,
}

impl Code {
    fn of(value: Value<'_>) -> Option<Self> {
        Some(match value.number()? {
            1 => Code::Ok,
            2 => Code::OverLimit,
            _ => Code::Unknown,
        })
    }
}

/// `RateLimitResponse`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Response {
    pub(crate) overall: Code,
    /// One for each descriptor, or none.
    pub(crate) statuses: Vec<Status>,
    /// Names in lower case.
    pub(crate) headers: Vec<(String, Vec<u8>)>,
}

/// `DescriptorStatus`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Status {
    pub(crate) code: Code,
    /// `None`: the service has no limit for this.
    pub(crate) limit: Option<Limit>,
    pub(crate) remaining: u32,
    /// Milliseconds until all is back, rounded up.
    pub(crate) reset: Option<u64>,
}

/// `RateLimitResponse.RateLimit`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Limit {
    pub(crate) requests: u32,
    /// `None`: none that is known.
    pub(crate) unit: Option<Unit>,
}

impl Response {
    pub(crate) fn decode(message: &[u8]) -> Result<Self, Malformed> {
        let mut response = Response::default();
        for field in fields(message) {
            match field? {
                (1, value) => response.overall = Code::of(value).unwrap_or(response.overall),
                (2, Value::Bytes(status)) => {
                    response.statuses.push(Status::decode(status)?);
                }
                (3, Value::Bytes(header)) => response.headers.extend(self::header(header)?),
                _ => {}
            }
            if response.statuses.len() > MOST || response.headers.len() > MOST {
                return Err(Malformed);
            }
        }
        Ok(response)
    }
}

impl Status {
    fn decode(message: &[u8]) -> Result<Self, Malformed> {
        let mut status = Status::default();
        for field in fields(message) {
            match field? {
                (1, value) => status.code = Code::of(value).unwrap_or(status.code),
                // Of a message that stands there twice the parts are put together.
                (2, Value::Bytes(limit)) => {
                    status.limit = Some(status.limit.unwrap_or_default().merge(limit)?);
                }
                (3, value) => status.remaining = value.number().unwrap_or(status.remaining),
                (4, Value::Bytes(duration)) => status.reset = Some(milliseconds(duration)?),
                _ => {}
            }
        }
        Ok(status)
    }
}

impl Limit {
    fn merge(mut self, message: &[u8]) -> Result<Self, Malformed> {
        for field in fields(message) {
            match field? {
                (1, value) => self.requests = value.number().unwrap_or(self.requests),
                (2, value) => self.unit = value.number().map_or(self.unit, Unit::of_number),
                _ => {}
            }
        }
        Ok(self)
    }
}

/// `google.protobuf.Duration`; one before now is none.
fn milliseconds(message: &[u8]) -> Result<u64, Malformed> {
    let (mut seconds, mut nanoseconds) = (0i64, 0i32);
    for field in fields(message) {
        match field? {
            // Two's complement in 64 bits.
            (1, Value::Varint(number)) => seconds = number.cast_signed(),
            (2, value) => nanoseconds = value.number().map_or(nanoseconds, u32::cast_signed),
            _ => {}
        }
    }
    let seconds = u64::try_from(seconds).unwrap_or(0).saturating_mul(1_000);
    let rest = u64::try_from(nanoseconds).unwrap_or(0).div_ceil(1_000_000);
    Ok(seconds.saturating_add(rest))
}

/// `envoy.config.core.v3.HeaderValue`: its value is text or, since it may be no UTF-8,
/// bytes.
fn header(message: &[u8]) -> Result<Option<(String, Vec<u8>)>, Malformed> {
    let (mut name, mut value): (&[u8], &[u8]) = (&[], &[]);
    for field in fields(message) {
        match field? {
            (1, Value::Bytes(key)) => name = key,
            (2 | 3, Value::Bytes(text)) if !text.is_empty() => value = text,
            _ => {}
        }
    }
    let name = std::str::from_utf8(name).ok().map(str::to_ascii_lowercase);
    Ok(name.map(|name| (name, value.to_vec())))
}
