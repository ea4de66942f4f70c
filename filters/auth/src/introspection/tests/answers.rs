//! What a question says, and what each answer means.

use postern_core::Answer;
use serde_json::{Value, json};

use super::{NOW, active, answer, compiled, host, inactive, judge, provider, response, said, tick};
use crate::introspection::Introspection;
use crate::verdict::Verdict;

/// What is said of a token after this answer, and the lines in the log.
fn after(provider: &Introspection, reply: &Answer) -> (Verdict, Vec<String>) {
    let host = host();
    assert_eq!(judge(provider, "t", &host), "wait 1");
    let work = tick(provider, &host);
    assert_eq!(work.ask.len(), 1);
    let work = answer(provider, work.ask[0].id, reply, &host);
    assert_eq!(work.wake, [1]);
    (provider.judge(b"t", &host, None), work.log)
}

#[track_caller]
fn check(changes: &Value, body: &str, expected: &str) {
    let (verdict, log) = after(&provider(changes), &response(200, body));
    assert_eq!(said(&verdict), expected, "{body}");
    assert_eq!(log.is_empty(), expected != "503", "{body}: {log:?}");
}

#[test]
fn a_question_is_a_form_with_the_clients_credentials() {
    let provider = provider(&json!({"token_type_hint": "access_token", "timeout": "1s"}));
    let host = host();
    judge(&provider, "a-Z_0.~+/=é%", &host);
    let work = tick(&provider, &host);
    let ask = &work.ask[0].ask;
    assert_eq!(ask.cluster, "idp");
    assert_eq!(ask.deadline.as_millis(), 1000);
    let headers: Vec<String> = ask
        .headers
        .iter()
        .map(|(name, value)| format!("{name}: {}", String::from_utf8_lossy(value)))
        .collect();
    assert_eq!(
        headers,
        [
            ":method: POST",
            ":path: /introspect?v=1",
            ":authority: id.example.com:8443",
            // gate%20way:s3cret%2F%2B
            "authorization: Basic Z2F0ZSUyMHdheTpzM2NyZXQlMkYlMkI=",
            "content-type: application/x-www-form-urlencoded",
            "accept: application/json",
        ]
    );
    assert_eq!(
        String::from_utf8_lossy(&ask.body),
        "token=a-Z_0.~%2B%2F%3D%C3%A9%25&token_type_hint=access_token"
    );
    assert!(!format!("{provider:?}").contains("s3cret"));
}

#[test]
fn a_bearer_token_may_stand_for_the_client() {
    let provider = provider(&json!({"client": null, "bearer_env": "SECRET"}));
    let host = host();
    judge(&provider, "t", &host);
    let work = tick(&provider, &host);
    assert_eq!(work.ask[0].ask.headers[3].1, b"Bearer s3cret/+");
    assert!(!format!("{provider:?}").contains("s3cret"));
}

#[test]
fn an_active_token_names_its_caller() {
    let body = json!({
        "active": true, "sub": "northwind", "username": "n", "client_id": "shop",
        "scope": "a:read b", "plan": "tiny", "iss": "https://id.example.com", "aud": "api",
        "exp": NOW + 60, "iat": NOW - 60, "jti": "t-1", "tenant": {"id": 7}, "other": 1,
        "token_type": "Bearer", "nbf": null,
    });
    let (verdict, _) = after(&provider(&json!({})), &response(200, &body.to_string()));
    let Verdict::Known(known) = verdict else { panic!() };
    let checked = &known.checked;
    let caller = &checked.caller;
    assert_eq!(caller.sub, "northwind");
    assert_eq!(caller.client.as_deref(), Some("shop"));
    assert_eq!(caller.scopes.as_str(), "a:read b");
    assert_eq!(caller.plan.as_deref(), Some("tiny"));
    assert_eq!(caller.iss.as_deref(), Some("https://id.example.com"));
    assert_eq!(caller.provider, "personal");
    assert_eq!(caller.credential, "token:t-1");
    assert_eq!(Value::Object(caller.claims.clone()), json!({"tenant": {"id": 7}}));
    assert_eq!(checked.expires, Some(NOW as i64 + 60));
    assert_eq!(checked.issued, Some(NOW as i64 - 60));
    assert_eq!(checked.token_id.as_deref(), Some("t-1"));
    // Another worker learns the same from the first.
    let written = crate::introspection::essentials::write(checked).unwrap();
    assert_eq!(crate::introspection::essentials::read(&written).as_ref(), Some(checked));
}

#[test]
fn a_policy_may_say_which_members_make_up_the_identity() {
    let changes = json!({
        "identity": {"subject": ["user.login"], "plan": ["user.tier"]},
        "claims": [{"from": "user.id", "to": "account"}, "tenant"],
        "headers": [{"name": "x-postern-tenant", "claim": "tenant"}],
    });
    let body = json!({
        "active": true, "sub": "s", "user": {"login": "zoe", "tier": "big", "id": 7},
        "tenant": "t1", "plan": "small", "azp": "shop",
    });
    let (verdict, _) = after(&provider(&changes), &response(200, &body.to_string()));
    let Verdict::Known(known) = verdict else { panic!() };
    let checked = &known.checked;
    let caller = &checked.caller;
    assert_eq!((caller.sub.as_str(), caller.plan.as_deref()), ("zoe", Some("big")));
    assert_eq!(caller.client.as_deref(), Some("shop"));
    assert_eq!(Value::Object(caller.claims.clone()), json!({"account": 7, "tenant": "t1"}));
    assert_eq!(checked.headers, [("x-postern-tenant".to_owned(), b"t1".to_vec())]);
    let written = crate::introspection::essentials::write(checked).unwrap();
    assert_eq!(crate::introspection::essentials::read(&written).as_ref(), Some(checked));
    // `username` stands in for a subject only where the policy says nothing.
    let body = r#"{"active":true,"username":"zoe"}"#;
    check(&changes, body, "401 missing_claim");
    check(&changes, r#"{"active":true,"user":{"login":5}}"#, "401 bad_claim");
}

#[test]
fn what_may_be_left_out_is_left_out() {
    check(&json!({}), r#"{"active":true,"username":"zoe"}"#, "zoe");
    check(&json!({}), r#"{"active":true,"sub":null,"username":"zoe","exp":null}"#, "zoe");
    check(&json!({}), r#"{"active":true,"sub":"a","scope":["x","y"],"aud":["b"]}"#, "a");
    let (verdict, _) = after(&provider(&json!({})), &active("a"));
    let Verdict::Known(known) = verdict else { panic!() };
    assert_eq!(known.checked.caller.credential, "token");
    assert_eq!((known.checked.expires, known.checked.token_id.clone()), (None, None));
}

#[test]
fn tokens_that_are_not_good_are_refused() {
    let none = json!({});
    check(&none, r#"{"active":false}"#, "401 inactive_token");
    check(&none, r#"{"active":false,"sub":7}"#, "401 inactive_token");
    check(&none, r#"{"active":true}"#, "401 missing_claim");
    check(&none, r#"{"active":true,"client_id":"a"}"#, "401 missing_claim");
    check(&none, r#"{"active":true,"sub":"a\nb"}"#, "401 bad_claim");
    check(&none, r#"{"active":true,"sub":""}"#, "401 bad_claim");
    check(&none, r#"{"active":true,"sub":"a","plan":"\u0000"}"#, "401 bad_claim");
    check(&none, r#"{"active":true,"sub":"a","scope":"a\"b"}"#, "401 bad_claim");
    check(&none, &format!(r#"{{"active":true,"sub":"a","exp":{NOW}}}"#), "401 expired");
    check(&none, &format!(r#"{{"active":true,"sub":"a","exp":{}}}"#, NOW + 1), "a");
    for odd in [
        r#""token_type":"refresh_token""#,
        r#""token_type":"Refresh_Token""#,
        r#""token_use":"refresh_token""#,
        r#""token_use":"id""#,
    ] {
        check(&none, &format!(r#"{{"active":true,"sub":"a",{odd}}}"#), "401 wrong_type");
    }
    for bound in [r#""cnf":{"jkt":"x"}"#, r#""token_type":"DPoP""#] {
        check(&none, &format!(r#"{{"active":true,"sub":"a",{bound}}}"#), "401 bound_token");
    }
    check(&none, &format!(r#"{{"active":true,"sub":"a","nbf":{}}}"#, NOW + 30), "a");
    check(
        &none,
        &format!(r#"{{"active":true,"sub":"a","nbf":{}}}"#, NOW + 31),
        "401 not_yet_valid",
    );
    let issuer = json!({"issuer": "https://id.example.com"});
    check(&issuer, r#"{"active":true,"sub":"a"}"#, "401 unknown_issuer");
    check(&issuer, r#"{"active":true,"sub":"a","iss":"x"}"#, "401 unknown_issuer");
    check(&issuer, r#"{"active":true,"sub":"a","iss":"https://id.example.com"}"#, "a");
    let audience = json!({"audiences": ["b", "c"]});
    check(&audience, r#"{"active":true,"sub":"a"}"#, "401 wrong_audience");
    check(&audience, r#"{"active":true,"sub":"a","aud":["a"]}"#, "401 wrong_audience");
    check(&audience, r#"{"active":true,"sub":"a","aud":["a","c"]}"#, "a");
    check(&audience, r#"{"active":true,"sub":"a","aud":"b"}"#, "a");
}

#[test]
fn a_token_that_is_not_valid_yet_is_asked_about_again_when_it_is() {
    let (vm, other, host) = (provider(&json!({})), provider(&json!({})), host());
    judge(&vm, "t", &host);
    let id = tick(&vm, &host).ask[0].id;
    let body = json!({"active": true, "sub": "zoe", "nbf": NOW + 33}).to_string();
    answer(&vm, id, &response(200, &body), &host);
    host.set_now(std::time::Duration::from_millis(NOW * 1_000 + 2_999));
    for vm in [&vm, &other] {
        assert_eq!(judge(vm, "t", &host), "401 not_yet_valid");
    }
    host.set_now(std::time::Duration::from_secs(NOW + 3));
    for vm in [&vm, &other] {
        assert!(judge(vm, "t", &host).starts_with("wait"));
    }
}

#[test]
fn a_broken_answer_refuses_nobody_and_admits_nobody() {
    let line = |what: &str| {
        vec![format!("provider `personal`: introspection at `idp` does not answer: {what}")]
    };
    let object = "no JSON object, or one with a member twice";
    let no_active = "an answer without `active` as true or false";
    for (body, what) in [
        ("", object),
        ("no", object),
        ("[]", object),
        ("true", object),
        (r#"{"active":true,"sub":"a""#, object),
        (r#"{"active":true,"sub":"a"} "x""#, object),
        (r#"{"active":true,"active":true,"sub":"a"}"#, object),
        (r#"{"active":true,"sub":"a","sub":"b"}"#, object),
        (r#"{"active":true,"sub":"a","x":{"y":1,"y":2}}"#, object),
        ("{}", no_active),
        (r#"{"sub":"a"}"#, no_active),
        (r#"{"active":"true","sub":"a"}"#, no_active),
        (r#"{"active":1,"sub":"a"}"#, no_active),
        (r#"{"active":null,"sub":"a"}"#, no_active),
        (r#"{"Active":true,"sub":"a"}"#, no_active),
        (r#"{"active":true,"sub":1}"#, "an answer whose `sub` has the wrong type"),
        (r#"{"active":true,"sub":"a","exp":"1"}"#, "an answer whose `exp` has the wrong type"),
        (r#"{"active":true,"sub":"a","exp":1.5}"#, "an answer whose `exp` has the wrong type"),
        (r#"{"active":true,"sub":"a","exp":-1}"#, "an answer whose `exp` has the wrong type"),
        (r#"{"active":true,"sub":"a","nbf":"1"}"#, "an answer whose `nbf` has the wrong type"),
        (r#"{"active":true,"sub":"a","scope":1}"#, "an answer whose `scope` has the wrong type"),
        (r#"{"active":true,"sub":"a","scope":[1]}"#, "an answer whose `scope` has the wrong type"),
        (r#"{"active":true,"sub":"a","aud":{}}"#, "an answer whose `aud` has the wrong type"),
    ] {
        let (verdict, log) = after(&provider(&json!({})), &response(200, body));
        assert_eq!((said(&verdict), log), ("503".to_owned(), line(what)), "{body}");
    }
    let refused = "the gateway's own credentials are refused";
    for (status, what) in [
        (401, format!("status 401: {refused}")),
        (403, format!("status 403: {refused}")),
        (201, "status 201".to_owned()),
        (204, "status 204".to_owned()),
        (302, "status 302".to_owned()),
        (400, "status 400".to_owned()),
        (429, "status 429".to_owned()),
        (500, "status 500".to_owned()),
        (503, "status 503".to_owned()),
        (504, "status 504".to_owned()),
    ] {
        let reply = response(status, r#"{"active":true,"sub":"a"}"#);
        let (verdict, log) = after(&provider(&json!({})), &reply);
        assert_eq!((said(&verdict), log), ("503".to_owned(), line(&what)), "{status}");
    }
    let (verdict, log) = after(&provider(&json!({})), &Answer::Unavailable);
    assert_eq!((said(&verdict), log), ("503".to_owned(), line("no answer")));
    let long = format!(r#"{{"active":true,"sub":"a","x":"{}"}}"#, "x".repeat(65_536));
    let (verdict, log) = after(&provider(&json!({})), &response(200, &long));
    assert_eq!(log, line("an answer of more than 65536 bytes"));
    assert_eq!(said(&verdict), "503");
}

/// One line per outage, not one per request.
#[test]
fn the_log_says_when_it_begins_and_when_it_ends() {
    let (provider, _) = compiled(&json!({}));
    let host = host();
    let at = |token: &str, seconds: u64, reply: &Answer| {
        host.set_now(std::time::Duration::from_secs(NOW + seconds));
        judge(&provider, token, &host);
        let work = tick(&provider, &host);
        answer(&provider, work.ask[0].id, reply, &host).log
    };
    assert_eq!(at("a", 0, &inactive()), [""; 0]);
    assert_eq!(at("b", 1, &Answer::Unavailable).len(), 1);
    assert_eq!(at("c", 2, &Answer::Unavailable), [""; 0]);
    assert_eq!(at("d", 31, &Answer::Unavailable).len(), 1);
    let back = "provider `personal`: introspection at `idp` answers again";
    assert_eq!(at("e", 32, &inactive()), [back]);
    assert_eq!(at("f", 33, &inactive()), [""; 0]);
}
