//! The valve: takes a bad candidate back by itself.
//!
//! Each VM counts by itself and, at each tick ([`TICK`]), adds what it counted
//! to one value in the data that all workers share. Whoever then sees the bound
//! reached marks that value, and the others see the mark at their next tick. So
//! a worker takes a candidate back at most two ticks after the request that
//! reached the bound, and what the event loop adds; no request crosses to the
//! proxy for it.
//!
//! There is one value per plugin, so shared data do not grow. It names the policy
//! it belongs to. A VM that is new to its policy puts its own in the place of
//! another's; one that has seen its own there, and now sees another, has been
//! replaced, and leaves it alone, unless nobody has written it for a while.
//!
//! Where the shared data cannot be read or written, each VM judges by what it
//! has counted itself: it needs the whole sample then, and takes back its own
//! worker's candidate.

use std::cell::{Cell, OnceCell, RefCell};
use std::time::Duration;

use postern_core::{Host, StoreError, Stored as Found, shared};
use siphasher::sip::SipHasher13;

use super::caller::Caller;
use super::policy;
use super::stored::{Digest, Stored};
use super::tally::{Kind, Tallies, Tally};
use super::window::{BUCKETS, Bucket, Window};

/// Between two looks at the shared data.
pub(crate) const TICK: Duration = Duration::from_millis(200);

/// The first part of every key in the shared data. Changes with the format. What is
/// named after a plugin lies below `/of/`, so that none is named like another key.
const PREFIX: &str = "authz-candidate-2";

/// A conflict means that another worker's write succeeded.
const TRIES: usize = 64;

/// A value that nobody has written for so many ticks is written again, so that
/// the others see that its policy is in force.
const BEAT: u8 = 5;
/// And one of another policy is given up by then.
const ABANDONED: u8 = 15;

/// So many requests of one caller count in a tenth of the window and a VM; of
/// those that follow ever fewer do, two each time that their number doubles. So
/// a busy caller hides nobody, and its mix of requests is still its own.
const PER_CALLER: u32 = 8;
/// The same in a window and a VM.
pub(crate) const PER_CALLER_AND_WINDOW: u64 = PER_CALLER as u64 * BUCKETS;
/// Callers that share a place in the table count as one there.
const PLACES: usize = 2_048;

/// A valve of one policy, in one VM.
#[derive(Debug)]
pub(crate) struct Valve {
    bound: policy::Valve,
    policy: Digest,
    bucket: Bucket,
    tripped: Cell<bool>,
    /// Under which the shared value lies.
    key: OnceCell<String>,
    secret: Cell<Option<Secret>>,
    state: RefCell<State>,
}

/// Keys the hashes of callers.
#[derive(Clone, Copy, Debug)]
enum Secret {
    /// All workers have it.
    Common([u8; 16]),
    /// Made by this VM, whose counts cannot be added to those of others.
    Own([u8; 16]),
}

#[derive(Debug)]
struct State {
    /// Counted since the last tick.
    pending: Tallies,
    /// How often each caller came in this bucket, by a hash; by kind, so that a
    /// crowd of strangers does not take the places of those who are known.
    came: [Box<[u32; PLACES]>; 2],
    bucket: u64,
    /// What was last seen of the shared value, or counted without it.
    window: Window,
    /// Has the shared value been of this policy once?
    joined: bool,
    /// The shared value's token at the last tick, and for how many ticks so far.
    still: (u32, u8),
}

/// What a tick has found.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Ticked {
    /// The candidate was taken back, and this VM is the first to know.
    pub(crate) tripped: Option<Evidence>,
    /// The shared data could not be used.
    pub(crate) unshared: bool,
    /// They are another policy's by now, so this one is none that decides for long:
    /// what is told of it would be taken for the other's.
    pub(crate) replaced: bool,
}

/// What took a candidate back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Evidence {
    pub(crate) kind: Kind,
    pub(crate) requests: u32,
    pub(crate) refused: u32,
    pub(crate) callers: u64,
    pub(crate) refused_callers: u64,
}

/// What came of the attempt to share.
enum Shared {
    /// All workers know; the evidence, if this VM is the one that marked it.
    With(Option<Evidence>),
    /// They do not: the data cannot be read or written, or they are another
    /// policy's by now.
    Not { replaced: bool },
}

impl Valve {
    pub(crate) fn new(bound: policy::Valve, policy: Digest) -> Self {
        let milliseconds = u64::try_from(bound.window.get().as_millis()).unwrap_or(u64::MAX);
        Valve {
            bound,
            policy,
            bucket: Bucket::in_window(milliseconds),
            tripped: Cell::new(false),
            key: OnceCell::new(),
            secret: Cell::new(None),
            state: RefCell::new(State {
                pending: Tallies::default(),
                came: [Box::new([0; PLACES]), Box::new([0; PLACES])],
                bucket: 0,
                window: Window::default(),
                joined: false,
                still: (0, 0),
            }),
        }
    }

    pub(crate) fn set_policy(&mut self, policy: Digest) {
        self.policy = policy;
    }

    /// Has the candidate been taken back? The first call of a VM looks at the
    /// shared data: a reload must not bring a bad candidate back.
    pub(crate) fn is_tripped(&self, host: &dyn Host) -> bool {
        self.key(host);
        self.tripped.get()
    }

    /// A request that the current policy allows came; is it one that the
    /// candidate would refuse?
    pub(crate) fn count(&self, caller: &Caller, refused: bool, host: &dyn Host) {
        if self.is_tripped(host) {
            return;
        }
        let (Secret::Common(secret) | Secret::Own(secret)) = self.secret(host);
        let hash = SipHasher13::new_with_key(&secret).hash(&caller.key);
        let mut state = self.state.borrow_mut();
        if state.counts(caller.kind, hash) {
            state.pending.add(caller.kind, hash, refused);
        }
    }

    fn key(&self, host: &dyn Host) -> &str {
        self.key.get_or_init(|| {
            let plugin = host.property(&["plugin_name"]).unwrap_or_default();
            let key = format!("{PREFIX}/of/{}", String::from_utf8_lossy(&plugin));
            if let Found::Value(bytes, _) = host.load(&key) {
                let ours = Stored::decode(&bytes).filter(|stored| stored.policy == self.policy);
                self.tripped.set(ours.is_some_and(|stored| stored.tripped));
            }
            key
        })
    }

    fn secret(&self, host: &dyn Host) -> Secret {
        let secret = self.secret.get().unwrap_or_else(|| {
            let common = shared::secret(host, &format!("{PREFIX}/secret"));
            common.map_or_else(|| Secret::Own(host.random()), Secret::Common)
        });
        self.secret.set(Some(secret));
        secret
    }

    /// Adds what was counted, and looks whether the bound is reached.
    pub(crate) fn tick(&self, host: &dyn Host) -> Ticked {
        let now = u64::try_from(host.now().as_millis()).unwrap_or(u64::MAX);
        let knew = self.is_tripped(host);
        let mut state = self.state.borrow_mut();
        state.open_bucket(self.bucket.of(now));
        let shared = match self.secret(host) {
            Secret::Common(_) => self.share(&mut state, now, host),
            Secret::Own(_) => Shared::Not { replaced: false },
        };
        let (evidence, unshared, replaced) = match shared {
            Shared::With(evidence) => (evidence, false, false),
            Shared::Not { replaced } => (self.alone(&mut state, now), !replaced, replaced),
        };
        if let Some(Secret::Own(_)) = self.secret.get() {
            self.ask_again(&mut state, host);
        }
        Ticked { tripped: evidence.filter(|_| !knew), unshared, replaced }
    }

    /// Adds to the shared value.
    fn share(&self, state: &mut State, now: u64, host: &dyn Host) -> Shared {
        for _ in 0..TRIES {
            let found = host.load(self.key(host));
            let (mut stored, is_fresh) = match &found {
                Found::Unavailable => return Shared::Not { replaced: false },
                Found::Absent => (Stored::new(self.policy), false),
                Found::Value(bytes, token) => {
                    let ticks = state.unchanged(*token);
                    match Stored::decode(bytes) {
                        Some(stored) if stored.policy == self.policy => (stored, ticks < BEAT),
                        Some(_) if state.joined && ticks < ABANDONED => {
                            return Shared::Not { replaced: true };
                        }
                        _ => (Stored::new(self.policy), false),
                    }
                }
            };
            let marked = stored.tripped;
            stored.window.add(now, self.bucket, &state.pending);
            let evidence = if marked { None } else { self.evidence(&stored.window) };
            stored.tripped |= self.tripped.get() || evidence.is_some();
            let written = if is_fresh && state.pending.is_empty() && stored.tripped == marked {
                Ok(())
            } else {
                host.store(self.key(host), &stored.encode(), &found)
            };
            match written {
                Ok(()) => {
                    state.joined = true;
                    state.pending = Tallies::default();
                    state.window = stored.window;
                    self.tripped.set(stored.tripped);
                    return Shared::With(evidence);
                }
                Err(StoreError::Conflict) => {}
                Err(StoreError::Unavailable) => return Shared::Not { replaced: false },
            }
        }
        Shared::Not { replaced: false }
    }

    /// Judges by what this VM knows.
    fn alone(&self, state: &mut State, now: u64) -> Option<Evidence> {
        let pending = std::mem::take(&mut state.pending);
        state.window.add(now, self.bucket, &pending);
        let evidence = self.evidence(&state.window)?;
        self.tripped.set(true);
        Some(evidence)
    }

    /// Once there are shared data, what was counted under a secret of this VM's
    /// own is of no use.
    fn ask_again(&self, state: &mut State, host: &dyn Host) {
        if let Some(common) = shared::secret(host, &format!("{PREFIX}/secret")) {
            self.secret.set(Some(Secret::Common(common)));
            state.window = Window::default();
        }
    }

    fn evidence(&self, window: &Window) -> Option<Evidence> {
        let total = window.total();
        total.iter().find_map(|(kind, tally)| self.reached(kind, tally))
    }

    fn reached(&self, kind: Kind, tally: &Tally) -> Option<Evidence> {
        let bound = &self.bound;
        let (requests, refused) = (u64::from(tally.requests), u64::from(tally.refused));
        // The sketches take longer to read.
        if requests < bound.minimum_requests.get() || !bound.share.is_reached(refused, requests) {
            return None;
        }
        let (callers, refused_callers) = (tally.callers.count(), tally.refused_callers.count());
        let reached = refused_callers >= bound.minimum_callers.get()
            && bound.share.is_reached(refused_callers, callers);
        reached.then_some(Evidence {
            kind,
            requests: tally.requests,
            refused: tally.refused,
            callers,
            refused_callers,
        })
    }
}

impl State {
    /// A new bucket has room for each caller again.
    fn open_bucket(&mut self, number: u64) {
        if self.bucket != number {
            self.bucket = number;
            self.came.iter_mut().for_each(|came| came.fill(0));
        }
    }

    /// Does another request of this caller count?
    fn counts(&mut self, kind: Kind, caller: u64) -> bool {
        // Not the bits that the sketch takes.
        let place = usize::try_from(caller >> 32).unwrap_or(0).checked_rem(PLACES).unwrap_or(0);
        let came = self.came.get_mut(kind as usize).and_then(|came| came.get_mut(place));
        let Some(came) = came else { return true };
        *came = came.saturating_add(1);
        counts(*came)
    }

    /// For how many ticks the shared value has had this token.
    fn unchanged(&mut self, token: u32) -> u8 {
        let (last, ticks) = self.still;
        let ticks = if last == token { ticks.saturating_add(1) } else { 0 };
        self.still = (token, ticks);
        ticks
    }
}

/// Does the `nth` request of a caller count?
pub(crate) fn counts(nth: u32) -> bool {
    let doubled = 1u32.checked_shl(nth.checked_ilog2().unwrap_or(0)).unwrap_or(1);
    nth <= PER_CALLER || nth.checked_rem(doubled / 2) == Some(0)
}
