//! As much of a filter as it takes to be configured.

// The macro's entry point has a name for the proxy.
#![allow(unsafe_code, missing_docs)]

// Its `memcmp` stands in the place of the target's.
use postern_host as _;
use proxy_wasm::traits::{Context, RootContext};

struct Lanes;

impl Context for Lanes {}

impl RootContext for Lanes {
    fn on_configure(&mut self, _: usize) -> bool {
        let disagreement = crate::disagreement();
        if let Some(what) = &disagreement {
            log::error!("{what}");
        }
        disagreement.is_none()
    }
}

proxy_wasm::main! {{
    proxy_wasm::set_log_level(proxy_wasm::types::LogLevel::Warn);
    proxy_wasm::set_root_context(|_| Box::new(Lanes));
}}
