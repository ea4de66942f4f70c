//! What a policy of `auth` says in vain: rules behind one that takes all their requests.

use postern_core::config::{At, Decode, Errors, Node, Value};
use postern_core::rules::Match;

use crate::policy::text_of;

/// So many rules are looked through: each is held against those before it.
const LOOKED_AT: usize = 2_000;

/// The places of a policy where this is so.
pub(crate) fn in_vain(policy: &Node) -> Errors {
    let mut warnings = Errors::default();
    let root = At::root(policy);
    let Some(list @ Node { value: Value::List(items), .. }) = policy.get("rules") else {
        return warnings;
    };
    let at = root.key("rules", list);
    if items.len() > LOOKED_AT {
        let message = format!(
            "only the first {LOOKED_AT} of {} rules were looked through for those in vain",
            items.len()
        );
        at.error(&mut warnings, message);
    }
    let mut before: Vec<(usize, &str, Match)> = Vec::new();
    for (i, node) in items.iter().enumerate().take(LOOKED_AT) {
        let at = at.index(i, node);
        let Some(applies_to) = node.get("match") else { continue };
        let Some(own) = Match::decode(at.key("match", applies_to), &mut Errors::default()) else {
            continue;
        };
        match before.iter().find(|(_, _, earlier)| earlier.covers(&own)) {
            Some((first, name, _)) => {
                let message = format!(
                    "`{name}` (rules[{first}]) is before it and for all of its requests, so this \
                     rule never counts: the first that fits does"
                );
                at.error(&mut warnings, message);
            }
            None => {
                let name = node.get("name").and_then(text_of).unwrap_or_default();
                before.push((i, name, own));
            }
        }
    }
    warnings
}
