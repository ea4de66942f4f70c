//! Which window an answer without statuses means, for how long it holds, and what is
//! said of a service that knows nothing.

use super::*;

/// Two windows, and a service that reports by headers.
fn two() -> (RateLimit, FakeHost) {
    let windows =
        r#"{"id": "all", "match": {}, "engine": "service", "windows": ["10/s", "1000/h"]}"#;
    (rate_limit(&policy("", windows)), FakeHost::at(START))
}

#[test]
fn headers_are_of_the_window_that_they_name() {
    let (filter, host) = two();
    let over = said(&headers(Code::OverLimit, "1000, 10;w=1, 1000;w=3600", "0", "40"));
    let seen = send(&filter, &host, &over);
    assert_eq!(
        seen.fields,
        [
            "retry-after: 40",
            r#"ratelimit-policy: "all.1h";q=1000;w=3600"#,
            r#"ratelimit: "all.1h";r=0;t=40"#
        ]
    );
    assert_eq!(seen.has_counted("limit_decisions.all.refused"), 1);
    assert_eq!(send(&filter, &host, &over).asked, 0, "it is remembered");
    // The service has another quota for that window than the policy.
    let (filter, host) = two();
    let ok = said(&headers(Code::Ok, "500, 500;w=3600", "7", "40"));
    let told = send(&filter, &host, &ok).fields;
    assert_eq!(
        told,
        [r#"ratelimit-policy: "all.1h";q=500;w=3600"#, r#"ratelimit: "all.1h";r=7;t=40"#]
    );
    // A quota alone names it too.
    let ok = said(&headers(Code::Ok, "10", "7", "1"));
    let told = send(&filter, &host, &ok).fields;
    assert_eq!(told, [r#"ratelimit-policy: "all.1s";q=10;w=1"#, r#"ratelimit: "all.1s";r=7;t=1"#]);
}

#[test]
fn headers_of_no_window_name_none() {
    let (filter, host) = two();
    let ok = said(&headers(Code::Ok, "77", "7", "40"));
    assert_eq!(send(&filter, &host, &ok).fields, [""; 0]);
    let over = said(&headers(Code::OverLimit, "77, 77;w=60", "0", "40"));
    for _ in 0..2 {
        let seen = send(&filter, &host, &over);
        assert_eq!((seen.status, seen.asked), (429, 1), "it is not remembered");
        assert_eq!(seen.field("ratelimit-policy"), Some(r#""all.1s";q=10;w=1"#));
    }
}

#[test]
fn nobody_is_remembered_for_longer_than_was_said() {
    let host = FakeHost::at(START);
    let filter = rate_limit(&policy("", &limit("current", "")));
    // Over, and not until when.
    let bare = said(&statuses(Code::OverLimit, &[]));
    let untimed = said(&headers(Code::OverLimit, "10, 10;w=60", "0", ""));
    for answer in [&bare, &untimed] {
        for _ in 0..2 {
            let seen = send(&filter, &host, answer);
            assert_eq!((seen.status, seen.asked, seen.field("retry-after")), (429, 1, Some("60")));
        }
    }
    // The clock is set back by a day.
    let over = said(&statuses(Code::OverLimit, &[(Code::OverLimit, Some(10), 0, 30_000)]));
    assert_eq!(send(&filter, &host, &over).asked, 1);
    assert_eq!(send(&filter, &host, &over).asked, 0);
    host.set_now(START - Duration::from_secs(86_400));
    assert_eq!(send(&filter, &host, &over).asked, 1);
}

#[test]
fn another_quota_asks_anew() {
    let host = FakeHost::at(START);
    let claim = r#"{"id": "a", "match": {}, "engine": "service", "window": "1m",
        "quota": {"claim": "rpm", "otherwise": 10}}"#;
    let filter = rate_limit(&policy(r#", "send_limits": true"#, claim));
    let over = said(&statuses(Code::OverLimit, &[(Code::OverLimit, Some(10), 0, 30_000)]));
    identify(&host, "s", None);
    assert_eq!(send(&filter, &host, &over).asked, 1);
    assert_eq!(send(&filter, &host, &over).asked, 0);
    let claims = [("rpm".to_owned(), 1_000.into())].into_iter().collect();
    let more = identity::Caller {
        sub: "s".to_owned(),
        provider: "test".to_owned(),
        credential: "jwt".to_owned(),
        claims,
        ..identity::Caller::default()
    };
    host.set_property(identity::STATE, postern_core::Identity::Known(Box::new(more)).to_json());
    assert_eq!(send(&filter, &host, &over).asked, 1);
}

#[test]
fn what_a_service_says_fits_into_a_field() {
    let host = FakeHost::at(START);
    let filter = rate_limit(&policy("", &limit("current", "")));
    let most = "18446744073709551615";
    let seen = send(&filter, &host, &said(&headers(Code::Ok, most, most, most)));
    assert_eq!(
        seen.fields,
        [
            r#"ratelimit-policy: "current";q=999999999999999;w=60"#,
            r#"ratelimit: "current";r=999999999999999;t=31622400"#
        ]
    );
    let more = said(&headers(Code::Ok, "10", "11", "9"));
    assert_eq!(send(&filter, &host, &more).field("ratelimit"), Some(r#""current";r=10;t=9"#));
    let more = said(&statuses(Code::Ok, &[(Code::Ok, Some(10), 11, 9_000)]));
    assert_eq!(send(&filter, &host, &more).field("ratelimit"), Some(r#""current";r=10;t=9"#));
}

#[test]
fn a_service_that_knows_no_limit_is_told_of_now_and_then() {
    let host = FakeHost::at(START);
    let filter = rate_limit(&policy("", &limit("current", "")));
    let unknown = said(&statuses(Code::Ok, &[(Code::Ok, None, 0, 0)]));
    let line = "the rate-limit service at `rls` has no limit for some of what it is asked in the \
                domain `d`: that is not counted";
    for (at, lines) in [(0, vec![line]), (59, vec![]), (60, vec![line]), (61, vec![])] {
        later(&host, Duration::from_secs(at));
        for _ in 0..2 {
            let seen = send(&filter, &host, &unknown);
            assert_eq!((seen.status, seen.has_counted("service_unmatched")), (200, 1));
        }
        assert_eq!(filter.tick(&host).log, lines, "{at}");
    }
}
