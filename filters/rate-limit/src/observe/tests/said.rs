//! What is said again: beside what, to whom, and in the record.

use super::*;

#[test]
fn nobody_gets_two_dialects() {
    let everything: [(&str, &[u8]); 13] = [
        ("ratelimit", b"limit=10, remaining=3, reset=7"),
        ("ratelimit-policy", b"10;w=60"),
        ("ratelimit-limit", b"10"),
        ("ratelimit-remaining", b"3"),
        ("ratelimit-reset", b"7"),
        ("x-ratelimit-limit", b"10"),
        ("x-ratelimit-remaining", b"3"),
        ("x-ratelimit-reset", b"7"),
        ("x-ratelimit-used", b"7"),
        ("x-ratelimit-total", b"10"),
        ("x-rate-limit-limit", b"10"),
        ("x-else", b"1"),
        ("x-ratelimit-limit-minute", b"10"),
    ];
    let own = [
        ("ietf", vec!["ratelimit-policy", "ratelimit"]),
        ("draft_7", vec!["ratelimit-policy", "ratelimit"]),
        ("draft_3", vec!["x-ratelimit-limit", "x-ratelimit-remaining", "x-ratelimit-reset"]),
        ("github", vec!["x-ratelimit-limit", "x-ratelimit-remaining", "x-ratelimit-reset"]),
        ("twitter", vec!["x-rate-limit-limit", "x-rate-limit-remaining", "x-rate-limit-reset"]),
        ("legacy", vec!["x-ratelimit-total", "x-ratelimit-remaining"]),
        ("none", vec![]),
    ];
    for (dialect, expected) in own {
        let filter = filter(ALL, &format!("\"{dialect}\""));
        let (fields, _) = told(&filter, "200", &everything);
        let names: Vec<&str> = fields.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, [&["x-else"], expected.as_slice()].concat(), "{dialect}");
        let (fields, _) = told(&filter, "200", &[("x-else", b"1")]);
        assert_eq!(fields.len(), 1, "{dialect}: {fields:?}");
    }
    let custom = r#"{"fields": [{"name": "x-a", "value": "{remaining} of {limit}"}, {"name": "x-b", "value": "{window}"}]}"#;
    let three: [(&str, &[u8]); 3] = [
        ("x-ratelimit-limit", b"10"),
        ("x-ratelimit-remaining", b"3"),
        ("x-ratelimit-reset", b"7"),
    ];
    let (fields, _) = told(&filter(ALL, custom), "200", &three);
    assert_eq!(fields, [("x-a".to_owned(), "3 of 10".to_owned())], "no window is known");
}

#[test]
fn a_429_of_others_says_when_to_come_back() {
    let none_left: [(&str, &[u8]); 3] = [
        ("x-ratelimit-limit", b"10"),
        ("x-ratelimit-remaining", b"0"),
        ("x-ratelimit-reset", b"0"),
    ];
    let filter = filter(ALL, "\"github\"");
    let after = |status: &str, there: &[(&str, &[u8])]| {
        let (fields, _) = told(&filter, status, there);
        fields.into_iter().find(|(name, _)| name == "retry-after").map(|(_, value)| value)
    };
    assert_eq!(after("429", &none_left), Some("1".to_owned()));
    assert_eq!(after("200", &none_left), None);
    let there =
        [&none_left[..2], &[("x-ratelimit-reset", &b"9"[..]), ("retry-after", b"30")]].concat();
    assert_eq!(after("429", &there), Some("30".to_owned()));
    assert_eq!(after("429", &there[..3]), Some("9".to_owned()));
    for (said, told) in [
        ("0", "9"),
        ("8", "9"),
        ("-5", "9"),
        ("", "9"),
        ("1e9", "9"),
        ("soon", "9"),
        ("9", "9"),
        ("99999999999999999999", "99999999999999999999"),
        ("Fri, 31 Dec 1999 23:59:59 GMT", "Fri, 31 Dec 1999 23:59:59 GMT"),
    ] {
        let there = [&there[..3], &[("retry-after", said.as_bytes())]].concat();
        assert_eq!(after("429", &there).as_deref(), Some(told), "{said}");
    }
}

#[test]
fn what_others_report_stands_beside_limits_of_the_policy() {
    let filter = |show: &str| {
        rate_limit(&format!(
            r#"{{"limits": [{{"id": "own", "match": {{"paths": ["/"]}}, "quota": 10, "window": "60s"}}],
            "observe": [{{"id": "there", "match": {{"methods": ["GET"]}}}}],
            "dialects": [{{"match": {{}}, "dialect": "ietf", "show": "{show}"}}]}}"#
        ))
    };
    let report = |left: &'static str| {
        [("x-ratelimit-limit", "20"), ("x-ratelimit-remaining", left), ("x-ratelimit-reset", "7")]
            .map(|(name, value)| (name, value.as_bytes()))
    };
    let left =
        |show: &str, there: &'static str| told(&filter(show), "200", &report(there)).0[1].1.clone();
    assert_eq!(left("tightest", "8"), r#""there";r=8;t=7"#);
    assert_eq!(left("tightest", "10"), r#""own";r=9;t=6"#);
    assert_eq!(left("all", "8"), r#""own";r=9;t=6, "there";r=8;t=7"#);
    // Where nothing is observed or counted, nothing is said.
    let (filter, host) = (filter("all"), FakeHost::at(START));
    let (mut stream, outcome) = ask(&filter, &host, &[(":method", b"POST"), (":path", b"/b")]);
    assert_eq!(outcome.record.unwrap().code, "no_limit");
    let (fields, counted) = answer(&filter, &host, &mut stream, "200", &report("8"));
    assert_eq!((fields.len(), counted.len()), (0, 0));
}

#[test]
fn the_record_says_what_was_observed() {
    let filter = filter(ALL, "\"ietf\"");
    let host = FakeHost::at(START);
    let (mut stream, _) = ask(&filter, &host, &[]);
    let headers =
        Headers::new([(":status", "200"), ("ratelimit", "limit=10, remaining=3, reset=7")]);
    let outcome = filter.response_headers(&mut stream, &Response::new(headers, true), &host);
    let record = outcome.record.unwrap().to_json("1");
    assert_eq!(
        String::from_utf8(record).unwrap(),
        r#"{"decision":"skip","rule":"there","code":"observed","version":"1","mode":"enforce","remaining":3}"#
    );
}
