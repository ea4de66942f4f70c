//! Documents that are fetched beside the requests and outlive their server: key
//! sets, lists of API keys, lists of what was revoked.
//!
//! Each VM has a [`Remote`] of each document. All of them look at one record in
//! the shared data ([`state`]). Whoever finds that a fetch is due writes itself
//! into the record by compare-and-swap and asks the server; if it dies, that
//! lapses a little after its question would have ended. It puts what came into
//! the shared data, and then the new version number into the record; the others
//! see that at their next tick, a second later at most.
//!
//! The shared data have two keys per document, named after a digest of where it
//! comes from: a policy that changes finds what the former one fetched, and
//! never what another place served.

mod config;
mod document;
mod form;
#[cfg(any(test, feature = "fuzz"))]
pub(crate) mod fuzz;
mod state;
#[cfg(test)]
mod tests;

pub(crate) use config::{RefreshConfig, RemoteConfig, Settings, Source, Uri, complain};
pub(crate) use document::{Lack, METRICS, Place, Remote};
pub(crate) use form::{Form, Read};
pub(crate) use state::millis;
