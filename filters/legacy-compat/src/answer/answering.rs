//! Which cases there are for an answer.

use postern_core::step::HeaderEdit;
use postern_core::{Decision, Record, Response};

use super::edits::case_headers;
use super::{MAX_GROWTH, Stream};
use crate::blueprint::{Blueprint, Dialect, Rule};
use crate::cases::Case;
use crate::facts::Facts;
use crate::json::Document;
use crate::policy::Origin;

/// A blueprint and a stream's place in it.
pub(crate) struct Answering<'b> {
    pub(super) rule: Option<&'b Rule>,
    pub(super) dialect: Option<&'b Dialect>,
    pub(crate) max_body: usize,
}

impl<'b> Answering<'b> {
    pub(crate) fn new(blueprint: &'b Blueprint, stream: &Stream) -> Self {
        Answering {
            rule: stream.rule.and_then(|i| blueprint.rules.get(i)),
            dialect: stream.dialect.and_then(|i| blueprint.dialects.get(i)),
            max_body: blueprint.max_body,
        }
    }

    /// As one rule answers.
    pub(crate) fn of_rule(blueprint: &'b Blueprint, rule: usize) -> Self {
        let rule = blueprint.rules.get(rule);
        let dialect = rule.and_then(|r| r.dialect).and_then(|i| blueprint.dialects.get(i));
        Answering { rule, dialect, max_body: blueprint.max_body }
    }

    /// The most bytes that a body is made of.
    pub(super) fn limit(&self) -> usize {
        self.max_body.saturating_mul(MAX_GROWTH)
    }

    /// May an answer name the request?
    pub(crate) fn names_request(&self) -> bool {
        match self.rule {
            Some(rule) => rule.answers.names_request,
            None => self.dialect.is_some_and(|d| d.answers.names_request()),
        }
    }

    /// The edits of headers alone.
    pub(crate) fn headers_of(&self, stream: &Stream, case: Option<&Case>) -> Vec<HeaderEdit> {
        let mut edits = self.dialect_headers(stream);
        edits.extend(case.into_iter().flat_map(|case| case_headers(self, stream, case)));
        edits
    }

    /// The first case of the rule, then of the dialect, that covers an answer.
    pub(crate) fn case(&self, facts: &Facts, origin: Origin) -> Option<&'b Case> {
        let own = self.rule.and_then(|r| r.answers.cases.first(facts, origin));
        own.or_else(|| self.dialect.and_then(|d| d.answers.first(facts, origin)))
    }

    /// The places of the cases whose conditions hold, but for those on the body; the
    /// first that asks nothing of it is the last.
    pub(crate) fn pick(
        &self,
        facts: &Facts,
        origin: Origin,
        response: &Response<'_>,
    ) -> Vec<usize> {
        let mut out = Vec::new();
        let own = self.rule.into_iter().flat_map(|r| r.answers.cases.iter());
        let all = own.chain(self.dialect.into_iter().flat_map(|d| d.answers.iter()));
        for (place, case) in all.enumerate() {
            if case.covers(facts, origin, response.headers()) {
                out.push(place);
                if !case.asks_body() {
                    break;
                }
            }
        }
        out
    }

    /// A case by its place.
    fn at(&self, place: usize) -> Option<&'b Case> {
        let own = self.rule.map_or(0, |rule| rule.answers.cases.len());
        match place.checked_sub(own) {
            None => self.rule?.answers.cases.get(place),
            Some(place) => self.dialect?.answers.get(place),
        }
    }

    /// The case that an answer falls under; `document`: its body, if it can be read.
    pub(crate) fn chosen(
        &self,
        stream: &Stream,
        document: Option<&Document<'_>>,
    ) -> Option<&'b Case> {
        let mut cases = stream.picked.iter().filter_map(|place| self.at(*place));
        cases.find(|case| case.body_holds(document))
    }

    /// The first of these places.
    pub(crate) fn first_of(&self, picked: &[usize]) -> Option<&'b Case> {
        self.at(*picked.first()?)
    }

    /// The headers of every answer.
    pub(super) fn dialect_headers(&self, stream: &Stream) -> Vec<HeaderEdit> {
        let mut headers = self.dialect.map(|d| stream.edits(&d.headers)).unwrap_or_default();
        if let Some((_, retirement)) = self.rule.and_then(|r| r.retirement.as_deref()) {
            headers.extend(retirement.headers.iter().cloned());
        }
        headers
    }

    /// The request's record, and what became of the answer.
    pub(crate) fn record(&self, stream: &Stream, answer: &'static str) -> Record {
        let rule = self.rule.map_or_else(|| "-".to_owned(), |r| r.name.clone());
        let (decision, code) = stream.request.unwrap_or((Decision::Skip, "no_rule"));
        let record = stream
            .record(decision, rule, code)
            .with("answer", answer)
            .with("answer_status", stream.status);
        match &stream.facts.refusal {
            Some(refusal) => record.with("answer_code", refusal.code.clone()),
            None => record,
        }
    }
}
