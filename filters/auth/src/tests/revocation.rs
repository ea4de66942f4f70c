//! Credentials that count no more.

use postern_core::Answer;
use serde_json::json;

use super::requires::{any, token};
use super::*;

#[test]
fn revoked_credentials_are_refused() {
    let auth = any();
    let code = |changes: Value| {
        let token = token(changes);
        let outcome = send_to(&auth, "/a", &[("authorization", token.as_bytes())]);
        outcome.record.unwrap().code
    };
    let day = 1_795_478_340;
    assert_eq!(code(json!({})), "authenticated");
    assert_eq!(code(json!({"jti": "t-revoked"})), "revoked");
    assert_eq!(code(json!({"sub": "gone"})), "revoked");
    assert_eq!(code(json!({"client_id": "closed"})), "revoked");
    assert_eq!(code(json!({"iat": day - 1})), "revoked");
    assert_eq!(code(json!({"iat": day})), "authenticated");
    assert_eq!(code(json!({"iat": null})), "revoked", "nobody knows when");
    assert_eq!(code(json!({"iat": day - 1, "client_id": "other"})), "authenticated");
    assert_eq!(code(json!({"iat": day - 1, "sub": "bluefin", "client_id": null})), "revoked");
}

/// Nothing that revokes nothing is taken in silence.
#[test]
fn what_would_revoke_nothing_is_a_mistake() {
    let mistakes = |revoked: Value, remote: bool| {
        let mut policy = policy();
        policy["revoked"] = revoked;
        if remote {
            policy["providers"]["keys"]["api_key"]["remote"] =
                json!({"cluster": "idp", "uri": "https://id.example.com/keys.json"});
        }
        let node = parse_json(policy.to_string().as_bytes()).unwrap();
        Auth::configure(&node, &environment)
            .map_or_else(|errors| errors.to_string(), |_| String::new())
    };
    let kind = "expected a kind and an id, as records name credentials: `api_key:acme-1`; kinds are `jwt`, `token`, `api_key`, `basic`, `certificate` and `signature`";
    let key = "no provider of this policy has an API key with this `id`";
    let no_kind = "no provider of this policy takes credentials of this kind";
    for (credential, message) in [
        ("acme-1", kind),
        ("clients:acme-1", kind),
        ("API_KEY:nw-1", kind),
        ("api_key:", kind),
        ("jwt", kind),
        ("api_key:nobody", key),
        ("api_key:*", key),
        ("basic:nw-1", no_kind),
        ("token:t-1", no_kind),
        (
            "jwt:*",
            "expected the `jti` of one token: for all that were issued until a time there is `issued_before`",
        ),
        ("jwt:a b", "records name no token so: put its `jti` under `token_ids`"),
    ] {
        let found = mistakes(json!({"credentials": ["api_key:nw-1", credential]}), false);
        assert_eq!(found, format!("revoked.credentials[1]: {message}"), "{credential}");
    }
    let good = json!({"credentials": ["api_key:nw-2", "jwt:t-1"], "token_ids": ["urn:uuid:1"]});
    assert_eq!(mistakes(good, false), "");
    assert_eq!(mistakes(json!({"credentials": ["api_key:nobody"]}), true), "", "the list may");
    assert_eq!(
        mistakes(json!({"token_ids": ["tok-1", "jwt:tok-1"]}), false),
        "revoked.token_ids[1]: expected a bare `jti`: with its kind before it, a token stands under `credentials`"
    );
}

/// What a list that is fetched does, from the first request on.
#[test]
fn a_fetched_list_revokes_and_its_absence_admits_nobody() {
    let mut policy = policy();
    policy["revoked"] = json!({"remote": {
        "cluster": "idp", "uri": "https://id.example.com/revoked.json",
        "refresh": {"min": "1s", "default": "10s", "max": "10s"},
        "stale_for": "60s", "wait": "2s",
    }});
    let auth = configured(&policy);
    let host = FakeHost::at(Duration::from_secs(NOW as u64));
    let mut stream = crate::filter::Waited::default();
    let ask = |stream: &mut crate::filter::Waited| {
        let headers = [(":path", "/x"), (":authority", "a"), ("x-api-key", "key-of-northwind")];
        auth.request_headers(stream, &Request::new(Headers::new(headers), true), &host)
    };
    let answer = |body: &str| {
        let [task] = &auth.tick(&host).ask[..] else { panic!("one question") };
        assert_eq!(task.ask.cluster, "idp");
        let body = body.as_bytes().to_vec();
        let answer = Answer::Response { status: 200, headers: Vec::new(), body: body.into() };
        auth.task_answer(task.id, &answer, &host)
    };
    let Step::Wait(wait) = ask(&mut stream).step else { panic!("no list yet") };
    let work = answer("{\"subjects\": 1}");
    assert_eq!(work.wake, [wait.key]);
    assert!(
        work.log[0].contains("line 1, column 14: no list of what is revoked"),
        "{:?}",
        work.log
    );
    host.set_now(wait.until);
    let late = ask(&mut stream);
    assert_eq!((refusal(&late).status, refusal(&late).code), (503, "revocations_unavailable"));

    answer(r#"{"token_ids": []}"#);
    assert_eq!(subject(&ask(&mut Default::default())), "northwind");
    host.set_now(wait.until + Duration::from_secs(10));
    answer(r#"{"credentials": ["api_key:nw-1"]}"#);
    assert_eq!(ask(&mut Default::default()).record.unwrap().code, "revoked");
}

/// Fuzzing found that `[]` was read as a list on which nothing stands, and lists of
/// values as members in their order: what an error page or another format holds would
/// have lifted every revocation.
#[test]
fn what_is_no_object_revokes_nothing_and_lifts_nothing() {
    use crate::remote::Form;
    let size = |text: &str| {
        let list = crate::revoked::Lists.restore(text.as_bytes().to_vec());
        list.map(|list| crate::revoked::Lists.size(&list))
    };
    assert_eq!(size("{}"), Ok(0));
    assert_eq!(size(r#"{"issued_before": [{"at": "2026-01-31T12:00:00Z"}]}"#), Ok(1));
    for bad in [
        "[]",
        r#"[["t-1"], ["northwind"]]"#,
        r#"{"issued_before": [["northwind", null, "2026-01-31T12:00:00Z"]]}"#,
    ] {
        assert!(size(bad).unwrap_err().ends_with(": no list of what is revoked"), "{bad}");
    }
}
