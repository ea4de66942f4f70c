//! The valve among several workers, and against a model.

mod model;
mod opinions;
mod workers;

use std::time::Duration;

use postern_core::fake::FakeHost;

use super::caller::Caller;
use super::policy::{self, Percent};
use super::tally::Kind;
use super::valve::Valve;

const POLICY: [u8; 16] = [1; 16];
/// Ten windows of ten seconds from the epoch.
const BEGIN: Duration = Duration::from_secs(100);

/// A valve in a VM of its own.
fn valve() -> Valve {
    Valve::new(policy::Valve::default(), POLICY)
}

fn host() -> FakeHost {
    let host = FakeHost::at(BEGIN);
    host.set_property("plugin_name", "authz");
    host
}

fn after(host: &FakeHost, time: Duration) {
    use postern_core::Host;
    host.set_now(host.now() + time);
}

fn caller(n: u32) -> Caller {
    Caller { kind: Kind::Identified, key: n.to_le_bytes().to_vec() }
}

/// Eight requests of each of ten callers, all of which the candidate refuses.
fn storm(valve: &Valve, host: &FakeHost) {
    for request in 0..80 {
        valve.count(&caller(request % 10), true, host);
    }
}
