//! The upstream and the identity provider against the marketplace's contract, in process.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

mod data;
mod drills;
mod http;
mod idp;
mod lists;
mod mint;
mod policy;
mod recorder;
mod refusals;
mod rows;
mod shape;
