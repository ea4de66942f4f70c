//! Requirements by the names of the proxy's routes.

use postern_core::digest::{hex, sha256};
use serde_json::json;

use super::site::{Prepared, told};
use super::{jwt, own_token, same};

const KEY: &str = "key-of-northwind-5b1f0c9e";

pub(super) fn by_name() -> Result<(), String> {
    let (prepared, _demo) = Prepared::new("routes")?.with_idp()?;
    let policy = json!({
        "providers": {
            "idp": jwt(&json!({})),
            "keys": {"api_key": {"keys": [
                {"id": "nw", "sha256": hex(&sha256(KEY.as_bytes())), "subject": "northwind"},
            ]}},
        },
        "rules": [
            {"name": "open", "match": {"routes": ["open", "health"]}, "require": {"none": true}},
            {"name": "keys", "match": {"routes": ["keys"], "methods": ["GET"]},
             "require": {"any_of": ["keys"]}},
        ],
    });
    let routes = vec![
        json!({"name": "health", "match": {"path": "/chunked"}}),
        // What the proxy chooses by a header counts as well.
        json!({"name": "open", "match": {
            "prefix": "/", "headers": [{"name": "x-partner", "string_match": {"exact": "open"}}],
        }}),
        json!({"name": "keys", "match": {"path": "/close"}}),
        json!({"name": "opens", "match": {"path": "/bytes"}}),
    ];
    let site = prepared.start_with(&policy, routes)?;
    let bearer = format!("Authorization: Bearer {}", own_token()?);
    let key = format!("X-Api-Key: {KEY}");
    let (missing, wrong) = ("missing_credential", "invalid_token");
    for (path, lines, expected) in [
        ("/chunked", vec![], (200, "")),
        ("/chunked?x=1", vec![], (200, "")),
        // It is not looked at there.
        ("/chunked", vec!["X-Api-Key: nobodys"], (200, "")),
        ("/length", vec!["X-Partner: open"], (200, "")),
        ("/length", vec!["X-Partner: Open"], (401, missing)),
        ("/length", vec![], (401, missing)),
        ("/length", vec![bearer.as_str()], (200, "")),
        ("/length", vec![key.as_str()], (200, "")),
        ("/close", vec![], (401, missing)),
        ("/close", vec![key.as_str()], (200, "")),
        ("/close", vec![bearer.as_str()], (401, wrong)),
        // A name that only begins like one of the rule's.
        ("/bytes", vec![], (401, missing)),
        // What the proxy routes as it came is judged by that route.
        ("/length/../chunked", vec![], (401, missing)),
        ("//chunked", vec![], (401, missing)),
    ] {
        // On both workers: connections go to either.
        for _ in 0..12 {
            let answer = site.send_to(path, &lines)?;
            let (status, code) = expected;
            same(&format!("{path} {lines:?}"), (status, code.to_owned()), told(&answer))?;
        }
    }
    same("reloads", 0, site.envoy.stats("vm_reload")?.iter().map(|(_, n)| n).sum())
}
