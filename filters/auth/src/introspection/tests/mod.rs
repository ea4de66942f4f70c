//! The provider against a service that answers what a test says.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice
)]

mod answers;
mod configuration;
mod model;
mod waits;

use std::time::Duration;

use postern_core::config::{At, Decode, Errors, parse_json};
use postern_core::fake::FakeHost;
use postern_core::{Answer, Work};
use serde_json::{Value, json};

use super::{Introspection, IntrospectionConfig};
use crate::verdict::Verdict;

/// Seconds since the Unix epoch.
const NOW: u64 = 1_795_478_430;

fn environment(name: &str) -> Option<String> {
    match name {
        "SECRET" => Some("s3cret/+".to_owned()),
        "BLANK" => Some("a b".to_owned()),
        "EMPTY" => Some(String::new()),
        _ => None,
    }
}

/// The test configuration; `changes` are put over it, `null` removes a key.
fn compiled(changes: &Value) -> (Introspection, Errors) {
    let mut config = json!({
        "cluster": "idp",
        "uri": "https://id.example.com:8443/introspect?v=1",
        "client": {"id": "gate way", "secret_env": "SECRET"},
        "claims": ["tenant"],
    });
    for (key, value) in changes.as_object().unwrap() {
        if value.is_null() {
            config.as_object_mut().unwrap().remove(key);
        } else {
            config[key] = value.clone();
        }
    }
    let node = parse_json(config.to_string().as_bytes()).unwrap();
    let mut errors = Errors::default();
    let at = At::root(&node);
    let config = IntrospectionConfig::decode(at, &mut errors).unwrap_or_else(|| panic!("{errors}"));
    let provider = Introspection::compile(&config, "personal", at, &environment, &mut errors);
    (provider, errors)
}

fn provider(changes: &Value) -> Introspection {
    let (provider, errors) = compiled(changes);
    assert!(errors.is_empty(), "{errors}");
    provider
}

fn host() -> FakeHost {
    FakeHost::at(Duration::from_secs(NOW))
}

fn tick(provider: &Introspection, host: &FakeHost) -> Work {
    crate::verdict::Kind::tick(provider, host)
}

fn answer(provider: &Introspection, task: u64, answer: &Answer, host: &FakeHost) -> Work {
    crate::verdict::Kind::answer(provider, task, answer, host)
}

fn response(status: u16, body: &str) -> Answer {
    Answer::Response { status, headers: Vec::new(), body: body.as_bytes().to_vec().into() }
}

fn active(subject: &str) -> Answer {
    response(200, &json!({"active": true, "sub": subject}).to_string())
}

fn inactive() -> Answer {
    response(200, r#"{"active":false}"#)
}

/// `sub`, `401 code`, `503`, or `wait key`.
fn said(verdict: &Verdict) -> String {
    match verdict {
        Verdict::Known(known) => known.checked.caller.sub.clone(),
        Verdict::Bad(flaw) => format!("401 {}", flaw.reason.code()),
        Verdict::Unavailable(why) => {
            assert_eq!((why.code, why.retry_after), ("introspection_unavailable", 1));
            "503".to_owned()
        }
        Verdict::Wait { key, .. } => format!("wait {key}"),
        Verdict::Absent => panic!("absent"),
    }
}

/// What a token is worth now.
fn judge(provider: &Introspection, token: &str, host: &FakeHost) -> String {
    said(&provider.judge(token.as_bytes(), host, None))
}

/// What it is worth for a request that waits since that many milliseconds.
fn judge_again(provider: &Introspection, token: &str, host: &FakeHost, since: u64) -> String {
    use postern_core::Host as _;
    let since = host.now() - Duration::from_millis(since);
    said(&provider.judge(token.as_bytes(), host, Some(since)))
}

/// Counters of a piece of work, in order.
fn counted(work: &Work) -> Vec<&'static str> {
    let mut names: Vec<&str> = work.count.iter().map(|i| super::METRICS[*i]).collect();
    names.sort_unstable();
    names.into_iter().map(|name| name.strip_prefix("introspection.").unwrap()).collect()
}
