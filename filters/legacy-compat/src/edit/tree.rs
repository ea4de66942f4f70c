//! A document whose parts can change places. What no path leads into stays a range
//! of the source, so it is written out as it came: blanks, escapes, digits, order.

use std::borrow::Cow;

use crate::json::{Document, Kind, Value, push_quoted};

use super::path::Step;

/// A value.
#[derive(Debug)]
pub(super) enum Node<'d> {
    /// As it stands in the source.
    Source(&'d Value),
    /// JSON text.
    Text(Cow<'d, str>),
    Open(Open<'d>),
}

/// An object or list into which a path led.
#[derive(Debug)]
pub(super) struct Open<'d> {
    /// A list's items have no names.
    pub(super) is_list: bool,
    pub(super) members: Vec<Member<'d>>,
    /// What stands between the brackets if nothing else does.
    blank: Cow<'d, str>,
}

/// A member of an object, or an item of a list, with the blanks around it.
#[derive(Debug)]
pub(super) struct Member<'d> {
    before: Cow<'d, str>,
    /// With its quotes; empty in a list.
    pub(super) key: Cow<'d, str>,
    colon: Cow<'d, str>,
    pub(super) value: Node<'d>,
    after: Cow<'d, str>,
}

/// Why a document cannot be edited.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unedited {
    /// It has another shape.
    OtherShape,
    /// It would be too large.
    TooLarge,
}

/// The source, and how much may be written anew.
pub(super) struct Tree<'d> {
    pub(super) document: &'d Document<'d>,
    pub(super) left: usize,
}

impl<'d> Tree<'d> {
    /// Takes the room for a new text.
    pub(super) fn spend(&mut self, text: &str) -> Result<(), Unedited> {
        self.left = self.left.checked_sub(text.len().max(1)).ok_or(Unedited::TooLarge)?;
        Ok(())
    }

    /// A name in quotes.
    pub(super) fn key(&mut self, name: &str) -> Result<Cow<'d, str>, Unedited> {
        let mut quoted = String::new();
        push_quoted(&mut quoted, name);
        self.spend(&quoted)?;
        Ok(quoted.into())
    }

    /// Calls `found` with each value at a path.
    pub(super) fn visit(
        &mut self,
        node: &mut Node<'d>,
        path: &[Step],
        found: &mut dyn FnMut(&mut Self, &mut Node<'d>) -> Result<(), Unedited>,
    ) -> Result<(), Unedited> {
        let Some((step, rest)) = path.split_first() else { return found(self, node) };
        let Some(open) = node.open(self.document) else { return Ok(()) };
        match step {
            Step::Each => {
                for member in &mut open.members {
                    self.visit(&mut member.value, rest, found)?;
                }
            }
            Step::Name(name) => {
                for at in open.named(name) {
                    if let Some(member) = open.members.get_mut(at) {
                        self.visit(&mut member.value, rest, found)?;
                    }
                }
            }
        }
        Ok(())
    }

    /// The same, where objects that are not there are made.
    pub(super) fn visit_made(
        &mut self,
        node: &mut Node<'d>,
        path: &[Step],
        found: &mut dyn FnMut(&mut Self, &mut Node<'d>) -> Result<(), Unedited>,
    ) -> Result<(), Unedited> {
        let Some((step, rest)) = path.split_first() else { return found(self, node) };
        if let Step::Name(name) = step {
            let open = node.open(self.document).ok_or(Unedited::OtherShape)?;
            if open.named(name).is_empty() {
                let key = self.key(name)?;
                open.insert(Member::new(key, Node::Text("{}".into())), None)?;
            }
        }
        self.visit(node, std::slice::from_ref(step), &mut |tree, node| {
            tree.visit_made(node, rest, found)
        })
    }
}

impl<'d> Node<'d> {
    /// Opens it, if it is an object or a list.
    pub(super) fn open(&mut self, document: &'d Document<'d>) -> Option<&mut Open<'d>> {
        let opened = match self {
            Node::Open(_) => None,
            Node::Source(value) => Some(Open::new(
                document,
                value,
                |from, to| document.between(from, to).into(),
                Node::Source,
            )?),
            Node::Text(text) => {
                let read = Document::read(text.as_bytes()).ok()?;
                Some(Open::new(
                    &read,
                    read.root(),
                    |from, to| read.between(from, to).to_owned().into(),
                    |value| Node::Text(read.raw(value).to_owned().into()),
                )?)
            }
        };
        if let Some(opened) = opened {
            *self = Node::Open(opened);
        }
        match self {
            Node::Open(open) => Some(open),
            Node::Source(_) | Node::Text(_) => None,
        }
    }

    /// Takes it out.
    pub(super) fn take(&mut self) -> Self {
        std::mem::replace(self, Node::Text("null".into()))
    }

    pub(super) fn is_null(&self) -> bool {
        match self {
            Node::Source(value) => matches!(value.kind, Kind::Null),
            Node::Text(text) => text == "null",
            Node::Open(_) => false,
        }
    }

    pub(super) fn write(&self, document: &Document<'d>, out: &mut String) {
        match self {
            Node::Source(value) => out.push_str(document.raw(value)),
            Node::Text(text) => out.push_str(text),
            Node::Open(open) => {
                out.push(if open.is_list { '[' } else { '{' });
                if open.members.is_empty() {
                    out.push_str(&open.blank);
                }
                for (i, member) in open.members.iter().enumerate() {
                    if i > 0 {
                        out.push(',');
                    }
                    out.push_str(&member.before);
                    out.push_str(&member.key);
                    out.push_str(&member.colon);
                    member.value.write(document, out);
                    out.push_str(&member.after);
                }
                out.push(if open.is_list { ']' } else { '}' });
            }
        }
    }
}

impl<'d> Open<'d> {
    fn new<'v, 's>(
        document: &Document<'s>,
        value: &'v Value,
        text: impl Fn(usize, usize) -> Cow<'d, str>,
        node: impl Fn(&'v Value) -> Node<'d>,
    ) -> Option<Self> {
        let range = value.range();
        let (mut at, end) = (range.start.saturating_add(1), range.end.saturating_sub(1));
        // Of what stands between two values all but the comma is blank.
        let comma = |from: usize| {
            let gap = document.between(from, end).find(',');
            gap.map_or(end, |gap| from.saturating_add(gap))
        };
        let mut members = Vec::new();
        let mut member = |key: std::ops::Range<usize>, value: &'v Value| {
            let own = value.range();
            let (after, next) = (own.end, comma(own.end));
            members.push(Member {
                before: text(at, key.start),
                key: text(key.start, key.end),
                colon: text(key.end, own.start),
                value: node(value),
                after: text(after, next),
            });
            at = next.saturating_add(1);
        };
        let is_list = match &value.kind {
            Kind::List(items) => {
                for item in items {
                    let start = item.range().start;
                    member(start..start, item);
                }
                true
            }
            Kind::Object(all) => {
                for (key, value) in all {
                    member(key.range(), value);
                }
                false
            }
            Kind::Null | Kind::Bool | Kind::Number | Kind::Text => return None,
        };
        let blank = if members.is_empty() { text(at, end) } else { "".into() };
        Some(Open { is_list, members, blank })
    }

    /// The places of the members of a name, or of an item.
    pub(super) fn named(&self, name: &str) -> Vec<usize> {
        if self.is_list {
            let at = name.parse().ok().filter(|at: &usize| *at < self.members.len());
            return at.into_iter().collect();
        }
        let named = |(at, member): (usize, &Member<'_>)| member.is(name).then_some(at);
        self.members.iter().enumerate().filter_map(named).collect()
    }

    /// Puts a member in, before one of a name or at the end.
    pub(super) fn insert(
        &mut self,
        member: Member<'d>,
        before: Option<&str>,
    ) -> Result<(), Unedited> {
        if self.is_list {
            return Err(Unedited::OtherShape);
        }
        let at = before.and_then(|name| self.named(name).first().copied());
        self.members.insert(at.unwrap_or(self.members.len()), member);
        Ok(())
    }
}

impl<'d> Member<'d> {
    /// One that was not there.
    pub(super) fn new(key: Cow<'d, str>, value: Node<'d>) -> Self {
        Member { before: "".into(), key, colon: ":".into(), value, after: "".into() }
    }

    /// Has it this name?
    pub(super) fn is(&self, name: &str) -> bool {
        self.name() == name
    }

    /// Its name without quotes and escapes.
    pub(super) fn name(&self) -> Cow<'_, str> {
        crate::json::unescaped(&self.key)
    }
}
