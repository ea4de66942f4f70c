//! Where credentials stand, and what routes require of them.

use postern_core::Target;
use postern_core::target::query_pairs;
use proptest::prelude::*;
use serde_json::json;

use super::*;

/// A policy with one key, wherever the providers look, and these rules.
fn auth(rules: Value) -> Auth {
    let key = |secret: &str| json!([{"id": secret, "sha256": sha256(secret), "subject": secret}]);
    let jwks = json!({"keys": [mint::ed25519_jwk()]});
    configured(&json!({
        "realm": "market",
        "resource_metadata": "https://api.example.com/.well-known/oauth-protected-resource",
        "preflights": "pass",
        "providers": {
            "query": {"api_key": {"from": [{"query": "api_key"}], "keys": key("in-query")}},
            "kept": {"api_key": {"from": [{"query": "k"}], "forward": true, "keys": key("kept")}},
            "cookie": {"api_key": {"from": [{"cookie": "session"}], "keys": key("in-cookie")}},
            "header": {"api_key": {"keys": key("in-header")}},
            "idp": {"jwt": {"issuer": "https://id.example.com", "audiences": ["api"],
                    "algorithms": ["EdDSA"], "keys": [{"jwks": jwks}]}},
        },
        "revoked": {
            "token_ids": ["t-revoked"], "subjects": ["gone"],
            "clients": ["closed"],
            "issued_before": [
                {"subject": "northwind", "client": "shop", "at": "2026-11-23T23:59:00Z"},
                {"subject": "bluefin", "at": "2026-11-23T23:59:00Z"},
            ],
        },
        "rules": rules,
    }))
}

fn rule(require: Value) -> Value {
    json!([{"name": "r", "match": {"paths": ["/**"]}, "require": require}])
}

pub(super) fn any() -> Auth {
    auth(rule(json!({"any_of": ["query", "kept", "cookie", "header", "idp"]})))
}

pub(super) fn token(changes: Value) -> String {
    let header = json!({"alg": "EdDSA", "kid": "ed", "typ": "JWT"});
    format!("Bearer {}", mint::token(&header, &mint::claims(changes)))
}

#[test]
fn a_query_parameter_is_taken_out_of_the_path() {
    for (path, left) in [
        ("/a?api_key=in-query", "/a"),
        ("/a?x=1&api_key=in-query&y=%2B", "/a?x=1&y=%2B"),
        ("/a?api%5Fkey=in%2Dquery&x", "/a?x"),
        ("/b/../a?api_key=in-query", "/a"),
    ] {
        let outcome = send_to(&any(), path, &[]);
        assert_eq!(subject(&outcome), "in-query", "{path}");
        assert_eq!(edit(&outcome, ":path").as_deref(), Some(left), "{path}");
    }
    let outcome = send_to(&any(), "/a?k=kept", &[]);
    assert_eq!(subject(&outcome), "kept");
    assert_eq!(edit(&outcome, ":path"), None);
}

#[test]
fn what_came_of_a_credential_in_the_query_is_private() {
    let answer = |path: &str, status: &str, said: &str| {
        let host = FakeHost::at(Duration::from_secs(NOW as u64));
        let (auth, mut stream) = (any(), crate::filter::Waited::default());
        let headers = [(":path", path), (":authority", "a"), ("x-api-key", "in-header")];
        let headers = headers.into_iter().filter(|(n, _)| *n != "x-api-key" || path == "/a");
        auth.request_headers(&mut stream, &Request::new(Headers::new(headers), true), &host);
        let headers = Headers::new([(":status", status), ("cache-control", said)]);
        let response = Response::new(headers, true);
        auth.response_headers(&mut stream, &response, &host).headers
    };
    let set = |value: &str| [HeaderEdit::set("cache-control", value)];
    let path = "/a?api_key=in-query";
    assert_eq!(answer(path, "200", "public, max-age=60"), set("private"));
    assert_eq!(answer(path, "200", "max-age=0, No-Store"), []);
    assert_eq!(answer(path, "403", "public"), set("no-store"));
    assert_eq!(answer("/a", "200", "public"), []);
}

#[test]
fn a_cookie_is_taken_out_and_counts_only_where_it_can_be_used() {
    let outcome = send_to(&any(), "/a", &[("cookie", b"a=b; session=in-cookie; c=d")]);
    assert_eq!(subject(&outcome), "in-cookie");
    assert_eq!(edit(&outcome, "cookie").as_deref(), Some("a=b; c=d"));
    let outcome = send_to(&any(), "/a", &[("cookie", b"session=in-cookie")]);
    assert_eq!(edit(&outcome, "cookie").as_deref(), Some(""));

    let other = auth(rule(json!({"any_of": ["header"]})));
    let both = [("cookie", &b"session=in-cookie"[..]), ("x-api-key", b"in-header")];
    assert_eq!(subject(&send_to(&other, "/a", &both)), "in-header");
    invalid_request_with(&send_to(&any(), "/a", &both));
}

/// 400 whatever the scheme of the challenge.
#[track_caller]
fn invalid_request_with(outcome: &Outcome) {
    let refusal = refusal(outcome);
    assert_eq!((refusal.status, refusal.code), (400, "invalid_request"));
}

#[test]
fn credentials_in_two_places_are_one_too_many() {
    let token = token(json!({}));
    for (path, headers) in [
        ("/a?api_key=in-query", vec![("x-api-key", "in-header")]),
        ("/a?api_key=in-query&k=kept", vec![]),
        ("/a", vec![("authorization", token.as_str()), ("cookie", "session=in-cookie")]),
        ("/a", vec![("authorization", "Digest a"), ("x-api-key", "in-header")]),
    ] {
        let headers: Vec<_> = headers.iter().map(|(n, v)| (*n, v.as_bytes())).collect();
        invalid_request_with(&send_to(&any(), path, &headers));
    }
}

#[test]
fn all_of_needs_each_and_nothing_else() {
    let all = auth(rule(json!({"all_of": ["idp", "header"]})));
    let token = token(json!({}));
    let bearer = ("authorization", token.as_bytes());
    let key = ("x-api-key", &b"in-header"[..]);

    let outcome = send_to(&all, "/a", &[key, bearer]);
    assert_eq!(subject(&outcome), "northwind", "the first of the list says who it is");
    assert_eq!(edit(&outcome, "authorization").as_deref(), Some(""));
    assert_eq!(edit(&outcome, "x-api-key").as_deref(), Some(""));

    for missing in [vec![], vec![key], vec![bearer]] {
        let outcome = send_to(&all, "/a", &missing);
        assert_eq!(refusal(&outcome).code, "missing_credential");
    }
    for bad in [("x-api-key", &b"other"[..]), ("authorization", b"Bearer a.b.c")] {
        let good = if bad.0 == "x-api-key" { bearer } else { key };
        assert_eq!(refusal(&send_to(&all, "/a", &[bad, good])).code, "invalid_token");
    }
    let outcome = send_to(&all, "/a?api_key=in-query", &[key, bearer]);
    invalid_request_with(&outcome);
    let outcome = send_to(&all, "/a", &[key, ("authorization", b"Digest a")]);
    assert_eq!(refusal(&outcome).code, "unsupported_scheme");
}

#[test]
fn report_only_lets_pass_and_says_what_it_would_have_done() {
    let mut rules = rule(json!({"any_of": ["header", "idp"]}));
    rules[0]["report_only"] = json!(true);
    let auth = auth(rules);
    let spoofed = ("x-postern-subject", &b"root"[..]);
    for (headers, code) in [
        (vec![spoofed], "missing_credential"),
        (vec![spoofed, ("x-api-key", b"other")], "unknown_api_key"),
        (vec![spoofed, ("x-api-key", b"a"), ("authorization", b"Bearer a")], "invalid_request"),
    ] {
        let outcome = send_to(&auth, "/a", &headers);
        assert_eq!(identity(&outcome), Identity::Anonymous);
        assert_eq!(outcome.edits(), [HeaderEdit::remove("x-postern-subject")]);
        assert_eq!(outcome.record.as_ref().unwrap().code, code);
        assert!(record(&outcome).contains(r#""decision":"deny","#));
        assert!(record(&outcome).contains(r#""mode":"shadow""#));
        assert_eq!(outcome.count.first(), Some(&6));
    }
    let outcome = send_to(&auth, "/a", &[spoofed, ("x-api-key", b"in-header")]);
    assert_eq!(subject(&outcome), "in-header");
    assert_eq!(edit(&outcome, "x-api-key"), None, "the credential stays");
    assert_eq!(edit(&outcome, "x-postern-subject").as_deref(), Some("in-header"));
}

#[test]
fn preflights_pass_where_they_may() {
    let auth = any();
    let send = |method: &str, headers: &[(&str, &str)]| {
        let pseudo = [(":method", method), (":authority", "a"), (":path", "/a")];
        send_raw(&auth, Headers::new(pseudo.into_iter().chain(headers.iter().copied())))
    };
    let asks = ("access-control-request-method", "PUT");
    let outcome = send("OPTIONS", &[("origin", "https://a.example"), asks]);
    assert_eq!(identity(&outcome), Identity::Anonymous);
    assert_eq!(outcome.record.unwrap().code, "preflight");
    for (method, headers) in [
        ("OPTIONS", &[asks][..]),
        ("OPTIONS", &[("origin", "https://a.example")]),
        ("GET", &[("origin", "https://a.example"), asks]),
    ] {
        assert_eq!(refusal(&send(method, headers)).code, "missing_credential");
    }
}

#[test]
fn challenges_name_scopes_and_metadata() {
    let mut rules = rule(json!({"any_of": ["idp"]}));
    rules[0]["challenge"] = json!({"realm": "orders", "scopes": ["a:read", "b"]});
    let challenge = |auth: &Auth, headers: &[(&str, &[u8])]| {
        let outcome = send_to(auth, "/a", headers);
        String::from_utf8(refusal(&outcome).headers[0].1.clone()).unwrap()
    };
    let metadata =
        r#"resource_metadata="https://api.example.com/.well-known/oauth-protected-resource""#;
    assert_eq!(
        challenge(&auth(rules), &[]),
        format!(r#"Bearer realm="orders", scope="a:read b", {metadata}"#)
    );
    assert_eq!(
        challenge(&any(), &[("authorization", b"Bearer a.b.c")]),
        format!(r#"Bearer realm="market", error="invalid_token", {metadata}"#)
    );
    let header = auth(rule(json!({"any_of": ["header"]})));
    assert_eq!(challenge(&header, &[]), r#"ApiKey realm="market""#);
}

#[test]
fn a_token_that_comes_again_is_remembered_until_it_ends() {
    let auth = configured(&policy());
    let metrics = auth.metrics();
    let named = |name: &str| {
        let name = format!("provider.idp.{name}");
        metrics.iter().position(|metric| metric.name == name).unwrap()
    };
    let send_at = |token: &str, at: i64| {
        let host = FakeHost::at(Duration::from_secs(at as u64));
        let value = format!("Bearer {token}");
        let headers = [(":path", "/x"), (":authority", "a"), ("authorization", value.as_str())];
        let request = Request::new(Headers::new(headers), true);
        auth.request_headers(&mut Default::default(), &request, &host)
    };
    let good = mint::with_claims(json!({"exp": NOW + 60}));
    let first = send_at(&good, NOW);
    assert_eq!(first.count, [0, named("decisions.authenticated")]);
    let again = send_at(&good, NOW + 89);
    assert_eq!(again.count, [0, named("cache_hits"), named("decisions.authenticated")]);
    assert_eq!((again.edits(), identity(&again)), (first.edits(), identity(&first)));
    assert_eq!(record(&again), record(&first));
    refused(&send_at(&good, NOW + 90), "expired");

    let (signed, _) = good.rsplit_once('.').unwrap();
    let forged = format!("{signed}.{}", mint::b64([7; 256]));
    refused(&send_at(&forged, NOW), "bad_signature");
    let again = send_at(&forged, NOW);
    refused(&again, "bad_signature");
    assert_eq!(again.count[2..], [named("cache_refused_hits")]);
}

#[test]
fn a_rule_may_name_the_proxys_route() {
    let auth = auth(json!([
        {"name": "r", "match": {"routes": ["orders", "carts"]}, "require": {"none": true}},
    ]));
    let rule = |route: Option<&str>| {
        let host = FakeHost::at(Duration::from_secs(NOW as u64));
        if let Some(route) = route {
            host.set_property("xds.route_name", route);
        }
        let headers = Headers::new([(":path", "/a"), (":authority", "a")]);
        let request = Request::new(headers, true);
        let outcome = auth.request_headers(&mut Default::default(), &request, &host);
        outcome.record.unwrap().rule.clone().into_owned()
    };
    assert_eq!(rule(Some("carts")), "r");
    assert_eq!(rule(Some("cart")), "-");
    assert_eq!(rule(Some("")), "-");
    assert_eq!(rule(None), "-", "no route, no match");
}

proptest! {
    /// Whatever stands beside it, a credential in the query is taken out whole,
    /// and what is left is a path that reads as before.
    #[test]
    fn no_query_keeps_the_credential(
        parts in prop::collection::vec(
            prop_oneof![
                Just("x=1".to_owned()), Just("api_keys=2".to_owned()), Just(String::new()),
                "[a-z%=+?/.]{0,6}", "%[0-9A-Fa-f]{2}",
            ],
            0..5,
        ),
        at in 0usize..5,
    ) {
        thread_local!(static AUTH: Auth = any());
        let mut parts = parts;
        parts.insert(at.min(parts.len()), "api%5Fkey=in-query".to_owned());
        let path = format!("/a?{}", parts.join("&"));
        let outcome = AUTH.with(|auth| send_to(auth, &path, &[]));
        if let Step::Continue = outcome.step {
            let left = edit(&outcome, ":path").unwrap();
            let target = Target::parse(Some(left.as_bytes())).unwrap();
            prop_assert_eq!(target.query_values("api_key").count(), 0);
            prop_assert!(!left.contains("in-query"));
            let kept = parts.iter().filter(|part| !part.contains("in-query")).map(String::as_str);
            let kept = kept.collect::<Vec<_>>().join("&");
            let pairs = |query: &str| {
                let pairs = query_pairs(query.as_bytes()).map(|(n, v)| (n.to_vec(), v.to_vec()));
                pairs.collect::<Vec<_>>()
            };
            let rest = left.strip_prefix("/a").unwrap();
            prop_assert_eq!(pairs(rest.strip_prefix('?').unwrap_or(rest)), pairs(&kept));
        }
    }

}

#[test]
fn all_of_in_one_place_can_never_be_met() {
    let mut policy = policy();
    policy["rules"] = json!([
        {"name": "r", "match": {"paths": ["/**"]}, "require": {"all_of": ["idp", "other"]}},
    ]);
    let node = parse_json(policy.to_string().as_bytes()).unwrap();
    let errors = Auth::configure(&node, &environment).unwrap_err().to_string();
    assert_eq!(
        errors,
        "rules[0].require.all_of[1]: `idp` looks in the same place: a request cannot carry both there"
    );
}
