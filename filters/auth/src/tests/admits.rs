//! Good credentials, and what the upstream and the other filters learn.

use postern_core::config::parse_json;
use postern_core::identity::Caller;
use postern_core::scopes::Scopes;
use postern_core::{Filter, HeaderEdit, Headers, Identity};
use serde_json::json;

use super::*;
use crate::Auth;

fn names(outcome: &Outcome) -> Vec<String> {
    outcome.edits().iter().map(|edit| edit.name().to_owned()).collect()
}

#[test]
fn every_algorithm_of_the_provider() {
    for (alg, kid) in [("RS256", "rs"), ("ES256", "es"), ("EdDSA", "ed"), ("HS256", "hs")] {
        let header = json!({"alg": alg, "kid": kid, "typ": "JWT"});
        let good = mint::token(&header, &mint::claims(json!({})));
        assert_eq!(subject(&bearer(&good)), "northwind", "{alg}");
        let (signed, _) = good.rsplit_once('.').unwrap();
        let other = mint::sign(kid, b"something else");
        refused(&bearer(&format!("{signed}.{}", mint::b64(other))), "bad_signature");
    }
}

#[test]
fn a_token_without_kid_is_tried_with_the_keys_of_its_algorithm() {
    for (alg, key) in [("RS256", "rs"), ("HS256", "hs")] {
        let header = json!({"alg": alg}).to_string();
        let token = mint::signed_as(key, &header, &mint::claims(json!({})).to_string());
        assert_eq!(subject(&bearer(&token)), "northwind");
    }
}

#[test]
fn claims_become_the_identity() {
    let token = mint::with_claims(json!({
        "plan": "tiny", "tenant": {"id": 9_007_199_254_740_993_i64}, "groups": ["x", null], "other": 1,
    }));
    let outcome = bearer(&token);
    let expected = Caller {
        sub: "northwind".into(),
        iss: Some("https://id.example.com".into()),
        client: Some("shop".into()),
        scopes: Scopes::read("a:read b").unwrap(),
        provider: "idp".into(),
        credential: "jwt:t-1".into(),
        plan: Some("tiny".into()),
        claims: json!({"tenant": {"id": 9_007_199_254_740_993_i64}, "groups": ["x", null]})
            .as_object()
            .unwrap()
            .clone(),
    };
    assert_eq!(identity(&outcome), Identity::Known(Box::new(expected)));
    assert_eq!(
        outcome.edits(),
        [
            HeaderEdit::set("x-postern-subject", "northwind"),
            HeaderEdit::set("x-postern-client", "shop"),
            HeaderEdit::set("x-postern-scopes", "a:read b"),
            HeaderEdit::set("x-postern-credential", "jwt:t-1"),
            HeaderEdit::remove("authorization"),
        ]
    );
    assert_eq!(
        record(&outcome),
        r#"{"decision":"allow","rule":"-","code":"authenticated","version":"v","mode":"enforce","provider":"idp","credential":"jwt:t-1"}"#
    );
    assert_eq!(outcome.count.first(), Some(&0));
}

#[test]
fn claims_in_their_other_forms() {
    let caller = |changes| match identity(&bearer(&mint::with_claims(changes))) {
        Identity::Known(caller) => caller,
        Identity::Anonymous => panic!("anonymous"),
    };
    let scopes = |changes| caller(changes).scopes.as_str().to_owned();
    assert_eq!(scopes(json!({"scope": null})), "");
    assert_eq!(scopes(json!({"scope": ""})), "");
    assert_eq!(scopes(json!({"scope": "  a  b "})), "a b");
    assert_eq!(scopes(json!({"scope": ["a", "b"]})), "a b");
    assert_eq!(scopes(json!({"scope": null, "scp": ["c"]})), "c");
    assert_eq!(scopes(json!({"scope": null, "scp": "c d"})), "c d");
    assert_eq!(scopes(json!({"scope": "a", "scp": ["admin"]})), "a", "one claim counts");
    assert_eq!(caller(json!({"client_id": null, "azp": "web"})).client.as_deref(), Some("web"));
    assert_eq!(caller(json!({"client_id": null})).client, None);
    assert_eq!(caller(json!({"sub": "Zoë 北"})).sub, "Zoë 北");
    assert_eq!(caller(json!({"jti": "with blank"})).credential, "jwt");
    assert_eq!(caller(json!({"jti": null})).credential, "jwt");
    assert_eq!(caller(json!({"aud": ["x", "api-v2"]})).sub, "northwind");
}

#[test]
fn dates_have_a_leeway_and_sharp_ends() {
    let good = |changes| subject(&bearer(&mint::with_claims(changes)));
    for changes in [
        json!({"exp": NOW - 29}),
        json!({"exp": i64::MAX}),
        json!({"nbf": NOW + 30}),
        json!({"iat": NOW + 30}),
        json!({"nbf": null, "iat": null}),
        json!({"nbf": 0, "iat": 0}),
    ] {
        assert_eq!(good(changes), "northwind");
    }
    refused(&bearer(&mint::with_claims(json!({"exp": NOW - 30}))), "expired");
    refused(&bearer(&mint::with_claims(json!({"exp": 0}))), "expired");
    refused(&bearer(&mint::with_claims(json!({"nbf": NOW + 31}))), "not_yet_valid");
    refused(&bearer(&mint::with_claims(json!({"nbf": i64::MAX}))), "not_yet_valid");
    refused(&bearer(&mint::with_claims(json!({"iat": NOW + 31}))), "issued_in_future");
}

#[test]
fn types_of_access_tokens() {
    for typ in ["JWT", "jwt", "at+jwt", "AT+JWT", "application/at+jwt", "Application/JWT"] {
        let header = json!({"alg": "EdDSA", "kid": "ed", "typ": typ});
        let token = mint::token(&header, &mint::claims(json!({})));
        assert_eq!(subject(&bearer(&token)), "northwind", "{typ}");
    }
    // A list stands in place of the default, not beside it.
    let mut policy = policy();
    policy["providers"]["idp"]["jwt"]["types"] = json!(["JWT"]);
    let auth = configured(&policy);
    for (typ, code) in [("JWT", "authenticated"), ("at+jwt", "wrong_type")] {
        let header = json!({"alg": "EdDSA", "kid": "ed", "typ": typ});
        let value = format!("Bearer {}", mint::token(&header, &mint::claims(json!({}))));
        let outcome = send_to(&auth, "/private", &[("authorization", value.as_bytes())]);
        assert_eq!(outcome.record.unwrap().code, code, "{typ}");
    }
}

#[test]
fn api_keys_wherever_they_stand() {
    let caller = Caller {
        sub: "northwind".into(),
        client: Some("shop".into()),
        scopes: Scopes::read("a:read b").unwrap(),
        provider: "keys".into(),
        credential: "api_key:nw-1".into(),
        plan: Some("tiny".into()),
        ..Caller::default()
    };
    let basic = mint::basic("northwind", "key-of-northwind");
    for (header, value) in [
        ("x-api-key", "key-of-northwind"),
        ("x-partner", "key=key-of-northwind"),
        ("authorization", basic.as_str()),
        ("authorization", "bearer key-of-northwind"),
    ] {
        for path in ["/private", "/public/a", "/legacy/a"] {
            let outcome = send(path, &[(header, value.as_bytes())]);
            assert_eq!(identity(&outcome), Identity::Known(Box::new(caller.clone())), "{header}");
            assert_eq!(edit(&outcome, header).as_deref(), Some(""), "the key goes");
            assert_eq!(edit(&outcome, "x-postern-credential").as_deref(), Some("api_key:nw-1"));
            assert!(!record(&outcome).contains("key-of"), "the key is in no record");
        }
    }
}

#[test]
fn keys_of_one_owner_overlap_and_end() {
    let next = |at: u64| {
        let host = FakeHost::at(Duration::from_secs(at));
        let headers = [(":path", "/x"), (":authority", "a"), ("x-api-key", "next-key")];
        let request = Request::new(Headers::new(headers), true);
        let outcome =
            configured(&policy()).request_headers(&mut Default::default(), &request, &host);
        outcome.record.unwrap().code
    };
    assert_eq!(next(1_795_478_399), "api_key_not_yet_valid");
    assert_eq!(next(1_795_478_400), "authenticated");
    assert_eq!(next(1_795_478_459), "authenticated");
    assert_eq!(next(1_795_478_460), "api_key_expired");
}

#[test]
fn anonymous_where_no_credential_is_needed() {
    for (path, rule, code) in
        [("/public/a", "public", "anonymous"), ("/open/a", "open", "not_required")]
    {
        let outcome = send(path, &[]);
        assert_eq!(identity(&outcome), Identity::Anonymous);
        assert!(outcome.edits().is_empty());
        let record = outcome.record.unwrap();
        assert_eq!((record.rule.as_ref(), record.code), (rule, code));
        assert_eq!(outcome.count.first(), Some(&1));
    }
}

#[test]
fn where_nothing_is_required_credentials_pass_untouched() {
    let outcome = send(
        "/open/token",
        &[("authorization", b"Basic Y2xpZW50OnNlY3JldA=="), ("x-postern-subject", b"root")],
    );
    assert_eq!(identity(&outcome), Identity::Anonymous);
    assert_eq!(names(&outcome), ["x-postern-subject"], "but spoofed identity goes");
}

#[test]
fn a_provider_may_forward_the_credential_and_read_other_schemes() {
    let token = mint::with_claims(json!({"iss": "https://other.example.com"}));
    for scheme in ["Bearer", "token", "TOKEN"] {
        let value = format!("{scheme} {token}");
        let outcome = send("/private", &[("authorization", value.as_bytes())]);
        assert_eq!(subject(&outcome), "northwind");
        assert_eq!(edit(&outcome, "authorization"), None);
    }
}

#[test]
fn the_upstream_gets_the_canonical_path() {
    let key = ("x-api-key", &b"key-of-northwind"[..]);
    assert_eq!(edit(&send("/a//b/../c?q=//", &[key]), ":path").as_deref(), Some("/a/c?q=//"));
    assert_eq!(edit(&send("/a/c?q=//", &[key]), ":path"), None);
}

#[test]
fn the_demo_policy_is_good() {
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/../../");
    let read = |path: &str| std::fs::read_to_string(format!("{root}{path}")).unwrap();
    let keys: Value = serde_json::from_str(&read("stack/keys/jwks.json")).unwrap();
    let policy = json!({
        "realm": "marketplace",
        "providers": {"idp": {"jwt": {
            "issuer": "https://id.example.com",
            "audiences": ["marketplace-api"],
            "algorithms": ["RS256", "ES256", "ES384", "EdDSA"],
            "keys": [{"jwks": {"keys": keys["keys"].as_array().unwrap().iter()
                .filter(|k| k["alg"] != "PS256").collect::<Vec<_>>()}}],
        }}},
    });
    let node = parse_json(policy.to_string().as_bytes()).unwrap();
    Auth::configure(&node, &|_| None).unwrap();
}
