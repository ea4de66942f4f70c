//! Tokens: forged, for others, in other forms.

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
        json!({"scope": "a".repeat(257)}),
        json!({"scope": format!("a {} b", "a".repeat(257))}),
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
fn oversized_tokens() {
    let long = mint::with_claims(json!({"tenant": "x".repeat(8000)}));
    refused(&bearer(&long), "credential_too_long");
    let deep = format!("{}{}", "[".repeat(2500), "]".repeat(2500));
    let payload = mint::claims(json!({"tenant": 4711})).to_string().replace("4711", &deep);
    let token = mint::signed_as("ed", r#"{"alg":"EdDSA","kid":"ed"}"#, &payload);
    refused(&bearer(&token), "bad_claims");
}

#[test]
fn a_token_that_is_bound_to_a_key_is_no_bearer_token() {
    for cnf in [json!({"jkt": "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I"}), json!({}), json!(1)]
    {
        refused(&bearer(&mint::with_claims(json!({"cnf": cnf}))), "bound_token");
    }
}
