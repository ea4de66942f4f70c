//! Policies change while requests pass: one filter at a time, whole or not at
//! all.

use std::fs;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use postern_tests::client::{Connection, PATIENCE, Wire, send};
use postern_tests::gateway::wait_for;
use postern_tests::observe::Answer;
use serde_json::Value;

use super::{get, same, token};
use crate::Stage;

const PLUGINS: [&str; 5] = ["auth", "authz", "rate-limit", "rate-limit-address", "legacy-compat"];
const TAKEN: Duration = Duration::from_secs(10);
const PUBLIC: &str = "/v1/market/total-items.json";

/// An edit of one policy, taken back when dropped.
pub(super) struct Edited<'s> {
    stage: &'s Stage,
    file: PathBuf,
    original: String,
}

impl<'s> Edited<'s> {
    /// Replaces `from`, which has to be there, and does not apply it yet.
    pub(super) fn new(
        stage: &'s Stage,
        plugin: &str,
        from: &str,
        to: &str,
    ) -> Result<Self, String> {
        let file = stage.gateway.policies.join(format!("{plugin}.yaml"));
        let original = fs::read_to_string(&file).map_err(|e| e.to_string())?;
        if original.matches(from).count() != 1 {
            return Err(format!("`{from}` does not stand in {} once", file.display()));
        }
        fs::write(&file, original.replace(from, to)).map_err(|e| e.to_string())?;
        Ok(Edited { stage, file, original })
    }
}

impl Drop for Edited<'_> {
    fn drop(&mut self) {
        let restored = fs::write(&self.file, &self.original).map_err(|e| e.to_string());
        if let Err(e) = restored.and_then(|()| self.stage.gateway.apply()) {
            eprintln!("{}: {e}", self.file.display());
        }
    }
}

/// How often Envoy took (`config_reload`) or refused (`update_rejected`) each
/// filter's policy.
fn counts(stage: &Stage, what: &str) -> Result<Vec<u64>, String> {
    let all = stage.gateway.stats("extension_config_discovery.http_filter.")?;
    let of = |plugin: &str| {
        let ends = format!("http_filter.{plugin}.{what}");
        all.iter().find(|(name, _)| name.ends_with(&ends)).map_or(0, |(_, n)| *n)
    };
    Ok(PLUGINS.iter().map(|plugin| of(plugin)).collect())
}

/// Waits until one filter's count is one higher, and sees that no other moved.
fn only(stage: &Stage, plugin: &str, what: &str, before: &[u64]) -> Result<(), String> {
    let expected: Vec<u64> =
        PLUGINS.iter().zip(before).map(|(p, n)| n + u64::from(*p == plugin)).collect();
    let moved =
        || counts(stage, what).ok().filter(|now| now.iter().sum::<u64>() > before.iter().sum());
    let now = wait_for(TAKEN, moved).ok_or_else(|| format!("{plugin}: no new `{what}`"))?;
    same(what, expected, now)
}

fn ask(stage: &Stage, path: &str, lines: &[&str]) -> Result<Answer, String> {
    send(stage.gateway.address(), &Wire::get("api.example.com", path, lines), PATIENCE)
}

/// Under load, with a request in flight from before to after the change.
pub(super) fn swap(stage: &Stage) -> Result<(), String> {
    let bearer = format!("Authorization: Bearer {}", token("swap", "load")?);
    let new = "/v9/new-route";
    same("before", 403, ask(stage, new, &[&bearer])?.status)?;
    let before = counts(stage, "config_reload")?;
    let stop = AtomicBool::new(false);
    let to = stage.gateway.address();
    std::thread::scope(|scope| {
        let load: Vec<_> = (0..8)
            .map(|_| {
                let request = get("api.example.com", "/whoami", &[&bearer]);
                let stop = &stop;
                scope.spawn(move || -> Result<u64, String> {
                    let mut connection = Connection::open(to, PATIENCE)?;
                    let mut sent = 0;
                    while !stop.load(Ordering::Relaxed) {
                        connection.write(&request)?;
                        same("during the change", 200, connection.read(false)?.status)?;
                        sent += 1;
                    }
                    Ok(sent)
                })
            })
            .collect();
        let slow = get("api.example.com", "/whoami", &[&bearer, "X-Demo-Fault: delay=3000"]);
        let mut in_flight = Connection::open(to, PATIENCE)?;
        in_flight.write(&slow)?;
        let changed = swapped(stage, new, &bearer, &before);
        let answered = in_flight.read(false);
        stop.store(true, Ordering::Relaxed);
        for thread in load {
            let sent = thread.join().map_err(|_| "a client panicked")??;
            if sent < 10 {
                return Err(format!("only {sent} requests passed during the change"));
            }
        }
        changed?;
        same("in flight", 200, answered?.status)
    })?;
    same("back again", 403, settled(stage, new, &bearer, 403)?)?;
    same("listeners changed", 0, stage.gateway.stat("listener_manager.listener_modified")?)
}

fn swapped(stage: &Stage, new: &str, bearer: &str, before: &[u64]) -> Result<(), String> {
    let rule = format!(
        "\nrules:\n  - name: swapped\n    match: {{paths: [{new}]}}\n    subject: identified\n"
    );
    let _edited = Edited::new(stage, "authz", "\nrules:\n", &rule)?;
    stage.gateway.apply()?;
    only(stage, "authz", "config_reload", before)?;
    // The upstream knows no such route; its 404 shows that the request got there.
    same("after", 404, settled(stage, new, bearer, 404)?)?;
    Ok(())
}

/// The status once all workers have the policy, or the last one seen.
pub(super) fn settled(
    stage: &Stage,
    path: &str,
    bearer: &str,
    expected: u16,
) -> Result<u16, String> {
    let mut seen = 0;
    let all_alike = || {
        let statuses: Vec<u16> =
            (0..8).filter_map(|_| ask(stage, path, &[bearer]).ok()).map(|a| a.status).collect();
        seen = statuses.iter().copied().find(|s| *s != expected).unwrap_or(expected);
        (seen == expected && statuses.len() == 8).then_some(())
    };
    wait_for(TAKEN, all_alike);
    Ok(seen)
}

pub(super) fn counts_stay(stage: &Stage) -> Result<(), String> {
    let bearer = format!("Authorization: Bearer {}", token("outlives", "tiny")?);
    let left = || -> Result<String, String> {
        let answer = ask(stage, PUBLIC, &[&bearer])?;
        let field = answer.text("ratelimit").unwrap_or_default().to_owned();
        Ok(field.split(';').nth(1).unwrap_or_default().to_owned())
    };
    same("first", "r=4", &left()?)?;
    same("second", "r=3", &left()?)?;
    let before = counts(stage, "config_reload")?;
    let edited = Edited::new(stage, "rate-limit", "ipv6_prefix: 64", "ipv6_prefix: 56")?;
    stage.gateway.apply()?;
    only(stage, "rate-limit", "config_reload", &before)?;
    same("under the new policy", "r=2", &left()?)?;
    let before = counts(stage, "config_reload")?;
    drop(edited);
    only(stage, "rate-limit", "config_reload", &before)?;
    same("under the old one again", "r=1", &left()?)
}

pub(super) fn broken_edit(stage: &Stage) -> Result<(), String> {
    let rendered = stage.gateway.run.join("filters/authz.json");
    let before = fs::read(&rendered).map_err(|e| e.to_string())?;
    let reloads = counts(stage, "config_reload")?;
    let broken = "\nrulez: []\nrules:\n  - name: odd\n    match: {paths: [no-slash], methods: [get]}\n    subject: everybody\n";
    let edited = Edited::new(stage, "authz", "\nrules:\n", broken)?;
    let Err(printed) = stage.gateway.apply() else {
        return Err("the broken policy was applied".to_owned());
    };
    let lines = fs::read_to_string(&edited.file).map_err(|e| e.to_string())?;
    let line = |text: &str| {
        let found = lines.lines().position(|line| line.contains(text));
        found.map(|at| at + 1).ok_or_else(|| format!("`{text}` is not there"))
    };
    let file = edited.file.display();
    let (key, odd, subject) = (line("rulez: []")?, line("no-slash")?, line("subject: everybody")?);
    for expected in [
        format!("{file}:{key}:1: unknown key `rulez`, did you mean `rules`?"),
        format!("{file}:{odd}:21: rules[0].match.paths[0]: "),
        format!("{file}:{odd}:42: rules[0].match.methods[0]: "),
        format!("{file}:{subject}:14: rules[0].subject: expected `anyone`, "),
    ] {
        if !printed.contains(&expected) {
            return Err(format!("expected `{expected}` in:\n{printed}"));
        }
    }
    let unchanged = fs::read(&rendered).map_err(|e| e.to_string())? == before;
    same("the rendered file is unchanged", true, unchanged)?;
    same("reloads", reloads, counts(stage, "config_reload")?)?;
    same("the old policy serves", 200, ask(stage, PUBLIC, &[])?.status)
}

/// Past the check, into the folder that Envoy watches.
pub(super) fn broken_file(stage: &Stage) -> Result<(), String> {
    for (plugin, policy, complaint) in [
        (
            "auth",
            r#"{"realm":"x","providers":{"a":{"jwt":{}}}}"#,
            "providers.a.jwt: missing key `issuer`",
        ),
        (
            "authz",
            r#"{"rules":[{"name":"a","match":{},"subject":"everybody"}]}"#,
            "rules[0].subject: expected `anyone`",
        ),
        (
            "rate-limit",
            r#"{"limits":[{"id":"a","match":{},"quota":0,"window":"60s"}]}"#,
            "limits[0].quota: expected a whole number",
        ),
        ("legacy-compat", r#"{"rules":[],"rules":[]}"#, "duplicate key `rules`"),
    ] {
        let file = stage.gateway.run.join(format!("filters/{plugin}.json"));
        let good = fs::read_to_string(&file).map_err(|e| e.to_string())?;
        let mut resource: Value = serde_json::from_str(&good).map_err(|e| e.to_string())?;
        *policy_text(&mut resource).ok_or("the rendered file holds no policy text")? =
            policy.into();
        let before = counts(stage, "update_rejected")?;
        rename_into(&file, &resource.to_string())?;
        only(stage, plugin, "update_rejected", &before)?;
        let log = stage.gateway.log("envoy");
        if !log.lines().any(|line| line.contains(plugin) && line.contains(complaint)) {
            return Err(format!("{plugin}: Envoy's log does not say `{complaint}`"));
        }
        same(plugin, 200, ask(stage, PUBLIC, &[])?.status)?;
        same(plugin, 401, ask(stage, "/whoami", &[])?.status)?;
        rename_into(&file, &good)?;
    }
    Ok(())
}

/// The text that the filter gets: the `value` beside the type `StringValue`.
fn policy_text(node: &mut Value) -> Option<&mut Value> {
    match node {
        Value::Object(members) => {
            let kind = members.get("@type").and_then(Value::as_str).unwrap_or_default();
            if kind.ends_with("google.protobuf.StringValue") {
                return members.get_mut("value");
            }
            members.values_mut().find_map(policy_text)
        }
        Value::Array(items) => items.iter_mut().find_map(policy_text),
        _ => None,
    }
}

fn rename_into(file: &std::path::Path, text: &str) -> Result<(), String> {
    let beside = file.with_extension("new");
    fs::write(&beside, text).map_err(|e| e.to_string())?;
    fs::rename(&beside, file).map_err(|e| e.to_string())
}
