//! Expressions, and what they are evaluated over, under bytes that somebody makes
//! to do harm: see `postern_core::fuzz`.

#![allow(
    clippy::panic,
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "targets assert; nothing of this is in a module"
)]

use postern_core::Target;
use postern_core::fuzz::twice;
use postern_core::identity::Seen;

use super::sample::{PLAIN, Request};
use super::{Condition, Expression, Why};

postern_core::fuzz_targets! {
    /// An expression of a policy.
    expression: 6_000, expressions, WORDS, expression;
    /// What expressions look at: an identity, a path and a header, a line each.
    looked_at: 3_000, requests, NAMES, looked_at;
}

const WORDS: &[&str] = &[
    "request.headers['x-team']",
    "request.query.q",
    "request.method",
    "request.size",
    "path.name",
    "identity.claims",
    "identity.scopes",
    "identity.subject",
    ".tags",
    ".deep.a[0].b",
    "[0]",
    "['a']",
    ".all(x, ",
    ".exists(y, ",
    "has(",
    "size(",
    "int(",
    "string(",
    ".startsWith('a')",
    ".matches('^(a|b)+$')",
    " in ",
    " && ",
    " || ",
    " ? ",
    " : ",
    "!",
    "-",
    " == ",
    " < ",
    " + ",
    " % ",
    "x",
    "'\\u00e9'",
    "r'\\'",
    "[1, 2]",
    "9223372036854775807",
    "-9223372036854775808",
    "0x7f",
    "1.5e300",
    "// ",
    "\n",
    "null",
    "true",
];

const NAMES: &[&str] = &[
    "\"claims\":{",
    "\"tags\":[",
    "\"deep\":{\"a\":[{\"b\":",
    "9223372036854775808",
    "1e308",
    "\"team\":",
    "\"scopes\":[\"a\"]",
    "\n",
    "?q=",
    "&q=",
    "{\"v\":1,\"anonymous\":true}",
    "\\u00e9",
];

/// Expressions that look at much.
const RICH: &[&str] = &[
    "identity.claims.tags.all(t, t == 'a' || t in identity.scopes || size(t) > 0)",
    "identity.claims.deep.a[0].b + request.query.q == path.name",
    "identity.claims == identity.claims && identity.claims.level * 2 >= request.size",
    "has(identity.claims.team) ? identity.claims.team == request.headers['x-team'] : false",
    "int(request.query.q) % int(identity.claims.level) == 0 || double(request.query.q) < 1.5",
    "request.host + request.path + request.method + string(request.size) != identity.plan",
    "request.path.matches('^/[a-z0-9/]+$') || request.headers['x-team'].matches('b?l{1,3}u')",
    "-identity.claims.level < 0 || [identity.subject, identity.client].exists(t, t in identity.claims)",
];

fn parse(text: &str) -> Result<Expression, String> {
    Condition::parse(text)?.over(&["name"])
}

fn expressions() -> Vec<Vec<u8>> {
    let plain = [
        "request.method == 'GET' && path.name == identity.subject || !identity.anonymous",
        "[1, 2].all(x, x > 0) ? 'a' < \"b\" : -1 + 2 * 3 / 4 % 5 != 0x1f && 1.5e3 >= .5",
        r"'\x41\u00e9\U0001F600\101\n' == r'\' // why",
    ];
    RICH.iter().chain(&plain).map(|text| text.as_bytes().to_vec()).collect()
}

/// What it says is short, on one line and says where; what was read can be evaluated.
fn expression(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else { return };
    match twice(|| parse(text)) {
        Err(message) => {
            assert!(message.len() < 300 && !message.contains(char::is_control), "{message:?}");
            assert!(message.contains("column ") || text.len() > super::MAX_LENGTH, "{message}");
        }
        Ok(expression) => {
            twice(|| PLAIN.evaluate(&expression)).ok();
        }
    }
}

fn requests() -> Vec<Vec<u8>> {
    let one = |identity: &[u8], path: &str, header: &str| {
        let lines: Vec<u8> = identity.iter().copied().filter(|b| *b != b'\n').collect();
        [&lines, path.as_bytes(), header.as_bytes()].join(&b'\n')
    };
    vec![
        one(PLAIN.identity, "/v3/market/user/alice?q=12&q=12", "blue"),
        one(br#"{"v":1,"anonymous":true}"#, "/v3/market/user/a%20b?q=a", ""),
    ]
}

/// Whatever a request and a caller are, an expression holds, does not, or says why
/// it cannot tell.
fn looked_at(input: &[u8]) {
    let mut lines = input.splitn(3, |b| *b == b'\n');
    let [identity, path, header] = [(); 3].map(|()| lines.next().unwrap_or_default());
    if Seen::read(identity).is_none() || Target::parse(Some(path)).is_err() {
        return;
    }
    let headers = &[("x-team", header), ("content-length", header)];
    let request = Request { identity, path, headers, ..PLAIN };
    for text in RICH {
        let expression = parse(text).expect("an expression");
        let says = twice(|| request.evaluate(&expression));
        assert!(says != Err(Why::TooLong) || input.len() > 500, "{text}");
    }
}
