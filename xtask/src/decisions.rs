//! One readable line per request, out of the access log.

use serde_json::Value;

/// The filters in the order in which a request meets them, as the access log
/// names them.
const FILTERS: [(&str, &str); 5] = [
    ("legacy_compat", "legacy-compat"),
    ("rate_limit_address", "rate-limit-address"),
    ("auth", "auth"),
    ("rate_limit", "rate-limit"),
    ("authz", "authz"),
];

/// A line of the access log for people: time, status, request, and each
/// filter's decision with its rule and reason. `None` if it is no such line.
pub fn readable(line: &str, colours: bool) -> Option<String> {
    let entry: Value = serde_json::from_str(line).ok()?;
    let text = |name: &str| plain(entry.get(name).and_then(Value::as_str).unwrap_or("-"));
    let number = |name: &str| entry.get(name).and_then(Value::as_u64).unwrap_or_default();
    let time = text("time");
    let clock =
        time.split_once('T').map_or(time.as_str(), |(_, clock)| clock.trim_end_matches('Z'));
    let decisions: Vec<String> =
        FILTERS.iter().filter_map(|(member, name)| decision(name, entry.get(*member)?)).collect();
    let decided = if decisions.is_empty() { text("details") } else { decisions.join(" | ") };
    // The host is in the record: as a client wrote it, it may hold a credential.
    let host = entry.get("legacy_compat").and_then(record);
    let host = host.as_ref().and_then(|r| r.get("host")?.as_str()).map_or("-".to_owned(), plain);
    let mut out = format!(
        "{clock} {} {} {}{} {} ms  {decided}",
        painted(number("status"), colours),
        text("method"),
        host,
        text("path"),
        number("duration_ms"),
    );
    let flags = text("flags");
    if flags != "-" {
        out.push_str(&format!("  [{flags}]"));
    }
    Some(out)
}

/// What a filter tells of a candidate that was taken back, or would have been, out of a
/// line of Envoy's log. `None` if it is no such line.
pub fn taken_back(line: &str) -> Option<String> {
    let (_, told) = line.split_once(" wasm log ")?;
    // Envoy names the plugin, and then the filter does.
    let (_, told) = told.split_once(": ")?;
    let (_, what) = told.split_once(": ")?;
    (what.starts_with("the candidate ") && what.contains("taken back"))
        .then(|| format!("WARNING: {}", plain(told)))
}

/// A decision record: JSON in a text.
fn record(text: &Value) -> Option<Value> {
    serde_json::from_str(text.as_str()?).ok()
}

/// `auth allow keys (api_key)`
fn decision(name: &str, text: &Value) -> Option<String> {
    let record = record(text)?;
    let mut out = format!("{name} {}", verdict(&record));
    if let Some(mode) = member(&record, "mode").filter(|mode| mode != "enforce") {
        out.push_str(&format!(" [{mode}]"));
    }
    // Of the current rules and a candidate, the one that does not count here.
    for (name, word) in [("candidate", "shadow"), ("current", "current")] {
        if let Some(other) = record.get(name) {
            let word = if other.get("taken_back").is_some() { "taken back" } else { word };
            out.push_str(&format!(" [{word}: {}]", verdict(other)));
        }
    }
    Some(out)
}

/// `allow keys (api_key)`
fn verdict(record: &Value) -> String {
    let rule = member(record, "rule").filter(|rule| rule != "-");
    let code = member(record, "code").map(|code| format!("({code})"));
    let parts = [member(record, "decision"), rule, code];
    parts.into_iter().flatten().collect::<Vec<_>>().join(" ")
}

/// A text that is not empty.
fn member(record: &Value, name: &str) -> Option<String> {
    record.get(name).and_then(Value::as_str).filter(|text| !text.is_empty()).map(plain)
}

fn painted(status: u64, colours: bool) -> String {
    let colour = match status {
        200..=399 => 32,
        400..=499 => 33,
        _ => 31,
    };
    if colours { format!("\x1b[{colour}m{status}\x1b[0m") } else { status.to_string() }
}

/// Nothing that a client sent may steer the terminal.
fn plain(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_decision_is_one_line() {
        let line = r#"{"time":"2026-11-24T10:11:12.345Z","status":403,"method":"GET",
            "path":"/x","duration_ms":2,"flags":null,
            "legacy_compat":"{\"decision\":\"skip\",\"code\":\"no_rule\",\"host\":\"a.example\"}",
            "auth":"{\"decision\":\"allow\",\"rule\":\"tokens\",\"code\":\"jwt\",\"mode\":\"enforce\"}",
            "authz":"{\"decision\":\"deny\",\"rule\":\"-\",\"code\":\"no_rule\",\"mode\":\"shadow\"}"}"#;
        assert_eq!(
            readable(line, false).unwrap(),
            "10:11:12.345 403 GET a.example/x 2 ms  legacy-compat skip (no_rule) | \
             auth allow tokens (jwt) | authz deny (no_rule) [shadow]"
        );
    }

    #[test]
    fn the_one_that_does_not_count_stands_behind_it() {
        let shown = |authz: Value| {
            let line = serde_json::json!({"status": 200, "authz": authz.to_string()});
            readable(&line.to_string(), false).unwrap()
        };
        let verdict = |decision: &str, code: &str, mode: &str| serde_json::json!({"decision": decision, "rule": "sale", "code": code, "mode": mode});
        let mut shadow = verdict("allow", "allowed", "enforce");
        shadow["candidate"] = verdict("deny", "insufficient_scope", "shadow");
        let mut taken_back = shadow.clone();
        taken_back["candidate"]["taken_back"] = true.into();
        assert_eq!(
            shown(taken_back),
            "- 200 - -- 0 ms  authz allow sale (allowed) [taken back: deny sale (insufficient_scope)]"
        );
        assert_eq!(
            shown(shadow),
            "- 200 - -- 0 ms  authz allow sale (allowed) [shadow: deny sale (insufficient_scope)]"
        );
        let mut cohort = verdict("deny", "insufficient_scope", "cohort");
        cohort["current"] = verdict("allow", "allowed", "shadow");
        cohort["current"]["rule"] = "-".into();
        assert_eq!(
            shown(cohort),
            "- 200 - -- 0 ms  authz deny sale (insufficient_scope) [cohort] [current: allow (allowed)]"
        );
    }

    #[test]
    fn a_candidate_that_is_taken_back_is_told() {
        let line = |told: &str| {
            format!(
                "[2026-11-29 22:26:53.850][2654][warning][wasm] \
                 [source/extensions/common/wasm/context.cc:1154] wasm log authz: authz: {told}"
            )
        };
        let refuses = "the candidate refuses 50 of 50 requests that the current rules allow, of \
            about 50 of 50 identified callers: it is taken back";
        assert_eq!(taken_back(&line(refuses)).unwrap(), format!("WARNING: authz: {refuses}"));
        let before = "the candidate of this very policy was taken back before, and stays so";
        assert_eq!(taken_back(&line(before)).unwrap(), format!("WARNING: authz: {before}"));
        assert_eq!(taken_back(&line("configuration 47769333319f is in force")), None);
        assert_eq!(taken_back(&refuses.replace("wasm", "")), None);
    }

    #[test]
    fn a_reply_of_envoy_shows_its_details() {
        let line = r#"{"time":"-","status":400,"method":"GET","path":null,
            "details":"path_normalization_failed","flags":"DPE","duration_ms":0}"#;
        assert_eq!(
            readable(line, false).unwrap(),
            "- 400 GET -- 0 ms  path_normalization_failed  [DPE]"
        );
    }

    #[test]
    fn clients_do_not_steer_the_terminal() {
        let line = "{\"status\":200,\"method\":\"\\u001b[2J\",\"path\":\"/\\u0007\"}";
        let shown = readable(line, false).unwrap();
        assert!(!shown.contains(|c: char| c.is_control()), "{shown:?}");
        assert!(readable("no json", false).is_none());
    }
}
