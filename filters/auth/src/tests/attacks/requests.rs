//! Requests: several credentials, odd places, spoofed identity, odd bytes.

use super::*;

#[test]
fn case_12_and_13_more_than_one_credential() {
    let good = mint::with_claims(json!({}));
    for path in ["/private", "/public/a", "/tokens/a"] {
        let joined = format!("Bearer {good},Bearer {good}");
        invalid_request(&send(path, &[("authorization", joined.as_bytes())]));
        let one = format!("Bearer {good}");
        invalid_request(&send(
            path,
            &[("authorization", one.as_bytes()), ("x-api-key", b"key-of-northwind")],
        ));
        let query = format!("{path}?access_token={good}");
        invalid_request(&send(&query, &[("authorization", one.as_bytes())]));
        invalid_request(&send(&format!("{path}?access_token=a&access_token=a"), &[]));
        invalid_request(&send(&format!("{path}?access_token=a"), &[]));
    }
    invalid_request(&send("/private", &[("authorization", b"Basic YTpi,")]));
    let same = ("x-api-key", &b"key-of-northwind"[..]);
    invalid_request(&send("/private", &[same, same]));
}

#[test]
fn case_14_the_grammar_of_authorization() {
    let good = mint::with_claims(json!({}));
    let with = |value: String| send("/private", &[("authorization", value.as_bytes())]);
    for scheme in ["bearer", "BEARER", "bEaReR"] {
        assert_eq!(subject(&with(format!("{scheme} {good}"))), "northwind");
    }
    // Blanks around a header's value are no part of it.
    assert_eq!(subject(&with(format!(" Bearer {good}\t"))), "northwind");
    for value in [
        format!("Bearer\t{good}"),
        format!("Bearer  {good}"),
        format!("Bearer {good} {good}"),
        "Bearer".to_owned(),
        "Bearer ".to_owned(),
        "Bearer ====".to_owned(),
        format!("Bearer \"{good}\""),
        format!("Bearer:{good}"),
    ] {
        let outcome = with(value.clone());
        assert_eq!(refusal(&outcome).status, 401, "{value}");
        refused(&outcome, "malformed_credential");
    }
    challenged(&with(good.clone()), "unsupported_scheme");
    challenged(&with(format!("JWT {good}")), "unsupported_scheme");
}

#[test]
fn cases_15_and_17_spoofed_identity() {
    let spoofed: [(&str, &[u8]); 5] = [
        ("X-Postern-Subject", b"root"),
        ("x-postern-SUBJECT", b"admin"),
        ("x-postern-scopes", b"admin"),
        ("X-Postern-Future", b"x"),
        ("x_postern_client", b"x"),
    ];
    for path in ["/public/a", "/open/a"] {
        let outcome = send(path, &spoofed);
        for (name, _) in spoofed {
            let edit = edit(&outcome, &name.to_ascii_lowercase());
            assert_eq!(edit.as_deref(), Some(""), "{path} {name}");
        }
    }
    let mut headers = spoofed.to_vec();
    let token = mint::with_claims(json!({"client_id": null, "scope": ""}));
    let authorization = format!("Bearer {token}");
    headers.push(("authorization", authorization.as_bytes()));
    let outcome = send("/private", &headers);
    assert_eq!(edit(&outcome, "x-postern-subject").as_deref(), Some("northwind"));
    assert_eq!(edit(&outcome, "x-postern-credential").as_deref(), Some("jwt:t-1"));
    for gone in ["x-postern-scopes", "x-postern-future", "x_postern_client"] {
        assert_eq!(edit(&outcome, gone).as_deref(), Some(""), "{gone}");
    }
}

#[test]
fn case_18_connection_cannot_take_the_gateways_headers_along() {
    let outcome = send(
        "/private",
        &[("connection", b"close, X-Postern-Subject"), ("x-api-key", b"key-of-northwind")],
    );
    assert_eq!(edit(&outcome, "connection").as_deref(), Some("close"));
    assert_eq!(edit(&outcome, "x-postern-subject").as_deref(), Some("northwind"));
}

#[test]
fn case_21_bytes_that_are_not_utf_8() {
    for value in [&b"Bearer \xff\xfe"[..], b"Basic \xc3\x28", b"Bearer a\x80.b.c"] {
        refused(&send("/private", &[("authorization", value)]), "malformed_credential");
    }
    challenged(&send("/private", &[("authorization", b"\xff")]), "unsupported_scheme");
    refused(&send("/private", &[("x-api-key", b"\xff\x00\x01")]), "malformed_credential");
    let outcome = send("/public/a", &[("x-other", b"\xff"), ("x-postern-subject", b"\xff")]);
    assert_eq!(subject(&outcome), "(anonymous)");
    let basic = mint::basic("northwind", "\u{fffd}");
    refused(&send("/private", &[("authorization", basic.as_bytes())]), "unknown_api_key");
}

#[test]
fn no_credential_where_one_is_needed() {
    challenged(&send("/private", &[]), "missing_credential");
    challenged(&send("/tokens/a", &[]), "missing_credential");
    let outcome = send("/legacy/a", &[]);
    let basic = br#"Basic realm="market", charset="UTF-8""#.to_vec();
    let bearer = br#"Bearer realm="market""#.to_vec();
    assert_eq!(refusal(&outcome).headers, [("www-authenticate".into(), bearer)]);
    let mut only_basic = policy();
    only_basic["providers"]["keys"]["api_key"]["from"] = json!([{"basic": true}]);
    let auth = configured(&only_basic);
    let outcome = send_to(&auth, "/legacy/a", &[]);
    assert_eq!(refusal(&outcome).headers, [("www-authenticate".into(), basic.clone())]);
    let wrong = mint::basic("northwind", "wrong");
    let outcome = send_to(&auth, "/legacy/a", &[("authorization", wrong.as_bytes())]);
    assert_eq!(refusal(&outcome).headers, [("www-authenticate".into(), basic)]);
    only_basic["providers"]["keys"]["api_key"]["from"] = json!([{"header": {"name": "x-key"}}]);
    let outcome = send_to(&configured(&only_basic), "/legacy/a", &[]);
    let own = br#"ApiKey realm="market""#.to_vec();
    assert_eq!(refusal(&outcome).headers, [("www-authenticate".into(), own)]);
}

#[test]
fn bad_api_keys() {
    let with = |value: &str| send("/legacy/a", &[("authorization", value.as_bytes())]);
    refused(&with(&mint::basic("bluefin", "key-of-northwind")), "wrong_owner");
    refused(&with(&mint::basic("", "key-of-northwind")), "wrong_owner");
    refused(&with(&mint::basic("Northwind", "key-of-northwind")), "wrong_owner");
    refused(&with(&mint::basic("northwind", "key-of-bluefin")), "unknown_api_key");
    refused(&with(&mint::basic("northwind", "")), "malformed_credential");
    refused(&with("Basic bm8tY29sb24="), "malformed_credential");
    refused(&with("Basic bm9ydGh3aW5k"), "malformed_credential");
    refused(&with("Basic !!!"), "malformed_credential");
    let long = "k".repeat(600);
    refused(&with(&format!("Bearer {long}")), "unknown_api_key");
    // Nobody learns by the answer that a key exists.
    let text = |value: &str| refusal(&with(value)).detail.clone();
    assert_eq!(
        text(&mint::basic("bluefin", "key-of-northwind")),
        text(&mint::basic("bluefin", "key-of-bluefin"))
    );
}

#[test]
fn a_credential_of_a_kind_that_the_route_does_not_take() {
    refused(&send("/tokens/a", &[("x-api-key", b"key-of-northwind")]), "wrong_kind");
    let basic = mint::basic("northwind", "key-of-northwind");
    refused(&send("/tokens/a", &[("authorization", basic.as_bytes())]), "wrong_kind");
    let token = format!("Bearer {}", mint::with_claims(json!({})));
    refused(&send("/legacy/a", &[("authorization", token.as_bytes())]), "unknown_api_key");
    let other = mint::with_claims(json!({"iss": "https://other.example.com"}));
    let other = format!("Bearer {other}");
    refused(&send("/tokens/a", &[("authorization", other.as_bytes())]), "unknown_issuer");
}

#[test]
fn odd_targets_are_refused_before_anything_else() {
    let auth = configured(&policy());
    let token = format!("Bearer {}", mint::with_claims(json!({})));
    let refused = |headers: &[(&str, &str)], status: u16, code: &str| {
        let host = [(":authority", "api.example.com")];
        let own = headers.iter().any(|(name, _)| *name == ":authority");
        let host = host.iter().filter(|_| !own);
        let outcome = send_raw(&auth, Headers::new(host.chain(headers).copied()));
        let refusal = refusal(&outcome);
        assert_eq!((refusal.status, refusal.code), (status, code), "{headers:?}");
    };
    refused(&[], 400, "bad_request");
    refused(&[(":method", "CONNECT"), (":authority", "a:443")], 400, "bad_request");
    refused(&[(":path", "")], 400, "bad_request");
    refused(&[(":path", "private"), ("authorization", &token)], 400, "bad_request");
    refused(&[(":path", "/a%2Fb"), ("authorization", &token)], 400, "bad_request");
    refused(&[(":path", "/public/a;b")], 400, "bad_request");
    refused(&[(":path", "*"), (":method", "OPTIONS")], 401, "missing_credential");
    refused(&[(":path", "/public/../private")], 401, "missing_credential");
    refused(&[(":path", "//private")], 401, "missing_credential");
    for host in ["", "a,b", "user@a", "a b", "\u{e9}", "a:b", "[::1"] {
        refused(&[(":path", "/open/a"), (":authority", host)], 400, "bad_request");
    }
}
