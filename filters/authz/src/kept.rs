//! Records of requests that a rule lets pass: those of one rule are alike.

use std::cell::RefCell;
use std::rc::Rc;

use postern_core::{KeptRecord, Record};

/// How many are kept.
const PLACES: usize = 64;

/// Records by the places of their rules. Rules that share one take turns.
#[derive(Debug)]
pub(crate) struct Kept(Box<[RefCell<Option<OfRule>>]>);

#[derive(Debug)]
struct OfRule {
    rule: usize,
    record: Rc<KeptRecord>,
}

impl Default for Kept {
    fn default() -> Self {
        Kept((0..PLACES).map(|_| RefCell::default()).collect())
    }
}

impl Kept {
    /// The record of a rule, which is made once as long as it is kept.
    pub(crate) fn of(&self, rule: usize, make: impl FnOnce() -> Record) -> Rc<KeptRecord> {
        let place = self.0.get(rule % PLACES).map(RefCell::borrow_mut);
        let Some(mut place) = place else { return Rc::new(KeptRecord::new(make())) };
        if let Some(kept) = place.as_ref().filter(|kept| kept.rule == rule) {
            return Rc::clone(&kept.record);
        }
        let record = Rc::new(KeptRecord::new(make()));
        *place = Some(OfRule { rule, record: Rc::clone(&record) });
        record
    }
}

#[cfg(test)]
mod tests {
    use postern_core::Decision;

    use super::*;

    #[test]
    fn each_rule_has_its_own() {
        let kept = Kept::default();
        let of = |rule: usize, name: &'static str| {
            let made = || Record::new(Decision::Allow, name, "allowed");
            kept.of(rule, made).record().rule.clone().into_owned()
        };
        assert_eq!(
            (of(1, "one"), of(65, "other"), of(0, "first")),
            ("one".into(), "other".into(), "first".into())
        );
        assert_eq!((of(65, "not made"), of(0, "nor this")), ("other".into(), "first".into()));
        assert_eq!(of(1, "one again"), "one again", "another had taken its place");
    }
}
