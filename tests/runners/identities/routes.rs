//! The names of the routes that the proxy chose.

use serde_json::{Value, json};

use super::{Identities, ask, same};

/// An allow rule and a deny rule by name; another deny rule for a route that never is.
pub(super) fn rules() -> [Value; 3] {
    let rule = |name: &str, effect: &str, paths: &str, route: &str| {
        json!({
            "name": name, "effect": effect, "subject": "anyone",
            "match": {"paths": [paths], "routes": [route]},
        })
    };
    [
        rule("by-route", "allow", "/routed/**", "shop"),
        rule("not-by-route", "deny", "/routed/**", "closed"),
        rule("never", "deny", "/routed/**", "sho"),
    ]
}

/// Routes with a name, and after them one without.
pub(super) fn named() -> Vec<Value> {
    let route = |prefix: &str, name: &str| {
        let mut route = super::site::direct(prefix);
        if !name.is_empty() {
            route["name"] = name.into();
        }
        route
    };
    vec![
        route("/routed/shop", "shop"),
        route("/routed/closed", "closed"),
        route("/routed/other", "shop-2"),
        route("/", ""),
    ]
}

pub(super) fn names(on: &Identities) -> Result<(), String> {
    for (path, expected) in [
        ("routed/shop", (200, "allowed; rule=by-route")),
        ("routed/shop/books", (200, "allowed; rule=by-route")),
        ("routed/closed", (403, "deny_rule; rule=not-by-route")),
        // A name that begins alike, and none.
        ("routed/other", (403, "no_rule; rule=-")),
        ("routed/none", (403, "no_rule; rule=-")),
        // The route is chosen by the path that the rules see.
        ("routed/none/../shop", (200, "allowed; rule=by-route")),
    ] {
        let (status, why) = ask(on.payload, path, &[])?;
        same(path, expected, (status, why.as_str()))?;
    }
    Ok(())
}
