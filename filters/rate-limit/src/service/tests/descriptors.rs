//! What a service sees of callers.

use super::super::descriptor::Said;
use super::*;

/// The entries of the first descriptor that is asked about.
fn entries(filter: &RateLimit, host: &FakeHost, headers: &[(&str, &str)]) -> Vec<String> {
    let mut entries = Vec::new();
    send_to(filter, host, headers, &mut |ask| {
        entries = asked(ask).descriptors.remove(0).0;
        said(&statuses(Code::Ok, &[]))
    });
    entries
}

#[test]
fn the_service_sees_no_values_unless_it_is_to() {
    let host = FakeHost::at(START);
    identify(&host, "northwind", None);
    host.set_property("source.address", "[2001:db8:1:2::7]:9");
    let limits = limit("current", r#", "key": ["subject", "client"]"#);
    let of = |more: &str, sub: &str| {
        identify(&host, sub, None);
        let filter = rate_limit(&policy(more, &limits));
        let mut entries = Vec::new();
        send_to(&filter, &host, &[], &mut |ask| {
            entries = asked(ask).descriptors.remove(0).0;
            said(&statuses(Code::Ok, &[]))
        });
        entries
    };
    let hashed = of("", "northwind");
    assert_eq!(hashed.len(), 3);
    for (entry, name) in hashed.iter().zip(["limit=current", "subject=", "address="]) {
        assert!(entry.starts_with(name), "{hashed:?}");
        assert!(!entry.contains("northwind") && !entry.contains("2001"), "{hashed:?}");
    }
    // The same on every gateway, and another for others.
    assert_eq!(of("", "northwind"), hashed);
    assert_ne!(of("", "bluefin"), hashed);
    // A caller without a client is counted by its network.
    assert_eq!(
        of(r#", "values": "plain""#, "northwind"),
        ["limit=current", "subject=northwind", "address=2001:db8:1:2::"]
    );
}

#[test]
fn digests_are_keyed_where_there_is_a_secret() {
    let host = FakeHost::at(START);
    identify(&host, "northwind", None);
    let of = |more: &str, secret: &'static str| {
        let node = parse_json(policy(more, &limit("current", "")).as_bytes()).unwrap();
        let filter =
            RateLimit::configure(&node, &|name| (name == "RLS_SECRET").then(|| secret.to_owned()));
        entries(&filter.unwrap(), &host, &[]).remove(1)
    };
    // HMAC-SHA-256 (Python's `hmac`) of `subject`, a zero, and the part: its tag, its
    // length, its bytes.
    let keyed = r#", "secret_env": "RLS_SECRET""#;
    let secret = "MDEyMzQ1Njc4OWFiY2RlZg";
    assert_eq!(of(keyed, secret), "subject=a7ed96636825b5fe2b6d61f3379d7025");
    assert_eq!(of("", secret), "subject=5129dc58c9a595f2d77f3429a81e18f2");
    assert_ne!(of(keyed, "MDEyMzQ1Njc4OWFiY2RlZw"), of(keyed, secret));
}

#[test]
fn no_two_callers_are_said_alike() {
    let host = FakeHost::at(START);
    let said_of = |key: &str, headers: &[(&str, &str)], caller: identity::Caller| {
        let known = postern_core::Identity::Known(Box::new(caller));
        host.set_property(identity::STATE, known.to_json());
        let own = limit("current", &format!(r#", "key": [{key}]"#));
        let filter = rate_limit(&policy(r#", "values": "plain""#, &own));
        entries(&filter, &host, headers).split_off(1)
    };
    let caller = |credential: &str, sub: &str| identity::Caller {
        sub: sub.to_owned(),
        provider: "test".to_owned(),
        credential: credential.to_owned(),
        ..identity::Caller::default()
    };
    // Where a credential ends can be seen.
    let both = |credential, sub| said_of(r#""credential""#, &[], caller(credential, sub));
    assert_eq!(both("key:7", "north wind"), ["credential=key:7 north%20wind"]);
    assert_eq!(both("key:7 north", "wind"), ["credential=key:7%20north wind"]);
    assert_eq!(both("key:7", "a%20b\u{e9}"), ["credential=key:7 a%2520b\u{e9}"]);
    // Bytes that are no text.
    let header = |value: &[u8]| {
        let mut said = Said::default();
        crate::key::push(&mut said, b'h', value);
        said.text()
    };
    assert_eq!(header(b"a\xff\t\x7f"), "a%ff%09%7f");
    assert_eq!(header("\u{e9}".as_bytes()), "\u{e9}");
    assert_eq!(header(b"\xc3\xa9\xff"), "%c3%a9%ff");
    // Parts of one kind stand beside each other.
    host.set_property("source.address", "192.0.2.7:9");
    let networks = r#"{"network": {"ipv4": 16}}, {"network": {"ipv4": 24}}"#;
    assert_eq!(
        said_of(networks, &[], caller("jwt", "a")),
        ["network=192.0.0.0", "network=192.0.2.0"]
    );
}

#[test]
fn an_override_is_counted_by_itself() {
    let host = FakeHost::at(START);
    host.set_property("source.address", "192.0.2.7:9");
    let limits = r#"{"id": "a", "match": {}, "engine": "service", "key": ["address"], "quota": 5,
        "window": "1m", "overrides": [
            {"callers": {"subjects": ["bluefin"]}, "limit": {"quota": 9, "window": "1m"}},
            {"callers": {"subjects": ["emberline"]}, "limit": {"quota": 9, "window": "1m"}}]}"#;
    let filter = rate_limit(&policy(r#", "send_limits": true, "values": "plain""#, limits));
    let of = |sub: &str| {
        identify(&host, sub, None);
        entries(&filter, &host, &[])
    };
    assert_eq!(of("northwind"), ["limit=a", "address=192.0.2.7"]);
    let [first, second] = ["bluefin", "emberline"].map(of);
    for own in [&first, &second] {
        assert!(own.len() == 3 && own[1].starts_with("override="), "{own:?}");
    }
    assert_ne!(first, second);
}
