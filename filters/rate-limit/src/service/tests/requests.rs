//! Requests while the service answers.

use super::*;

const MINUTE: Duration = Duration::from_secs(60);

#[test]
fn what_the_service_says_is_told() {
    let host = FakeHost::at(START);
    let filter = rate_limit(&policy("", &limit("current", "")));
    let answer = said(&statuses(Code::Ok, &[(Code::Ok, Some(7), 4, 17_250)]));
    let seen = send(&filter, &host, &answer);
    assert_eq!((seen.status, seen.asked), (200, 1));
    assert_eq!(
        seen.record,
        r#"{"decision":"allow","rule":"current","code":"within_limit","mode":"enforce","remaining":4,"engine":"service"}"#
    );
    assert_eq!(
        seen.fields,
        [r#"ratelimit-policy: "current";q=7;w=60"#, r#"ratelimit: "current";r=4;t=18"#]
    );
    assert_eq!(
        seen.counted,
        ["service_asked", "service_latency.1ms", "limit_decisions.current.allowed", "allowed"]
    );
}

#[test]
fn the_question_is_standard() {
    let host = FakeHost::at(START);
    identify(&host, "northwind", Some("gold"));
    host.set_property("source.address", "192.0.2.1:9");
    let limits = [
        limit(
            "current",
            r#", "plans": {"gold": {"quota": 20, "window": "1m"}}, "key": ["subject", {"header": "x-team"}]"#,
        ),
        r#"{"id": "all", "match": {}, "also": true, "engine": "service", "key": ["address"],
            "windows": ["10/s", "1000/h"], "costs": [{"match": {}, "cost": 3}]}"#
            .to_owned(),
    ];
    let plain = r#", "values": "plain", "timeout": "20ms""#;
    let filter = rate_limit(&policy(plain, &limits.join(",")));
    let mut seen = None;
    send_to(&filter, &host, &[("x-team", "sea")], &mut |ask| {
        assert_eq!(ask.cluster, "rls");
        assert_eq!(ask.deadline, Duration::from_millis(20));
        let headers: Vec<String> = ask
            .headers
            .iter()
            .map(|(n, v)| format!("{n}: {}", String::from_utf8_lossy(v)))
            .collect();
        assert_eq!(
            headers,
            [
                ":method: POST",
                ":path: /envoy.service.ratelimit.v3.RateLimitService/ShouldRateLimit",
                ":authority: rls",
                "content-type: application/grpc",
                "te: trailers",
                "grpc-timeout: 20m",
            ]
        );
        seen = Some(asked(ask));
        said(&statuses(Code::Ok, &[]))
    });
    let words = |words: &[&str]| words.iter().map(|w| (*w).to_owned()).collect::<Vec<_>>();
    let expected = Question {
        domain: "d".to_owned(),
        descriptors: vec![
            (
                words(&["limit=current", "plan=gold", "subject=northwind", "header.x-team=sea"]),
                None,
                1,
            ),
            (words(&["limit=all", "window=all.1s", "address=192.0.2.1"]), None, 3),
            (words(&["limit=all", "window=all.1h", "address=192.0.2.1"]), None, 3),
        ],
    };
    assert_eq!(seen, Some(expected));
}

#[test]
fn limits_go_with_the_question_where_the_service_takes_them() {
    let host = FakeHost::at(START);
    identify(&host, "northwind", None);
    let limits = r#"{"id": "a", "match": {}, "engine": "service", "windows": ["5/s", "40/day"],
        "overrides": [{"callers": {"subjects": ["bluefin"]}, "limit": {"quota": 9, "window": "1h"}}]}"#;
    let filter = rate_limit(&policy(r#", "send_limits": true"#, limits));
    let sent = |sub: &str| {
        identify(&host, sub, None);
        let mut limits = Vec::new();
        send_to(&filter, &host, &[], &mut |ask| {
            limits = asked(ask).descriptors.iter().map(|d| d.1).collect();
            said(&statuses(Code::Ok, &[]))
        });
        limits
    };
    assert_eq!(sent("northwind"), [Some((5, 1)), Some((40, 4))]);
    assert_eq!(sent("bluefin"), [Some((9, 3))]);
}

#[test]
fn a_refusal_of_the_service_refuses() {
    let host = FakeHost::at(START);
    let filter = rate_limit(&policy("", &limit("current", "")));
    let answer = said(&statuses(Code::OverLimit, &[(Code::OverLimit, Some(10), 0, 30_000)]));
    let seen = send(&filter, &host, &answer);
    assert_eq!(seen.status, 429);
    assert_eq!(
        seen.record,
        r#"{"decision":"deny","rule":"current","code":"over_limit","mode":"enforce","retry_after":30,"engine":"service"}"#
    );
    assert_eq!(
        seen.fields,
        [
            "retry-after: 30",
            r#"ratelimit-policy: "current";q=10;w=60"#,
            r#"ratelimit: "current";r=0;t=30"#
        ]
    );
    assert_eq!(seen.has_counted("limit_decisions.current.refused"), 1);
}

#[test]
fn who_is_over_is_refused_without_a_question_until_that_ends() {
    let host = FakeHost::at(START);
    let filter = rate_limit(&policy("", &limit("current", "")));
    identify(&host, "northwind", None);
    let over = said(&statuses(Code::OverLimit, &[(Code::OverLimit, Some(10), 0, 30_000)]));
    assert_eq!(send(&filter, &host, &over).asked, 1);
    later(&host, Duration::from_millis(12_500));
    let seen = send(&filter, &host, &over);
    assert_eq!((seen.status, seen.asked), (429, 0));
    assert_eq!(seen.field("retry-after"), Some("18"));
    assert_eq!(
        seen.record,
        r#"{"decision":"deny","rule":"current","code":"over_limit","mode":"enforce","retry_after":18,"engine":"remembered"}"#
    );
    assert_eq!(seen.counted, ["limit_decisions.current.refused", "service_remembered", "refused"]);
    // Nobody else.
    identify(&host, "bluefin", None);
    let ok = said(&statuses(Code::Ok, &[(Code::Ok, Some(10), 9, 30_000)]));
    assert_eq!(send(&filter, &host, &ok).asked, 1);
    identify(&host, "northwind", None);
    later(&host, Duration::from_secs(30));
    let seen = send(&filter, &host, &ok);
    assert_eq!((seen.status, seen.asked), (200, 1), "it is over");
}

#[test]
fn a_smaller_cost_may_pass_where_a_larger_one_did_not() {
    let host = FakeHost::at(START);
    let costs = r#", "costs": [{"match": {"paths": ["/dear"]}, "cost": 5}]"#;
    let filter = rate_limit(&policy("", &limit("current", costs)));
    let over = said(&statuses(Code::OverLimit, &[(Code::OverLimit, Some(10), 3, 30_000)]));
    let ok = said(&statuses(Code::Ok, &[(Code::Ok, Some(10), 2, 30_000)]));
    let dear = [(":path", "/dear")];
    assert_eq!(send_to(&filter, &host, &dear, &mut |_| over.clone()).asked, 1);
    assert_eq!(send_to(&filter, &host, &dear, &mut |_| over.clone()).asked, 0);
    assert_eq!(send(&filter, &host, &ok).asked, 1);
}

#[test]
fn headers_say_it_where_statuses_do_not() {
    let host = FakeHost::at(START);
    let filter = rate_limit(&policy("", &limit("current", "")));
    let ok = said(&headers(Code::Ok, r#"7, 7;w=10;name="x", 900;w=3600"#, "3", "9"));
    let seen = send(&filter, &host, &ok);
    assert_eq!(
        seen.fields,
        [r#"ratelimit-policy: "current";q=7;w=10"#, r#"ratelimit: "current";r=3;t=9"#]
    );
    let over = said(&headers(Code::OverLimit, "7, 7;w=10", "0", "9"));
    let seen = send(&filter, &host, &over);
    assert_eq!((seen.status, seen.asked, seen.field("retry-after")), (429, 1, Some("9")));
    assert_eq!(send(&filter, &host, &over).asked, 0, "it is remembered");
    later(&host, Duration::from_secs(9));
    // What cannot be read is as if it was not there.
    for (limit, remaining, reset) in [("", "", ""), ("x", "1", "1"), ("-1", "1", "1")] {
        let seen = send(&filter, &host, &said(&headers(Code::Ok, limit, remaining, reset)));
        assert_eq!((seen.status, seen.fields.len()), (200, 0), "{limit}");
    }
    // Nothing but its word.
    let bare = said(&statuses(Code::OverLimit, &[]));
    let seen = send(&filter, &host, &bare);
    assert_eq!((seen.status, seen.field("retry-after")), (429, Some("60")));
}

#[test]
fn all_windows_of_all_limits_go_in_one_question() {
    let host = FakeHost::at(START);
    let second = r#"{"id": "all", "match": {}, "also": true, "engine": "service", "windows": ["5/s", "40/m"]}"#;
    let limits = [limit("current", ""), second.to_owned()].join(",");
    let told = r#""dialects": [{"match": {}, "dialect": "ietf", "show": "all"}], "limits""#;
    let filter = rate_limit(&policy("", &limits).replace("\"limits\"", told));
    let answer = statuses(
        Code::OverLimit,
        &[
            (Code::Ok, Some(10), 8, 60_000),
            (Code::Ok, Some(5), 2, 1_000),
            (Code::OverLimit, Some(40), 0, 20_000),
        ],
    );
    let seen = send(&filter, &host, &said(&answer));
    assert_eq!((seen.status, seen.asked), (429, 1));
    assert_eq!(
        seen.field("ratelimit"),
        Some(r#""current";r=8;t=60, "all.1s";r=2;t=1, "all.1m";r=0;t=20"#)
    );
    assert_eq!(seen.field("retry-after"), Some("20"));
    let own = ["limit_decisions.current.allowed", "limit_decisions.all.refused"];
    assert_eq!(own.map(|name| seen.has_counted(name)), [0, 1]);
}

#[test]
fn what_the_service_refuses_is_given_back_here() {
    let host = FakeHost::at(START);
    let here = r#"{"id": "here", "match": {}, "also": true, "algorithm": "fixed_window", "quota": 3, "window": "1m"}"#;
    let filter = rate_limit(&policy(
        r#", "remembered": 0"#,
        &[limit("current", ""), here.to_owned()].join(","),
    ));
    let over = said(&statuses(Code::OverLimit, &[(Code::OverLimit, Some(10), 0, 30_000)]));
    let ok = said(&statuses(Code::Ok, &[(Code::Ok, Some(10), 5, 30_000)]));
    for _ in 0..10 {
        let seen = send(&filter, &host, &over);
        assert_eq!((seen.status, seen.asked), (429, 1));
    }
    let passed = (0..5).filter(|_| send(&filter, &host, &ok).status == 200).count();
    assert_eq!(passed, 3, "nothing of what was refused was counted");
    // What is refused here asks nobody.
    assert_eq!(send(&filter, &host, &ok).asked, 0);
}

#[test]
fn a_service_that_only_tries_a_limit_refuses_nothing() {
    let host = FakeHost::at(START);
    let filter = rate_limit(&policy("", &limit("current", "")));
    let answer = said(&statuses(Code::Ok, &[(Code::OverLimit, Some(10), 0, 30_000)]));
    for _ in 0..2 {
        let seen = send(&filter, &host, &answer);
        assert_eq!((seen.status, seen.asked), (200, 1));
    }
}

#[test]
fn a_limit_in_shadow_refuses_nothing() {
    let host = FakeHost::at(START);
    let quiet = limit("quiet", r#", "mode": "shadow", "also": true"#);
    let filter = rate_limit(&policy("", &[limit("current", ""), quiet].join(",")));
    let answer = statuses(
        Code::OverLimit,
        &[(Code::Ok, Some(10), 4, 60_000), (Code::OverLimit, Some(10), 0, 60_000)],
    );
    let seen = send(&filter, &host, &said(&answer));
    assert_eq!((seen.status, seen.asked), (200, 1));
    assert!(seen.record.contains(r#""would_refuse":"quiet""#), "{}", seen.record);
    assert_eq!(seen.has_counted("limit_decisions.quiet.would_refuse"), 1);
    // It is remembered, and not asked about again: the other one is.
    let mut questions = Vec::new();
    let seen = send_to(&filter, &host, &[], &mut |ask| {
        questions.push(asked(ask).descriptors.len());
        said(&statuses(Code::Ok, &[(Code::Ok, Some(10), 3, 60_000)]))
    });
    assert_eq!((seen.status, questions), (200, vec![1]));
    assert!(seen.record.contains(r#""would_refuse":"quiet""#), "{}", seen.record);
}

#[test]
fn which_of_them_is_over_is_asked_where_it_was_not_said() {
    let host = FakeHost::at(START);
    let quiet = limit("quiet", r#", "mode": "shadow", "also": true"#);
    let filter = rate_limit(&policy("", &[quiet, limit("current", "")].join(",")));
    let mut questions = Vec::new();
    let seen = send_to(&filter, &host, &[], &mut |ask| {
        let of: Vec<String> = asked(ask).descriptors.iter().map(|d| d.0[0].clone()).collect();
        host.set_now(host_now(&host) + Duration::from_millis(20));
        questions.push((of.join(" "), ask.deadline.as_millis()));
        let overall = if questions.len() == 1 { Code::OverLimit } else { Code::Ok };
        said(&headers(overall, "10, 10;w=60", "6", "60"))
    });
    assert_eq!(seen.status, 200);
    assert_eq!(
        questions,
        [("limit=quiet limit=current".to_owned(), 50), ("limit=current".to_owned(), 30)]
    );
    assert_eq!(seen.field("ratelimit"), Some(r#""current";r=6;t=60"#));
}

fn host_now(host: &FakeHost) -> Duration {
    postern_core::Host::now(host)
}

#[test]
fn what_the_service_does_not_know_passes_and_is_counted_as_such() {
    let host = FakeHost::at(START);
    let filter = rate_limit(&policy("", &limit("current", "")));
    let seen = send(&filter, &host, &said(&statuses(Code::Ok, &[(Code::Ok, None, 0, 0)])));
    assert_eq!((seen.status, seen.fields.len()), (200, 0));
    assert_eq!(
        seen.record,
        r#"{"decision":"allow","rule":"current","code":"uncounted","mode":"enforce","engine":"service"}"#
    );
    assert_eq!(seen.has_counted("service_unmatched"), 1);
}

#[test]
fn a_request_that_costs_nothing_asks_nobody() {
    let host = FakeHost::at(START);
    let costs = r#", "costs": [{"match": {"paths": ["/free"]}, "cost": 0}]"#;
    let filter = rate_limit(&policy("", &limit("current", costs)));
    let ok = said(&statuses(Code::Ok, &[]));
    let seen = send_to(&filter, &host, &[(":path", "/free")], &mut |_| ok.clone());
    assert_eq!((seen.status, seen.asked), (200, 0));
}

#[test]
fn nobody_is_remembered_for_longer_than_allowed() {
    let host = FakeHost::at(START);
    let filter = rate_limit(&policy(r#", "remembered_for": "2m""#, &limit("current", "")));
    let over = said(&statuses(
        Code::OverLimit,
        &[(Code::OverLimit, Some(10), 0, u64::from(u32::MAX) * 1_000)],
    ));
    assert_eq!(send(&filter, &host, &over).asked, 1);
    later(&host, MINUTE * 2 - Duration::from_millis(1));
    assert_eq!(send(&filter, &host, &over).asked, 0);
    later(&host, MINUTE * 2);
    let seen = send(&filter, &host, &over);
    assert_eq!(seen.asked, 1);
    assert_eq!(seen.field("retry-after"), Some("31622400"), "a year at most");
}

#[test]
fn a_place_is_taken_before_the_question_and_left_where_the_service_refuses() {
    let host = FakeHost::at(START);
    let few = r#"{"id": "few", "match": {}, "also": true, "concurrency": 1}"#;
    let limits = [limit("current", ""), few.to_owned()].join(",");
    let filter = rate_limit(&policy(r#", "remembered": 0"#, &limits));
    let ok = || said(&statuses(Code::Ok, &[(Code::Ok, Some(10), 5, 30_000)]));
    let over = || said(&statuses(Code::OverLimit, &[(Code::OverLimit, Some(10), 0, 30_000)]));
    let mut others = Vec::new();
    let seen = send_to(&filter, &host, &[], &mut |_| {
        others.push(send(&filter, &host, &ok()));
        over()
    });
    assert_eq!((seen.status, seen.asked), (429, 1));
    let other = others.remove(0);
    assert_eq!((other.status, other.asked), (429, 0), "the place was taken");
    assert!(other.record.contains(r#""rule":"few""#), "{}", other.record);
    // `send` ends no stream: whoever passes stays under way.
    assert_eq!(send(&filter, &host, &ok()).status, 200, "it was left");
    assert_eq!(send(&filter, &host, &ok()).status, 429);
    let down = rate_limit(&policy("", &limits.replace("few", "other")));
    let seen = send(&down, &host, &Answer::Unavailable);
    assert_eq!((seen.status, seen.field("ratelimit")), (200, Some(r#""current";r=4;t=60"#)));
    let seen = send(&down, &host, &Answer::Unavailable);
    assert_eq!((seen.status, seen.field("ratelimit")), (429, Some(r#""other";r=0"#)));
}
