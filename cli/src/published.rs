//! What rules of `authz` and limits of `rate-limit` ask of a caller, beside what the policies of `auth` in the same
//! folder tell of one: a claim that nobody publishes is nobody's.

use std::collections::{BTreeMap, BTreeSet};

use postern_core::config::{At, Errors, Node, Value, meant};

use crate::finding::Finding;
use crate::policy::{Kind, Policy, text_of};

/// Members of every identity, which a claim may name.
const MEMBERS: [&str; 6] = ["client", "credential", "iss", "plan", "provider", "sub"];

/// Keys whose members are named as their author likes.
const FREE: [&str; 5] = ["conditions", "request_headers", "response_headers", "tags", "texts"];

/// What the policies of one folder tell of callers.
#[derive(Debug, Default)]
struct Told {
    /// The files, for people.
    files: String,
    providers: BTreeSet<String>,
    claims: BTreeSet<String>,
    /// Who names subjects and clients as they like: an issuer, by its providers' names.
    issuers: BTreeMap<String, String>,
}

/// The places at which a policy asks for what no provider of these policies tells.
pub(crate) fn asked_in_vain<'p>(
    policy: &Policy,
    all: impl Iterator<Item = &'p Policy>,
) -> Vec<Finding> {
    let beside =
        |other: &&Policy| other.kind == Kind::Auth && other.file.parent() == policy.file.parent();
    let mut warnings = Errors::default();
    // From elsewhere comes what else there is.
    let asks = matches!(policy.kind, Kind::Authz | Kind::RateLimit);
    if asks && policy.node.get("identity").is_none() {
        let told = told(all.filter(beside));
        if !told.files.is_empty() {
            walk(At::root(&policy.node), "", &told, &mut warnings);
        }
    }
    policy.findings(&warnings)
}

fn told<'p>(policies: impl Iterator<Item = &'p Policy>) -> Told {
    let mut told = Told::default();
    for policy in policies {
        let file = policy.file.file_name().unwrap_or_default().to_string_lossy();
        let and = if told.files.is_empty() { "" } else { " and " };
        told.files.push_str(&format!("{and}`{file}`"));
        let Some(Value::Map(providers)) = policy.node.get("providers").map(|p| &p.value) else {
            continue;
        };
        for (name, provider) in providers {
            told.providers.insert(name.text.clone());
            let Value::Map(kinds) = &provider.value else { continue };
            for (kind, config) in kinds {
                if let "jwt" | "introspection" | "certificate" = kind.text.as_str() {
                    let issuer = config.get("issuer").and_then(text_of).unwrap_or(&name.text);
                    told.issuers.entry(issuer.to_owned()).or_insert_with(|| name.text.clone());
                }
            }
            let claims = kinds.iter().filter_map(|(_, kind)| kind.get("claims"));
            told.claims.extend(claims.flat_map(names));
        }
    }
    told
}

/// The names under which claims reach the identity.
fn names(list: &Node) -> Vec<String> {
    let Value::List(items) = &list.value else { return Vec::new() };
    items
        .iter()
        .filter_map(|item| text_of(item.get("to").unwrap_or(item)))
        .map(str::to_owned)
        .collect()
}

fn walk(at: At<'_>, under: &str, told: &Told, warnings: &mut Errors) {
    match &at.node().value {
        Value::Map(entries) => {
            for (key, node) in entries {
                let at = at.key(&key.text, node);
                let name = key.text.as_str();
                match name {
                    _ if FREE.contains(&under) => walk(at, "", told, warnings),
                    "claim" => {
                        text_of(node).map_or((), |claim| of_claim(at, claim, told, warnings))
                    }
                    "any_role" | "all_roles" => of_claim(at, "roles", told, warnings),
                    "any_group" | "all_groups" => of_claim(at, "groups", told, warnings),
                    "providers" => of_providers(at, told, warnings),
                    "callers" => {
                        of_callers(at, told, warnings);
                        walk(at, name, told, warnings);
                    }
                    _ => walk(at, name, told, warnings),
                }
            }
        }
        Value::List(items) => {
            for (i, item) in items.iter().enumerate() {
                walk(at.index(i, item), "", told, warnings);
            }
        }
        _ => {}
    }
}

fn of_claim(at: At<'_>, claim: &str, told: &Told, warnings: &mut Errors) {
    if MEMBERS.contains(&claim) || told.claims.contains(claim) {
        return;
    }
    let message = format!("no provider of {} publishes the claim `{claim}`", told.files);
    at.error(warnings, message);
}

/// Subjects and clients are an issuer's own: another one may have the same.
fn of_callers(at: At<'_>, told: &Told, warnings: &mut Errors) {
    let has = |key: &str| at.node().get(key).is_some();
    let Some(key) = ["subjects", "clients"].into_iter().find(|key| has(key)) else { return };
    if told.issuers.len() < 2 || has("issuers") || has("providers") {
        return;
    }
    let names: Vec<String> = told.issuers.values().map(|name| format!("`{name}`")).collect();
    let message = format!(
        "each of the providers {} of {} can name these `{key}`: say whose are meant, by `issuers` \
         or `providers`",
        names.join(", "),
        told.files
    );
    at.error(warnings, message);
}

fn of_providers(at: At<'_>, told: &Told, warnings: &mut Errors) {
    let Value::List(items) = &at.node().value else { return };
    let known: Vec<&str> = told.providers.iter().map(String::as_str).collect();
    for (i, item) in items.iter().enumerate() {
        let Some(name) = text_of(item).filter(|name| !told.providers.contains(*name)) else {
            continue;
        };
        let message = format!("no provider of {} has the name `{name}`", told.files);
        let hint =
            if known.len() <= 8 { format!(", {}", meant(&known, name)) } else { String::new() };
        at.index(i, item).error(warnings, message + &hint);
    }
}
