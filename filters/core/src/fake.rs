//! Stateful stand-ins for the host.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::host::{Host, SignatureCheck, StoreError, Stored, Unreadable};

/// A host in memory: a clock that is set by hand, properties and shared data
/// in maps, randomness that is the same in each run. It cannot check
/// signatures, so filters use their own.
#[derive(Debug, Default)]
pub struct FakeHost {
    now: Cell<Duration>,
    properties: RefCell<BTreeMap<String, Vec<u8>>>,
    unreadable: RefCell<BTreeSet<String>>,
    shared: RefCell<BTreeMap<String, (Vec<u8>, u32)>>,
    random: Cell<u64>,
    fault: Cell<Option<Fault>>,
}

/// What is wrong with shared data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// They cannot be read or written.
    Unavailable,
    /// Another worker writes between each load and its store.
    Conflict,
}

impl FakeHost {
    /// A host whose clock stands at `now` since the Unix epoch.
    #[must_use]
    pub fn at(now: Duration) -> Self {
        FakeHost { now: Cell::new(now), ..FakeHost::default() }
    }

    /// Sets the clock.
    pub fn set_now(&self, now: Duration) {
        self.now.set(now);
    }

    /// Sets a property; the path's parts are joined by dots.
    pub fn set_property(&self, path: &str, value: impl Into<Vec<u8>>) {
        self.properties.borrow_mut().insert(path.to_owned(), value.into());
    }

    /// Makes a property one that is there and cannot be handed out.
    pub fn set_unreadable(&self, path: &str) {
        self.unreadable.borrow_mut().insert(path.to_owned());
    }

    /// Forgets the properties: a new stream. Shared data stay.
    pub fn clear_properties(&self) {
        self.properties.borrow_mut().clear();
    }

    /// From now on shared data fail so.
    pub fn break_shared(&self, fault: Fault) {
        self.fault.set(Some(fault));
    }

    /// From now on they are well again, with what they held.
    pub fn mend_shared(&self) {
        self.fault.set(None);
    }

    /// How many shared values there are.
    #[must_use]
    pub fn shared_len(&self) -> usize {
        self.shared.borrow().len()
    }
}

impl Host for FakeHost {
    fn now(&self) -> Duration {
        self.now.get()
    }

    fn property(&self, path: &[&str]) -> Option<Vec<u8>> {
        self.properties.borrow().get(&path.join(".")).cloned()
    }

    fn read(&self, path: &[&str]) -> Result<Option<Vec<u8>>, Unreadable> {
        let unreadable = self.unreadable.borrow().contains(&path.join("."));
        if unreadable { Err(Unreadable) } else { Ok(self.property(path)) }
    }

    fn verify(&self, _check: &SignatureCheck<'_>) -> Option<bool> {
        None
    }

    fn load(&self, key: &str) -> Stored {
        if self.fault.get() == Some(Fault::Unavailable) {
            return Stored::Unavailable;
        }
        match self.shared.borrow().get(key) {
            Some((value, cas)) => Stored::Value(value.clone(), *cas),
            None => Stored::Absent,
        }
    }

    fn store(&self, key: &str, value: &[u8], seen: &Stored) -> Result<(), StoreError> {
        match self.fault.get() {
            Some(Fault::Unavailable) => return Err(StoreError::Unavailable),
            Some(Fault::Conflict) => return Err(StoreError::Conflict),
            None => {}
        }
        let mut shared = self.shared.borrow_mut();
        let current = shared.get(key).map(|(_, cas)| *cas);
        let expected = match seen {
            Stored::Absent => None,
            Stored::Value(_, cas) => Some(*cas),
            Stored::Unavailable => return Err(StoreError::Unavailable),
        };
        if current != expected {
            return Err(StoreError::Conflict);
        }
        let next = current.unwrap_or(0).wrapping_add(1);
        shared.insert(key.to_owned(), (value.to_vec(), next));
        Ok(())
    }

    fn put(&self, key: &str, value: &[u8]) -> Result<(), StoreError> {
        if self.fault.get() == Some(Fault::Unavailable) {
            return Err(StoreError::Unavailable);
        }
        let mut shared = self.shared.borrow_mut();
        let next = shared.get(key).map_or(0, |(_, cas)| *cas).wrapping_add(1);
        shared.insert(key.to_owned(), (value.to_vec(), next));
        Ok(())
    }

    fn random(&self) -> [u8; 16] {
        let n = self.random.get();
        self.random.set(n.wrapping_add(1));
        let digest = crate::digest::sha256(&n.to_le_bytes());
        digest.first_chunk().copied().unwrap_or_default()
    }
}

/// A host as one VM among others sees it.
pub struct Vm<'a> {
    host: &'a FakeHost,
    /// What the keys of its shared data begin with.
    scope: String,
    others: RefCell<Box<dyn FnMut() + 'a>>,
    inside: Cell<bool>,
}

impl<'a> Vm<'a> {
    /// One whose shared data belong to it alone.
    #[must_use]
    pub fn scoped(host: &'a FakeHost, name: &str) -> Self {
        Vm { scope: format!("{name}/"), ..Vm::interleaved(host, || {}) }
    }

    /// One among others that use the moment between a load and what follows it:
    /// `others` is run after each load; they use `host` itself.
    #[must_use]
    pub fn interleaved(host: &'a FakeHost, others: impl FnMut() + 'a) -> Self {
        let others = RefCell::new(Box::new(others) as Box<dyn FnMut() + 'a>);
        Vm { host, scope: String::new(), others, inside: Cell::new(false) }
    }

    fn key(&self, key: &str) -> String {
        format!("{}{key}", self.scope)
    }
}

impl std::fmt::Debug for Vm<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Vm").field("host", self.host).finish_non_exhaustive()
    }
}

impl Host for Vm<'_> {
    fn now(&self) -> Duration {
        self.host.now()
    }

    fn property(&self, path: &[&str]) -> Option<Vec<u8>> {
        self.host.property(path)
    }

    fn read(&self, path: &[&str]) -> Result<Option<Vec<u8>>, Unreadable> {
        self.host.read(path)
    }

    fn verify(&self, check: &SignatureCheck<'_>) -> Option<bool> {
        self.host.verify(check)
    }

    fn load(&self, key: &str) -> Stored {
        let seen = self.host.load(&self.key(key));
        if !self.inside.replace(true) {
            (self.others.borrow_mut())();
            self.inside.set(false);
        }
        seen
    }

    fn store(&self, key: &str, value: &[u8], seen: &Stored) -> Result<(), StoreError> {
        self.host.store(&self.key(key), value, seen)
    }

    fn put(&self, key: &str, value: &[u8]) -> Result<(), StoreError> {
        self.host.put(&self.key(key), value)
    }

    fn random(&self) -> [u8; 16] {
        self.host.random()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Plain;

    impl Host for Plain {
        fn now(&self) -> Duration {
            Duration::ZERO
        }
        fn property(&self, _path: &[&str]) -> Option<Vec<u8>> {
            None
        }
        fn verify(&self, _check: &SignatureCheck<'_>) -> Option<bool> {
            None
        }
        fn load(&self, _key: &str) -> Stored {
            Stored::Unavailable
        }
        fn store(&self, _: &str, _: &[u8], _: &Stored) -> Result<(), StoreError> {
            Err(StoreError::Unavailable)
        }
    }

    #[test]
    fn random_bytes_differ_each_time() {
        let fake = FakeHost::default();
        for host in [&Plain as &dyn Host, &fake] {
            let (a, b) = (host.random(), host.random());
            assert_ne!(a, b);
            assert_ne!(a.first_chunk::<8>(), a.last_chunk::<8>());
        }
        assert_eq!(FakeHost::default().random(), FakeHost::default().random());
    }
}
