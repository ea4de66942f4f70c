//! Requests while the service does not answer.

use super::*;

fn ok() -> Answer {
    said(&statuses(Code::Ok, &[(Code::Ok, Some(10), 4, 60_000)]))
}

/// Three failures, after which it is left alone.
fn break_it(filter: &RateLimit, host: &FakeHost) {
    for _ in 0..3 {
        assert_eq!(send(filter, host, &Answer::Unavailable).asked, 1);
    }
}

#[test]
fn the_gateways_part_holds_meanwhile() {
    let host = FakeHost::at(START);
    let more = r#", "gateways": 3, "header": "x-counted""#;
    let filter =
        rate_limit(&policy(more, &limit("current", "")).replacen(r#""gateways": 2,"#, "", 1));
    let seen: Vec<Seen> = (0..5).map(|_| send(&filter, &host, &Answer::Unavailable)).collect();
    let told: Vec<_> = seen.iter().map(|s| (s.status, s.asked)).collect();
    assert_eq!(told, [(200, 1), (200, 1), (200, 1), (429, 0), (429, 0)], "a third of ten");
    assert_eq!(
        seen[0].record,
        r#"{"decision":"allow","rule":"current","code":"within_limit","mode":"enforce","remaining":2,"engine":"degraded","service":"unavailable"}"#
    );
    assert_eq!(
        seen[0].fields,
        [
            r#"ratelimit-policy: "current";q=3;w=60"#,
            r#"ratelimit: "current";r=2;t=60"#,
            "x-counted: degraded"
        ]
    );
    assert_eq!(
        seen[4].record,
        r#"{"decision":"deny","rule":"current","code":"over_limit","mode":"enforce","retry_after":60,"engine":"degraded","service":"left_alone"}"#
    );
    assert_eq!(seen[4].field("x-counted"), Some("degraded"));
    assert_eq!(
        seen[0].counted,
        [
            "service_asked",
            "service_latency.1ms",
            "service_failed",
            "limit_fallbacks.current.degraded",
            "limit_decisions.current.allowed",
            "allowed"
        ]
    );
}

#[test]
fn a_limit_may_be_open_instead() {
    let host = FakeHost::at(START);
    let more = r#", "on_failure": "open", "header": "x-counted""#;
    let filter = rate_limit(&policy(more, &limit("current", "")));
    for asked in [1, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0] {
        let seen = send(&filter, &host, &Answer::Unavailable);
        assert_eq!((seen.status, seen.asked), (200, asked));
        assert_eq!(seen.fields, ["x-counted: open"]);
        assert_eq!(seen.has_counted("limit_fallbacks.current.opened"), 1);
    }
    let seen = send(&filter, &host, &Answer::Unavailable);
    assert_eq!(
        seen.record,
        r#"{"decision":"allow","rule":"current","code":"uncounted","mode":"enforce","engine":"open","service":"left_alone"}"#
    );
}

#[test]
fn or_closed_and_says_when_to_come_again() {
    let host = FakeHost::at(START);
    let more = r#", "header": "x-counted", "backoff": "40s""#;
    let filter = rate_limit(&policy(more, &limit("current", r#", "on_failure": "closed""#)));
    let seen = send(&filter, &host, &Answer::Unavailable);
    assert_eq!((seen.status, seen.field("retry-after")), (503, Some("1")));
    assert_eq!(
        seen.record,
        r#"{"decision":"deny","rule":"current","code":"unavailable","mode":"enforce","engine":"closed","service":"unavailable"}"#
    );
    assert_eq!(seen.field("x-counted"), Some("closed"));
    assert_eq!(seen.has_counted("limit_fallbacks.current.closed"), 1);
    assert_eq!(seen.has_counted("unavailable"), 1);
    for _ in 0..2 {
        send(&filter, &host, &Answer::Unavailable);
    }
    let seen = send(&filter, &host, &Answer::Unavailable);
    let after: u64 = seen.field("retry-after").unwrap().parse().unwrap();
    assert!((30..=50).contains(&after), "the time that it is left alone: {after}");
    assert_eq!(seen.asked, 0);
}

#[test]
fn each_limit_has_its_own_way() {
    let host = FakeHost::at(START);
    let open = limit("open", r#", "also": true, "on_failure": "open""#);
    let here = r#"{"id": "here", "match": {}, "also": true, "algorithm": "fixed_window", "quota": 4, "window": "1m"}"#;
    let both = [limit("current", ""), open, here.to_owned()].join(",");
    let filter = rate_limit(&policy("", &both));
    let seen: Vec<Seen> = (0..6).map(|_| send(&filter, &host, &Answer::Unavailable)).collect();
    let told: Vec<_> = seen.iter().map(|s| s.status).collect();
    assert_eq!(told, [200, 200, 200, 200, 429, 429]);
    assert!(seen[5].record.contains(r#""rule":"here""#), "{}", seen[5].record);
    // Of the fifth on nothing was counted: two are left of the gateway's five, one was taken.
    assert!(seen[3].record.contains(r#""remaining":0"#), "{}", seen[3].record);

    let closed = limit("closed", r#", "also": true, "on_failure": "closed""#);
    let both = [closed, here.to_owned()].join(",");
    let filter = rate_limit(&policy("", &both));
    later(&host, Duration::from_secs(60));
    for _ in 0..9 {
        assert_eq!(send(&filter, &host, &Answer::Unavailable).status, 503);
    }
    later(&host, Duration::from_secs(90));
    let passed = (0..9).filter(|_| send(&filter, &host, &ok()).status == 200).count();
    assert_eq!(passed, 4, "what was turned away was counted nowhere");
}

#[test]
fn a_limit_in_shadow_is_never_closed() {
    let host = FakeHost::at(START);
    let quiet = limit("quiet", r#", "mode": "shadow", "on_failure": "closed""#);
    let filter = rate_limit(&policy("", &quiet));
    let seen = send(&filter, &host, &Answer::Unavailable);
    assert_eq!(seen.status, 200);
    assert_eq!(seen.has_counted("limit_fallbacks.quiet.opened"), 1);
}

#[test]
fn what_is_no_answer() {
    let status = |code: &str| Answer::Response {
        status: 503,
        headers: vec![(":status".to_owned(), code.as_bytes().to_vec())],
        body: Vec::new().into(),
    };
    let with = |answer: Answer, body: Vec<u8>| match answer {
        Answer::Response { status, headers, .. } => {
            Answer::Response { status, headers, body: body.into() }
        }
        Answer::Unavailable => Answer::Unavailable,
    };
    let whole = frame(&statuses(Code::Ok, &[]));
    for (what, answer, word) in [
        ("no answer", Answer::Unavailable, "unavailable"),
        ("not there", status("503"), "unavailable"),
        ("status 14", failed("14"), "unavailable"),
        ("status 4", failed("4"), "unavailable"),
        ("status 13", failed("13"), "erring"),
        ("a message and status 13", with(failed("13"), whole.clone()), "erring"),
        ("no message", failed("0"), "malformed"),
        ("cut", with(failed("0"), whole[..4].to_vec()), "malformed"),
        ("compressed", with(failed("0"), [&[1], &whole[1..]].concat()), "malformed"),
        ("two messages", with(failed("0"), whole.repeat(2)), "malformed"),
        ("no code", said(&[]), "erring"),
        ("code 7", said(&[8, 7]), "erring"),
        ("no message of protobuf", said(&[0xff]), "malformed"),
        ("long", said(&[0x12, 0].repeat(40_000)), "malformed"),
    ] {
        let host = FakeHost::at(START);
        let filter = rate_limit(&policy("", &limit("current", "")));
        let seen = send(&filter, &host, &answer);
        let end = format!(r#""engine":"degraded","service":"{word}"}}"#);
        assert!(seen.record.ends_with(&end), "{what}: {}", seen.record);
        assert_eq!(seen.status, 200, "{what}");
    }
}

#[test]
fn statuses_of_another_question_are_not_read() {
    let host = FakeHost::at(START);
    let filter = rate_limit(&policy("", &limit("current", "")));
    let two = [(Code::Ok, Some(10), 4, 60_000), (Code::Ok, Some(10), 4, 60_000)];
    let seen = send(&filter, &host, &said(&statuses(Code::Ok, &two)));
    assert_eq!((seen.status, seen.fields.len()), (200, 0));
    let seen = send(&filter, &host, &said(&statuses(Code::OverLimit, &two)));
    assert_eq!((seen.status, seen.field("retry-after")), (429, Some("60")));
}

#[test]
fn one_request_looks_whether_it_is_back() {
    let host = FakeHost::at(START);
    let filter = rate_limit(&policy(r#", "backoff": "8s""#, &limit("current", "")));
    break_it(&filter, &host);
    assert_eq!(send(&filter, &host, &ok()).asked, 0);
    // The longest that it may take is ten seconds.
    later(&host, Duration::from_secs(10));
    let mut others = Vec::new();
    let seen = send_to(&filter, &host, &[], &mut |_| {
        // Meanwhile nobody else asks.
        others.extend((0..4).map(|_| send(&filter, &host, &ok()).asked));
        ok()
    });
    assert_eq!((seen.status, seen.asked, others), (200, 1, vec![0; 4]));
    assert_eq!(seen.has_counted("service_probes"), 1);
    assert!(seen.record.ends_with(r#""engine":"service"}"#), "{}", seen.record);
    assert_eq!(send(&filter, &host, &ok()).asked, 1, "it is back for all");
}

#[test]
fn one_that_never_comes_back_is_followed_by_another() {
    let host = FakeHost::at(START);
    let filter = rate_limit(&policy(r#", "backoff": "8s""#, &limit("current", "")));
    break_it(&filter, &host);
    later(&host, Duration::from_secs(10));
    let request = || {
        let all = [(":method", "GET"), (":path", "/"), (":authority", "api.example.com")];
        let mut stream = Stream::default();
        let request = Request::new(Headers::new(all), true);
        matches!(filter.request_headers(&mut stream, &request, &host).step, Step::Ask(_))
    };
    assert!(request(), "its client leaves");
    assert!(!request());
    later(&host, Duration::from_millis(10_299));
    assert!(!request());
    later(&host, Duration::from_millis(10_300));
    assert!(request(), "a deadline and a quarter of a second later");
}

#[test]
fn what_happened_is_logged_once_and_the_state_is_told() {
    let host = FakeHost::at(START);
    let filter = rate_limit(&policy(r#", "backoff": "8s""#, &limit("current", "")));
    let told = |filter: &RateLimit| {
        let work = filter.tick(&host);
        let names = filter.metrics();
        let state = work.gauges.iter().find(|(i, _)| names[*i].name == "service_state");
        assert_eq!(work.again, Some(Duration::from_secs(1)));
        (state.map(|(_, value)| *value), work.log)
    };
    assert_eq!(told(&filter), (Some(0), vec![]));
    for _ in 0..5 {
        send(&filter, &host, &failed("13"));
    }
    let (state, lines) = told(&filter);
    assert_eq!(state, Some(2));
    let [line] = lines.as_slice() else { panic!("{lines:?}") };
    let line =
        line.trim_end_matches(|c: char| c.is_ascii_digit() || c == ' ' || c == 'm' || c == 's');
    assert_eq!(line, "the rate-limit service at `rls` does not answer (erring): left alone for");
    later(&host, Duration::from_secs(10));
    assert_eq!(told(&filter), (Some(1), vec![]));
    send(&filter, &host, &ok());
    assert_eq!(
        told(&filter),
        (Some(0), vec!["the rate-limit service at `rls` answers again".to_owned()])
    );
}

#[test]
fn shared_data_that_cannot_be_had_refuse_as_without_a_service() {
    let host = FakeHost::at(START);
    let filter = rate_limit(&policy("", &limit("current", "")));
    host.break_shared(postern_core::fake::Fault::Unavailable);
    assert_eq!(send(&filter, &host, &ok()).status, 503);
}

/// A client that leaves before the answer does not keep the service left alone.
#[test]
fn a_look_that_a_client_ends_is_taken_over() {
    let host = FakeHost::at(START);
    let filter = rate_limit(&policy("", &limit("current", "")));
    let dead = Answer::Unavailable;
    for _ in 0..3 {
        assert_eq!(send(&filter, &host, &dead).asked, 1);
    }
    filter.tick(&host);
    let begin = || {
        let all = [(":method", "GET"), (":path", "/"), (":authority", "api.example.com")];
        let mut stream = Stream::default();
        let outcome =
            filter.request_headers(&mut stream, &Request::new(Headers::new(all), true), &host);
        (stream, matches!(outcome.step, Step::Ask(_)))
    };
    later(&host, Duration::from_secs(1));
    let (mut looks, asks) = begin();
    assert!(asks);
    assert!(filter.follows(&looks));
    filter.ended(&mut looks, &host);
    // Nobody else looks until the tick does.
    later(&host, Duration::from_millis(1_900));
    assert!(!begin().1);
    let work = filter.tick(&host);
    let [task] = work.ask.as_slice() else { panic!("{work:?}") };
    let question = asked(&task.ask);
    assert_eq!(question.descriptors, [(vec!["probe=".to_owned()], None, 1)]);
    let names = |work: &postern_core::Work| -> Vec<String> {
        work.count.iter().map(|i| filter.metrics()[*i].name.to_string()).collect()
    };
    assert_eq!(names(&work), ["service_asked", "service_probes"]);
    assert_eq!(filter.tick(&host).ask, [], "once");
    // In vain: it is left alone for longer.
    assert_eq!(names(&filter.task_answer(task.id, &dead, &host)), ["service_failed"]);
    assert!(!begin().1);
    assert!(
        filter.tick(&host).log[0].starts_with("the rate-limit service at `rls` does not answer")
    );
    later(&host, Duration::from_secs(10));
    let (mut looks, asks) = begin();
    assert!(asks);
    filter.ended(&mut looks, &host);
    let work = filter.tick(&host);
    let ok = said(&statuses(Code::Ok, &[(Code::Ok, None, 0, 0)]));
    assert_eq!(names(&filter.task_answer(work.ask[0].id, &ok, &host)), [""; 0]);
    assert_eq!(filter.tick(&host).log, ["the rate-limit service at `rls` answers again"]);
    assert!(begin().1 && begin().1, "all ask");
    // Who leaves while all ask changes nothing.
    filter.ended(&mut begin().0, &host);
    assert_eq!(filter.tick(&host).ask, []);
}

/// More questions at once than the proxy's cluster takes say nothing of the service.
#[test]
fn what_the_proxy_cannot_send_is_no_failure_of_the_service() {
    let host = FakeHost::at(START);
    let filter = rate_limit(&policy("", &limit("current", r#", "on_failure": "closed""#)));
    let overflow = Answer::Response {
        status: 503,
        headers: vec![
            (":status".to_owned(), b"503".to_vec()),
            ("x-envoy-overloaded".to_owned(), b"true".to_vec()),
        ],
        body: Vec::new().into(),
    };
    for _ in 0..5 {
        let seen = send(&filter, &host, &overflow);
        assert_eq!((seen.status, seen.asked), (503, 1), "it is not left alone");
        assert!(seen.record.contains(r#""service":"overflow""#), "{}", seen.record);
    }
    // One that looks whether the service is back is made up for.
    for _ in 0..3 {
        send(&filter, &host, &Answer::Unavailable);
    }
    later(&host, Duration::from_secs(1));
    filter.tick(&host);
    assert_eq!(send(&filter, &host, &overflow).asked, 1);
    assert_eq!(send(&filter, &host, &overflow).asked, 0);
    assert_eq!(filter.tick(&host).ask.len(), 1);
}
