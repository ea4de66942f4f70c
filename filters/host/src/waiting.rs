//! Streams that wait for work beside them.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use postern_core::{Filter, Host, Wait};
use proxy_wasm::hostcalls;

use crate::attributes::Proxy;
use crate::root::Compiled;
use crate::shell::Shell;

/// The waiting streams of one configuration.
#[derive(Default)]
pub(crate) struct Waiting(RefCell<Vec<Waiter>>);

/// So many streams of a configuration may wait in one VM.
const MAX_WAITING: usize = 10_000;

struct Waiter {
    /// A client that left is no longer there.
    stream: u32,
    wait: Wait,
}

impl Waiting {
    pub(crate) fn is_empty(&self) -> bool {
        self.0.borrow().is_empty()
    }

    /// One more; `false` if there are too many.
    pub(crate) fn add(&self, stream: u32, wait: Wait) -> bool {
        let mut waiting = self.0.borrow_mut();
        let room = waiting.len() < MAX_WAITING;
        if room {
            waiting.push(Waiter { stream, wait });
        }
        room
    }

    /// Streams that wait for one of these go on; `root` is the context at hand.
    pub(crate) fn wake<F: Filter>(
        &self,
        keys: &[u64],
        compiled: &Rc<Compiled<F>>,
        shell: &Shell<F>,
        root: u32,
    ) {
        if !keys.is_empty() {
            self.resume(|waiter| keys.contains(&waiter.wait.key), compiled, shell, root);
        }
    }

    /// Streams whose time is over go on.
    pub(crate) fn wake_late<F: Filter>(
        &self,
        compiled: &Rc<Compiled<F>>,
        shell: &Shell<F>,
        root: u32,
    ) {
        if !self.is_empty() {
            let now = Proxy.now();
            self.resume(|waiter| waiter.wait.until <= now, compiled, shell, root);
        }
    }

    /// How long it is until the first wait ends.
    pub(crate) fn first_end(&self) -> Option<Duration> {
        let first = self.0.borrow().iter().map(|waiter| waiter.wait.until).min()?;
        Some(first.saturating_sub(Proxy.now()))
    }

    fn resume<F: Filter>(
        &self,
        chosen: impl Fn(&Waiter) -> bool,
        compiled: &Rc<Compiled<F>>,
        shell: &Shell<F>,
        root: u32,
    ) {
        let mut ready = Vec::new();
        self.0.borrow_mut().retain(|waiter| {
            if !shell.has_stream(waiter.stream) {
                return false;
            }
            let chosen = chosen(waiter);
            if chosen {
                ready.push(waiter.stream);
            }
            !chosen
        });
        if ready.is_empty() {
            return;
        }
        for id in ready {
            // What the stream reads and writes is its own again.
            if hostcalls::set_effective_context(id).is_ok() {
                shell.stream(id, |stream| stream.go_on(shell, compiled));
            }
        }
        hostcalls::set_effective_context(root).unwrap_or_default();
    }
}
