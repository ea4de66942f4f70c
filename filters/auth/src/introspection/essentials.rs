//! What workers tell each other of a good token: never the token.

use postern_core::Identity;
use serde_json::{Value, json};

use crate::checked::Checked;

/// `None`: it holds what cannot be told.
pub(super) fn write(checked: &Checked) -> Option<Vec<u8>> {
    let Checked { caller, headers, expires, issued, token_id, key: _, dear: _ } = checked;
    let headers: Option<Vec<(&str, &str)>> = headers
        .iter()
        .map(|(name, value)| Some((name.as_str(), std::str::from_utf8(value).ok()?)))
        .collect();
    let caller = Identity::Known(Box::new(caller.clone())).to_json();
    let caller: Value = serde_json::from_slice(&caller).ok()?;
    let told = json!({
        "caller": caller, "headers": headers?, "exp": expires, "iat": issued, "jti": token_id,
    });
    Some(told.to_string().into_bytes())
}

/// Reads what [`write`] wrote.
pub(super) fn read(told: &[u8]) -> Option<Checked> {
    let mut told: Value = serde_json::from_slice(told).ok()?;
    let caller = told.get_mut("caller")?.take().to_string();
    let Identity::Known(caller) = Identity::from_json(caller.as_bytes())? else { return None };
    let header = |pair: &Value| {
        let name = pair.get(0)?.as_str()?.to_owned();
        Some((name, pair.get(1)?.as_str()?.as_bytes().to_vec()))
    };
    let headers: Option<Vec<_>> = told.get("headers")?.as_array()?.iter().map(header).collect();
    Some(Checked {
        headers: headers?,
        expires: told.get("exp").and_then(Value::as_i64),
        issued: told.get("iat").and_then(Value::as_i64),
        token_id: told.get("jti").and_then(Value::as_str).map(str::to_owned),
        ..Checked::from(*caller)
    })
}
