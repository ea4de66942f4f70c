//! What a million callers cost: the memory of the table, and the time of a decision, after
//! each hundred thousand.
//!
//! ```sh
//! cargo run --release -p postern-rate-limit --example scale [CAPACITY]
//! ```

#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use std::hint::black_box;
use std::time::{Duration, Instant};

use postern_core::config::parse_json;
use postern_core::fake::FakeHost;
use postern_core::measure::{median, resident};
use postern_core::{Filter, Headers, Request, Step, identity};
use postern_rate_limit::{RateLimit, Stream};

const CALLERS: u64 = 1_000_000;
const EACH: u64 = 100_000;

fn filter(capacity: u64) -> RateLimit {
    let policy = format!(
        r#"{{"limits": [{{"id": "current", "match": {{}}, "quota": 100, "window": "1h"}}], "capacity": {capacity}}}"#
    );
    RateLimit::configure(&parse_json(policy.as_bytes()).unwrap(), &|_| None).unwrap()
}

fn identity_of(caller: u64) -> String {
    format!(r#"{{"v":1,"sub":"caller-{caller}","scopes":[],"provider":"idp","credential":"jwt"}}"#)
}

/// Nanoseconds of the filter for one request, and whether it passed.
fn ask(filter: &RateLimit, host: &FakeHost, caller: u64) -> (f64, bool) {
    host.set_property(identity::STATE, identity_of(caller).as_bytes());
    let headers = Headers::new([
        (":authority", "api.example.com"),
        (":path", "/v1/market/total-items.json"),
        (":method", "GET"),
        ("accept", "*/*"),
        ("user-agent", "shop/1.0"),
        ("x-request-id", "00000000-0000-4000-8000-000000000000"),
    ]);
    let request = Request::new(headers, true);
    let mut stream = Stream::default();
    let begun = Instant::now();
    let outcome = black_box(filter.request_headers(&mut stream, &request, host));
    (begun.elapsed().as_nanos() as f64, matches!(outcome.step, Step::Continue))
}

fn main() {
    let capacity = std::env::args().nth(1).and_then(|word| word.parse().ok()).unwrap_or(65_536);
    let (filter, host) = (filter(capacity), FakeHost::at(Duration::from_secs(1_700_000_000)));
    let before = resident();
    println!("capacity {capacity}");
    println!("     callers   slots    MB   ns a decision   refused");
    for first in (0..CALLERS).step_by(usize::try_from(EACH).unwrap()) {
        let (mut times, mut refused) = (Vec::new(), 0);
        for caller in first..first + EACH {
            let (time, passed) = ask(&filter, &host, caller);
            times.push(time);
            refused += u64::from(!passed);
        }
        println!(
            "{:>12} {:>7} {:>5} {:>15.0} {:>9}",
            first + EACH,
            host.shared_len(),
            resident().saturating_sub(before) / 1_000_000,
            median(&mut times),
            refused
        );
    }
    // The same callers once more, in another order.
    let again = (0..EACH).map(|n| ask(&filter, &host, n * 7_919 % CALLERS).0);
    println!("       again {:>29.0}", median(&mut again.collect::<Vec<_>>()));
}
