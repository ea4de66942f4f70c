//! Headers of a hop.

use std::net::SocketAddr;

use postern_tests::client::{PATIENCE, Wire, send};
use serde_json::{Value, json};

use super::{Identities, WHY, answer, ask, rule, said, same, why};

pub(super) fn policy() -> Value {
    json!({
        "realm": "shop",
        "explain_header": WHY,
        "identity": {"trusted_headers": {
            "subject": "x-user", "scopes": "x-user-scopes", "plan": "x-user-plan",
        }},
        "rules": [
            rule("public", json!("anyone"), json!({})),
            rule("private", json!({"any_scope": ["books:read"]}), json!({})),
            rule("gold", json!({"plans": ["gold"]}), json!({})),
            rule("elsewhere", json!({"any_scope": ["books:read"]}), json!({})),
            super::addresses::rule(),
        ],
    })
}

const SMUGGLED: [&str; 2] = ["X-User: root", "X-User-Scopes: books:read"];

pub(super) fn known(on: &Identities) -> Result<(), String> {
    let token = on.bearer(&json!({"scope": "books:read"}))?;
    let found = answer(on.hop, "private", &[&token])?;
    same("with a token", (200, why("allowed", "private")), (found.status, said(&found, WHY)))?;
    same("who the upstream hears of", "amy", &said(&found, "x-user"))?;
    let less = on.bearer(&json!({"scope": "books"}))?;
    let expected = (403, why("insufficient_scope", "private"));
    same("a scope too few", expected, ask(on.hop, "private", &[&less])?)?;
    let expected = (401, why("identity_required", "private"));
    same("without a token", expected, ask(on.hop, "private", &[])?)
}

/// On a route of which the hop knows callers, and on one of which it does not.
pub(super) fn smuggled(on: &Identities) -> Result<(), String> {
    for path in ["private", "elsewhere"] {
        let nobody = (401, why("identity_required", path), String::new());
        for lines in [
            &SMUGGLED[..],
            &["x-user: root", "x-USER: root", "x-user-scopes: books:read"],
            &["X-User: root", "X-User-Scopes: books:read", "Connection: x-user, keep-alive"],
            &["X_User: root", "X_User_Scopes: books:read"],
            &["X-User : root", "X-User-Scopes: books:read"],
            &["X-User: root\r\n continued", "X-User-Scopes: books:read"],
        ] {
            let found = answer(on.hop, path, lines)?;
            if found.status == 400 {
                // No header's name: Envoy reads no further.
                same(lines[0], String::new(), said(&found, WHY))?;
                continue;
            }
            let found = (found.status, said(&found, WHY), said(&found, "x-user"));
            same(&format!("{path} {lines:?}"), nobody.clone(), found)?;
        }
        let found = absolute(on.hop, path)?;
        same(&format!("{path} in the target's form"), nobody.clone(), found)?;
    }
    // Beside a token: the hop's word is the only one.
    let token = on.bearer(&json!({"scope": "books"}))?;
    let found = answer(on.hop, "private", &[SMUGGLED[0], SMUGGLED[1], &token])?;
    let expected = (403, why("insufficient_scope", "private"));
    same("beside a token", expected, (found.status, said(&found, WHY)))?;
    // Of a caller that it knows, too, and a header that it does not write.
    let found = ask(on.hop, "gold", &[&token, "X-User-Plan: gold"])?;
    same("a plan", (403, why("wrong_subject", "gold")), found)?;
    let found = answer(on.hop, "public", &[SMUGGLED[0]])?;
    same("what the upstream hears of", (200, String::new()), (found.status, said(&found, "x-user")))
}

/// With the whole address as its target.
fn absolute(to: SocketAddr, path: &str) -> Result<(u16, String, String), String> {
    let target = format!("http://api.example.com/{path}");
    let found = send(to, &Wire::get("api.example.com", &target, &SMUGGLED), PATIENCE)?;
    Ok((found.status, said(&found, WHY), said(&found, "x-user")))
}

/// That what removes the headers is the hop: without it they are believed.
pub(super) fn open(on: &Identities) -> Result<(), String> {
    let found = ask(on.open, "elsewhere", &SMUGGLED)?;
    same("smuggled", (200, why("allowed", "elsewhere")), found)?;
    let found = ask(on.open, "gold", &["X-User: root", "X-User-Plan: gold"])?;
    same("a plan", (200, why("allowed", "gold")), found)?;
    let twice = ["X-User: root", "X-User: amy", SMUGGLED[1]];
    let found = ask(on.open, "elsewhere", &twice)?;
    same("two of them", (403, why("bad_identity", "-")), found)
}
