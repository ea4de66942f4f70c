//! How often each filter crosses the boundary to the proxy for one plain
//! request: the larger part of what a filter costs. A number that grows is a
//! decision to take, not an accident; one that shrinks belongs here too.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod built;

use std::collections::BTreeMap;

use built::{configured, headers, workspace};
use postern_cli::policy::Policy;
use postern_module::{Event, Headers, Module, ROOT};
use postern_stack::keys::Keys;
use postern_stack::mint::{MintRequest, mint};

/// In the order of a request's way; events without a call are left out.
const EXPECTED: &[&str] = &[
    "legacy-compat request: get_header_map_pairs 1, set_property 2",
    // The token has been seen twice before: its signature is not checked again.
    // None of the identity's headers is there yet, so they need not be replaced.
    "auth request: add_header_map_value 4, get_current_time_nanoseconds 1, \
     get_header_map_pairs 1, remove_header_map_value 1, set_property 2",
    "rate-limit request: get_current_time_nanoseconds 1, get_header_map_pairs 1, \
     get_property 1, get_shared_data 1, set_property 1, set_shared_data 1",
    "authz request: get_header_map_pairs 1, get_property 1, set_property 1",
    "rate-limit response: replace_header_map_value 2",
];

struct Chain {
    filters: Vec<(&'static str, Module)>,
}

/// The demo's filters with the demo's policies, as the proxy would mount them.
fn chain() -> Chain {
    let variables = postern_stack::environment::variables();
    let environment = variables.each_ref().map(|(name, value)| (*name, value.as_str()));
    let load = |name: &'static str| {
        let policy = workspace().join("envoy/filters").join(format!("{name}.yaml"));
        let policy = Policy::read(&policy).unwrap().node.to_json();
        (name, configured(name, &environment, &policy))
    };
    Chain { filters: ["legacy-compat", "auth", "rate-limit", "authz"].map(load).into() }
}

impl Chain {
    /// Sends a request through all of them and an answer back; returns what
    /// each called, a line an event.
    fn pass(&mut self, mut request: Headers, mut response: Headers) -> Vec<String> {
        let mut calls = Vec::new();
        let mut states: BTreeMap<Vec<u8>, Vec<u8>> = BTreeMap::new();
        let mut streams = Vec::new();
        for (name, module) in &mut self.filters {
            let stream = module.stream().unwrap();
            streams.push(stream);
            module.proxy().properties.extend(states.clone());
            let event = module.request_headers(stream, request, true).unwrap();
            assert_eq!(module.proxy().reply, None, "{name} refused");
            calls.extend(line(name, "request", &event));
            request = std::mem::take(&mut module.proxy().request);
            states.extend(module.proxy().properties.clone());
        }
        for ((name, module), stream) in self.filters.iter_mut().zip(streams).rev() {
            let event = module.response_headers(stream, response, true).unwrap();
            calls.extend(line(name, "response", &event));
            response = std::mem::take(&mut module.proxy().response);
            calls.extend(line(name, "end", &module.end(stream).unwrap()));
        }
        calls
    }
}

fn line(name: &str, event: &str, seen: &Event) -> Option<String> {
    let calls: Vec<String> = seen
        .crossings
        .iter()
        .map(|(call, count)| format!("{} {count}", call.trim_start_matches("proxy_")))
        .collect();
    (!calls.is_empty()).then(|| format!("{name} {event}: {}", calls.join(", ")))
}

#[test]
fn the_plain_path_crosses_no_more_often_than_this() {
    let (request, response) = (plain_request(), plain_response());
    let mut chain = chain();
    // The first request also makes the secret that the workers share; the first two
    // have their token checked.
    chain.pass(request.clone(), response.clone());
    chain.pass(request.clone(), response.clone());
    assert_eq!(chain.pass(request, response), EXPECTED);
}

/// The bench's stand-ins make the same calls, so that what they cost is what is left when
/// all that the filters compute is free.
#[test]
fn the_stand_ins_cross_as_often_as_the_filters() {
    let wasm = postern_tests::compile::filter("postern-crossings", &[]).unwrap();
    let load = |name: &'static str| {
        let mut module = Module::load(&wasm, name, &[]).unwrap();
        assert!(module.configure(name).unwrap(), "{name}");
        (name, module)
    };
    let filters = ["legacy-compat", "auth", "rate-limit", "authz"].map(load).into();
    let mut chain = Chain { filters };
    chain.pass(plain_request(), plain_response());
    assert_eq!(chain.pass(plain_request(), plain_response()), EXPECTED);
}

fn plain_request() -> Headers {
    let keys = Keys::embedded().unwrap();
    // The module's clock stands still.
    let token = mint(&keys, MintRequest::for_subject("northwind"), 1_800_000_000).unwrap();
    headers(&[
        (":authority", "api.example.com"),
        (":path", "/v3/market/author/sales"),
        (":method", "GET"),
        (":scheme", "http"),
        ("accept", "*/*"),
        ("authorization", &format!("Bearer {token}")),
        ("x-forwarded-proto", "http"),
        ("x-request-id", "00000000-0000-4000-8000-000000000000"),
    ])
}

fn plain_response() -> Headers {
    headers(&[(":status", "200"), ("content-type", "application/json"), ("content-length", "2")])
}

/// The first count after a rest is told at once, those that follow within some
/// milliseconds together; none is lost.
#[test]
fn counts_under_load_are_told_together() {
    let mut chain = chain();
    for _ in 0..50 {
        chain.pass(plain_request(), plain_response());
    }
    let counted = |module: &mut Module, counter: &str| {
        let metrics = &module.proxy().metrics;
        metrics.iter().find(|(name, _)| name.ends_with(counter)).map(|(_, value)| *value)
    };
    for (name, counter) in COUNTED {
        let (_, module) = chain.filters.iter_mut().find(|(own, _)| *own == name).unwrap();
        assert!(counted(module, counter) <= Some(1), "{name}");
        assert!((1..=5).contains(&module.proxy().tick_period), "{name}");
        let told = module.tick(ROOT).unwrap().crossings.remove("proxy_increment_metric");
        assert!(told.unwrap() < 6, "{name}: {told:?}");
        assert_eq!(counted(module, counter), Some(50), "{name}");
        // Nothing is told twice, and after a rest it is at once again.
        let told = module.tick(ROOT).unwrap().crossings.remove("proxy_increment_metric");
        assert_eq!(told, None, "{name}");
        assert!(module.proxy().tick_period > 5 || name == "auth", "{name}");
    }
    chain.pass(plain_request(), plain_response());
    // `auth` goes on to tick: it has keys to fetch.
    let [_, resting @ ..] = COUNTED;
    for (name, counter) in resting {
        let (_, module) = chain.filters.iter_mut().find(|(own, _)| *own == name).unwrap();
        assert_eq!(counted(module, counter), Some(51), "{name}");
    }
}

/// What a plain request counts.
const COUNTED: [(&str, &str); 3] =
    [("auth", ".authenticated"), ("rate-limit", ".allowed"), ("authz", ".allow.allowed")];
