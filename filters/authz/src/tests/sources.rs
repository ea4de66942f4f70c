//! Identities from elsewhere than `auth`.

use serde_json::{Value, json};

use super::*;

fn policy(source: Value, subject: Value) -> Authz {
    let rule = json!({"name": "r", "match": {}, "subject": subject});
    authz(&json!({"identity": source, "rules": [rule]}).to_string())
}

#[track_caller]
fn code(authz: &Authz, properties: &[(&str, &[u8])], headers: &[(&str, &[u8])], expected: &str) {
    let host = FakeHost::default();
    // What `auth` says does not count here.
    host.set_property(identity::STATE, caller(&["s"]));
    for (name, value) in properties {
        let place = format!("metadata.filter_metadata.envoy.filters.http.jwt_authn.jwt.{name}");
        host.set_property(&place, *value);
    }
    let pseudo = [(":method", &b"GET"[..]), (":path", b"/"), (":authority", b"a")];
    let all = pseudo.into_iter().chain(headers.iter().copied());
    let request = Request::new(Headers::new(all), true);
    let outcome = authz.request_headers(&mut Vec::new(), &request, &host);
    assert_eq!(outcome.record.unwrap().code, expected);
}

/// A list of texts as Envoy hands it over.
fn list(items: &[&str]) -> Vec<u8> {
    let pairs: Vec<(&str, &str)> = items.iter().map(|item| (*item, "")).collect();
    postern_core::pairs::Pairs::new(&pairs).as_bytes().to_vec()
}

/// The proxy has no form for a list with a null in it: the claim is there, and says
/// nothing.
#[test]
fn what_the_proxy_cannot_hand_out_is_not_missing() {
    let source = json!({"jwt_authn": {"payload": "jwt", "claims": ["roles"], "numbers": ["n"]}});
    let rules = json!([
        {"name": "suspended", "effect": "deny", "match": {}, "subject": {"any_role": ["suspended"]}},
        {"name": "high", "effect": "deny", "match": {}, "subject": "anyone",
         "claims": [{"claim": "n", "is": {"present": true}}]},
        {"name": "all", "match": {}, "subject": "anyone"},
    ]);
    let authz = authz(&json!({"identity": source, "rules": rules}).to_string());
    let code = |unreadable: Option<&str>| {
        let host = FakeHost::default();
        let place =
            |name| format!("metadata.filter_metadata.envoy.filters.http.jwt_authn.jwt.{name}");
        host.set_property(&place("sub"), "amy");
        unreadable.into_iter().for_each(|name| host.set_unreadable(&place(name)));
        let headers = [(":method", "GET"), (":path", "/"), (":authority", "a")];
        let request = Request::new(Headers::new(headers), true);
        authz.request_headers(&mut Vec::new(), &request, &host).record.unwrap().code
    };
    assert_eq!(code(None), "allowed");
    assert_eq!(code(Some("roles")), "cannot_evaluate");
    assert_eq!(code(Some("n")), "deny_rule");
    assert_eq!(code(Some("sub")), "bad_identity");
    assert_eq!(code(Some("scope")), "bad_identity");
}

#[test]
fn the_payload_of_jwt_authn_is_an_identity() {
    let source = json!({"jwt_authn": {
        "payload": "jwt", "claims": ["roles"], "numbers": ["level"], "plan": "plan",
    }});
    let scoped = policy(source.clone(), json!({"any_scope": ["t"], "providers": ["jwt_authn"]}));
    code(&scoped, &[], &[], "identity_required");
    // A token that names nobody is not the same as none.
    for claim in [("iss", &b"https://id.example.com"[..]), ("exp", &[0; 8]), ("roles", b"admin")] {
        code(&scoped, &[claim], &[], "bad_identity");
    }
    code(&scoped, &[("sub", b"amy")], &[], "insufficient_scope");
    code(&scoped, &[("sub", b"amy"), ("scope", b"s t")], &[], "allowed");
    code(
        &scoped,
        &[("sub", b"amy"), ("scope", &list(&["s", "t"])), ("scope.0", b"s")],
        &[],
        "allowed",
    );
    // It has the form of a list, and no place 0.
    code(&scoped, &[("sub", b"amy"), ("scope", &list(&["s", "t"]))], &[], "bad_identity");
    code(&scoped, &[("sub", b"amy"), ("scope", &list(&[]))], &[], "insufficient_scope");
    code(&scoped, &[("sub", b"amy"), ("scope", b"t\0")], &[], "bad_identity");
    code(&scoped, &[("sub", b"\xff")], &[], "bad_identity");
    // A number and a truth, whose bytes are UTF-8.
    code(&scoped, &[("sub", &42f64.to_le_bytes())], &[], "bad_identity");
    code(&scoped, &[("sub", b"\x01")], &[], "bad_identity");
    code(&scoped, &[("sub", b"amy"), ("scope", b"t"), ("plan", b"\xff")], &[], "bad_identity");
    let roles = policy(source.clone(), json!({"any_role": ["admin"]}));
    code(&roles, &[("sub", b"amy"), ("roles", b"admin")], &[], "allowed");
    let both = list(&["x", "admin"]);
    code(&roles, &[("sub", b"amy"), ("roles", &both), ("roles.0", b"x")], &[], "allowed");
    // Objects whose members are empty texts have the form of a list.
    code(&roles, &[("sub", b"amy"), ("roles", &both)], &[], "cannot_evaluate");
    let zero = list(&["0", "admin"]);
    code(&roles, &[("sub", b"amy"), ("roles", &zero), ("roles.0", b"")], &[], "cannot_evaluate");
    let nothing = list(&["", "admin"]);
    code(&roles, &[("sub", b"amy"), ("roles", &nothing), ("roles.0", b"")], &[], "cannot_evaluate");
    code(&roles, &[("sub", b"amy")], &[], "wrong_subject");
    // Nobody is called nothing.
    code(&scoped, &[("sub", b"")], &[], "bad_identity");
    // A claim of another kind cannot be judged, nor can a list with such an item in it.
    let five = String::from_utf8(5f64.to_le_bytes().into()).unwrap_or_else(|_| "\0".repeat(8));
    let mixed = list(&["admin", &five]);
    let first = ("roles.0", &b"admin"[..]);
    code(&roles, &[("sub", b"amy"), ("roles", &mixed), first], &[], "cannot_evaluate");
    code(&roles, &[("sub", b"amy"), ("roles", &5f64.to_le_bytes())], &[], "cannot_evaluate");
    let rule = json!({"name": "r", "match": {}, "subject": "identified",
        "claims": [{"claim": "level", "is": {"exact": 5}}]});
    let level = authz(&json!({"identity": source, "rules": [rule]}).to_string());
    code(&level, &[("sub", b"amy"), ("level", &5f64.to_le_bytes())], &[], "allowed");
    code(&level, &[("sub", b"amy"), ("level", &6f64.to_le_bytes())], &[], "wrong_subject");
    code(&level, &[("sub", b"amy"), ("level", b"5")], &[], "cannot_evaluate");
    code(&level, &[("sub", b"amy"), ("level", b"AAAAAAAA")], &[], "cannot_evaluate");
    code(&roles, &[("sub", b"amy"), ("roles", b"\x01")], &[], "cannot_evaluate");
}

#[test]
fn headers_of_a_trusted_hop_are_an_identity() {
    let source = json!({"trusted_headers": {
        "subject": "X-User", "scopes": "x-scopes", "claims": {"team": "x-team"},
        "lists": {"groups": "x-groups"},
    }});
    let groups = policy(source, json!({"any_group": ["red"], "any_scope": ["s"]}));
    let user = ("x-user", &b"amy"[..]);
    code(&groups, &[], &[], "identity_required");
    code(&groups, &[], &[user, ("x-groups", b"blue, red"), ("x-scopes", b"s t")], "allowed");
    code(&groups, &[], &[user, ("x-groups", b"blue, red")], "insufficient_scope");
    code(&groups, &[], &[user, ("x-groups", b"blue")], "wrong_subject");
    // One of a client's beside that of the hop.
    code(&groups, &[], &[user, ("x-user", b"bob"), ("x-groups", b"red")], "bad_identity");
    code(&groups, &[], &[user, ("x-groups", b"red"), ("x-groups", b"blue")], "bad_identity");
    code(&groups, &[], &[("x-user", b"")], "bad_identity");
    code(&groups, &[], &[("x-user", b"\xff")], "bad_identity");
}
