//! Callers by the certificate of their connection.

use super::*;

const URI: &str = "spiffe://partners.example.com/bluefin";

fn policy() -> Value {
    json!({
        "realm": "market",
        "providers": {
            "partners": {"certificate": {"allow": [
                {"id": "bluefin", "match": {"uri_san": URI}, "client": "bluefin-app",
                 "scopes": ["orders:read"], "plan": "gold"},
                {"id": "others", "match": {"uri_san_prefix": "spiffe://partners.example.com/"}},
                {"id": "emberline", "match": {"dns_san": "Emberline.partners.example.com"},
                 "subject": "emberline"},
                {"id": "dns", "match": {"dns_san_suffix": ".partners.example.com"}},
                {"id": "quill", "match": {"subject": "CN=quill,O=Quill\\, Inc."}},
                {"id": "pinned", "match": {"sha256": sha256("certificate")}, "subject": "pin"},
            ]}},
            "keys": {"api_key": {"keys": [
                {"id": "nw", "sha256": sha256("key"), "subject": "northwind"},
            ]}},
        },
        "rules": [
            {"name": "public", "match": {"paths": ["/public/**"]},
             "require": {"optional": ["partners", "keys"]}},
            {"name": "keys", "match": {"paths": ["/keys/**"]}, "require": {"any_of": ["keys"]}},
            {"name": "partners", "match": {"paths": ["/partners/**"]},
             "require": {"any_of": ["partners"]}},
            {"name": "both", "match": {"paths": ["/both/**"]},
             "require": {"all_of": ["partners", "keys"]}},
        ],
    })
}

/// Over a connection that presents a certificate with these attributes.
fn over(path: &str, attributes: &[(&str, &str)], headers: &[(&str, &str)]) -> Outcome {
    let host = FakeHost::at(Duration::from_secs(NOW as u64));
    for (name, value) in attributes {
        host.set_property(&format!("connection.{name}"), *value);
    }
    ask(&host, path, headers)
}

fn ask(host: &FakeHost, path: &str, headers: &[(&str, &str)]) -> Outcome {
    let pseudo = [(":method", "GET"), (":authority", "api.example.com"), (":path", path)];
    let headers = Headers::new(pseudo.iter().chain(headers).map(|(n, v)| (*n, v.as_bytes())));
    let auth = configured(&policy());
    auth.request_headers(&mut Default::default(), &Request::new(headers, true), host)
}

const MTLS: (&str, &str) = ("mtls", "\u{1}");
const BY_URI: (&str, &str) = ("uri_san_peer_certificate", URI);

#[track_caller]
fn known(attributes: &[(&str, &str)], subject: &str, credential: &str) {
    let all = [&[MTLS], attributes].concat();
    let Identity::Known(caller) = identity(&over("/private", &all, &[])) else { panic!() };
    assert_eq!((caller.sub.as_str(), caller.credential.as_str()), (subject, credential));
}

#[test]
fn each_name_of_a_certificate_can_say_who_it_is() {
    known(&[BY_URI], URI, "certificate:bluefin");
    let uri = "spiffe://partners.example.com/x/y";
    known(&[("uri_san_peer_certificate", uri)], uri, "certificate:others");
    let dns = |name| ("dns_san_peer_certificate", name);
    known(&[dns("emberline.PARTNERS.example.com")], "emberline", "certificate:emberline");
    known(&[dns("a.b.Partners.example.com")], "a.b.Partners.example.com", "certificate:dns");
    let subject = "CN=quill,O=Quill\\, Inc.";
    known(&[("subject_peer_certificate", subject)], subject, "certificate:quill");
    let digest = sha256("certificate");
    known(&[("sha256_peer_certificate_digest", &digest)], "pin", "certificate:pinned");
    // The first entry that matches counts, not the first name.
    known(&[dns("emberline.partners.example.com"), BY_URI], URI, "certificate:bluefin");
}

#[test]
fn the_upstream_is_told() {
    let outcome = over("/private", &[MTLS, BY_URI], &[("x-postern-subject", "root")]);
    assert_eq!(edit(&outcome, "x-postern-subject").as_deref(), Some(URI));
    assert_eq!(edit(&outcome, "x-postern-client").as_deref(), Some("bluefin-app"));
    assert_eq!(edit(&outcome, "x-postern-scopes").as_deref(), Some("orders:read"));
    assert_eq!(edit(&outcome, "x-postern-credential").as_deref(), Some("certificate:bluefin"));
    let Identity::Known(caller) = identity(&outcome) else { panic!() };
    assert_eq!((caller.provider.as_str(), caller.plan.as_deref()), ("partners", Some("gold")));
}

#[test]
fn a_certificate_that_nobody_knows_is_refused_even_where_none_is_needed() {
    let near = [
        ("uri_san_peer_certificate", "spiffe://partners.example.com"),
        ("uri_san_peer_certificate", "spiffe://partners.example.com/"),
        ("uri_san_peer_certificate", "spiffe://partners.example.com.evil.example/bluefin"),
        ("uri_san_peer_certificate", "Spiffe://partners.example.com/bluefin"),
        ("dns_san_peer_certificate", ".partners.example.com"),
        ("dns_san_peer_certificate", "evilpartners.example.com"),
        ("dns_san_peer_certificate", "a.partners.example.com.evil.example"),
        ("dns_san_peer_certificate", URI),
        ("uri_san_peer_certificate", ""),
        ("subject_peer_certificate", "CN=quill,O=Quill, Inc."),
        ("subject_peer_certificate", "O=Quill\\, Inc.,CN=quill"),
        ("sha256_peer_certificate_digest", "00"),
        // Nothing that can stand in a header.
        ("uri_san_peer_certificate", "spiffe://partners.example.com/a\r\nx: y"),
    ];
    for attribute in near {
        for path in ["/private", "/public/a"] {
            let outcome = over(path, &[MTLS, attribute], &[]);
            let refusal = refusal(&outcome);
            assert_eq!((refusal.status, refusal.code), (401, "invalid_token"), "{attribute:?}");
            assert_eq!(outcome.record.as_ref().unwrap().code, "unknown_certificate");
        }
    }
    let refusal = over("/private", &[MTLS], &[]);
    assert!(record(&refusal).contains(r#""provider":"partners""#), "{}", record(&refusal));
}

#[test]
fn without_a_certificate_there_is_no_credential() {
    let challenge = |path| refusal(&over(path, &[], &[])).headers[0].1.clone();
    assert_eq!(challenge("/partners/a"), br#"Certificate realm="market""#);
    assert_eq!(challenge("/keys/a"), br#"ApiKey realm="market""#);
    for attributes in [&[][..], &[("mtls", "\0")], &[BY_URI], &[("mtls", "true"), BY_URI]] {
        let outcome = over("/private", attributes, &[]);
        assert_eq!(refusal(&outcome).code, "missing_credential", "{attributes:?}");
        assert_eq!(subject(&over("/public/a", attributes, &[])), "(anonymous)");
    }
    // What a client writes is not the connection.
    let said = [("x-forwarded-client-cert", "URI=spiffe://partners.example.com/bluefin")];
    assert_eq!(refusal(&over("/private", &[], &said)).code, "missing_credential");
}

#[test]
fn a_certificate_counts_only_where_nothing_else_is_presented() {
    let key = [("x-api-key", "key")];
    assert_eq!(subject(&over("/private", &[MTLS, BY_URI], &key)), "northwind");
    let bad = over("/private", &[MTLS, BY_URI], &[("x-api-key", "other")]);
    assert_eq!(bad.record.as_ref().unwrap().code, "unknown_api_key");
    // Nor where the rule does not take it.
    assert_eq!(refusal(&over("/keys/a", &[MTLS, BY_URI], &[])).code, "missing_credential");
    // Both, where both are needed; the first says who it is.
    assert_eq!(subject(&over("/both/a", &[MTLS, BY_URI], &key)), URI);
    assert_eq!(refusal(&over("/both/a", &[MTLS, BY_URI], &[])).code, "missing_credential");
    assert_eq!(refusal(&over("/both/a", &[], &key)).code, "missing_credential");
}

#[test]
fn mistakes_in_a_policy_are_all_named() {
    let config = json!({"providers": {"partners": {"certificate": {"allow": [
        {"id": "a", "match": {"sha256": sha256("x")}},
        {"id": "a", "match": {"uri_san_prefix": "spiffe://partners.example.com"}, "subject": "s"},
        {"id": "b", "match": {"uri_san_prefix": "spiffe:///"}, "subject": "s"},
        {"id": "c", "match": {"dns_san_suffix": "partners.example.com"}, "subject": "s"},
        {"id": "d", "match": {"uri": "x"}},
    ]}}}});
    let node = parse_json(config.to_string().as_bytes()).unwrap();
    let errors = Auth::configure(&node, &environment).unwrap_err();
    let messages: Vec<String> =
        errors.problems().iter().map(|p| format!("{}: {}", p.path, p.message)).collect();
    let at = "providers.partners.certificate.allow";
    let uri = "expected a URI that ends with a slash behind its host";
    assert_eq!(
        messages,
        [
            format!("{at}[1].match.uri_san_prefix: {uri}"),
            format!("{at}[2].match.uri_san_prefix: {uri}"),
            format!(
                "{at}[3].match.dns_san_suffix: expected the end of a DNS name from a dot on, such as `.example.com`"
            ),
            format!(
                "{at}[4].match: unknown key `uri`, expected `uri_san`, `uri_san_prefix`, `dns_san`, `dns_san_suffix`, `subject` or `sha256`"
            ),
        ]
    );
    let config = json!({"providers": {"partners": {"certificate": {"allow": [
        {"id": "a", "match": {"sha256": sha256("x")}},
        {"id": "a", "match": {"uri_san": "x".repeat(300)}},
    ]}}, "none": {"certificate": {"allow": []}}}});
    let node = parse_json(config.to_string().as_bytes()).unwrap();
    let errors = Auth::configure(&node, &environment).unwrap_err();
    let messages: Vec<String> =
        errors.problems().iter().map(|p| format!("{}: {}", p.path, p.message)).collect();
    assert_eq!(
        messages,
        [
            "providers.none.certificate.allow: expected at least one".to_owned(),
            format!("{at}[0]: missing key `subject`: a digest names nobody"),
            format!("{at}[1].id: the entry at `allow[0]` has the same `id`"),
            format!("{at}[1]: missing key `subject`: what is matched cannot stand in a header"),
        ]
    );
}
