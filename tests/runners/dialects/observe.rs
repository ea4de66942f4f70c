//! What others count and report, said in the client's dialect: a stock filter of Envoy, a
//! service behind one, a server of npm's.

use std::net::SocketAddr;

use postern_tests::client::{PATIENCE, Wire, send};
use postern_tests::observe::Answer;
use regex::Regex;

use super::Told;
use crate::behaviour::same;

/// A request, and all fields of limits that its answer has.
struct Row<'a> {
    path: &'a str,
    dialect: &'a str,
    status: u16,
    /// Names with what their values match, in order of the names.
    fields: &'a [(&'a str, &'a str)],
}

const fn row<'a>(
    path: &'a str,
    dialect: &'a str,
    status: u16,
    fields: &'a [(&'a str, &'a str)],
) -> Row<'a> {
    Row { path, dialect, status, fields }
}

/// Envoy has no window to tell; what it has is 8 an hour.
pub(super) fn local(on: &Told) -> Result<(), String> {
    const TIME: &str = r"[12]\d{9}";
    let rows = [
        row(
            "/",
            "ietf",
            200,
            &[
                ("ratelimit", r#""observed";r=7;t=\d{1,4}"#),
                ("ratelimit-policy", r#""observed";q=8"#),
            ],
        ),
        row("/", "draft_7", 200, &[("ratelimit", r"limit=8, remaining=6, reset=\d{1,4}")]),
        row(
            "/",
            "draft_3",
            200,
            &[
                ("x-ratelimit-limit", "8"),
                ("x-ratelimit-remaining", "5"),
                ("x-ratelimit-reset", r"\d{1,4}"),
            ],
        ),
        row(
            "/",
            "github",
            200,
            &[
                ("x-ratelimit-limit", "8"),
                ("x-ratelimit-remaining", "4"),
                ("x-ratelimit-reset", TIME),
            ],
        ),
        row(
            "/",
            "twitter",
            200,
            &[
                ("x-rate-limit-limit", "8"),
                ("x-rate-limit-remaining", "3"),
                ("x-rate-limit-reset", TIME),
            ],
        ),
        row("/", "legacy", 200, &[("x-ratelimit-remaining", "2"), ("x-ratelimit-total", "8")]),
        row("/", "none", 200, &[]),
        row(
            "/",
            "-",
            200,
            &[
                ("ratelimit", r#""observed";r=0;t=\d{1,4}"#),
                ("ratelimit-policy", r#""observed";q=8"#),
            ],
        ),
        // Envoy's refusal does not say when to come back.
        row(
            "/",
            "ietf",
            429,
            &[
                ("ratelimit", r#""observed";r=0;t=\d{1,4}"#),
                ("ratelimit-policy", r#""observed";q=8"#),
                ("retry-after", r"\d{1,4}"),
            ],
        ),
    ];
    all(on, on.local, "local", &rows)
}

/// Of two limits Envoy tells the tighter one, with its window and its name.
pub(super) fn global(on: &Told) -> Result<(), String> {
    let rows = [
        row(
            "/",
            "ietf",
            200,
            &[
                ("ratelimit", r#""per-ip";r=4;t=33"#),
                ("ratelimit-policy", r#""per-ip";q=10;w=3600"#),
            ],
        ),
        row(
            "/",
            "draft_7",
            200,
            &[("ratelimit", "limit=10, remaining=4, reset=33"), ("ratelimit-policy", "10;w=3600")],
        ),
        row(
            "/",
            "draft_3",
            200,
            &[
                ("x-ratelimit-limit", r#"10, 10;w=3600;name="per-ip""#),
                ("x-ratelimit-remaining", "4"),
                ("x-ratelimit-reset", "33"),
            ],
        ),
        row("/", "legacy", 200, &[("x-ratelimit-remaining", "4"), ("x-ratelimit-total", "10")]),
        row("/", "none", 200, &[]),
    ];
    all(on, on.global, "global", &rows)
}

pub(super) fn express(on: &Told) -> Result<(), String> {
    let nameless = [
        ("ratelimit", r#""observed";r=4;t=3[56]\d\d"#),
        ("ratelimit-policy", r#""observed";q=5;w=3600"#),
    ];
    let last = [
        ("ratelimit", r#""express";r=0;t=3[56]\d\d"#),
        ("ratelimit-policy", r#""express";q=5;w=3600"#),
    ];
    let refused = [last[0], last[1], ("retry-after", r"3[56]\d\d")];
    let eight = |left: &'static str| [("x-ratelimit-remaining", left), ("x-ratelimit-total", "5")];
    let legacy = [eight("3"), eight("2"), eight("1")];
    let rows = [
        row("/draft-6", "ietf", 200, &nameless),
        row("/draft-7", "ietf", 200, &nameless),
        row(
            "/draft-8",
            "draft_7",
            200,
            &[
                ("ratelimit", r"limit=5, remaining=4, reset=3[56]\d\d"),
                ("ratelimit-policy", "5;w=3600"),
            ],
        ),
        row(
            "/legacy",
            "ietf",
            200,
            &[
                ("ratelimit", r#""observed";r=4;t=3[56]\d\d"#),
                ("ratelimit-policy", r#""observed";q=5"#),
            ],
        ),
        // The same limit in two dialects is one limit.
        row("/both", "ietf", 200, &nameless),
        row("/draft-8", "legacy", 200, &legacy[0]),
        row("/draft-8", "legacy", 200, &legacy[1]),
        row("/draft-8", "legacy", 200, &legacy[2]),
        row("/draft-8", "ietf", 200, &last),
        row("/draft-8", "ietf", 429, &refused),
        row("/draft-7", "none", 200, &[]),
        row("/nothing", "ietf", 200, &[]),
    ];
    all(on, on.express, "express", &rows)
}

fn all(on: &Told, to: SocketAddr, who: &str, rows: &[Row<'_>]) -> Result<(), String> {
    let (told, others) = counted(on)?;
    for (n, Row { path, dialect, status, fields }) in rows.iter().enumerate() {
        let lines = [format!("x-dialect: {dialect}"), format!("x-caller: {who}")];
        let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
        let answer = send(to, &Wire::get("api.example.com", path, &lines), PATIENCE)?;
        let what = format!("{who}, {n}: {path} as {dialect}");
        same(&what, *status, answer.status)?;
        let found = fields_of(&answer);
        let names = |all: &[(String, String)]| -> Vec<String> {
            all.iter().map(|(name, _)| name.clone()).collect()
        };
        let expected: Vec<String> = fields.iter().map(|(name, _)| (*name).to_owned()).collect();
        same(&what, expected, names(&found))?;
        for ((name, pattern), (_, value)) in fields.iter().zip(&found) {
            let whole = Regex::new(&format!("^(?:{pattern})$")).map_err(|e| e.to_string())?;
            if !whole.is_match(value) {
                return Err(format!("{what}: `{name}: {value}` is not `{pattern}`"));
            }
        }
    }
    let silent = rows.iter().filter(|row| row.path == "/nothing").count();
    let reports = u64::try_from(rows.len() - silent).unwrap_or(0);
    same("reports that were said again, and others", (told + reports, others), counted(on)?)
}

/// What an answer says of limits, in order of the names.
fn fields_of(answer: &Answer) -> Vec<(String, String)> {
    let limits = |name: &str| name == "retry-after" || name.replace('-', "").contains("ratelimit");
    let mut all: Vec<(String, String)> = answer
        .headers
        .iter()
        // Envoy's own mark, no dialect.
        .filter(|(name, _)| limits(name) && name != "x-envoy-ratelimited")
        .map(|(name, value)| (name.clone(), String::from_utf8_lossy(value).into_owned()))
        .collect();
    all.sort();
    all
}

fn counted(on: &Told) -> Result<(u64, u64), String> {
    let all = on.envoy.stats("limit_reports.observed.")?;
    let (told, others): (Vec<_>, Vec<_>) =
        all.into_iter().partition(|(name, _)| name.ends_with(".told"));
    let sum = |all: Vec<(String, u64)>| all.iter().map(|(_, n)| n).sum::<u64>();
    Ok((sum(told), sum(others)))
}
