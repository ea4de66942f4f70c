//! The index over hosts, methods and path templates. Looking up costs the
//! path's length and the rules that match it, not the rules there are.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

use crate::rules::{HostPattern, Match, Method};
use crate::target::{Segment, Target};
use crate::template::Pattern;

/// The index of a rule, and of its path template if it names any.
pub type Candidate = (usize, Option<usize>);

/// An index over [`Match`]es: a trie of path segments per host. What a lookup
/// reads lies in few places, since most of them are cold in a large policy: the
/// edges of all tries are in one table, their texts in one block, and equal
/// lists of methods are one.
#[derive(Debug, Default)]
pub struct Index {
    exact: Map<String, u32>,
    below: Map<String, u32>,
    any: Option<u32>,
    longest_below: usize,
    nodes: Vec<Branch>,
    /// By the hash of a node and a literal, the first child that has it.
    edges: Map<Hashed, u32>,
    texts: Vec<u8>,
    methods: Vec<Box<[Method]>>,
}

/// No node.
const NONE: u32 = u32::MAX;

#[derive(Debug)]
struct Branch {
    /// The node above it, and the literal between them.
    above: u32,
    text: (u32, u32),
    /// The next child of the same hash.
    twin: u32,
    /// The child for any segment that is not empty.
    any: u32,
    patterns: Option<Box<Patterns>>,
    ends: Vec<End>,
    tails: Vec<End>,
    /// Rules without a path; at a root only.
    anywhere: Vec<End>,
}

/// The children that are neither literals nor any segment.
#[derive(Debug, Default)]
struct Patterns {
    by_prefix: Map<Vec<u8>, Vec<(Pattern, u32)>>,
    prefix_lengths: Vec<usize>,
}

#[derive(Clone, Copy, Debug)]
struct End {
    /// Of the index's lists of methods; the first is empty, and stands for all.
    methods: u32,
    rule: u32,
    /// `NONE`: the rule names no path.
    path: u32,
}

impl Branch {
    fn new(above: u32, text: (u32, u32), twin: u32) -> Self {
        let (ends, tails, anywhere) = (Vec::new(), Vec::new(), Vec::new());
        Branch { above, text, twin, any: NONE, patterns: None, ends, tails, anywhere }
    }
}

impl Index {
    /// Compiles it; rules are numbered from 0 in order.
    pub fn new<'m>(matches: impl IntoIterator<Item = &'m Match>) -> Self {
        let mut index = Index { methods: vec![Box::default()], ..Index::default() };
        let mut lists: Map<Box<[Method]>, u32> = Map::default();
        lists.insert(Box::default(), 0);
        for (rule, m) in matches.into_iter().enumerate() {
            let methods = match lists.get(&*m.methods) {
                Some(at) => *at,
                None => {
                    let list: Box<[Method]> = m.methods.to_vec().into();
                    let at = small(index.methods.len());
                    index.methods.push(list.clone());
                    lists.insert(list, at);
                    at
                }
            };
            let end = |path| End { methods, rule: small(rule), path };
            if m.hosts.is_empty() {
                let root = match index.any {
                    Some(root) => root,
                    None => index.root(),
                };
                index.any = Some(root);
                index.add(root, m, end);
            }
            for host in m.hosts.iter() {
                let (HostPattern::Exact(name) | HostPattern::Below(name)) = host;
                let below = matches!(host, HostPattern::Below(_));
                let roots = if below { &index.below } else { &index.exact };
                let root = match roots.get(name) {
                    Some(root) => *root,
                    None => {
                        let root = index.root();
                        let roots = if below { &mut index.below } else { &mut index.exact };
                        roots.insert(name.clone(), root);
                        root
                    }
                };
                if below {
                    index.longest_below = index.longest_below.max(name.len());
                }
                index.add(root, m, end);
            }
        }
        index
    }

    fn root(&mut self) -> u32 {
        self.nodes.push(Branch::new(NONE, (0, 0), NONE));
        small(self.nodes.len().saturating_sub(1))
    }

    fn add(&mut self, root: u32, m: &Match, end: impl Fn(u32) -> End) {
        if m.paths.is_empty()
            && let Some(node) = self.nodes.get_mut(at(root))
        {
            node.anywhere.push(end(NONE));
        }
        for (i, template) in m.paths.iter().enumerate() {
            let mut node = root;
            for pattern in template.segments() {
                node = self.child(node, pattern);
            }
            if let Some(node) = self.nodes.get_mut(at(node)) {
                let list = if template.has_tail() { &mut node.tails } else { &mut node.ends };
                list.push(end(small(i)));
            }
        }
    }

    /// The child for a pattern; a new one if there is none yet.
    fn child(&mut self, above: u32, pattern: &Pattern) -> u32 {
        let new = small(self.nodes.len());
        let (mut text, mut twin) = ((0, 0), NONE);
        if pattern.is_literal() {
            let literal = pattern.prefix();
            if let Some(child) = self.literal(above, literal) {
                return child;
            }
            text = (small(self.texts.len()), small(literal.len()));
            self.texts.extend_from_slice(literal);
            twin = self.edges.insert(hash(above, literal), new).unwrap_or(NONE);
        } else {
            let Some(node) = self.nodes.get_mut(at(above)) else { return above };
            if pattern.is_any() {
                if node.any != NONE {
                    return node.any;
                }
                node.any = new;
            } else {
                let child = node.patterns.get_or_insert_default().child(pattern, new);
                if child != new {
                    return child;
                }
            }
        }
        self.nodes.push(Branch::new(above, text, twin));
        new
    }

    /// The child for a literal.
    fn literal(&self, above: u32, literal: &[u8]) -> Option<u32> {
        let mut child = *self.edges.get(&hash(above, literal))?;
        while let Some(node) = self.nodes.get(at(child)) {
            let (from, length) = (at(node.text.0), at(node.text.1));
            let own = self.texts.get(from..from.saturating_add(length)).unwrap_or_default();
            if node.above == above && own == literal {
                return Some(child);
            }
            child = node.twin;
        }
        None
    }

    /// The rules whose host, method and path match, ascending, each once with each of
    /// its path templates that matches.
    #[must_use]
    pub fn find(&self, host: Option<&str>, method: &[u8], target: &Target<'_>) -> Vec<Candidate> {
        let mut found = Vec::with_capacity(8);
        if target.is_asterisk() {
            return found;
        }
        let segments = target.segments();
        let mut look = |root: u32| self.look(root, method, segments, &mut found);
        self.any.into_iter().for_each(&mut look);
        if let Some(host) = host {
            self.exact.get(host).copied().into_iter().for_each(&mut look);
            if !self.below.is_empty() {
                for (dot, _) in host.match_indices('.').filter(|(dot, _)| *dot > 0) {
                    let suffix = host.get(dot..).unwrap_or_default();
                    if suffix.len() <= self.longest_below
                        && let Some(root) = self.below.get(suffix)
                    {
                        look(*root);
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

    fn look(&self, root: u32, method: &[u8], segments: &[Segment<'_>], found: &mut Vec<Candidate>) {
        let mut collect = |ends: &[End]| {
            for end in ends.iter().filter(|end| self.covers(end.methods, method)) {
                found.push(end.candidate());
            }
        };
        let mut open: Vec<(u32, usize)> = Vec::with_capacity(8);
        open.push((root, 0));
        while let Some((id, depth)) = open.pop() {
            let Some(node) = self.nodes.get(at(id)) else { continue };
            collect(&node.anywhere);
            collect(&node.tails);
            let Some(segment) = segments.get(depth) else {
                collect(&node.ends);
                continue;
            };
            let (segment, deeper) = (segment.decoded(), depth.saturating_add(1));
            if let Some(child) = self.literal(id, segment) {
                open.push((child, deeper));
            }
            if node.any != NONE && !segment.is_empty() {
                open.push((node.any, deeper));
            }
            if let Some(patterns) = &node.patterns {
                patterns.children(segment, |child| open.push((child, deeper)));
            }
        }
    }

    fn covers(&self, list: u32, method: &[u8]) -> bool {
        let own = self.methods.get(at(list)).map(|list| &**list).unwrap_or_default();
        own.is_empty() || own.iter().any(|m| m.covers(method))
    }
}

impl End {
    fn candidate(&self) -> Candidate {
        (at(self.rule), (self.path != NONE).then(|| at(self.path)))
    }
}

/// A place in one of the lists. They are shorter than 4 GiB, as all memory of a
/// VM is; where they are not, nothing is found there.
fn at(place: u32) -> usize {
    usize::try_from(place).unwrap_or(usize::MAX)
}

fn small(place: usize) -> u32 {
    u32::try_from(place).unwrap_or(NONE)
}

impl Patterns {
    fn child(&mut self, pattern: &Pattern, new: u32) -> u32 {
        let prefix = pattern.prefix();
        let same = self.by_prefix.entry(prefix.to_vec()).or_default();
        if let Some((_, at)) = same.iter().find(|(p, _)| p == pattern) {
            return *at;
        }
        same.push((pattern.clone(), new));
        if let Err(at) = self.prefix_lengths.binary_search(&prefix.len()) {
            self.prefix_lengths.insert(at, prefix.len());
        }
        new
    }

    fn children(&self, segment: &[u8], mut found: impl FnMut(u32)) {
        for prefix in self.prefix_lengths.iter().map_while(|n| segment.get(..*n)) {
            let same = self.by_prefix.get(prefix).map(Vec::as_slice).unwrap_or_default();
            same.iter().filter(|(p, _)| p.matches(segment)).for_each(|(_, at)| found(*at));
        }
    }
}

/// The hash of a node and a literal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Hashed(u64);

impl std::hash::Hash for Hashed {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(self.0);
    }
}

fn hash(above: u32, literal: &[u8]) -> Hashed {
    let mut state = Fnv::default();
    state.write(&above.to_le_bytes());
    state.write(literal);
    // The table looks at the highest bits and at the lowest.
    Hashed(state.0 ^ state.0.rotate_left(32))
}

/// Keys come from the policy alone, so a hash without a secret is safe here.
type Map<K, V> = HashMap<K, V, BuildHasherDefault<Fnv>>;

/// FNV-1a, 64 bits.
struct Fnv(u64);

impl Default for Fnv {
    fn default() -> Self {
        Fnv(0xcbf2_9ce4_8422_2325)
    }
}

impl Hasher for Fnv {
    fn write(&mut self, bytes: &[u8]) {
        for b in bytes {
            self.0 = (self.0 ^ u64::from(*b)).wrapping_mul(0x0000_0100_0000_01b3);
        }
    }

    /// A number is a hash already.
    fn write_u64(&mut self, number: u64) {
        self.0 = number;
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::config::{decode, parse_json};

    fn rules(json: &str) -> Vec<Match> {
        decode(&parse_json(json.as_bytes()).unwrap()).unwrap()
    }

    fn find(rules: &[Match], host: &str, method: &str, path: &str) -> Vec<usize> {
        let target = Target::parse(Some(path.as_bytes())).unwrap();
        let found = Index::new(rules).find(Some(host), method.as_bytes(), &target);
        let mut rules: Vec<_> = found.into_iter().map(|(rule, _)| rule).collect();
        rules.dedup();
        rules
    }

    #[test]
    fn hosts_methods_and_paths() {
        let rules = rules(
            r#"[
            {"paths":["/a/{x}","/a/b"],"methods":["GET"]},
            {"paths":["/a/b"],"hosts":["one.example"]},
            {"paths":["/**"],"hosts":["*.example"]},
            {"methods":["POST"]},
            {"paths":["/a/user:{n}.json","/a/user:{n}.xml"]}
        ]"#,
        );
        assert_eq!(find(&rules, "one.example", "GET", "/a/b"), [0, 1, 2]);
        assert_eq!(find(&rules, "two.one.example", "HEAD", "/a/b"), [0, 2]);
        assert_eq!(find(&rules, "example", "GET", "/a/b"), [0]);
        assert_eq!(find(&rules, ".example", "DELETE", "/"), [0usize; 0]);
        assert_eq!(find(&rules, "x", "POST", "/zzz"), [3]);
        assert_eq!(find(&rules, "x", "PUT", "/a/user:n.json"), [4]);
        assert_eq!(find(&rules, "x", "GET", "*"), [0usize; 0]);
    }

    /// The model: every template tried in turn.
    fn naive(rules: &[Match], host: &str, method: &str, path: &str) -> Vec<usize> {
        let target = Target::parse(Some(path.as_bytes())).unwrap();
        let host_fits = |m: &Match| {
            m.hosts.is_empty()
                || m.hosts.iter().any(|h| match h {
                    HostPattern::Exact(name) => name == host,
                    HostPattern::Below(name) => {
                        host.len() > name.len() && host.ends_with(name.as_str())
                    }
                })
        };
        let method_fits = |m: &Match| {
            m.methods.is_empty() || m.methods.iter().any(|x| x.covers(method.as_bytes()))
        };
        let path_fits =
            |m: &Match| m.paths.is_empty() || m.paths.iter().any(|t| t.matches(&target));
        (0..rules.len())
            .filter(|i| host_fits(&rules[*i]) && method_fits(&rules[*i]) && path_fits(&rules[*i]))
            .collect()
    }

    fn template() -> impl Strategy<Value = String> {
        let segment = prop_oneof![
            "[ab]{1,2}",
            Just("{x}".into()),
            Just("*".into()),
            "[ab]{0,1}:\\{x\\?\\}\\.[ab]"
        ];
        let tail = prop_oneof![Just(""), Just("/**"), Just("/")];
        (prop::collection::vec(segment, 0..4), tail).prop_map(|(segments, tail)| {
            // Names differ so that no capture stands in a template twice.
            let named = segments
                .iter()
                .enumerate()
                .map(|(i, s)| format!("/{}", s.replace('x', &format!("x{i}"))));
            let text = named.collect::<String>() + tail;
            if text.is_empty() { "/".into() } else { text }
        })
    }

    proptest! {
        #[test]
        fn the_index_agrees_with_trying_every_template(
            templates in prop::collection::vec((prop::collection::vec(template(), 0..3), 0..3usize, 0..3usize), 0..12),
            path in "(/([ab]{1,2}|[ab]?:[ab]{0,2}\\.[ab])){0,4}/?",
            method in prop::sample::select(vec!["GET", "HEAD", "POST"]),
            host in prop::sample::select(vec!["a.b", "b", "c.a.b"]),
        ) {
            let hosts = [vec![], vec!["a.b"], vec!["*.b"]];
            let methods = [vec![], vec!["GET"], vec!["POST"]];
            let json: Vec<_> = templates.iter().map(|(paths, host, method)| {
                let mut rule = serde_json::json!({
                    "paths": paths,
                    "hosts": hosts[*host],
                    "methods": methods[*method],
                });
                // An empty list is refused: what does not matter is left out.
                rule.as_object_mut().unwrap().retain(|_, list| list != &serde_json::json!([]));
                rule
            }).collect();
            let rules = rules(&serde_json::Value::from(json).to_string());
            let path = if path.is_empty() { "/" } else { &path };
            prop_assert_eq!(find(&rules, host, method, path), naive(&rules, host, method, path));
        }
    }
}
