//! The usual request: one limit counts it, here, and lets it pass. Nearly all are so, and
//! this is short; whatever is otherwise goes the long way, and the two say the same.

use postern_core::rules::{Found, Subject as Asked};
use postern_core::{Host, Outcome};

use super::decide::{By, unavailable};
use super::prepare::Prepared;
use super::{Said, Stream};
use crate::RateLimit;
use crate::key::Caller;
use crate::metrics::{self, Fate};
use crate::policy::{Answers, Limit, Mode};
use crate::service::Engine;
use crate::standing::Standing;
use crate::take::{Counted, alone};

impl RateLimit {
    pub(super) fn count_alone(
        &self,
        stream: &mut Stream,
        found: &Found<'_, Limit>,
        asked: &Asked<'_>,
        host: &dyn Host,
    ) -> Outcome {
        let limit = found.rule;
        self.with_caller(limit.needs_identity(), asked, host, |caller| {
            // Nothing is counted by this: it may be done once more.
            if limit.mode == Mode::Enforce
                && limit.engine == Engine::Local
                && let Prepared::Counted(mut one) = self.prepare(found, caller)
            {
                let mut forgotten = 0;
                return match alone(&self.table, host, &mut one, &mut forgotten) {
                    Some(true) if forgotten == 0 => self.pass(stream, caller, one),
                    Some(admitted) => self.long(stream, caller, &one, admitted, forgotten),
                    None => unavailable(limit),
                };
            }
            self.count_in(stream, std::slice::from_ref(found), caller)
        })
    }

    /// It passes.
    fn pass(&self, stream: &mut Stream, caller: &Caller<'_>, one: Counted<'_>) -> Outcome {
        let Some(left) = one.passed() else { return self.long(stream, caller, &one, true, 0) };
        let mut outcome = Outcome::pass();
        outcome.record = Some(one.limit.within(left.remaining));
        outcome.count = vec![metrics::of_limit(one.index, Fate::Allowed), metrics::ALLOWED];
        let telling = self.telling(caller);
        if telling.is_none_or(|(_, told)| told.answers != Answers::Refused) {
            let standing = Standing { limit: one.index, policy: one.windows.name(0), left };
            let (telling, standings) = (telling.map(|(index, _)| index), vec![standing]);
            stream.said = Some(Box::new(Said { telling, standings, ..Said::default() }));
        }
        outcome
    }

    #[cold]
    fn long(
        &self,
        stream: &mut Stream,
        caller: &Caller<'_>,
        one: &Counted<'_>,
        admitted: bool,
        forgotten: usize,
    ) -> Outcome {
        let mut outcome = Outcome::pass();
        outcome.count.extend(std::iter::repeat_n(metrics::EVICTED, forgotten));
        let counted = std::slice::from_ref(one);
        let standings = self.standings(&mut outcome, counted, admitted);
        let by = By { counted, at_once: &[], would: Vec::new() };
        self.answer(stream, outcome, admitted, standings, caller, &by)
    }
}
