//! The bench: CPU time per request of an Envoy with our four filters, beside a
//! bare one, one with stock filters that do the same, and one with filters that
//! do nothing. See `docs/performance.md`.

pub mod account;
pub mod check;
pub mod figures;
pub mod load;
pub mod mount;
pub mod report;
pub mod run;
pub mod upstream;
pub mod variant;
