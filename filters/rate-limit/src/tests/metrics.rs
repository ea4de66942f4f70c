//! What is counted: each limit by outcome, reports, the table.

use postern_core::fake::Fault;
use postern_core::{MetricKind, Work};

use super::*;

const POLICY: &str = r#"{"capacity": 1024, "limits": [
    {"id": "a", "match": {"paths": ["/a"]}, "quota": 1, "window": "1h",
     "overrides": [{"callers": {"subjects": ["free"]}, "limit": "unlimited"}],
     "costs": [{"match": {}, "answers": [{"statuses": [404], "cost": 0}]}]},
    {"id": "b.c", "match": {"paths": ["/a"], "headers": [{"name": "x-shadow", "present": true}]},
     "also": true, "mode": "shadow", "quota": 1, "window": "1h"}
], "observe": [{"id": "up", "match": {"paths": ["/up"]}}]}"#;

#[test]
fn the_set_is_fixed_by_the_policy() {
    let metrics = rate_limit(POLICY).metrics();
    let gauges = metrics.iter().filter(|metric| metric.kind == MetricKind::Gauge);
    assert_eq!(gauges.map(|metric| &metric.name).collect::<Vec<_>>(), ["table_fill_permille"]);
    let names: Vec<&str> = metrics.iter().map(|metric| metric.name.as_ref()).collect();
    assert_eq!(
        names,
        [
            "allowed",
            "refused",
            "unlimited",
            "no_limit",
            "bad_request",
            "unavailable",
            "evicted",
            "uncorrected",
            "lapsed",
            "table_fill_permille",
            "limit_decisions.a.allowed",
            "limit_decisions.a.refused",
            "limit_decisions.a.would_refuse",
            "limit_decisions.a.unlimited",
            "limit_decisions.b.c.allowed",
            "limit_decisions.b.c.refused",
            "limit_decisions.b.c.would_refuse",
            "limit_decisions.b.c.unlimited",
            "limit_reports.up.told",
            "limit_reports.up.malformed",
            "limit_reports.up.duplicate",
            "limit_reports.up.contradictory",
            "limit_reports.up.incomplete",
        ]
    );
}

#[test]
fn each_outcome_is_counted_once() {
    let (filter, host) = (rate_limit(POLICY), FakeHost::at(START));
    let metrics = filter.metrics();
    let names = |outcome: &Outcome| -> Vec<String> {
        outcome.count.iter().map(|index| metrics[*index].name.clone().into_owned()).collect()
    };
    let shadowed: &[(&str, &[u8])] = &[(":path", b"/a"), ("x-shadow", b"1")];
    let plain = &shadowed[..1];
    let asked = |sub: &str, headers: &[(&str, &[u8])]| {
        identify(&host, caller(sub));
        names(&ask(&filter, &host, headers).1)
    };
    let both = ["limit_decisions.a.allowed", "limit_decisions.b.c.allowed", "allowed"];
    assert_eq!(asked("s", shadowed), both);
    // What is refused is counted by no other limit.
    assert_eq!(asked("s", shadowed), ["limit_decisions.a.refused", "refused"]);
    let free = ["limit_decisions.a.unlimited", "limit_decisions.b.c.allowed", "allowed"];
    assert_eq!(asked("free", shadowed), free);
    let free = ["limit_decisions.a.unlimited", "limit_decisions.b.c.would_refuse", "allowed"];
    assert_eq!(asked("free", shadowed), free);
    assert_eq!(asked("free", plain), ["limit_decisions.a.unlimited", "unlimited"]);
    assert_eq!(asked("s", &[(":path", b"/b")]), ["no_limit"]);
    assert_eq!(asked("s", &[(":path", b"/%zz")]), ["bad_request"]);
    // An answer that would correct what cannot be written.
    identify(&host, caller("t"));
    let (mut stream, _) = ask(&filter, &host, plain);
    host.break_shared(Fault::Unavailable);
    let answer = Response::new(Headers::new([(":status", "404")]), true);
    assert_eq!(names(&filter.response_headers(&mut stream, &answer, &host)), ["uncorrected"]);
    assert_eq!(asked("u", plain), ["unavailable"]);
}

#[test]
fn evictions_and_the_fill_of_the_table() {
    // A quota of 1 would leave newcomers nothing, and they would push nobody out.
    let policy = POLICY.replace(r#""quota": 1,"#, r#""quota": 1000,"#);
    let (filter, host) = (rate_limit(&policy), FakeHost::at(START));
    let fill = || {
        // Each tick looks at other slots: all of them are 256.
        let one = |Work { gauges, .. }: Work| match gauges.as_slice() {
            [(index, value)] => {
                assert_eq!(filter.metrics()[*index].name, "table_fill_permille");
                *value
            }
            other => panic!("{other:?}"),
        };
        let all: Vec<u64> = (0..8).map(|_| one(filter.tick(&host))).collect();
        all.iter().sum::<u64>() / 8
    };
    let evicted = |callers: std::ops::Range<u32>| -> usize {
        let count = |n: u32| {
            identify(&host, caller(&n.to_string()));
            let outcome = ask(&filter, &host, &[(":path", b"/a")]).1;
            outcome.count.iter().filter(|index| **index == crate::metrics::EVICTED).count()
        };
        callers.map(count).sum()
    };
    assert_eq!((evicted(0..1), fill()), (0, 0), "one of 4,096 places");
    assert_eq!(evicted(1..1024), 0, "at the capacity nobody has to go");
    // Each look rounds down.
    assert!((245..=250).contains(&fill()), "{}", fill());
    let gone = evicted(1024..8192);
    assert!((8192 - 4096..8192 - 4096 + 256).contains(&gone), "{gone}");
    assert_eq!(fill(), 1000);
    // Nothing is used any more an hour later.
    host.set_now(START + Duration::from_secs(3600));
    assert_eq!(fill(), 0);
}
