//! The client's address, behind a proxy that is trusted and without one.

use serde_json::{Value, json};

use super::{Identities, ask, same};

const OFFICE: &str = "allowed; rule=office";
const NOBODY: &str = "no_rule; rule=-";

pub(super) fn rule() -> Value {
    let addresses = json!({
        "paths": ["/office"], "client_addresses": ["203.0.113.0/24", "2001:db8::/32"],
    });
    super::rule("office", json!("anyone"), json!({"match": addresses}))
}

/// The last entry is the hop's own; what stands before it a client may have written.
pub(super) fn hop(on: &Identities) -> Result<(), String> {
    for (forwarded, expected) in [
        ("203.0.113.7", (200, OFFICE)),
        ("198.51.100.1, 203.0.113.7", (200, OFFICE)),
        ("203.0.113.7, 198.51.100.1", (403, NOBODY)),
        ("203.0.113.7,203.0.113.8,198.51.100.1", (403, NOBODY)),
        ("2001:db8::7", (200, OFFICE)),
        ("2001:db8::7, 2001:db9::7", (403, NOBODY)),
        ("203.0.114.7", (403, NOBODY)),
        // No address: Envoy goes by the peer.
        ("203.0.113.7, office", (403, NOBODY)),
    ] {
        let found = ask(on.hop, "office", &[&format!("X-Forwarded-For: {forwarded}")])?;
        same(forwarded, expected, (found.0, found.1.as_str()))?;
    }
    // Two lines are one list.
    let lines = ["X-Forwarded-For: 203.0.113.7", "X-Forwarded-For: 198.51.100.1"];
    let found = ask(on.hop, "office", &lines)?;
    same("two lines", (403, NOBODY), (found.0, found.1.as_str()))?;
    let found = ask(on.hop, "office", &[])?;
    same("no line", (403, NOBODY), (found.0, found.1.as_str()))
}

pub(super) fn peer(on: &Identities) -> Result<(), String> {
    for forwarded in ["203.0.113.7", "127.0.0.1, 203.0.113.7"] {
        let found = ask(on.open, "office", &[&format!("X-Forwarded-For: {forwarded}")])?;
        same(forwarded, (403, NOBODY), (found.0, found.1.as_str()))?;
    }
    Ok(())
}
