//! A large configuration, compiled in slices while another one serves.

use std::rc::Rc;
use std::time::Duration;

use postern_core::config::Errors;
use postern_core::{Filter, Host, Load, digest};
use proxy_wasm::hostcalls;
use proxy_wasm::types::MetricType;

use crate::attributes::Proxy;

/// Lighter configurations are compiled at once, in a few milliseconds, in bytes.
const LARGE: usize = 48 * 1024;

/// So much of the text goes into the digest in one slice, in bytes.
const DIGESTED: usize = 256 * 1024;

/// A configuration that is not in force yet.
pub(crate) struct Loading<F> {
    text: Rc<Vec<u8>>,
    load: Box<dyn Load<F>>,
    digest: digest::Version,
    version: Option<String>,
    /// How many VMs load one.
    gauge: u32,
    slices: u32,
    /// The longest slice.
    longest: Duration,
}

impl<F: Filter> Loading<F> {
    /// `None`: it is small, or this filter's always are.
    pub(crate) fn begin(text: &Rc<Vec<u8>>, plugin: &str, former: &F) -> Option<Self> {
        if text.len() < LARGE && F::weight(text) < LARGE {
            return None;
        }
        let load = F::load(text, former)?;
        let name = format!("postern.{plugin}.policies_loading");
        let gauge = hostcalls::define_metric(MetricType::Gauge, &name).unwrap_or(u32::MAX);
        let _ = hostcalls::increment_metric(gauge, 1);
        let (digest, version, longest) = (digest::Version::default(), None, Duration::ZERO);
        Some(Loading { text: text.clone(), load, digest, version, gauge, slices: 0, longest })
    }

    /// Does a slice: so long the worker does nothing else.
    pub(crate) fn slice(&mut self) -> Result<Option<F>, Errors> {
        let begun = Proxy.now();
        let loaded = match self.version {
            // The digest of a long text takes slices of its own.
            None => {
                self.version = self.digest.read(&self.text, DIGESTED);
                Ok(None)
            }
            Some(_) => self.load.slice(),
        };
        self.slices = self.slices.saturating_add(1);
        self.longest = self.longest.max(Proxy.now().saturating_sub(begun));
        loaded
    }

    /// The version, once it is known.
    pub(crate) fn version(&self) -> String {
        self.version.clone().unwrap_or_default()
    }

    /// How it went, for the log.
    pub(crate) fn told(&self) -> String {
        let (slices, longest) = (self.slices, self.longest.as_millis());
        format!("compiled in {slices} slices of at most {longest} ms")
    }
}

/// In force, refused, or replaced by another.
impl<F> Drop for Loading<F> {
    fn drop(&mut self) {
        let _ = hostcalls::increment_metric(self.gauge, -1);
    }
}
