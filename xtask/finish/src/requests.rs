//! The requests that say what is hot, the plain one first.

use postern_module::Headers;
use postern_stack::keys::Keys;
use postern_stack::mint::{MintRequest, mint};
use serde_json::json;

use crate::Unfinished;

/// A request, and how the demo answers it.
pub(crate) struct Request {
    pub(crate) what: &'static str,
    pub(crate) headers: Headers,
    /// The body of the upstream's answer, if it gets there.
    pub(crate) answer: &'static str,
    /// What the client gets.
    pub(crate) status: u32,
}

impl Request {
    pub(crate) fn answer_headers(&self) -> Headers {
        headers(&[
            (":status", "200"),
            ("content-type", "application/json"),
            ("content-length", &self.answer.len().to_string()),
            ("date", "Tue, 24 Nov 2026 20:00:00 GMT"),
            ("server", "upstream"),
        ])
    }
}

/// The module's clock begins there, in seconds.
const NOW: i64 = 1_800_000_000;
const API: &str = "api.example.com";
const SALES: &str = "/v3/market/author/sales";
/// A test key of the demo.
const KEY: &str = "pk_demo_northwind_0123456789abcdef0123456789";

/// All of them. Nothing in them is random: the same requests make the same modules.
///
/// # Errors
/// When no token can be made.
pub(crate) fn all() -> Result<[Request; 6], Unfinished> {
    let keys = Keys::embedded().map_err(|e| Unfinished(e.to_string()))?;
    let bearer = |sub: &str, scopes: Option<Vec<String>>, ttl| {
        let mut wish = MintRequest::for_subject(sub);
        (wish.scopes, wish.ttl) = (scopes, ttl);
        wish.claims.insert("jti".to_owned(), json!("0123456789abcdef"));
        mint(&keys, wish, NOW).map(|token| format!("Bearer {token}")).map_err(Unfinished)
    };
    let with = |what, status, host, path: &str, more: &[(&str, &str)]| {
        let common = [
            (":authority", host),
            (":path", path),
            (":method", "GET"),
            (":scheme", "http"),
            ("user-agent", "a-client/1.0"),
            ("accept", "*/*"),
            ("x-forwarded-for", "192.0.2.1"),
            ("x-forwarded-proto", "http"),
            ("x-request-id", "00000000-0000-4000-8000-000000000000"),
        ];
        let headers = headers(&[&common[..], more].concat());
        Request { what, headers, answer: ANSWER, status }
    };
    let token =
        |what, status, bearer: &str| with(what, status, API, SALES, &[("authorization", bearer)]);
    let old = format!("/api/v3/northwind/{KEY}/recent-sales.json");
    Ok([
        token("a plain request", 200, &bearer("northwind", None, None)?),
        token("a request with a new token", 200, &bearer("emberline", None, None)?),
        with("a request with an API key", 200, API, SALES, &[("x-api-key", KEY)]),
        with("a request of an old client", 200, "marketplace.example.com", &old, &[]),
        token("a request with an expired token", 401, &bearer("northwind", None, Some(-600))?),
        token("a request without the scope", 403, &bearer("northwind", Some(vec![]), None)?),
    ])
}

const ANSWER: &str =
    r#"[{"sold_at":"2016-03-07T12:00:00Z","amount":"8.40","item":{"id":4600,"name":"A Theme"}}]"#;

fn headers(list: &[(&str, &str)]) -> Headers {
    list.iter().map(|(n, v)| ((*n).to_owned(), v.as_bytes().to_vec())).collect()
}
