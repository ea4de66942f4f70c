//! Which rules are about all paths of another one: an index of templates, so that only
//! rules are compared that may have to do with one another.

use std::collections::BTreeMap;

use postern_core::matcher::Patterns;
use postern_core::rules::{HostPattern, Match};
use postern_core::template::{Pattern, Template};

use crate::rule::Rule;

/// How much is compared: whoever saves a policy waits for it, about 0.2 s.
const MOST: usize = 4_000_000;

/// What may still be compared.
#[derive(Debug)]
pub(super) struct Budget(usize);

impl Default for Budget {
    fn default() -> Self {
        Budget(MOST)
    }
}

impl Budget {
    pub(super) fn spend(&mut self, amount: usize) {
        self.0 = self.0.saturating_sub(amount);
    }

    #[cfg(test)]
    pub(super) fn spent(&self) -> usize {
        MOST - self.0
    }

    pub(super) fn is_spent(&self) -> bool {
        self.0 == 0
    }
}

/// Rules by host and template. A template covers another one if its way from the root is
/// one that the other one's patterns may go.
pub(super) struct Covering<'r> {
    roots: BTreeMap<Root<'r>, usize>,
    nodes: Vec<Branch<'r>>,
}

#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum Root<'r> {
    Anywhere,
    Exact(&'r str),
    Below(&'r str),
}

#[derive(Default)]
struct Branch<'r> {
    literals: BTreeMap<&'r [u8], usize>,
    patterns: Patterns,
    any: Option<usize>,
    /// The rules of which a path ends here, and of which a `**` stands here.
    ends: Vec<usize>,
    tails: Vec<usize>,
}

impl<'r> Covering<'r> {
    pub(super) fn new(rules: &'r [(Match, Rule)]) -> Self {
        let mut index = Covering { roots: BTreeMap::new(), nodes: Vec::new() };
        for (i, (rule, _)) in rules.iter().enumerate() {
            if rule.hosts.is_empty() {
                index.add(Root::Anywhere, rule, i);
            }
            for host in rule.hosts.iter() {
                index.add(Root::of(host), rule, i);
            }
        }
        index
    }

    fn add(&mut self, root: Root<'r>, rule: &'r Match, number: usize) {
        let next = self.nodes.len();
        let root = *self.roots.entry(root).or_insert(next);
        if root == next {
            self.nodes.push(Branch::default());
        }
        if rule.paths.is_empty() {
            self.end(root, true, number);
        }
        for path in rule.paths.iter() {
            let mut node = root;
            for segment in path.segments() {
                node = self.child(node, segment);
            }
            self.end(node, path.has_tail(), number);
        }
    }

    fn end(&mut self, node: usize, tail: bool, number: usize) {
        if let Some(node) = self.nodes.get_mut(node) {
            let list = if tail { &mut node.tails } else { &mut node.ends };
            list.push(number);
        }
    }

    fn child(&mut self, node: usize, segment: &'r Pattern) -> usize {
        let next = self.nodes.len();
        let Some(own) = self.nodes.get_mut(node) else { return node };
        let child = if segment.is_literal() {
            *own.literals.entry(segment.prefix()).or_insert(next)
        } else if segment.is_any() {
            *own.any.get_or_insert(next)
        } else {
            let new = u32::try_from(next).unwrap_or(u32::MAX);
            usize::try_from(own.patterns.child(segment, new)).unwrap_or(next)
        };
        if child == next {
            self.nodes.push(Branch::default());
        }
        child
    }

    /// The rules that are about all paths of this one, itself included, in order. Of its
    /// hosts the first is looked at.
    pub(super) fn of(&self, rule: &Match, budget: &mut Budget) -> Vec<usize> {
        let roots = self.roots_of(rule.hosts.first());
        let mut all = match rule.paths.first() {
            None => self.everywhere(&roots),
            Some(first) => self.about(&roots, first, budget),
        };
        for path in rule.paths.iter().skip(1) {
            // It covers itself.
            if all.len() <= 1 || budget.is_spent() {
                break;
            }
            let more = self.about(&roots, path, budget);
            all.retain(|number| more.binary_search(number).is_ok());
        }
        all
    }

    fn roots_of(&self, host: Option<&HostPattern>) -> Vec<usize> {
        let mut roots = vec![self.roots.get(&Root::Anywhere)];
        if let Some(host) = host {
            roots.push(self.roots.get(&Root::of(host)));
            let (HostPattern::Exact(name) | HostPattern::Below(name)) = host;
            let below = name.match_indices('.').filter_map(|(dot, _)| name.get(dot..));
            roots.extend(below.map(|below| self.roots.get(&Root::Below(below))));
        }
        roots.into_iter().flatten().copied().collect()
    }

    fn everywhere(&self, roots: &[usize]) -> Vec<usize> {
        let nodes = roots.iter().filter_map(|root| self.nodes.get(*root));
        in_order(nodes.flat_map(|node| &node.tails).copied().collect())
    }

    /// The rules of which a template covers this one.
    fn about(&self, roots: &[usize], path: &Template, budget: &mut Budget) -> Vec<usize> {
        let mut found = Vec::new();
        let mut open: Vec<_> = roots.iter().map(|root| (*root, 0usize)).collect();
        while let Some((node, depth)) = open.pop() {
            let Some(node) = self.nodes.get(node) else { continue };
            found.extend_from_slice(&node.tails);
            budget.spend(1);
            let Some(segment) = path.segments().get(depth) else {
                if !path.has_tail() {
                    found.extend_from_slice(&node.ends);
                }
                continue;
            };
            let mut follow = |child: usize| open.push((child, depth.saturating_add(1)));
            let mut follow_pattern =
                |child| usize::try_from(child).into_iter().for_each(&mut follow);
            if segment.is_literal() {
                node.patterns.children(segment.prefix(), &mut follow_pattern);
                node.literals.get(segment.prefix()).copied().into_iter().for_each(&mut follow);
            } else if !segment.is_any() {
                node.patterns.same(segment).into_iter().for_each(&mut follow_pattern);
            }
            if segment.is_never_empty() {
                node.any.into_iter().for_each(&mut follow);
            }
        }
        budget.spend(found.len() / 8);
        in_order(found)
    }
}

impl<'r> Root<'r> {
    fn of(host: &'r HostPattern) -> Self {
        match host {
            HostPattern::Exact(name) => Root::Exact(name),
            HostPattern::Below(name) => Root::Below(name),
        }
    }
}

fn in_order(mut rules: Vec<usize>) -> Vec<usize> {
    rules.sort_unstable();
    rules.dedup();
    rules
}
