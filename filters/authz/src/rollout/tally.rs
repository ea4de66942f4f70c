//! What the valve counts.

use postern_core::sketch::Sketch;

/// Requests that the current policy allows, and those of them that the candidate
/// would refuse, unintended; and the callers of both.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    pub(crate) requests: u32,
    pub(crate) refused: u32,
    pub(crate) callers: Sketch,
    pub(crate) refused_callers: Sketch,
}

impl Tally {
    /// Bytes of an encoded one.
    pub(crate) const SIZE: usize = 8 + 2 * Sketch::SIZE;

    fn add(&mut self, caller: u64, refused: bool) {
        self.requests = self.requests.saturating_add(1);
        self.callers.add(caller);
        if refused {
            self.refused = self.refused.saturating_add(1);
            self.refused_callers.add(caller);
        }
    }

    fn merge(&mut self, other: &Tally) {
        self.requests = self.requests.saturating_add(other.requests);
        self.refused = self.refused.saturating_add(other.refused);
        self.callers.merge(&other.callers);
        self.refused_callers.merge(&other.refused_callers);
    }

    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.requests.to_le_bytes());
        out.extend_from_slice(&self.refused.to_le_bytes());
        out.extend_from_slice(self.callers.as_bytes());
        out.extend_from_slice(self.refused_callers.as_bytes());
    }

    /// `None`: this is no tally.
    pub(crate) fn decode(bytes: &[u8; Tally::SIZE]) -> Option<Self> {
        let (requests, rest) = bytes.split_first_chunk::<4>()?;
        let (refused, rest) = rest.split_first_chunk::<4>()?;
        let (callers, refused_callers) = rest.split_at_checked(Sketch::SIZE)?;
        Some(Tally {
            requests: u32::from_le_bytes(*requests),
            refused: u32::from_le_bytes(*refused),
            callers: Sketch::from_bytes(callers)?,
            refused_callers: Sketch::from_bytes(refused_callers)?,
        })
    }
}

/// Callers are counted apart by whether it is known who they are: anybody can
/// send many public requests, and they must not hide what becomes of those that
/// are known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    Anonymous = 0,
    Identified = 1,
}

/// A tally of each kind of callers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tallies {
    anonymous: Tally,
    identified: Tally,
}

impl Tallies {
    pub(crate) fn add(&mut self, kind: Kind, caller: u64, refused: bool) {
        self.get_mut(kind).add(caller, refused);
    }

    pub(crate) fn merge(&mut self, other: &Tallies) {
        for (kind, tally) in other.iter() {
            self.get_mut(kind).merge(tally);
        }
    }

    pub(crate) fn get_mut(&mut self, kind: Kind) -> &mut Tally {
        match kind {
            Kind::Anonymous => &mut self.anonymous,
            Kind::Identified => &mut self.identified,
        }
    }

    /// Those that hold something.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (Kind, &Tally)> {
        [(Kind::Anonymous, &self.anonymous), (Kind::Identified, &self.identified)]
            .into_iter()
            .filter(|(_, tally)| tally.requests > 0)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.iter().next().is_none()
    }
}
