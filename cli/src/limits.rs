//! What a policy of `rate-limit` says in vain: what never applies, because what stands
//! before it always does.

use postern_core::config::{At, Errors, Node, Value};

use crate::policy::text_of;

/// The places of a policy where this is so.
pub(crate) fn in_vain(policy: &Node) -> Errors {
    let mut warnings = Errors::default();
    let root = At::root(policy);
    limits(root, &mut warnings);
    let anybody = |node: &Node| is_all(node) && node.get("callers").is_none();
    behind(root, "dialects", "every request", anybody, &mut warnings);
    behind(root, "observe", "every request", is_all, &mut warnings);
    warnings
}

fn limits(root: At<'_>, warnings: &mut Errors) {
    // The first that counts every request: its id, and what it does.
    let mut first: Option<(String, &str)> = None;
    each(root, "limits", |_, at| {
        behind(at, "costs", "every request", is_all, warnings);
        each(at, "costs", |_, at| {
            let unless = |node: &Node, key: &str| node.get(key).is_none();
            let any = |node: &Node| unless(node, "statuses") && unless(node, "authenticated");
            behind(at, "answers", "every answer", any, warnings);
        });
        let limit = at.node();
        let is = |key: &str, value: Value| limit.get(key).is_some_and(|node| node.value == value);
        if is("also", Value::Bool(true)) {
            return;
        }
        if let Some((id, refuses)) = &first {
            let message = format!(
                "`{id}` before it counts every request{refuses}, so this one counts none: with \
                 `also: true` it counts beside others"
            );
            at.error(warnings, message);
        } else if is_all(limit) {
            let id = limit.get("id").and_then(text_of).unwrap_or_default().to_owned();
            let shadow = is("mode", Value::Text("shadow".to_owned()));
            first = Some((id, if shadow { " and refuses none" } else { "" }));
        }
    });
}

/// Of a list of which the first that fits holds.
fn behind(
    at: At<'_>,
    list: &str,
    what: &str,
    fits_all: impl Fn(&Node) -> bool,
    warnings: &mut Errors,
) {
    let mut first = None;
    each(at, list, |i, at| {
        if let Some(first) = first {
            at.error(warnings, format!("{list}[{first}] before it is for {what}"));
        } else if fits_all(at.node()) {
            first = Some(i);
        }
    });
}

/// Does its `match` take every request?
fn is_all(node: &Node) -> bool {
    matches!(node.get("match").map(|m| &m.value), Some(Value::Map(keys)) if keys.is_empty())
}

fn each(at: At<'_>, key: &str, mut then: impl FnMut(usize, At<'_>)) {
    let Some(list) = at.node().get(key) else { return };
    let Value::List(items) = &list.value else { return };
    let at = at.key(key, list);
    items.iter().enumerate().for_each(|(i, node)| then(i, at.index(i, node)));
}
