//! One corpus of cases and what runs it: the filters' cores in this process,
//! and the modules in a real Envoy. See `cases/README.md`.

pub mod bench;
pub mod bootstrap;
pub mod bytes;
pub mod case;
pub mod check;
pub mod client;
pub mod compile;
pub mod corpus;
pub mod demo;
pub mod drill;
pub mod envoy;
pub mod gateway;
pub mod h2;
pub mod live;
pub mod observe;
pub mod offline;
pub mod python;
pub mod request;
pub mod rls;
pub mod server;
mod sign;
pub mod tls;
pub mod token;
mod workers;
