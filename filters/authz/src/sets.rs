//! Named lists and conditions, and the places of a rule that refer to them. A
//! rule is decoded with what it refers to put in its place, so that there is
//! one meaning of a list, whoever wrote it down where.

mod named;

use std::borrow::Cow;
use std::cell::Cell;
use std::collections::BTreeMap;
use std::rc::Rc;

use postern_core::challenge::Scope;
use postern_core::conditions::Block;
use postern_core::config::schema::Schema;
use postern_core::config::{At, AtLeastOne, Decode, Errors, Key, Name, Node, Span, Text, Value};
use postern_core::template::Template;

use crate::applies::MatchConfig;
use crate::bounds::{self, MAX_OF_SETS, Room, Tally, values_of};
use crate::claim::ClaimCondition;
use crate::expression::Condition;
use crate::policy::shown;
use crate::subject::Subject;

pub(crate) use named::named_in;

/// A list of which items may stand in a set; where it is given, it holds
/// something.
#[derive(Clone, Debug)]
pub(crate) struct List<T>(AtLeastOne<T>);

impl<T> Default for List<T> {
    fn default() -> Self {
        List(AtLeastOne::default())
    }
}

impl<T> std::ops::Deref for List<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        &self.0
    }
}

impl<T> List<T> {
    pub(crate) fn into_boxed(self) -> Box<[T]> {
        self.0.into_vec().into()
    }
}

impl<T> From<List<T>> for AtLeastOne<T> {
    fn from(list: List<T>) -> Self {
        list.0
    }
}

postern_core::config! {
    /// The items of a set, in place of this one.
    pub(crate) struct SetReference {
        /// The set's name.
        set: Name,
    }
}

impl<T: Decode> Decode for List<T> {
    fn decode(at: At<'_>, errors: &mut Errors) -> Option<Self> {
        AtLeastOne::decode(at, errors).map(List)
    }

    fn schema() -> Schema {
        let item = Schema::AnyOf(vec![T::schema(), SetReference::schema()]);
        Schema::List(Box::new(item))
    }
}

postern_core::config! {
    /// Named lists and conditions. An item `{set: NAME}` of a list stands for
    /// the items of that set, and `when: {set: NAME}` for that condition; a key
    /// `set: NAME` of a `match` or a `subject` adds what that one has.
    struct SetsConfig {
        /// For `any_scope` and `all_scopes`.
        scopes: BTreeMap<String, List<Scope>> = BTreeMap::default(),
        /// For `paths`.
        paths: BTreeMap<String, List<Template>> = BTreeMap::default(),
        /// For `client_addresses`.
        addresses: BTreeMap<String, List<Block>> = BTreeMap::default(),
        /// For the other lists of a subject: `roles`, `subjects` and so on.
        texts: BTreeMap<String, List<Text>> = BTreeMap::default(),
        /// For `claims`.
        claims: BTreeMap<String, AtLeastOne<ClaimCondition>> = BTreeMap::default(),
        /// For `when`.
        conditions: BTreeMap<String, Condition> = BTreeMap::default(),
        /// For `match`.
        matches: BTreeMap<String, MatchConfig> = BTreeMap::default(),
        /// For `subject`.
        subjects: BTreeMap<String, Subject> = BTreeMap::default(),
    }
}

/// The lists of a rule that may refer to a set: in which mapping, under which
/// key, and what kind of set is meant.
const LISTS: [(&str, &str, &str); 14] = [
    ("match", "paths", "paths"),
    ("match", "client_addresses", "addresses"),
    ("subject", "any_scope", "scopes"),
    ("subject", "all_scopes", "scopes"),
    ("subject", "providers", "texts"),
    ("subject", "issuers", "texts"),
    ("subject", "clients", "texts"),
    ("subject", "subjects", "texts"),
    ("subject", "any_role", "texts"),
    ("subject", "all_roles", "texts"),
    ("subject", "any_group", "texts"),
    ("subject", "all_groups", "texts"),
    ("subject", "plans", "texts"),
    ("", "claims", "claims"),
];

/// Mappings that may refer to one, or are nothing but that.
const MAPPINGS: [(&str, &str); 3] =
    [("match", "matches"), ("subject", "subjects"), ("when", "conditions")];

/// The sets of a policy, by kind and name.
#[derive(Clone, Debug, Default)]
pub(crate) struct Sets {
    kinds: BTreeMap<String, BTreeMap<String, Set>>,
    /// What all rules come to that refer to these, or to those of a candidate.
    tally: Rc<Tally>,
    /// One of them is wrong: those who refer to it are not looked at, since the
    /// mistake is told already.
    broken: bool,
}

#[derive(Clone, Debug)]
struct Set {
    node: Node,
    values: usize,
}

impl Decode for Sets {
    fn decode(at: At<'_>, errors: &mut Errors) -> Option<Self> {
        SetsConfig::decode(at, errors).map(|_| Sets::default())
    }

    fn schema() -> Schema {
        SetsConfig::schema()
    }
}

impl Sets {
    /// Reads them, each by itself, so that mistakes are told where they stand.
    pub(crate) fn read(at: At<'_>, tally: &Rc<Tally>, errors: &mut Errors) -> Self {
        let mut found = Errors::default();
        let mut sets = Sets { tally: tally.clone(), ..Sets::default() };
        if values_of(at.node()) > MAX_OF_SETS {
            bounds::too_large(at, "all sets together", MAX_OF_SETS, &mut found);
        } else {
            sets = Sets::of(at.node().clone(), tally);
            // Named matches and subjects may refer to lists.
            if let Some(whole) = sets.with_lists_put_in(at, &mut found) {
                SetsConfig::decode(at.replaced(&whole), &mut found);
            }
        }
        sets.broken = !found.is_empty();
        errors.extend(found);
        sets
    }

    /// Those that were read before, and had no mistakes.
    pub(crate) fn of(node: Node, tally: &Rc<Tally>) -> Self {
        let mut sets = Sets { tally: tally.clone(), ..Sets::default() };
        let Value::Map(kinds) = node.value else { return sets };
        for (kind, named) in kinds {
            let Value::Map(named) = named.value else { continue };
            let kind = sets.kinds.entry(kind.text).or_default();
            for (name, node) in named {
                let values = values_of(&node);
                kind.insert(name.text, Set { node, values });
            }
        }
        sets
    }

    /// What the rules come to so far.
    pub(crate) fn tally(&self) -> &Rc<Tally> {
        &self.tally
    }

    /// `None`: there is no room.
    fn with_lists_put_in(&self, at: At<'_>, errors: &mut Errors) -> Option<Node> {
        let mut whole = at.node().clone();
        let all = Cell::new(0);
        let Value::Map(kinds) = &mut whole.value else { return Some(whole) };
        for (kind, named) in kinds {
            let Some((mapping, _)) = MAPPINGS.iter().find(|(_, k)| *k == kind.text) else {
                continue;
            };
            let Value::Map(named) = &mut named.value else { continue };
            for (name, node) in named {
                let place = at.node().get(&kind.text).and_then(|n| n.get(&name.text));
                let place = place.unwrap_or(at.node());
                let room = Room::new(values_of(node), &all);
                self.put_lists(
                    at.key(&kind.text, at.node()).key(&name.text, place),
                    mapping,
                    node,
                    &room,
                    errors,
                )?;
            }
        }
        Some(whole)
    }

    /// The rule with all that it refers to in place. `None`: it refers to what
    /// is not there, which is noted, or is wrong, or it is too large.
    pub(crate) fn put_into<'n>(&self, at: At<'n>, errors: &mut Errors) -> Option<Cow<'n, Node>> {
        let node = at.node();
        let room = Room::new(values_of(node), &self.tally.values);
        if room.is_over() {
            bounds::too_large(at, "a rule", bounds::MAX_OF_RULE, errors);
            return None;
        }
        if !refers(node) {
            return Some(Cow::Borrowed(node));
        }
        if self.broken {
            return None;
        }
        let before = errors.problems().len();
        let mut whole = node.clone();
        for (mapping, kind) in MAPPINGS {
            let Some(place) = node.get(mapping) else { continue };
            let Some(inner) = get_mut(&mut whole, mapping) else { continue };
            self.merge(at.key(mapping, place), kind, inner, &room, errors)?;
            self.put_lists(at.key(mapping, place), mapping, inner, &room, errors)?;
        }
        self.put_lists(at, "", &mut whole, &room, errors)?;
        (errors.problems().len() == before).then_some(Cow::Owned(whole))
    }

    /// Puts the entries of a named mapping beside its own. `None`: there is no room.
    fn merge(
        &self,
        at: At<'_>,
        kind: &str,
        node: &mut Node,
        room: &Room<'_>,
        errors: &mut Errors,
    ) -> Option<()> {
        let Value::Map(entries) = &mut node.value else { return Some(()) };
        let Some(index) = entries.iter().position(|(key, _)| key.text == "set") else {
            return Some(());
        };
        let (_, reference) = entries.remove(index);
        let place = at.key("set", &reference);
        let Some(set) = self.find(kind, &reference, place, errors) else { return Some(()) };
        room.take(set.values, place, errors)?;
        let Value::Map(more) = &set.node.value else {
            // `anyone` and such words are no mapping: they stand alone.
            if entries.is_empty() {
                *node = placed(&set.node, reference.span);
            } else {
                place.error(errors, "expected a set that is a mapping, beside other keys");
            }
            return Some(());
        };
        for (key, value) in more {
            if entries.iter().any(|(own, _)| own.text == key.text) {
                let message = format!("`{}` stands here and in the set", shown(&key.text));
                place.error(errors, message);
            }
            let key = Key { span: reference.span, text: key.text.clone() };
            entries.push((key, placed(value, reference.span)));
        }
        Some(())
    }

    fn put_lists(
        &self,
        at: At<'_>,
        mapping: &str,
        node: &mut Node,
        room: &Room<'_>,
        errors: &mut Errors,
    ) -> Option<()> {
        for (_, key, kind) in LISTS.iter().filter(|(own, ..)| *own == mapping) {
            let Some(list) = get_mut(node, key) else { continue };
            let Value::List(items) = &mut list.value else { continue };
            if !items.iter().any(is_reference) {
                continue;
            }
            let mut whole = Vec::with_capacity(items.len());
            for (i, item) in std::mem::take(items).into_iter().enumerate() {
                match reference(&item) {
                    None => whole.push(item),
                    Some(named) => {
                        let list = at.key(key, at.node().get(key).unwrap_or(at.node()));
                        let item = list.index(i, &item);
                        let place = item.key("set", named);
                        let Some(set) = self.find(kind, named, place, errors) else { continue };
                        room.take(set.values, place, errors)?;
                        if let Value::List(more) = &set.node.value {
                            whole.extend(more.iter().map(|one| placed(one, named.span)));
                        }
                    }
                }
            }
            *items = whole;
        }
        Some(())
    }

    fn find(&self, kind: &str, name: &Node, at: At<'_>, errors: &mut Errors) -> Option<&Set> {
        let Value::Text(text) = &name.value else {
            at.expected(errors, "the name of a set");
            return None;
        };
        let found = self.kinds.get(kind).and_then(|kind| kind.get(text));
        if found.is_none() {
            at.error(errors, format!("`sets.{kind}` has no `{}`", shown(text)));
        }
        found
    }
}

/// Does the rule refer to any set?
fn refers(rule: &Node) -> bool {
    let mapped = MAPPINGS.iter().filter_map(|(key, _)| rule.get(key));
    let named = |node: &Node| node.get("set").is_some();
    let listed = |node: &Node| match &node.value {
        Value::List(items) => items.iter().any(is_reference),
        _ => false,
    };
    let lists = |node: &Node| match &node.value {
        Value::Map(entries) => entries.iter().any(|(_, value)| listed(value)),
        _ => false,
    };
    mapped.into_iter().any(|node| named(node) || lists(node)) || lists(rule)
}

fn is_reference(item: &Node) -> bool {
    reference(item).is_some()
}

/// The name in `{set: NAME}`.
fn reference(item: &Node) -> Option<&Node> {
    match &item.value {
        Value::Map(entries) => match entries.as_slice() {
            [(Key { text, .. }, name)] if text == "set" => Some(name),
            _ => None,
        },
        _ => None,
    }
}

/// A copy that stands where it is referred to: the set may be in another file.
fn placed(node: &Node, span: Span) -> Node {
    let value = match &node.value {
        Value::List(items) => Value::List(items.iter().map(|item| placed(item, span)).collect()),
        Value::Map(entries) => {
            let placed = |(key, value): &(Key, Node)| {
                (Key { span, text: key.text.clone() }, placed(value, span))
            };
            Value::Map(entries.iter().map(placed).collect())
        }
        scalar => scalar.clone(),
    };
    Node { span, value }
}

pub(crate) fn get_mut<'n>(node: &'n mut Node, key: &str) -> Option<&'n mut Node> {
    match &mut node.value {
        Value::Map(entries) => entries.iter_mut().find(|(k, _)| k.text == key).map(|(_, v)| v),
        _ => None,
    }
}
