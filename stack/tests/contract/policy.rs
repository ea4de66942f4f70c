//! The demo's `auth` policy admits what the demo hands out: its keys and digests are copies.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use postern_stack::data::Data;
use serde_json::Value;

fn policy() -> Value {
    let text = include_str!("../../../envoy/filters/auth.yaml");
    let node = postern_cli::yaml::parse(text).unwrap_or_else(|errors| panic!("{errors}"));
    serde_json::from_str(&node.to_json()).unwrap()
}

fn by<'v>(name: &str, entries: impl Iterator<Item = &'v Value>) -> BTreeMap<&'v str, &'v Value> {
    entries.map(|entry| (entry[name].as_str().unwrap(), entry)).collect()
}

#[test]
fn keys_of_the_identity_provider() {
    let policy = policy();
    let jwt = &policy["providers"]["idp"]["jwt"];
    let algorithms = jwt["algorithms"].as_array().unwrap();
    let inline = jwt["keys"].as_array().unwrap().iter().find_map(|it| it.get("jwks")).unwrap();
    let committed: Value = serde_json::from_str(include_str!("../../keys/jwks.json")).unwrap();
    let listed = |key: &&Value| algorithms.contains(&key["alg"]);
    let expected = by("kid", committed["keys"].as_array().unwrap().iter().filter(listed));
    assert_eq!(expected.len(), 5);
    assert_eq!(by("kid", inline["keys"].as_array().unwrap().iter()), expected);
}

#[test]
fn digests_of_the_api_keys() {
    let policy = policy();
    let entries = policy["providers"]["keys"]["api_key"]["keys"].as_array().unwrap();
    let found: BTreeMap<&str, &str> = by("subject", entries.iter())
        .into_iter()
        .map(|(subject, entry)| (subject, entry["sha256"].as_str().unwrap()))
        .collect();
    let keys = Data::embedded().unwrap().api_keys;
    let digests: Vec<String> = keys.iter().map(|it| sha256(&it.key)).collect();
    let expected: BTreeMap<&str, &str> = keys
        .iter()
        .zip(&digests)
        .map(|(it, digest)| (it.subject.as_str(), digest.as_str()))
        .collect();
    assert_eq!(found, expected);

    // Old clients send the same as a secret.
    let users = policy["providers"]["old-clients"]["basic"]["users"].as_array().unwrap();
    let found: BTreeMap<&str, &str> = by("user", users.iter())
        .into_iter()
        .map(|(user, entry)| (user, entry["sha256"].as_str().unwrap()))
        .collect();
    assert_eq!(found, expected);
}

fn sha256(text: &str) -> String {
    let digest = ring::digest::digest(&ring::digest::SHA256, text.as_bytes());
    digest.as_ref().iter().fold(String::new(), |mut hex, byte| {
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}
