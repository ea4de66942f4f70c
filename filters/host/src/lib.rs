//! The proxy-wasm shell: the one crate that knows the proxy. It shows a
//! [`Filter`](postern_core::Filter) views of messages and applies its
//! [`Outcome`](postern_core::Outcome)s with few crossings.
//!
//! Only byte getters are used: the SDK's string getters trap on a header value
//! that is not UTF-8.

mod entry;
pub mod signature;

#[cfg(target_family = "wasm")]
mod apply;
#[cfg(target_family = "wasm")]
mod attributes;
#[cfg(any(test, target_family = "wasm"))]
mod clock;
#[cfg(any(test, target_family = "wasm"))]
mod compare;
#[cfg(target_family = "wasm")]
mod counters;
#[cfg(any(test, target_family = "wasm"))]
mod heap;
#[cfg(target_family = "wasm")]
mod loading;
#[cfg(any(test, target_family = "wasm"))]
mod numbers;
#[cfg(target_family = "wasm")]
mod raw;
#[cfg(target_family = "wasm")]
mod root;
#[cfg(target_family = "wasm")]
mod shell;
#[cfg(target_family = "wasm")]
mod stream;
#[cfg(any(test, target_family = "wasm"))]
mod turns;
#[cfg(target_family = "wasm")]
mod waiting;

#[cfg(target_family = "wasm")]
pub use shell::Shell;

#[cfg(target_family = "wasm")]
#[doc(hidden)]
pub use apply::AnswerSizes;

#[cfg(target_family = "wasm")]
#[doc(hidden)]
pub use {postern_core::Filter, proxy_wasm};
