//! The `postern` command line tool as a library: policies read, checked and
//! rendered, and the filters chained offline. The same cores as in the modules.

pub mod apply;
pub mod bootstrap;
pub mod chain;
pub mod check;
pub mod clusters;
pub mod contract;
pub mod edge;
pub mod explain;
pub mod finding;
pub mod include;
mod keys;
mod limits;
pub mod local_replies;
pub mod policy;
mod published;
pub mod reference;
pub mod render;
pub mod report;
mod requirements;
mod routes;
pub mod schema;
mod slips;
mod source;
pub mod wait;
mod written;
pub mod yaml;
