//! The payload of `jwt_authn`.

use serde_json::{Value, json};

use super::{Identities, answer, ask, rule, said, same, why};

pub(super) fn policy() -> Value {
    let claims = |condition: Value| json!({"claims": [condition]});
    let mut policy = json!({
        "realm": "shop",
        "explain_header": super::WHY,
        "identity": {"jwt_authn": {
            "payload": "token", "issuer": "iss", "client": "client_id", "plan": "plan",
            "claims": ["roles", "groups", "team"], "numbers": ["level"],
        }},
        "rules": [
            rule("public", json!("anyone"), json!({})),
            rule("identified", json!("identified"), json!({})),
            rule("scoped", json!({"any_scope": ["books:read"]}), json!({})),
            rule("whole", json!({
                "providers": ["jwt_authn"], "issuers": ["https://id.example.com"],
                "clients": ["shop-app"], "subjects": ["amy"], "plans": ["gold"],
            }), json!({})),
            rule("role", json!({"any_role": ["admin"]}), json!({})),
            rule("groups", json!({"all_groups": ["berlin", "night"]}), json!({})),
            rule("level", json!("identified"), claims(json!({"claim": "level", "is": {"at_least": 3}}))),
            rule("team", json!("identified"), claims(json!({"claim": "team", "is": {"exact": "blue"}}))),
        ],
    });
    if let Some(rules) = policy["rules"].as_array_mut() {
        rules.extend(super::routes::rules());
    }
    policy
}

pub(super) fn known(on: &Identities) -> Result<(), String> {
    let good = |path: &str, claims: Value| {
        let found = ask(on.payload, path, &[&on.bearer(&claims)?])?;
        same(&format!("{path} with {claims}"), (200, why("allowed", path)), found)
    };
    good("public", json!({}))?;
    good("identified", json!({}))?;
    good("scoped", json!({"scope": "books:lend books:read"}))?;
    good("scoped", json!({"scope": ["books:lend", "books:read"]}))?;
    good("whole", json!({"client_id": "shop-app", "plan": "gold"}))?;
    good("role", json!({"roles": "admin"}))?;
    good("role", json!({"roles": ["admin"]}))?;
    good("role", json!({"roles": ["guest", "admin"]}))?;
    good("groups", json!({"groups": ["day", "night", "berlin"]}))?;
    good("level", json!({"level": 3}))?;
    good("level", json!({"level": 3.5}))?;
    good("team", json!({"team": "blue"}))?;

    let lines = on.bearer(&json!({"scope": "books"}))?;
    let found = answer(on.payload, "scoped", &[&lines])?;
    same("a scope too few", 403, found.status)?;
    let expected = r#"Bearer realm="shop", error="insufficient_scope", scope="books:read""#;
    same("its challenge", expected, &said(&found, "www-authenticate"))?;
    same("why", why("insufficient_scope", "scoped"), said(&found, super::WHY))
}

pub(super) fn anonymous(on: &Identities) -> Result<(), String> {
    same("public", (200, why("allowed", "public")), ask(on.payload, "public", &[])?)?;
    let found = answer(on.payload, "scoped", &[])?;
    same("scoped", 401, found.status)?;
    same("its challenge", r#"Bearer realm="shop""#, &said(&found, "www-authenticate"))?;
    same("why", why("identity_required", "scoped"), said(&found, super::WHY))?;
    // Metadata is the proxy's own: no header becomes any.
    let smuggled = ["X-User: amy", "X-Postern-Subject: amy", "X-Envoy-Metadata: amy"];
    let found = ask(on.payload, "identified", &smuggled)?;
    same("with headers", (401, why("identity_required", "identified")), found)
}

pub(super) fn refused(on: &Identities) -> Result<(), String> {
    let unknown = (401, String::new());
    let mut token = on.bearer(&json!({}))?;
    // One bit of the signature's first byte.
    let dot = token.rfind('.').ok_or("no token")? + 1;
    let other = if token[dot..].starts_with('A') { "B" } else { "A" };
    token.replace_range(dot..=dot, other);
    same("forged", unknown.clone(), ask(on.payload, "public", &[&token])?)?;
    let expired = on.bearer(&json!({"exp": 1_000_000_000}))?;
    same("expired", unknown.clone(), ask(on.payload, "identified", &[&expired])?)?;
    let other = on.bearer(&json!({"iss": "https://evil.example"}))?;
    same("of another issuer", unknown, ask(on.payload, "identified", &[&other])?)
}

/// What Envoy hands out of other kinds is no text, no list of texts and no number.
pub(super) fn claims(on: &Identities) -> Result<(), String> {
    let is = |path: &str, claims: Value, status: u16, reason: &str| {
        let found = ask(on.payload, path, &[&on.bearer(&claims)?])?;
        let rule = if reason == "bad_identity" { "-" } else { path };
        same(&format!("{path} with {claims}"), (status, why(reason, rule)), found)
    };
    is("role", json!({}), 403, "wrong_subject")?;
    is("role", json!({"roles": []}), 403, "wrong_subject")?;
    is("role", json!({"roles": "guest"}), 403, "wrong_subject")?;
    is("team", json!({}), 403, "cannot_evaluate")?;
    is("level", json!({"level": 2}), 403, "wrong_subject")?;
    is("level", json!({"level": "3"}), 403, "cannot_evaluate")?;
    is("level", json!({"level": true}), 403, "cannot_evaluate")?;
    is("level", json!({"level": [3]}), 403, "cannot_evaluate")?;
    for roles in [
        json!(7),
        json!(true),
        json!({"admin": true}),
        // Its keys look like a list's items.
        json!({"admin": ""}),
        json!({"admin": "", "guest": ""}),
        json!({"0": "", "admin": ""}),
        json!([["admin"]]),
        json!(["admin", 7]),
        json!([null, "admin"]),
    ] {
        is("role", json!({"roles": roles}), 403, "cannot_evaluate")?;
    }
    is("scoped", json!({"scope": {"books:read": ""}}), 403, "bad_identity")?;
    is("scoped", json!({"scope": 7}), 403, "bad_identity")?;
    is("identified", json!({"plan": {"gold": ""}}), 403, "bad_identity")?;
    // A token without a subject names nobody, which is not the same as no token.
    is("identified", json!({"sub": null}), 403, "bad_identity")?;
    is("public", json!({"sub": null}), 403, "bad_identity")?;
    is("identified", json!({"sub": ""}), 403, "bad_identity")
}
