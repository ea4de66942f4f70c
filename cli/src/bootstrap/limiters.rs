//! What writes rate-limit fields beside `rate-limit`: stock limiters of the proxy, and
//! further mounts. A client that knows one dialect may choke on two.

use std::path::Path;

use postern_core::config::{At, Errors, Node, Value};

use crate::finding::Finding;
use crate::policy::{Kind, Policy, text_of};

/// The stock filters that write such fields where they are told to.
const STOCK: [&str; 2] = ["http.ratelimit.v3.RateLimit", "http.local_ratelimit.v3.LocalRateLimit"];

/// A chain's filters whose fields clash, as warnings.
#[must_use]
pub fn clash<'p>(
    file: &Path,
    bootstrap: &Node,
    policies: impl Iterator<Item = &'p Policy> + Clone,
) -> Vec<Finding> {
    let mut errors = Errors::default();
    let own = policies.filter(|policy| policy.kind == Kind::RateLimit);
    let own: Vec<&Policy> = own.collect();
    walk(At::root(bootstrap), &own, &mut errors);
    Finding::all_of(file, &errors)
}

fn walk(at: At<'_>, own: &[&Policy], errors: &mut Errors) {
    match &at.node().value {
        Value::Map(entries) => {
            for (key, node) in entries {
                let routes = at.node();
                let at = at.key(&key.text, node);
                if key.text == "http_filters" {
                    chain(at, routes, own, errors);
                }
                walk(at, own, errors);
            }
        }
        Value::List(items) => {
            for (i, item) in items.iter().enumerate() {
                walk(at.index(i, item), own, errors);
            }
        }
        _ => {}
    }
}

/// Answers pass a chain from its end. `routes`: where its own stand, if they stand here.
fn chain(at: At<'_>, routes: &Node, own: &[&Policy], errors: &mut Errors) {
    let Value::List(filters) = &at.node().value else { return };
    let name = |filter: &Node| filter.get("name").and_then(text_of).unwrap_or_default().to_owned();
    let mount = |filter: &Node| own.iter().find(|policy| policy.plugin == name(filter));
    for (i, filter) in filters.iter().enumerate() {
        let at = at.index(i, filter);
        let behind = filters.get(i + 1..).unwrap_or_default();
        let inner = behind.iter().find_map(mount);
        let by_route = writes_by_route(routes, &name(filter));
        if filter.get("typed_config").is_some_and(writes) || by_route {
            let said = if by_route { "` (by `typed_per_filter_config` of a route)" } else { "`" };
            let stock = format!("{}{said}", name(filter));
            let before = filters.get(..i).unwrap_or_default().iter().rev().find_map(mount);
            if let Some(inner) = inner {
                at.error(errors, format!(
                    "`{stock} writes `X-RateLimit-…` beside what `{0}` says, and answers come to \
                     `{0}` first: mount it behind `{0}`, which takes its fields off or says them \
                     again (`observe`), or take out `enable_x_ratelimit_headers`",
                    inner.plugin
                ));
            } else if let Some(outer) = before.filter(|outer| leaves(&outer.node)) {
                at.error(errors, format!(
                    "`{stock} writes `X-RateLimit-…`, which `{}` leaves beside its own by `beside: \
                     replace`: leave that out, or `observe` them",
                    outer.plugin
                ));
            }
        }
        if let Some((outer, inner)) = mount(filter).zip(inner)
            && tells(&outer.node)
        {
            at.error(errors, format!(
                "`{}` takes off what `{}` says of its limits: with `beside: join` both are told, \
                 with `answers: refused` in each dialect it says nothing of what passes",
                outer.plugin, inner.plugin
            ));
        }
    }
}

fn writes(config: &Node) -> bool {
    let kind = config.get("@type").and_then(text_of).unwrap_or_default();
    let told = config.get("enable_x_ratelimit_headers");
    STOCK.iter().any(|stock| kind.ends_with(stock))
        && told.is_some_and(|node| !matches!(text_of(node), Some("OFF")))
}

/// Does a route, a virtual host or a table of routes have such a filter write?
fn writes_by_route(node: &Node, filter: &str) -> bool {
    match &node.value {
        Value::Map(entries) => {
            let own = node.get("typed_per_filter_config").and_then(|all| all.get(filter));
            // As it is, or in a `FilterConfig`.
            own.is_some_and(|own| writes(own) || own.get("config").is_some_and(writes))
                || entries.iter().any(|(_, node)| writes_by_route(node, filter))
        }
        Value::List(items) => items.iter().any(|node| writes_by_route(node, filter)),
        _ => false,
    }
}

/// Does a policy leave other fields on an answer?
fn leaves(policy: &Node) -> bool {
    let beside = policy.get("beside").and_then(text_of);
    let observes = policy
        .get("observe")
        .is_some_and(|node| matches!(&node.value, Value::List(all) if !all.is_empty()));
    beside == Some("replace") && !observes
}

/// Does a mount touch what another says on an answer that it lets pass?
fn tells(policy: &Node) -> bool {
    let beside = policy.get("beside").and_then(text_of);
    let Some(Value::List(dialects)) = policy.get("dialects").map(|node| &node.value) else {
        return beside != Some("join");
    };
    let silent = |dialect: &Node| {
        let says = |key: &str, word: &str| dialect.get(key).and_then(text_of) == Some(word);
        says("answers", "refused") || (says("dialect", "none") && beside == Some("replace"))
    };
    let all = |dialect: &Node| {
        let any = dialect
            .get("match")
            .is_some_and(|node| matches!(&node.value, Value::Map(keys) if keys.is_empty()));
        any && dialect.get("callers").is_none()
    };
    beside != Some("join") && !(dialects.iter().all(silent) && dialects.iter().any(all))
}
