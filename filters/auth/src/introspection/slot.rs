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
    /// It is good until `fresh`, and until `keep` while nobody can be asked; that
    /// was asked then.
    Good { asked: u64, fresh: u64, keep: u64, essentials: Vec<u8> },
    /// It is not good; until `keep` no older answer serves.
    Bad { asked: u64, until: u64, keep: u64, reason: Reason },
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

    /// When an answer was asked for; `None`: it is none.
    fn asked(&self) -> Option<u64> {
        match self {
            Entry::Good { asked, .. } | Entry::Bad { asked, .. } => Some(*asked),
            Entry::Failed { .. } | Entry::Claim { .. } => None,
        }
    }

    /// When there is nothing left of it.
    fn end(&self) -> u64 {
        match self {
            Entry::Good { keep: until, .. }
            | Entry::Bad { keep: until, .. }
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

    /// Notes something of a token. A claim or a failure leaves the last answer
    /// there, in case it has to serve on, or to keep others from that; and a good
    /// one that comes late leaves one that was asked for later.
    pub(super) fn put(&mut self, token: Fingerprint, entry: Entry) {
        let passing = matches!(entry, Entry::Claim { .. } | Entry::Failed { .. });
        let late = matches!(entry, Entry::Good { .. })
            && self.0.iter().any(|(t, e)| *t == token && e.asked() > entry.asked());
        self.0.retain(|(t, e)| *t != token || (passing || late) && e.asked().is_some());
        if late {
            return;
        }
        // What the new entry may not push out, as ranked below.
        let bound = match &entry {
            Entry::Failed { .. } => 3,
            Entry::Bad { .. } => 4,
            Entry::Claim { .. } | Entry::Good { .. } => 5,
        };
        if self.0.len() >= WAYS && !self.make_room(&token, bound) {
            return;
        }
        self.0.push((token, entry));
    }

    /// Ends what is no good answer.
    pub(super) fn forget(&mut self, token: &Fingerprint) {
        self.0.retain(|(t, e)| t != token || matches!(e, Entry::Good { .. }));
    }

    /// Bad answers and claims make room first; a good one of another token does
    /// for a good one or a claim only. So a flood of bad tokens pushes out its own
    /// kind, and of a slot's good answers one: the next claim finds the place of
    /// the last. Without a claim every worker would ask.
    fn make_room(&mut self, token: &Fingerprint, bound: u8) -> bool {
        let rank = |entry: &Entry| -> u8 {
            match entry {
                Entry::Failed { .. } => 0,
                Entry::Bad { until, keep, .. } if until >= keep => 1,
                Entry::Claim { .. } => 2,
                // It keeps an old good answer from serving.
                Entry::Bad { .. } => 3,
                Entry::Good { .. } => 4,
            }
        };
        let others = self.0.iter().enumerate().filter(|(_, (t, _))| t != token);
        let places = others.map(|(i, (_, e))| (rank(e), e.end(), i));
        match places.min() {
            Some((rank, _, place)) if rank < bound => {
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
                Entry::Good { fresh, keep, essentials, .. } => (0, *fresh, *keep, essentials),
                Entry::Bad { until, keep, reason, .. } => {
                    (1, *until, *keep, reason.code().as_bytes())
                }
                Entry::Failed { until } => (2, *until, 0, b""),
                Entry::Claim { until } => (3, *until, 0, b""),
            };
            let Ok(length) = u16::try_from(text.len()) else { continue };
            out.push(kind);
            out.extend_from_slice(token);
            out.extend_from_slice(&entry.asked().unwrap_or(0).to_le_bytes());
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
    let (asked, rest) = rest.split_first_chunk::<8>()?;
    let (first, rest) = rest.split_first_chunk::<8>()?;
    let (second, rest) = rest.split_first_chunk::<8>()?;
    let (length, rest) = rest.split_first_chunk::<2>()?;
    let (text, rest) = rest.split_at_checked(usize::from(u16::from_le_bytes(*length)))?;
    let [asked, first, second] = [asked, first, second].map(|bytes| u64::from_le_bytes(*bytes));
    let entry = match kind {
        0 => Some(Entry::Good { asked, fresh: first, keep: second, essentials: text.to_vec() }),
        1 => {
            let reason = Reason::ALL.iter().find(|reason| reason.code().as_bytes() == text);
            reason.map(|reason| Entry::Bad { asked, until: first, keep: second, reason: *reason })
        }
        2 => Some(Entry::Failed { until: first }),
        3 => Some(Entry::Claim { until: first }),
        _ => None,
    };
    Some((*token, entry, rest))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn good(fresh: u64) -> Entry {
        Entry::Good { asked: 5, fresh, keep: fresh, essentials: b"{}".to_vec() }
    }

    fn bad(until: u64) -> Entry {
        Entry::Bad { asked: 5, until, keep: until, reason: Reason::Inactive }
    }

    #[test]
    fn good_answers_make_room_for_good_ones_and_for_one_claim() {
        let mut slot = Slot::default();
        for n in 0..8 {
            slot.put([n; 32], good(100 + u64::from(n)));
        }
        let full = slot.clone();
        for entry in [bad(900), Entry::Failed { until: 900 }] {
            slot.put([9; 32], entry);
            assert_eq!(slot, full);
        }
        slot.put([9; 32], good(900));
        assert_eq!(slot.seen(&[0; 32]), Seen::default(), "the first to end");
        assert_eq!(slot.seen(&[9; 32]).said, Some(good(900)));
        // A token's own old answer stays beside its claim.
        slot.put([1; 32], Entry::Claim { until: 900 });
        let seen = Seen { said: Some(good(101)), claimed: Some(900), failed: None };
        assert_eq!(slot.seen(&[1; 32]), seen);
        assert_eq!(slot.seen(&[2; 32]), Seen::default(), "the next to end");
        // A flood of other tokens takes that one place again and again.
        for n in 10..30 {
            slot.put([n; 32], Entry::Claim { until: 900 });
            assert_eq!(slot.seen(&[n; 32]).claimed, Some(900));
            slot.put([n; 32], bad(900));
            assert_eq!(slot.0.len(), WAYS);
        }
        for n in [1, 3, 4, 5, 6, 7, 9] {
            assert!(slot.seen(&[n; 32]).said.is_some(), "{n}");
        }
        // A bad answer takes the place of this token's own good one.
        slot.put([9; 32], bad(900));
        slot.put([40; 32], Entry::Claim { until: 900 });
        slot.put([41; 32], Entry::Claim { until: 900 });
        assert_eq!(slot.seen(&[9; 32]), Seen::default());
        assert_eq!(slot.seen(&[41; 32]).claimed, Some(900));
    }

    #[test]
    fn a_claim_and_a_failure_leave_the_good_answer() {
        let token = [1; 32];
        let mut slot = Slot::default();
        slot.put(token, good(100));
        slot.put(token, Entry::Claim { until: 50 });
        slot.put(token, Entry::Failed { until: 60 });
        let seen = Seen { said: Some(good(100)), failed: Some(60), claimed: None };
        assert_eq!(slot.seen(&token), seen);
        slot.put(token, Entry::Claim { until: 50 });
        slot.forget(&token);
        assert_eq!(slot.seen(&token), Seen { said: Some(good(100)), ..Seen::default() });
        assert_eq!(Slot::decode(&slot.encode(), 99), slot);
        assert_eq!(Slot::decode(&slot.encode(), 100), Slot::default(), "over");
    }

    #[test]
    fn a_bad_answer_outlives_its_time_where_it_stands_against_old_ones() {
        let stone = Entry::Bad { asked: 10, until: 20, keep: 90, reason: Reason::Inactive };
        let token = [1; 32];
        let mut slot = Slot::default();
        slot.put(token, stone.clone());
        let mut slot = Slot::decode(&slot.encode(), 50);
        assert!(!slot.seen(&token).answers(50));
        slot.put(token, Entry::Claim { until: 60 });
        slot.put(token, Entry::Failed { until: 60 });
        assert_eq!(slot.seen(&token).said, Some(stone.clone()));
        // A good one that was asked for before comes late.
        slot.put(token, good(80));
        let seen = Seen { said: Some(stone.clone()), ..Seen::default() };
        assert_eq!(slot.seen(&token), seen);
        // Failures and claims do not push it out while there are others.
        for n in 2..20 {
            slot.put([n; 32], Entry::Failed { until: 60 });
            slot.put([n; 32], Entry::Claim { until: 60 });
        }
        assert_eq!(slot.seen(&token).said, Some(stone));
        let newer = Entry::Good { asked: 11, fresh: 80, keep: 80, essentials: Vec::new() };
        slot.put(token, newer.clone());
        assert_eq!(slot.seen(&token).said, Some(newer));
    }

    fn entry() -> impl Strategy<Value = Entry> {
        prop_oneof![
            (any::<u64>(), 1u64.., 1u64.., prop::collection::vec(any::<u8>(), 0..50)).prop_map(
                |(asked, fresh, keep, essentials)| Entry::Good { asked, fresh, keep, essentials }
            ),
            (any::<u64>(), any::<u64>(), 1u64..).prop_map(|(asked, until, keep)| Entry::Bad {
                asked,
                until,
                keep,
                reason: Reason::Inactive
            }),
            (1u64..).prop_map(|keep| Entry::Bad {
                asked: 1,
                until: 1,
                keep,
                reason: Reason::Audience
            }),
            (1u64..).prop_map(|until| Entry::Failed { until }),
            (1u64..).prop_map(|until| Entry::Claim { until }),
        ]
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_and_nothing_else_panics(
            entries in prop::collection::vec((any::<[u8; 32]>(), entry()), 0..8),
            noise in prop::collection::vec(any::<u8>(), 0..300),
            cut in any::<prop::sample::Index>(),
        ) {
            let slot = Slot(entries);
            let bytes = slot.encode();
            prop_assert_eq!(&Slot::decode(&bytes, 0), &slot);
            let part = bytes.get(..cut.index(bytes.len() + 1)).unwrap_or_default();
            prop_assert!(slot.0.starts_with(&Slot::decode(part, 0).0));
            Slot::decode(&noise, 0);
        }
    }
}
