//! Who is counted together, what differs for whom, and what requests cost.

use super::*;

fn policy(rest: &str) -> RateLimit {
    rate_limit(&format!(r#"{{"limits": [{{"id": "a", {rest}}}]}}"#))
}

fn with_claims(claims: &str) -> identity::Caller {
    identity::Caller { claims: serde_json::from_str(claims).unwrap(), ..caller("s") }
}

#[test]
fn claims_headers_parameters_and_parts_of_the_path_are_keys() {
    let address = || {
        let host = FakeHost::at(START);
        host.set_property("source.address", "192.0.2.1:1");
        host
    };
    let host = address();
    let one = r#""quota": 1, "window": "60s""#;
    let filter = policy(&format!(r#""match": {{}}, "key": [{{"claim": "team"}}], {one}"#));
    for (claims, expected) in [
        (r#"{"team": "x"}"#, 1),
        (r#"{"team": "y"}"#, 1),
        (r#"{"team": "x", "more": 1}"#, 0),
        (r#"{"team": 7}"#, 1),
        (r#"{"team": "7"}"#, 1),
        // Neither a list nor nothing is a team: the address counts.
        (r#"{"team": ["x"]}"#, 1),
        (r#"{}"#, 0),
    ] {
        identify(&host, with_claims(claims));
        assert_eq!(passed(&filter, &host, &[], 2), expected, "{claims}");
    }
    let filter = policy(&format!(r#""match": {{}}, "key": [{{"header": "X-Tenant"}}], {one}"#));
    let host = address();
    type Sent<'a> = &'a [(&'a str, &'a [u8])];
    let cases: [(Sent<'_>, usize); 6] = [
        (&[("x-tenant", b"a")], 1),
        (&[("x-tenant", b"a"), ("x-other", b"b")], 0),
        (&[("x-tenant", b"\xff")], 1),
        (&[("x-tenant", b"a"), ("x-tenant", b"b")], 1),
        (&[("x-tenant", b"c"), ("x-tenant", b"d")], 0),
        (&[], 0),
    ];
    for (headers, expected) in cases {
        assert_eq!(passed(&filter, &host, headers, 2), expected, "{headers:?}");
    }
    let filter = policy(&format!(r#""match": {{}}, "key": [{{"query": "q"}}], {one}"#));
    let host = address();
    for (path, expected) in
        [("/?q=a&x=1", 1), ("/other?x=2&q=%61", 0), ("/?q=b", 1), ("/?q=c&q=d", 1), ("/", 0)]
    {
        let headers = [(":path", path.as_bytes())];
        assert_eq!(passed(&filter, &host, &headers, 2), expected, "{path}");
    }
    let matches = r#""match": {"paths": ["/items/{id}", "/v2/items/{id}/**"]}"#;
    let filter = policy(&format!(r#"{matches}, "key": [{{"path": "id"}}], {one}"#));
    for (path, expected) in
        [("/items/7", 1), ("/v2/items/%37/x", 0), ("//items/./7?a=b", 0), ("/items/8", 1)]
    {
        let headers = [(":path", path.as_bytes())];
        assert_eq!(passed(&filter, &host, &headers, 2), expected, "{path}");
    }
    let filter = policy(&format!(
        r#""match": {{}}, "key": [{{"network": {{"ipv4": 24, "ipv6": 48}}}}], {one}"#
    ));
    for (address, expected) in [
        ("192.0.2.1:1", 1),
        ("192.0.2.200:9", 0),
        ("192.0.3.1:1", 1),
        ("[2001:db8:1:2::1]:1", 1),
        ("[2001:db8:1:ffff::1]:1", 0),
    ] {
        host.set_property("source.address", address);
        assert_eq!(passed(&filter, &host, &[], 2), expected, "{address}");
    }
}

/// Read as floats, some of these would be one number, or two.
#[test]
fn claims_that_differ_share_no_count_and_those_that_are_worth_the_same_do() {
    let filter = policy(r#""match": {}, "key": [{"claim": "team"}], "quota": 1, "window": "60s""#);
    let host = FakeHost::at(START);
    let identify = |team: &str| {
        let state = format!(r#"{{"v":1,"sub":"s","claims":{{"team":{team}}}}}"#);
        host.set_property(identity::STATE, state.into_bytes());
    };
    for (team, expected) in [
        ("9007199254740993", 1),
        ("9007199254740992", 1),
        ("9007199254740992.0", 0),
        ("18446744073709551616", 1),
        ("18446744073709551617", 1),
        ("18446744073709551617e0", 0),
        ("0.30000000000000004", 1),
        ("0.30000000000000005", 1),
        ("0.3", 1),
        ("30e-2", 0),
        ("7", 1),
        ("7.0", 0),
        ("\"7\"", 1),
        ("true", 1),
        ("\"true\"", 1),
        // Twice: nobody's, so the address counts.
        ("1,\"team\":1", 1),
        ("2,\"team\":3", 0),
    ] {
        identify(team);
        assert_eq!(passed(&filter, &host, &[], 2), expected, "{team}");
    }
}

#[test]
fn a_claim_says_how_much() {
    let rest =
        r#""match": {}, "quota": {"claim": "rpm", "otherwise": 3, "most": 10}, "window": "60s""#;
    for (claims, expected) in [
        (r#"{"rpm": 7}"#, 7),
        (r#"{"rpm": 1000}"#, 10),
        (r#"{"rpm": 99999999999999999999}"#, 10),
        (r#"{"rpm": 7.0}"#, 7),
        (r#"{"rpm": 0}"#, 0),
        (r#"{"rpm": -1}"#, 3),
        (r#"{"rpm": 2.5}"#, 3),
        (r#"{"rpm": "7"}"#, 3),
        ("{}", 3),
    ] {
        let (filter, host) = (policy(rest), FakeHost::at(START));
        identify(&host, with_claims(claims));
        assert_eq!(passed(&filter, &host, &[], 20), expected, "{claims}");
    }
    let (filter, host) = (policy(rest), FakeHost::at(START));
    let twice = r#"{"v":1,"sub":"s","provider":"p","credential":"jwt","claims":{"rpm":9,"rpm":8}}"#;
    host.set_property(identity::STATE, twice);
    assert_eq!(passed(&filter, &host, &[], 20), 3, "nobody can tell which is meant");
    let (filter, host) = (policy(rest), FakeHost::at(START));
    identify(&host, with_claims(r#"{"rpm": 0}"#));
    let seen = send(&filter, &host, &[], 200);
    let fields =
        ["retry-after: 60", r#"ratelimit-policy: "a";q=0;w=60"#, r#"ratelimit: "a";r=0;t=60"#];
    assert_eq!((seen.status, seen.fields), (429, fields.map(str::to_owned).to_vec()));
}

#[test]
fn some_callers_have_limits_of_their_own() {
    let rest = r#""match": {}, "quota": 2, "window": "60s", "plans": {"gold": {"quota": 4, "window": "60s"}},
        "overrides": [
            {"callers": {"clients": ["monitor"]}, "limit": "unlimited"},
            {"callers": {"subjects": ["s", "t"], "plans": ["gold"]}, "limit": {"windows": ["6/m", "100/h"]}},
            {"callers": {"credentials": ["api_key:1"]}, "limit": {"quota": 1, "window": "60s"}},
            {"callers": {"addresses": ["10.0.0.0/8"]}, "limit": {"quota": 9, "window": "60s"}}
        ]"#;
    let gold = |sub| identity::Caller { plan: Some("gold".to_owned()), ..caller(sub) };
    let monitor = identity::Caller { client: Some("monitor".to_owned()), ..gold("s") };
    let key = identity::Caller { credential: "api_key:1".to_owned(), ..gold("u") };
    for (who, address, expected) in [
        (monitor, "10.0.0.1:1", 20),
        (gold("t"), "192.0.2.1:1", 6),
        (gold("u"), "192.0.2.1:1", 4),
        (key, "10.0.0.1:1", 1),
        (caller("s"), "192.0.2.1:1", 2),
        (caller("s"), "10.255.0.1:1", 9),
        (gold("u"), "10.255.0.1:1", 9),
    ] {
        let (filter, host) = (policy(rest), FakeHost::at(START));
        host.set_property("source.address", address);
        identify(&host, who.clone());
        assert_eq!(passed(&filter, &host, &[], 20), expected, "{who:?} {address}");
    }
}

/// Of one name at two issuers only the one that is meant has an override.
#[test]
fn an_override_may_say_whose_subject_is_meant() {
    let rest = r#""match": {}, "quota": 1, "window": "60s", "overrides": [
        {"callers": {"subjects": ["s"], "issuers": ["https://a", "https://b"]}, "limit": {"quota": 3, "window": "60s"}},
        {"callers": {"clients": ["c"], "providers": ["keys"]}, "limit": {"quota": 4, "window": "60s"}},
        {"callers": {"issuers": ["https://d"]}, "limit": {"quota": 5, "window": "60s"}}
    ]"#;
    let some = |text: &str| Some(text.to_owned());
    let of = |iss: &str| identity::Caller { iss: some(iss), ..caller("s") };
    let key = |provider: &str| identity::Caller {
        client: some("c"),
        provider: provider.to_owned(),
        ..caller("u")
    };
    for (who, expected) in [
        (of("https://a"), 3),
        (of("https://b"), 3),
        (of("https://c"), 1),
        (of("https://A"), 1),
        (caller("s"), 1),
        (identity::Caller { sub: "t".to_owned(), ..of("https://a") }, 1),
        (key("keys"), 4),
        (key("idp"), 1),
        (identity::Caller { sub: "t".to_owned(), ..of("https://d") }, 5),
    ] {
        let (filter, host) = (policy(rest), FakeHost::at(START));
        identify(&host, who.clone());
        assert_eq!(passed(&filter, &host, &[], 20), expected, "{who:?}");
    }
    // Nobody in particular is of no issuer.
    let (filter, host) = (policy(rest), FakeHost::at(START));
    host.set_property(identity::STATE, Identity::Anonymous.to_json());
    assert_eq!(passed(&filter, &host, &[], 20), 1);
}

/// Credentials without an issuer are the provider's: wherever its owner sends one from, it
/// has one count, and none of another provider's.
#[test]
fn who_vouches_for_a_key_is_its_provider() {
    let rest = r#""match": {}, "key": ["issuer", "subject"], "quota": 1, "window": "60s""#;
    let (filter, host) = (policy(rest), FakeHost::at(START));
    let ask = |who: identity::Caller, address: &str| {
        host.set_property("source.address", address);
        identify(&host, who);
        passed(&filter, &host, &[], 2)
    };
    let of = |provider: &str| identity::Caller { provider: provider.to_owned(), ..caller("s") };
    let issued = |iss: &str| identity::Caller { iss: Some(iss.to_owned()), ..of("keys") };
    assert_eq!(ask(of("keys"), "192.0.2.1:1"), 1);
    assert_eq!(ask(of("keys"), "192.0.2.2:1"), 0, "it is the same key");
    assert_eq!(ask(of("other"), "192.0.2.2:1"), 1);
    assert_eq!(ask(issued("keys"), "192.0.2.2:1"), 1, "an issuer of that name is another");
    assert_eq!(ask(issued("keys"), "192.0.2.1:1"), 0);
}

#[test]
fn requests_cost_what_they_are_said_to() {
    let rest = r#""match": {}, "quota": 10, "window": "60s", "costs": [
        {"match": {"paths": ["/dear"]}, "cost": 4},
        {"match": {"paths": ["/free"]}, "cost": 0},
        {"match": {"paths": ["/said"]}, "cost": {"header": "x-cost", "most": 5, "otherwise": 2}},
        {"match": {"paths": ["/never"]}, "cost": {"header": "x-none", "most": 11, "otherwise": 11}}
    ]"#;
    let (filter, host) = (policy(rest), FakeHost::at(START));
    let left = |headers: &[(&str, &[u8])]| {
        let seen = send(&filter, &host, headers, 200);
        (seen.status, seen.fields.last().unwrap().clone())
    };
    let path = |path: &'static [u8]| [(":path", path)];
    assert_eq!(left(&path(b"/dear")), (200, r#"ratelimit: "a";r=6;t=6"#.to_owned()));
    assert_eq!(left(&path(b"/free")), (200, r#"ratelimit: "a";r=6;t=6"#.to_owned()));
    assert_eq!(left(&path(b"/never")), (429, r#"ratelimit: "a";r=6;t=60"#.to_owned()));
    let said = |cost: &'static [u8]| [(":path", &b"/said"[..]), ("x-cost", cost)];
    assert_eq!(left(&said(b"1")), (200, r#"ratelimit: "a";r=5;t=6"#.to_owned()));
    assert_eq!(left(&said(b"+1")), (200, r#"ratelimit: "a";r=3;t=6"#.to_owned()));
    // It would be 5: too much. Until then 12 s have to go by.
    let refused = send(&filter, &host, &said(b"99999999999999999999"), 200);
    assert_eq!((refused.status, refused.fields[0].as_str()), (429, "retry-after: 12"));
    assert_eq!(left(&path(b"/dear")).0, 429);
    assert_eq!(passed(&filter, &host, &[], 9), 3);
    assert_eq!(left(&path(b"/free")).0, 429, "nothing is left");
}

fn answered(filter: &RateLimit, host: &FakeHost, answer: &[(&str, &str)]) -> (u16, Vec<String>) {
    let (mut stream, outcome) = ask(filter, host, &[]);
    if let Step::Refuse(refusal) = outcome.step {
        return (refusal.status, Vec::new());
    }
    let response = Response::new(Headers::new(answer.iter().copied()), true);
    let outcome = filter.response_headers(&mut stream, &response, host);
    let text = |edit: &HeaderEdit| match edit {
        HeaderEdit::Set(name, value) => format!("{name}: {}", String::from_utf8_lossy(value)),
        other => panic!("{other:?}"),
    };
    (200, outcome.headers.iter().map(text).collect())
}

#[test]
fn an_answer_says_what_the_request_has_cost() {
    for algorithm in ["gcra", "fixed_window", "sliding_window"] {
        let rest = format!(
            r#""match": {{}}, "algorithm": "{algorithm}", "quota": 10, "window": "60s", "costs": [
                {{"match": {{}}, "cost": 2, "answers": [
                    {{"statuses": [304], "cost": 0}},
                    {{"statuses": [200], "cost": {{"header": "x-cost", "most": 50, "otherwise": 2}}}}
                ]}}
            ]"#
        );
        let (filter, host) = (policy(&rest), FakeHost::at(START));
        identify(&host, caller("s"));
        let left = |answer: &[(&str, &str)]| {
            let (_, fields) = answered(&filter, &host, answer);
            let field = fields.last().unwrap().split(";r=").nth(1).unwrap().to_owned();
            field.split(';').next().unwrap().to_owned()
        };
        assert_eq!(left(&[(":status", "500")]), "8", "{algorithm}");
        assert_eq!(left(&[(":status", "304")]), "8");
        assert_eq!(left(&[(":status", "200"), ("x-cost", "1")]), "7");
        assert_eq!(left(&[(":status", "200")]), "5");
        // More than is left: it is owed.
        assert_eq!(left(&[(":status", "200"), ("x-cost", "9")]), "0");
        assert_eq!(passed(&filter, &host, &[], 9), 0);
        let back = if algorithm == "gcra" { 36 } else { 120 };
        host.set_now(START + Duration::from_secs(back) - Duration::from_nanos(1));
        let early = if algorithm == "gcra" { 0 } else { 5 };
        assert_eq!(passed(&filter, &host, &[], 1).min(early), early.min(1), "{algorithm}");
        host.set_now(START + Duration::from_secs(back));
        assert_eq!(passed(&filter, &host, &[], 1), 1, "{algorithm}");
    }
}

/// Whoever is now this caller and now that is counted by each, and neither disturbs the
/// other.
#[test]
fn an_override_is_counted_by_itself() {
    let hour = |id: &str| {
        format!(
            r#""match": {{}}, "algorithm": "fixed_window", "quota": 2, "window": "60s", "plans": {{"gold": {{"quota": 3, "window": "60s"}}}},
        "overrides": [{{"callers": {{"addresses": ["10.0.0.0/8"]}}, "limit": {id}}}]"#
        )
    };
    for (own, most) in
        [(r#"{"quota": 5, "window": "1h"}"#, 5), (r#"{"windows": ["9/s", "4/h"]}"#, 4)]
    {
        let (filter, host) = (policy(&hour(own)), FakeHost::at(START));
        let (mut inside, mut outside) = (0, 0);
        for minute in 0..3 {
            for second in 0..10 {
                host.set_now(START + Duration::from_secs(minute * 60 + second));
                // Of whatever plan: the override's is one count.
                let plan = (second % 2 == 0).then(|| "gold".to_owned());
                identify(&host, identity::Caller { plan, ..caller("s") });
                host.set_property("source.address", "10.0.0.1:1");
                inside += passed(&filter, &host, &[], 2);
                identify(&host, caller("s"));
                host.set_property("source.address", "192.0.2.1:1");
                outside += passed(&filter, &host, &[], 1);
            }
        }
        assert_eq!((inside, outside), (most, 6), "{own}");
    }
}

/// One subject with two tokens that say different quotas.
#[test]
fn each_quota_that_a_claim_says_is_counted_by_itself() {
    for (algorithm, burst) in
        [("gcra", r#""burst": 20,"#), ("fixed_window", ""), ("sliding_window", "")]
    {
        let filter = policy(&format!(
            r#""match": {{}}, "algorithm": "{algorithm}", {burst} "window": "60s",
            "quota": {{"claim": "rpm", "otherwise": 10, "most": 6000}}"#
        ));
        let host = FakeHost::at(START);
        let most = if algorithm == "gcra" { 20 } else { 1 };
        identify(&host, with_claims(r#"{"rpm": 1}"#));
        assert_eq!(passed(&filter, &host, &[], 30), most, "{algorithm}");
        for _ in 0..3 {
            identify(&host, with_claims(r#"{"rpm": 6000}"#));
            passed(&filter, &host, &[], 30);
            identify(&host, with_claims(r#"{"rpm": 1}"#));
            assert_eq!(passed(&filter, &host, &[], 30), 0, "{algorithm}");
        }
        // What says nothing, and what says the same as that.
        identify(&host, with_claims("{}"));
        passed(&filter, &host, &[], 30);
        identify(&host, with_claims(r#"{"rpm": 10}"#));
        assert_eq!(passed(&filter, &host, &[], 1), 0, "{algorithm}");
    }
}

#[test]
fn who_has_no_claim_keeps_its_count_when_the_policy_changes() {
    let of = |otherwise: u32| {
        policy(&format!(
            r#""match": {{}}, "algorithm": "fixed_window", "window": "60s",
            "quota": {{"claim": "rpm", "otherwise": {otherwise}}}"#
        ))
    };
    let host = FakeHost::at(START);
    identify(&host, with_claims("{}"));
    assert_eq!(passed(&of(3), &host, &[], 9), 3);
    assert_eq!(passed(&of(5), &host, &[], 9), 2);
}
