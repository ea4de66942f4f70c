//! The short way of a request that one limit counts says what the long way says.

use postern_core::fake::{FakeHost, Fault};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::table::Table;

/// Limits of all kinds: some requests of each go the short way, some begin it and do not
/// end it.
const LIMITS: &[&str] = &[
    r#"{"quota": 3, "window": "60s"}"#,
    r#"{"quota": 3, "window": "60s", "burst": 1}"#,
    r#"{"quota": 2, "window": "10s", "algorithm": "fixed_window", "key": ["client"]}"#,
    r#"{"quota": 2, "window": "10s", "algorithm": "sliding_window"}"#,
    r#"{"windows": [{"quota": 2, "window": "1s"}, {"quota": 4, "window": "60s"}]}"#,
    r#"{"quota": 2, "window": "60s", "mode": "shadow"}"#,
    r#"{"quota": {"claim": "rpm", "otherwise": 2}, "window": "60s"}"#,
    r#"{"quota": 4, "window": "60s", "plans": {"big": {"quota": 9, "window": "60s"}, "free": "unlimited"}}"#,
    r#"{"quota": 4, "window": "60s", "costs": [{"match": {"methods": ["POST"]}, "cost": 3}]}"#,
    r#"{"quota": 4, "window": "60s", "costs": [{"match": {}, "cost": 1, "answers": [{"cost": {"header": "x-cost", "most": 5}}]}]}"#,
    r#"{"quota": 2, "window": "60s", "overrides": [{"callers": {"subjects": ["1"]}, "limit": {"quota": 5, "window": "60s"}}]}"#,
    r#"{"concurrency": 2}"#,
];

const DIALECTS: &[&str] = &[
    "[]",
    r#"[{"match": {}, "dialect": "ietf", "show": "all"}]"#,
    r#"[{"match": {}, "dialect": "legacy", "answers": "refused"}]"#,
    r#"[{"match": {"methods": ["POST"]}, "dialect": "github"}, {"match": {}, "dialect": "none"}]"#,
];

fn policy(limit: &str, dialects: &str, beside: &str) -> String {
    let mut limit: Value = serde_json::from_str(limit).unwrap();
    limit["id"] = "one".into();
    limit["match"] = json!({"paths": ["/a/**"]});
    let dialects: Value = serde_json::from_str(dialects).unwrap();
    json!({"limits": [limit], "dialects": dialects, "beside": beside}).to_string()
}

/// All that comes of a request, as text; counters in no order.
fn all_of(filter: &RateLimit, host: &FakeHost, headers: &[(&str, &[u8])]) -> String {
    let (mut stream, mut outcome) = ask(filter, host, headers);
    outcome.count.sort_unstable();
    let record = outcome.record.take().map(postern_core::Recorded::into_record);
    let passes = matches!(outcome.step, Step::Continue);
    let kept = format!("{:?}", stream.said);
    let status = if passes { 200 } else { 429 };
    let response = Headers::new([(":status", status.to_string()), ("x-cost", "2".to_owned())]);
    let told = filter.response_headers(&mut stream, &Response::new(response, true), host);
    // The others stay under way.
    if passes && headers.len() > 1 {
        filter.ended(&mut stream, host);
    }
    format!("{outcome:?} {record:?} {kept} {told:?}")
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]
    #[test]
    fn the_short_way_says_what_the_long_way_says(
        limit in prop::sample::select(LIMITS), dialects in prop::sample::select(DIALECTS),
        beside in prop::sample::select(vec!["replace", "clear", "join"]),
        steps in prop::collection::vec((0..4u64, 0..80usize, 0..3usize, any::<bool>(), 0..16u8), 1..120),
    ) {
        let policy = policy(limit, dialects, beside);
        let (mut short, mut long) = (rate_limit(&policy), rate_limit(&policy));
        // Of more than sixteen callers some are forgotten.
        (short.table, long.table) = (Table::new(1), Table::new(1));
        long.also = true;
        let (host, long_host) = (FakeHost::at(START), FakeHost::at(START));
        let mut now = START;
        for (gap, who, plan, posts, fault) in steps {
            now += Duration::from_millis(gap * 700);
            for host in [&host, &long_host] {
                host.set_now(now);
                host.mend_shared();
                if fault == 1 {
                    host.break_shared(Fault::Unavailable);
                }
                host.clear_properties();
                // Half of all requests are those of three callers, and some are nobody's.
                if who < 78 {
                    let sub = if who < 40 { who % 3 } else { who };
                    let plan = ["", "big", "free"][plan];
                    identify(host, identity::Caller {
                        plan: (!plan.is_empty()).then(|| plan.to_owned()),
                        client: Some("app".to_owned()),
                        claims: serde_json::Map::from_iter([("rpm".to_owned(), json!(sub % 4))]),
                        ..caller(&sub.to_string())
                    });
                }
            }
            let mut headers: Vec<(&str, &[u8])> = vec![(":path", if fault == 0 { b"/b" } else { b"/a/x" })];
            if posts {
                headers.push((":method", b"POST"));
            }
            prop_assert_eq!(
                all_of(&short, &host, &headers),
                all_of(&long, &long_host, &headers)
            );
        }
    }
}
