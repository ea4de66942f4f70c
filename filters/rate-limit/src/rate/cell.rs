//! What one window knows of one caller, in a form that says how much is used
//! without knowing the limit.

use super::Algorithm;

/// Nanoseconds in a second.
pub(crate) const SECOND: u64 = 1_000_000_000;

/// The state of one window of one caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Cell {
    pub(crate) kind: Algorithm,
    /// When nothing is used any more, in nanoseconds since the epoch. GCRA: the
    /// theoretical arrival time. Fixed: the window's end. Sliding: the end of the
    /// window after this one.
    pub(crate) idle_at: u64,
    /// GCRA: further fractions of a nanosecond. Else: what was spent in this window.
    pub(crate) part: u32,
    /// Sliding: what was spent in the window before. GCRA: the time in which what is
    /// owed beyond the limit comes back, in units of [`GRAIN`], or a little more.
    pub(crate) before: u32,
    /// All of the limit, in what [`Cell::used_of`] counts in.
    pub(crate) scale: u32,
    /// GCRA: how much was given back, to be compared with an earlier count; it begins
    /// anywhere.
    pub(crate) given: u32,
}

impl Cell {
    /// Bytes of a cell.
    pub(crate) const SIZE: usize = 25;

    /// Is nothing used any more, so that forgetting it changes nothing?
    pub(crate) fn is_idle(&self, now: u64) -> bool {
        match self.kind {
            Algorithm::Gcra => self.idle_at < now || (self.idle_at == now && self.part == 0),
            Algorithm::FixedWindow => self.idle_at <= now || self.part == 0,
            Algorithm::SlidingWindow => self.idle_at <= now || (self.part == 0 && self.before == 0),
        }
    }

    /// What is used, in the unit of `scale`.
    fn used_of(&self, now: u64) -> u64 {
        if self.idle_at <= now {
            return 0;
        }
        match self.kind {
            Algorithm::Gcra => self.idle_at.saturating_sub(now).div_ceil(GRAIN),
            Algorithm::FixedWindow => u64::from(self.part),
            Algorithm::SlidingWindow => u64::from(self.part).saturating_add(self.before.into()),
        }
    }

    /// The used share of the limit, 0 to about 2³².
    pub(crate) fn share(&self, now: u64) -> u64 {
        let used = self.used_of(now).min(u64::from(u32::MAX));
        used.checked_shl(32).and_then(|u| u.checked_div(self.scale.into())).unwrap_or(u64::MAX)
    }

    /// One that lets through nothing that either of two would refuse, now or later.
    pub(crate) fn fuller(self, other: Cell, now: u64) -> Cell {
        if self.kind != other.kind || self.is_idle(now) || other.is_idle(now) {
            return if self.share(now) >= other.share(now) { self } else { other };
        }
        if self.scale != other.scale {
            return self.fuller_of_another_limit(other, now);
        }
        match self.kind {
            Algorithm::Gcra if (self.idle_at, self.part) >= (other.idle_at, other.part) => self,
            Algorithm::Gcra => other,
            Algorithm::FixedWindow | Algorithm::SlidingWindow => Cell {
                idle_at: self.idle_at.max(other.idle_at),
                part: self.part.max(other.part),
                before: self.before.max(other.before),
                ..self
            },
        }
    }

    /// Where claims say how much, callers of one limit have limits of their own. The
    /// larger share, of the larger limit, comes back no sooner than either.
    #[cold]
    fn fuller_of_another_limit(self, other: Cell, now: u64) -> Cell {
        let scale = self.scale.max(other.scale);
        let scaled = |used: u64, cell: Cell| {
            let wide = u128::from(used).saturating_mul(scale.into());
            u64::try_from(wide.div_ceil(cell.scale.max(1).into())).unwrap_or(u64::MAX)
        };
        let larger =
            |used: fn(&Cell) -> u64| scaled(used(&self), self).max(scaled(used(&other), other));
        let count = |used: fn(&Cell) -> u64| u32::try_from(larger(used)).unwrap_or(u32::MAX);
        match self.kind {
            Algorithm::Gcra => {
                // The fractions of a nanosecond are rounded up.
                let ahead =
                    |cell: Cell| scaled(cell.idle_at.saturating_add(1).saturating_sub(now), cell);
                let ahead = ahead(self).max(ahead(other));
                Cell { idle_at: now.saturating_add(ahead), part: 0, before: 0, scale, ..self }
            }
            Algorithm::FixedWindow | Algorithm::SlidingWindow => Cell {
                idle_at: self.idle_at.max(other.idle_at),
                part: count(|cell| cell.part.into()),
                before: count(|cell| cell.before.into()),
                scale,
                ..self
            },
        }
    }

    pub(crate) fn to_bytes(self) -> [u8; Self::SIZE] {
        let mut out = [0; Self::SIZE];
        // Whole numbers rather than byte by byte; the room for them is known.
        if let Some((tag, rest)) = out.split_first_mut()
            && let Some((idle_at, rest)) = rest.split_first_chunk_mut::<8>()
            && let Some((part, rest)) = rest.split_first_chunk_mut::<4>()
            && let Some((before, rest)) = rest.split_first_chunk_mut::<4>()
            && let Some((scale, rest)) = rest.split_first_chunk_mut::<4>()
            && let Some((given, _)) = rest.split_first_chunk_mut::<4>()
        {
            *tag = self.kind.tag();
            *idle_at = self.idle_at.to_le_bytes();
            *part = self.part.to_le_bytes();
            *before = self.before.to_le_bytes();
            *scale = self.scale.to_le_bytes();
            *given = self.given.to_le_bytes();
        }
        out
    }

    /// Reads what [`Cell::to_bytes`] wrote; `None` for anything else.
    pub(crate) fn from_bytes(bytes: &[u8; Self::SIZE]) -> Option<Self> {
        let (tag, rest) = bytes.split_first()?;
        let (idle_at, rest) = rest.split_first_chunk::<8>()?;
        let (part, rest) = rest.split_first_chunk::<4>()?;
        let (before, rest) = rest.split_first_chunk::<4>()?;
        let (scale, rest) = rest.split_first_chunk::<4>()?;
        let (given, _) = rest.split_first_chunk::<4>()?;
        Some(Cell {
            kind: Algorithm::of_tag(*tag)?,
            idle_at: u64::from_le_bytes(*idle_at),
            part: u32::from_le_bytes(*part),
            before: u32::from_le_bytes(*before),
            scale: u32::from_le_bytes(*scale),
            given: u32::from_le_bytes(*given),
        })
    }
}

/// The unit of a GCRA's share: 366 days are still 32 bits of it.
pub(crate) const GRAIN: u64 = 10_000_000;
