//! Streams that wait for work beside them.

use std::cell::RefCell;
use std::rc::{Rc, Weak};
use std::time::Duration;

use postern_core::{Filter, Host, Wait};
use proxy_wasm::hostcalls;

use crate::attributes::Proxy;
use crate::root::Compiled;
use crate::stream::Inner;

/// The waiting streams of one configuration.
pub(crate) struct Waiting<F: Filter>(RefCell<Vec<Waiter<F>>>);

/// So many streams of a configuration may wait in one VM.
const MAX_WAITING: usize = 10_000;

struct Waiter<F: Filter> {
    context: u32,
    wait: Wait,
    /// A client that left is no longer there.
    stream: Weak<RefCell<Inner<F>>>,
}

impl<F: Filter> Default for Waiting<F> {
    fn default() -> Self {
        Waiting(RefCell::default())
    }
}

impl<F: Filter> Waiting<F> {
    pub(crate) fn is_empty(&self) -> bool {
        self.0.borrow().is_empty()
    }

    /// One more; `false` if there are too many.
    pub(crate) fn add(&self, context: u32, wait: Wait, stream: Weak<RefCell<Inner<F>>>) -> bool {
        let mut waiting = self.0.borrow_mut();
        let room = waiting.len() < MAX_WAITING;
        if room {
            waiting.push(Waiter { context, wait, stream });
        }
        room
    }

    /// Streams that wait for one of these go on; `root` is the context at hand.
    pub(crate) fn wake(&self, keys: &[u64], compiled: &Rc<Compiled<F>>, root: u32) {
        if !keys.is_empty() {
            self.resume(|waiter| keys.contains(&waiter.wait.key), compiled, root);
        }
    }

    /// Streams whose time is over go on.
    pub(crate) fn wake_late(&self, compiled: &Rc<Compiled<F>>, root: u32) {
        if !self.is_empty() {
            let now = Proxy.now();
            self.resume(|waiter| waiter.wait.until <= now, compiled, root);
        }
    }

    /// How long it is until the first wait ends.
    pub(crate) fn first_end(&self) -> Option<Duration> {
        let first = self.0.borrow().iter().map(|waiter| waiter.wait.until).min()?;
        Some(first.saturating_sub(Proxy.now()))
    }

    fn resume(&self, chosen: impl Fn(&Waiter<F>) -> bool, compiled: &Rc<Compiled<F>>, root: u32) {
        let mut ready = Vec::new();
        self.0.borrow_mut().retain_mut(|waiter| {
            let Some(stream) = waiter.stream.upgrade() else { return false };
            if chosen(waiter) {
                ready.push((waiter.context, stream));
                return false;
            }
            true
        });
        if ready.is_empty() {
            return;
        }
        for (context, stream) in ready {
            // What the stream reads and writes is its own again.
            if hostcalls::set_effective_context(context).is_ok() {
                Inner::go_on(&stream, compiled);
            }
        }
        hostcalls::set_effective_context(root).unwrap_or_default();
    }
}
