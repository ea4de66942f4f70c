//! The arithmetic of limits: what one request does to one caller's count. Pure
//! integers; time is nanoseconds since the Unix epoch.

use std::time::Duration;

postern_core::config! {
    /// How requests are counted.
    pub choice Algorithm {
        /// The generic cell rate algorithm: `burst` requests at once, then
        /// evenly `quota` per `window`.
        Gcra = "gcra",
        /// `quota` requests in each `window`; windows begin at multiples of
        /// their length since the Unix epoch.
        FixedWindow = "fixed_window",
    }
}

impl Algorithm {
    /// Part of a bucket's name: counts of one algorithm mean nothing to another.
    pub(crate) fn tag(self) -> u8 {
        match self {
            Algorithm::Gcra => b'g',
            Algorithm::FixedWindow => b'w',
        }
    }
}

/// Nanoseconds in a second.
const SECOND: u64 = 1_000_000_000;

/// How far the clocks of two workers may seem apart: a read of the clock may
/// be older than the state that another worker has just written.
const SKEW: u64 = SECOND;

/// How much may be spent in what time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Allowance {
    algorithm: Algorithm,
    quota: u32,
    window: u64,
    burst: u32,
}

/// The longest that a caller may have to wait for all of its burst, and the
/// longest window.
pub(crate) const LONGEST: Duration = Duration::from_secs(366 * 86_400);

impl Allowance {
    /// `window` in seconds; `burst` counts for [`Algorithm::Gcra`] alone.
    /// `None`: one of the numbers is 0, or the window, or the time in which a
    /// spent burst comes back, is longer than 366 days.
    #[must_use]
    pub fn new(algorithm: Algorithm, quota: u32, window: u64, burst: u32) -> Option<Self> {
        let window = window.checked_mul(SECOND)?;
        let longest = LONGEST.as_nanos();
        let horizon = u128::from(burst).saturating_mul(u128::from(window));
        let horizon = horizon.checked_div(u128::from(quota))?;
        let good = window > 0 && burst > 0 && horizon <= longest && u128::from(window) <= longest;
        good.then_some(Allowance { algorithm, quota, window, burst })
    }

    /// How it is counted.
    #[must_use]
    pub fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// Requests per window.
    #[must_use]
    pub fn quota(&self) -> u64 {
        u64::from(self.quota)
    }

    /// The window in seconds.
    #[must_use]
    pub fn window(&self) -> u64 {
        self.window.checked_div(SECOND).unwrap_or(0)
    }

    /// Takes one request from the bucket, if there is one left.
    pub(crate) fn spend(&self, state: Option<State>, now: u64) -> Spent {
        match self.algorithm {
            Algorithm::Gcra => self.spend_gcra(state, now),
            Algorithm::FixedWindow => self.spend_window(state, now),
        }
    }

    /// Exact: times are counted in units of 1/quota of a nanosecond, in which
    /// a request costs `window` units and nothing is rounded.
    fn spend_gcra(&self, state: Option<State>, now: u64) -> Spent {
        let unit = u128::from(self.quota);
        let cost = u128::from(self.window);
        let horizon = cost.saturating_mul(u128::from(self.burst));
        let at = u128::from(now).saturating_mul(unit);
        let limit = at.saturating_add(horizon);
        let mut full_at = state.map_or(0, |s| s.full_at(self.quota)).max(at);
        let mut changed = false;
        // Only a clock that was set back, or a limit that was made smaller,
        // puts it there: nothing is left, but it comes back from now on.
        if full_at > limit.saturating_add(u128::from(SKEW).saturating_mul(unit)) {
            full_at = limit;
            changed = true;
        }
        let spent = full_at.saturating_add(cost);
        let admitted = spent <= limit;
        if admitted {
            full_at = spent;
            changed = true;
        }
        let left = limit.saturating_sub(full_at);
        let remaining = left.checked_div(cost).unwrap_or(0);
        let next = remaining.saturating_add(1).saturating_mul(cost);
        let wait = full_at.saturating_add(next).saturating_sub(limit);
        Spent {
            state: State::gcra(full_at, self),
            changed,
            admitted,
            remaining: u64::try_from(remaining).unwrap_or(u64::MAX),
            more_in: seconds(wait.div_ceil(unit.max(1))),
        }
    }

    fn spend_window(&self, state: Option<State>, now: u64) -> Spent {
        let into = now.checked_rem(self.window).unwrap_or(0);
        let ends = now.saturating_sub(into).saturating_add(self.window);
        let mut changed = false;
        let (ends, count) = match state {
            Some(s) if s.full_at == ends => (ends, s.part),
            // Another worker is past the window's edge already.
            Some(s) if s.full_at == ends.saturating_add(self.window) => (s.full_at, s.part),
            // A clock that was set back, or another window than before.
            Some(s) if s.full_at > now => {
                changed = true;
                (ends, s.part)
            }
            Some(_) | None => (ends, 0),
        };
        let admitted = count < self.quota;
        let count = if admitted { count.saturating_add(1) } else { count };
        Spent {
            state: State::window(ends, count, self),
            changed: changed || admitted,
            admitted,
            remaining: u64::from(self.quota.saturating_sub(count)),
            more_in: seconds(u128::from(ends.saturating_sub(now))),
        }
    }
}

/// Whole seconds, rounded up.
fn seconds(nanoseconds: u128) -> u64 {
    u64::try_from(nanoseconds.div_ceil(u128::from(SECOND))).unwrap_or(u64::MAX)
}

/// What a request came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Spent {
    /// The count afterwards.
    pub(crate) state: State,
    /// Does it have to be written?
    pub(crate) changed: bool,
    /// May the request pass?
    pub(crate) admitted: bool,
    /// Requests that would pass now.
    pub(crate) remaining: u64,
    /// Seconds until there is more, rounded up.
    pub(crate) more_in: u64,
}

/// One caller's count, in a form that tells how much of the limit is used
/// without knowing the limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct State {
    kind: Algorithm,
    /// When nothing is used any more, in nanoseconds since the epoch: the
    /// theoretical arrival time, or the window's end.
    full_at: u64,
    /// GCRA: further quota-ths of a nanosecond. Window: requests in it.
    part: u32,
    /// What `full_at` minus now (in milliseconds), or `part`, is at most.
    scale: u32,
}

impl State {
    /// Bytes of a state.
    pub(crate) const SIZE: usize = 17;

    fn gcra(full_at: u128, allowance: &Allowance) -> Self {
        let unit = u128::from(allowance.quota);
        let whole = full_at.checked_div(unit).unwrap_or(0);
        let part = full_at.checked_rem(unit).unwrap_or(0);
        let horizon = u128::from(allowance.window)
            .saturating_mul(u128::from(allowance.burst))
            .checked_div(unit.saturating_mul(1_000_000))
            .unwrap_or(0);
        State {
            kind: Algorithm::Gcra,
            full_at: u64::try_from(whole).unwrap_or(u64::MAX),
            part: u32::try_from(part).unwrap_or(u32::MAX),
            scale: u32::try_from(horizon).unwrap_or(u32::MAX).max(1),
        }
    }

    fn window(ends: u64, count: u32, allowance: &Allowance) -> Self {
        State { kind: Algorithm::FixedWindow, full_at: ends, part: count, scale: allowance.quota }
    }

    /// In units of 1/quota of a nanosecond. A part that was counted under a
    /// larger quota is rounded up to the nanosecond.
    fn full_at(&self, quota: u32) -> u128 {
        let unit = u128::from(quota);
        u128::from(self.full_at)
            .saturating_mul(unit)
            .saturating_add(u128::from(self.part).min(unit))
    }

    /// Is nothing used any more, so that forgetting it changes nothing?
    pub(crate) fn is_idle(&self, now: u64) -> bool {
        match self.kind {
            Algorithm::Gcra => self.full_at < now || (self.full_at == now && self.part == 0),
            Algorithm::FixedWindow => self.full_at <= now || self.part == 0,
        }
    }

    /// The used share of the limit, 0 to about 2³².
    pub(crate) fn used(&self, now: u64) -> u64 {
        let used = match self.kind {
            Algorithm::Gcra => self.full_at.saturating_sub(now).div_ceil(1_000_000),
            Algorithm::FixedWindow if self.full_at <= now => 0,
            Algorithm::FixedWindow => u64::from(self.part),
        };
        let share = u128::from(used).checked_shl(32).unwrap_or(0);
        let share = share.checked_div(u128::from(self.scale)).unwrap_or(0);
        u64::try_from(share).unwrap_or(u64::MAX)
    }

    pub(crate) fn to_bytes(self) -> [u8; Self::SIZE] {
        let mut out = [0; Self::SIZE];
        let parts = [self.kind.tag()]
            .into_iter()
            .chain(self.full_at.to_le_bytes())
            .chain(self.part.to_le_bytes())
            .chain(self.scale.to_le_bytes());
        for (to, from) in out.iter_mut().zip(parts) {
            *to = from;
        }
        out
    }

    /// Reads what [`State::to_bytes`] wrote; `None` for anything else.
    pub(crate) fn from_bytes(bytes: &[u8; Self::SIZE]) -> Option<Self> {
        let (tag, rest) = bytes.split_first()?;
        let (full_at, rest) = rest.split_first_chunk::<8>()?;
        let (part, rest) = rest.split_first_chunk::<4>()?;
        let (scale, _) = rest.split_first_chunk::<4>()?;
        let kind = match tag {
            b'g' => Algorithm::Gcra,
            b'w' => Algorithm::FixedWindow,
            _ => return None,
        };
        Some(State {
            kind,
            full_at: u64::from_le_bytes(*full_at),
            part: u32::from_le_bytes(*part),
            scale: u32::from_le_bytes(*scale),
        })
    }
}
