//! How much a policy may come to. References multiply what is written: a name of a few
//! bytes stands for a list of thousands. So what counts is what they stand for.

use std::cell::{Cell, RefCell};
use std::collections::HashSet;

use postern_core::config::{At, Errors, Node, Value};
use postern_core::rules::Match;
use postern_core::template::Pattern;

/// The most text of a policy, as the filter gets it, in bytes: where each rule begins and
/// ends is found in one slice, at about 4 ns a byte.
pub(crate) const MAX_TEXT: usize = 8 * 1024 * 1024;

/// The most values of one rule, those of the sets that it refers to included: a rule is
/// read in one slice.
pub(crate) const MAX_OF_RULE: usize = 10_000;

/// The most values that references put into all rules, the candidate's included.
pub(crate) const MAX_OF_POLICY: usize = 100_000;

/// The most pairs of a host and a path of one rule, and of all rules, the candidate's
/// included. Each takes a place in the index: those of a rule are filled in one slice, and
/// all are written out in one.
const MAX_PLACES_OF_RULE: usize = 2_000;
const MAX_PLACES: usize = 30_000;

/// The most values of all sets together: they are read in one slice.
pub(crate) const MAX_OF_SETS: usize = 20_000;

/// The most different segments of more than one capture, such as `{a}-{b}`: of the children
/// of a node, these are tried one by one.
const MAX_COMPOUND: usize = 64;

/// So many bytes of a text count as one value.
const TEXT: usize = 64;

/// What all rules come to so far.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    /// Values that references put in place.
    pub(crate) values: Cell<usize>,
    /// Pairs of a host and a path.
    places: Cell<usize>,
    /// Segments of more than one capture.
    compound: RefCell<HashSet<Pattern>>,
}

impl Tally {
    /// Adds those of a rule. `None`: they are too many, which is noted.
    pub(crate) fn place(&self, at: At<'_>, rule: &Match, errors: &mut Errors) -> Option<()> {
        let own = rule.places();
        let node = at.node().get("match").unwrap_or(at.node());
        let at = at.key("match", node);
        if own > MAX_PLACES_OF_RULE {
            let message =
                format!("expected at most {MAX_PLACES_OF_RULE} pairs of a host and a path");
            at.error(errors, message);
            return None;
        }
        let mut compound = self.compound.borrow_mut();
        let segments = rule.paths.iter().flat_map(|path| path.segments());
        for segment in segments.filter(|segment| segment.is_compound()) {
            let is_new = compound.len() <= MAX_COMPOUND && compound.insert(segment.unnamed());
            if is_new && compound.len() > MAX_COMPOUND {
                let message = format!(
                    "expected at most {MAX_COMPOUND} different segments of more than one capture \
                     in all rules"
                );
                at.error(errors, message);
                return None;
            }
        }
        add(&self.places, own, MAX_PLACES, || {
            let message = format!(
                "with this one all rules have more than {MAX_PLACES} pairs of a host and a path"
            );
            at.error(errors, message);
        })
    }
}

/// What a rule has room for.
pub(crate) struct Room<'t> {
    left: Cell<Option<usize>>,
    all: &'t Cell<usize>,
}

impl<'t> Room<'t> {
    /// `all`: what references came to so far.
    pub(crate) fn new(written: usize, all: &'t Cell<usize>) -> Self {
        Room { left: Cell::new(MAX_OF_RULE.checked_sub(written)), all }
    }

    /// Is there more in it already than there may be?
    pub(crate) fn is_over(&self) -> bool {
        self.left.get().is_none()
    }

    /// Takes as much of it as a set needs. `None`: there is less, which is noted.
    pub(crate) fn take(&self, values: usize, at: At<'_>, errors: &mut Errors) -> Option<()> {
        self.left.set(self.left.get().and_then(|left| left.checked_sub(values)));
        if self.is_over() {
            let message = format!("with this set it has more than {MAX_OF_RULE} values");
            at.error(errors, message);
            return None;
        }
        add(self.all, values, MAX_OF_POLICY, || {
            let message =
                format!("with this one sets put more than {MAX_OF_POLICY} values in place");
            at.error(errors, message);
        })
    }
}

/// `None`: they are too many. It is `said` once; what comes after is left out.
fn add(all: &Cell<usize>, more: usize, most: usize, said: impl FnOnce()) -> Option<()> {
    let before = all.get();
    all.set(before.saturating_add(more));
    if all.get() <= most {
        return Some(());
    }
    if before <= most {
        said();
    }
    None
}

/// Notes a text that is too long.
pub(crate) fn check_text(size: usize, at: At<'_>, errors: &mut Errors) {
    if size > MAX_TEXT {
        let message =
            format!("expected at most {MAX_TEXT} bytes of policy, as JSON, but found {size}");
        at.error(errors, message);
    }
}

pub(crate) fn too_large(at: At<'_>, what: &str, most: usize, errors: &mut Errors) {
    at.error(errors, format!("expected at most {most} values in {what}"));
}

/// How many values stand in it: texts, numbers and such; long texts count more than once.
pub(crate) fn values_of(node: &Node) -> usize {
    let sum =
        |values: &mut dyn Iterator<Item = usize>| values.fold(0usize, usize::saturating_add).max(1);
    match &node.value {
        Value::List(items) => sum(&mut items.iter().map(values_of)),
        Value::Map(entries) => sum(&mut entries.iter().map(|(_, value)| values_of(value))),
        Value::Text(text) => text.len() / TEXT + 1,
        _ => 1,
    }
}
