//! Counts of the whole filter, beside those of the library `limits` from PyPI on the same
//! schedules. (What `governor` says of GCRA is a test of the filter itself: `limits` knows
//! no GCRA.)
//!
//! Where the two differ, and why:
//!
//! - Fixed windows begin with the first request in `limits`, here at multiples of their
//!   length, as the old gateway had them. So each of ours is a limit of its own there.
//! - `limits` counts what it refuses in fixed windows; here that costs nothing. So it is
//!   asked first, and hit only with what passed.
//! - Of a sliding window `limits` rounds what is used down and we round it up, so that
//!   never more than the quota passes: where that is no whole number, one less is left.

use std::time::Duration;

use postern_core::config::parse_json;
use postern_core::fake::FakeHost;
use postern_core::{Filter as _, HeaderEdit, Headers, Request, Response, Step};
use postern_rate_limit::{RateLimit, Stream};
use postern_tests::python;
use serde_json::{Value, json};

use super::{Told, lines};

/// Schedules of each algorithm, and requests of each.
const SCHEDULES: usize = 150;
const STEPS: usize = 120;

/// Some time that is a multiple of none of the windows.
const BEGIN: u64 = 1_699_999_267;

pub(super) fn fixed_windows(on: &Told) -> Result<(), String> {
    compare(on, "fixed_window")
}

pub(super) fn sliding_windows(on: &Told) -> Result<(), String> {
    compare(on, "sliding_window")
}

/// What the filter said of a step.
struct Said {
    at: u64,
    cost: u64,
    passed: bool,
    left: u64,
}

fn compare(on: &Told, algorithm: &str) -> Result<(), String> {
    let mut random = Random(if algorithm == "fixed_window" { 1 } else { 2 });
    let (mut schedules, mut input) = (Vec::new(), String::new());
    for _ in 0..SCHEDULES {
        let quota = 1 + random.below(30);
        // Powers of two: the library counts in floating point, and so exactly.
        let window = 2u64 << random.below(9);
        let said = play(algorithm, quota, window, &mut random)?;
        let steps: Vec<Value> = said.iter().map(|s| json!([s.at, s.cost, s.passed])).collect();
        let line =
            json!({"algorithm": algorithm, "quota": quota, "window": window, "steps": steps});
        input.push_str(&format!("{line}\n"));
        schedules.push((quota, window, said));
    }
    let script = "tests/libraries/limits/oracle.py";
    let theirs = lines(&python::script_given(&on.python, script, input.as_bytes())?)?;
    if theirs.len() != SCHEDULES {
        return Err(format!("{} schedules were replayed", theirs.len()));
    }
    let (mut passed, mut refused, mut fractions) = (0, 0, 0);
    for ((quota, window, said), theirs) in schedules.iter().zip(theirs) {
        for (n, own) in said.iter().enumerate() {
            let number = |place: usize| theirs[n][place].as_u64().ok_or("no number");
            let (before, whole, after) = (number(0)?, theirs[n][1] == json!(true), number(2)?);
            let rounded = u64::from(!whole);
            let expected =
                (before.saturating_sub(rounded) >= own.cost, after.saturating_sub(rounded));
            if expected != (own.passed, own.left) {
                return Err(format!(
                    "{algorithm} of {quota} in {window} s, step {n} at {} of {}: passed {}, {} \
                     left; theirs: {expected:?}",
                    own.at, own.cost, own.passed, own.left
                ));
            }
            *(if own.passed { &mut passed } else { &mut refused }) += 1;
            fractions += rounded;
        }
    }
    // Schedules that show nothing would pass too.
    let sliding = algorithm == "sliding_window";
    let enough = passed > 1_000 && refused > 1_000 && (fractions > 1_000) == sliding;
    if enough { Ok(()) } else { Err(format!("{passed} passed, {refused} refused, {fractions}")) }
}

/// Takes a random schedule through the filter.
fn play(
    algorithm: &str,
    quota: u64,
    window: u64,
    random: &mut Random,
) -> Result<Vec<Said>, String> {
    let policy = json!({
        "limits": [{
            "id": "a", "match": {}, "algorithm": algorithm, "quota": quota,
            "window": format!("{window}s"),
            "costs": [{"match": {}, "cost": {"header": "x-cost", "most": 1000}}],
        }],
        "dialects": [{"match": {}, "dialect": "draft_7"}],
    });
    let node = parse_json(policy.to_string().as_bytes()).map_err(|e| e.to_string())?;
    let filter = RateLimit::configure(&node, &|_| None).map_err(|e| e.to_string())?;
    let (host, mut at, mut said) = (FakeHost::default(), BEGIN, Vec::new());
    for _ in 0..STEPS {
        // Often at once, else within a window, now and then beyond.
        at += match random.below(8) {
            0..=3 => 0,
            4..=6 => random.below(window),
            _ => random.below(3 * window),
        };
        let cost = 1 + random.below(3);
        host.set_now(Duration::from_secs(at));
        let (passed, left) = ask(&filter, &host, cost)?;
        said.push(Said { at, cost, passed, left });
    }
    Ok(said)
}

fn ask(filter: &RateLimit, host: &FakeHost, cost: u64) -> Result<(bool, u64), String> {
    let cost = cost.to_string();
    let headers = Headers::new([
        (":method", "GET"),
        (":path", "/"),
        (":authority", "api.example.com"),
        ("x-cost", cost.as_str()),
    ]);
    let mut stream = Stream::default();
    let outcome = filter.request_headers(&mut stream, &Request::new(headers, true), host);
    let passed = matches!(outcome.step, Step::Continue);
    let status = if passed { "200" } else { "429" };
    let response = Response::new(Headers::new([(":status", status)]), true);
    let answer = filter.response_headers(&mut stream, &response, host);
    let said = answer.headers.iter().find_map(|edit| match edit {
        HeaderEdit::Set(name, value) if name == "ratelimit" => Some(String::from_utf8_lossy(value)),
        _ => None,
    });
    let said = said.ok_or("no `ratelimit`")?;
    let left = said.split(", ").find_map(|part| part.strip_prefix("remaining=")?.parse().ok());
    Ok((passed, left.ok_or_else(|| said.to_string())?))
}

/// SplitMix64: the same schedules in each run.
struct Random(u64);

impl Random {
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % end.max(1)
    }
}
