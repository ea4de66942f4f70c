//! The incident, replayed: a changed authorization step that refuses every
//! private request. On a demo that runs, under load, with two workers; each
//! [`Scene`] says what has to hold.

mod large;
pub mod load;
pub mod policy;
pub mod report;
pub mod scene;

pub use report::Report;
pub use scene::Scene;
