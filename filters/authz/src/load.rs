//! A policy of many rules, compiled in slices.

use std::rc::Rc;

use postern_core::Load;
use postern_core::config::{At, Cut, Errors, Node, parse_json};

use crate::policy::{Policy, rule};
use crate::rule_set::{Growing, RuleSet};
use crate::sets::Sets;
use crate::{Authz, Filter};

/// How much text of rules is read in one slice, in bytes; at least one rule.
const READ: usize = 24 * 1024;
/// How many rules are put into the index in one slice.
const INDEXED: usize = 400;

const LISTS: [&[&str]; 2] = [&["rules"], &["candidate", "rules"]];

/// What was done of it so far.
pub(crate) enum Loading {
    /// Nothing.
    Text(Rc<Vec<u8>>),
    /// All but the rules was read; they are in their turn.
    Rules(Box<Rules>),
    /// It is done.
    Over,
}

pub(crate) struct Rules {
    policy: Policy,
    cut: Cut,
    /// Of the current rules and of the candidate's: how many were read, and what came
    /// of them.
    lists: [(usize, Growing); 2],
    done: Vec<RuleSet>,
}

impl Loading {
    pub(crate) fn new(text: Rc<Vec<u8>>) -> Self {
        Loading::Text(text)
    }
}

impl Load<Authz> for Loading {
    fn slice(&mut self) -> Result<Option<Authz>, Errors> {
        match std::mem::replace(self, Loading::Over) {
            Loading::Text(text) => match Cut::new(text.clone(), &LISTS) {
                Some(cut) => {
                    let mut errors = Errors::default();
                    let policy = Policy::read(At::root(cut.rest()), &mut errors);
                    let policy = policy.filter(|_| errors.is_empty()).ok_or(errors)?;
                    let (lists, done) = (Default::default(), Vec::new());
                    *self = Loading::Rules(Box::new(Rules { policy, cut, lists, done }));
                    Ok(None)
                }
                None => Authz::configure(&parse_json(&text)?, &|_| None).map(Some),
            },
            Loading::Rules(mut rules) => {
                if rules.slice()? {
                    *self = Loading::Rules(rules);
                    return Ok(None);
                }
                let Rules { policy, done, .. } = *rules;
                let mut done = done.into_iter();
                Ok(done.next().map(|current| Authz::new(policy, current, done.next())))
            }
            Loading::Over => Ok(None),
        }
    }
}

impl Rules {
    /// Is there more to do?
    fn slice(&mut self) -> Result<bool, Errors> {
        let list = self.done.len();
        if list == LISTS.len() {
            return Ok(false);
        }
        let Some((read, growing)) = self.lists.get_mut(list) else { return Ok(false) };
        if *read < self.cut.count(list) {
            *read = slice_of(&self.cut, list, *read, growing)?;
        } else if !growing.index(INDEXED) {
            self.done.push(std::mem::take(growing).finish());
        }
        Ok(true)
    }
}

/// Reads some rules from `first` on; which one is next?
fn slice_of(cut: &Cut, list: usize, first: usize, into: &mut Growing) -> Result<usize, Errors> {
    let root = At::root(cut.rest());
    let none = Node::unplaced(postern_core::config::Value::Null);
    let beside = cut.rest().get("candidate").filter(|_| list == 1);
    let own = beside.map(|candidate| root.key("candidate", candidate));
    let above = own.as_ref().unwrap_or(&root);
    let sets = beside.and_then(|c| c.get("sets")).or_else(|| cut.rest().get("sets"));
    let sets = Sets::of(sets.unwrap_or(&none));
    let rules = above.key("rules", &none);
    let mut errors = Errors::default();
    let (mut next, mut size) = (first, 0usize);
    while next < cut.count(list) && (next == first || size < READ) {
        size = size.saturating_add(cut.size(list, next));
        let item = cut.item(list, next)?;
        if let Some((applies_to, rule)) = rule(rules.index(next, &item), &sets, &mut errors) {
            into.add(applies_to, rule);
        }
        next += 1;
    }
    if errors.is_empty() { Ok(next) } else { Err(errors) }
}
