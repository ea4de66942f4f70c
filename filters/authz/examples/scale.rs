//! What a policy's size costs: the time to decide among 10 rules and among
//! 10,000, the time to compile them, and the memory per rule.
//!
//! ```sh
//! cargo run --release -p postern-authz --example scale
//! ```

#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use std::hint::black_box;
use std::time::{Duration, Instant};

use postern_authz::Authz;
use postern_core::config::parse_json;
use postern_core::fake::FakeHost;
use postern_core::measure::{median, resident, spreads};
use postern_core::{Filter, Headers, Request, identity};

/// Rules as policies have them: a service per hundred, each with a resource per
/// ten, its collection, its items, and what can be done with one; reading and
/// writing apart; a deny rule over each resource.
///
/// `few`: the ten rules of one resource, which hold for all resources of all services.
fn policy(rules: usize, few: bool) -> String {
    let mut out = String::from(r#"{"realm":"shop","rules":["#);
    for i in 0..rules {
        if i > 0 {
            out.push(',');
        }
        let (base, scope) = if few {
            ("/{service}/{resource}".to_owned(), "all".to_owned())
        } else {
            (format!("/s{}/r{}", i / 100, i / 10), format!("s{}", i / 100))
        };
        let path = match i % 5 {
            0 => base.clone(),
            1 | 2 => format!("{base}/{{id}}"),
            3 => format!("{base}/{{id}}/a{i}"),
            _ => format!("{base}/{{id}}/**"),
        };
        let method = if i % 2 == 0 { "GET" } else { "POST" };
        if i % 10 == 9 {
            out.push_str(&format!(
                r#"{{"name":"r{i}","effect":"deny","match":{{"paths":["{base}/**"],"headers":[{{"name":"x-tool","exact":["scraper"]}}]}},"subject":"anyone"}}"#
            ));
        } else {
            out.push_str(&format!(
                r#"{{"name":"r{i}","match":{{"methods":["{method}"],"paths":["{path}"]}},"subject":{{"any_scope":["{scope}:read","{scope}:write"]}}}}"#
            ));
        }
    }
    out + "]}"
}

/// Rules whose paths differ by the end of a segment alone: `/{id}.t0` and so on.
fn suffixes(rules: usize) -> Set {
    let rule = |i: usize| {
        format!(r#"{{"name":"r{i}","match":{{"paths":["/{{id}}.t{i}"]}},"subject":"anyone"}}"#)
    };
    let policy: Vec<_> = (0..rules).map(rule).collect();
    let identity = br#"{"v":1,"sub":"a","provider":"idp","credential":"jwt"}"#;
    let request = |n: usize| (format!("/4711.t{}", (n * 7919) % rules), identity.to_vec());
    let authz = compiled(&format!(r#"{{"rules":[{}]}}"#, policy.join(",")));
    Set { authz, requests: (0..1_000).map(request).collect() }
}

struct Set {
    authz: Authz,
    requests: Vec<(String, Vec<u8>)>,
}

fn compiled(policy: &str) -> Authz {
    Authz::configure(&parse_json(policy.as_bytes()).unwrap(), &|_| None).unwrap()
}

/// Requests for resources that are spread over the whole policy.
fn requests(rules: usize, count: usize) -> Vec<(String, Vec<u8>)> {
    let request = |n: usize| {
        let i = (n * 7919) % rules / 10 * 10;
        let (service, resource) = (i / 100, i / 10);
        let identity = format!(
            r#"{{"v":1,"sub":"northwind","scopes":["a:read","all:read","s{service}:read"],"provider":"idp","credential":"jwt"}}"#
        );
        (format!("/s{service}/r{resource}/4711?page=2"), identity.into_bytes())
    };
    (0..count).map(request).collect()
}

impl Set {
    /// Nanoseconds per decision.
    fn round(&self, host: &FakeHost) -> f64 {
        let mut spent = Duration::ZERO;
        for (path, identity) in &self.requests {
            // The proxy has just written both, so they are at hand.
            host.set_property(identity::STATE, identity.as_slice());
            let headers = Headers::new([
                (":authority", "api.example.com"),
                (":path", path.as_str()),
                (":method", "GET"),
                ("accept", "*/*"),
                ("user-agent", "shop/1.0"),
                ("x-request-id", "00000000-0000-4000-8000-000000000000"),
            ]);
            let request = Request::new(headers, true);
            let begun = Instant::now();
            let outcome = black_box(self.authz.request_headers(&mut Vec::new(), &request, host));
            spent += begun.elapsed();
            assert_eq!(outcome.record.unwrap().code, "allowed");
        }
        spent.as_nanos() as f64 / self.requests.len() as f64
    }
}

fn main() {
    const ROUNDS: usize = 301;
    const REQUESTS: usize = 1_000;
    const COPIES: usize = 10;
    let host = FakeHost::default();
    for (spread, requests) in spreads(requests(10_000, REQUESTS)) {
        let few = Set { authz: compiled(&policy(10, true)), requests: requests.clone() };
        let many = Set { authz: compiled(&policy(10_000, false)), requests };
        let (mut a, mut b) = (Vec::new(), Vec::new());
        for _ in 0..ROUNDS {
            a.push(few.round(&host));
            b.push(many.round(&host));
        }
        let (few, many) = (median(&mut a), median(&mut b));
        println!(
            "requests {spread}: among 10 rules {few:.0} ns, among 10,000 {many:.0} ns, {:.2} times",
            many / few
        );
    }
    let [few, many] = [10, 10_000].map(|rules| {
        let set = suffixes(rules);
        median(&mut (0..ROUNDS).map(|_| set.round(&host)).collect::<Vec<_>>())
    });
    println!("ends of segments: among 10 rules {few:.0} ns, among 10,000 {many:.0} ns");
    let text = policy(10_000, false);
    let mut parse = Vec::new();
    let mut compile = Vec::new();
    for _ in 0..15 {
        let begun = Instant::now();
        let node = parse_json(text.as_bytes()).unwrap();
        parse.push(begun.elapsed().as_secs_f64() * 1e3);
        let begun = Instant::now();
        let authz = Authz::configure(&node, &|_| None).unwrap();
        compile.push(begun.elapsed().as_secs_f64() * 1e3);
        drop(authz);
    }
    let node = parse_json(text.as_bytes()).unwrap();
    let before = resident();
    let kept: Vec<_> = (0..COPIES).map(|_| Authz::configure(&node, &|_| None).unwrap()).collect();
    let memory = (resident() - before) / COPIES;
    drop(kept);
    println!(
        "10,000 rules, {} KiB of JSON: parsed in {:.1} ms, compiled in {:.1} ms, {} bytes a rule",
        text.len() / 1024,
        median(&mut parse),
        median(&mut compile),
        memory / 10_000
    );
}
