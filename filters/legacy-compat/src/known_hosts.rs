//! What follows from the host of a request that no rule matches.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use postern_core::{Decision, KeptRecord};

use crate::answer::record_of;

/// How many hosts are kept.
const PLACES: usize = 8;
/// No name of a host is longer (RFC 1035).
const LONGEST: usize = 255;

/// Hosts that came lately and of which the policy says nothing. One that comes again takes
/// the place of another, one that comes once does not. Whoever makes up names and sends each
/// twice has the others found anew each time, which costs what it cost before.
#[derive(Debug, Default)]
pub(crate) struct KnownHosts {
    kept: RefCell<Vec<(Box<str>, Rc<KeptRecord>)>>,
    /// The last one that was not kept.
    passed: RefCell<String>,
    /// Whose place the next one takes.
    next: Cell<usize>,
}

impl KnownHosts {
    /// The record of a request to this host that nothing is done to. `None`: the policy
    /// names it, as `is_named` tells; something may be done.
    pub(crate) fn record(
        &self,
        name: &str,
        is_named: impl FnOnce() -> bool,
    ) -> Option<Rc<KeptRecord>> {
        for (own, record) in &*self.kept.borrow() {
            if **own == *name {
                return Some(Rc::clone(record));
            }
        }
        if is_named() { None } else { Some(self.add(name)) }
    }

    #[cold]
    fn add(&self, name: &str) -> Rc<KeptRecord> {
        let record = record_of(Some(name), Decision::Skip, "-", "no_rule");
        let record = Rc::new(KeptRecord::new(record));
        let mut passed = self.passed.borrow_mut();
        if *passed == name {
            let mut kept = self.kept.borrow_mut();
            let own = (name.into(), Rc::clone(&record));
            let next = self.next.get();
            match kept.get_mut(next) {
                Some(other) => *other = own,
                None => kept.push(own),
            }
            self.next.set(next.saturating_add(1) % PLACES);
        } else if name.len() <= LONGEST {
            name.clone_into(&mut passed);
        }
        record
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Was it found anew?
    fn of(hosts: &KnownHosts, name: &str) -> bool {
        let mut found = false;
        let known = hosts.record(name, || {
            found = true;
            false
        });
        let record = record_of(Some(name), Decision::Skip, "-", "no_rule");
        assert_eq!(*known.unwrap().record(), record, "{name}");
        found
    }

    #[test]
    fn what_comes_again_is_known_from_the_third_time_on() {
        let hosts = KnownHosts::default();
        for name in ["a.example", "long.example"] {
            for found in [true, true, false, false] {
                assert_eq!(of(&hosts, name), found, "{name}");
            }
        }
        assert!(!of(&hosts, "a.example"));
        let long = "a".repeat(LONGEST + 1);
        assert_eq!([(); 4].map(|()| of(&hosts, &long)), [true; 4]);
    }

    #[test]
    fn what_the_policy_names_is_not_kept() {
        let hosts = KnownHosts::default();
        for _ in 0..4 {
            assert!(hosts.record("old.example", || true).is_none());
        }
        assert!(hosts.kept.borrow().is_empty());
    }

    #[test]
    fn names_made_up_drive_none_out_and_others_take_turns() {
        let hosts = KnownHosts::default();
        let twice = |name: &str| [of(&hosts, name), of(&hosts, name)];
        twice("a.example");
        for n in 0..1000 {
            assert!(of(&hosts, &format!("{n}.example")));
        }
        assert!(!of(&hosts, "a.example"));
        for n in 0..PLACES {
            twice(&format!("{n}.other.example"));
        }
        assert!(of(&hosts, "a.example") && !of(&hosts, "1.other.example"));
        assert_eq!(hosts.kept.borrow().len(), PLACES);
    }
}
