#![allow(clippy::get_unwrap)]

mod circuit;
mod configuration;
mod corrections;
mod descriptors;
mod failures;
mod model;
mod near;
mod requests;
mod told;
mod wire;

use std::time::Duration;

use postern_core::config::parse_json;
use postern_core::fake::FakeHost;
use postern_core::{Answer, Ask, Filter, Headers, Outcome, Request, Response, Step, identity};

use super::message::Code;
use super::protobuf::{fields, frame, push_bytes, push_number, unframe};
use crate::{RateLimit, Stream};

/// A time that is a multiple of an hour.
const START: Duration = Duration::from_secs(1_699_999_200);

fn rate_limit(policy: &str) -> RateLimit {
    RateLimit::configure(&parse_json(policy.as_bytes()).unwrap(), &|_| None).unwrap()
}

/// A policy of these limits, asking with these settings beside the usual.
fn policy(service: &str, limits: &str) -> String {
    format!(
        r#"{{"service": {{"cluster": "rls", "domain": "d", "gateways": 2{service}}},
            "limits": [{limits}]}}"#
    )
}

/// A limit that the service counts.
fn limit(id: &str, more: &str) -> String {
    format!(
        r#"{{"id": "{id}", "match": {{}}, "engine": "service", "algorithm": "fixed_window",
            "quota": 10, "window": "1m"{more}}}"#
    )
}

/// What is seen of one request.
#[derive(Debug, PartialEq, Eq)]
struct Seen {
    status: u16,
    /// The decision record, version left out.
    record: String,
    /// `name: value` of each field of the answer, in order.
    fields: Vec<String>,
    /// Names of the counters that were incremented.
    counted: Vec<String>,
    /// Questions.
    asked: usize,
}

impl Seen {
    fn field(&self, name: &str) -> Option<&str> {
        self.fields.iter().find_map(|f| f.strip_prefix(name)?.strip_prefix(": "))
    }

    fn has_counted(&self, name: &str) -> usize {
        self.counted.iter().filter(|own| *own == name).count()
    }
}

/// Sends a request; `serve` answers what is asked.
fn send_to(
    filter: &RateLimit,
    host: &FakeHost,
    headers: &[(&str, &str)],
    serve: &mut dyn FnMut(&Ask) -> Answer,
) -> Seen {
    send_answered(filter, host, headers, serve, &[])
}

/// The same, and an upstream whose answer has these fields.
fn send_answered(
    filter: &RateLimit,
    host: &FakeHost,
    headers: &[(&str, &str)],
    serve: &mut dyn FnMut(&Ask) -> Answer,
    upstream: &[(&str, &str)],
) -> Seen {
    let mut all = vec![(":method", "GET"), (":path", "/"), (":authority", "api.example.com")];
    all.retain(|(name, _)| !headers.iter().any(|(own, _)| own == name));
    all.extend(headers);
    let mut stream = Stream::default();
    let request = Request::new(Headers::new(all), true);
    let mut outcome = filter.request_headers(&mut stream, &request, host);
    let metrics = filter.metrics();
    let (mut asked, mut counted) = (0, Vec::new());
    let mut count = |outcome: &Outcome| {
        counted.extend(outcome.count.iter().map(|i| metrics.get(*i).unwrap().name.to_string()));
    };
    count(&outcome);
    while let Step::Ask(ask) = outcome.step {
        asked += 1;
        assert!(asked < 4, "it asks again and again");
        outcome = filter.answer(&mut stream, &serve(&ask), host);
        count(&outcome);
    }
    let record = String::from_utf8(outcome.record.unwrap().to_json("")).unwrap();
    let (status, mut fields) = match &outcome.step {
        Step::Continue => (200, Vec::new()),
        Step::Refuse(refusal) => (
            refusal.status,
            refusal
                .headers
                .iter()
                .map(|(n, v)| format!("{n}: {}", String::from_utf8(v.clone()).unwrap()))
                .collect(),
        ),
        other => panic!("neither passed nor refused: {other:?}"),
    };
    let status_line = status.to_string();
    let answer = Headers::new([(":status", status_line.as_str())].iter().chain(upstream).copied());
    if filter.follows(&stream) {
        let told = filter.response_headers(&mut stream, &Response::new(answer, true), host);
        counted.extend(told.count.iter().map(|i| metrics.get(*i).unwrap().name.to_string()));
        fields.extend(told.headers.iter().map(|edit| match edit {
            postern_core::HeaderEdit::Set(name, value) => {
                format!("{name}: {}", String::from_utf8(value.clone()).unwrap())
            }
            other => panic!("unexpected edit {other:?}"),
        }));
    }
    Seen { status, record: record.replace(r#""version":"","#, ""), fields, counted, asked }
}

/// The same request to a service that gives this answer.
fn send(filter: &RateLimit, host: &FakeHost, answer: &Answer) -> Seen {
    send_to(filter, host, &[], &mut |_| answer.clone())
}

/// A message as a server sends it.
fn said(message: &[u8]) -> Answer {
    Answer::Response {
        status: 200,
        headers: vec![
            (":status".to_owned(), b"200".to_vec()),
            ("content-type".to_owned(), b"application/grpc".to_vec()),
            ("grpc-status".to_owned(), b"0".to_vec()),
        ],
        body: frame(message).into(),
    }
}

/// No message, and a status.
fn failed(code: &str) -> Answer {
    Answer::Response {
        status: 200,
        headers: vec![
            (":status".to_owned(), b"200".to_vec()),
            ("grpc-status".to_owned(), code.as_bytes().to_vec()),
        ],
        body: Vec::new().into(),
    }
}

fn number(code: Code) -> u64 {
    match code {
        Code::Unknown => 0,
        Code::Ok => 1,
        Code::OverLimit => 2,
    }
}

/// A status: code, limit per minute (`None`: there is none), what is left, milliseconds.
type Status = (Code, Option<u64>, u64, u64);

/// `RateLimitResponse` of statuses.
fn statuses(overall: Code, all: &[Status]) -> Vec<u8> {
    let mut out = Vec::new();
    push_number(&mut out, 1, number(overall));
    for (code, limit, remaining, reset) in all {
        let mut status = Vec::new();
        push_number(&mut status, 1, number(*code));
        if let Some(requests) = limit {
            let mut limit = Vec::new();
            push_number(&mut limit, 1, *requests);
            push_number(&mut limit, 2, 2);
            push_bytes(&mut status, 2, &limit);
        }
        push_number(&mut status, 3, *remaining);
        let mut duration = Vec::new();
        push_number(&mut duration, 1, reset / 1_000);
        push_number(&mut duration, 2, reset % 1_000 * 1_000_000);
        push_bytes(&mut status, 4, &duration);
        push_bytes(&mut out, 2, &status);
    }
    out
}

/// `RateLimitResponse` of headers, as Limitador sends them.
fn headers(overall: Code, limit: &str, remaining: &str, reset: &str) -> Vec<u8> {
    let mut out = Vec::new();
    push_number(&mut out, 1, number(overall));
    for (name, value) in [
        ("X-RateLimit-Limit", limit),
        ("X-RateLimit-Remaining", remaining),
        ("X-RateLimit-Reset", reset),
    ] {
        let mut header = Vec::new();
        push_bytes(&mut header, 1, name.as_bytes());
        push_bytes(&mut header, 2, value.as_bytes());
        push_bytes(&mut out, 3, &header);
    }
    out
}

/// A question as the service reads it: of each descriptor its entries, the limit that it
/// brings, and what it adds.
#[derive(Debug, PartialEq, Eq)]
struct Question {
    domain: String,
    descriptors: Vec<Asked>,
}

type Asked = (Vec<String>, Option<(u64, u64)>, u64);

fn asked(ask: &Ask) -> Question {
    let message = unframe(&ask.body).unwrap();
    let mut question = Question { domain: String::new(), descriptors: Vec::new() };
    let mut hits = 1;
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    for field in fields(message).map(Result::unwrap) {
        match field {
            (1, value) => question.domain = text(value.bytes().unwrap()),
            (2, value) => {
                let (mut entries, mut limit, mut own) = (Vec::new(), None, None);
                for (number, value) in fields(value.bytes().unwrap()).map(Result::unwrap) {
                    let parts = fields(value.bytes().unwrap()).map(|f| f.unwrap().1);
                    let parts: Vec<_> = parts.collect();
                    match number {
                        1 => entries.push(format!(
                            "{}={}",
                            text(parts[0].bytes().unwrap()),
                            text(parts[1].bytes().unwrap())
                        )),
                        2 => {
                            let number = |n: usize| u64::from(parts[n].number().unwrap());
                            limit = Some((number(0), number(1)));
                        }
                        3 => own = Some(u64::from(parts[0].number().unwrap())),
                        other => panic!("field {other}"),
                    }
                }
                question.descriptors.push((entries, limit, own.unwrap_or(0)));
            }
            (3, value) => hits = u64::from(value.number().unwrap()),
            other => panic!("{other:?}"),
        }
    }
    for (_, _, own) in question.descriptors.iter_mut().filter(|(_, _, own)| *own == 0) {
        *own = hits;
    }
    question
}

fn identify(host: &FakeHost, sub: &str, plan: Option<&str>) {
    let caller = identity::Caller {
        sub: sub.to_owned(),
        provider: "test".to_owned(),
        credential: "jwt".to_owned(),
        plan: plan.map(str::to_owned),
        ..identity::Caller::default()
    };
    let known = postern_core::Identity::Known(Box::new(caller));
    host.set_property(identity::STATE, known.to_json());
}

fn later(host: &FakeHost, since: Duration) {
    host.set_now(START + since);
}
