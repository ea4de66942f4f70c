//! Reports of others, as they are read and said again.

mod fuzz;
mod said;

use postern_core::Filter;
use postern_core::fake::FakeHost;
use proptest::prelude::*;

use super::*;
use crate::tests::{START, ask, rate_limit};
use crate::{RateLimit, Stream};

fn filter(observe: &str, dialect: &str) -> RateLimit {
    rate_limit(&format!(
        r#"{{"limits": [], "observe": [{observe}], "dialects": [{{"match": {{}}, "dialect": {dialect}, "show": "all"}}]}}"#
    ))
}

const ALL: &str = r#"{"id": "there", "match": {}}"#;

/// What becomes of an answer: its fields, and what was counted.
fn told(
    filter: &RateLimit,
    status: &str,
    there: &[(&str, &[u8])],
) -> (Vec<(String, String)>, Vec<String>) {
    let host = FakeHost::at(START + Duration::from_millis(500));
    let (mut stream, _) = ask(filter, &host, &[]);
    assert!(filter.follows(&stream));
    answer(filter, &host, &mut stream, status, there)
}

fn answer(
    filter: &RateLimit,
    host: &FakeHost,
    stream: &mut Stream,
    status: &str,
    there: &[(&str, &[u8])],
) -> (Vec<(String, String)>, Vec<String>) {
    let mut all: Vec<(String, Vec<u8>)> = vec![(":status".to_owned(), status.into())];
    all.extend(there.iter().map(|(name, value)| ((*name).to_owned(), value.to_vec())));
    let response = Response::new(Headers::new(all.clone()), true);
    let outcome = filter.response_headers(stream, &response, host);
    for edit in &outcome.headers {
        match edit {
            postern_core::HeaderEdit::Set(name, value) => {
                all.retain(|(own, _)| own != name);
                all.push((name.clone().into_owned(), value.clone()));
            }
            postern_core::HeaderEdit::Remove(name) => all.retain(|(own, _)| own != name),
            other @ postern_core::HeaderEdit::Append(..) => panic!("{other:?}"),
        }
    }
    let metrics = filter.metrics();
    let counted = outcome.count.iter().map(|index| metrics[*index].name.clone().into_owned());
    let text = |(name, value): (String, Vec<u8>)| (name, String::from_utf8(value).unwrap());
    (all.into_iter().skip(1).map(text).collect(), counted.collect())
}

#[track_caller]
fn reads(there: &[(&str, &str)], policy: &str, left: &str) {
    let bytes: Vec<(&str, &[u8])> = there.iter().map(|(n, v)| (*n, v.as_bytes())).collect();
    let (fields, counted) = told(&filter(ALL, "\"ietf\""), "200", &bytes);
    let own = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    assert_eq!(fields, [own("ratelimit-policy", policy), own("ratelimit", left)], "{there:?}");
    assert_eq!(counted, vec!["limit_reports.there.told"; left.split(", ").count()]);
}

#[test]
fn every_form_is_read() {
    let there = r#""there";q=10"#;
    let left = r#""there";r=3;t=7"#;
    // Envoy's local rate limit, and its global one with two windows.
    let three =
        |prefix: &str| ["limit", "remaining", "reset"].map(|part| format!("{prefix}-{part}"));
    let [limit, remaining, reset] = three("x-ratelimit");
    reads(&[(&limit, "10"), (&remaining, "3"), (&reset, "7")], there, left);
    let windows = r#"10, 10;w=1;name="per-ip", 1000;w=3600"#;
    let named = (r#""per-ip";q=10;w=1"#, r#""per-ip";r=3;t=1"#);
    reads(&[(&limit, windows), (&remaining, "3"), (&reset, "1")], named.0, named.1);
    // GitHub's reset is a time, others' one in milliseconds.
    let at = (START.as_secs() + 7).to_string();
    reads(
        &[(&limit, "10"), (&remaining, "3"), (&reset, &at), ("x-ratelimit-used", "7")],
        there,
        left,
    );
    let at = (START.as_millis() + 6_001).to_string();
    reads(&[(&limit, "10"), (&remaining, "3"), (&reset, &at)], there, left);
    let [limit, remaining, reset] = three("x-rate-limit");
    let at = (START.as_secs() + 7).to_string();
    reads(&[(&limit, "10"), (&remaining, "3"), (&reset, &at)], there, left);
    // Drafts 3 to 6, the windows behind the limit and in a field of their own.
    let [limit, remaining, reset] = three("ratelimit");
    let windowed = r#""there";q=10;w=60"#;
    reads(&[(&limit, "10, 10;w=60"), (&remaining, "3"), (&reset, "7")], windowed, left);
    reads(&[(&limit, "10, 10;window=60"), (&remaining, "3"), (&reset, "7")], windowed, left);
    reads(
        &[(&limit, "10"), (&remaining, "3"), (&reset, "7"), ("ratelimit-policy", "5;w=1, 10;w=60")],
        windowed,
        left,
    );
    // Draft 7.
    let seven = "limit=10, remaining=3, reset=7";
    reads(&[("ratelimit", seven)], there, left);
    reads(&[("ratelimit", seven), ("ratelimit-policy", "10;w=60;comment=\"x\"")], windowed, left);
    // Drafts 8 to 11: tokens and strings, partitions, several lines, what is left out.
    reads(
        &[("ratelimit", "burst;r=3;t=7"), ("ratelimit-policy", "burst;q=10;w=60")],
        r#""burst";q=10;w=60"#,
        r#""burst";r=3;t=7"#,
    );
    reads(
        &[
            ("ratelimit-policy", r#""a";q=10;w=60;pk=:YQ==:, "b";q=50;qu="requests";w=3600"#),
            ("ratelimit", r#""a";r=3;t=7;pk=:YQ==:"#),
            ("ratelimit", r#""b";r=40"#),
        ],
        r#""a";q=10;w=60, "b";q=50;w=3600"#,
        r#""a";r=3;t=7, "b";r=40;t=3600"#,
    );
    reads(
        &[
            ("ratelimit-policy", r#""a";q=10;w=60, "bytes";q=65535;qu="content-bytes";w=10"#),
            ("ratelimit", r#""a";r=3;t=7, "bytes";r=0;t=9"#),
        ],
        r#""a";q=10;w=60"#,
        r#""a";r=3;t=7"#,
    );
    // A name that would need an escape is not said again.
    reads(
        &[("ratelimit-policy", r#""a b";q=10;w=60"#), ("ratelimit", r#""a b";r=3;t=7"#)],
        windowed,
        left,
    );
}

#[test]
fn one_limit_in_two_forms_is_one_and_the_tighter_counts() {
    let three =
        [("x-ratelimit-limit", "10"), ("x-ratelimit-remaining", "3"), ("x-ratelimit-reset", "7")];
    let seven = |left: &str| format!("limit=10, remaining={left}, reset=9");
    for (other, left) in
        [("2", r#""there";r=2;t=9"#), ("3", r#""there";r=3;t=9"#), ("4", r#""there";r=3;t=7"#)]
    {
        let seven = seven(other);
        let mut all: Vec<(&str, &[u8])> = three.iter().map(|(n, v)| (*n, v.as_bytes())).collect();
        all.push(("ratelimit", seven.as_bytes()));
        let (fields, counted) = told(&filter(ALL, "\"ietf\""), "200", &all);
        assert_eq!(fields[1].1, left);
        assert_eq!(counted.len(), 1);
    }
    // What one of them does not say the other one may, if they mean the same.
    for (quota, policy) in [("10", r#""there";q=10;w=60"#), ("9", r#""there";q=9"#)] {
        let there: [(&str, &[u8]); 5] = [
            ("ratelimit", b"limit=10, remaining=3, reset=7"),
            ("ratelimit-policy", b"10;w=60"),
            ("x-ratelimit-limit", quota.as_bytes()),
            ("x-ratelimit-remaining", b"3"),
            ("x-ratelimit-reset", b"9"),
        ];
        let (fields, _) = told(&filter(ALL, "\"ietf\""), "200", &there);
        assert_eq!((fields[0].1.as_str(), fields[1].1.as_str()), (policy, r#""there";r=3;t=9"#));
    }
}

#[test]
fn a_window_of_the_policy_stands_for_what_is_not_said() {
    let windowed = r#"{"id": "there", "match": {}, "window": "60s"}"#;
    let total: [(&str, &[u8]); 2] = [("x-ratelimit-total", b"10"), ("x-ratelimit-remaining", b"3")];
    let (fields, _) = told(&filter(windowed, "\"ietf\""), "200", &total);
    assert_eq!(fields[0].1, r#""there";q=10;w=60"#);
    assert_eq!(fields[1].1, r#""there";r=3;t=60"#);
    let (fields, counted) = told(&filter(ALL, "\"ietf\""), "200", &total);
    assert_eq!((fields, counted), (vec![], vec!["limit_reports.there.incomplete".to_owned()]));
}

#[test]
fn a_quota_of_the_policy_stands_for_one_that_is_told_elsewhere() {
    let own = r#"{"id": "there", "match": {}, "quota": 10}"#;
    let left: [(&str, &[u8]); 1] = [("ratelimit", br#""a";r=3;t=7"#)];
    let (fields, counted) = told(&filter(own, "\"github\""), "200", &left);
    let values: Vec<&str> = fields.iter().map(|(_, value)| value.as_str()).collect();
    assert_eq!(values, ["10", "3", &(START.as_secs() + 7).to_string()]);
    assert_eq!(counted, ["limit_reports.there.told"]);
    let more: [(&str, &[u8]); 1] = [("ratelimit", br#""a";r=11;t=7"#)];
    let (fields, counted) = told(&filter(own, "\"github\""), "200", &more);
    assert_eq!((fields, counted), (vec![], vec!["limit_reports.there.contradictory".to_owned()]));
}

#[test]
fn fields_of_any_name_and_only_the_forms_that_are_asked_for() {
    let own = r#"{"id": "there", "match": {}, "read": [{"limit": "X-Quota", "remaining": "X-Left", "reset": "X-Again"}]}"#;
    let there: [(&str, &[u8]); 4] =
        [("x-quota", b"10"), ("x-left", b"3"), ("x-again", b"7"), ("x-ratelimit-limit", b"99")];
    let (fields, counted) = told(&filter(own, "\"draft_7\""), "200", &there);
    assert_eq!(fields, [("ratelimit".to_owned(), "limit=10, remaining=3, reset=7".to_owned())]);
    assert_eq!(counted, ["limit_reports.there.told"]);
    let only = r#"{"id": "there", "match": {}, "read": ["ietf"]}"#;
    let three: [(&str, &[u8]); 3] = [
        ("x-ratelimit-limit", b"10"),
        ("x-ratelimit-remaining", b"3"),
        ("x-ratelimit-reset", b"7"),
    ];
    let (fields, counted) = told(&filter(only, "\"ietf\""), "200", &three);
    assert_eq!((fields, counted), (vec![], vec!["limit_reports.there.incomplete".to_owned()]));
}

#[test]
fn what_cannot_be_relied_on_is_left_out_and_counted() {
    let long_ago = (START.as_secs() - 3_601).to_string();
    let (years, behind) = ((366 * 86_400 + 1).to_string(), (START.as_secs() - 3_600).to_string());
    let long = format!("10{}", " ".repeat(3_000) + ";w=1");
    let three = |limit: &str, remaining: &str, reset: &str| {
        vec![
            ("x-ratelimit-limit", limit.as_bytes().to_vec()),
            ("x-ratelimit-remaining", remaining.as_bytes().to_vec()),
            ("x-ratelimit-reset", reset.as_bytes().to_vec()),
        ]
    };
    let ietf = |policy: &str, left: &str| {
        vec![
            ("ratelimit-policy", policy.as_bytes().to_vec()),
            ("ratelimit", left.as_bytes().to_vec()),
        ]
    };
    let only = |name: &'static str, value: &str| vec![(name, value.as_bytes().to_vec())];
    let cases = [
        ("malformed", three("ten", "3", "7")),
        ("malformed", three("10", "-3", "7")),
        ("malformed", three("10", "3", "7.5")),
        ("malformed", three("10", "3", "soon")),
        ("malformed", three("10", "3", "")),
        ("malformed", three("", "3", "7")),
        ("malformed", three("1000000000000000", "3", "7")),
        ("malformed", three("10", "3", &years)),
        ("malformed", three("10;w=1,", "3", "7")),
        ("malformed", three("10, 10;w=x", "3", "7")),
        ("malformed", three(&long, "3", "7")),
        ("malformed", vec![("x-ratelimit-limit", b"\xff".to_vec())]),
        ("malformed", only("ratelimit", "limit=a, remaining=3, reset=7")),
        ("malformed", only("ratelimit", "limit=10, remaining=3, reset=7;")),
        ("malformed", ietf(r#""a";q=10"#, r#""a;r=3"#)),
        ("malformed", ietf(r#""a";q=10"#, r#"7;r=3"#)),
        ("malformed", ietf(r#""a";q="10""#, r#""a";r=3"#)),
        ("malformed", ietf(r#""a";q=10"#, r#""a";r=3;t=-1"#)),
        // Envoy joins what two wrote.
        ("duplicate", three("10,20", "3,4", "7,8")),
        ("duplicate", three("10", "3,4", "7")),
        ("duplicate", only("ratelimit", "limit=10, limit=20, remaining=3, reset=7")),
        ("duplicate", ietf(r#""a";q=10;w=60"#, r#""a";r=3;t=7, "a";r=4;t=7"#)),
        ("duplicate", ietf(r#""a";q=10;w=60, "a";q=20;w=60"#, r#""a";r=3;t=7"#)),
        ("contradictory", three("10", "11", "7")),
        ("contradictory", three("10", "3", &long_ago)),
        ("contradictory", ietf(r#""a";q=10;w=60"#, r#""a";r=11;t=7"#)),
        ("incomplete", only("x-ratelimit-limit", "10")),
        ("incomplete", only("x-ratelimit-remaining", "10")),
        ("incomplete", only("ratelimit-policy", r#""a";q=10;w=60"#)),
        ("incomplete", only("ratelimit", r#""a";r=3;t=7"#)),
        ("incomplete", only("ratelimit", "limit=10, reset=7")),
        ("incomplete", ietf(r#""a";w=60"#, r#""a";r=3;t=7"#)),
        ("incomplete", ietf(r#""a";q=10"#, r#""a";r=3"#)),
    ];
    let filter = filter(ALL, "\"ietf\"");
    for (why, there) in &cases {
        let there: Vec<(&str, &[u8])> = there.iter().map(|(n, v)| (*n, v.as_slice())).collect();
        let (fields, counted) = told(&filter, "200", &there);
        let shown = format!("{there:?}");
        assert_eq!(counted, [format!("limit_reports.there.{why}")], "{shown}");
        assert_eq!(fields, [], "{shown}");
    }
    // A clock that is a little behind says that there is more now.
    let there = three("10", "0", &behind);
    let there: Vec<(&str, &[u8])> = there.iter().map(|(n, v)| (*n, v.as_slice())).collect();
    assert_eq!(told(&filter, "200", &there).0[1].1, r#""there";r=0;t=0"#);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    /// What this filter says itself in any dialect it reads again as it was meant.
    #[test]
    fn our_own_dialects_are_read_back(
        quota in 1..1_000_000u64, remaining in 0..1_000_000u64, window in 1..31_000_000u64,
        reset in 0..31_000_000u64,
    ) {
        let remaining = remaining.min(quota);
        let observe = filter(ALL, "\"ietf\"");
        let observe = observe.observes.get(0).unwrap();
        let left = Left {
            quota, window: Some(window), remaining, more_ns: 0, whole_ns: 0, at_ns: 0, enough: true,
        };
        let left = left.in_seconds(reset, START);
        let standing = Standing { limit: NOWHERE, policy: "there".into(), left };
        for dialect in ["ietf", "draft_7", "draft_3", "github", "twitter"] {
            let filter = filter(ALL, &format!("\"{dialect}\""));
            let dialect = &filter.dialects.get(0).unwrap().dialect;
            let saying = crate::dialect::Saying {
                standings: std::slice::from_ref(&standing),
                show: crate::Show::Tightest,
                beside: crate::Beside::Replace,
            };
            let response = Response::new(Headers::new([(":status", "200")]), true);
            let said = dialect.fields(&saying, &response).into_iter().map(|edit| match edit {
                postern_core::HeaderEdit::Set(name, value) => (name.into_owned(), value),
                other => panic!("{other:?}"),
            });
            let response = Response::new(Headers::new(said), true);
            let read = observe.read(&response, START);
            prop_assert_eq!(&read.spoilt, &vec![]);
            // GitHub and Twitter have no windows.
            let mut expected = standing.clone();
            if matches!(dialect, crate::Dialect::Github | crate::Dialect::Twitter) {
                expected.left.window = None;
            }
            prop_assert_eq!(read.standings, vec![expected]);
        }
    }
}
