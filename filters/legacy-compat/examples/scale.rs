//! What a policy's size costs: the time per request among 10 rules and among 5,000, the
//! time to compile them, the longest slice of that, and the memory per rule.
//!
//! ```sh
//! cargo run --release -p postern-legacy-compat --example scale
//! ```

#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use std::hint::black_box;
use std::rc::Rc;
use std::time::{Duration, Instant};

use postern_core::config::parse_json;
use postern_core::fake::FakeHost;
use postern_core::measure::{median, resident, spreads};
use postern_core::{Filter, Headers, Request, Step};
use postern_legacy_compat::{LegacyCompat, Stream};

/// Rules as an old API has them: a set each, with captures, a credential from the path,
/// and an answer in the old shape.
///
/// `few`: ten rules that hold for all sets.
fn policy(rules: usize, few: bool) -> String {
    let mut out = String::from(
        r#"{"date_formats":{"old":"%a %b %d %H:%M:%S %z %Y"},
            "dialects":{"old":{"answers":[{"when":{"status":["5xx"]},"status":500,"text":"fault","content_type":"text/plain"}]}},
            "rules":["#,
    );
    for i in 0..rules {
        if i > 0 {
            out.push(',');
        }
        let set = if few { format!("{{set}}-{i}") } else { format!("set{}-{}", i / 10, i % 10) };
        out.push_str(&format!(
            r#"{{"name":"r{i}","match":{{"hosts":["old.example"],"methods":["GET"],"paths":["/api/{{version:edge|v1|v2}}/{{user}}/{{key}}/{set}:{{id}}.json"]}},
                "dialect":"old",
                "request":{{"path":"/v3/set{i}","query":{{"id":"{{id}}"}},"credential":{{"basic":{{"username":"{{user}}","password":"{{key}}"}}}}}},
                "answers":[{{"when":{{"status":[200]}},"on_mismatch":"fault","json":{{"set":{{"id":"{{id | string}}","cost":"{{price_cents | cents}}","at":"{{published_at | date old}}"}}}}}}]}}"#
        ));
    }
    out + "]}"
}

fn requests(rules: usize, count: usize) -> Vec<String> {
    let path = |n: usize| {
        let set = (n * 7919) % (rules / 10);
        format!("/api/v1/northwind/k0123456789/set{set}-{}:4711.json", n % 10)
    };
    (0..count).map(path).collect()
}

/// Nanoseconds per request.
fn round(filter: &LegacyCompat, paths: &[String], host: &FakeHost) -> f64 {
    let mut spent = Duration::ZERO;
    for path in paths {
        // The proxy has just written it, so it is at hand.
        let path = path.clone();
        let headers = Headers::new([
            (":authority", "old.example"),
            (":path", path.as_str()),
            (":method", "GET"),
            ("accept", "*/*"),
            ("user-agent", "shop/1.0"),
        ]);
        let request = Request::new(headers, true);
        let mut stream = Stream::default();
        let begun = Instant::now();
        let outcome = black_box(filter.request_headers(&mut stream, &request, host));
        spent += begun.elapsed();
        assert!(matches!(outcome.step, Step::Continue) && !outcome.headers.is_empty());
    }
    spent.as_nanos() as f64 / paths.len() as f64
}

fn compiled(policy: &str) -> LegacyCompat {
    LegacyCompat::configure(&parse_json(policy.as_bytes()).unwrap(), &|_| None).unwrap()
}

/// Compiles in slices: how many, and the longest in milliseconds.
fn sliced(policy: &str) -> (usize, f64) {
    let text = Rc::new(policy.as_bytes().to_vec());
    let mut load = LegacyCompat::load(&text, &compiled(r#"{"rules":[]}"#)).unwrap();
    let (mut slices, mut longest) = (0, Duration::ZERO);
    loop {
        let begun = Instant::now();
        let done = load.slice().unwrap();
        longest = longest.max(begun.elapsed());
        slices += 1;
        if done.is_some() {
            return (slices, longest.as_secs_f64() * 1e3);
        }
    }
}

fn main() {
    const RULES: usize = 5_000;
    const ROUNDS: usize = 301;
    const REQUESTS: usize = 1_000;
    const COPIES: usize = 10;
    let host = FakeHost::default();
    for (spread, paths) in spreads(requests(RULES, REQUESTS)) {
        let (few, many) = (compiled(&policy(10, true)), compiled(&policy(RULES, false)));
        let (mut a, mut b) = (Vec::new(), Vec::new());
        for _ in 0..ROUNDS {
            a.push(round(&few, &paths, &host));
            b.push(round(&many, &paths, &host));
        }
        let (few, many) = (median(&mut a), median(&mut b));
        println!(
            "requests {spread}: among 10 rules {few:.0} ns, among 5,000 {many:.0} ns, {:.2} times",
            many / few
        );
    }
    let text = policy(RULES, false);
    let (mut parse, mut compile, mut longest) = (Vec::new(), Vec::new(), Vec::new());
    let mut slices = 0;
    for _ in 0..15 {
        let begun = Instant::now();
        let node = parse_json(text.as_bytes()).unwrap();
        parse.push(begun.elapsed().as_secs_f64() * 1e3);
        let begun = Instant::now();
        let whole = LegacyCompat::configure(&node, &|_| None).unwrap();
        compile.push(begun.elapsed().as_secs_f64() * 1e3);
        drop(whole);
        let (count, time) = sliced(&text);
        slices = count;
        longest.push(time);
    }
    let node = parse_json(text.as_bytes()).unwrap();
    let before = resident();
    let kept: Vec<_> =
        (0..COPIES).map(|_| LegacyCompat::configure(&node, &|_| None).unwrap()).collect();
    let memory = resident().saturating_sub(before) / COPIES;
    drop(kept);
    println!(
        "5,000 rules, {} KiB of JSON: parsed in {:.1} ms, compiled in {:.1} ms, {} bytes a rule; \
         in {slices} slices of at most {:.1} ms",
        text.len() / 1024,
        median(&mut parse),
        median(&mut compile),
        memory / RULES,
        median(&mut longest)
    );
}
