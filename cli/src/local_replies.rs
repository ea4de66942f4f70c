//! Answers that pass no filter, in the words of the proxy's `local_reply_config`: what
//! `local_replies` of a policy of legacy-compat comes to, as mappers.

use postern_core::Filter;
use postern_core::config::{At, Errors, Node, Value, parse_json};
use postern_legacy_compat::{LegacyCompat, LocalReply};
use serde_json::json;

use crate::finding::Finding;
use crate::policy::{Kind, Policy, text_of};
use crate::written;

/// Statuses that the proxy may answer by itself.
const STATUSES: std::ops::RangeInclusive<u16> = 400..=599;

/// What `%RESPONSE_CODE%` is for in the proxy's formats.
const STATUS: &str = "%RESPONSE_CODE%";

/// The mappers of a policy, in order; none if it has no `local_replies`.
///
/// # Errors
/// What cannot be told without a filter, each with its place.
pub fn mappers(policy: &Policy) -> Result<Vec<Node>, Vec<Finding>> {
    let entries = match policy.node.get("local_replies").map(|n| &n.value) {
        Some(Value::List(entries)) if policy.kind == Kind::LegacyCompat => entries.as_slice(),
        _ => return Ok(Vec::new()),
    };
    let filter =
        LegacyCompat::configure(&policy.node, &|_| None).map_err(|e| policy.findings(&e))?;
    let mut errors = Errors::default();
    let root = At::root(&policy.node);
    let mut out = Vec::new();
    for (index, entry) in entries.iter().enumerate() {
        let list = root.key("local_replies", entry);
        let at = list.index(index, entry);
        let who = entry.get("match").map(|node| conditions(at.key("match", node), &mut errors));
        let reply = |status| filter.local_replies(status).into_iter().nth(index).flatten();
        for (made, statuses) in groups(reply) {
            out.push(mapper(who.as_deref().unwrap_or_default(), &made, &statuses));
        }
    }
    if !errors.is_empty() {
        return Err(policy.findings(&errors));
    }
    // What was built here is JSON that reads.
    Ok(out.iter().filter_map(|m| parse_json(m.to_string().as_bytes()).ok()).collect())
}

/// The mappers as YAML, to stand under `local_reply_config`.
#[must_use]
pub fn shown(mappers: &[Node]) -> String {
    written::yaml(&Node::unplaced(Value::List(mappers.to_vec())))
}

/// The listeners of a bootstrap whose mappers do not begin with these.
#[must_use]
pub fn stale(policy: &Policy, bootstrap: &Node) -> Vec<Finding> {
    let Ok(mappers) = mappers(policy) else { return Vec::new() };
    if mappers.is_empty() {
        return Vec::new();
    }
    let mut managers = Vec::new();
    managers_of(bootstrap, &policy.plugin, &mut managers);
    let is_current = |manager: &&Node| {
        let config = manager.get("local_reply_config").or_else(|| manager.get("localReplyConfig"));
        let Some(Value::List(found)) = config.and_then(|c| c.get("mappers")).map(|m| &m.value)
        else {
            return false;
        };
        found.len() >= mappers.len()
            && found.iter().zip(&mappers).all(|(found, made)| found.to_json() == made.to_json())
    };
    if managers.iter().all(is_current) {
        return Vec::new();
    }
    let mut errors = Errors::default();
    if let Some(node) = policy.node.get("local_replies") {
        At::root(&policy.node).key("local_replies", node).error(
            &mut errors,
            "the bootstrap's `local_reply_config` does not begin with the mappers of these: \
             `postern local-replies` prints them",
        );
    }
    policy.findings(&errors)
}

/// The HTTP connection managers that mount a plugin.
fn managers_of<'n>(node: &'n Node, plugin: &str, out: &mut Vec<&'n Node>) {
    match &node.value {
        Value::Map(entries) => {
            let filters = node.get("http_filters").or_else(|| node.get("httpFilters"));
            if let Some(Value::List(filters)) = filters.map(|f| &f.value)
                && filters.iter().any(|f| f.get("name").and_then(text_of) == Some(plugin))
            {
                out.push(node);
            }
            entries.iter().for_each(|(_, inner)| managers_of(inner, plugin, out));
        }
        Value::List(items) => items.iter().for_each(|item| managers_of(item, plugin, out)),
        _ => {}
    }
}

/// What an answer becomes, said for all statuses of which that is true.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Made {
    /// Another status.
    status: Option<u16>,
    headers: Vec<(String, String)>,
    content_type: Option<String>,
    body: Option<String>,
}

impl Made {
    fn of(status: u16, reply: LocalReply) -> Made {
        let mut headers = reply.headers;
        let at = headers.iter().position(|(name, _)| name == "content-type");
        let content_type = at.map(|at| headers.remove(at).1);
        let body = reply.body.map(|body| {
            // A `%` begins a variable of the proxy's.
            let body = body.replace('%', "%%");
            if reply.status.is_some() { body } else { body.replace(&status.to_string(), STATUS) }
        });
        let headers = headers.into_iter().map(|(n, v)| (n, v.replace('%', "%%"))).collect();
        Made { status: reply.status, headers, content_type, body }
    }
}

/// Which answers become the same, the fewest statuses first. Ranges with both ends:
/// they take in what mappers before them have taken already.
fn groups(reply: impl Fn(u16) -> Option<LocalReply>) -> Vec<(Made, Vec<(u16, u16)>)> {
    let mut groups: Vec<(Made, Vec<u16>)> = Vec::new();
    for status in STATUSES {
        let Some(made) = reply(status).map(|reply| Made::of(status, reply)) else { continue };
        match groups.iter_mut().find(|(other, _)| *other == made) {
            Some((_, statuses)) => statuses.push(status),
            None => groups.push((made, vec![status])),
        }
    }
    groups.sort_by_key(|(_, statuses)| statuses.len());
    let mut taken: Vec<u16> = Vec::new();
    let mut out = Vec::new();
    for (made, statuses) in groups {
        let mut ranges: Vec<(u16, u16)> = Vec::new();
        let mut end = None;
        for status in STATUSES {
            if statuses.contains(&status) {
                match ranges.last_mut().filter(|(_, last)| end == Some(*last)) {
                    Some((_, last)) => *last = status,
                    None => ranges.push((status, status)),
                }
                end = Some(status);
            } else if !taken.contains(&status) {
                end = None;
            }
        }
        // To the last status, if all behind it are taken.
        if let (Some((_, last)), Some(_)) = (ranges.last_mut(), end) {
            *last = *STATUSES.end();
        }
        taken.extend(statuses);
        out.push((made, ranges));
    }
    out
}

fn status_filter(op: &str, status: u16) -> serde_json::Value {
    json!({"status_code_filter": {"comparison": {
        "op": op,
        "value": {"default_value": status, "runtime_key": "postern.unused"},
    }}})
}

fn any(mut filters: Vec<serde_json::Value>) -> Option<serde_json::Value> {
    match filters.len() {
        0 => None,
        1 => filters.pop(),
        _ => Some(json!({"or_filter": {"filters": filters}})),
    }
}

fn mapper(who: &[serde_json::Value], made: &Made, statuses: &[(u16, u16)]) -> serde_json::Value {
    // The filters' own answers have no details, and none of these mappers.
    let mut all = vec![json!({"extension_filter": {
        "name": "envoy.access_loggers.extension_filters.cel",
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.access_loggers.filters.cel.v3.ExpressionFilter",
            "expression": "response.code_details != ''",
        },
    }})];
    all.extend(who.iter().cloned());
    let range = |(first, last): &(u16, u16)| match (*first, *last) {
        (first, last) if first == last => status_filter("EQ", first),
        (first, last) => {
            let mut ends = vec![status_filter("GE", first)];
            if last < *STATUSES.end() {
                ends.push(status_filter("LE", last));
            }
            match ends.len() {
                1 => ends.remove(0),
                _ => json!({"and_filter": {"filters": ends}}),
            }
        }
    };
    all.extend(any(statuses.iter().map(range).collect()));
    let mut out = json!({"filter": {"and_filter": {"filters": all}}});
    let header = |(name, value): &(String, String)| {
        json!({
            "header": {"key": name, "value": value},
            "append_action": "OVERWRITE_IF_EXISTS_OR_ADD",
        })
    };
    if let Some(map) = out.as_object_mut() {
        if let Some(status) = made.status {
            map.insert("status_code".to_owned(), json!(status));
        }
        if !made.headers.is_empty() {
            let headers = made.headers.iter().map(header).collect();
            map.insert("headers_to_add".to_owned(), headers);
        }
        if let Some(body) = &made.body {
            let mut format = json!({"text_format_source": {"inline_string": body}});
            if let (Some(content_type), Some(format)) = (&made.content_type, format.as_object_mut())
            {
                format.insert("content_type".to_owned(), json!(content_type));
            }
            map.insert("body_format_override".to_owned(), format);
        }
    }
    out
}

/// The conditions of a `match` as filters of the proxy's access log, all of which hold.
fn conditions(at: At<'_>, errors: &mut Errors) -> Vec<serde_json::Value> {
    let Value::Map(entries) = &at.node().value else { return Vec::new() };
    let mut out = Vec::new();
    for (key, node) in entries {
        let here = at.key(&key.text, node);
        let Value::List(items) = &node.value else { continue };
        let texts = || items.iter().filter_map(text_of);
        match key.text.as_str() {
            "hosts" => {
                let hosts = texts().map(host).collect::<Vec<_>>().join("|");
                // In any case, with a dot at the end, with any port.
                out.push(matching(":authority", &format!(r"(?i)({hosts})\.*(:[0-9]*)?")));
            }
            "methods" => out.extend(any(texts().map(|m| exact(":method", m)).collect())),
            "paths" => {
                for (i, item) in items.iter().enumerate() {
                    let text = text_of(item).unwrap_or_default();
                    let plain = text.strip_suffix("/**").unwrap_or(text);
                    if plain.contains(['*', '{', '}']) {
                        here.index(i, item).error(
                            errors,
                            "the proxy cannot tell this without a filter: expected a path without \
                             captures and `*`, but for `/**` at its end",
                        );
                    }
                }
                let paths = texts().map(path).collect::<Vec<_>>().join("|");
                out.push(matching(":path", &format!("({paths})")));
            }
            "headers" => out.extend(items.iter().filter_map(header)),
            "any_header" => out.extend(any(items.iter().filter_map(header).collect())),
            _ => here.error(errors, "the proxy cannot tell this without a filter"),
        }
    }
    out
}

fn matching(name: &str, regex: &str) -> serde_json::Value {
    json!({"header_filter": {"header": {
        "name": name,
        "string_match": {"safe_regex": {"regex": regex}},
    }}})
}

fn exact(name: &str, value: &str) -> serde_json::Value {
    json!({"header_filter": {"header": {"name": name, "string_match": {"exact": value}}}})
}

/// A text that stands for itself in RE2.
fn quoted(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_ascii() && !c.is_ascii_alphanumeric() && !"/-_".contains(c) {
            out.push('\\');
        }
        out.push(c);
    }
    out
}

fn host(text: &str) -> String {
    match text.strip_prefix("*.") {
        Some(below) => format!(r"[^:]+\.{}", quoted(below)),
        None => quoted(text),
    }
}

/// The path, and whatever query follows.
fn path(text: &str) -> String {
    match text.strip_suffix("/**") {
        Some(above) => format!("{}/.*", quoted(above)),
        None => format!(r"{}(\?.*)?", quoted(text)),
    }
}

fn header(node: &Node) -> Option<serde_json::Value> {
    let name = text_of(node.get("name")?)?.to_ascii_lowercase();
    let list = |key: &str| match node.get(key).map(|n| &n.value) {
        Some(Value::List(items)) => items.iter().filter_map(text_of).collect(),
        _ => Vec::new(),
    };
    if let Some(Value::Bool(present)) = node.get("present").map(|n| &n.value) {
        return Some(
            json!({"header_filter": {"header": {"name": name, "present_match": present}}}),
        );
    }
    let tests = list("exact").into_iter().map(|value| exact(&name, value));
    let prefixes = list("prefix").into_iter().map(|value| {
        json!({"header_filter": {"header": {"name": name, "string_match": {"prefix": value}}}})
    });
    any(tests.chain(prefixes).collect())
}

#[cfg(test)]
mod tests;
