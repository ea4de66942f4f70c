//! Is the service asked, or left alone? All workers know it together: one number of
//! bytes in the data that they share.
//!
//! After [`FAILURES`] failures in a row it is left alone for a while, a little more
//! or less, so that many gateways do not come back at one moment. Then one request,
//! of one worker, asks again; the others go on as before until it has its answer. If
//! that does not come, the time is doubled.

use std::time::Duration;

use postern_core::{Host, StoreError, Stored};

/// So many failures in a row, and it is left alone.
pub(crate) const FAILURES: u32 = 3;

/// The time is doubled so often at most.
const DOUBLED: u32 = 4;

/// A conflict means that another worker's write succeeded.
const TRIES: usize = 64;

/// After so much more than its deadline, another request asks in the place of one
/// that never came back.
const LAPSE: Duration = Duration::from_millis(250);

/// A tick asks that late at most.
const TICK: Duration = super::RESTING;

/// See the module.
#[derive(Debug)]
pub(crate) struct Circuit {
    /// Its place in the shared data.
    key: String,
    backoff: Duration,
    deadline: Duration,
}

/// May this request ask?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Leave {
    /// Yes.
    Ask,
    /// Yes, it alone: to see whether the service is back.
    Probe,
    /// No, for so long.
    Alone(Duration),
}

/// What is shared; milliseconds since the Unix epoch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct State {
    failures: u32,
    doubled: u32,
    /// Until then it is left alone; 0: it is not.
    until: u64,
    /// Until then one request is asking; 0: none. Where it is not left alone: when it
    /// came back; 0: long ago.
    probe: u64,
}

impl Circuit {
    /// One for all who ask `of`, whatever their configuration.
    pub(crate) fn new(of: &str, backoff: Duration, deadline: Duration) -> Self {
        Circuit { key: format!("rate-limit-service-1/{of}"), backoff, deadline }
    }

    /// May a request ask now?
    pub(crate) fn leave(&self, host: &dyn Host, now: Duration) -> Leave {
        for _ in 0..TRIES {
            let (state, seen) = self.read(host);
            if state.until == 0 {
                return Leave::Ask;
            }
            let ends = state.until.max(state.probe);
            let left = Duration::from_millis(ends.saturating_sub(millis(now)));
            // More than the longest: the clock was set back, or another policy was more
            // patient.
            if !left.is_zero() && left <= self.longest() {
                return Leave::Alone(left);
            }
            let probe = millis(now.saturating_add(self.deadline).saturating_add(LAPSE));
            match host.store(&self.key, &State { probe, ..state }.to_bytes(), &seen) {
                Ok(()) => return Leave::Probe,
                Err(StoreError::Conflict) => {}
                // Nothing can be shared: the deadline bounds what it costs.
                Err(StoreError::Unavailable) => return Leave::Ask,
            }
        }
        Leave::Alone(self.backoff)
    }

    /// The request that asked, alone, has gone before the answer: whoever asks in its place
    /// does so from now on.
    pub(crate) fn taken_over(&self, host: &dyn Host, now: Duration) {
        let wait = now.saturating_add(TICK).saturating_add(self.deadline).saturating_add(LAPSE);
        self.change(host, |state| {
            (state.until != 0).then_some(State { probe: millis(wait), ..*state })
        });
    }

    /// The service has answered. Was it left alone until now?
    pub(crate) fn good(&self, host: &dyn Host, now: Duration) -> bool {
        let better = |state: &State| {
            let next = match state {
                State { until: 0, .. } if self.is_back_since_short(state, now) => {
                    State { failures: 0, ..*state }
                }
                State { until: 0, .. } => State::default(),
                State { doubled, .. } => {
                    State { failures: 0, doubled: *doubled, until: 0, probe: millis(now) }
                }
            };
            (next != *state).then_some(next)
        };
        self.change(host, better).is_some_and(|before| before.until != 0)
    }

    /// One that answers a request and falls to the many that follow is left alone for
    /// longer than before.
    fn is_back_since_short(&self, state: &State, now: Duration) -> bool {
        let since = millis(now).checked_sub(state.probe);
        state.probe != 0 && since.is_some_and(|since| since <= millis(self.longest()))
    }

    /// The longest that it is left alone.
    fn longest(&self) -> Duration {
        let whole = self.backoff.saturating_mul(1u32.checked_shl(DOUBLED).unwrap_or(1));
        let spread = whole.saturating_mul(5).checked_div(4).unwrap_or(whole);
        spread.max(self.deadline.saturating_add(LAPSE).saturating_add(TICK))
    }

    /// It has not. Is it left alone from now on, and for how long?
    pub(crate) fn bad(&self, host: &dyn Host, now: Duration, probe: bool) -> Option<Duration> {
        // Between three quarters and five quarters.
        let chance = host.random().first().copied().unwrap_or(128);
        let spread = u32::from(chance).saturating_add(384);
        let long = |doubled: u32| {
            let whole = self.backoff.saturating_mul(1u32.checked_shl(doubled).unwrap_or(1));
            whole.saturating_mul(spread).checked_div(512).unwrap_or(whole)
        };
        let doubled = |state: &State| {
            let again = probe || self.is_back_since_short(state, now);
            if again { state.doubled.saturating_add(1).min(DOUBLED) } else { 0 }
        };
        let before = self.change(host, |state| {
            // What was asked before it was left alone says nothing new.
            if state.until != 0 && !probe {
                return None;
            }
            let failures = state.failures.saturating_add(1);
            if !probe && failures < FAILURES {
                return Some(State { failures, ..*state });
            }
            let doubled = doubled(state);
            let until = millis(now.saturating_add(long(doubled)));
            Some(State { failures, doubled, until, probe: 0 })
        })?;
        let now_left = probe || before.failures.saturating_add(1) >= FAILURES;
        now_left.then(|| long(doubled(&before)))
    }

    /// For the metrics: 0, it is asked; 1, one request asks; 2, it is left alone.
    pub(crate) fn told(&self, host: &dyn Host, now: Duration) -> u64 {
        let (state, _) = self.read(host);
        match state {
            State { until: 0, .. } => 0,
            State { until, probe, .. } if until <= millis(now) || probe > millis(now) => 1,
            _ => 2,
        }
    }

    /// What was there before, if it was changed.
    fn change(&self, host: &dyn Host, change: impl Fn(&State) -> Option<State>) -> Option<State> {
        for _ in 0..TRIES {
            let (state, seen) = self.read(host);
            let next = change(&state)?;
            match host.store(&self.key, &next.to_bytes(), &seen) {
                Ok(()) => return Some(state),
                Err(StoreError::Conflict) => {}
                Err(StoreError::Unavailable) => return None,
            }
        }
        None
    }

    fn read(&self, host: &dyn Host) -> (State, Stored) {
        let seen = host.load(&self.key);
        let state = match &seen {
            Stored::Value(bytes, _) => State::from_bytes(bytes).unwrap_or_default(),
            Stored::Absent | Stored::Unavailable => State::default(),
        };
        (state, seen)
    }
}

impl State {
    fn to_bytes(self) -> Vec<u8> {
        let State { failures, doubled, until, probe } = self;
        let parts = [failures.to_le_bytes(), doubled.to_le_bytes()].concat();
        [parts.as_slice(), &until.to_le_bytes(), &probe.to_le_bytes()].concat()
    }

    fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (failures, rest) = bytes.split_first_chunk()?;
        let (doubled, rest) = rest.split_first_chunk()?;
        let (until, rest) = rest.split_first_chunk()?;
        Some(State {
            failures: u32::from_le_bytes(*failures),
            doubled: u32::from_le_bytes(*doubled),
            until: u64::from_le_bytes(*until),
            probe: u64::from_le_bytes(*rest.first_chunk()?),
        })
    }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
