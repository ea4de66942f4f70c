//! HTTP Basic with secrets of its own.

use postern_core::config::parse_json;
use postern_core::{Filter, Identity, Outcome};
use serde_json::{Value, json};

use super::{configured, edit, environment, identity, mint, record, refusal, send_to, sha256};
use crate::Auth;

fn policy(users: Value) -> Value {
    json!({"realm": "market", "providers": {"old": {"basic": {"users": users}}}})
}

fn users() -> Value {
    json!([
        {"id": "till-a", "user": "till", "sha256": sha256("first"), "subject": "northwind",
         "client": "shop", "scopes": ["a"], "plan": "tiny"},
        {"id": "till-b", "user": "till", "sha256": sha256("second"),
         "not_before": "2026-11-24T00:00:00Z", "expires": "2026-11-24T00:01:00Z"},
        {"id": "late", "user": "till", "sha256": sha256("third"),
         "not_before": "2026-11-24T00:00:31Z"},
        {"id": "gone", "user": "till", "sha256": sha256("fourth"),
         "expires": "2026-11-24T00:00:30Z"},
        {"id": "u", "user": "Zoë", "sha256": sha256("a:b:c")},
    ])
}

fn send(user: &str, secret: &str) -> Outcome {
    let auth = configured(&policy(users()));
    send_to(&auth, "/", &[("authorization", mint::basic(user, secret).as_bytes())])
}

#[test]
fn a_user_may_have_several_secrets() {
    let outcome = send("till", "first");
    let Identity::Known(caller) = identity(&outcome) else { panic!() };
    assert_eq!(
        (caller.sub.as_str(), caller.client.as_deref(), caller.plan.as_deref()),
        ("northwind", Some("shop"), Some("tiny"))
    );
    assert_eq!((caller.scopes.as_str(), caller.credential), ("a", "basic:till-a".into()));
    assert_eq!(edit(&outcome, "authorization").as_deref(), Some(""), "not for the upstream");
    let outcome = send("till", "second");
    let Identity::Known(caller) = identity(&outcome) else { panic!() };
    assert_eq!((caller.sub.as_str(), caller.credential.as_str()), ("till", "basic:till-b"));
    // The first colon ends the user name; names are UTF-8.
    let outcome = send("Zoë", "a:b:c");
    let Identity::Known(caller) = identity(&outcome) else { panic!() };
    assert_eq!(caller.sub, "Zoë");
}

#[test]
fn an_unknown_user_and_a_wrong_secret_are_refused_alike() {
    let refused = |user: &str, secret: &str| {
        let outcome = send(user, secret);
        let refusal = refusal(&outcome).clone();
        assert_eq!(refusal.status, 401);
        (record(&outcome), refusal, outcome.count)
    };
    let unknown = refused("nobody", "first");
    assert_eq!(
        unknown.0,
        r#"{"decision":"deny","rule":"-","code":"wrong_user_or_secret","version":"v","mode":"enforce","provider":"old"}"#
    );
    assert_eq!(unknown.1.detail, "the user name or the secret is not valid");
    let challenge = br#"Basic realm="market", charset="UTF-8""#;
    assert_eq!(unknown.1.headers, [("www-authenticate".into(), challenge.to_vec())]);
    // Another user's secret, another case, one byte moved between the two.
    for (user, secret) in
        [("till", "wrong"), ("Zoë", "first"), ("Till", "first"), ("", "first"), ("tillf", "irst")]
    {
        assert_eq!(refused(user, secret), unknown, "{user} {secret}");
    }
}

#[test]
fn dates_are_told_to_those_who_know_the_secret() {
    for (secret, code, detail) in [
        ("third", "secret_not_yet_valid", "the secret is not valid yet"),
        ("fourth", "secret_expired", "the secret has expired"),
    ] {
        let outcome = send("till", secret);
        assert_eq!(outcome.record.as_ref().unwrap().code, code);
        assert_eq!(refusal(&outcome).detail, detail);
    }
}

#[test]
fn broken_users_are_named_without_their_secrets() {
    let errors = |users: Value| {
        let node = parse_json(policy(users).to_string().as_bytes()).unwrap();
        Auth::configure(&node, &environment).map(|_| ()).unwrap_err().to_string()
    };
    assert_eq!(errors(json!([])), "providers.old.basic.users: expected at least one");
    let name = "1 to 256 bytes without `:`, control characters or blanks at the ends";
    for user in ["", "a:b", " a", "a\n"] {
        assert_eq!(
            errors(json!([{"id": "a", "user": user, "sha256": sha256("x")}])),
            format!("providers.old.basic.users[0].user: expected {name}")
        );
    }
    assert_eq!(
        errors(json!([
            {"id": "a", "user": "a", "sha256": sha256("x")},
            {"id": "a", "user": "b", "sha256": sha256("x"),
             "not_before": "2026-11-24T00:00:00Z", "expires": "2026-11-24T00:00:00Z"},
        ])),
        "providers.old.basic.users[1].id: the user at `users[0]` has the same `id`\n\
         providers.old.basic.users[1].sha256: the user at `users[0]` has the same secret\n\
         providers.old.basic.users[1].expires: expected a time after `not_before`"
    );
}
