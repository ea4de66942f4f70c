//! What all workers know of a document: a small record in the shared data,
//! beside the document itself.

use std::time::Duration;

use super::config::Settings;

/// The longest entity tag that is kept, in bytes.
pub(crate) const MAX_ETAG: usize = 256;

/// The shortest time between two attempts after a failure.
const FIRST_RETRY: Duration = Duration::from_secs(1);

/// The record. Times are in milliseconds since the Unix epoch; 0: never.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct State {
    /// The published document's number; 0: there is none yet.
    pub(crate) version: u64,
    /// The random name of its body, which ends with it: another worker may have
    /// written over that.
    pub(crate) body: u64,
    /// Who fetches; 0: nobody.
    pub(crate) holder: u64,
    /// Until when that is believed.
    pub(crate) held_until: u64,
    /// When it was asked for the first time.
    pub(crate) wanted_at: u64,
    /// When it was asked for that was last fetched or confirmed.
    pub(crate) fetched_at: u64,
    /// For how long the server said that it is fresh, in milliseconds.
    pub(crate) max_age: Option<u64>,
    /// When the last attempt failed, and how many did in a row.
    pub(crate) failed_at: u64,
    pub(crate) failures: u32,
    /// When a request last caused a fetch.
    pub(crate) demanded_at: u64,
    /// By how much this Envoy is before its time: so that a fleet that started
    /// at once does not ask at once.
    pub(crate) jitter: u16,
    /// The document's entity tag; empty: it has none.
    pub(crate) etag: Vec<u8>,
}

/// The first byte of a record; changes with its shape.
const FORMAT: u8 = 2;

impl State {
    /// One in which no two members are alike.
    #[cfg(any(test, feature = "fuzz"))]
    pub(super) fn example() -> Self {
        State {
            version: 1,
            holder: 2,
            held_until: 3,
            wanted_at: 11,
            fetched_at: 4,
            max_age: Some(5),
            failed_at: 6,
            failures: 7,
            demanded_at: 8,
            jitter: 9,
            body: 10,
            etag: b"\"x\"".to_vec(),
        }
    }

    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(128);
        out.push(FORMAT);
        for number in [
            self.version,
            self.body,
            self.holder,
            self.held_until,
            self.wanted_at,
            self.fetched_at,
            self.max_age.unwrap_or(u64::MAX),
            self.failed_at,
            u64::from(self.failures),
            self.demanded_at,
            u64::from(self.jitter),
        ] {
            out.extend_from_slice(&number.to_le_bytes());
        }
        out.extend_from_slice(self.etag.get(..MAX_ETAG).unwrap_or(&self.etag));
        out
    }

    /// `None`: of another shape.
    pub(crate) fn decode(bytes: &[u8]) -> Option<Self> {
        let (format, mut rest) = bytes.split_first()?;
        let mut number = || {
            let (head, tail) = rest.split_first_chunk::<8>()?;
            rest = tail;
            Some(u64::from_le_bytes(*head))
        };
        let state = State {
            version: number()?,
            body: number()?,
            holder: number()?,
            held_until: number()?,
            wanted_at: number()?,
            fetched_at: number()?,
            max_age: Some(number()?).filter(|age| *age != u64::MAX),
            failed_at: number()?,
            failures: u32::try_from(number()?).ok()?,
            demanded_at: number()?,
            jitter: u16::try_from(number()?).ok()?,
            etag: Vec::new(),
        };
        (*format == FORMAT && rest.len() <= MAX_ETAG)
            .then(|| State { etag: rest.to_vec(), ..state })
    }

    /// Does somebody fetch? A clock that was set back ends that too.
    pub(crate) fn is_held(&self, now: u64, settings: &Settings) -> bool {
        let longest = millis(settings.lease());
        self.holder != 0 && now < self.held_until && self.held_until - now <= longest
    }

    /// When it is to be fetched, whether or not a request asks for that; 0: long
    /// ago.
    pub(crate) fn next(&self, now: u64, settings: &Settings) -> u64 {
        if self.failures > 0 {
            return self.retry_at(now, settings);
        }
        // A clock that was set back.
        if self.fetched_at > now {
            return 0;
        }
        let age = self.max_age.map_or(settings.default, Duration::from_millis);
        let age = age.clamp(settings.min, settings.max.max(settings.min));
        self.fetched_at.saturating_add(self.earlier(age))
    }

    /// When it is tried again after failures.
    fn retry_at(&self, now: u64, settings: &Settings) -> u64 {
        if self.failed_at > now {
            return 0;
        }
        let doublings = self.failures.saturating_sub(1).min(20);
        let pause = FIRST_RETRY.saturating_mul(1 << doublings).min(settings.cooldown);
        self.failed_at.saturating_add(self.earlier(pause))
    }

    /// When a request may cause a fetch.
    pub(crate) fn next_demand(&self, now: u64, settings: &Settings) -> u64 {
        let spent = self.demanded_at > 0 && self.demanded_at <= now;
        let rested =
            if spent { self.demanded_at.saturating_add(millis(settings.cooldown)) } else { now };
        if self.failures > 0 { rested.max(self.retry_at(now, settings)) } else { rested }
    }

    /// Until when the last good document serves.
    pub(crate) fn serves_until(confirmed_at: u64, settings: &Settings) -> u64 {
        confirmed_at.saturating_add(millis(settings.stale_for))
    }

    /// Up to a fifth of a time is left out.
    fn earlier(&self, time: Duration) -> u64 {
        let whole = u128::from(millis(time));
        let part = whole * u128::from(self.jitter) / (5 * u128::from(u16::MAX));
        u64::try_from(whole - part).unwrap_or(u64::MAX)
    }
}

impl Settings {
    /// How long a worker that fetches is believed to be alive: its question ends
    /// before.
    pub(crate) fn lease(&self) -> Duration {
        self.timeout.saturating_add(Duration::from_secs(2))
    }
}

pub(crate) fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

/// For how long an answer is fresh, by its `Cache-Control` (RFC 9111 §5.2.2):
/// `max-age` in seconds, nothing at all for `no-store` and `no-cache`.
pub(crate) fn max_age(headers: &[(String, Vec<u8>)]) -> Option<u64> {
    let fields = headers.iter().filter(|(name, _)| name.eq_ignore_ascii_case("cache-control"));
    let directives = fields.flat_map(|(_, value)| value.split(|b| *b == b','));
    let mut found = None;
    for directive in directives {
        let directive = directive.trim_ascii().to_ascii_lowercase();
        if matches!(directive.as_slice(), b"no-store" | b"no-cache") {
            return Some(0);
        }
        let Some(value) = directive.strip_prefix(b"max-age=") else { continue };
        let digits = value.strip_prefix(b"\"").and_then(|v| v.strip_suffix(b"\""));
        let digits = std::str::from_utf8(digits.unwrap_or(value)).unwrap_or_default();
        let good = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
        if good && found.is_none() {
            // More digits than fit mean a very long time.
            let seconds: u64 = digits.parse().unwrap_or(u64::MAX);
            // The record keeps the largest number for "nothing was said".
            found = Some(seconds.saturating_mul(1000).min(u64::MAX - 1));
        }
    }
    found
}
