//! A policy of many rules, compiled in slices.

use std::collections::BTreeMap;
use std::rc::Rc;

use postern_core::Load;
use postern_core::config::{At, Cut, Errors, Key, Node, Value, parse_json};
use postern_core::digest::Pieces;

use crate::bounds::{MAX_TEXT, check_text, values_of};
use crate::policy::{Policy, rule};
use crate::rule_set::{Growing, RuleSet, TextDigest};
use crate::sets::{Sets, get_mut};
use crate::{Authz, Filter};

/// How much of it goes into a digest in one slice, in bytes.
const DIGESTED: usize = 256 * 1024;
/// How much text of rules is read in one slice, in bytes; at least one rule.
const READ: usize = 24 * 1024;
/// A value that a reference stands for is as much work as so much text.
const VALUE: usize = 64;
/// How many places of the index are filled in one slice; at least those of one rule.
const INDEXED: usize = 400;

/// How many are written out in one.
const WRITTEN: usize = 4_000;

const LISTS: [&[&str]; 2] = [&["rules"], &["candidate", "rules"]];

/// What was done of it so far.
pub(crate) enum Loading {
    /// Nothing. With it the sets of rules that serve.
    Text(Rc<Vec<u8>>, Vec<Rc<RuleSet>>),
    /// All but the rules was read; they are in their turn.
    Rules(Box<Rules>),
    /// It is done.
    Over,
}

pub(crate) struct Rules {
    policy: Policy,
    cut: Cut,
    /// Those of the current rules, and the candidate's if it has its own.
    sets: (Sets, Option<Sets>),
    /// The current rules, and the candidate's.
    lists: [List; 2],
    /// What serves.
    former: Vec<Rc<RuleSet>>,
    done: Vec<Rc<RuleSet>>,
}

/// What was done of a list of rules so far.
struct List {
    /// The sets that the rules may refer to, until they are in the digest.
    sets: Option<Rc<Vec<u8>>>,
    pieces: Pieces,
    /// Once all is in it.
    digest: Option<TextDigest>,
    /// How many were read, and what came of them.
    read: usize,
    growing: Growing,
}

impl List {
    fn new(sets: Rc<Vec<u8>>) -> Self {
        let (pieces, growing) = (Pieces::default(), Growing::default());
        List { sets: Some(sets), pieces, digest: None, read: 0, growing }
    }

    /// Takes a piece of the sets, and then of the rules, into the digest; that, once it is
    /// known.
    fn digest(&mut self, rules: &[u8]) -> Option<TextDigest> {
        match self.sets.take() {
            Some(sets) => match self.pieces.read(&sets, DIGESTED) {
                Some(_) => self.pieces.go_on(),
                None => self.sets = Some(sets),
            },
            None => self.digest = self.pieces.read(rules, DIGESTED).map(TextDigest),
        }
        self.digest
    }
}

/// The sets as they go into a digest: no others, with whatever rules, give the same bytes.
fn text_of(sets: Option<&Node>) -> Rc<Vec<u8>> {
    let sets = sets.map(Node::to_json).unwrap_or_default();
    Rc::new(format!("{} {sets}", sets.len()).into_bytes())
}

impl Loading {
    pub(crate) fn new(text: Rc<Vec<u8>>, former: &Authz) -> Self {
        let candidate = former.candidate.as_ref().map(|candidate| candidate.rules.clone());
        Loading::Text(text, std::iter::once(former.rules.clone()).chain(candidate).collect())
    }
}

impl Load<Authz> for Loading {
    fn slice(&mut self) -> Result<Option<Authz>, Errors> {
        match std::mem::replace(self, Loading::Over) {
            Loading::Text(text, _) if text.len() > MAX_TEXT => {
                let mut errors = Errors::default();
                check_text(text.len(), At::root(&Node::unplaced(Value::Null)), &mut errors);
                Err(errors)
            }
            Loading::Text(text, former) => match Cut::new(text.clone(), &LISTS) {
                Some(mut cut) => {
                    let mut errors = Errors::default();
                    // They were read where the policy was tried: what is wrong with one
                    // is said where a rule refers to it.
                    let node = |sets: Option<Node>| sets.unwrap_or(Node::unplaced(Value::Null));
                    let current = take(cut.rest_mut(), "sets");
                    let own = get_mut(cut.rest_mut(), "candidate").and_then(|c| take(c, "sets"));
                    let text = text_of(current.as_ref());
                    let own_text = own.as_ref().map(|own| text_of(Some(own)));
                    let lists = [text.clone(), own_text.unwrap_or(text)].map(List::new);
                    let current = Sets::of(node(current), &Rc::default());
                    let own = own.map(|own| Sets::of(own, current.tally()));
                    let policy = Policy::read(At::root(cut.rest()), &mut errors);
                    let policy = policy.filter(|_| errors.is_empty()).ok_or(errors)?;
                    let (sets, done) = ((current, own), Vec::new());
                    let rules = Rules { policy, cut, sets, lists, former, done };
                    *self = Loading::Rules(Box::new(rules));
                    Ok(None)
                }
                None => Authz::configure(&parse_json(&text)?, &|_| None).map(Some),
            },
            Loading::Rules(mut rules) => {
                if rules.slice()? {
                    *self = Loading::Rules(rules);
                    return Ok(None);
                }
                let Rules { policy, done, .. } = *rules;
                let mut done = done.into_iter();
                Ok(done.next().map(|current| Authz::new(policy, current, done.next())))
            }
            Loading::Over => Ok(None),
        }
    }
}

impl Rules {
    /// Is there more to do?
    fn slice(&mut self) -> Result<bool, Errors> {
        let place = self.done.len();
        let Some(list) = self.lists.get_mut(place) else { return Ok(false) };
        let Some(digest) = list.digest else {
            let digest = list.digest(self.cut.items(place));
            // Taken over, its rules are not counted again: that all together are not too
            // many was seen where the policy was tried.
            let same = |digest| self.former.iter().find(|former| former.is_of(digest));
            self.done.extend(digest.and_then(same).cloned());
            return Ok(true);
        };
        if list.read < self.cut.count(place) {
            let (current, own) = &self.sets;
            let sets = own.as_ref().filter(|_| place == 1).unwrap_or(current);
            list.read = slice_of(&self.cut, sets, place, list.read, &mut list.growing)?;
        } else if !list.growing.index(INDEXED) && !list.growing.write(WRITTEN) {
            self.done.push(Rc::new(std::mem::take(&mut list.growing).finish().of(digest)));
        }
        Ok(true)
    }
}

/// Reads some rules from `first` on; which one is next?
fn slice_of(
    cut: &Cut,
    sets: &Sets,
    list: usize,
    first: usize,
    into: &mut Growing,
) -> Result<usize, Errors> {
    let root = At::root(cut.rest());
    let none = Node::unplaced(Value::Null);
    let beside = cut.rest().get("candidate").filter(|_| list == 1);
    let own = beside.map(|candidate| root.key("candidate", candidate));
    let above = own.as_ref().unwrap_or(&root);
    let rules = above.key("rules", &none);
    let mut errors = Errors::default();
    let put_before = sets.tally().values.get();
    let (mut next, mut read, mut size) = (first, 0usize, 0usize);
    while next < cut.count(list) && (next == first || size < READ) {
        let item = cut.item(list, next)?;
        if let Some((applies_to, rule)) = rule(rules.index(next, &item), sets, &mut errors) {
            into.add(applies_to, rule);
        }
        read = read.saturating_add(cut.size(list, next));
        let put = sets.tally().values.get().saturating_sub(put_before);
        size = read.saturating_add(put.saturating_mul(VALUE));
        next += 1;
    }
    if errors.is_empty() { Ok(next) } else { Err(errors) }
}

/// How much text a short policy is worth, with what its references stand for.
pub(crate) fn weight(text: &[u8]) -> usize {
    let Ok(policy) = parse_json(text) else { return text.len() };
    let lists = sizes(&policy, values_of);
    // A named match may itself refer to lists.
    let sizes = sizes(&policy, |set| values_of(set).saturating_add(referred(set, &lists)));
    let values = referred(&policy, &sizes);
    text.len().saturating_add(values.saturating_mul(VALUE))
}

/// By name: how large the sets are, the largest of several.
fn sizes(policy: &Node, size: impl Fn(&Node) -> usize) -> BTreeMap<&str, usize> {
    let mut sizes = BTreeMap::new();
    for above in [Some(policy), policy.get("candidate")].into_iter().flatten() {
        for (name, set) in
            entries(above.get("sets")).iter().flat_map(|(_, kind)| entries(Some(kind)))
        {
            let known: &mut usize = sizes.entry(name.text.as_str()).or_default();
            *known = size(set).max(*known);
        }
    }
    sizes
}

/// How many values the references in it stand for. Of two sets of one name the larger
/// one is meant.
fn referred(node: &Node, sizes: &BTreeMap<&str, usize>) -> usize {
    let own = match node.get("set").map(|name| &name.value) {
        Some(Value::Text(name)) => sizes.get(name.as_str()).copied().unwrap_or(0),
        _ => 0,
    };
    let below: &mut dyn Iterator<Item = &Node> = match &node.value {
        Value::List(items) => &mut items.iter(),
        Value::Map(entries) => &mut entries.iter().map(|(_, value)| value),
        _ => &mut std::iter::empty(),
    };
    let own = own.saturating_add(multiplied(node, sizes));
    below.map(|node| referred(node, sizes)).fold(own, usize::saturating_add)
}

/// How many places of the index a match has beyond its hosts, or beyond its paths: it has
/// one for each host with each path.
fn multiplied(node: &Node, sizes: &BTreeMap<&str, usize>) -> usize {
    let count = |name: &str| match node.get(name).map(|list| &list.value) {
        Some(Value::List(items)) => {
            items.iter().map(|item| referred(item, sizes).max(1)).fold(0, usize::saturating_add)
        }
        _ => 0,
    };
    let (hosts, paths) = (count("hosts"), count("paths"));
    hosts.saturating_mul(paths).saturating_sub(hosts.max(paths))
}

fn entries(node: Option<&Node>) -> &[(Key, Node)] {
    match node.map(|node| &node.value) {
        Some(Value::Map(entries)) => entries,
        _ => &[],
    }
}

fn take(node: &mut Node, key: &str) -> Option<Node> {
    let Value::Map(entries) = &mut node.value else { return None };
    let place = entries.iter().position(|(own, _)| own.text == key)?;
    Some(entries.remove(place).1)
}
