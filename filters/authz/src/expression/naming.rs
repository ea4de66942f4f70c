//! Names the part of a condition because of which it comes to no value.

use std::cell::Cell;

use super::MAX_STEPS;
use super::evaluate::{Evaluated, Run};
use super::node::{Kind, Node};
use super::scope::{Scope, Why};
use super::value::Value;

/// So many steps the search for the part that comes to no value takes at most: whoever
/// sends long paths chooses how often it is made.
pub(super) const MAX_STEPS_TO_NAME: usize = 2 * MAX_STEPS;

/// The part of a condition that comes to no value, though what it is made of does: where
/// it begins, and why. `None`: the whole comes to a value. When the steps of `budget` are
/// spent, it is what was found by then.
pub(super) fn failing<'a>(
    root: &'a Node,
    scope: &'a Scope<'a>,
    budget: &Cell<usize>,
) -> Option<(u16, Why)> {
    // `None`: the steps for all of it are spent.
    let comes_to = |node: &'a Node| {
        let had = MAX_STEPS.min(budget.get());
        let mut run = Run::new(scope, had);
        let value = run.value(node);
        let taken = had.saturating_sub(run.left());
        budget.set(budget.get().saturating_sub(taken));
        let is_cut = had < MAX_STEPS && matches!(value, Err(Why::TooLong));
        (!is_cut).then_some(value)
    };
    let (mut node, mut why) = match comes_to(root)? {
        Ok(Value::Bool(_)) => return None,
        Ok(_) => (root, Why::OtherKind),
        Err(why) => (root, why),
    };
    'parts: loop {
        for part in asked_of(node, &comes_to) {
            match comes_to(part) {
                Some(Ok(_)) => {}
                Some(Err(inner)) => {
                    (node, why) = (part, inner);
                    continue 'parts;
                }
                // What is known by now.
                None => break 'parts,
            }
        }
        break;
    }
    Some((node.at, why))
}

/// The parts that are evaluated whatever the others say, or are one by one until one
/// decides. What a macro asks of its items has no value without them.
fn asked_of<'a>(
    node: &'a Node,
    comes_to: &impl Fn(&'a Node) -> Option<Evaluated<'a>>,
) -> Vec<&'a Node> {
    match &node.kind {
        Kind::Each { list, .. } => vec![list],
        Kind::Has(_) => Vec::new(),
        Kind::If(parts) => {
            let [condition, yes, no] = &**parts;
            match comes_to(condition) {
                Some(Ok(Value::Bool(true))) => vec![yes],
                Some(Ok(Value::Bool(false))) => vec![no],
                _ => vec![condition],
            }
        }
        _ => node.parts(),
    }
}
