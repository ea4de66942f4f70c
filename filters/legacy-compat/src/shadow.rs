//! Rules that are tried: what they would do is computed and recorded, and not done.

mod answers;
mod difference;

use postern_core::digest::hmac_sha256;
use postern_core::rules::Found;
use postern_core::target::Target;
use postern_core::{Outcome, Record, Request, Step};

pub(crate) use answers::{body, headers};
use difference::{difference, push_body};

use crate::answer::{Answering, Stream};
use crate::blueprint::{Blueprint, Rule};
use crate::counter;
use crate::facts::Facts;
use crate::request::{Held, facts, waits};

/// What it would have done to a request, in a record.
const REQUEST: &str = "shadow_request";
/// Of what would have changed, as much as tells one change from another.
const DIGEST: usize = 12;

/// A rule on trial, and what it would have done so far.
#[derive(Debug)]
pub(crate) struct Shadow {
    rule: usize,
    name: String,
    /// What it looks at of the request.
    captures: Vec<(String, String)>,
    /// What may be logged of a path in which it knows a secret.
    pub(crate) path: Option<Vec<u8>>,
    request: Would,
    /// What of the request waits for its body.
    waiting: Option<Box<Waiting>>,
    answer: Option<Would>,
    /// What waits for the body: all that is done to the answer otherwise.
    held: Option<Outcome>,
    /// The answer, as if the rule were the one that counts: what is done to it otherwise
    /// changes nothing here.
    seen: Box<Stream>,
    /// What keys the digests.
    secret: [u8; 16],
}

/// A request whose body the rule would look at.
#[derive(Debug)]
struct Waiting {
    held: Held,
    /// Its headers, as far as edits are compared with them.
    headers: Vec<(String, Vec<u8>)>,
    /// All that is done to the request otherwise, if that does not wait too.
    outcome: Option<Outcome>,
}

/// What a rule would have done.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Would {
    /// Nothing.
    Same,
    /// Something, by its digest.
    Change(String),
    /// It would not have fitted; why.
    Unfit(&'static str),
}

impl Would {
    /// The digest is keyed: nobody who reads the log can try what a change was made of.
    fn of(secret: &[u8], difference: &[u8]) -> Self {
        if difference.is_empty() {
            return Would::Same;
        }
        let digest = hmac_sha256(secret, difference);
        let hex: String = digest.iter().take(DIGEST / 2).map(|b| format!("{b:02x}")).collect();
        Would::Change(hex)
    }

    /// As it stands in records.
    fn shown(&self) -> String {
        match self {
            Would::Same => "same".to_owned(),
            Would::Change(digest) => format!("change:{digest}"),
            Would::Unfit(why) => format!("unfit:{why}"),
        }
    }

    fn counter(&self) -> usize {
        match self {
            Would::Same => counter::SHADOW_SAME,
            Would::Change(_) => counter::SHADOW_CHANGED,
            Would::Unfit(_) => counter::SHADOW_UNFIT,
        }
    }
}

impl Shadow {
    /// What a rule would make of a request; `secret`: what keys the digests.
    pub(crate) fn of_request(
        found: &Found<'_, Rule>,
        target: &Target<'_>,
        request: &Request<'_>,
        secret: [u8; 16],
    ) -> Self {
        let rule = found.rule;
        let captures = found.captures(target);
        let (mut waiting, mut would) = (None, Would::Unfit("request"));
        if let Ok(parts) = rule.request.find(request, target, &captures) {
            match waits(rule, request, parts, target) {
                Ok(held) => {
                    let headers = owned(request.headers().iter());
                    waiting = Some(Box::new(Waiting { held, headers, outcome: None }));
                }
                Err(Ok(edits)) => {
                    let has =
                        |name: &str| request.headers().all(name).map(<[u8]>::to_vec).collect();
                    would = Would::of(&secret, &difference(&edits, rule.request.key(), has));
                }
                Err(Err(_)) => {}
            }
        }
        Shadow {
            rule: found.index,
            name: rule.name.clone(),
            path: None,
            captures: facts(rule, request, target, &captures),
            request: would,
            waiting,
            answer: None,
            held: None,
            seen: Box::default(),
            secret,
        }
    }

    /// Adds what is known to a record.
    pub(crate) fn record(&self, record: Record) -> Record {
        let request = match self.waiting {
            Some(_) => "held".to_owned(),
            None => self.request.shown(),
        };
        let record = record.with("shadow", self.name.clone()).with(REQUEST, request);
        match &self.answer {
            Some(would) => record.with("shadow_answer", would.shown()),
            None => record,
        }
    }

    /// A header of the answer as it came.
    fn has(&self, name: &str) -> Vec<Vec<u8>> {
        let all = self.seen.kept.iter().filter(|(own, _)| own == name);
        all.map(|(_, value)| value.clone()).collect()
    }

    /// As its rule answers.
    pub(crate) fn answering<'b>(&self, blueprint: &'b Blueprint) -> Answering<'b> {
        Answering::of_rule(blueprint, self.rule)
    }
}

/// The headers of the request came, and `outcome` is what is done to them.
pub(crate) fn request(stream: &mut Stream, mut outcome: Outcome) -> Outcome {
    let Some(shadow) = &mut stream.shadow else { return outcome };
    match (&outcome.step, &mut shadow.waiting) {
        (Step::Continue, Some(waiting)) => {
            let mut hold = Outcome::hold();
            hold.publish = std::mem::take(&mut outcome.publish);
            // What is known of it by now: it may never end.
            hold.record.clone_from(&outcome.record);
            waiting.outcome = Some(outcome);
            hold
        }
        // It waits anyway, or no body will be seen.
        _ => outcome,
    }
}

/// The body of the request came; `None`: it is too long.
pub(crate) fn request_body(
    blueprint: &Blueprint,
    stream: &mut Stream,
    body: Option<&[u8]>,
) -> Outcome {
    let waiting = stream.shadow.as_mut().and_then(|shadow| shadow.waiting.take());
    let (Some(waiting), Some(shadow)) = (waiting, &mut stream.shadow) else {
        return crate::request::body(blueprint, stream, body);
    };
    let Waiting { held, headers, outcome } = *waiting;
    let facts = Facts { captures: shadow.captures.clone(), ..Facts::default() };
    if let Some(rule) = blueprint.rules.get(shadow.rule)
        && let Ok((edits, new)) = held.with_body(rule, &facts, body, blueprint.max_body)
    {
        let mut found = difference(&edits, rule.request.key(), |name| named(&headers, name));
        push_body(&mut found, new.filter(|new| body != Some(new.as_slice())));
        shadow.request = Would::of(&shadow.secret, &found);
    }
    let Some(mut outcome) = outcome else {
        return crate::request::body(blueprint, stream, body);
    };
    // It was told before the body was looked at.
    outcome.record = outcome.record.map(|record| {
        let mut record = record.into_record();
        for (_, detail) in record.details.iter_mut().filter(|(name, _)| *name == REQUEST) {
            *detail = shadow.request.shown().into();
        }
        record.into()
    });
    outcome
}

fn owned<'h>(headers: impl Iterator<Item = (&'h str, &'h [u8])>) -> Vec<(String, Vec<u8>)> {
    headers.map(|(name, value)| (name.to_owned(), value.to_vec())).collect()
}

fn named(headers: &[(String, Vec<u8>)], name: &str) -> Vec<Vec<u8>> {
    headers.iter().filter(|(n, _)| n == name).map(|(_, v)| v.clone()).collect()
}

#[cfg(test)]
mod tests;
