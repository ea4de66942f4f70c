//! The last step of a filter's build. What the compiler makes is right but
//! scattered: the functions of one request lie on hundreds of pages, and the SDK
//! exports a callback for everything a proxy could say, each of which Envoy then
//! calls. Here a module gets its hot functions first, in the order in which a
//! plain request calls them ([`profile`]), and keeps no callback that its filter
//! does not need. What it computes stays the same.

mod chain;
pub mod count;
mod exports;
mod instrument;
pub mod profile;
mod requests;
mod rewrite;

use std::fmt;

pub use instrument::instrument;
pub use rewrite::{Names, Profile, finish, finish_with};

/// Why a module cannot be finished.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unfinished(String);

impl fmt::Display for Unfinished {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Unfinished {}

impl From<wasmparser::BinaryReaderError> for Unfinished {
    fn from(error: wasmparser::BinaryReaderError) -> Self {
        Unfinished(format!("no valid module: {error}"))
    }
}

impl From<wasm_encoder::reencode::Error> for Unfinished {
    fn from(error: wasm_encoder::reencode::Error) -> Self {
        Unfinished(format!("cannot be written again: {error}"))
    }
}

impl From<postern_module::Broken> for Unfinished {
    fn from(error: postern_module::Broken) -> Self {
        Unfinished(format!("cannot be run: {error}"))
    }
}
