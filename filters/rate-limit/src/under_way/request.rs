//! A request takes its places when it is let through, and leaves them at its end.

use postern_core::Host;

use super::{Entered, Place};
use crate::RateLimit;
use crate::allowance::Left;
use crate::metrics::{self, Fate};
use crate::policy::{AtOnce, Limit, Mode};
use crate::rate::SECOND;
use crate::standing::Standing;
use crate::table::Hash;
use crate::take::Unavailable;

/// A limit of requests at a time, and a request that it counts.
#[derive(Debug)]
pub(crate) struct Asked<'p> {
    /// Its place in the policy.
    pub(crate) index: usize,
    pub(crate) limit: &'p Limit,
    pub(crate) at_once: &'p AtOnce,
    pub(crate) hash: Hash,
    /// How many may be under way; at least one.
    pub(crate) most: u32,
    /// What came of it. `None`: not asked.
    pub(crate) entered: Option<Entered>,
}

impl Asked<'_> {
    fn enforces(&self) -> bool {
        self.limit.mode == Mode::Enforce
    }

    /// Were there too many under way already?
    pub(crate) fn is_over(&self) -> bool {
        self.entered.as_ref().is_some_and(|entered| entered.before >= self.most)
    }

    /// Where the caller stands, this request included.
    fn standing(&self) -> Option<Standing> {
        let entered = self.entered.as_ref()?;
        let under_way = entered.before.saturating_add(u32::from(entered.place.is_some()));
        let left = Left {
            quota: self.most.into(),
            window: Some(0),
            remaining: self.most.saturating_sub(under_way).into(),
            // Nobody knows; some request ends soon.
            more_ns: SECOND,
            whole_ns: SECOND,
            at_ns: 0,
            enough: !self.is_over(),
        };
        Some(Standing { limit: self.index, policy: self.at_once.name(), left })
    }
}

/// The places that a request has.
#[derive(Debug, Default)]
pub(crate) struct Places(Vec<Place>);

impl Places {
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl RateLimit {
    /// Takes a place in all of them or in none; may the request pass?
    pub(crate) fn enter(
        &self,
        host: &dyn Host,
        asked: &mut [Asked<'_>],
    ) -> Result<bool, Unavailable> {
        let mut passes = Ok(true);
        for one in asked.iter_mut().filter(|one| one.enforces()) {
            one.entered = self.under_way.enter(host, &self.vm, &one.hash, one.most);
            passes = match &one.entered {
                Some(entered) => Ok(entered.place.is_some()),
                None => Err(Unavailable),
            };
            if !matches!(passes, Ok(true)) {
                break;
            }
        }
        if matches!(passes, Ok(true)) {
            for shadow in asked.iter_mut().filter(|one| !one.enforces()) {
                // What refuses nothing refuses nothing when it cannot count either.
                shadow.entered = self.under_way.enter(host, &self.vm, &shadow.hash, u32::MAX);
            }
        } else {
            self.leave(host, &mut Places(taken(asked)));
        }
        passes
    }

    /// The places of a request that passes.
    pub(crate) fn places(asked: &mut [Asked<'_>]) -> Places {
        Places(taken(asked))
    }

    /// Its stream is over.
    pub(crate) fn leave(&self, host: &dyn Host, places: &mut Places) {
        for place in std::mem::take(&mut places.0) {
            self.under_way.leave(host, &self.vm, place);
        }
    }

    /// What is told of them, and counted.
    pub(crate) fn tell_at_once(
        asked: &[Asked<'_>],
        admitted: bool,
        standings: &mut Vec<Standing>,
        count: &mut Vec<usize>,
    ) {
        for one in asked.iter().filter(|one| one.entered.is_some()) {
            let fate = match (one.is_over(), one.enforces()) {
                (true, true) => Some(Fate::Refused),
                (true, false) => Some(Fate::WouldRefuse),
                (false, _) => admitted.then_some(Fate::Allowed),
            };
            count.extend(fate.map(|fate| metrics::of_limit(one.index, fate)));
            if one.enforces() {
                standings.extend(one.standing());
            }
        }
    }
}

fn taken(asked: &mut [Asked<'_>]) -> Vec<Place> {
    asked.iter_mut().filter_map(|one| one.entered.as_mut()?.place.take()).collect()
}
