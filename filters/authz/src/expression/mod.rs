//! Conditions in CEL, the Common Expression Language (cel.dev): the part of it
//! that judges a request. No crate for it stays within what a module may cost; see
//! ARCHITECTURE.md.
//!
//! An expression is checked when the policy is loaded: what it names exists, and
//! its kinds fit. Evaluating it changes nothing, and ends after a bounded number
//! of steps. If it comes to no value, the rule cannot be evaluated.

mod calls;
mod condition;
mod evaluate;
mod joined;
mod names;
mod naming;
mod node;
mod parse;
mod pattern;
mod scope;
mod token;
mod types;
mod value;

#[cfg(any(test, feature = "fuzz"))]
pub mod fuzz;
#[cfg(any(test, feature = "fuzz"))]
mod sample;
#[cfg(test)]
mod tests;

use std::cell::Cell;
use std::fmt;

pub(crate) use condition::Condition;
use node::Node;
pub(crate) use scope::{Budget, Claims, Scope, Why};
use serde_json::Value as Json;

/// How long an expression may be, in bytes.
pub(crate) const MAX_LENGTH: usize = 2048;

/// How many brackets may stand in each other.
const MAX_NESTING: usize = 24;

/// How many operators may build upon each other.
const MAX_DEPTH: usize = 64;

/// How many steps one evaluation may take: a part of the expression, an item of a
/// list, or 64 bytes of a text.
const MAX_STEPS: usize = 10_000;

/// How many steps all conditions of one set of rules may take for one request.
const MAX_STEPS_PER_REQUEST: usize = 50_000;

/// A checked expression.
#[derive(Clone, Debug, PartialEq)]
pub struct Expression {
    root: Node,
    names_caller: bool,
    names_path: bool,
}

/// What is wrong with an expression.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Mistake {
    /// The byte at which it shows.
    at: usize,
    message: String,
}

impl Expression {
    /// Does it look at who is calling?
    pub(crate) fn names_caller(&self) -> bool {
        self.names_caller
    }

    /// Does it look at variable parts of the path?
    pub(crate) fn names_path(&self) -> bool {
        self.names_path
    }

    /// Does it ask for the method `GET`, and not for `HEAD`? In a list of methods the
    /// one stands for the other.
    pub(crate) fn forgets_head(&self) -> bool {
        self.root.asks_for_get() && !self.root.has_text("HEAD")
    }

    /// Does it hold?
    ///
    /// # Errors
    /// It came to no value.
    pub(crate) fn holds<'a>(&'a self, scope: &'a Scope<'a>) -> Result<bool, Why> {
        evaluate::evaluate(&self.root, scope)
    }
}

impl Expression {
    /// Why it comes to no value, and at which byte of its text; `None`: it comes to one.
    pub(crate) fn unsure<'a>(&'a self, scope: &'a Scope<'a>) -> Option<String> {
        self.unsure_within(scope, &Cell::new(naming::MAX_STEPS_TO_NAME))
    }

    fn unsure_within<'a>(&'a self, scope: &'a Scope<'a>, steps: &Cell<usize>) -> Option<String> {
        let (at, why) = naming::failing(&self.root, scope, steps)?;
        Some(format!("`when`, from byte {} on: {why}", at.saturating_add(1)))
    }
}

impl Mistake {
    fn at(at: usize, message: impl Into<String>) -> Self {
        Mistake { at, message: message.into() }
    }

    /// With its column, from 1; with its line too if there are several.
    fn shown_in(&self, text: &str) -> String {
        let before = text.get(..self.at).unwrap_or(text);
        let last = before.rsplit('\n').next().unwrap_or_default();
        let column = last.chars().count().saturating_add(1);
        if text.trim_end().contains('\n') {
            let line = before.matches('\n').count().saturating_add(1);
            return format!("line {line}, column {column}: {}", self.message);
        }
        format!("column {column}: {}", self.message)
    }
}

/// A number with a fraction, by the reader that JSON has anyway: what `f64` brings
/// of its own would add 15 KB. `None`: it is none, or none that fits.
fn double(text: &str) -> Option<f64> {
    // That reader passes over blanks, and wants a digit before the point.
    let digits = text.strip_prefix('-').unwrap_or(text);
    let ends = |c: char| c.is_ascii_digit();
    if text.len() > 64 || !digits.starts_with(|c| ends(c) || c == '.') || !text.ends_with(ends) {
        return None;
    }
    let value: Json = match text.strip_prefix('.') {
        Some(fraction) => serde_json::from_str(&format!("0.{fraction}")).ok()?,
        None => serde_json::from_str(text).ok()?,
    };
    value.as_f64()
}

/// A name in a message: not for ever, and on one line.
fn shown(name: &str) -> impl fmt::Display {
    let cut: String = name.chars().filter(|c| !c.is_control()).take(64).collect();
    cut
}
