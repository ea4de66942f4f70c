//! The steps of an edit, compiled.

mod compile;

use std::rc::Rc;

use postern_core::config::Text;

use super::key_case;
use super::path::{Path, Step as PathStep};
use super::policy::KeyCase;
use super::tree::{Member, Node, Tree, Unedited};
use crate::expression::{Expression, Scope};
use crate::facts::Facts;
use crate::json::Document;
use crate::template::{Template, Unrendered};
use crate::value::{Conversion, Item};

/// A compiled step.
#[derive(Clone, Debug)]
enum Step {
    Rename(Path, Text),
    Move(Path, Path, Option<Text>),
    Remove(Path),
    DropNull(Path),
    Set { at: Path, to: Rc<Template>, before: Option<Text>, always: bool },
    Wrap(Path, Text),
    Unwrap(Path, Text),
    Convert(Path, Rc<[Conversion]>),
    Case(Path, KeyCase, bool),
    Pick(Path, Vec<Text>),
}

/// Steps in order.
#[derive(Clone, Debug, Default)]
pub(crate) struct Steps(Vec<Step>);

impl Steps {
    pub(super) fn remove_first(&mut self, name: &str) {
        self.0.insert(0, Step::Remove(Path::of_member(name)));
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
    /// Every expression in its templates.
    pub(super) fn visit<'t>(&'t self, see: &mut impl FnMut(&'t Expression)) {
        for step in &self.0 {
            if let Step::Set { to, .. } = step {
                to.visit(see);
            }
        }
    }

    /// The document with the steps done, in order.
    ///
    /// # Errors
    /// One does not fit, or more than `limit` bytes would be new.
    pub(super) fn apply(
        &self,
        document: &Document<'_>,
        facts: &Facts,
        limit: usize,
    ) -> Result<String, Unedited> {
        let whole = document.range();
        let mut tree = Tree { document, left: limit };
        let mut root = Node::Source(document.root());
        for step in &self.0 {
            step.apply(&mut tree, &mut root, facts)?;
        }
        let mut out = String::with_capacity(whole.end.saturating_add(256));
        out.push_str(document.between(0, whole.start));
        root.write(document, &mut out);
        out.push_str(document.between(whole.end, usize::MAX));
        Ok(out)
    }
}

impl Step {
    fn apply<'d>(
        &self,
        tree: &mut Tree<'d>,
        root: &mut Node<'d>,
        facts: &Facts,
    ) -> Result<(), Unedited> {
        match self {
            Step::Rename(path, to) => in_parent(tree, root, path, |tree, node, name| {
                let Some(open) = node.open(tree.document) else { return Ok(()) };
                let found = open.named(name);
                if open.is_list || found.is_empty() || name == to.as_str() {
                    return Ok(());
                }
                if !open.named(to.as_str()).is_empty() {
                    return Err(Unedited::OtherShape);
                }
                for at in found {
                    if let Some(member) = open.members.get_mut(at) {
                        member.key = tree.key(to.as_str())?;
                    }
                }
                Ok(())
            }),
            Step::Move(from, to, before) => {
                let (common, from, to) = from.fork(to);
                let before = before.as_ref().map(Text::as_str);
                tree.visit(root, common, &mut |tree, node| moved(tree, node, from, to, before))
            }
            Step::Remove(path) => in_parent(tree, root, path, |tree, node, name| {
                let Some(open) = node.open(tree.document) else { return Ok(()) };
                let found = open.named(name);
                let mut at = 0usize;
                open.members.retain(|_| {
                    at = at.saturating_add(1);
                    found.binary_search(&at.saturating_sub(1)).is_err()
                });
                Ok(())
            }),
            Step::DropNull(path) => {
                let Some((last, above)) = path.steps().split_last() else { return Ok(()) };
                tree.visit(root, above, &mut |tree, node| {
                    let Some(open) = node.open(tree.document) else { return Ok(()) };
                    match last {
                        PathStep::Each => open.members.retain(|m| !m.value.is_null()),
                        PathStep::Name(name) => {
                            open.members.retain(|m| !(m.is(name) && m.value.is_null()));
                        }
                    }
                    Ok(())
                })
            }
            Step::Set { at, to, before, always } => {
                let Some((above, name)) = at.member() else { return Ok(()) };
                let before = before.as_ref().map(Text::as_str);
                tree.visit_made(root, above, &mut |tree, node| {
                    set_in(tree, node, name, to, before, *always, facts)
                })
            }
            Step::Wrap(path, name) => tree.visit(root, path.steps(), &mut |tree, node| {
                let key = tree.key(name.as_str())?;
                let inner = node.take();
                *node = Node::Text("{}".into());
                let open = node.open(tree.document).ok_or(Unedited::OtherShape)?;
                open.insert(Member::new(key, inner), None)
            }),
            Step::Unwrap(path, name) => tree.visit(root, path.steps(), &mut |tree, node| {
                let open = node.open(tree.document).filter(|open| !open.is_list);
                let open = open.ok_or(Unedited::OtherShape)?;
                let at = open.named(name.as_str()).pop().ok_or(Unedited::OtherShape)?;
                *node = open.members.swap_remove(at).value;
                Ok(())
            }),
            Step::Convert(path, list) => {
                tree.visit(root, path.steps(), &mut |tree, node| converted(tree, node, list))
            }
            Step::Case(path, to, deep) => tree.visit(root, path.steps(), &mut |tree, node| {
                key_case::apply(tree, node, *to, *deep)
            }),
            Step::Pick(path, names) => tree.visit(root, path.steps(), &mut |tree, node| {
                if let Some(open) = node.open(tree.document).filter(|open| !open.is_list) {
                    open.members.retain(|member| names.iter().any(|own| member.is(own.as_str())));
                }
                Ok(())
            }),
        }
    }
}

/// Calls `found` with each value that a member may be in, and the member's name.
fn in_parent<'d>(
    tree: &mut Tree<'d>,
    root: &mut Node<'d>,
    path: &Path,
    mut found: impl FnMut(&mut Tree<'d>, &mut Node<'d>, &str) -> Result<(), Unedited>,
) -> Result<(), Unedited> {
    let Some((above, name)) = path.member() else { return Ok(()) };
    tree.visit(root, above, &mut |tree, node| found(tree, node, name))
}

fn moved<'d>(
    tree: &mut Tree<'d>,
    node: &mut Node<'d>,
    from: &[PathStep],
    to: &[PathStep],
    before: Option<&str>,
) -> Result<(), Unedited> {
    let (Some((PathStep::Name(name), above)), Some((PathStep::Name(new), below))) =
        (from.split_last(), to.split_last())
    else {
        return Ok(());
    };
    let mut taken = Vec::new();
    tree.visit(node, above, &mut |tree, node| {
        let Some(open) = node.open(tree.document) else { return Ok(()) };
        let found = open.named(name);
        // Of which of two should be moved, nothing is known.
        if open.is_list || found.len() > 1 {
            return Err(Unedited::OtherShape);
        }
        taken.extend(found.into_iter().map(|at| open.members.remove(at)));
        Ok(())
    })?;
    let Some(mut member) = taken.pop() else { return Ok(()) };
    if !taken.is_empty() {
        return Err(Unedited::OtherShape);
    }
    if !member.is(new) {
        member.key = tree.key(new)?;
    }
    let mut member = Some(member);
    tree.visit_made(node, below, &mut |tree, node| {
        let open = node.open(tree.document).ok_or(Unedited::OtherShape)?;
        // One place alone, and nothing in it.
        let member = member.take().filter(|_| open.named(new).is_empty());
        open.insert(member.ok_or(Unedited::OtherShape)?, before)
    })
}

fn set_in<'d>(
    tree: &mut Tree<'d>,
    node: &mut Node<'d>,
    name: &str,
    to: &Template,
    before: Option<&str>,
    always: bool,
    facts: &Facts,
) -> Result<(), Unedited> {
    // The template sees the object as it is now.
    let text = match to {
        Template::Constant(json) => json.clone(),
        template => {
            let mut own = String::new();
            node.write(tree.document, &mut own);
            let read = Document::read(own.as_bytes()).map_err(|_| Unedited::OtherShape)?;
            let scope = Scope { document: &read, current: read.root(), facts };
            template.render(scope, tree.left).map_err(|why| match why {
                Unrendered::Mismatch(_) => Unedited::OtherShape,
                Unrendered::TooLarge => Unedited::TooLarge,
            })?
        }
    };
    let open = node.open(tree.document).ok_or(Unedited::OtherShape)?;
    let found = open.named(name);
    if found.is_empty() {
        tree.spend(&text)?;
        let key = tree.key(name)?;
        return open.insert(Member::new(key, Node::Text(text.into())), before);
    }
    for at in found.into_iter().filter(|_| always) {
        tree.spend(&text)?;
        if let Some(member) = open.members.get_mut(at) {
            member.value = Node::Text(text.clone().into());
        }
    }
    Ok(())
}

fn converted<'d>(
    tree: &mut Tree<'d>,
    node: &mut Node<'d>,
    list: &[Conversion],
) -> Result<(), Unedited> {
    let apply = |document: &Document<'_>, value| -> Result<Option<String>, Unedited> {
        let item = list
            .iter()
            .try_fold(Item::Node(value), |item, conversion| conversion.apply(item, document))
            .map_err(|_| Unedited::OtherShape)?;
        let mut out = String::new();
        Ok(match item {
            Item::Node(_) => None,
            item => item.write(document, &mut out).then_some(out),
        })
    };
    let new = match node {
        Node::Source(value) => apply(tree.document, value)?,
        Node::Text(_) | Node::Open(_) => {
            let mut own = String::new();
            node.write(tree.document, &mut own);
            let read = Document::read(own.as_bytes()).map_err(|_| Unedited::OtherShape)?;
            apply(&read, read.root())?
        }
    };
    if let Some(new) = new {
        tree.spend(&new)?;
        *node = Node::Text(new.into());
    }
    Ok(())
}
