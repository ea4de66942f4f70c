//! Several windows, several limits: counted in all of them or in none.

use std::cell::Cell;

use postern_core::fake::Vm;

use super::*;

const WINDOWS: &str = r#"{
    "limits": [{"id": "a", "match": {}, "windows": ["3/s", "5/m", {"quota": 100, "window": "1d", "name": "daily"}]}],
    "dialects": [{"match": {}, "dialect": "ietf", "show": "all"}]
}"#;

#[test]
fn a_request_is_counted_in_every_window_or_in_none() {
    let (filter, host) = (rate_limit(WINDOWS), FakeHost::at(START));
    identify(&host, caller("northwind"));
    let policy = r#"ratelimit-policy: "a.1s";q=3;w=1, "a.1m";q=5;w=60, "daily";q=100;w=86400"#;
    let seen = send(&filter, &host, &[], 200);
    let first = r#"ratelimit: "a.1s";r=2;t=1, "a.1m";r=4;t=12, "daily";r=99;t=864"#;
    assert_eq!(seen.fields, [policy, first]);
    assert_eq!(passed(&filter, &host, &[], 10), 2);
    // What the second refused cost the minute and the day nothing.
    host.set_now(START + Duration::from_secs(1));
    assert_eq!(passed(&filter, &host, &[], 10), 2);
    let refused = send(&filter, &host, &[], 200);
    let fields = [
        "retry-after: 11",
        policy,
        r#"ratelimit: "a.1s";r=1;t=1, "a.1m";r=0;t=11, "daily";r=95;t=863"#,
    ];
    assert_eq!((refused.status, refused.fields), (429, fields.map(str::to_owned).to_vec()));
    assert_eq!(violated(&filter, &host, &[]), ["a.1m"]);
    assert_eq!(host.shared_len(), 2, "one cell, and the secret");
}

fn violated(filter: &RateLimit, host: &FakeHost, headers: &[(&str, &[u8])]) -> Vec<String> {
    let (_, outcome) = ask(filter, host, headers);
    let Step::Refuse(refusal) = outcome.step else { panic!("passed") };
    let member = refusal.members.iter().find(|(name, _)| *name == "violated-policies");
    serde_json::from_str(&member.unwrap().1.to_json()).unwrap()
}

const BESIDE: &str = r#"{
    "limits": [
        {"id": "search", "match": {"paths": ["/search"]}, "quota": 2, "window": "60s"},
        {"id": "all", "match": {}, "quota": 4, "window": "60s"},
        {"id": "client", "match": {}, "also": true, "key": ["client"], "quota": 5, "window": "60s"},
        {"id": "tried", "match": {}, "also": true, "mode": "shadow", "quota": 1, "window": "60s"}
    ]
}"#;

fn at(path: &'static str) -> [(&'static str, &'static [u8]); 1] {
    [(":path", path.as_bytes())]
}

#[test]
fn the_first_that_matches_counts_and_all_that_count_beside_others() {
    let (filter, host) = (rate_limit(BESIDE), FakeHost::at(START));
    let of = |sub: &str| identity::Caller { client: Some("app".to_owned()), ..caller(sub) };
    identify(&host, of("a"));
    // The tightest is told: `search` has fewer left than `client`.
    let seen = send(&filter, &host, &at("/search"), 200);
    let told = [r#"ratelimit-policy: "search";q=2;w=60"#, r#"ratelimit: "search";r=1;t=30"#];
    assert_eq!(seen.fields, told);
    assert_eq!(passed(&filter, &host, &at("/search"), 9), 1);
    assert_eq!(violated(&filter, &host, &at("/search")), ["search"]);
    // `all` did not count them, `client` did, and not those that were refused.
    assert_eq!(passed(&filter, &host, &[], 9), 3);
    assert_eq!(violated(&filter, &host, &[]), ["client"]);
    identify(&host, of("b"));
    assert_eq!(passed(&filter, &host, &[], 9), 0, "the client's limit is one for both");
    identify(&host, caller("a"));
    assert_eq!(passed(&filter, &host, &[], 9), 1, "of `all`, which lost nothing to `client`");
    assert_eq!(violated(&filter, &host, &[]), ["all"]);
}

#[test]
fn a_limit_in_shadow_is_only_recorded() {
    let (filter, host) = (rate_limit(BESIDE), FakeHost::at(START));
    identify(&host, caller("a"));
    let record =
        |outcome: Outcome| String::from_utf8(outcome.record.unwrap().to_json("v")).unwrap();
    let (_, outcome) = ask(&filter, &host, &[]);
    let plain = r#"{"decision":"allow","rule":"all","code":"within_limit","version":"v","mode":"enforce","remaining":3}"#;
    assert_eq!(record(outcome), plain);
    let (_, outcome) = ask(&filter, &host, &[]);
    let would = crate::metrics::of_limit(3, crate::metrics::Fate::WouldRefuse);
    assert!(outcome.count.contains(&would), "{:?}", outcome.count);
    let over = r#"{"decision":"allow","rule":"all","code":"within_limit","version":"v","mode":"enforce","remaining":2,"would_refuse":"tried"}"#;
    assert_eq!(record(outcome), over);
    // Alone, it tells the client nothing.
    let policy =
        r#"{"limits": [{"id": "a", "match": {}, "mode": "shadow", "quota": 1, "window": "60s"}]}"#;
    let filter = rate_limit(policy);
    assert_eq!(passed(&filter, &host, &[], 5), 5);
    assert_eq!(send(&filter, &host, &[], 200).fields, Vec::<String>::new());
    let (_, outcome) = ask(&filter, &host, &[]);
    let shadow = r#"{"decision":"allow","rule":"a","code":"within_limit","version":"v","mode":"shadow","would_refuse":"a"}"#;
    assert_eq!(record(outcome), shadow);
}

/// Another worker takes the last of one limit between a look and the write: what was
/// taken of the others is given back.
#[test]
fn what_is_taken_is_given_back_when_another_worker_was_first() {
    let policy = r#"{"limits": [
        {"id": "one", "match": {}, "also": true, "quota": 3, "window": "60s"},
        {"id": "two", "match": {}, "also": true, "key": ["client"], "quota": 1, "window": "60s"}
    ]}"#;
    let (ours, theirs) = (rate_limit(policy), rate_limit(policy));
    let host = FakeHost::at(START);
    let of = |sub: &str| identity::Caller { client: Some("app".to_owned()), ..caller(sub) };
    let once = Cell::new(0);
    let busy = Vm::interleaved(&host, || {
        once.set(once.get() + 1);
        // The secret is read first, then the one limit, then the other.
        if once.get() == 3 {
            identify(&host, of("b"));
            assert_eq!(passed(&theirs, &host, &[], 1), 1);
            identify(&host, of("a"));
        }
    });
    identify(&host, of("a"));
    let request = Headers::new([(":path", "/"), (":method", "GET"), (":authority", "a")]);
    let request = Request::new(request, true);
    let mut stream = Stream::default();
    let outcome = ours.request_headers(&mut stream, &request, &busy);
    assert!(once.get() >= 3);
    assert!(matches!(outcome.step, Step::Refuse(_)), "the other had the last");
    // Nothing of `one` is spent.
    identify(&host, caller("a"));
    host.set_property("source.address", "192.0.2.1:1");
    let seen = send(&ours, &host, &[], 200);
    assert_eq!(seen.status, 200);
    identify(&host, of("a"));
    assert_eq!(violated(&ours, &host, &[]), ["two"]);
    let fields = dress(&ours, &host, &mut stream, 429);
    assert_eq!(fields.last().unwrap(), r#"ratelimit: "two";r=0;t=60"#);
    identify(&host, caller("a"));
    for n in 0..2u8 {
        host.set_property("source.address", format!("192.0.2.{}:1", 2 + n));
        assert_eq!(passed(&ours, &host, &[], 9), 1, "three of `one` in all");
    }
    host.set_property("source.address", "192.0.2.9:1");
    assert_eq!(passed(&ours, &host, &[], 9), 0);
}

#[test]
fn a_refused_request_costs_the_limits_nothing_that_would_have_let_it_pass() {
    let filter = rate_limit(
        r#"{"limits": [
            {"id": "wide", "match": {}, "also": true, "quota": 9, "window": "60s"},
            {"id": "narrow", "match": {}, "also": true, "quota": 1, "window": "60s"}
        ], "dialects": [{"match": {}, "dialect": "ietf", "show": "all"}]}"#,
    );
    let host = FakeHost::at(START);
    let left = || send(&filter, &host, &[], 200).fields.last().unwrap().clone();
    assert_eq!(left(), r#"ratelimit: "wide";r=8;t=7, "narrow";r=0;t=60"#);
    for _ in 0..3 {
        assert_eq!(left(), r#"ratelimit: "wide";r=8;t=7, "narrow";r=0;t=60"#);
    }
}

#[test]
fn a_limit_in_shadow_passes_where_nothing_can_be_counted() {
    for amount in [r#""quota": 1, "window": "60s""#, r#""concurrency": 1"#] {
        let policy =
            format!(r#"{{"limits": [{{"id": "a", "match": {{}}, "mode": "shadow", {amount}}}]}}"#);
        let (filter, host) = (rate_limit(&policy), FakeHost::at(START));
        host.break_shared(postern_core::fake::Fault::Unavailable);
        for _ in 0..3 {
            assert!(matches!(ask(&filter, &host, &[]).1.step, Step::Continue), "{amount}");
        }
        host.mend_shared();
        assert!(matches!(ask(&filter, &host, &[]).1.step, Step::Continue));
        host.break_shared(postern_core::fake::Fault::Unavailable);
        assert!(matches!(ask(&filter, &host, &[]).1.step, Step::Continue));
    }
}

#[test]
fn a_claim_that_lets_nothing_pass_would_refuse_in_shadow() {
    for amount in [
        r#""quota": {"claim": "n", "otherwise": 1}, "window": "60s""#,
        r#""concurrency": {"claim": "n", "otherwise": 1}"#,
    ] {
        let limit = format!(r#"{{"id": "tried", "match": {{}}, "mode": "shadow", {amount}}}"#);
        let host = FakeHost::at(START);
        let claims = [("n".to_owned(), 0.into())].into_iter().collect();
        identify(&host, identity::Caller { claims, ..caller("s") });
        let also = r#", {"id": "real", "match": {}, "also": true, "quota": 9, "window": "60s"}"#;
        for (others, rule, mode) in [("", "tried", "shadow"), (also, "real", "enforce")] {
            let filter = rate_limit(&format!(r#"{{"limits": [{limit}{others}]}}"#));
            let (_, outcome) = ask(&filter, &host, &[]);
            assert!(matches!(outcome.step, Step::Continue));
            let would = crate::metrics::of_limit(0, crate::metrics::Fate::WouldRefuse);
            assert!(outcome.count.contains(&would), "{:?}", outcome.count);
            let record = String::from_utf8(outcome.record.unwrap().to_json("v")).unwrap();
            let begins = format!(
                r#"{{"decision":"allow","rule":"{rule}","code":"within_limit","version":"v","mode":"{mode}""#
            );
            assert!(record.starts_with(&begins), "{record}");
            assert!(record.ends_with(r#","would_refuse":"tried"}"#), "{record}");
        }
    }
}
