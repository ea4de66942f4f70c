//! The attack cases that concern authentication, by their numbers, and their
//! neighbours.

use postern_core::Headers;
use serde_json::json;

use super::*;

fn header(changes: Value) -> String {
    let mut header = json!({"alg": "EdDSA", "kid": "ed", "typ": "JWT"});
    for (name, value) in changes.as_object().unwrap() {
        header[name] = value.clone();
    }
    mint::signed_as("ed", &header.to_string(), &mint::claims(json!({})).to_string())
}

#[test]
fn case_1_alg_none() {
    for alg in ["none", "None", "NONE", "nOnE"] {
        let message = format!(
            "{}.{}",
            mint::b64(json!({"alg": alg}).to_string()),
            mint::b64(mint::claims(json!({})).to_string())
        );
        refused(&bearer(&format!("{message}.")), "wrong_algorithm");
        refused(&bearer(&format!("{message}.AAAA")), "wrong_algorithm");
    }
    refused(&bearer(&header(json!({"alg": ""}))), "wrong_algorithm");
    refused(&bearer(&header(json!({"alg": null}))), "bad_header");
    refused(&bearer(&header(json!({"alg": ["EdDSA"]}))), "bad_header");
}

#[test]
fn cases_2_and_3_hmac_with_the_public_key() {
    let pem = "-----BEGIN PUBLIC KEY-----\nMIIB\n-----END PUBLIC KEY-----\n";
    let n = mint::rsa_jwk()["n"].as_str().unwrap().to_owned();
    for secret in [pem.to_owned(), format!(" \n{pem}"), n.clone(), String::new()] {
        for kid in [json!("rs"), json!("hs"), Value::Null] {
            let mut header = json!({"alg": "HS256", "kid": kid});
            if kid.is_null() {
                header = json!({"alg": "HS256"});
            }
            let message = format!(
                "{}.{}",
                mint::b64(header.to_string()),
                mint::b64(mint::claims(json!({})).to_string())
            );
            let mac = mint::b64(mint::hmac(secret.as_bytes(), message.as_bytes()));
            let code = if kid == "rs" { "unknown_key" } else { "bad_signature" };
            refused(&bearer(&format!("{message}.{mac}")), code);
        }
    }
}

#[test]
fn case_4_the_token_does_not_choose_the_algorithm_of_a_key() {
    // The key `es` has no `alg`; it was pinned to ES256 when it was loaded.
    for alg in ["HS256", "RS256", "EdDSA"] {
        let header = json!({"alg": alg, "kid": "es"});
        refused(&bearer(&mint::token(&header, &mint::claims(json!({})))), "unknown_key");
    }
    for alg in ["RS512", "PS256", "ES384", "HS512", "ES512"] {
        refused(&bearer(&header(json!({"alg": alg}))), "wrong_algorithm");
    }
}

#[test]
fn case_5_critical_extensions() {
    for crit in
        [json!(["exp"]), json!(["x"]), json!([]), json!("x"), json!(["b64"]), json!(["x", "x"])]
    {
        refused(&bearer(&header(json!({"crit": crit, "x": 1}))), "unknown_extension");
    }
}

#[test]
fn case_6_other_forms() {
    refused(&bearer(&header(json!({"b64": false, "crit": ["b64"]}))), "unknown_extension");
    refused(&bearer(&header(json!({"b64": false}))), "unknown_extension");
    let good = mint::with_claims(json!({}));
    refused(&bearer(&format!("{good}.AAAA.AAAA")), "encrypted_token");
    refused(&bearer(&format!("{good}.AAAA")), "malformed_token");
    refused(&bearer(&format!("{good}.A.A.A")), "malformed_token");
    let parts: Vec<&str> = good.split('.').collect();
    let json_form =
        json!({"protected": parts[0], "payload": parts[1], "signature": parts[2]}).to_string();
    // The commas between its members look like several credentials.
    invalid_request(&bearer(&json_form));
    refused(&bearer("{\"payload\":\"e30\"}"), "malformed_credential");
    refused(&bearer(&mint::b64(json_form)), "unknown_api_key");
}

#[test]
fn case_7_embedded_keys_are_ignored() {
    let hostile = json!({
        "jwk": mint::rsa_jwk(), "jku": "https://evil.example/keys", "x5u": "https://evil.example",
        "x5c": ["AAAA"], "x5t": 7,
    });
    assert_eq!(subject(&bearer(&header(hostile.clone()))), "northwind");
    let mut forged = hostile;
    forged["alg"] = json!("RS256");
    forged["kid"] = json!("nobody");
    let token = mint::signed_as("rs", &forged.to_string(), &mint::claims(json!({})).to_string());
    refused(&bearer(&token), "unknown_key");
}

#[test]
fn case_8_hostile_kid() {
    for kid in ["../../../dev/null", "' OR 1=1 --", "", "\u{0}", "ED", &"k".repeat(4000)] {
        refused(&bearer(&header(json!({"kid": kid}))), "unknown_key");
    }
    refused(&bearer(&header(json!({"kid": "k".repeat(10_000)}))), "credential_too_long");
    refused(&bearer(&header(json!({"kid": 1}))), "bad_header");
    refused(&bearer(&header(json!({"kid": ["ed"]}))), "bad_header");
}

#[test]
fn case_9_a_bad_credential_is_never_anonymous() {
    let on_public = |value: &str| send("/public/a", &[("authorization", value.as_bytes())]);
    let stranger = mint::with_claims(json!({"iss": "https://evil.example"}));
    refused(&on_public(&format!("Bearer {stranger}")), "unknown_issuer");
    let expired = mint::with_claims(json!({"exp": 1}));
    refused(&on_public(&format!("Bearer {expired}")), "expired");
    refused(&on_public("Bearer x"), "unknown_api_key");
    refused(&on_public("Bearer"), "malformed_credential");
    refused(&on_public("Basic x"), "malformed_credential");
    challenged(&on_public("Digest username=\"a\""), "unsupported_scheme");
    challenged(&on_public(""), "unsupported_scheme");
    refused(&send("/public/a", &[("x-api-key", b"nobody's")]), "unknown_api_key");
    refused(&send("/public/a", &[("x-api-key", b"")]), "malformed_credential");
    refused(&send("/public/a", &[("x-partner", b"no prefix")]), "wrong_kind");
}

#[test]
fn case_11_tokens_for_others() {
    for (changes, code) in [
        (json!({"iss": null}), "missing_claim"),
        (json!({"iss": "https://id.example.com/"}), "unknown_issuer"),
        (json!({"iss": ["https://id.example.com"]}), "bad_claim"),
        (json!({"aud": null}), "missing_claim"),
        (json!({"aud": "another"}), "wrong_audience"),
        (json!({"aud": "API"}), "wrong_audience"),
        (json!({"aud": []}), "wrong_audience"),
        (json!({"aud": ["api", 1]}), "bad_claim"),
        (json!({"aud": {"api": true}}), "bad_claim"),
        (json!({"exp": null}), "missing_claim"),
        (json!({"exp": (NOW + 60).to_string()}), "bad_claim"),
        (json!({"exp": NOW as f64 + 60.5}), "bad_claim"),
        (json!({"exp": -1}), "bad_claim"),
        (json!({"exp": true}), "bad_claim"),
        (json!({"exp": u64::MAX}), "bad_claim"),
        (json!({"nbf": "0"}), "bad_claim"),
        (json!({"nbf": 1.5}), "bad_claim"),
        (json!({"iat": "now"}), "bad_claim"),
        (json!({"sub": null}), "missing_claim"),
        (json!({"sub": ""}), "bad_claim"),
        (json!({"sub": 7}), "bad_claim"),
        (json!({"at_hash": "x"}), "wrong_type"),
        (json!({"c_hash": "x"}), "wrong_type"),
    ] {
        let token = mint::with_claims(changes.clone());
        let outcome = bearer(&token);
        assert_eq!(outcome.record.as_ref().unwrap().code, code, "{changes}");
        refused(&outcome, code);
    }
    for typ in ["id+jwt", "logout+jwt", "", "JOSE", "secevent+jwt"] {
        refused(&bearer(&header(json!({"typ": typ}))), "wrong_type");
    }
    refused(&bearer(&header(json!({"typ": 1}))), "bad_header");
}

#[test]
fn case_11_numbers_that_json_writers_do_not_make() {
    for (exp, code) in [
        ("1e400", "bad_claims"),
        ("-1e400", "bad_claims"),
        ("1.8e9", "bad_claim"),
        ("1795478490.0", "bad_claim"),
        ("99999999999999999999", "bad_claim"),
        ("01795478490", "bad_claims"),
        ("NaN", "bad_claims"),
    ] {
        let payload = mint::claims(json!({"exp": 4711})).to_string().replace("4711", exp);
        let token = mint::signed_as("ed", r#"{"alg":"EdDSA","kid":"ed"}"#, &payload);
        refused(&bearer(&token), code);
    }
}

#[test]
fn claims_that_could_say_more_than_they_are() {
    for changes in [
        json!({"sub": "a\r\nx-postern-scopes: admin"}),
        json!({"sub": "a\u{0}"}),
        json!({"sub": "a\u{85}b"}),
        json!({"sub": " a"}),
        json!({"sub": "a".repeat(257)}),
        json!({"client_id": "a\nb"}),
        json!({"client_id": 1}),
        json!({"plan": []}),
        json!({"scope": 1}),
        json!({"scope": ["a b"]}),
        json!({"scope": ["a", 1]}),
        json!({"scope": "a\tb"}),
        json!({"scope": "a\u{e9}"}),
        json!({"scope": "a\"b"}),
        json!({"jti": 1}),
    ] {
        refused(&bearer(&mint::with_claims(changes)), "bad_claim");
    }
}

#[test]
fn a_member_that_stands_twice() {
    let header = r#"{"alg":"EdDSA","kid":"ed"}"#;
    let good = mint::claims(json!({})).to_string();
    for twice in [
        good.replacen('{', r#"{"sub":"admin","#, 1),
        good.replacen('{', r#"{"exp":9,"#, 1),
        good.replacen('{', r#"{"s\u0075b":"admin","#, 1),
        good.replacen('{', r#"{"tenant":{"id":1,"id":2},"#, 1),
        good.replacen('{', r#"{"tenant":[{"id":1,"id":1}],"#, 1),
    ] {
        refused(&bearer(&mint::signed_as("ed", header, &twice)), "bad_claims");
    }
    for payload in ["[]", "null", "\"x\"", "", "{}x", "{", "\u{feff}{}", "{\"a\":1,}"] {
        refused(&bearer(&mint::signed_as("ed", header, payload)), "bad_claims");
    }
    let twice = r#"{"alg":"none","alg":"EdDSA","kid":"ed"}"#;
    refused(&bearer(&mint::signed_as("ed", twice, &good)), "bad_header");
}

#[test]
fn a_token_has_one_form() {
    let good = mint::with_claims(json!({}));
    let parts: Vec<&str> = good.split('.').collect();
    // 64 bytes leave four bits of the last character over: they have to be 0.
    let last = parts[2].chars().last().unwrap();
    assert!("AQgw".contains(last));
    let stray = char::from(last as u8 + 1);
    let body = &parts[2][..parts[2].len() - 1];
    refused(&bearer(&format!("{}.{}.{body}{stray}", parts[0], parts[1])), "malformed_token");
    refused(&bearer(&format!("{good}==")), "malformed_token");
    refused(&bearer(&format!("{good}=")), "malformed_token");
    refused(&bearer(&good.replacen('.', "..", 1)), "malformed_token");
    for bad in ["..", ".", "a.b", "a.b.c", "e30.e30.", "e30.e30.e30"] {
        let code = outcome_code(bad);
        assert!(
            ["malformed_token", "bad_header", "unknown_api_key"].contains(&code),
            "{bad} {code}"
        );
    }
}

fn outcome_code(token: &str) -> &'static str {
    let outcome = bearer(token);
    assert_eq!(refusal(&outcome).status, 401);
    outcome.record.unwrap().code
}

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
    for value in [
        format!("Bearer\t{good}"),
        format!("Bearer  {good}"),
        format!("Bearer {good} "),
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
    challenged(&with(format!(" Bearer {good}")), "unsupported_scheme");
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
    refused(&with(&format!("Bearer {long}")), "credential_too_long");
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
fn oversized_tokens() {
    let long = mint::with_claims(json!({"tenant": "x".repeat(8000)}));
    refused(&bearer(&long), "credential_too_long");
    let deep = format!("{}{}", "[".repeat(2500), "]".repeat(2500));
    let payload = mint::claims(json!({"tenant": 4711})).to_string().replace("4711", &deep);
    let token = mint::signed_as("ed", r#"{"alg":"EdDSA","kid":"ed"}"#, &payload);
    refused(&bearer(&token), "bad_claims");
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

#[test]
fn a_token_that_is_bound_to_a_key_is_no_bearer_token() {
    for cnf in [json!({"jkt": "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I"}), json!({}), json!(1)]
    {
        refused(&bearer(&mint::with_claims(json!({"cnf": cnf}))), "bound_token");
    }
}
