//! A large configuration, compiled in slices while another one serves.

use std::rc::Rc;
use std::time::Duration;

use postern_core::config::Errors;
use postern_core::{Filter, Host, Load, digest};

use crate::attributes::Proxy;

/// Lighter configurations are compiled at once, in a few milliseconds, in bytes.
const LARGE: usize = 48 * 1024;

/// A configuration that is not in force yet.
pub(crate) struct Loading<F> {
    text: Rc<Vec<u8>>,
    load: Box<dyn Load<F>>,
    version: Option<String>,
    slices: u32,
    /// The longest slice.
    longest: Duration,
}

impl<F: Filter> Loading<F> {
    /// `None`: it is small, or this filter's always are.
    pub(crate) fn begin(text: &Rc<Vec<u8>>) -> Option<Self> {
        if text.len() < LARGE && F::weight(text) < LARGE {
            return None;
        }
        let load = F::load(text)?;
        let (text, version, longest) = (text.clone(), None, Duration::ZERO);
        Some(Loading { text, load, version, slices: 0, longest })
    }

    /// Does a slice: so long the worker does nothing else.
    pub(crate) fn slice(&mut self) -> Result<Option<F>, Errors> {
        let begun = Proxy.now();
        let loaded = match self.version {
            // The digest of a long text takes a slice of its own.
            None => {
                self.version = Some(digest::version(&self.text));
                Ok(None)
            }
            Some(_) => self.load.slice(),
        };
        self.slices = self.slices.saturating_add(1);
        self.longest = self.longest.max(Proxy.now().saturating_sub(begun));
        loaded
    }

    pub(crate) fn version(&self) -> String {
        self.version.clone().unwrap_or_default()
    }

    /// How it went, for the log.
    pub(crate) fn told(&self) -> String {
        let (slices, longest) = (self.slices, self.longest.as_millis());
        format!("compiled in {slices} slices of at most {longest} ms")
    }
}
