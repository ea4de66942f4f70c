//! A fetch of a VM's own: from the lease to what is published.

use std::rc::Rc;

use postern_core::{Ask, Host, StoreError, Stored, Task, Work};

use super::super::form::{Form, Read};
use super::super::state::{MAX_ETAG, State, millis};
use super::{FAILURES, FETCHES, Flight, LATER, Local, Remote, SLICES, SLOTS, TRIES, WARMED};
impl<F: Form> Remote<F> {
    /// Takes the lease and asks, if a fetch is due and nobody else is at it.
    pub(super) fn fetch_if_due(
        &self,
        local: &mut Local<F>,
        seen: &Stored,
        host: &dyn Host,
        work: &mut Work,
    ) {
        let now = millis(host.now());
        let settings = &self.settings;
        if local.state.next_demand(now, settings) > now {
            local.demanded = false;
        }
        // Reading a large document takes memory that a VM does not give back: as
        // long as it can, the one that did it does it again.
        let turn = if local.state.version > 0 && local.flights == 0 { LATER } else { 0 };
        let due = local.state.next(now, settings).saturating_add(turn) <= now
            || local.demanded
            || local.unusable == Some(true)
            || local.is_torn(now);
        if !due || local.state.is_held(now, settings) {
            return;
        }
        let mut state = local.state.clone();
        state.holder = u64::from_le_bytes(half(host)).max(1);
        state.held_until = now.saturating_add(millis(settings.lease()));
        if state.wanted_at == 0 {
            state.wanted_at = now;
        }
        if std::mem::take(&mut local.demanded) {
            state.demanded_at = now;
        }
        if host.store(&self.record_key, &state.encode(), seen) == Err(StoreError::Conflict) {
            return;
        }
        local.unusable = local.unusable.map(|_| false);
        let warming = (F::LARGE && local.flights == 0).then(Vec::new);
        local.flights = local.flights.wrapping_add(1);
        local.tasks = local.tasks.wrapping_add(1);
        let task = local.tasks.wrapping_mul(SLOTS) & u64::from(u32::MAX) | self.place.slot;
        // What no VM holds has to come whole.
        let conditional = !state.etag.is_empty()
            && local.current.as_ref().is_some_and(|c| c.version == state.version);
        let holder = state.holder;
        local.flight =
            Some(Flight { task, holder, asked_at: now, conditional, warming, reading: None });
        local.state = state;
        self.warm_up(local, now, work);
    }

    /// Asks, once there is memory for a large answer. The proxy writes it in one
    /// go, and a page of memory that was never used costs more than its copy.
    pub(super) fn warm_up(&self, local: &mut Local<F>, now: u64, work: &mut Work) {
        let Local { flight: Some(flight), state, .. } = local else { return };
        if state.holder != flight.holder {
            local.flight = None;
            return;
        }
        if let Some(memory) = &mut flight.warming
            && memory.len() < self.settings.max_bytes
        {
            if memory.is_empty() {
                memory.reserve_exact(self.settings.max_bytes);
            }
            let more = memory.len().saturating_add(WARMED).min(self.settings.max_bytes);
            memory.resize(more, 1);
            return;
        }
        flight.warming = None;
        flight.asked_at = now;
        let (id, conditional) = (flight.task, flight.conditional);
        work.ask.push(Task { id, ask: self.question(&state.etag, conditional) });
        work.count.push(self.metric(FETCHES));
    }

    fn question(&self, etag: &[u8], conditional: bool) -> Ask {
        let uri = &self.source.uri;
        let mut headers = vec![
            (":method".into(), b"GET".to_vec()),
            (":path".into(), uri.path.as_bytes().to_vec()),
            (":authority".into(), uri.authority.as_bytes().to_vec()),
            ("accept".into(), b"application/json".to_vec()),
        ];
        if conditional {
            headers.push(("if-none-match".into(), etag.to_vec()));
        }
        let cluster = self.source.cluster.clone();
        Ask { cluster, headers, body: Vec::new(), deadline: self.settings.timeout }
    }

    /// Reads one slice, and publishes after the last.
    pub(super) fn read_on(&self, local: &mut Local<F>, host: &dyn Host, work: &mut Work) {
        let Some(Flight { holder, reading: Some(reading), .. }) = &mut local.flight else {
            return;
        };
        // Too late: another VM has taken over.
        if local.state.holder != *holder {
            local.flight = None;
            return;
        }
        work.count.push(self.metric(SLICES));
        match self.form.read(&reading.body, &mut reading.part) {
            Ok(None) => self.hold_on(local, host),
            Ok(Some(read)) => self.publish(local, read, host),
            Err(why) => self.failed(local, &why, host, work),
        }
    }

    /// Says that it is still at it, before half of that is over.
    fn hold_on(&self, local: &mut Local<F>, host: &dyn Host) {
        let now = millis(host.now());
        let lease = millis(self.settings.lease());
        if local.state.held_until.saturating_sub(now) < lease / 2 {
            self.update(local, host, |state| state.held_until = now.saturating_add(lease));
        }
    }

    fn publish(&self, local: &mut Local<F>, read: Read<F::Value>, host: &dyn Host) {
        let Some(flight) = &mut local.flight else { return };
        let (holder, asked_at, reading) = (flight.holder, flight.asked_at, flight.reading.take());
        // Reading took time: nothing is written over what another VM brought.
        self.load(local, host);
        let Some(reading) = reading.filter(|_| local.state.holder == holder) else {
            local.flight = None;
            return;
        };
        let version = local.state.version.saturating_add(1);
        let body = || Rc::try_unwrap(reading.body).unwrap_or_else(|body| body.to_vec());
        let mut published = read.publish.unwrap_or_else(body);
        published.extend_from_slice(&holder.to_le_bytes());
        // Where nothing is shared, the other VMs fetch for themselves.
        let _ = host.put(&self.body_key, &published);
        drop(published);
        let ended = self.end(local, host, |state| {
            state.version = version;
            state.body = holder;
            state.etag.clone_from(&reading.etag);
            state.max_age = reading.max_age;
            succeeded(state, asked_at, jitter(host));
        });
        if ended {
            local.seen = version;
            Self::replace(local, read.value, version);
            local.remarks.extend(read.remarks);
        }
    }

    /// An attempt failed: the last good document stays.
    pub(super) fn failed(&self, local: &mut Local<F>, why: &str, host: &dyn Host, work: &mut Work) {
        let now = millis(host.now());
        let ended = self.end(local, host, |state| {
            state.failed_at = now;
            state.failures = state.failures.saturating_add(1);
            state.jitter = jitter(host);
        });
        if ended {
            work.count.push(self.metric(FAILURES));
            local.remarks.push(format!("not fetched: {why}"));
        }
    }

    /// Ends this VM's fetch with a change of the record; `false`: another VM has
    /// taken over.
    pub(super) fn end(
        &self,
        local: &mut Local<F>,
        host: &dyn Host,
        change: impl Fn(&mut State),
    ) -> bool {
        let changed = self.update(local, host, |state| {
            state.holder = 0;
            change(state);
        });
        local.flight = None;
        changed
    }

    /// Changes the record as long as this VM holds it.
    fn update(&self, local: &mut Local<F>, host: &dyn Host, change: impl Fn(&mut State)) -> bool {
        let holder = local.flight.as_ref().map_or(0, |flight| flight.holder);
        for _ in 0..TRIES {
            let seen = self.load(local, host);
            if holder == 0 || local.state.holder != holder {
                return false;
            }
            change(&mut local.state);
            if host.store(&self.record_key, &local.state.encode(), &seen)
                != Err(StoreError::Conflict)
            {
                return true;
            }
        }
        false
    }
}

pub(super) fn succeeded(state: &mut State, asked_at: u64, jitter: u16) {
    state.fetched_at = asked_at;
    state.failures = 0;
    state.jitter = jitter;
}

fn half(host: &dyn Host) -> [u8; 8] {
    host.random().first_chunk().copied().unwrap_or_default()
}

pub(super) fn jitter(host: &dyn Host) -> u16 {
    host.random().first_chunk().map_or(0, |bytes| u16::from_le_bytes(*bytes))
}

/// The entity tag (RFC 9110 §8.8.3), if it is one that can be sent back.
pub(in crate::remote) fn etag(headers: &[(String, Vec<u8>)]) -> Vec<u8> {
    let found = headers.iter().find(|(name, _)| name.eq_ignore_ascii_case("etag"));
    let good = |tag: &&[u8]| {
        let opaque = tag.strip_prefix(b"W/").unwrap_or(tag);
        let quoted =
            opaque.len() >= 2 && opaque.first() == Some(&b'"') && opaque.last() == Some(&b'"');
        quoted && tag.len() <= MAX_ETAG && tag.iter().all(u8::is_ascii_graphic)
    };
    found.map(|(_, value)| value.as_slice()).filter(good).unwrap_or_default().to_vec()
}
