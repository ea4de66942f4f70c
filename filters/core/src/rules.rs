//! What a rule applies to, in the words that all four policies share, and an
//! ordered set of rules with an index over it.

mod applies;
mod builder;
mod header;
mod host_pattern;
mod method;
mod subject;
#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::rc::Rc;
use std::sync::atomic::{AtomicU32, Ordering};

use crate::matcher::{Candidate, Index};
use crate::target::Target;
use crate::template::{Captured, Template};
use crate::truth::Truth;

pub use crate::matcher::hash::Equal;
pub use applies::Match;
use applies::Rest;
pub use builder::Builder;
pub(crate) use header::Test;
pub use header::{HeaderMatch, HeaderName};
pub use host_pattern::HostPattern;
pub use method::Method;
pub use subject::Subject;

/// Rules in order, with an index: finding costs the same among ten and among
/// ten thousand.
#[derive(Debug)]
pub struct Rules<T> {
    number: Number,
    rules: Vec<Entry<T>>,
    index: Index,
    /// Of all rules whose templates capture something: equal ones are one.
    templates: Vec<Option<Rc<Template>>>,
}

/// Which set it is, of all that there ever were. Two that say the same are shown alike.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Number(u32);

impl Number {
    fn new() -> Self {
        static MADE: AtomicU32 = AtomicU32::new(0);
        Number(MADE.fetch_add(1, Ordering::Relaxed))
    }
}

impl std::fmt::Debug for Number {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Number")
    }
}

/// A rule, and what the index does not know of it.
#[derive(Debug)]
struct Entry<T> {
    rule: T,
    /// Its further conditions, if it has any; rules that have the same share them.
    rest: Option<Rc<Rest>>,
    /// Its first template; `NONE`: none of them captures anything.
    templates: u32,
}

const NONE: u32 = u32::MAX;

/// A rule that applies, and what its path template captured.
///
/// Of the rule itself nothing is read until somebody asks: most candidates are not.
#[derive(Debug)]
pub struct Found<'r, T> {
    /// Its place in the set, from 0.
    pub index: usize,
    /// The rule.
    pub rule: &'r T,
    entry: &'r Entry<T>,
    templates: &'r [Option<Rc<Template>>],
    path: Option<usize>,
}

impl<'r, T> Found<'r, T> {
    /// The captured parts of the path.
    #[must_use]
    pub fn captures<'p>(&self, target: &Target<'p>) -> Vec<Captured<'r, 'p>> {
        self.template().map(|t| t.captures(target)).unwrap_or_default()
    }

    /// The template that matched, if it captures anything.
    #[must_use]
    pub fn template(&self) -> Option<&'r Template> {
        let first = usize::try_from(self.entry.templates).ok()?;
        self.templates.get(first.checked_add(self.path?)?)?.as_deref()
    }

    /// Of a [candidate](Rules::candidates): what do its conditions on headers say? Of a
    /// header whose values differ they cannot tell, other than for [`Rules::all`].
    #[must_use]
    pub fn headers_say(&self, subject: &Subject<'_>) -> Truth {
        self.entry.rest.as_ref().map_or(Truth::Yes, |rest| rest.headers_say(subject.headers))
    }

    /// Of a candidate whose headers cannot tell: the first that does not.
    #[must_use]
    pub fn unsure_header(&self, subject: &Subject<'_>) -> Option<&'r HeaderName> {
        self.entry.rest.as_ref()?.unsure_header(subject.headers)
    }

    /// Of a candidate: does its condition on the route hold? That asks the proxy.
    #[must_use]
    pub fn route_holds(&self, subject: &Subject<'_>) -> Truth {
        self.entry.rest.as_ref().map_or(Truth::Yes, |rest| rest.route_holds(subject))
    }

    /// What the index does not look at. Headers cost nothing, so they are
    /// asked first.
    fn rest_holds(&self, subject: &Subject<'_>) -> Truth {
        let headers = self.entry.rest.as_ref().is_none_or(|r| r.headers_hold(subject.headers));
        Truth::from(headers).and(|| self.route_holds(subject))
    }
}

impl<T> Rules<T> {
    /// Compiles the index.
    #[must_use]
    pub fn new(rules: Vec<(Match, T)>) -> Self {
        let mut builder = Builder::default();
        for (applies_to, rule) in rules {
            builder.push(applies_to, rule);
        }
        builder.finish()
    }

    /// The rules in order.
    pub fn iter(&self) -> impl Iterator<Item = &T> {
        self.rules.iter().map(|entry| &entry.rule)
    }

    /// The rule at a place in the set, as [`Found::index`] names it.
    #[must_use]
    pub fn get(&self, index: usize) -> Option<&T> {
        self.rules.get(index).map(|entry| &entry.rule)
    }

    /// The first rule in order that applies.
    #[must_use]
    pub fn first(&self, subject: &Subject<'_>) -> Option<Found<'_, T>> {
        self.all(subject).next()
    }

    /// Every rule that applies, in order, with the first of its path templates that
    /// matches.
    pub fn all<'r: 's, 's>(
        &'r self,
        subject: &'s Subject<'_>,
    ) -> impl Iterator<Item = Found<'r, T>> {
        let mut last = None;
        self.candidates(subject)
            .filter(move |found| last.replace(found.index) != Some(found.index))
            .filter(move |found| found.rest_holds(subject) == Truth::Yes)
    }

    /// Every rule whose host, method and path match, in order, once for each of its
    /// path templates that does; whether it applies is for [`Found::headers_say`] and
    /// [`Found::route_holds`] to say.
    pub fn candidates<'r: 's, 's>(
        &'r self,
        subject: &'s Subject<'_>,
    ) -> impl Iterator<Item = Found<'r, T>> + use<'r, 's, T> {
        let find = || self.index.find(subject.host.as_deref(), subject.method, subject.target);
        let candidates: Cow<'s, [Candidate]> = match subject.sight() {
            Some(sight) => sight.candidates(self.number, find),
            None => find().into(),
        };
        let mut next = 0usize;
        std::iter::from_fn(move || {
            let (index, path) = *candidates.get(next)?;
            next = next.saturating_add(1);
            let entry = self.rules.get(index)?;
            Some(Found { index, rule: &entry.rule, entry, templates: &self.templates, path })
        })
    }
}
