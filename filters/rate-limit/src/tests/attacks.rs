//! What upstreams and callers say to do harm: costs, names, numbers.

use postern_core::Headers;

use super::*;

fn answered(filter: &RateLimit, host: &FakeHost, costs: &[&[u8]]) -> Vec<String> {
    let (mut stream, outcome) = ask(filter, host, &[]);
    assert!(matches!(outcome.step, Step::Continue));
    let headers = costs.iter().map(|cost| ("x-cost", *cost)).chain([(":status", &b"200"[..])]);
    let response = Response::new(Headers::new(headers), true);
    let outcome = filter.response_headers(&mut stream, &response, host);
    let text = |edit: &HeaderEdit| match edit {
        HeaderEdit::Set(name, value) => format!("{name}: {}", String::from_utf8_lossy(value)),
        other => panic!("{other:?}"),
    };
    outcome.headers.iter().map(text).collect()
}

/// An answer can neither give more back than was charged, nor owe more than it may say.
#[test]
fn an_answer_that_says_no_cost_costs_what_holds_otherwise() {
    for algorithm in ["gcra", "fixed_window", "sliding_window"] {
        let filter = rate_limit(&format!(
            r#"{{"limits": [{{"id": "a", "match": {{}}, "algorithm": "{algorithm}", "quota": 1000,
                "window": "60s", "costs": [{{"match": {{}}, "cost": 4, "answers": [
                    {{"cost": {{"header": "x-cost", "most": 50, "otherwise": 7}}}}]}}]}}]}}"#
        ));
        let left = |costs: &[&[u8]]| {
            let host = FakeHost::at(START);
            identify(&host, caller("s"));
            let fields = answered(&filter, &host, costs);
            let field = fields.last().unwrap();
            field.split(";r=").nth(1).unwrap().split(';').next().unwrap().to_owned()
        };
        let ones: [&[u8]; 15] = [
            b"-5",
            b"+5",
            b"-0",
            b"5.0",
            b"5e0",
            b"0x5",
            b"NaN",
            b"inf",
            b"",
            b"5 5",
            b"5,5",
            b"5, 6",
            b"\xff5",
            b"\xd9\xa5",
            b"5\x00",
        ];
        // Twice, the same or not: which one counts nobody can tell.
        let others: [&[&[u8]]; 3] = [&[], &[b"5", b"5"], &[b"0", b"50"]];
        for otherwise in ones.iter().map(std::slice::from_ref).chain(others) {
            assert_eq!(left(otherwise), "993", "{algorithm} {otherwise:?}");
        }
        for (cost, expected) in [
            (&b"0"[..], "1000"),
            (b"000", "1000"),
            (b"5", "995"),
            (b"0050", "950"),
            (b"51", "950"),
            (b"18446744073709551615", "950"),
            (b"18446744073709551620", "950"),
            (b"99999999999999999999999999999999999999999", "950"),
        ] {
            assert_eq!(left(&[cost]), expected, "{algorithm} {cost:?}");
        }
    }
}

/// However often an answer costs nothing, no more is left than the limit; and one request
/// gives back what it was charged once, whatever is said of it afterwards.
#[test]
fn nothing_is_given_back_twice() {
    for algorithm in ["gcra", "fixed_window", "sliding_window"] {
        let filter = rate_limit(&format!(
            r#"{{"limits": [{{"id": "a", "match": {{}}, "algorithm": "{algorithm}", "quota": 3,
                "window": "60s", "costs": [{{"match": {{}}, "cost": 1, "answers": [
                    {{"cost": {{"header": "x-cost", "most": 50}}}}]}}]}}]}}"#
        ));
        let host = FakeHost::at(START);
        identify(&host, caller("s"));
        for _ in 0..20 {
            answered(&filter, &host, &[b"0"]);
        }
        let mut streams: Vec<Stream> = (0..3).map(|_| ask(&filter, &host, &[]).0).collect();
        assert_eq!(passed(&filter, &host, &[], 20), 0, "{algorithm}: three of three");
        for _ in 0..20 {
            let free = Headers::new([("x-cost", &b"0"[..]), (":status", &b"200"[..])]);
            filter.response_headers(&mut streams[0], &Response::new(free, true), &host);
        }
        assert_eq!(passed(&filter, &host, &[], 20), 1, "{algorithm}: one of them was free");
    }
}

/// Whoever only says so has no override: it takes what `auth` published.
#[test]
fn an_override_is_for_nobody_who_only_says_so() {
    let filter = rate_limit(
        r#"{"limits": [{"id": "a", "match": {}, "quota": 1, "window": "60s", "overrides": [
            {"callers": {"subjects": ["vip"]}, "limit": "unlimited"},
            {"callers": {"clients": ["monitor"]}, "limit": "unlimited"},
            {"callers": {"credentials": ["api_key:1"]}, "limit": "unlimited"},
            {"callers": {"plans": ["staff"]}, "limit": "unlimited"},
            {"callers": {"addresses": ["10.0.0.0/8"]}, "limit": "unlimited"}]}]}"#,
    );
    let says: [(&str, &[u8]); 5] = [
        ("x-postern-subject", b"vip"),
        ("x-postern-client", b"monitor"),
        ("x-postern-plan", b"staff"),
        ("x-forwarded-for", b"10.0.0.1"),
        ("x-real-ip", b"10.0.0.1"),
    ];
    let host = || {
        let host = FakeHost::at(START);
        host.set_property("source.address", "192.0.2.1:1");
        host
    };
    let nobody = host();
    host_is_anonymous(&nobody);
    assert_eq!(passed(&filter, &nobody, &says, 5), 1);
    let of = |who: identity::Caller| {
        let host = host();
        identify(&host, who);
        passed(&filter, &host, &says, 5)
    };
    for sub in ["VIP", "vip ", " vip", "vip,vip", "vi", "vip2", "monitor", "*"] {
        assert_eq!(of(caller(sub)), 1, "{sub:?}");
    }
    let claims = serde_json::from_str(r#"{"sub": "vip", "client": "monitor", "plan": "staff"}"#);
    assert_eq!(of(identity::Caller { claims: claims.unwrap(), ..caller("s") }), 1);
    let some = |text: &str| Some(text.to_owned());
    assert_eq!(of(identity::Caller { client: some("vip"), ..caller("s") }), 1);
    assert_eq!(of(identity::Caller { plan: some("Staff"), ..caller("s") }), 1);
    assert_eq!(of(identity::Caller { credential: "api_key:11".to_owned(), ..caller("s") }), 1);
    assert_eq!(of(caller("vip")), 5);
    // One that is written as IPv6 is the same address; a socket has none.
    for (address, expected) in [
        ("10.0.0.1:1", 5),
        ("[::ffff:10.0.0.1]:1", 5),
        ("[::10.0.0.1]:1", 1),
        ("/run/10.0.0.1", 1),
        ("", 1),
    ] {
        let host = host();
        host.set_property("source.address", address);
        host_is_anonymous(&host);
        assert_eq!(passed(&filter, &host, &[], 5), expected, "{address}");
    }
}

fn host_is_anonymous(host: &FakeHost) {
    host.set_property(identity::STATE, Identity::Anonymous.to_json());
}

/// A field's value is printable ASCII, whatever the policy, the limits and the time are.
#[test]
fn fields_of_ones_own_hold_no_line_ends_and_every_number() {
    let errors = |value: &str| {
        let policy = format!(
            r#"{{"limits": [{{"id": "a", "match": {{}}, "quota": 1, "window": "60s"}}],
                "dialects": [{{"match": {{}}, "dialect": {{"fields": [
                    {{"name": "x-own", "value": {value}}}]}}}}]}}"#
        );
        let node = parse_json(policy.as_bytes()).unwrap();
        let errors = RateLimit::configure(&node, &|_| None).err();
        errors.map(|errors| errors.to_string()).unwrap_or_default()
    };
    let place = "dialects[0].dialect.fields[0].value: ";
    for value in [
        r#""{limit}\r\nset-cookie: a=b""#,
        r#""\n{limit}""#,
        r#""{limit}\u0000""#,
        r#""{limit}\u007f""#,
        r#""{limit}\u00e9""#,
        r#""{limit}\t""#,
        r#""""#,
    ] {
        assert_eq!(errors(value), format!("{place}expected printable ASCII, not empty"), "{value}");
    }
    assert_eq!(errors(r#""{limit""#), format!("{place}a `{{` has no `}}`"));
    assert_eq!(errors(r#""limit}""#), format!("{place}a `}}` has no `{{`"));
    assert!(errors(r#""{\r\n}""#).starts_with(&format!("{place}expected printable")));

    let all = "{limit} {remaining} {used} {window} {policy} {reset} {reset_at} {more} {more_at}";
    for algorithm in ["gcra", "fixed_window", "sliding_window"] {
        let filter = rate_limit(&format!(
            r#"{{"limits": [{{"id": "a", "match": {{}}, "algorithm": "{algorithm}",
                "quota": 1000000000, "window": "366d", "costs": [{{"match": {{}}, "answers": [
                    {{"cost": {{"header": "x-cost", "most": 1000000}}}}]}}]}}],
                "dialects": [{{"match": {{}}, "dialect": {{"fields": [
                    {{"name": "x-own", "value": "{all}"}}]}}}}]}}"#
        ));
        for now in [0, 1, 1_699_999_200, 4_102_444_800, 253_402_300_799] {
            let host = FakeHost::at(Duration::from_secs(now));
            identify(&host, caller("s"));
            let fields = answered(&filter, &host, &[b"99999999999999999999"]);
            let value = fields.first().and_then(|f| f.strip_prefix("x-own: ")).unwrap();
            let parts: Vec<&str> = value.split(' ').collect();
            assert_eq!(parts.len(), 9, "{algorithm} {now}: {value}");
            for (place, part) in parts.iter().enumerate().filter(|(place, _)| *place != 4) {
                assert!(part.parse::<u64>().is_ok(), "{algorithm} {now} {place}: {value}");
            }
            // Nanoseconds are counted in 64 bits, until the year 2554.
            if now <= 4_102_444_800 {
                assert_eq!(parts[..2], ["1000000000", "999000000"], "{algorithm} {now}: {value}");
            }
        }
    }
}
