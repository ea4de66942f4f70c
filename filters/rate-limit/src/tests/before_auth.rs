//! A mount before `auth`: who called is known with the answer.

use super::*;

/// As `envoy/filters/rate-limit-address.yaml`, with a smaller quota.
const POLICY: &str = r#"{
    "limits": [{
        "id": "address", "match": {}, "key": ["address"], "quota": 3, "window": "60s",
        "costs": [{"match": {}, "cost": 1, "answers": [{"authenticated": true, "cost": 0}]}]
    }],
    "dialects": [{"match": {}, "dialect": "ietf", "answers": "refused"}]
}"#;

/// One request; `auth`, which comes later, publishes who called.
fn one(filter: &RateLimit, host: &FakeHost, who: Option<Identity>, status: u16) -> Seen {
    host.clear_properties();
    host.set_property("source.address", "192.0.2.1:4711");
    let (mut stream, outcome) = ask(filter, host, &[]);
    let (status, mut fields) = match outcome.step {
        Step::Continue => {
            if let Some(who) = who {
                host.set_property(identity::STATE, who.to_json());
            }
            (status, Vec::new())
        }
        Step::Refuse(refusal) => (refusal.status, own_fields(&refusal)),
        other => panic!("neither passed nor refused: {other:?}"),
    };
    fields.extend(dress(filter, host, &mut stream, status));
    Seen { status, fields }
}

fn known() -> Option<Identity> {
    Some(Identity::Known(Box::new(caller("northwind"))))
}

#[test]
fn a_caller_that_auth_knew_costs_its_address_nothing() {
    let (filter, host) = (rate_limit(POLICY), FakeHost::at(START));
    for status in [200, 401, 403, 404, 429, 503].repeat(3) {
        let seen = one(&filter, &host, known(), status);
        assert_eq!(seen, Seen { status, fields: Vec::new() });
    }
}

#[test]
fn failed_credentials_and_nobody_in_particular_are_counted() {
    let (filter, host) = (rate_limit(POLICY), FakeHost::at(START));
    let untold = |status| Seen { status, fields: Vec::new() };
    assert_eq!(one(&filter, &host, None, 401), untold(401));
    assert_eq!(one(&filter, &host, Some(Identity::Anonymous), 200), untold(200));
    assert_eq!(one(&filter, &host, known(), 200), untold(200));
    assert_eq!(one(&filter, &host, None, 503), untold(503), "not known to be good");
    let refused = one(&filter, &host, known(), 200);
    let fields = [
        "retry-after: 20",
        r#"ratelimit-policy: "address";q=3;w=60"#,
        r#"ratelimit: "address";r=0;t=20"#,
    ];
    assert_eq!(refused, Seen { status: 429, fields: fields.map(str::to_owned).to_vec() });
    host.set_now(START + Duration::from_secs(20));
    assert_eq!(one(&filter, &host, known(), 200), untold(200));
}

#[test]
fn what_is_under_way_is_counted_until_it_is_answered() {
    let (filter, host) = (rate_limit(POLICY), FakeHost::at(START));
    host.set_property("source.address", "192.0.2.1:4711");
    let mut under_way: Vec<Stream> = (0..3).map(|_| ask(&filter, &host, &[]).0).collect();
    assert!(matches!(ask(&filter, &host, &[]).1.step, Step::Refuse(_)));
    identify(&host, caller("northwind"));
    for stream in &mut under_way {
        dress(&filter, &host, stream, 200);
    }
    let (_, outcome) = ask(&filter, &host, &[]);
    assert!(matches!(outcome.step, Step::Continue));
}

#[test]
fn only_refusals_are_told_where_the_dialect_says_so() {
    let policy = r#"{
        "limits": [{"id": "a", "match": {}, "quota": 1, "window": "60s"}],
        "dialects": [{"match": {}, "dialect": "github", "answers": "refused"}]
    }"#;
    let (filter, host) = (rate_limit(policy), FakeHost::at(START));
    let (stream, outcome) = ask(&filter, &host, &[]);
    assert!(matches!(outcome.step, Step::Continue));
    assert!(!filter.follows(&stream), "nothing of it is kept");
    let refused = send(&filter, &host, &[], 200);
    let fields = [
        "retry-after: 60",
        "x-ratelimit-limit: 1",
        "x-ratelimit-remaining: 0",
        "x-ratelimit-reset: 1699999260",
    ];
    assert_eq!((refused.status, refused.fields), (429, fields.map(str::to_owned).to_vec()));
}

/// More callers behind one address than its limit lets through: what is given back keeps
/// up, since none of it is due but what is under way.
#[test]
fn good_callers_in_great_numbers_are_never_refused() {
    let policy =
        POLICY.replace(r#""quota": 3, "window": "60s""#, r#""quota": 100, "window": "1s""#);
    for algorithm in ["gcra", "fixed_window", "sliding_window"] {
        let policy = policy.replace(r#""id""#, &format!(r#""algorithm": "{algorithm}", "id""#));
        let (filter, host) = (rate_limit(&policy), FakeHost::at(START));
        let mut under_way = std::collections::VecDeque::new();
        // 400 a second, each answered after 50 ms.
        for n in 0..4_000u64 {
            host.set_now(START + Duration::from_micros(2_500 * n));
            host.clear_properties();
            host.set_property("source.address", "192.0.2.1:4711");
            let (stream, outcome) = ask(&filter, &host, &[]);
            assert!(matches!(outcome.step, Step::Continue), "{algorithm} {n}");
            under_way.push_back(stream);
            if under_way.len() > 20 {
                identify(&host, caller("northwind"));
                dress(&filter, &host, &mut under_way.pop_front().unwrap(), 200);
            }
        }
    }
}
