//! The answer: what its client is told.

use postern_core::{HeaderEdit, Host, Outcome, Response};

use super::Stream;
use crate::dialect::{Beside, Dialect, Saying, Show};
use crate::observe::{known, without};
use crate::policy::Answers;
use crate::{RateLimit, digits};

impl RateLimit {
    pub(crate) fn tell(
        &self,
        stream: &mut Stream,
        response: &Response<'_>,
        host: &dyn Host,
    ) -> Outcome {
        let mut outcome = Outcome::pass();
        if let Some(said) = &mut stream.said {
            for later in std::mem::take(&mut said.later) {
                self.correct(said, &later, response, host, &mut outcome);
            }
            let telling = said.telling.and_then(|index| self.dialects.get(index));
            let silent = telling.is_some_and(|told| told.answers == Answers::Refused)
                && said.standings.is_empty();
            let there = match said.observed {
                Some(place) => self.observed(said, place, response, host, &mut outcome),
                None if self.beside == Beside::Clear && !silent => known(response.headers()),
                None => Vec::new(),
            };
            let (dialect, show) =
                telling.map_or((&Dialect::Ietf, Show::Tightest), |t| (&t.dialect, t.show));
            let standings = said.standings.as_slice();
            // What is observed is taken off: there is nothing to stand beside.
            let beside = if said.observed.is_some() { Beside::Replace } else { self.beside };
            let saying = Saying { standings, show, beside };
            let fields = dialect.fields(&saying, response);
            if there.is_empty() && outcome.headers.is_empty() {
                outcome.headers = fields;
            } else {
                outcome.headers.extend(without(there, &fields));
                outcome.headers.extend(fields);
            }
            if let Some(word) = said.without {
                outcome.headers.extend(self.service.as_ref().and_then(|s| s.told(word)));
            }
        }
        if stream.clears && stream.said.is_none() {
            outcome.headers.extend(without(known(response.headers()), &[]));
        }
        if let Some(seconds) = self.retry_after_on_503
            && response.status() == Some(503)
            && !digits::is_late_enough(response.headers(), 0)
        {
            outcome.headers.push(HeaderEdit::set("retry-after", digits::of(seconds)));
        }
        outcome
    }
}
