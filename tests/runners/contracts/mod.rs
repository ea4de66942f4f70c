//! The demo is held to the old gateway's recorded contracts, and to programs in the
//! manner of its clients, on a real Envoy, over http and https.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use postern_cli::contract::wire::Gateway as Address;
use postern_cli::contract::{Contract, Pair, Values, report, verify};
use postern_tests::client::Wire;
use postern_tests::corpus::workspace;
use postern_tests::gateway::{Gateway, minute, wait_for};
use postern_tests::python;
use serde_json::{Value, json};

use crate::behaviour::same;

/// A test of the contracts.
pub type Test = fn(&Gateway) -> Result<(), String>;

/// All of them.
pub const ALL: &[(&str, Test)] = &[
    ("the_marketplace_is_answered_as_recorded", marketplace),
    ("and_over_tls", over_tls),
    ("and_over_the_limit", limits),
    ("and_over_the_limit_of_the_old_host", old_limits),
    ("a_contract_that_is_not_kept_is_told", broken),
    ("a_contract_that_is_recorded_is_kept", recorded),
    ("old_clients_never_notice", clients),
    ("old_clients_in_ruby_never_notice", ruby),
];

/// Starts the demo.
pub fn start() -> Result<Gateway, String> {
    Gateway::start("contracts")
}

const MARKETPLACE: &str = "tests/contracts/marketplace.yaml";

fn contract(file: &str, set: &Values) -> Result<Contract, String> {
    Contract::read(&workspace().join(file), set, &|_| None)
        .map_err(|found| found.iter().map(|f| format!("{f}\n")).collect())
}

fn plain(on: &Gateway) -> String {
    format!("http://{}", on.address())
}

fn held<'c>(
    on: &Gateway,
    file: &str,
    url: &str,
    pairs: impl Iterator<Item = &'c Pair>,
    at_least: usize,
) -> Result<(), String> {
    let address = Address::new(url, Some(&on.run.join("ca.pem")))?;
    let verdicts = verify(pairs, &address, None);
    if verdicts.len() < at_least || verdicts.iter().any(|v| !v.differences.is_empty()) {
        return Err(report(file, &verdicts));
    }
    Ok(())
}

/// Waits until the old API has room for so many requests of this address, and with the
/// key of the demo's first user: other tests ask too, and a window is a minute.
fn room(on: &Gateway, needed: usize) -> Result<(), String> {
    let key = "pk_demo_northwind_0123456789abcdef0123456789";
    let paths = ["/api/v3/user:northwind.json", &format!("/api/v3/northwind/{key}/vitals.json")];
    let is_there = || {
        paths.iter().all(|path| {
            let answer = on.send(&Wire::get("marketplace.example.com", path, &[])).ok();
            let left = answer.and_then(|a| a.text("x-ratelimit-remaining")?.parse::<usize>().ok());
            left.is_some_and(|left| left >= needed)
        })
    };
    // Not so often that asking leaves no room.
    let mut asked = None;
    let so = || {
        let now = minute();
        (asked.replace(now) != Some(now) && is_there()).then_some(())
    };
    wait_for(Duration::from_secs(130), so).ok_or_else(|| format!("no room for {needed} requests"))
}

fn marketplace(on: &Gateway) -> Result<(), String> {
    let contract = contract(MARKETPLACE, &Values::new())?;
    held(on, MARKETPLACE, &plain(on), contract.pairs.iter(), 115)
}

/// Each pair once, not in every version.
fn over_tls(on: &Gateway) -> Result<(), String> {
    room(on, 50)?;
    let contract = contract(MARKETPLACE, &Values::new())?;
    let mut seen = BTreeSet::new();
    let once = contract.pairs.iter().filter(|pair| seen.insert(pair.index));
    held(on, MARKETPLACE, &format!("https://{}", on.tls()), once, 58)
}

fn limits(on: &Gateway) -> Result<(), String> {
    let token = token(on, "contract-of-limits", "tiny")?;
    let set = Values::from([("token".to_owned(), token)]);
    let file = "tests/contracts/limits.yaml";
    held(on, file, &plain(on), contract(file, &set)?.pairs.iter(), 6)
}

/// On a gateway of its own: nobody else may ask for anything in this minute. The window is
/// an aligned one; where it ends meanwhile, once more.
fn old_limits(_: &Gateway) -> Result<(), String> {
    const FILE: &str = "tests/contracts/old-limits.yaml";
    let on = Gateway::start("contracts-limits")?;
    let contract = contract(FILE, &Values::new())?;
    let private = "/api/v3/quillhaven/pk_demo_quillhaven_0123456789abcdef012345678/vitals.json";
    let mut kept = Ok(());
    for _ in 0..2 {
        let begun = minute();
        for path in ["/api/v3/user:northwind.json", private] {
            for _ in 0..100 {
                let answer = on.send(&Wire::get("marketplace.example.com", path, &[]))?;
                if answer.status == 429 {
                    break;
                }
            }
        }
        kept = held(&on, FILE, &plain(&on), contract.pairs.iter(), 8);
        if minute() == begun {
            break;
        }
    }
    kept
}

fn token(on: &Gateway, sub: &str, plan: &str) -> Result<String, String> {
    let minted = on.tell_idp("POST", "/mint", &json!({"sub": sub, "claims": {"plan": plan}}))?;
    minted["access_token"].as_str().map(str::to_owned).ok_or_else(|| minted.to_string())
}

fn tool(on: &Gateway, words: &[&str]) -> Result<(Option<i32>, String, String), String> {
    let tool = std::env::var_os("POSTERN_BIN_DIR")
        .map_or_else(|| workspace().join("target/tool"), PathBuf::from)
        .join("postern");
    let output = Command::new(&tool)
        .arg("contract")
        .args(words)
        .args(["--gateway", &plain(on)])
        .output()
        .map_err(|e| format!("{}: {e}", tool.display()))?;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Ok((output.status.code(), text(&output.stdout), text(&output.stderr)))
}

/// One byte of one answer.
fn broken(on: &Gateway) -> Result<(), String> {
    let text = "ignore_headers: ['*']\npairs:\n  - name: kept\n    request: {target: /v1/market/\
                total-items.json}\n    answer: {status: 200, body: {text: \
                '{\"total-items\":{\"total_items\":\"40\"}}'}}\n  - name: broken\n    request: \
                {target: /v1/market/total-items.json}\n    answer: {status: 200, body: {text: \
                '{\"total-items\":{\"total_items\":\"41\"}}'}}\n";
    let file = on.run.join("broken.yaml");
    std::fs::write(&file, text).map_err(|e| e.to_string())?;
    let file = file.to_string_lossy().into_owned();
    let (status, told, _) = tool(on, &["verify", &file])?;
    let expected = format!(
        "{file}:6: broken: GET /v1/market/total-items.json\n    body: from byte 32 on: expected \
         `1\"}}}}`, but got `0\"}}}}`\n{file}: 1 of 2 kept\n"
    );
    same("told", (Some(1), expected), (status, told))?;
    let (status, told, _) = tool(on, &["verify", &file, "--json"])?;
    let told: Value = serde_json::from_str(&told).map_err(|e| format!("{e}: {told}"))?;
    same(
        "as JSON",
        (Some(1), json!([true, false])),
        (status, json!([told[0]["kept"], told[1]["kept"]])),
    )?;
    // Wrong usage, and a file that is no contract.
    let (status, _, why) = tool(on, &["verify", &file, "--deadline", "soon"])?;
    let expected = "error: expected a duration over zero such as `500ms` or `14s` behind \
                    `--deadline`, but found `soon`\n";
    same("usage", (Some(2), expected.to_owned()), (status, why))?;
    std::fs::write(&file, "pairs: [{name: a}]\n").map_err(|e| e.to_string())?;
    let (status, told, why) = tool(on, &["verify", &file])?;
    same("no contract", (Some(1), ""), (status, told.as_str()))?;
    let expected = format!("{file}:1:9: pairs[0]: missing key `request`");
    if why.starts_with(&expected) { Ok(()) } else { Err(why) }
}

fn recorded(on: &Gateway) -> Result<(), String> {
    let text = "ignore_headers: [date, x-request-id, x-ratelimit-remaining]\npairs:\n  - name: user\n    \
                each: {version: [edge, v3]}\n    request:\n      target: /api/${version}/user:northwind.json\n      \
                headers: ['Host: marketplace.example.com']\n";
    let file = on.run.join("recorded.yaml");
    std::fs::write(&file, text).map_err(|e| e.to_string())?;
    let name = file.to_string_lossy().into_owned();
    let (status, told, why) = tool(on, &["record", &name])?;
    same("recorded", (Some(0), String::new()), (status, why))?;
    std::fs::write(&file, told).map_err(|e| e.to_string())?;
    let (status, told, _) = tool(on, &["verify", &name])?;
    same("kept", (Some(0), format!("{name}: 2 of 2 kept\n")), (status, told))
}

fn clients(on: &Gateway) -> Result<(), String> {
    room(on, 50)?;
    let python = python::with("limits-python", "tests/libraries/limits/requirements.txt")?;
    let ca = on.run.join("ca.pem");
    let words = [
        &plain(on),
        &format!("https://{}", on.tls()),
        &ca.to_string_lossy().into_owned(),
        &token(on, "northwind", "load")?,
        &token(on, "contract-of-clients", "tiny")?,
    ];
    let printed =
        python::script_with(&python, "tests/libraries/old_clients.py", &words.map(String::as_str))?;
    let line = |line: &str| {
        let line: Value = serde_json::from_str(line).unwrap_or_default();
        format!(
            "{} {}",
            line["client"].as_str().unwrap_or_default(),
            line["over"].as_str().unwrap_or_default()
        )
    };
    let seen: BTreeSet<String> = printed.lines().map(line).collect();
    let clients = [
        "in_ruby",
        "in_php_by_curl",
        "in_wordpress",
        "in_php_by_streams",
        "that_encode",
        "that_wait",
    ];
    let all =
        clients.iter().flat_map(|c| ["http", "https"].map(|over| format!("{c} {over}"))).collect();
    same("clients", all, seen)
}

/// A client in the language of the old ones, with what that has by itself.
fn ruby(on: &Gateway) -> Result<(), String> {
    room(on, 20)?;
    let output = Command::new("ruby")
        .arg(workspace().join("tests/libraries/old_client.rb"))
        .args([plain(on), format!("https://{}", on.tls())])
        .arg(on.run.join("ca.pem"))
        .output()
        .map_err(|e| format!("ruby: {e}"))?;
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let all = "ruby http\nruby https\n".to_owned();
    same(&String::from_utf8_lossy(&output.stderr), (true, all), (output.status.success(), said))
}
