//! What a run leaves behind: logs without credentials, counters, no trap.

use std::fs;

use http::Request;
use postern_tests::client::{PATIENCE, Wire, send};
use postern_tests::gateway::wait_for;
use postern_tests::h2::send_plain;
use postern_tests::live::FILTERS;

use super::{same, token};
use crate::Stage;

/// Every file of the run, Envoy's own log and the rendered policies included.
pub(super) fn no_credential_in_logs(stage: &Stage) -> Result<(), String> {
    let secrets = &stage.run.secrets;
    if secrets.len() < 50 {
        return Err(format!("the corpus sent only {} credentials", secrets.len()));
    }
    let mut looked = 0;
    let mut folders = vec![stage.gateway.run.clone()];
    while let Some(folder) = folders.pop() {
        let entries = fs::read_dir(&folder).map_err(|e| format!("{}: {e}", folder.display()))?;
        for path in entries.flatten().map(|entry| entry.path()) {
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let bytes = fs::read(&path).map_err(|e| format!("{}: {e}", path.display()))?;
            let text = String::from_utf8_lossy(&bytes);
            if let Some(found) = secrets.iter().find(|s| s.len() > 8 && text.contains(*s)) {
                let head: String = found.chars().take(6).collect();
                return Err(format!("{} has the credential `{head}…`", path.display()));
            }
            looked += 1;
        }
    }
    if looked < 8 { Err(format!("only {looked} files were looked at")) } else { Ok(()) }
}

/// What Envoy refuses before it numbers a request has the id that the client chose: it is
/// in no log and in no body.
pub(super) fn chosen_ids(stage: &Stage) -> Result<(), String> {
    const CHOSEN: &str = "chosen-by-the-client";
    const GRPC: &str = "Content-Type: application/grpc\r\n";
    const OVER_HTTP2: &str = "UNBIND /a%2fb";
    // Method and details tell their lines, one of which a case of the corpus has too.
    let cases = [
        ("LINK /a%2fb", "Host: api.example.com\r\n", "path_normalization_failed"),
        ("UNLINK /a%00b", "Host: marketplace.example.com\r\n", "path_normalization_failed"),
        ("LOCK /a", "", "missing_host_header"),
        ("OPTIONS *", "Host: api.example.com\r\n", "absolute_path_rejected"),
        ("MKCOL /a%5cb", &format!("Host: api.example.com\r\n{GRPC}"), "path_normalization_failed"),
        (OVER_HTTP2, "", "path_normalization_failed"),
    ];
    let to = stage.gateway.address();
    for (line, headers, _) in cases {
        let answer = if line == OVER_HTTP2 {
            let (method, path) = line.split_once(' ').unwrap_or_default();
            let request = Request::builder()
                .method(method)
                .uri(format!("http://api.example.com{path}"))
                .header("x-request-id", CHOSEN)
                .body(Vec::new());
            send_plain(to, request.map_err(|e| e.to_string())?, PATIENCE)?.0
        } else {
            let text = format!(
                "{line} HTTP/1.1\r\n{headers}X-Request-Id: {CHOSEN}\r\nConnection: close\r\n\r\n"
            );
            send(to, &Wire { bytes: text.into_bytes(), head: false }, PATIENCE)?
        };
        let body = String::from_utf8_lossy(&answer.body);
        same(line, (true, false), (answer.status != 0, body.contains(CHOSEN)))?;
        same(line, None, answer.text("grpc-message").filter(|said| said.contains(CHOSEN)))?;
        let is_problem = answer.text("content-type") == Some("application/problem+json");
        let instance = answer.json().and_then(|problem| problem.get("instance").cloned());
        same(line, None, instance.filter(|_| is_problem))?;
    }
    // These Envoy numbers, the first without asking a filter.
    for (line, upgrade, status) in
        [("TRACE /a", "Upgrade: nothing", 403), ("CONNECT a:1", "X-A: b", 400)]
    {
        let text = format!(
            "{line} HTTP/1.1\r\nHost: api.example.com\r\nX-Request-Id: {CHOSEN}\r\n\
             Connection: Upgrade\r\n{upgrade}\r\n\r\n"
        );
        let answer = send(to, &Wire { bytes: text.into_bytes(), head: false }, PATIENCE)?;
        let problem = answer.json().unwrap_or_default();
        let id = problem.get("instance").and_then(serde_json::Value::as_str).unwrap_or_default();
        same(line, (status, true, false), (answer.status, id.len() > 30, id.contains(CHOSEN)))?;
    }
    // The log is written in order: with the line of the last request it has all of them.
    let last = send(to, &Wire::get("api.example.com", "/whoami", &[]), PATIENCE)?;
    let id = last.text("x-request-id").ok_or("a request without an id")?;
    let written = || {
        let log = stage.gateway.access_log();
        log.iter().any(|line| line.contains(id)).then_some(log)
    };
    let log = wait_for(PATIENCE, written).ok_or("the log has no line of a plain request")?;
    for (line, _, details) in cases {
        let method = line.split(' ').next().unwrap_or_default();
        let own = [format!(r#""method":"{method}""#), format!(r#""details":"{details}""#)];
        let is_own = |line: &&String| own.iter().all(|part| line.contains(part));
        let numbered = log.iter().filter(is_own).map(|l| !l.contains(r#""request_id":null"#));
        same(line, Some(false), numbered.reduce(|a, b| a || b))?;
    }
    let said = [log.concat(), stage.gateway.log("envoy")];
    same("the client's", [false; 2], said.map(|text| text.contains(CHOSEN)))
}

/// Each filter's counters are there, and a request moves them.
pub(super) fn metrics(stage: &Stage) -> Result<(), String> {
    let counted = [
        ("auth", "authenticated"),
        ("authz", "decisions.enforce.allow.allowed"),
        ("rate-limit", "unlimited"),
        ("rate-limit-address", "allowed"),
        ("legacy-compat", "request_matched"),
    ];
    same("filters", FILTERS.len(), counted.len())?;
    let read = || {
        let name = |(filter, counter)| format!("wasmcustom.postern.{filter}.{counter}");
        counted.iter().map(|row| stage.gateway.stat(&name(*row))).collect::<Result<Vec<u64>, _>>()
    };
    let before = read()?;
    let lines =
        [&format!("Authorization: Bearer {}", token("metrics", "load")?), "X-Api-Dialect: 2015"];
    let path = "/v1/market/total-items.json";
    let to = stage.gateway.address();
    same("status", 200, send(to, &Wire::get("api.example.com", path, &lines), PATIENCE)?.status)?;
    let after = read()?;
    for ((row, before), after) in counted.iter().zip(before).zip(after) {
        same(&format!("{row:?}"), before + 1, after)?;
    }
    Ok(())
}

/// Prometheus gets plugin, provider, mode, effect and code as labels, and none of them in a name.
pub(super) fn labels(stage: &Stage) -> Result<(), String> {
    let lines = stage.gateway.prometheus()?;
    for label in [
        r#"postern_authenticated{plugin="auth"} "#,
        r#"postern_decisions{plugin="auth",provider="idp",code="authenticated"} "#,
        r#"postern_decisions{plugin="auth",provider="keys",code="authenticated"} "#,
        r#"postern_decisions{plugin="authz",mode="enforce",effect="allow",code="allowed"} "#,
        r#"postern_policy_version{plugin="authz"} "#,
    ] {
        let found = lines.iter().find_map(|line| line.strip_prefix(label));
        let count = found.and_then(|number| number.parse::<u64>().ok());
        if count.is_none_or(|count| count == 0) {
            return Err(format!("expected `{label}` and a number over 0, but got {found:?}"));
        }
    }
    let raw = lines.iter().find(|line| line.starts_with("postern_provider"));
    same("a name with a provider in it", None, raw)
}

/// No request of the whole run, odd ones included, cost a VM.
pub(crate) fn nothing_trapped(stage: &Stage) -> Result<(), String> {
    let reloads = stage.gateway.stats("vm_reload")?;
    if reloads.len() < FILTERS.len() {
        return Err(format!("Envoy counts no reloads: {reloads:?}"));
    }
    let trapped: Vec<_> = reloads.iter().filter(|(_, count)| *count > 0).collect();
    if !trapped.is_empty() {
        return Err(format!("{trapped:?}\n{}", stage.gateway.log("envoy")));
    }
    for word in ["proxy_abi_version", "panicked", "Function: proxy_"] {
        if let Some(line) = stage.gateway.log("envoy").lines().find(|l| l.contains(word)) {
            return Err(line.to_owned());
        }
    }
    Ok(())
}
