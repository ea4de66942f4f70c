//! What clients are told, in each dialect, and beside what is there already.

use super::*;

fn policy(dialect: &str, more: &str) -> RateLimit {
    rate_limit(&format!(
        r#"{{"limits": [
            {{"id": "a", "match": {{"paths": ["/"]}}, "quota": 10, "window": "60s"}},
            {{"id": "b", "match": {{"paths": ["/b"]}}, "algorithm": "fixed_window", "windows": ["4/m", "100/h"]}}
        ], "dialects": [{{"match": {{}}, "dialect": {dialect}{more}}}]}}"#
    ))
}

#[track_caller]
fn told(dialect: &str, more: &str, path: &'static str, expected: &[&str]) {
    let (filter, host) =
        (policy(dialect, more), FakeHost::at(START + Duration::from_millis(47_500)));
    let seen = send(&filter, &host, &[(":path", path.as_bytes())], 200);
    assert_eq!(seen.fields, expected, "{dialect}");
}

#[test]
fn each_dialect_has_its_fields() {
    told(
        "\"ietf\"",
        "",
        "/b",
        &[r#"ratelimit-policy: "b.1m";q=4;w=60"#, r#"ratelimit: "b.1m";r=3;t=13"#],
    );
    told(
        "\"draft_7\"",
        "",
        "/",
        &["ratelimit-policy: 10;w=60", "ratelimit: limit=10, remaining=9, reset=6"],
    );
    told(
        "\"draft_7\"",
        r#", "show": "all""#,
        "/b",
        &["ratelimit-policy: 4;w=60, 100;w=3600", "ratelimit: limit=4, remaining=3, reset=13"],
    );
    told(
        "\"draft_3\"",
        "",
        "/",
        &[
            r#"x-ratelimit-limit: 10, 10;w=60;name="a""#,
            "x-ratelimit-remaining: 9",
            "x-ratelimit-reset: 6",
        ],
    );
    told(
        "\"draft_3\"",
        r#", "show": "all""#,
        "/b",
        &[
            r#"x-ratelimit-limit: 4, 4;w=60;name="b.1m", 100;w=3600;name="b.1h""#,
            "x-ratelimit-remaining: 3",
            "x-ratelimit-reset: 13",
        ],
    );
    let at = START.as_secs() + 47;
    // All of it is back at 53.5.
    let (soon, later) = (format!("{}", at + 7), format!("{}", at + 13));
    let three = |prefix: &str, limit: &str, left: &str, reset: &str| {
        [("limit", limit), ("remaining", left), ("reset", reset)]
            .map(|(name, value)| format!("{prefix}-{name}: {value}"))
    };
    let github = three("x-ratelimit", "10", "9", &soon);
    told("\"github\"", "", "/", &github.each_ref().map(String::as_str));
    let twitter = three("x-rate-limit", "4", "3", &later);
    told("\"twitter\"", "", "/b", &twitter.each_ref().map(String::as_str));
    told("\"legacy\"", "", "/", &["x-ratelimit-total: 10", "x-ratelimit-remaining: 9"]);
    told("\"none\"", "", "/", &[]);
    let custom = r#"{"fields": [
        {"name": "X-Quota", "value": "{used}/{limit} of {policy}, {remaining} left in {window} s"},
        {"name": "X-Back", "value": "{more} {reset}"}
    ]}"#;
    told(custom, "", "/", &["x-quota: 1/10 of a, 9 left in 60 s", "x-back: 6 6"]);
}

#[test]
fn a_dialect_is_chosen_by_caller_too() {
    let filter = rate_limit(
        r#"{"limits": [{"id": "a", "match": {}, "quota": 10, "window": "60s"}],
        "dialects": [
            {"match": {}, "callers": {"clients": ["old"]}, "dialect": "twitter"},
            {"match": {"headers": [{"name": "x-dialect", "exact": ["7"]}]}, "dialect": "draft_7"}
        ]}"#,
    );
    let host = FakeHost::at(START);
    identify(&host, identity::Caller { client: Some("old".to_owned()), ..caller("s") });
    let first = |headers: &[(&str, &[u8])]| send(&filter, &host, headers, 200).fields[0].clone();
    assert_eq!(first(&[("x-dialect", b"7")]), "x-rate-limit-limit: 10");
    identify(&host, caller("s"));
    assert_eq!(first(&[("x-dialect", b"7")]), "ratelimit-policy: 10;w=60");
    assert_eq!(first(&[]), r#"ratelimit-policy: "a";q=10;w=60"#);
}

/// The fields of an answer on its way through a second mount.
fn joined(dialect: &str, there: &[(&str, &str)]) -> Vec<String> {
    let filter = rate_limit(&format!(
        r#"{{"limits": [{{"id": "outer", "match": {{}}, "key": ["address"], "quota": 50, "window": "60s"}}],
        "beside": "join", "dialects": [{{"match": {{}}, "dialect": {dialect}}}]}}"#
    ));
    let host = FakeHost::at(START);
    let (mut stream, _) = ask(&filter, &host, &[]);
    let all = [(":status", "200")].into_iter().chain(there.iter().copied());
    let response = Response::new(Headers::new(all), true);
    let outcome = filter.response_headers(&mut stream, &response, &host);
    let text = |edit: &HeaderEdit| match edit {
        HeaderEdit::Set(name, value) => format!("{name}: {}", String::from_utf8_lossy(value)),
        other => panic!("{other:?}"),
    };
    outcome.headers.iter().map(text).collect()
}

#[test]
fn lists_are_joined_and_of_single_values_the_tighter_stands() {
    let ietf = [("ratelimit-policy", r#""a";q=9;w=60"#), ("ratelimit", r#""a";r=8;t=7"#)];
    let both = [
        r#"ratelimit-policy: "a";q=9;w=60, "outer";q=50;w=60"#,
        r#"ratelimit: "a";r=8;t=7, "outer";r=49;t=2"#,
    ];
    assert_eq!(joined("\"ietf\"", &ietf), both);
    assert_eq!(joined("\"ietf\"", &[]).len(), 2);
    for (dialect, limit, prefix) in [
        ("github", "limit", "x-ratelimit"),
        ("twitter", "limit", "x-rate-limit"),
        ("legacy", "total", "x-ratelimit"),
    ] {
        let (limit, left) = (format!("{prefix}-{limit}"), format!("{prefix}-remaining"));
        let dialect = format!("\"{dialect}\"");
        for (there, expected) in [("48", false), ("49", false), ("50", true)] {
            let ours = joined(&dialect, &[(&limit, "90"), (&left, there)]);
            assert_eq!(!ours.is_empty(), expected, "{dialect} {there}: {ours:?}");
        }
    }
    let old = |left: u64| {
        joined("\"draft_7\"", &[("ratelimit", &format!("limit=90, remaining={left}, reset=7"))])
    };
    assert!(old(49).is_empty());
    assert_eq!(
        old(50),
        ["ratelimit-policy: 50;w=60", "ratelimit: limit=50, remaining=49, reset=2"]
    );
}

#[test]
fn nobody_gets_two_dialects() {
    let all = [
        ("ietf", [("ratelimit", r#""a";r=99;t=7"#)]),
        ("draft_7", [("ratelimit", "limit=90, remaining=99, reset=7")]),
        ("github", [("x-ratelimit-limit", "100")]),
        ("twitter", [("x-rate-limit-limit", "100")]),
        ("legacy", [("x-ratelimit-total", "100")]),
        ("none", [("x-else", "1")]),
    ];
    let custom = r#"{"fields": [{"name": "x-else", "value": "{limit}"}]}"#;
    for (there, fields) in &all {
        for (ours, _) in &all {
            let said = joined(&format!("\"{ours}\""), fields);
            let expected = *ours != "none" && (ours == there || *there == "none");
            assert_eq!(!said.is_empty(), expected, "{ours} beside {there}: {said:?}");
        }
        assert!(joined(custom, fields).is_empty(), "{there}");
    }
    assert_eq!(joined(custom, &[]), ["x-else: 50"]);
}

#[test]
fn what_an_upstream_says_in_any_dialect_is_taken_off() {
    let cleared = |dialect: &str, there: &[&str]| {
        let policy = format!(
            r#"{{"limits": [{{"id": "a", "match": {{}}, "quota": 9, "window": "9s"}}],
                "beside": "clear", "dialects": [{{"match": {{}}, "dialect": "{dialect}"}}]}}"#
        );
        let (filter, host) = (rate_limit(&policy), FakeHost::at(START));
        let (mut stream, _) = ask(&filter, &host, &[]);
        let status = (":status", "200");
        let all = [status].into_iter().chain(there.iter().map(|name| (*name, "1")));
        let response = Response::new(Headers::new(all), true);
        let outcome = filter.response_headers(&mut stream, &response, &host);
        let told = |edit: &HeaderEdit| match edit {
            HeaderEdit::Remove(name) => format!("-{name}"),
            edit => edit.name().to_owned(),
        };
        outcome.headers.iter().map(told).collect::<Vec<_>>()
    };
    let there = [
        "ratelimit",
        "ratelimit-policy",
        "ratelimit-reset",
        "x-ratelimit-limit",
        "x-ratelimit-limit",
        "x-ratelimit-remaining-minute",
        "x-rate-limit-reset",
        "x-ratelimited",
        "retry-after",
    ];
    let others = ["-ratelimit-reset", "-x-ratelimit-limit", "-x-ratelimit-remaining-minute"];
    let ietf = [others.as_slice(), &["-x-rate-limit-reset", "ratelimit-policy", "ratelimit"]];
    assert_eq!(cleared("ietf", &there), ietf.concat());
    let none = [&["-ratelimit", "-ratelimit-policy"], others.as_slice(), &["-x-rate-limit-reset"]];
    assert_eq!(cleared("none", &there), none.concat());
    assert_eq!(cleared("ietf", &[]), ["ratelimit-policy", "ratelimit"]);
}

#[test]
fn a_503_says_when_to_come_back() {
    let filter = rate_limit(
        r#"{"limits": [{"id": "a", "match": {"paths": ["/a"]}, "quota": 1, "window": "1s"}],
        "retry_after_on_503": "5s"}"#,
    );
    let host = FakeHost::at(START);
    let (mut stream, _) = ask(&filter, &host, &[]);
    assert!(filter.follows(&stream));
    assert_eq!(dress(&filter, &host, &mut stream, 503), ["retry-after: 5"]);
    assert_eq!(dress(&filter, &host, &mut stream, 502), Vec::<String>::new());
    let there = Headers::new([(":status", "503"), ("retry-after", "9")]);
    let outcome = filter.response_headers(&mut stream, &Response::new(there, true), &host);
    assert_eq!(outcome.headers, []);
}

#[test]
fn numbers_are_written_in_full() {
    for number in [0, 7, 10, 99, 100, 1_234_567_890, u64::MAX] {
        assert_eq!(crate::digits::of(number), number.to_string().into_bytes());
    }
}

/// What an answer costs is known when it comes: from then on the rest is reckoned.
#[test]
fn a_time_is_never_too_early_however_late_the_answer() {
    let filter = rate_limit(
        r#"{"limits": [{"id": "a", "match": {}, "quota": 10, "window": "60s",
            "costs": [{"match": {}, "answers": [{"statuses": [200], "cost": 8}]}]}],
        "dialects": [{"match": {}, "dialect": {"fields": [
            {"name": "x-at", "value": "{reset_at} {more_at}"}, {"name": "x-in", "value": "{reset} {more}"}
        ]}}]}"#,
    );
    let host = FakeHost::at(START + Duration::from_millis(250));
    let (mut quick, _) = ask(&filter, &host, &[]);
    // A request costs 6 s. All of it is back at 6.25.
    let epoch = START.as_secs();
    let told = [format!("x-at: {0} {0}", epoch + 7), "x-in: 6 6".to_owned()];
    assert_eq!(dress(&filter, &host, &mut quick, 404), told);
    let host = FakeHost::at(START + Duration::from_millis(250));
    let (mut slow, _) = ask(&filter, &host, &[]);
    host.set_now(START + Duration::from_millis(30_500));
    // By then the first unit is back, and seven are gone: 42 s from there.
    let told = [format!("x-at: {0} {0}", epoch + 73), "x-in: 42 6".to_owned()];
    let told = told.map(|field| field.replace("73 1699999273", "73 1699999237"));
    assert_eq!(dress(&filter, &host, &mut slow, 200), told);
}
