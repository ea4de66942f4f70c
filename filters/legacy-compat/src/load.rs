//! A policy of many rules, compiled in slices.

use std::rc::Rc;

use postern_core::config::{At, Cut, Decode, Errors, Node, Value, parse_json};
use postern_core::{Filter, Load, Sights};

use crate::LegacyCompat;
use crate::blueprint::Blueprint;
use crate::growing::Growing;
use crate::known_hosts::KnownHosts;
use crate::place::Located;
use crate::policy::{Policy, RulePolicy};

/// How much text of rules is compiled in one slice, in bytes; at least one rule.
const SLICE: usize = 16 * 1024;
/// A template that is put in is as much work as so much text.
const INCLUDED: usize = 1024;
/// How many places of the index are written out in one slice.
const WRITTEN: usize = 4_000;

/// What was done of it so far.
pub(crate) enum Loading {
    /// Nothing.
    Text(Rc<Vec<u8>>),
    /// All but the rules was compiled, and the rules before this one.
    Rules(Box<(Cut, Growing, usize)>),
    /// It is done.
    Over,
}

impl Load<LegacyCompat> for Loading {
    fn slice(&mut self) -> Result<Option<LegacyCompat>, Errors> {
        match std::mem::replace(self, Loading::Over) {
            Loading::Text(text) => {
                let Some(cut) = Cut::new(text.clone(), &[&["rules"]]) else {
                    return LegacyCompat::configure(&parse_json(&text)?, &|_| None).map(Some);
                };
                let mut errors = Errors::default();
                let growing = Policy::decode(At::root(cut.rest()), &mut errors)
                    .and_then(|policy| Growing::new(policy, &mut errors));
                let growing = growing.filter(|_| errors.is_empty()).ok_or(errors)?;
                *self = Loading::Rules(Box::new((cut, growing, 0)));
                Ok(None)
            }
            Loading::Rules(mut rules) => {
                let (cut, growing, next) = &mut *rules;
                let is_more = if *next < cut.count(0) {
                    add(cut, growing, next)?;
                    true
                } else {
                    growing.write(WRITTEN)
                };
                if is_more {
                    *self = Loading::Rules(rules);
                    return Ok(None);
                }
                let (_, growing, _) = *rules;
                Ok(Some(LegacyCompat::of(growing.finish())))
            }
            Loading::Over => Ok(None),
        }
    }
}

/// Compiles some rules.
fn add(cut: &Cut, growing: &mut Growing, next: &mut usize) -> Result<(), Errors> {
    let root = At::root(cut.rest());
    let none = Node::unplaced(Value::Null);
    let rules = root.key("rules", &none);
    let mut errors = Errors::default();
    let (mut read, mut size) = (Vec::new(), 0usize);
    while *next < cut.count(0) && size < SLICE {
        let item = cut.item(0, *next)?;
        read.extend(Located::<RulePolicy>::decode(rules.index(*next, &item), &mut errors));
        let included = includes(item.to_json().as_bytes()).saturating_mul(INCLUDED);
        size = size.saturating_add(cut.size(0, *next)).saturating_add(included);
        *next = next.saturating_add(1);
    }
    growing.add(read, &mut errors);
    if errors.is_empty() { Ok(()) } else { Err(errors) }
}

/// How much text a policy is worth, with the templates that are put in.
pub(crate) fn weight(text: &[u8]) -> usize {
    text.len().saturating_add(includes(text).saturating_mul(INCLUDED))
}

fn includes(text: &[u8]) -> usize {
    text.split(|b| *b == b'$').filter(|part| part.starts_with(b"include\"")).count()
}

impl LegacyCompat {
    /// Of a compiled policy.
    pub(crate) fn of(blueprint: Blueprint) -> Self {
        LegacyCompat { blueprint, sights: Sights::default(), hosts: KnownHosts::default() }
    }
}
