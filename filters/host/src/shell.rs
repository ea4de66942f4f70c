//! The module's entry points: the proxy's events, brought to the root context or
//! the stream that they concern.
//!
//! In place of the SDK's dispatcher, which keeps every stream to its end and looks
//! for it in several tables at each event: here a stream is remembered only while
//! something of it is still to come.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use postern_core::Filter;
use proxy_wasm::hostcalls;
use proxy_wasm::types::Action;

use crate::apply::AnswerSizes;
use crate::numbers::{Newest, Numbers};
use crate::root::{Compiled, Root};
use crate::stream::Stream;

/// All contexts of one VM.
pub struct Shell<F: Filter> {
    /// Few: one per plugin and configuration that the proxy still holds.
    roots: RefCell<Vec<Rc<Root<F>>>>,
    /// The stream that was made last, with its root: the next event is nearly
    /// always its first.
    fresh: Cell<Option<(u32, u32)>>,
    /// Streams that were made, with their roots, and had no event since.
    unseen: RefCell<Numbers<u32>>,
    streams: RefCell<Newest<Stream<F>>>,
    callouts: RefCell<Numbers<Callout<F>>>,
}

/// Who asked.
pub(crate) enum Callout<F: Filter> {
    /// A stream.
    Stream(u32),
    /// A root context, for a configuration's task.
    Task { root: u32, compiled: Rc<Compiled<F>>, task: u64 },
}

impl<F: Filter> Default for Shell<F> {
    fn default() -> Self {
        Shell {
            roots: RefCell::default(),
            fresh: Cell::new(None),
            unseen: RefCell::default(),
            streams: RefCell::default(),
            callouts: RefCell::default(),
        }
    }
}

impl<F: Filter> Shell<F> {
    /// `proxy_on_context_create`: a root's parent is 0.
    pub fn on_context_create(&self, id: u32, parent: u32) {
        if parent == 0 {
            self.roots.borrow_mut().push(Rc::new(Root::new(id)));
        } else if let Some((id, parent)) = self.fresh.replace(Some((id, parent))) {
            self.unseen.borrow_mut().insert(id, parent);
        }
    }

    /// `proxy_on_configure`: does it take the configuration?
    pub fn on_configure(&self, root: u32) -> bool {
        self.root(root).is_some_and(|root| root.configure(self))
    }

    /// `proxy_on_tick`.
    pub fn on_tick(&self, root: u32) {
        if let Some(root) = self.root(root) {
            root.tick(self);
        }
    }

    /// `proxy_on_delete`: of a stream or of a root.
    pub fn on_delete(&self, id: u32) {
        match self.fresh.take() {
            Some((fresh, _)) if fresh == id => return,
            other => self.fresh.set(other),
        }
        if self.roots.borrow().iter().any(|root| root.id == id) {
            return self.close(id);
        }
        // Most streams have had an event, and all end here: to ask an empty table would cost
        // each of them a hash.
        if !self.unseen.borrow().is_empty() && self.unseen.borrow_mut().remove(&id).is_some() {
            return;
        }
        self.end(id);
    }

    fn end(&self, id: u32) {
        let Some(mut stream) = self.streams.borrow_mut().remove(id) else { return };
        if let Some(token) = stream.asks_for() {
            self.callouts.borrow_mut().remove(&token);
        }
        if F::ENDS {
            stream.on_end();
        }
    }

    #[cold]
    fn close(&self, id: u32) {
        self.roots.borrow_mut().retain(|root| {
            if root.id == id {
                root.close();
            }
            root.id != id
        });
        // The proxy calls off what a root has asked for, and says nothing of it.
        let is_its =
            |callout: &Callout<F>| matches!(callout, Callout::Task { root, .. } if *root == id);
        self.callouts.borrow_mut().retain(|_, callout| !is_its(callout));
    }

    /// `proxy_on_http_call_response`: streams and tasks alike.
    pub fn on_http_call_response(&self, token: u32, sizes: AnswerSizes) {
        let callout = self.callouts.borrow_mut().remove(&token);
        match callout {
            Some(Callout::Stream(id)) => self.stream(id, |stream| {
                // What is read and written is the stream's.
                if hostcalls::set_effective_context(id).is_ok() {
                    stream.on_answer(self, token, sizes);
                }
            }),
            Some(Callout::Task { root, compiled, task }) => {
                if let Some(root) = self.root(root) {
                    hostcalls::set_effective_context(root.id).unwrap_or_default();
                    root.answer(self, &compiled, task, sizes);
                }
            }
            None => {}
        }
    }

    /// `proxy_on_request_headers`.
    pub fn on_request_headers(&self, id: u32, end_of_stream: bool) -> Action {
        let root = self.parent(id).and_then(|parent| self.root(parent));
        let mut stream = Stream::new(id, root.and_then(|root| root.compiled()));
        let action = stream.on_request_headers(self, end_of_stream);
        if stream.goes_on() {
            self.streams.borrow_mut().insert(id, stream);
        }
        action
    }

    /// `proxy_on_request_body`.
    pub fn on_request_body(&self, id: u32, size: usize, end_of_stream: bool) -> Action {
        self.event(id, |stream| stream.on_request_body(self, size, end_of_stream))
    }

    /// `proxy_on_request_trailers`.
    pub fn on_request_trailers(&self, id: u32) -> Action {
        self.event(id, |stream| stream.on_request_trailers(self))
    }

    /// `proxy_on_response_headers`.
    pub fn on_response_headers(&self, id: u32, end_of_stream: bool) -> Action {
        self.event(id, |stream| stream.on_response_headers(self, end_of_stream))
    }

    /// `proxy_on_response_body`.
    pub fn on_response_body(&self, id: u32, size: usize, end_of_stream: bool) -> Action {
        self.event(id, |stream| stream.on_response_body(self, size, end_of_stream))
    }

    /// `proxy_on_response_trailers`.
    pub fn on_response_trailers(&self, id: u32) -> Action {
        self.event(id, |stream| stream.on_response_trailers(self))
    }

    /// A stream of which nothing was kept goes on.
    fn event(&self, id: u32, event: impl FnOnce(&mut Stream<F>) -> Action) -> Action {
        self.streams.borrow_mut().get_mut(id).map_or(Action::Continue, event)
    }

    /// Brings `event` to a stream, if it is still there.
    pub(crate) fn stream(&self, id: u32, event: impl FnOnce(&mut Stream<F>)) {
        if let Some(stream) = self.streams.borrow_mut().get_mut(id) {
            event(stream);
        }
    }

    pub(crate) fn has_stream(&self, id: u32) -> bool {
        self.streams.borrow().has(id)
    }

    /// An answer is to come.
    pub(crate) fn expect(&self, token: u32, callout: Callout<F>) {
        self.callouts.borrow_mut().insert(token, callout);
    }

    fn root(&self, id: u32) -> Option<Rc<Root<F>>> {
        self.roots.borrow().iter().rev().find(|root| root.id == id).cloned()
    }

    /// What a plugin of this name serves by, in its newest root context.
    pub(crate) fn in_force(&self, plugin: &str) -> Option<Rc<Compiled<F>>> {
        let roots = self.roots.borrow();
        let all = roots.iter().rev().filter_map(|root| root.compiled());
        all.into_iter().find(|compiled| compiled.plugin == plugin)
    }

    /// The root of a stream that has its first event.
    fn parent(&self, id: u32) -> Option<u32> {
        match self.fresh.take() {
            Some((fresh, parent)) if fresh == id => return Some(parent),
            other => self.fresh.set(other),
        }
        self.unseen.borrow_mut().remove(&id)
    }
}
