//! The index over hosts, methods and path templates. Looking up costs the
//! path's length and the rules that match it, not the rules there are.

pub(crate) mod hash;
mod patterns;
#[cfg(test)]
pub(crate) mod tests;
mod trie;

use crate::rules::{Match, Method};
use crate::target::{Checked, Target};

pub use patterns::Patterns;
pub use trie::{Trie, Writing};

/// The index of a rule, and of its path template if it names any.
pub type Candidate = (usize, Option<usize>);

/// An index over [`Match`]es: a trie of path segments per host.
///
/// In a large policy most of what a lookup reads is in none of the core's caches, so
/// it is little, and lies in few places. All nodes are in one block, each with its
/// literal and its rules beside it, and what is below it behind it; all edges are in
/// one table, of which a step reads one place.
#[derive(Debug)]
pub struct Index {
    /// Node after node, by its place here: [`HEAD`] words (the node above it, the
    /// child for any segment that is not empty, its place in `patterns`, the length
    /// of its literal in bytes, how many rules end here, how many have their `**`
    /// here), the literal, and [`END`] words for each rule (its number, the number of
    /// its path, its place in `methods`).
    nodes: Vec<u32>,
    /// The nodes under literals, by the hash of the node above and the literal, with
    /// the hash's other half: a place that is taken is followed by the next one that
    /// was free.
    edges: Vec<(u32, u32)>,
    patterns: Vec<Patterns>,
    methods: Vec<Box<[Method]>>,
    /// The root of rules for any host.
    any: u32,
    longest_below: usize,
}

/// No node, no path, no patterns.
const NONE: u32 = u32::MAX;
/// Stands above the roots of hosts,
const EXACT: u32 = u32::MAX - 1;
/// and above those of all hosts below one.
const BELOW: u32 = u32::MAX - 2;

const HEAD: usize = 6;
const END: usize = 3;

impl Index {
    /// Compiles it; rules are numbered from 0 in order.
    pub fn of<'m>(matches: impl IntoIterator<Item = &'m Match>) -> Self {
        let mut trie = Trie::default();
        matches.into_iter().for_each(|m| trie.add(m));
        trie.finish()
    }

    fn new(words: usize, edges: usize) -> Self {
        // At least a quarter is free, so that few places are looked at.
        let places = (edges + edges / 3 + 1).next_power_of_two();
        Index {
            nodes: Vec::with_capacity(words),
            edges: vec![(0, NONE); places],
            patterns: Vec::new(),
            methods: Vec::new(),
            any: NONE,
            longest_below: 0,
        }
    }

    fn add_edge(&mut self, above: u32, literal: &[u8], child: u32) {
        let (mark, places) = self.edge_places(above, literal);
        for place in places {
            if let Some(edge) = self.edges.get_mut(place)
                && edge.1 == NONE
            {
                *edge = (mark, child);
                return;
            }
        }
    }

    /// Half of an edge's hash, and the places where it may stand, in order.
    fn edge_places(
        &self,
        above: u32,
        literal: &[u8],
    ) -> (u32, impl Iterator<Item = usize> + use<>) {
        let hash = hash::of_edge(above, literal);
        let (first, mark) = (at(hash as u32), (hash >> 32) as u32);
        let last = self.edges.len().saturating_sub(1);
        (mark, (0..=last).map(move |step| first.wrapping_add(step) & last))
    }

    /// The child for a literal.
    fn literal(&self, above: u32, literal: &[u8]) -> Option<u32> {
        let (mark, places) = self.edge_places(above, literal);
        for place in places {
            let (own, child) = *self.edges.get(place)?;
            if child == NONE {
                return None;
            }
            if own == mark && self.node(child)?.is_under(above, literal) {
                return Some(child);
            }
        }
        None
    }

    fn node(&self, place: u32) -> Option<Node<'_>> {
        let (head, rest) = self.nodes.get(at(place)..)?.split_first_chunk::<HEAD>()?;
        Some(Node { head, rest })
    }

    /// The rules whose host, method and path match, ascending, each once with each of
    /// its path templates that matches.
    #[must_use]
    pub fn find(&self, host: Option<&str>, method: &[u8], target: &Target<'_>) -> Vec<Candidate> {
        let mut found = Vec::with_capacity(8);
        if target.is_asterisk() {
            return found;
        }
        let segments = target.checked();
        let mut look = |root: u32| self.look(root, method, &segments, &mut found);
        look(self.any);
        if let Some(host) = host {
            self.literal(EXACT, host.as_bytes()).into_iter().for_each(&mut look);
            if self.longest_below > 0 {
                for (dot, _) in host.match_indices('.').filter(|(dot, _)| *dot > 0) {
                    let suffix = host.get(dot..).unwrap_or_default();
                    if suffix.len() <= self.longest_below {
                        self.literal(BELOW, suffix.as_bytes()).into_iter().for_each(&mut look);
                    }
                }
            }
        }
        if found.len() > 1 {
            found.sort_unstable();
            found.dedup();
        }
        found
    }

    fn look(&self, root: u32, method: &[u8], segments: &[Checked<'_>], found: &mut Vec<Candidate>) {
        let mut collect = |ends: &[[u32; END]]| {
            for [rule, path, methods] in ends {
                if self.covers(*methods, method) {
                    found.push((at(*rule), (*path != NONE).then(|| at(*path))));
                }
            }
        };
        let mut open: Vec<(u32, usize)> = Vec::with_capacity(8);
        open.push((root, 0));
        while let Some((id, depth)) = open.pop() {
            let Some(node) = self.node(id) else { continue };
            collect(node.tails());
            let Some(segment) = segments.get(depth) else {
                collect(node.ends());
                continue;
            };
            let (segment, deeper) = (&*segment.decoded, depth.saturating_add(1));
            if let Some(child) = self.literal(id, segment) {
                open.push((child, deeper));
            }
            if node.any() != NONE && !segment.is_empty() {
                open.push((node.any(), deeper));
            }
            if let Some(patterns) = self.patterns.get(at(node.patterns())) {
                patterns.children(segment, |child| open.push((child, deeper)));
            }
        }
    }

    fn covers(&self, list: u32, method: &[u8]) -> bool {
        let own = self.methods.get(at(list)).map(|list| &**list).unwrap_or_default();
        own.is_empty() || own.iter().any(|m| m.covers(method))
    }
}

/// A node, as it is written out.
struct Node<'i> {
    head: &'i [u32; HEAD],
    /// From its literal on.
    rest: &'i [u32],
}

impl<'i> Node<'i> {
    fn is_under(&self, above: u32, literal: &[u8]) -> bool {
        let [own, _, _, length, _, _] = *self.head;
        own == above
            && at(length) == literal.len()
            && literal.chunks(4).map(word).eq(self
                .rest
                .iter()
                .take(at(length).div_ceil(4))
                .copied())
    }

    fn any(&self) -> u32 {
        let [_, any, ..] = *self.head;
        any
    }

    fn patterns(&self) -> u32 {
        let [_, _, patterns, ..] = *self.head;
        patterns
    }

    /// The rules whose path ends here.
    fn ends(&self) -> &'i [[u32; END]] {
        let [_, _, _, length, ends, _] = *self.head;
        self.rules(at(length).div_ceil(4), at(ends))
    }

    /// The rules whose `**` stands here, and at a root those without a path.
    fn tails(&self) -> &'i [[u32; END]] {
        let [_, _, _, length, ends, tails] = *self.head;
        self.rules(at(length).div_ceil(4).saturating_add(at(ends).saturating_mul(END)), at(tails))
    }

    fn rules(&self, from: usize, count: usize) -> &'i [[u32; END]] {
        let all = self.rest.get(from..).unwrap_or_default().as_chunks().0;
        all.get(..count).unwrap_or_default()
    }
}

/// Four bytes of a literal; at its end there may be fewer.
fn word(bytes: &[u8]) -> u32 {
    bytes.iter().rev().fold(0, |word, byte| word << 8 | u32::from(*byte))
}

/// A place in one of the lists. They are shorter than 4 GiB, as all memory of a
/// VM is; where they are not, nothing is found there.
fn at(place: u32) -> usize {
    usize::try_from(place).unwrap_or(usize::MAX)
}

fn small(place: usize) -> u32 {
    u32::try_from(place).unwrap_or(NONE)
}
