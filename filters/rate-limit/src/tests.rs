#![allow(clippy::get_unwrap)]

mod algorithms;
mod at_once;
mod attacks;
mod before_auth;
mod beside;
mod callers;
mod configuration;
mod dialects;
mod given_back;
mod independent;
mod metrics;
mod one;
mod oracle;
mod owed;
mod requests;
mod several;
mod shared;

use std::time::Duration;

use postern_core::config::parse_json;
use postern_core::fake::FakeHost;
use postern_core::{
    Filter, HeaderEdit, Headers, Identity, Outcome, Refusal, Request, Response, Step, identity,
};

use crate::{RateLimit, Stream};

/// A time that is a multiple of an hour.
pub(crate) const START: Duration = Duration::from_secs(1_699_999_200);

pub(crate) fn rate_limit(policy: &str) -> RateLimit {
    RateLimit::configure(&parse_json(policy.as_bytes()).unwrap(), &|_| None).unwrap()
}

/// What the client sees of one request, as the tests compare it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Seen {
    pub(crate) status: u16,
    /// `name: value` of every field that the filter writes, in order.
    pub(crate) fields: Vec<String>,
}

pub(crate) fn ask(
    filter: &RateLimit,
    host: &FakeHost,
    headers: &[(&str, &[u8])],
) -> (Stream, Outcome) {
    let mut all: Vec<(String, Vec<u8>)> = Vec::new();
    for (name, value) in [(":method", "GET"), (":path", "/"), (":authority", "api.example.com")] {
        if !headers.iter().any(|(n, _)| *n == name) {
            all.push((name.to_owned(), value.as_bytes().to_vec()));
        }
    }
    all.extend(headers.iter().map(|(n, v)| ((*n).to_owned(), v.to_vec())));
    let mut stream = Stream::default();
    let request = Request::new(Headers::new(all), true);
    let outcome = filter.request_headers(&mut stream, &request, host);
    (stream, outcome)
}

pub(crate) fn dress(
    filter: &RateLimit,
    host: &FakeHost,
    stream: &mut Stream,
    status: u16,
) -> Vec<String> {
    let response = Headers::new([(":status", status.to_string())]);
    let outcome = filter.response_headers(stream, &Response::new(response, true), host);
    assert!(matches!(outcome.step, Step::Continue));
    outcome
        .headers
        .iter()
        .map(|edit| match edit {
            HeaderEdit::Set(name, value) => {
                format!("{name}: {}", String::from_utf8(value.clone()).unwrap())
            }
            other => panic!("unexpected edit {other:?}"),
        })
        .collect()
}

/// Sends a request; whatever passes is answered with `upstream`.
pub(crate) fn send(
    filter: &RateLimit,
    host: &FakeHost,
    headers: &[(&str, &[u8])],
    upstream: u16,
) -> Seen {
    let (mut stream, outcome) = ask(filter, host, headers);
    let (status, mut fields) = match outcome.step {
        Step::Continue => (upstream, Vec::new()),
        Step::Refuse(refusal) => (refusal.status, own_fields(&refusal)),
        other => panic!("neither passed nor refused: {other:?}"),
    };
    fields.extend(dress(filter, host, &mut stream, status));
    Seen { status, fields }
}

fn own_fields(refusal: &Refusal) -> Vec<String> {
    let text = |(name, value): &(_, Vec<u8>)| {
        let name: &std::borrow::Cow<'static, str> = name;
        format!("{name}: {}", String::from_utf8(value.clone()).unwrap())
    };
    refusal.headers.iter().map(text).collect()
}

fn caller(sub: &str) -> identity::Caller {
    identity::Caller {
        sub: sub.to_owned(),
        provider: "test".to_owned(),
        credential: "jwt".to_owned(),
        ..identity::Caller::default()
    }
}

fn identify(host: &FakeHost, caller: identity::Caller) {
    host.set_property(identity::STATE, Identity::Known(Box::new(caller)).to_json());
}

/// How many of `n` requests pass.
fn passed(filter: &RateLimit, host: &FakeHost, headers: &[(&str, &[u8])], n: usize) -> usize {
    (0..n).filter(|_| send(filter, host, headers, 200).status == 200).count()
}
