//! What a filter counts. Each count told at once would be a crossing; under load
//! those of some milliseconds are told together.

use std::cell::{Cell, RefCell};

use proxy_wasm::hostcalls;

use crate::apply;
use crate::clock::Clock;

/// The metrics of one configuration.
#[derive(Debug)]
pub(crate) struct Counters {
    /// The host's numbers for them, with what is still to be told.
    metrics: Vec<(u32, Cell<i64>)>,
    /// The places of those of which something is: few among hundreds.
    untold: RefCell<Vec<usize>>,
}

impl Counters {
    pub(crate) fn new(metrics: Vec<u32>) -> Self {
        let metrics = metrics.into_iter().map(|metric| (metric, Cell::new(0))).collect();
        Counters { metrics, untold: RefCell::default() }
    }

    /// One more of each.
    pub(crate) fn count(&self, counters: &[usize], clock: &Clock) {
        if counters.is_empty() {
            return;
        }
        let (later, period) = clock.counts();
        apply::tick_in(period);
        for place in counters {
            let Some((metric, untold)) = self.metrics.get(*place) else { continue };
            if later {
                if untold.replace(untold.get().saturating_add(1)) == 0 {
                    self.untold.borrow_mut().push(*place);
                }
            } else {
                hostcalls::increment_metric(*metric, 1).unwrap_or_default();
            }
        }
    }

    /// Tells the proxy; was there something to tell?
    pub(crate) fn tell(&self) -> bool {
        let mut places = self.untold.borrow_mut();
        let any = !places.is_empty();
        for place in places.drain(..) {
            if let Some((metric, untold)) = self.metrics.get(place) {
                hostcalls::increment_metric(*metric, untold.take()).unwrap_or_default();
            }
        }
        any
    }

    /// Sets a gauge.
    pub(crate) fn set(&self, gauge: usize, value: u64) {
        if let Some((metric, _)) = self.metrics.get(gauge) {
            hostcalls::record_metric(*metric, value).unwrap_or_default();
        }
    }
}
