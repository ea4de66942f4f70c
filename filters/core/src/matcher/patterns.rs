//! Patterns of one segment that are neither literals nor any segment, found by a segment
//! that they match. In an index: the children of a node.

use crate::template::Pattern;

use super::at;
use super::hash::{ByText, Places, of};

/// Patterns, each with a number. Finding those that match costs the same among ten and
/// ten thousand, but for patterns of more than one capture.
#[derive(Debug, Default)]
pub struct Patterns {
    by_prefix: ByText<Group>,
    prefix_lengths: Vec<usize>,
    /// All of them without names, by the whole pattern, as long as some are added.
    known: Vec<(Pattern, u32)>,
    places: Places,
}

/// Patterns that were known, one after the other.
pub(super) type Former = std::vec::IntoIter<(Pattern, u32)>;

/// Patterns that begin alike.
#[derive(Debug)]
enum Group {
    Few(Vec<(Pattern, u32)>),
    Many(Box<Many>),
}

impl Default for Group {
    fn default() -> Self {
        Group::Few(Vec::new())
    }
}

/// So many are tried one by one.
const FEW: usize = 8;

/// More than those.
#[derive(Debug, Default)]
struct Many {
    by_suffix: ByText<Alike>,
    suffix_lengths: Vec<usize>,
}

/// Patterns that begin and end alike.
#[derive(Debug, Default)]
struct Alike {
    /// Of those whose only capture takes certain words, by each of them.
    words: ByText<Vec<u32>>,
    others: Vec<(Pattern, u32)>,
}

impl Patterns {
    /// The number of a pattern; `new` if there is none yet. Names do not matter.
    pub fn child(&mut self, pattern: &Pattern, new: u32) -> u32 {
        let pattern = pattern.unnamed();
        let hash = of(&pattern);
        if let Some(number) = self.find(hash, &pattern) {
            return number;
        }
        self.places.add(hash, super::small(self.known.len()));
        self.known.push((pattern.clone(), new));
        let length = pattern.prefix().len();
        if let Err(at) = self.prefix_lengths.binary_search(&length) {
            self.prefix_lengths.insert(at, length);
        }
        if let Some(same) = self.by_prefix.entry(pattern.prefix()) {
            same.add(pattern.clone(), new);
        }
        new
    }

    /// The number of a pattern that was added.
    #[must_use]
    pub fn same(&self, pattern: &Pattern) -> Option<u32> {
        let pattern = pattern.unnamed();
        self.find(of(&pattern), &pattern)
    }

    fn find(&self, hash: u64, pattern: &Pattern) -> Option<u32> {
        let known = |place: u32| self.known.get(at(place));
        let is = |place: u32| known(place).is_some_and(|(own, _)| own == pattern);
        self.places.find(hash, is).and_then(known).map(|(_, number)| *number)
    }

    /// All children were added; they have other numbers from now on. What was known of
    /// them to add more, to be given back.
    pub(super) fn renumber(&mut self, place: impl Fn(u32) -> u32) -> Former {
        for group in self.by_prefix.values_mut() {
            match group {
                Group::Few(few) => few.iter_mut().for_each(|(_, at)| *at = place(*at)),
                Group::Many(many) => many.renumber(&place),
            }
        }
        self.places = Places::default();
        std::mem::take(&mut self.known).into_iter()
    }

    /// Those that match a segment.
    pub fn children(&self, segment: &[u8], mut found: impl FnMut(u32)) {
        for prefix in self.prefix_lengths.iter().map_while(|n| segment.get(..*n)) {
            match self.by_prefix.get(prefix) {
                Some(Group::Few(few)) => {
                    few.iter().filter(|(p, _)| p.matches(segment)).for_each(|(_, at)| found(*at));
                }
                Some(Group::Many(many)) => many.children(segment, prefix.len(), &mut found),
                None => {}
            }
        }
    }
}

impl Group {
    fn add(&mut self, pattern: Pattern, new: u32) {
        match self {
            Group::Many(many) => many.add(pattern, new),
            Group::Few(few) => {
                few.push((pattern, new));
                if few.len() > FEW {
                    let mut many = Box::<Many>::default();
                    few.drain(..).for_each(|(pattern, at)| many.add(pattern, at));
                    *self = Group::Many(many);
                }
            }
        }
    }
}

impl Many {
    fn add(&mut self, pattern: Pattern, new: u32) {
        let suffix = pattern.suffix();
        if let Err(at) = self.suffix_lengths.binary_search(&suffix.len()) {
            self.suffix_lengths.insert(at, suffix.len());
        }
        let Some(alike) = self.by_suffix.entry(suffix) else { return };
        match pattern.words() {
            Some(words) => {
                for word in words {
                    // One may stand there twice.
                    let same = alike.words.entry(word.as_bytes());
                    if let Some(same) = same.filter(|same| !same.contains(&new)) {
                        same.push(new);
                    }
                }
            }
            None => alike.others.push((pattern, new)),
        }
    }

    fn renumber(&mut self, place: impl Fn(u32) -> u32) {
        for alike in self.by_suffix.values_mut() {
            alike.words.values_mut().flatten().for_each(|at| *at = place(*at));
            alike.others.iter_mut().for_each(|(_, at)| *at = place(*at));
        }
    }

    #[cold]
    fn children(&self, segment: &[u8], prefix: usize, found: &mut impl FnMut(u32)) {
        let rest = segment.get(prefix..).unwrap_or_default();
        let parts = self
            .suffix_lengths
            .iter()
            .map_while(|n| rest.split_at_checked(rest.len().checked_sub(*n)?));
        for (middle, suffix) in parts {
            let Some(alike) = self.by_suffix.get(suffix) else { continue };
            alike.words.get(middle).into_iter().flatten().for_each(|at| found(*at));
            let others = alike.others.iter().filter(|(p, _)| p.matches(segment));
            others.for_each(|(_, at)| found(*at));
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::template::Template;

    fn pattern(text: &str) -> Pattern {
        let template = Template::parse(&format!("/{text}")).unwrap();
        Pattern::clone(template.segments().first().unwrap())
    }

    fn all(texts: &[String]) -> Patterns {
        let mut patterns = Patterns::default();
        for (i, text) in texts.iter().enumerate() {
            patterns.child(&pattern(text), u32::try_from(i).unwrap());
        }
        patterns
    }

    fn children(patterns: &Patterns, segment: &str) -> Vec<u32> {
        let mut found = Vec::new();
        patterns.children(segment.as_bytes(), |at| found.push(at));
        found.sort_unstable();
        found
    }

    /// How many patterns are tried one by one, at most.
    fn tried(patterns: &mut Patterns) -> usize {
        let most = |group: &mut Group| match group {
            Group::Few(few) => few.len(),
            Group::Many(many) => many.by_suffix.values_mut().map(|a| a.others.len()).max().unwrap(),
        };
        patterns.by_prefix.values_mut().map(most).max().unwrap()
    }

    #[test]
    fn however_many_there_are_few_are_tried() {
        let of = |text: &dyn Fn(usize) -> String| (0..2_000).map(text).collect::<Vec<_>>();
        let kinds = |i: usize| ["{x}", "{x:int}", "{x?}", "{y}"][i % 4].to_owned();
        let mut suffixes = all(&of(&|i| format!("{}.t{}", kinds(i), i / 4)));
        assert_eq!(tried(&mut suffixes), 3);
        assert_eq!(children(&suffixes, "7.t10"), [40, 41, 42]);
        assert_eq!(children(&suffixes, ".t499"), [1998]);
        let mut words = all(&of(&|i| format!("a{{x:w{i}|v{}}}.b", i / 2)));
        assert_eq!(tried(&mut words), 0);
        assert_eq!(children(&words, "av7.b"), [14, 15]);
        assert_eq!(children(&words, "aw1999.b"), [1999]);
        let mut prefixes = all(&of(&|i| format!("p{i}-{{x}}")));
        assert_eq!(tried(&mut prefixes), 1);
        assert_eq!(children(&prefixes, "p5-5"), [5]);
    }

    fn segment() -> impl Strategy<Value = String> {
        let first = prop::sample::select(vec!["{x}", "{x?}", "{x:int}", "{x:a|b|ab|a}", "{x:1}"]);
        let second = prop::sample::select(vec!["", "", "-{y}", "-{y?}a", "a{y:b|}"]);
        ("[ab1]{0,2}", first, "[ab-]{0,2}", second)
            .prop_map(|(before, first, after, second)| format!("{before}{first}{after}{second}"))
            .prop_filter("no pattern", |text| Template::parse(&format!("/{text}")).is_ok())
    }

    proptest! {
        #[test]
        fn those_that_match_are_found(
            texts in prop::collection::vec(segment(), 0..60),
            segment in "[ab1-]{0,6}",
        ) {
            let patterns = all(&texts);
            let mut seen = Vec::new();
            let mut expected = Vec::new();
            for (i, text) in texts.iter().enumerate() {
                let one = pattern(text);
                let first = patterns.same(&one).unwrap();
                if usize::try_from(first).unwrap() == i {
                    prop_assert!(!seen.contains(&one.unnamed()));
                    seen.push(one.unnamed());
                    expected.extend(one.matches(segment.as_bytes()).then_some(first));
                }
            }
            prop_assert_eq!(children(&patterns, &segment), expected);
        }
    }
}
