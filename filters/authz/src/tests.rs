#![allow(clippy::get_unwrap)]

mod bounds;
mod bytes;
mod candidate;
mod conditions;
mod configuration;
mod reference;
mod requests;
mod slices;
mod sources;
mod told;
mod unsure;
mod vain;
mod when;

use std::time::Duration;

use postern_core::config::parse_json;
use postern_core::fake::FakeHost;
use postern_core::scopes::Scopes;
use postern_core::{Filter, HeaderEdit, Headers, Identity, Refusal, Request, Step, identity};

use crate::Authz;

/// What came of a request, as the tests compare it.
#[derive(Debug, PartialEq, Eq)]
struct Judged {
    /// 0: it goes on.
    status: u16,
    /// The challenge, if there is one.
    challenge: String,
    /// The refusal's code; empty: it goes on.
    problem: &'static str,
    /// Of the record.
    rule: String,
    /// Of the record.
    code: &'static str,
    /// The path that goes on, if it was rewritten.
    path: Option<String>,
}

fn authz(policy: &str) -> Authz {
    Authz::configure(&parse_json(policy.as_bytes()).unwrap(), &|_| None).unwrap()
}

/// `headers`: `name: value`, with `:method`, `:path`, `:authority` set to
/// `GET`, `/`, `api.example.com` where they are left out; an empty value
/// leaves the header out.
fn judge(authz: &Authz, headers: &[(&str, &[u8])], identity: Option<&[u8]>) -> Judged {
    let mut all: Vec<(String, Vec<u8>)> = Vec::new();
    for (name, value) in [(":method", "GET"), (":path", "/"), (":authority", "api.example.com")] {
        if !headers.iter().any(|(n, _)| *n == name) {
            all.push((name.to_owned(), value.as_bytes().to_vec()));
        }
    }
    all.extend(
        headers.iter().filter(|(_, v)| !v.is_empty()).map(|(n, v)| ((*n).to_owned(), v.to_vec())),
    );
    let host = FakeHost::at(Duration::from_secs(1_700_000_000));
    if let Some(identity) = identity {
        host.set_property(identity::STATE, identity);
    }
    let request = Request::new(Headers::new(all), true);
    let outcome = authz.request_headers(&mut Vec::new(), &request, &host);
    let record = outcome.record.unwrap();
    assert_eq!(outcome.count.len(), 1, "each decision is counted once");
    let refusal = match outcome.step {
        Step::Continue => None,
        Step::Refuse(refusal) => Some(*refusal),
        other => panic!("neither allowed nor refused: {other:?}"),
    };
    assert_eq!(refusal.is_none(), record.decision.as_str() == "allow", "the record is right");
    Judged {
        status: refusal.as_ref().map_or(0, |r| r.status),
        challenge: refusal.as_ref().map(challenge).unwrap_or_default(),
        problem: refusal.as_ref().map_or("", |r| r.code),
        rule: record.rule.clone().into_owned(),
        code: record.code,
        path: outcome.headers.first().map(|edit| match edit {
            HeaderEdit::Set(name, value) if name == ":path" => {
                String::from_utf8(value.clone()).unwrap()
            }
            other => panic!("unexpected edit {other:?}"),
        }),
    }
}

fn challenge(refusal: &Refusal) -> String {
    let [] = refusal.headers.as_slice() else {
        let [(name, value)] = refusal.headers.as_slice() else { panic!("one header") };
        assert_eq!(name, "www-authenticate");
        return String::from_utf8(value.clone()).unwrap();
    };
    String::new()
}

fn anonymous() -> Vec<u8> {
    Identity::Anonymous.to_json()
}

fn caller(scopes: &[&str]) -> Vec<u8> {
    let caller = identity::Caller {
        sub: "northwind".to_owned(),
        scopes: Scopes::of(scopes.iter().copied()).unwrap(),
        provider: "test".to_owned(),
        credential: "jwt".to_owned(),
        ..identity::Caller::default()
    };
    Identity::Known(Box::new(caller)).to_json()
}
