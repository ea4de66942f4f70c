//! The children of a node that are neither literals nor any segment.

use crate::template::Pattern;

use super::hash::Map;

#[derive(Debug, Default)]
pub(super) struct Patterns {
    by_prefix: Map<Vec<u8>, Vec<(Pattern, u32)>>,
    prefix_lengths: Vec<usize>,
    /// The same by the whole pattern, as long as children are added.
    known: Map<Pattern, u32>,
}

impl Patterns {
    /// The child for a pattern; `new` if there is none yet.
    pub(super) fn child(&mut self, pattern: &Pattern, new: u32) -> u32 {
        if let Some(at) = self.known.get(pattern) {
            return *at;
        }
        self.known.insert(pattern.clone(), new);
        let prefix = pattern.prefix();
        let same = self.by_prefix.entry(prefix.to_vec()).or_default();
        same.push((pattern.clone(), new));
        if let Err(at) = self.prefix_lengths.binary_search(&prefix.len()) {
            self.prefix_lengths.insert(at, prefix.len());
        }
        new
    }

    /// All children were added; they have other numbers from now on.
    pub(super) fn renumber(&mut self, place: impl Fn(u32) -> u32) {
        self.known = Map::default();
        for (_, child) in self.by_prefix.values_mut().flatten() {
            *child = place(*child);
        }
    }

    /// Those that match a segment.
    pub(super) fn children(&self, segment: &[u8], mut found: impl FnMut(u32)) {
        for prefix in self.prefix_lengths.iter().map_while(|n| segment.get(..*n)) {
            let same = self.by_prefix.get(prefix).map(Vec::as_slice).unwrap_or_default();
            same.iter().filter(|(p, _)| p.matches(segment)).for_each(|(_, at)| found(*at));
        }
    }
}
