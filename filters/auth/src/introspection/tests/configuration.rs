//! Broken configurations.

use serde_json::{Value, json};

use super::compiled;

#[track_caller]
fn check(changes: &Value, expected: &str) {
    assert_eq!(compiled(changes).1.to_string(), expected);
}

#[test]
fn durations_have_to_fit_together() {
    let more = "expected more than `timeout`, which is `2s` unless given";
    check(&json!({"timeout": "9s"}), "timeout: expected at most `8s`");
    check(&json!({"cache": {"ttl": "2s"}}), &format!("cache.ttl: {more}"));
    check(&json!({"cache": {"negative_ttl": "1s"}}), &format!("cache.negative_ttl: {more}"));
    check(&json!({"cache": {"ttl": "61m"}}), "cache.ttl: expected at most `1h`");
    check(&json!({"timeout": "500ms", "cache": {"ttl": "1s", "negative_ttl": "1s"}}), "");
}

#[test]
fn the_gateway_has_one_way_of_showing_who_it_is() {
    let one = "expected either `client` or `bearer_env`";
    check(&json!({"client": null}), one);
    check(&json!({"bearer_env": "SECRET"}), one);
    for (name, what) in [
        ("MISSING", "the environment variable `MISSING` is not set"),
        ("EMPTY", "the environment variable `EMPTY` is not set"),
        ("BLANK", "the environment variable `BLANK` has blanks, or is not printable ASCII"),
    ] {
        let client = json!({"client": {"id": "a", "secret_env": name}});
        check(&client, &format!("client.secret_env: {what}"));
        check(&json!({"client": null, "bearer_env": name}), &format!("bearer_env: {what}"));
    }
}

#[test]
fn a_mapping_is_checked_as_that_of_a_jwt_is() {
    check(&json!({"identity": {"subject": []}}), "identity.subject: expected at least one");
    check(
        &json!({"claims": ["a", {"from": "b", "to": "a"}]}),
        "claims[1]: another claim has the same name in the identity",
    );
}
