//! Filters that do nothing: what a filter costs before it does anything. One
//! straight on the SDK, and with the feature `shell` one through `filters/host`.

#[cfg(all(target_family = "wasm", not(feature = "shell")))]
mod bare {
    use proxy_wasm::traits::{Context, HttpContext, RootContext};
    use proxy_wasm::types::ContextType;

    struct Root;
    struct Stream;

    impl Context for Root {}
    impl RootContext for Root {
        fn get_type(&self) -> Option<ContextType> {
            Some(ContextType::HttpContext)
        }

        fn create_http_context(&self, _id: u32) -> Option<Box<dyn HttpContext>> {
            Some(Box::new(Stream))
        }
    }
    impl Context for Stream {}
    impl HttpContext for Stream {}

    proxy_wasm::main! {{
        proxy_wasm::set_root_context(|_| Box::new(Root));
    }}
}

#[cfg(feature = "shell")]
mod shell {
    use postern_core::config::schema::Schema;
    use postern_core::config::{Decode, Errors, Node, decode};
    use postern_core::filter::Environment;
    use postern_core::{Filter, Host, Outcome, Request};

    postern_core::config! {
        struct Policy {}
    }

    /// The filter.
    #[derive(Debug)]
    pub struct Empty;

    impl Filter for Empty {
        const NAME: &'static str = "empty";
        const COUNTERS: &'static [&'static str] = &[];
        type Stream = ();

        fn configure(policy: &Node, _environment: &Environment<'_>) -> Result<Self, Errors> {
            decode::<Policy>(policy).map(|_| Empty)
        }

        fn schema() -> Schema {
            Policy::schema()
        }

        fn request_headers(&self, _: &mut (), _: &Request<'_>, _: &dyn Host) -> Outcome {
            Outcome::pass()
        }
    }

    #[cfg(target_family = "wasm")]
    postern_host::export!(Empty);
}
