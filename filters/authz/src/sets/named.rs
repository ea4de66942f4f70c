//! Which sets a policy refers to: the others are there in vain.

use std::collections::BTreeSet;

use postern_core::config::{Node, Value};

use super::{LISTS, MAPPINGS, reference};

/// The sets, by kind and name, that rules and other sets refer to.
pub(crate) fn named_in(policy: &Node) -> BTreeSet<(&'static str, &str)> {
    let mut named = BTreeSet::new();
    for rule in items_of(policy.get("rules")) {
        for (mapping, kind) in MAPPINGS {
            let set = rule.get(mapping).and_then(|node| node.get("set"));
            named.extend(set.and_then(text_of).map(|name| (kind, name)));
        }
        for (mapping, ..) in &LISTS {
            let node = if mapping.is_empty() { Some(rule) } else { rule.get(mapping) };
            named.extend(node.into_iter().flat_map(|node| lists_named(mapping, node)));
        }
    }
    for (mapping, kind) in MAPPINGS {
        let Some(Value::Map(sets)) = policy.get("sets").and_then(|s| s.get(kind)).map(|n| &n.value)
        else {
            continue;
        };
        named.extend(sets.iter().flat_map(|(_, node)| lists_named(mapping, node)));
    }
    named
}

/// The sets that the lists of one mapping refer to.
fn lists_named<'n>(mapping: &str, node: &'n Node) -> impl Iterator<Item = (&'static str, &'n str)> {
    let lists: Vec<_> = LISTS.iter().filter(|(own, ..)| *own == mapping).collect();
    lists.into_iter().flat_map(move |(_, key, kind)| {
        let items = items_of(node.get(key));
        items.iter().filter_map(|item| Some((*kind, text_of(reference(item)?)?)))
    })
}

fn items_of(list: Option<&Node>) -> &[Node] {
    match list.map(|list| &list.value) {
        Some(Value::List(items)) => items,
        _ => &[],
    }
}

fn text_of(node: &Node) -> Option<&str> {
    match &node.value {
        Value::Text(text) => Some(text),
        _ => None,
    }
}
