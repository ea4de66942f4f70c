//! Policies change while requests pass: one filter at a time, whole or not at
//! all.

use std::fs;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use postern_tests::client::{Connection, PATIENCE, Wire, send};
use postern_tests::corpus::workspace;
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
        let edited = Edited { stage, file, original };
        edited.write(&[(from, to)])?;
        Ok(edited)
    }

    /// Makes these replacements in the original, in place of those before.
    fn write(&self, edits: &[(&str, &str)]) -> Result<(), String> {
        let mut text = self.original.clone();
        for (from, to) in edits {
            if text.matches(from).count() != 1 {
                return Err(format!("`{from}` does not stand in {} once", self.file.display()));
            }
            text = text.replace(from, to);
        }
        fs::write(&self.file, text).map_err(|e| e.to_string())
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

/// The modules, with another file in place of one, which computes the same.
pub(super) fn another_module(stage: &Stage, filter: &str) -> Result<PathBuf, String> {
    let modules = stage.gateway.run.with_extension("modules");
    fs::create_dir_all(&modules).map_err(|e| e.to_string())?;
    for entry in fs::read_dir(workspace().join("target/modules")).map_err(|e| e.to_string())? {
        let file = entry.map_err(|e| e.to_string())?.path();
        let mut module = fs::read(&file).map_err(|e| e.to_string())?;
        if file.file_stem().is_some_and(|name| name == filter) {
            // A custom section without content: its kind, its length, its name.
            module.extend_from_slice(b"\x00\x06\x05again");
        }
        let to = modules.join(file.file_name().unwrap_or_default());
        fs::write(to, module).map_err(|e| e.to_string())?;
    }
    Ok(modules)
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

/// Under load, on connections that are open and on new ones, with requests in flight from
/// before to after the change. Each policy says on both ways which one it is.
pub(super) fn swap(stage: &Stage) -> Result<(), String> {
    let bearer = format!("Authorization: Bearer {}", token("swap", "load")?);
    let whoami = get("api.example.com", "/whoami", &[&bearer]);
    let modified = stage.gateway.stat("listener_manager.listener_modified")?;
    let edited = Edited::new(stage, "authz", "\nrules:\n", "\nrules:\n")?;
    let mut open = stage.gateway.connections(8)?;
    says(&edited, "old")?;
    all_say(&mut open, &whoami, Some("old"))?;
    let mut held = held(stage, &bearer)?;
    let reloads = counts(stage, "config_reload")?;
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let (stage, stop, whoami) = (&stage, &stop, &whoami);
        let load: Vec<_> =
            (0..12).map(|n| scope.spawn(move || ask_on(stage, whoami, n % 3 == 0, stop))).collect();
        let changed = says(&edited, "new")
            .and_then(|()| only(stage, "authz", "config_reload", &reloads))
            .and_then(|()| all_say(&mut open, whoami, Some("new")));
        stop.store(true, Ordering::Relaxed);
        for thread in load {
            let said = thread.join().map_err(|_| "a client panicked")??;
            if said.len() < 10 {
                return Err(format!("only {} requests passed during the change", said.len()));
            }
        }
        changed
    })?;
    for connection in &mut held {
        same("answered before its end", false, connection.has_answer())?;
        connection.write(b"held")?;
        let answer = connection.read(false)?;
        same("in flight", (200, &b"held"[..]), (answer.status, answer.body.as_slice()))?;
        same("in flight", Some("old"), said_by(&answer)?)?;
    }
    drop(edited);
    all_say(&mut open, &whoami, None)?;
    let now = stage.gateway.stat("listener_manager.listener_modified")?;
    same("listeners changed", modified, now)
}

/// Applies a policy that says its name in each answer, for it and about it.
fn says(edited: &Edited<'_>, name: &str) -> Result<(), String> {
    const WHOAMI: &str = "    match:\n      methods: [GET]\n      paths: [/whoami]\n    \
                          subject: identified\n";
    edited.write(&[
        ("\nrules:\n", &format!("\nexplain_header: x-why-{name}\nrules:\n")),
        (
            WHOAMI,
            &format!(
                "    match: {{paths: [/whoami, /__echo]}}\n    subject: identified\n    \
                 obligations: {{response_headers: {{x-policy: {name}}}}}\n"
            ),
        ),
    ])?;
    edited.stage.gateway.apply()
}

/// Which policy has judged this one, on both ways.
fn said_by(answer: &Answer) -> Result<Option<&'static str>, String> {
    const WHY: Option<&str> = Some("allowed; rule=whoami");
    match ["x-policy", "x-why-old", "x-why-new"].map(|name| answer.text(name)) {
        [None, None, None] => Ok(None),
        [Some("old"), why, None] if why == WHY => Ok(Some("old")),
        [Some("new"), None, why] if why == WHY => Ok(Some("new")),
        mixed => Err(format!("judged by two policies: {mixed:?}")),
    }
}

/// Waits until one policy answers on all of these connections.
fn all_say(open: &mut [Connection], request: &[u8], expected: Option<&str>) -> Result<(), String> {
    let mut last = Ok(Vec::new());
    let alike = || {
        let answers = open.iter_mut().map(|connection| {
            connection.write(request)?;
            said_by(&connection.read(false)?)
        });
        last = answers.collect::<Result<Vec<_>, String>>();
        last.as_ref().map_or(true, |said| said.iter().all(|s| *s == expected)).then_some(())
    };
    let ended = wait_for(TAKEN, alike);
    let said = last?;
    ended.ok_or_else(|| format!("expected {expected:?} of all, got {said:?}"))
}

/// Requests that are judged, and whose ends the upstream waits for, of each worker.
fn held(stage: &Stage, bearer: &str) -> Result<Vec<Connection>, String> {
    let mut open = stage.gateway.connections(4)?;
    stage.gateway.forget()?;
    let head = format!(
        "POST /__echo HTTP/1.1\r\nHost: api.example.com\r\n{bearer}\r\nContent-Length: 4\r\n\r\n"
    );
    for connection in &mut open {
        connection.write(head.as_bytes())?;
    }
    let there = || stage.gateway.seen().ok().filter(|seen| seen.len() == 4);
    wait_for(PATIENCE, there).ok_or("the upstream does not get what is in flight")?;
    Ok(open)
}

/// Asks on and on, on one connection or on ever new ones; what the answers said.
fn ask_on(
    stage: &Stage,
    request: &[u8],
    anew: bool,
    stop: &AtomicBool,
) -> Result<Vec<Option<&'static str>>, String> {
    let open = || Connection::open(stage.gateway.address(), PATIENCE);
    let mut connection = open()?;
    let mut said = Vec::new();
    while !stop.load(Ordering::Relaxed) {
        if anew {
            connection = open()?;
        }
        connection.write(request)?;
        let answer = connection.read(false)?;
        same("during the change", 200, answer.status)?;
        said.push(said_by(&answer)?);
    }
    let changes = said.windows(2).filter(|two| two[0] != two[1]).count();
    if said.contains(&None) || (!anew && changes > 1) {
        return Err(format!("answers were of {said:?}"));
    }
    Ok(said)
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

/// Another policy, and another module, which is a new VM on each worker, go on with the
/// counts; so does the one that was there before.
pub(super) fn counts_stay(stage: &Stage) -> Result<(), String> {
    /// Of the plan `tiny`, one request comes back after so long.
    const BACK: Duration = Duration::from_secs(12);
    // What takes longer says nothing: a machine that is busy gets three times to be quick.
    for n in 0..3 {
        let begun = Instant::now();
        let left = counts_left(stage, &format!("outlives-{n}"))?;
        if begun.elapsed() < BACK {
            return same(
                "left: before, under another policy, in new VMs, and back",
                [4, 3, 2, 1, 0],
                left,
            );
        }
    }
    Err(format!("it takes longer than {BACK:?}"))
}

/// What a caller has left after each of five requests.
fn counts_left(stage: &Stage, subject: &str) -> Result<[u64; 5], String> {
    let bearer = format!("Authorization: Bearer {}", token(subject, "tiny")?);
    let spend = || -> Result<u64, String> {
        let answer = ask(stage, PUBLIC, &[&bearer])?;
        same("admitted", 200, answer.status)?;
        let field = answer.text("ratelimit").unwrap_or_default();
        let left = field.split(';').find_map(|part| part.strip_prefix("r=")?.parse().ok());
        left.ok_or_else(|| format!("no `r` in `{field}`"))
    };
    let (first, second) = (spend()?, spend()?);
    let before = counts(stage, "config_reload")?;
    let edited = Edited::new(stage, "rate-limit", "ipv6_prefix: 64", "ipv6_prefix: 56")?;
    stage.gateway.apply()?;
    only(stage, "rate-limit", "config_reload", &before)?;
    let under_another = spend()?;
    let taken = || Ok::<u64, String>(counts(stage, "config_reload")?.iter().sum());
    // Two plugins run it.
    let both = |before: u64| {
        let all = || taken().ok().filter(|now| *now >= before + 2);
        wait_for(TAKEN, all).ok_or("the module is not taken")
    };
    let before = taken()?;
    stage.gateway.apply_with(&another_module(stage, "rate-limit")?)?;
    both(before)?;
    let in_new_vms = spend()?;
    let before = taken()?;
    drop(edited);
    both(before)?;
    Ok([first, second, under_another, in_new_vms, spend()?])
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
