use super::*;

#[track_caller]
fn refused(policy: &str, expected: &str) {
    let node = parse_json(policy.as_bytes()).unwrap();
    let errors = RateLimit::configure(&node, &|_| None).unwrap_err();
    assert_eq!(errors.to_string(), expected);
}

#[test]
fn what_does_not_go_together() {
    refused(
        r#"{"service": {"cluster": "rls", "domain": "d", "gateways": 2, "timeout": "6s", "backoff": "11m"},
            "limits": [{"id": "a", "match": {}, "quota": 1, "window": "1s", "on_failure": "open"}]}"#,
        "service.timeout: expected at most `5s`\n\
         service.backoff: expected at most `10m`\n\
         service: no limit has `engine: service`\n\
         limits[0].on_failure: has no place without `engine: service`",
    );
    refused(
        &policy("", r#"{"id": "a", "match": {}, "engine": "service", "concurrency": 5}"#),
        "limits[0].engine: requests at a time are counted here: expected no `engine`",
    );
    refused(
        r#"{"limits": [{"id": "a", "match": {}, "quota": 1, "window": "1s", "engine": "service"}]}"#,
        "limits[0].engine: expected the policy's key `service`, which says whom to ask",
    );
    refused(
        &policy(
            "",
            r#"{"id": "a", "match": {}, "engine": "service",
                "quota": {"claim": "q", "otherwise": 5}, "window": "1s",
                "costs": [{"match": {}, "answers": [{"cost": 1}]}],
                "overrides": [{"callers": {"plans": ["x"]}, "limit": {"quota": 1, "window": "1s"}}]}"#,
        ),
        "limits[0].costs[0].answers: has no place with `engine: service`, which takes nothing back\n\
         limits[0]: a quota that a claim says needs `send_limits` of the key `service`\n\
         limits[0]: an override with windows needs `send_limits` of the key `service`",
    );
    refused(
        &policy(
            r#", "send_limits": true"#,
            r#"{"id": "a", "match": {}, "engine": "service", "windows": ["1/s", "9/15m"]}"#,
        ),
        "limits[0]: a window of 900 s cannot be sent: expected `1s`, `1m`, `1h`, `1d`, `30d` or `365d` with `send_limits`",
    );
    refused(
        r#"{"service": {"domain": "", "gateways": 0, "on_failure": "shut", "values": "raw", "remembered": -1},
            "limits": [{"id": "a", "match": {}, "engine": "servce", "quota": 1, "window": "1s"}]}"#,
        "limits[0].engine: expected `local` or `service`: did you mean `service`?\n\
         service: missing key `cluster`\n\
         service.domain: expected a text that is not empty and has no control characters\n\
         service.gateways: expected a whole number from 1 to 10000, but found 0\n\
         service.on_failure: expected `degrade`, `open` or `closed`\n\
         service.values: expected `hashed` or `plain`\n\
         service.remembered: expected a whole number from 0 to 1000000, but found -1",
    );
}

#[test]
fn unlimited_callers_may_be_exempt_by_name() {
    let exempt = r#", "overrides": [{"callers": {"subjects": ["a"]}, "limit": "unlimited"}]"#;
    let host = FakeHost::at(START);
    let filter = rate_limit(&policy("", &limit("current", exempt)));
    identify(&host, "a", None);
    let seen = send(&filter, &host, &Answer::Unavailable);
    assert_eq!((seen.status, seen.asked), (200, 0));
}

#[test]
fn metrics_are_a_fixed_set_with_those_of_the_service_last() {
    let filter = rate_limit(&policy("", &limit("current", "")));
    let names: Vec<String> = filter.metrics().iter().map(|m| m.name.to_string()).collect();
    let own: Vec<&str> =
        names.iter().skip_while(|n| *n != "service_asked").map(String::as_str).collect();
    assert_eq!(
        own,
        [
            "service_asked",
            "service_remembered",
            "service_failed",
            "service_probes",
            "service_unmatched",
            "service_latency.1ms",
            "service_latency.2ms",
            "service_latency.5ms",
            "service_latency.10ms",
            "service_latency.25ms",
            "service_latency.50ms",
            "service_latency.100ms",
            "service_latency.1s",
            "service_latency.more",
            "service_state",
            "limit_fallbacks.current.degraded",
            "limit_fallbacks.current.opened",
            "limit_fallbacks.current.closed",
        ]
    );
}
