use super::*;

const POLICY: &str = r#"{
    "limits": [
        {"id": "old", "match": {"hosts": ["old.example.com"]}, "algorithm": "fixed_window",
         "quota": 3, "window": "60s"},
        {"id": "burst", "match": {"paths": ["/**"]}, "quota": 100, "window": "60s",
         "plans": {"tiny": {"quota": 5, "window": "60s"}, "load": "unlimited"}}
    ],
    "dialects": [
        {"match": {"hosts": ["old.example.com"]}, "dialect": "legacy"},
        {"match": {"headers": [{"name": "x-quiet", "present": true}]}, "dialect": "none"}
    ]
}"#;

const OLD: &[(&str, &[u8])] = &[(":authority", b"OLD.example.com:80")];

#[track_caller]
fn check(seen: &Seen, status: u16, fields: &[&str]) {
    let seen: (u16, Vec<&str>) = (seen.status, seen.fields.iter().map(String::as_str).collect());
    assert_eq!(seen, (status, fields.to_vec()));
}

#[test]
fn the_ietf_fields_count_down() {
    let (filter, host) = (rate_limit(POLICY), FakeHost::at(START));
    identify(&host, caller("northwind"));
    let policy = r#"ratelimit-policy: "burst";q=100;w=60"#;
    check(&send(&filter, &host, &[], 200), 200, &[policy, r#"ratelimit: "burst";r=99;t=1"#]);
    check(&send(&filter, &host, &[], 200), 200, &[policy, r#"ratelimit: "burst";r=98;t=1"#]);
    // Refusals of filters behind this one are dressed too.
    check(&send(&filter, &host, &[], 403), 403, &[policy, r#"ratelimit: "burst";r=97;t=1"#]);
    assert_eq!(passed(&filter, &host, &[], 200), 97);
    let refused = send(&filter, &host, &[], 200);
    check(&refused, 429, &["retry-after: 1", policy, r#"ratelimit: "burst";r=0;t=1"#]);
    host.set_now(START + Duration::from_millis(599));
    assert_eq!(send(&filter, &host, &[], 200).status, 429);
    host.set_now(START + Duration::from_millis(600));
    check(&send(&filter, &host, &[], 200), 200, &[policy, r#"ratelimit: "burst";r=0;t=1"#]);
    assert_eq!(send(&filter, &host, &[], 200).status, 429);
}

#[test]
fn the_hundred_and_first_at_once_is_refused() {
    let (filter, host) = (rate_limit(POLICY), FakeHost::at(START));
    identify(&host, caller("northwind"));
    assert_eq!(passed(&filter, &host, &[], 1000), 100);
    host.set_now(START + Duration::from_secs(30));
    assert_eq!(passed(&filter, &host, &[], 1000), 50);
    host.set_now(START + Duration::from_secs(3600));
    assert_eq!(passed(&filter, &host, &[], 1000), 100);
}

#[test]
fn a_refusal_is_a_problem_of_the_ietf_draft() {
    let (filter, host) = (rate_limit(POLICY), FakeHost::at(START));
    identify(&host, identity::Caller { plan: Some("tiny".to_owned()), ..caller("small") });
    assert_eq!(passed(&filter, &host, &[], 5), 5);
    let (_, outcome) = ask(&filter, &host, &[]);
    let own = crate::metrics::of_limit(1, crate::metrics::Fate::Refused);
    assert_eq!(outcome.count, [own, crate::metrics::REFUSED]);
    let record = outcome.record.unwrap().to_json("v");
    assert_eq!(
        String::from_utf8(record).unwrap(),
        r#"{"decision":"deny","rule":"burst","code":"over_limit","version":"v","mode":"enforce","retry_after":12}"#
    );
    let Step::Refuse(refusal) = outcome.step else { panic!("refused") };
    let reply = refusal.to_reply(Some(b"id-1"));
    assert_eq!(reply.status, 429);
    let body: serde_json::Value = serde_json::from_slice(&reply.body).unwrap();
    assert_eq!(
        body,
        serde_json::json!({
            "type": "https://iana.org/assignments/http-problem-types#quota-exceeded",
            "title": "Quota Exceeded",
            "status": 429,
            "detail": "the limit is 5 per 60 seconds; try again in 12 seconds",
            "instance": "id-1",
            "code": "quota_exceeded",
            "violated-policies": ["burst"],
        })
    );
    let headers: Vec<_> = reply.headers.iter().map(|(n, _)| n.as_ref()).collect();
    assert_eq!(headers, ["content-type", "cache-control", "retry-after"]);
    assert_eq!(reply.headers.last().unwrap().1, b"12");
}

#[test]
fn plans_have_limits_of_their_own() {
    let (filter, host) = (rate_limit(POLICY), FakeHost::at(START));
    let planned = |plan: &str| identity::Caller { plan: Some(plan.to_owned()), ..caller("a") };
    identify(&host, planned("tiny"));
    let seen = send(&filter, &host, &[], 200);
    check(&seen, 200, &[r#"ratelimit-policy: "burst";q=5;w=60"#, r#"ratelimit: "burst";r=4;t=12"#]);
    assert_eq!(passed(&filter, &host, &[], 10), 4);
    identify(&host, planned("load"));
    check(&send(&filter, &host, &[], 200), 200, &[]);
    assert_eq!(passed(&filter, &host, &[], 500), 500);
    // A plan that the limit does not name has the usual limit.
    identify(&host, planned("gold"));
    assert_eq!(passed(&filter, &host, &[], 500), 100);
    identify(&host, caller("a"));
    assert_eq!(passed(&filter, &host, &[], 500), 0, "the usual limit is one for all of them");
}

#[test]
fn the_old_gateway_s_fields() {
    let (filter, host) = (rate_limit(POLICY), FakeHost::at(START + Duration::from_secs(47)));
    identify(&host, caller("northwind"));
    let total = "x-ratelimit-total: 3";
    check(&send(&filter, &host, OLD, 200), 200, &[total, "x-ratelimit-remaining: 2"]);
    check(&send(&filter, &host, OLD, 500), 500, &[total, "x-ratelimit-remaining: 1"]);
    check(&send(&filter, &host, OLD, 403), 403, &[]);
    let refused = send(&filter, &host, OLD, 200);
    check(&refused, 429, &["retry-after: 13", total, "x-ratelimit-remaining: 0"]);
    host.set_now(START + Duration::from_millis(59_999));
    check(
        &send(&filter, &host, OLD, 200),
        429,
        &["retry-after: 1", total, "x-ratelimit-remaining: 0"],
    );
    host.set_now(START + Duration::from_secs(60));
    check(&send(&filter, &host, OLD, 200), 200, &[total, "x-ratelimit-remaining: 2"]);
}

#[test]
fn a_quiet_dialect_says_only_when_to_come_back() {
    let (filter, host) = (rate_limit(POLICY), FakeHost::at(START));
    identify(&host, identity::Caller { plan: Some("tiny".to_owned()), ..caller("a") });
    let quiet: &[(&str, &[u8])] = &[("x-quiet", b"\xff")];
    check(&send(&filter, &host, quiet, 200), 200, &[]);
    assert_eq!(passed(&filter, &host, quiet, 9), 4);
    check(&send(&filter, &host, quiet, 200), 429, &["retry-after: 12"]);
}

#[test]
fn requests_that_no_limit_matches_pass_undressed() {
    let filter = rate_limit(
        r#"{"limits": [{"id": "a", "match": {"paths": ["/a"]}, "quota": 1, "window": "1s"}]}"#,
    );
    let host = FakeHost::at(START);
    let (mut stream, outcome) = ask(&filter, &host, &[(":path", b"/b")]);
    assert!(matches!(outcome.step, Step::Continue));
    let record = outcome.record.unwrap();
    assert_eq!((record.decision.as_str(), record.code), ("skip", "no_limit"));
    assert_eq!(dress(&filter, &host, &mut stream, 200), Vec::<String>::new());
    assert_eq!(host.shared_len(), 0);
    let (_, outcome) = ask(&filter, &host, &[(":path", b"*"), (":method", b"OPTIONS")]);
    assert!(matches!(outcome.step, Step::Continue));
    // A response without its request: nothing was decided.
    assert_eq!(dress(&filter, &host, &mut Stream::default(), 200), Vec::<String>::new());
}

#[test]
fn a_path_that_cannot_be_judged_is_a_bad_request() {
    let (filter, host) = (rate_limit(POLICY), FakeHost::at(START));
    for path in [&b"/a%2Fb"[..], b"/\xff", b"x", b"/%00"] {
        let seen = send(&filter, &host, &[(":path", path)], 200);
        check(&seen, 400, &[]);
    }
}

/// Attack case 29, and the fall back to the address.
#[test]
fn a_caller_is_one_however_it_writes() {
    let policy = r#"{"limits": [{"id": "a", "match": {}, "quota": 5, "window": "60s"}]}"#;
    let (filter, host) = (rate_limit(policy), FakeHost::at(START));
    host.set_property("source.address", "192.0.2.7:1000");
    let variants: [&[(&str, &[u8])]; 6] = [
        &[("x-forwarded-for", b"198.51.100.1")],
        &[("x-forwarded-for", b"198.51.100.2"), ("forwarded", b"for=203.0.113.1")],
        &[(":path", b"/a?x=1&y=2")],
        &[(":path", b"//./a?y=2&x=1")],
        &[("x-real-ip", b"203.0.113.9"), ("x-envoy-external-address", b"203.0.113.9")],
        &[(":authority", b"API.example.com:443"), ("x-api-key", b"another")],
    ];
    let statuses = variants.map(|headers| send(&filter, &host, headers, 200).status);
    assert_eq!(statuses, [200, 200, 200, 200, 200, 429]);
    // Neither another port nor an anonymous or unreadable identity is another caller.
    host.set_property("source.address", "192.0.2.7:2000");
    assert_eq!(passed(&filter, &host, &[], 1), 0);
    for state in [Identity::Anonymous.to_json(), b"{}".to_vec(), b"\xff".to_vec()] {
        host.set_property(identity::STATE, state);
        assert_eq!(passed(&filter, &host, &[], 1), 0);
    }
    host.set_property("source.address", "192.0.2.8:2000");
    assert_eq!(passed(&filter, &host, &[], 9), 5);
    // One subject under two credentials, from two addresses.
    identify(&host, caller("northwind"));
    assert_eq!(passed(&filter, &host, &[], 3), 3);
    host.set_property("source.address", "192.0.2.9:2000");
    identify(
        &host,
        identity::Caller { credential: "api_key:k1".to_owned(), ..caller("northwind") },
    );
    assert_eq!(passed(&filter, &host, &[], 9), 2);
}

#[test]
fn a_limit_counts_by_what_it_names() {
    let base = || identity::Caller {
        iss: Some("i".to_owned()),
        client: Some("c".to_owned()),
        plan: Some("p".to_owned()),
        ..caller("s")
    };
    let others: [(&str, identity::Caller); 5] = [
        ("subject", identity::Caller { sub: "t".to_owned(), ..base() }),
        ("issuer", identity::Caller { iss: Some("j".to_owned()), ..base() }),
        ("client", identity::Caller { client: Some("d".to_owned()), ..base() }),
        ("credential", identity::Caller { credential: "api_key:1".to_owned(), ..base() }),
        ("plan", identity::Caller { plan: Some("q".to_owned()), ..base() }),
    ];
    for part in ["subject", "issuer", "client", "credential", "plan", "address"] {
        let policy = format!(
            r#"{{"limits": [{{"id": "a", "match": {{}}, "key": ["{part}"], "quota": 1, "window": "60s"}}]}}"#
        );
        for (differs, other) in &others {
            let (filter, host) = (rate_limit(&policy), FakeHost::at(START));
            identify(&host, base());
            assert_eq!(passed(&filter, &host, &[], 3), 1);
            identify(&host, other.clone());
            // A credential is told apart with its subject: `jwt` alone is no id.
            let apart = part == *differs || (part == "credential" && *differs == "subject");
            let expected = usize::from(apart);
            assert_eq!(passed(&filter, &host, &[], 3), expected, "{part}, {differs} differs");
        }
    }
    // Parts are combined, and one that is missing is taken by the address.
    let policy = r#"{"limits": [{"id": "a", "match": {}, "key": ["client", "address"], "quota": 1, "window": "60s"}]}"#;
    let (filter, host) = (rate_limit(policy), FakeHost::at(START));
    let count = |caller: Option<identity::Caller>, address: &str| {
        host.clear_properties();
        host.set_property("source.address", address);
        if let Some(caller) = caller {
            identify(&host, caller);
        }
        passed(&filter, &host, &[], 2)
    };
    assert_eq!(count(Some(base()), "192.0.2.1:1"), 1);
    assert_eq!(count(Some(base()), "192.0.2.2:1"), 1);
    assert_eq!(count(Some(base()), "192.0.2.1:2"), 0);
    assert_eq!(count(None, "192.0.2.1:1"), 1);
    assert_eq!(count(Some(caller("s")), "192.0.2.1:1"), 0, "it has no client either");
}
