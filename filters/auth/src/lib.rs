//! Who is calling? Finds the one credential of a request, checks it, publishes
//! the identity to the filters behind it, and tells the upstream in headers
//! that no client can send.
//!
//! A request that no rule matches needs a good credential; a bad one is refused
//! even where none is needed. Only where a rule says `none: true` is it not
//! looked at.

// Targets for fuzzing assert; nothing of them is in a module.
#![cfg_attr(
    any(test, feature = "fuzz"),
    allow(clippy::panic, clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)
)]

mod algorithm;
mod api_key;
mod basic;
mod budget;
mod cache;
mod carrier;
mod certificate;
mod challenge;
mod checked;
mod claim_header;
mod claim_match;
mod claim_path;
mod claims;
mod codes;
mod cookies;
mod decision;
mod discovery;
mod filter;
mod flaw;
#[cfg(any(test, feature = "fuzz"))]
pub mod fuzz;
mod identity_headers;
mod introspection;
mod issuer_keys;
mod judge;
mod jwk;
mod jws;
mod jwt;
mod key;
mod key_list;
mod key_list_form;
mod key_set;
mod key_source;
mod mapping;
mod material;
mod pem;
mod policy;
mod presented;
mod provider;
mod reason;
mod remote;
mod removal;
mod requirement;
mod revocations;
mod revoked;
mod seconds;
mod secret;
mod signature;
#[cfg(test)]
mod tests;
mod token_type;
mod verdict;

pub use codes::{Code, codes};
pub use filter::Auth;
pub use policy::PolicyConfig;

#[cfg(target_family = "wasm")]
postern_host::export!(Auth, waits);
