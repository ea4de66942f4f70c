//! The filters' cores, natively and one at a time: what a decision takes where a proxy, its
//! calls and Wasm are not in the way. The figures do not compare with those of
//! `cargo xtask bench`; what they are for is the same core before and after a change.

#![allow(missing_docs, clippy::unwrap_used, clippy::panic)]

use std::hint::black_box;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use criterion::{
    BatchSize, BenchmarkGroup, Criterion, Throughput, criterion_group, criterion_main,
    measurement::WallTime,
};
use postern_auth::Auth;
use postern_authz::Authz;
use postern_cli::policy::Policy;
use postern_core::config::parse_json;
use postern_core::fake::FakeHost;
use postern_core::identity::{self, Caller};
use postern_core::scopes::Scopes;
use postern_core::{Filter, Headers, Identity, Outcome, Request, Response, Step};
use postern_legacy_compat::LegacyCompat;
use postern_rate_limit::RateLimit;
use postern_stack::keys::Keys;
use postern_stack::mint::{self, MintRequest, mint};
use postern_tests::corpus::workspace;

fn now() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap()
}

fn filter<F: Filter>(policy: &str) -> F {
    F::configure(&parse_json(policy.as_bytes()).unwrap(), &|_| None).unwrap()
}

/// A filter by its policy of the demo, and what follows the policy's text.
fn demo<F: Filter>(name: &str, more: &str) -> F {
    let file = workspace().join("envoy/filters").join(format!("{name}.yaml"));
    let text = std::fs::read_to_string(&file).unwrap() + more;
    let policy = Policy::parse(&file, name, &text).unwrap();
    let environment = postern_stack::environment::variable;
    filter_of(&policy.node.to_json(), &environment)
}

fn filter_of<F: Filter>(policy: &str, environment: &dyn Fn(&str) -> Option<String>) -> F {
    F::configure(&parse_json(policy.as_bytes()).unwrap(), environment).unwrap()
}

fn headers(host: &str, path: &str, more: &[(&str, &str)]) -> Vec<(String, Vec<u8>)> {
    let own = [(":method", "GET"), (":authority", host), (":path", path), ("user-agent", "bench")];
    own.iter()
        .chain(more)
        .map(|(name, value)| ((*name).to_owned(), value.as_bytes().to_vec()))
        .collect()
}

fn ask<F: Filter>(filter: &F, host: &FakeHost, headers: &[(String, Vec<u8>)]) -> Outcome {
    let request = Request::new(Headers::new(headers.to_vec()), true);
    filter.request_headers(&mut F::Stream::default(), &request, host)
}

fn passes(outcome: &Outcome) {
    assert!(matches!(outcome.step, Step::Continue), "{:?}", outcome.step);
}

/// Measures requests that all pass.
fn passing<F: Filter>(
    group: &mut BenchmarkGroup<'_, WallTime>,
    name: &str,
    filter: &F,
    host: &FakeHost,
    headers: &[(String, Vec<u8>)],
) {
    passes(&ask(filter, host, headers));
    group.bench_function(name, |b| b.iter(|| ask(filter, host, black_box(headers))));
}

fn auth(c: &mut Criterion) {
    let mut group = c.benchmark_group("auth");
    let auth: Auth = demo("auth", "");
    let host = FakeHost::at(now());
    let keys = Keys::embedded().unwrap();
    let token = |at: usize| {
        let mut caller = MintRequest::for_subject(&format!("caller-{at}"));
        caller.ttl = Some(10 * 365 * 24 * 3600);
        let bearer = format!("Bearer {}", mint(&keys, caller, mint::now()).unwrap());
        headers("api.example.com", "/v3/market/author/sales", &[("authorization", &bearer)])
    };
    passing(&mut group, "a token that was seen before", &auth, &host, &token(0));
    // More than the cache has places, so that none of them is there when it comes again.
    let many: Vec<_> = (0..20_000).map(token).collect();
    let (mut next, mut time) = (many.iter().cycle(), now());
    group.sample_size(20).bench_function("a new token, its signature in Rust", |b| {
        b.iter_batched(
            || next.next().unwrap(),
            |headers| {
                // Checks in Rust are so many a second.
                time += Duration::from_millis(100);
                host.set_now(time);
                passes(&ask(&auth, &host, headers));
            },
            BatchSize::SmallInput,
        );
    });
    let key = "Bearer pk_demo_northwind_0123456789abcdef0123456789";
    let key = headers("api.example.com", "/v3/market/author/sales", &[("authorization", key)]);
    passing(&mut group, "an API key", &auth, &host, &key);
}

fn known(sub: &str) -> Vec<u8> {
    let caller = Caller {
        sub: sub.to_owned(),
        scopes: Scopes::read("sales:read").unwrap(),
        provider: "idp".to_owned(),
        credential: "jwt".to_owned(),
        ..Caller::default()
    };
    Identity::Known(Box::new(caller)).to_json()
}

fn authz(c: &mut Criterion) {
    let mut group = c.benchmark_group("authz");
    for rules in [10, 10_000] {
        let each = |at: usize| {
            format!(
                r#"{{"name":"r{at}","match":{{"methods":["GET"],"paths":["/s{}/r{}/{{id}}/a{at}"]}},"subject":{{"any_scope":["sales:read"]}}}}"#,
                at / 100,
                at / 10
            )
        };
        let all: Vec<String> = (0..rules).map(each).collect();
        let authz: Authz = filter(&format!(r#"{{"realm":"bench","rules":[{}]}}"#, all.join(",")));
        let host = FakeHost::at(now());
        host.set_property(identity::STATE, known("northwind"));
        let request = headers("api.example.com", "/s0/r0/17/a7", &[]);
        passing(&mut group, &format!("a decision among {rules} rules"), &authz, &host, &request);
    }
}

fn rate_limit(c: &mut Criterion) {
    let mut group = c.benchmark_group("rate-limit");
    for (name, windows) in [
        ("one window", r#"[{"quota":1000000000,"window":"60s","burst":1000000000}]"#),
        (
            "three windows",
            r#"[{"quota":1000000000,"window":"1s"},{"quota":1000000000,"window":"1h"},{"quota":1000000000,"window":"1d"}]"#,
        ),
    ] {
        let filter: RateLimit = filter(&format!(
            r#"{{"limits":[{{"id":"each","match":{{}},"key":["subject"],"windows":{windows}}}]}}"#
        ));
        for callers in [1, 100_000] {
            let host = FakeHost::at(now());
            let request = headers("api.example.com", "/", &[]);
            let all: Vec<Vec<u8>> = (0..callers).map(|at| known(&format!("caller-{at}"))).collect();
            for one in &all {
                host.set_property(identity::STATE, one.clone());
                passes(&ask(&filter, &host, &request));
            }
            let mut next = all.iter().cycle();
            group.bench_function(format!("{name}, {callers} callers"), |b| {
                b.iter_batched(
                    || host.set_property(identity::STATE, next.next().unwrap().clone()),
                    |()| ask(&filter, &host, &request),
                    BatchSize::SmallInput,
                );
            });
        }
    }
}

fn legacy_compat(c: &mut Criterion) {
    let mut group = c.benchmark_group("legacy-compat");
    for rules in [10, 5_000] {
        let each = |at: usize| {
            format!(
                r#"{{"name":"r{at}","match":{{"hosts":["old.example"],"paths":["/api/{{user}}/{{key}}/set{at}:{{id}}.json"]}},"request":{{"path":"/v3/set{at}","query":{{"id":"{{id}}"}}}}}}"#
            )
        };
        let all: Vec<String> = (0..rules).map(each).collect();
        let legacy: LegacyCompat = filter(&format!(r#"{{"rules":[{}]}}"#, all.join(",")));
        let request = headers("old.example", "/api/northwind/abc/set7:1234.json", &[]);
        let host = FakeHost::at(now());
        passing(&mut group, &format!("a rule among {rules}"), &legacy, &host, &request);
    }
    let legacy: LegacyCompat = filter(
        r#"{"max_body":2000000,"rules":[{"name":"edited","match":{"paths":["/json"]},"answers":[{"edit":{"scalars":"string"}}]}]}"#,
    );
    let host = FakeHost::at(now());
    for items in [20, 1_000, 10_000] {
        let item = |at: usize| {
            format!(r#"{{"id":{at},"name":"an item of the bench","price":12.50,"sold":true}}"#)
        };
        let all: Vec<String> = (0..items).map(item).collect();
        let body = format!(r#"{{"items":[{}]}}"#, all.join(",")).into_bytes();
        group.throughput(Throughput::Bytes(body.len() as u64));
        group.bench_function(format!("an answer of {} kB edited", body.len() / 1_000), |b| {
            b.iter_batched(
                || held(&legacy, &host),
                |mut stream| {
                    let outcome = legacy.response_body(&mut stream, black_box(&body), &host);
                    assert!(outcome.body.is_some(), "it was edited");
                    outcome
                },
                BatchSize::SmallInput,
            );
        });
    }
}

/// A stream whose answer's body is about to come.
fn held(legacy: &LegacyCompat, host: &FakeHost) -> <LegacyCompat as Filter>::Stream {
    let mut stream = Default::default();
    let request = Headers::new(headers("api.example.com", "/json", &[]));
    passes(&legacy.request_headers(&mut stream, &Request::new(request, true), host));
    let answer = Headers::new([(":status", "200"), ("content-type", "application/json")]);
    let outcome = legacy.response_headers(&mut stream, &Response::new(answer, false), host);
    assert!(matches!(outcome.step, Step::Hold), "{:?}", outcome.step);
    stream
}

criterion_group! {
    name = cores;
    config = Criterion::default().warm_up_time(Duration::from_secs(1)).measurement_time(Duration::from_secs(3));
    targets = auth, authz, rate_limit, legacy_compat
}
criterion_main!(cores);
