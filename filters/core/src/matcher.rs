//! The index over hosts, methods and path templates. A trie of path segments
//! per host; looking up costs the path's length and the rules that match it,
//! not the rules there are.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

use crate::rules::{HostPattern, Match, Method};
use crate::target::{Segment, Target};
use crate::template::{Pattern, Template};

/// The index of a rule, and of its path template if it names any.
pub type Candidate = (usize, Option<usize>);

/// An index over [`Match`]es.
#[derive(Debug, Default)]
pub struct Index {
    exact: Map<String, Trie>,
    below: Map<String, Trie>,
    any: Trie,
    longest_below: usize,
}

impl Index {
    /// Compiles it; rules are numbered from 0 in order.
    pub fn new<'m>(matches: impl IntoIterator<Item = &'m Match>) -> Self {
        let mut index = Index::default();
        for (rule, m) in matches.into_iter().enumerate() {
            if m.hosts.is_empty() {
                index.any.add(rule, m);
            }
            for host in m.hosts.iter() {
                match host {
                    HostPattern::Exact(name) => {
                        index.exact.entry(name.clone()).or_default().add(rule, m)
                    }
                    HostPattern::Below(name) => {
                        index.longest_below = index.longest_below.max(name.len());
                        index.below.entry(name.clone()).or_default().add(rule, m);
                    }
                }
            }
        }
        index
    }

    /// The rules whose host, method and path match, ascending, each once.
    #[must_use]
    pub fn find(&self, host: Option<&str>, method: &[u8], target: &Target<'_>) -> Vec<Candidate> {
        let mut found = Vec::new();
        if target.is_asterisk() {
            return found;
        }
        self.any.find(method, target.segments(), &mut found);
        if let Some(host) = host {
            if let Some(trie) = self.exact.get(host) {
                trie.find(method, target.segments(), &mut found);
            }
            if !self.below.is_empty() {
                for (at, _) in host.match_indices('.').filter(|(at, _)| *at > 0) {
                    let suffix = host.get(at..).unwrap_or_default();
                    if suffix.len() <= self.longest_below
                        && let Some(trie) = self.below.get(suffix)
                    {
                        trie.find(method, target.segments(), &mut found);
                    }
                }
            }
        }
        if found.len() > 1 {
            found.sort_unstable();
            found.dedup_by_key(|(rule, _)| *rule);
        }
        found
    }
}

#[derive(Debug, Default)]
struct Trie {
    nodes: Vec<Branch>,
    anywhere: Vec<End>,
}

#[derive(Debug, Default)]
struct Branch {
    literals: Map<Vec<u8>, usize>,
    patterns: Map<Vec<u8>, Vec<(Pattern, usize)>>,
    prefix_lengths: Vec<usize>,
    any: Option<usize>,
    ends: Vec<End>,
    tails: Vec<End>,
}

#[derive(Debug)]
struct End {
    methods: Vec<Method>,
    candidate: Candidate,
}

impl End {
    fn covers(&self, method: &[u8]) -> bool {
        self.methods.is_empty() || self.methods.iter().any(|m| m.covers(method))
    }
}

impl Trie {
    fn add(&mut self, rule: usize, m: &Match) {
        let end = |path| End { methods: m.methods.to_vec(), candidate: (rule, path) };
        if m.paths.is_empty() {
            self.anywhere.push(end(None));
        }
        for (i, template) in m.paths.iter().enumerate() {
            self.add_template(template, end(Some(i)));
        }
    }

    fn add_template(&mut self, template: &Template, end: End) {
        let mut at = 0;
        if self.nodes.is_empty() {
            self.nodes.push(Branch::default());
        }
        for pattern in template.segments() {
            let next = self.nodes.len();
            let Some(node) = self.nodes.get_mut(at) else { return };
            at = node.child(pattern, next);
            if at == next {
                self.nodes.push(Branch::default());
            }
        }
        if let Some(node) = self.nodes.get_mut(at) {
            let list = if template.has_tail() { &mut node.tails } else { &mut node.ends };
            list.push(end);
        }
    }

    fn find(&self, method: &[u8], segments: &[Segment<'_>], found: &mut Vec<Candidate>) {
        collect(&self.anywhere, method, found);
        let mut level: Vec<usize> = vec![0];
        let mut next = Vec::new();
        for depth in 0..=segments.len() {
            for node in level.iter().filter_map(|at| self.nodes.get(*at)) {
                collect(&node.tails, method, found);
                match segments.get(depth) {
                    Some(segment) => node.children(segment.decoded(), &mut next),
                    None => collect(&node.ends, method, found),
                }
            }
            if next.is_empty() {
                return;
            }
            level.clear();
            std::mem::swap(&mut level, &mut next);
        }
    }
}

fn collect(ends: &[End], method: &[u8], found: &mut Vec<Candidate>) {
    found.extend(ends.iter().filter(|e| e.covers(method)).map(|e| e.candidate));
}

impl Branch {
    /// The child for a pattern; `new` if there is none yet.
    fn child(&mut self, pattern: &Pattern, new: usize) -> usize {
        if pattern.is_literal() {
            return *self.literals.entry(pattern.prefix().to_vec()).or_insert(new);
        }
        if pattern.is_any() {
            return *self.any.get_or_insert(new);
        }
        let prefix = pattern.prefix();
        let same = self.patterns.entry(prefix.to_vec()).or_default();
        if let Some((_, at)) = same.iter().find(|(p, _)| p == pattern) {
            return *at;
        }
        same.push((pattern.clone(), new));
        if let Err(at) = self.prefix_lengths.binary_search(&prefix.len()) {
            self.prefix_lengths.insert(at, prefix.len());
        }
        new
    }

    fn children(&self, segment: &[u8], out: &mut Vec<usize>) {
        out.extend(self.literals.get(segment));
        if !segment.is_empty() {
            out.extend(self.any);
        }
        for prefix in self.prefix_lengths.iter().map_while(|n| segment.get(..*n)) {
            let same = self.patterns.get(prefix).map(Vec::as_slice).unwrap_or_default();
            out.extend(same.iter().filter(|(p, _)| p.matches(segment)).map(|(_, at)| *at));
        }
    }
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
        found.into_iter().map(|(rule, _)| rule).collect()
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
