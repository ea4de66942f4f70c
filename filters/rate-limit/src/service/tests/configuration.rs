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
                "overrides": [{"callers": {"plans": ["x"]}, "limit": {"quota": 1, "window": "1s"}}]}"#,
        ),
        "limits[0]: a quota that a claim says needs `send_limits` of the key `service`\n\
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
fn a_service_takes_nothing_back() {
    let costs = |costs: &str| policy("", &limit("a", &format!(r#", "costs": {costs}"#)));
    refused(
        &costs(
            r#"[{"match": {}, "cost": 3, "answers": [{"statuses": [404], "cost": 3}, {"cost": 2}]},
                {"match": {}, "cost": 0, "answers": [{"cost": 2}]}]"#,
        ),
        "limits[0].costs[0].answers[1].cost: expected at least 3, what the request has cost when it came: with `engine: service` nothing is given back\n\
         limits[0].costs[1].cost: expected at least 1: with `engine: service` nobody is asked of requests that cost nothing, and nothing would refuse them",
    );
    rate_limit(&costs(r#"[{"match": {}, "cost": 0}, {"match": {}, "answers": [{"cost": 1}]}]"#));
}

#[test]
fn the_secret_of_digests_has_to_be_there() {
    let set = |more: &str| policy(more, &limit("a", ""));
    refused(
        &set(r#", "secret_env": "RLS_SECRET""#),
        "service.secret_env: the environment variable `RLS_SECRET` is not set",
    );
    refused(
        &set(r#", "secret_env": "RLS_SECRET", "values": "plain""#),
        "service.secret_env: has no place with `values: plain`",
    );
    let node = parse_json(set(r#", "secret_env": "RLS_SECRET""#).as_bytes()).unwrap();
    let short = |_: &str| Some("c2hvcnQ".to_owned());
    assert_eq!(
        RateLimit::configure(&node, &short).unwrap_err().to_string(),
        "service.secret_env: the secret in the environment variable `RLS_SECRET` has fewer than 16 bytes"
    );
    // What is wrong is said without it.
    let odd = |_: &str| Some("not base64url, but 0123456789abcdef".to_owned());
    assert_eq!(
        RateLimit::configure(&node, &odd).unwrap_err().to_string(),
        "service.secret_env: the environment variable `RLS_SECRET` is not base64url"
    );
    let good = |_: &str| Some("MDEyMzQ1Njc4OWFiY2RlZg".to_owned());
    let shown = format!("{:?}", RateLimit::configure(&node, &good).unwrap());
    let bytes = format!("{:?}", b"0123456789abcdef");
    assert!(!shown.contains("0123456789abcdef") && !shown.contains(bytes.trim_matches(['[', ']'])));
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
            "service_corrected",
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
