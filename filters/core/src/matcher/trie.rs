//! The trie while it grows. What a lookup reads is written out at the end, node
//! after node ([`Trie::finish`]).

use crate::rules::{HostPattern, Match, Method};
use crate::template::Pattern;

use super::hash::{Places, of, of_edge};
use super::patterns::{Former, Patterns};
use super::{BELOW, END, EXACT, HEAD, Index, NONE, at, small, word};

/// Takes matches one at a time, numbers them from 0, and becomes an [`Index`].
#[derive(Debug)]
pub struct Trie {
    /// The root of rules for any host.
    any: u32,
    longest_below: usize,
    nodes: Vec<Branch>,
    /// The children under literals, by the hash of the node above and the literal.
    edges: Places,
    texts: Vec<u8>,
    ends: Vec<End>,
    /// Equal lists are one; the first is empty, and stands for all.
    methods: Vec<Box<[Method]>>,
    lists: Places,
    rules: u32,
}

#[derive(Debug)]
struct Branch {
    above: u32,
    /// The literal between the two; `None`: there is none.
    text: Option<(u32, u32)>,
    /// The child for any segment that is not empty.
    any: u32,
    patterns: Option<Box<Patterns>>,
    /// The last of the rules whose path ends here, and of those whose `**` does.
    ends: u32,
    tails: u32,
}

#[derive(Clone, Copy, Debug)]
struct End {
    rule: u32,
    /// `NONE`: the rule names no path.
    path: u32,
    methods: u32,
    /// The one before it at the same node.
    next: u32,
}

impl Default for Trie {
    fn default() -> Self {
        let mut lists = Places::default();
        lists.add(of::<[Method]>(&[]), 0);
        Trie {
            any: NONE,
            longest_below: 0,
            nodes: Vec::new(),
            edges: Places::default(),
            texts: Vec::new(),
            ends: Vec::new(),
            methods: vec![Box::default()],
            lists,
            rules: 0,
        }
    }
}

impl Trie {
    /// Adds the next rule's.
    pub fn add(&mut self, m: &Match) {
        let end = End { rule: self.rules, path: NONE, methods: self.methods(m), next: NONE };
        self.rules = self.rules.saturating_add(1);
        if m.hosts.is_empty() {
            if self.any == NONE {
                self.any = self.push(NONE, None);
            }
            self.add_paths(self.any, m, end);
        }
        for host in m.hosts.iter() {
            let root = match host {
                HostPattern::Exact(name) => self.literal(EXACT, name.as_bytes()),
                HostPattern::Below(name) => {
                    self.longest_below = self.longest_below.max(name.len());
                    self.literal(BELOW, name.as_bytes())
                }
            };
            self.add_paths(root, m, end);
        }
    }

    fn methods(&mut self, m: &Match) -> u32 {
        let hash = of::<[Method]>(&m.methods);
        let is = |list: u32| self.methods.get(at(list)).is_some_and(|own| **own == *m.methods);
        self.lists.find(hash, is).unwrap_or_else(|| {
            let new = small(self.methods.len());
            self.methods.push(m.methods.to_vec().into());
            self.lists.add(hash, new);
            new
        })
    }

    fn add_paths(&mut self, root: u32, m: &Match, end: End) {
        if m.paths.is_empty() {
            self.end(root, true, end);
        }
        for (i, template) in m.paths.iter().enumerate() {
            let mut node = root;
            for pattern in template.segments() {
                node = self.child(node, pattern);
            }
            self.end(node, template.has_tail(), End { path: small(i), ..end });
        }
    }

    fn end(&mut self, node: u32, tail: bool, mut end: End) {
        let new = small(self.ends.len());
        if let Some(node) = self.nodes.get_mut(at(node)) {
            let last = if tail { &mut node.tails } else { &mut node.ends };
            end.next = std::mem::replace(last, new);
            self.ends.push(end);
        }
    }

    /// The child for a pattern; a new one if there is none yet.
    fn child(&mut self, above: u32, pattern: &Pattern) -> u32 {
        if pattern.is_literal() {
            return self.literal(above, pattern.prefix());
        }
        let new = small(self.nodes.len());
        let Some(node) = self.nodes.get_mut(at(above)) else { return above };
        let child = if pattern.is_any() {
            if node.any == NONE {
                node.any = new;
            }
            node.any
        } else {
            node.patterns.get_or_insert_default().child(pattern, new)
        };
        if child == new { self.push(above, None) } else { child }
    }

    /// The child for a literal; a new one if there is none yet.
    fn literal(&mut self, above: u32, literal: &[u8]) -> u32 {
        let hash = of_edge(above, literal);
        let is = |child: u32| {
            let child = self.nodes.get(at(child));
            child.is_some_and(|node| node.above == above && text(&self.texts, node) == literal)
        };
        if let Some(child) = self.edges.find(hash, is) {
            return child;
        }
        self.edges.add(hash, small(self.nodes.len()));
        let from = small(self.texts.len());
        self.texts.extend_from_slice(literal);
        self.push(above, Some((from, small(literal.len()))))
    }

    fn push(&mut self, above: u32, text: Option<(u32, u32)>) -> u32 {
        let (any, ends, tails, patterns) = (NONE, NONE, NONE, None);
        self.nodes.push(Branch { above, text, any, patterns, ends, tails });
        small(self.nodes.len().saturating_sub(1))
    }

    /// Writes it out.
    #[must_use]
    pub fn finish(self) -> Index {
        self.write().finish()
    }

    /// To be written out, some nodes at a time.
    #[must_use]
    pub fn write(self) -> Writing {
        let order = self.order();
        let (places, length) = self.places(&order);
        let edges = self.nodes.iter().filter(|node| node.text.is_some()).count();
        let index = Index::new(length, edges);
        Writing { trie: self, order, places, index, next: 0, former: Vec::new() }
    }

    /// Each node, and after it what is below it: a lookup goes forward.
    fn order(&self) -> Vec<u32> {
        // By node: the first one below it, and the next one beside it.
        let mut first = vec![NONE; self.nodes.len()];
        let mut beside = vec![NONE; self.nodes.len()];
        let mut open = Vec::new();
        for (id, node) in self.nodes.iter().enumerate().rev() {
            match (first.get_mut(at(node.above)), beside.get_mut(id)) {
                (Some(first), Some(beside)) => *beside = std::mem::replace(first, small(id)),
                _ => open.push(small(id)),
            }
        }
        let mut order = Vec::with_capacity(self.nodes.len());
        while let Some(id) = open.pop() {
            order.push(id);
            let next = |list: &[u32]| list.get(at(id)).copied().filter(|next| *next != NONE);
            open.extend(next(&beside));
            open.extend(next(&first));
        }
        order
    }

    /// Where each node will stand, and how long it is all together.
    fn places(&self, order: &[u32]) -> (Vec<u32>, usize) {
        let mut places = vec![NONE; self.nodes.len()];
        let mut length = 0usize;
        for id in order {
            let Some(node) = self.nodes.get(at(*id)) else { continue };
            if let Some(place) = places.get_mut(at(*id)) {
                *place = small(length);
            }
            let ends = self.chain(node.ends).chain(self.chain(node.tails)).count();
            let texts = text(&self.texts, node).len().div_ceil(4);
            length = length.saturating_add(HEAD + texts + END * ends);
        }
        (places, length)
    }

    fn chain(&self, last: u32) -> impl Iterator<Item = &End> + Clone {
        let end = |place: u32| self.ends.get(at(place));
        std::iter::successors(end(last), move |e| end(e.next))
    }
}

/// A trie that is written out.
#[derive(Debug)]
pub struct Writing {
    trie: Trie,
    /// Its nodes in the order in which they are written, where each will stand, and
    /// which one is next.
    order: Vec<u32>,
    places: Vec<u32>,
    next: usize,
    index: Index,
    /// What only its growing needed.
    former: Vec<Former>,
}

impl Writing {
    /// Writes so many more nodes out, or gives back so much of what is no longer needed.
    /// Is there more?
    pub fn write(&mut self, count: usize) -> bool {
        for _ in 0..count {
            if let Some(former) = self.former.last_mut() {
                if former.next().is_none() {
                    self.former.pop();
                }
                continue;
            }
            let Some(id) = self.order.get(self.next) else { return false };
            self.next += 1;
            self.node(*id);
        }
        true
    }

    /// Writes out what is left.
    #[must_use]
    pub fn finish(mut self) -> Index {
        while self.write(usize::MAX) {}
        let Writing { trie, places, mut index, .. } = self;
        index.any = place(&places, trie.any);
        index.longest_below = trie.longest_below;
        index.methods = trie.methods;
        index
    }

    fn node(&mut self, id: u32) {
        let Writing { trie, places, index, former, .. } = self;
        let place = |node: u32| place(places, node);
        let patterns = trie.nodes.get_mut(at(id)).and_then(|node| node.patterns.take());
        let patterns = match patterns {
            Some(mut patterns) => {
                former.push(patterns.renumber(place));
                index.patterns.push(*patterns);
                small(index.patterns.len().saturating_sub(1))
            }
            None => NONE,
        };
        let Some(node) = trie.nodes.get(at(id)) else { return };
        let (above, literal) = (place(node.above), text(&trie.texts, node));
        if node.text.is_some() {
            index.add_edge(above, literal, place(id));
        }
        let (ends, tails) = (trie.chain(node.ends), trie.chain(node.tails));
        index.nodes.extend_from_slice(&[
            above,
            place(node.any),
            patterns,
            small(literal.len()),
            small(ends.clone().count()),
            small(tails.clone().count()),
        ]);
        index.nodes.extend(literal.chunks(4).map(word));
        index.nodes.extend(ends.chain(tails).flat_map(|e| [e.rule, e.path, e.methods]));
    }
}

/// What is no number of a node stays as it is.
fn place(places: &[u32], node: u32) -> u32 {
    places.get(at(node)).copied().unwrap_or(node)
}

fn text<'t>(texts: &'t [u8], node: &Branch) -> &'t [u8] {
    let (from, length) = node.text.unwrap_or_default();
    texts.get(at(from)..at(from).saturating_add(at(length))).unwrap_or_default()
}
