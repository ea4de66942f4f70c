//! One slot of the table that all workers share.

use super::shared::Fingerprint;
use crate::reason::Reason;

/// Entries in a slot.
pub(super) const WAYS: usize = 8;

/// The longest token's essentials, in bytes. Longer ones each worker asks for.
pub(super) const MAX_TEXT: usize = 2_048;

/// What is noted of a token. Times are milliseconds since the Unix epoch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Entry {
    /// It is good until `fresh`, and until `keep` while nobody can be asked.
    Good { fresh: u64, keep: u64, essentials: Vec<u8> },
    /// It is not good.
    Bad { until: u64, reason: Reason },
    /// The service did not answer: it is not asked about this token until then.
    Failed { until: u64 },
    /// A worker asks; if it dies, the claim lapses.
    Claim { until: u64 },
}

impl Entry {
    /// Does it answer whoever comes now?
    pub(super) fn is_fresh(&self, now: u64) -> bool {
        match self {
            Entry::Good { fresh: until, .. }
            | Entry::Bad { until, .. }
            | Entry::Failed { until }
            | Entry::Claim { until } => now < *until,
        }
    }

    /// When there is nothing left of it.
    fn end(&self) -> u64 {
        match self {
            Entry::Good { keep: until, .. }
            | Entry::Bad { until, .. }
            | Entry::Failed { until }
            | Entry::Claim { until } => *until,
        }
    }
}

/// What stands in a slot of one token.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Seen {
    /// What the service said last; good or bad.
    pub(super) said: Option<Entry>,
    /// Until when it is not asked again, since it did not answer.
    pub(super) failed: Option<u64>,
    /// Until when a worker asks.
    pub(super) claimed: Option<u64>,
}

impl Seen {
    /// Is there something to tell whoever comes now?
    pub(super) fn answers(&self, now: u64) -> bool {
        self.failed.is_some() || self.said.as_ref().is_some_and(|entry| entry.is_fresh(now))
    }
}

/// The entries of a slot. A token has up to three: an answer, which may be an
/// old one, a failure, and a claim.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Slot(Vec<(Fingerprint, Entry)>);

impl Slot {
    /// What stands there of a token.
    pub(super) fn seen(&self, token: &Fingerprint) -> Seen {
        let mut seen = Seen::default();
        for (_, entry) in self.0.iter().filter(|(t, _)| t == token) {
            match entry {
                Entry::Good { .. } | Entry::Bad { .. } => seen.said = Some(entry.clone()),
                Entry::Failed { until } => seen.failed = Some(*until),
                Entry::Claim { until } => seen.claimed = Some(*until),
            }
        }
        seen
    }

    /// Notes something of a token. A claim or a failure leaves the last good
    /// answer there, in case it has to serve on.
    pub(super) fn put(&mut self, token: Fingerprint, entry: Entry) {
        let passing = matches!(entry, Entry::Claim { .. } | Entry::Failed { .. });
        self.0.retain(|(t, e)| *t != token || passing && matches!(e, Entry::Good { .. }));
        if self.0.len() >= WAYS && !self.make_room(matches!(entry, Entry::Good { .. })) {
            return;
        }
        self.0.push((token, entry));
    }

    /// Ends what is no good answer.
    pub(super) fn forget(&mut self, token: &Fingerprint) {
        self.0.retain(|(t, e)| t != token || matches!(e, Entry::Good { .. }));
    }

    /// Bad answers and claims make room first; for anything but a good answer
    /// no good one does. So a flood of bad tokens pushes out its own kind.
    fn make_room(&mut self, for_good: bool) -> bool {
        let rank = |entry: &Entry| match entry {
            Entry::Failed { .. } => 0,
            Entry::Bad { .. } => 1,
            Entry::Claim { .. } => 2,
            Entry::Good { .. } => 3,
        };
        let places = self.0.iter().enumerate().map(|(i, (_, e))| (rank(e), e.end(), i));
        match places.min() {
            Some((rank, _, place)) if rank < 3 || for_good => {
                self.0.remove(place);
                true
            }
            _ => false,
        }
    }

    pub(super) fn encode(&self) -> Vec<u8> {
        let mut out = Vec::new();
        for (token, entry) in &self.0 {
            let (kind, first, second, text): (u8, u64, u64, &[u8]) = match entry {
                Entry::Good { fresh, keep, essentials } => (0, *fresh, *keep, essentials),
                Entry::Bad { until, reason } => (1, *until, 0, reason.code().as_bytes()),
                Entry::Failed { until } => (2, *until, 0, b""),
                Entry::Claim { until } => (3, *until, 0, b""),
            };
            let Ok(length) = u16::try_from(text.len()) else { continue };
            out.push(kind);
            out.extend_from_slice(token);
            out.extend_from_slice(&first.to_le_bytes());
            out.extend_from_slice(&second.to_le_bytes());
            out.extend_from_slice(&length.to_le_bytes());
            out.extend_from_slice(text);
        }
        out
    }

    /// Leaves out what it did not write, and what is over.
    pub(super) fn decode(bytes: &[u8], now: u64) -> Self {
        let mut slot = Slot::default();
        let mut rest = bytes;
        while let Some((token, entry, next)) = decode_one(rest) {
            rest = next;
            if let Some(entry) = entry.filter(|entry| now < entry.end()) {
                slot.0.push((token, entry));
            }
        }
        slot
    }
}

fn decode_one(bytes: &[u8]) -> Option<(Fingerprint, Option<Entry>, &[u8])> {
    let (kind, rest) = bytes.split_first()?;
    let (token, rest) = rest.split_first_chunk::<32>()?;
    let (first, rest) = rest.split_first_chunk::<8>()?;
    let (second, rest) = rest.split_first_chunk::<8>()?;
    let (length, rest) = rest.split_first_chunk::<2>()?;
    let (text, rest) = rest.split_at_checked(usize::from(u16::from_le_bytes(*length)))?;
    let (first, second) = (u64::from_le_bytes(*first), u64::from_le_bytes(*second));
    let entry = match kind {
        0 => Some(Entry::Good { fresh: first, keep: second, essentials: text.to_vec() }),
        1 => {
            let reason = Reason::ALL.iter().find(|reason| reason.code().as_bytes() == text);
            reason.map(|reason| Entry::Bad { until: first, reason: *reason })
        }
        2 => Some(Entry::Failed { until: first }),
        3 => Some(Entry::Claim { until: first }),
        _ => None,
    };
    Some((*token, entry, rest))
}
