//! What workers published: the record, and the body that belongs to it.

use std::rc::Rc;
use std::time::Duration;

use postern_core::{Host, Stored};

use super::super::form::Form;
use super::super::state::{State, millis};
use super::{Current, Local, Remote};

/// For so many milliseconds a body may be without its record: it is written first.
const TORN: u64 = 1_000;

impl<F: Form> Remote<F> {
    /// What it says, unless that is too old: no more than that was known at the
    /// last tick.
    pub(crate) fn current(&self, now: Duration) -> Option<Rc<F::Value>> {
        let local = self.local.borrow();
        let current = local.current.as_ref()?;
        let until = State::serves_until(current.confirmed_at, &self.settings);
        (millis(now) < until).then(|| Rc::clone(&current.value))
    }

    /// What it says, after a look at what other workers published.
    pub(crate) fn look(&self, host: &dyn Host) -> Option<Rc<F::Value>> {
        let mut local = self.local.borrow_mut();
        self.load(&mut local, host);
        self.adopt(&mut local, host);
        drop(local);
        self.current(host.now())
    }

    /// Reads the record.
    pub(super) fn load(&self, local: &mut Local<F>, host: &dyn Host) -> Stored {
        let seen = host.load(&self.record_key);
        match &seen {
            Stored::Value(bytes, _) => local.state = State::decode(bytes).unwrap_or_default(),
            Stored::Absent => local.state = State::default(),
            // Where nothing is shared each VM keeps its own record.
            Stored::Unavailable => {}
        }
        seen
    }

    /// Takes over the published version, if it is a new one.
    pub(super) fn adopt(&self, local: &mut Local<F>, host: &dyn Host) {
        let version = local.state.version;
        if version > local.seen {
            let Stored::Value(mut bytes, _) = host.load(&self.body_key) else { return };
            let length = bytes.len().saturating_sub(size_of::<u64>());
            let written = bytes.last_chunk().map_or(0, |bytes| u64::from_le_bytes(*bytes));
            let expected = local.state.body;
            // It is written before its record, which is about to come then; or by a
            // worker that was too late, and the record's own is gone.
            if written != expected {
                let torn = local.torn.filter(|(body, _)| *body == expected);
                local.torn = torn.or(Some((expected, millis(host.now()))));
                return;
            }
            bytes.truncate(length);
            local.seen = version;
            local.torn = None;
            match self.form.restore(bytes) {
                Ok(value) => Self::replace(local, value, version),
                Err(why) => {
                    local.unusable.get_or_insert(true);
                    local.remarks.push(why);
                }
            }
        }
        Self::confirm(local);
    }

    /// The record speaks of the version that this VM has: it is as young as that
    /// says.
    pub(super) fn confirm(local: &mut Local<F>) {
        let Local { state, current, .. } = local;
        if let Some(current) = current.as_mut().filter(|c| c.version == state.version) {
            current.confirmed_at = state.fetched_at;
        }
    }

    pub(super) fn replace(local: &mut Local<F>, value: F::Value, version: u64) {
        let confirmed_at = local.state.fetched_at;
        local.torn = None;
        local.current = Some(Current { value: Rc::new(value), version, confirmed_at });
    }
}

impl<F: Form> Local<F> {
    /// Is the published body that of another record, and will that not change?
    pub(super) fn is_torn(&self, now: u64) -> bool {
        let passed = |since: u64| !(since..since.saturating_add(TORN)).contains(&now);
        self.state.failures == 0 && self.torn.is_some_and(|(_, since)| passed(since))
    }
}
