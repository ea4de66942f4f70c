//! What a request's answer reports, put to what is said of it.

use postern_core::rules::Subject as Asked;
use postern_core::{Decision, HeaderEdit, Host, Outcome, Record, Response};

use super::{Reading, merge};
use crate::key::Caller;
use crate::request::{Said, Stream};
use crate::standing::tightest;
use crate::{RateLimit, digits, metrics};

impl RateLimit {
    /// Notes that the answer may report limits. Not on the way of policies that observe
    /// nothing.
    #[cold]
    pub(crate) fn watch(&self, stream: &mut Stream, asked: &Asked<'_>, host: &dyn Host) {
        let Some(found) = self.observes.first(asked) else { return };
        let said = stream.said.get_or_insert_with(|| {
            let index = |caller: &Caller<'_>| self.telling(caller).map(|(index, _)| index);
            let telling = self.with_caller(false, asked, host, index);
            Box::new(Said { telling, ..Said::default() })
        });
        said.observed = Some(found.index);
    }

    /// Reads what the answer reports of limits, and says which fields go.
    #[cold]
    pub(crate) fn observed(
        &self,
        said: &mut Said,
        place: usize,
        response: &Response<'_>,
        host: &dyn Host,
        outcome: &mut Outcome,
    ) -> Vec<String> {
        let Some(observe) = self.observes.get(place) else { return Vec::new() };
        let now = host.now();
        let Reading { standings, spoilt, fields } = observe.read(response, now);
        let limits = self.limits.iter().count();
        let told = std::iter::repeat_n(None, standings.len());
        let counted = told.chain(spoilt.into_iter().map(Some));
        outcome.count.extend(counted.map(|what| metrics::of_report(limits, place, what)));
        let alone = said.standings.is_empty();
        if let Some(first) = tightest(&standings) {
            if response.status() == Some(429)
                && !digits::is_late_enough(response.headers(), first.retry_after())
            {
                let seconds = digits::of(first.retry_after());
                outcome.headers.push(HeaderEdit::set("retry-after", seconds));
            }
            if alone {
                let id = observe.id.as_str().to_owned();
                let record = Record::new(Decision::Skip, id, "observed");
                outcome.record = Some(record.with("remaining", first.left.remaining).into());
            }
        }
        for standing in standings {
            merge(&mut said.standings, standing);
        }
        fields
    }
}

/// Takes fields off, but for those that are written anew.
pub(crate) fn without(
    there: Vec<String>,
    fields: &[HeaderEdit],
) -> impl Iterator<Item = HeaderEdit> {
    let anew: Vec<String> = fields.iter().map(|edit| edit.name().to_owned()).collect();
    there.into_iter().filter(move |name| !anew.contains(name)).map(HeaderEdit::remove)
}
