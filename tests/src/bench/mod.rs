//! The bench: CPU time per request of an Envoy with our four filters, beside a
//! bare one, one with stock filters that do the same, and one with filters that
//! do nothing. See `docs/performance.md`.

pub mod account;
pub mod chart;
pub mod check;
pub mod edits;
pub mod figures;
pub mod full;
pub mod latency;
pub mod load;
pub mod memory;
pub mod mount;
pub mod peer;
pub mod report;
pub mod run;
pub mod section;
pub mod setup;
pub mod upstream;
pub mod variant;
pub mod workers;
