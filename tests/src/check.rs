//! Compares what was seen with what was expected, and holds every answer of
//! the gateway to what is always true of it.

use std::collections::BTreeMap;

use postern_core::config::Node;
use regex::bytes::Regex;
use serde_json::Value;

use crate::bytes::{Bytes, escape};
use crate::case::{BodyExpect, Case, SeenExpect, UpstreamExpect, json};
use crate::observe::{Answer, HeaderList, Observation, values};

/// Everything in which an observation differs from its case, a line each.
#[must_use]
pub fn differences(case: &Case, seen: &Observation) -> Vec<String> {
    let mut out = Vec::new();
    let expect = &case.expect;
    let answer = &seen.answer;
    if u64::from(answer.status) != expect.status.get() {
        out.push(format!("status: expected {}, but got {}", expect.status.get(), answer.status));
    }
    headers("header", &expect.headers, &answer.headers, &mut out);
    for (name, pattern) in &expect.matching {
        match_header(name, pattern, &answer.headers, &mut out);
    }
    presence("header", &expect.present, &expect.absent, &answer.headers, &mut out);
    if let Some(body) = &expect.body {
        compare_body(body, &answer.body, &mut out);
    }
    upstream(expect.upstream.as_ref(), seen, &mut out);
    decisions(&expect.decisions, &seen.decisions, &mut out);
    if let Some(Bytes(path)) = &expect.logged_path
        && seen.logged_path.as_deref().map(str::as_bytes) != Some(path)
    {
        let logged = seen.logged_path.as_deref().unwrap_or("nothing");
        out.push(format!("logged path: expected `{}`, but got `{logged}`", escape(path)));
    }
    always(answer, &mut out);
    leaks(seen, &mut out);
    if !out.is_empty() {
        out.push(format!("the whole answer:\n{}", shown(answer)));
    }
    out
}

fn headers(
    what: &str,
    expected: &BTreeMap<String, Bytes>,
    found: &HeaderList,
    out: &mut Vec<String>,
) {
    for (name, Bytes(value)) in expected {
        let all: Vec<&[u8]> = values(found, name).collect();
        if all != [value.as_slice()] {
            out.push(format!(
                "{what} {name}: expected `{}`, but got {}",
                escape(value),
                list(&all)
            ));
        }
    }
}

fn match_header(name: &str, pattern: &str, found: &HeaderList, out: &mut Vec<String>) {
    let all: Vec<&[u8]> = values(found, name).collect();
    match Regex::new(&format!("^(?:{pattern})$")) {
        Ok(regex) if all.len() == 1 && all.iter().all(|v| regex.is_match(v)) => {}
        Ok(_) => {
            out.push(format!("header {name}: expected /{pattern}/, but got {}", list(&all)));
        }
        Err(e) => out.push(format!("header {name}: {e}")),
    }
}

fn presence(
    what: &str,
    present: &[String],
    absent: &[String],
    found: &HeaderList,
    out: &mut Vec<String>,
) {
    for name in present.iter().filter(|n| values(found, n).next().is_none()) {
        out.push(format!("{what} {name}: expected, but not there"));
    }
    for name in absent {
        let all: Vec<&[u8]> = values(found, name).collect();
        if !all.is_empty() {
            out.push(format!("{what} {name}: expected none, but got {}", list(&all)));
        }
    }
}

fn compare_body(expected: &BodyExpect, found: &[u8], out: &mut Vec<String>) {
    match expected {
        BodyExpect::Exactly(Bytes(bytes)) => {
            if bytes != found {
                out.push(format!(
                    "body: expected `{}`, but got `{}`",
                    escape(bytes),
                    escape(found)
                ));
            }
        }
        BodyExpect::Matches(pattern) => match Regex::new(&format!("^(?s:{pattern})$")) {
            Ok(regex) if regex.is_match(found) => {}
            Ok(_) => out.push(format!("body: expected /{pattern}/, but got `{}`", escape(found))),
            Err(e) => out.push(format!("body: {e}")),
        },
        BodyExpect::Json(node) | BodyExpect::Includes(node) => {
            let whole = matches!(expected, BodyExpect::Json(_));
            match serde_json::from_slice::<Value>(found) {
                Ok(value) => compare_json("body", &json(node), &value, whole, out),
                Err(e) => out.push(format!("body: not JSON ({e}): `{}`", escape(found))),
            }
        }
    }
}

/// Compares JSON; unless `whole`, objects may have further members.
fn compare_json(path: &str, expected: &Value, found: &Value, whole: bool, out: &mut Vec<String>) {
    match (expected, found) {
        (Value::Object(want), Value::Object(have)) => {
            for (key, value) in want {
                let path = format!("{path}.{key}");
                match have.get(key) {
                    Some(other) => compare_json(&path, value, other, whole, out),
                    None => out.push(format!("{path}: expected `{value}`, but it is not there")),
                }
            }
            if whole {
                for key in have.keys().filter(|k| !want.contains_key(*k)) {
                    out.push(format!("{path}.{key}: not expected"));
                }
            }
        }
        (Value::Array(want), Value::Array(have)) if want.len() == have.len() => {
            for (i, (value, other)) in want.iter().zip(have).enumerate() {
                compare_json(&format!("{path}[{i}]"), value, other, whole, out);
            }
        }
        _ if expected == found => {}
        _ => out.push(format!("{path}: expected `{expected}`, but got `{found}`")),
    }
}

fn upstream(expected: Option<&UpstreamExpect>, seen: &Observation, out: &mut Vec<String>) {
    let Some(expected) = expected.filter(|_| seen.upstream_known) else { return };
    match (expected, seen.upstream.as_slice()) {
        (UpstreamExpect::None, []) => {}
        (UpstreamExpect::None, requests) => {
            let paths: Vec<String> = requests.iter().map(|r| escape(&r.path)).collect();
            out.push(format!("upstream: expected nothing, but it saw {}", paths.join(", ")));
        }
        (UpstreamExpect::Seen(expected), [request]) => {
            let SeenExpect { method, path, headers: exact, present, absent } = expected.as_ref();
            if method.as_ref().is_some_and(|m| *m != request.method) {
                let wanted = method.as_deref().unwrap_or_default();
                out.push(format!("upstream: expected {wanted}, but got {}", request.method));
            }
            if let Some(Bytes(path)) = path
                && *path != request.path
            {
                let (wanted, got) = (escape(path), escape(&request.path));
                out.push(format!("upstream path: expected `{wanted}`, but got `{got}`"));
            }
            headers("upstream header", exact, &request.headers, out);
            presence("upstream header", present, absent, &request.headers, out);
        }
        (UpstreamExpect::Seen(_), requests) => {
            out.push(format!("upstream: expected one request, but it saw {}", requests.len()));
        }
    }
}

fn decisions(
    expected: &BTreeMap<String, BTreeMap<String, Node>>,
    found: &BTreeMap<String, Value>,
    out: &mut Vec<String>,
) {
    for (filter, members) in expected {
        let Some(record) = found.get(filter) else {
            out.push(format!("{filter}: expected a decision record, but there is none"));
            continue;
        };
        for (member, node) in members {
            let wanted = json(node);
            let got = record.get(member).unwrap_or(&Value::Null);
            if *got != wanted {
                out.push(format!("{filter} {member}: expected {wanted}, but got {got}"));
            }
        }
    }
}

/// What holds for every answer of the gateway.
fn always(answer: &Answer, out: &mut Vec<String>) {
    let empty_by_rule = answer.to_head || matches!(answer.status, 204 | 304) || answer.status < 200;
    if answer.cut {
        out.push("the answer was cut".to_owned());
    }
    if !empty_by_rule && answer.body.is_empty() {
        out.push("the answer is empty".to_owned());
    }
    if empty_by_rule && !answer.body.is_empty() {
        out.push("the answer has a body where none may be".to_owned());
    }
    if let Some(length) = answer.text("content-length")
        && !empty_by_rule
        && length.parse() != Ok(answer.body.len())
    {
        let got = answer.body.len();
        out.push(format!("content-length: {length}, but the body has {got} bytes"));
    }
    let kind = answer.text("content-type").unwrap_or_default().to_owned();
    if answer.status == 401 && answer.all("www-authenticate").next().is_none() {
        out.push("a 401 without `www-authenticate`".to_owned());
    }
    if kind.starts_with("application/problem+json") && !answer.body.is_empty() {
        problem(answer, out);
    }
    if kind.starts_with("application/json")
        && !answer.body.is_empty()
        && answer.all("content-encoding").next().is_none()
        && answer.json().is_none()
    {
        out.push("the body says that it is JSON, but is not".to_owned());
    }
    for name in ["content-length", "content-type", "retry-after"] {
        if answer.all(name).count() > 1 {
            out.push(format!("{name}: more than once"));
        }
    }
    if let Some(after) = answer.text("retry-after")
        && !after.bytes().all(|b| b.is_ascii_digit())
    {
        out.push(format!("retry-after: expected an integer, but got `{after}`"));
    }
    for (name, _) in &answer.headers {
        if name.starts_with("x-postern-") {
            out.push(format!("{name}: the client must not learn it"));
        }
    }
}

/// RFC 9457.
fn problem(answer: &Answer, out: &mut Vec<String>) {
    let Some(Value::Object(problem)) = answer.json() else {
        out.push("problem+json that is no JSON object".to_owned());
        return;
    };
    // What the proxy refuses before it numbers requests has no instance.
    let numbered = answer.all("x-request-id").next().is_some().then_some("instance");
    for member in ["type", "title", "detail", "code"].into_iter().chain(numbered) {
        if problem.get(member).and_then(Value::as_str).is_none_or(str::is_empty) {
            out.push(format!("problem+json without `{member}`"));
        }
    }
    if problem.get("status").and_then(Value::as_u64) != Some(u64::from(answer.status)) {
        out.push("problem+json: `status` is not the status".to_owned());
    }
    let kind = problem.get("type").and_then(Value::as_str).unwrap_or_default();
    if !kind.starts_with("https://") {
        out.push("problem+json: `type` is not an absolute URI".to_owned());
    }
}

/// No credential may show up in an answer, a log or a path upstream.
fn leaks(seen: &Observation, out: &mut Vec<String>) {
    let has = |hay: &[u8], secret: &str| {
        !secret.is_empty() && hay.windows(secret.len()).any(|w| w == secret.as_bytes())
    };
    for secret in &seen.secrets {
        let head: String = secret.chars().take(6).collect();
        if seen.answer.headers.iter().any(|(_, v)| has(v, secret)) {
            out.push(format!("the credential `{head}…` is in a header of the answer"));
        }
        if has(&seen.answer.body, secret) {
            out.push(format!("the credential `{head}…` is in the body of the answer"));
        }
        if has(seen.log.as_bytes(), secret) {
            out.push(format!("the credential `{head}…` is in the log"));
        }
        for request in &seen.upstream {
            if has(&request.path, secret) || request.headers.iter().any(|(_, v)| has(v, secret)) {
                out.push(format!("the credential `{head}…` reached the upstream"));
            }
        }
    }
}

fn list(all: &[&[u8]]) -> String {
    if all.is_empty() {
        return "none".to_owned();
    }
    all.iter().map(|v| format!("`{}`", escape(v))).collect::<Vec<_>>().join(" and ")
}

fn shown(answer: &Answer) -> String {
    let mut out = format!("    {}\n", answer.status);
    for (name, value) in &answer.headers {
        out.push_str(&format!("    {name}: {}\n", escape(value)));
    }
    let body: String = escape(&answer.body).chars().take(2_000).collect();
    out.push_str(&format!("    {body}"));
    out
}
