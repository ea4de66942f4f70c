//! The exports of a filter's module.

/// Makes a filter the module's entry point: `export!(Filter)`, and behind it
/// what else than requests' headers concerns it. The proxy is spared each call
/// whose export a module does not have.
///
/// - `responses`: the headers of responses;
/// - `waits`: those, and bodies of requests that wait
///   ([`Filter::WAITS`](postern_core::Filter::WAITS));
/// - `bodies`: all of it ([`Filter::HOLDS_BODIES`](postern_core::Filter::HOLDS_BODIES)).
///
/// The names begin with `postern_on_`: the SDK's dispatcher, which is not used,
/// has those that begin with `proxy_on_`. `postern-finish` puts ours in their
/// place once the module is linked.
#[macro_export]
macro_rules! export {
    ($filter:ty) => {
        $crate::export!(@module $filter, { $crate::export!(@no_waits $filter); });
    };
    ($filter:ty, responses) => {
        $crate::export!(@module $filter, {
            $crate::export!(@no_waits $filter);
            $crate::export!(@responses);
        });
    };
    ($filter:ty, waits) => {
        $crate::export!(@module $filter, {
            $crate::export!(@no_holds $filter);
            $crate::export!(@responses);
            $crate::export!(@request_bodies);
        });
    };
    ($filter:ty, bodies) => {
        $crate::export!(@module $filter, {
            $crate::export!(@responses);
            $crate::export!(@request_bodies);
            $crate::export!(@response_bodies);
        });
    };
    (@module $filter:ty, { $($more:tt)* }) => {
        // The proxy finds these by their names; they have no documentation.
        #[allow(missing_docs, unsafe_code)]
        mod entry {
            use super::*;
            use $crate::proxy_wasm::types::Action;

            const _: () = assert!(
                <$filter as $crate::Filter>::WORKS || !<$filter as $crate::Filter>::WAITS,
                "`WAITS` needs `WORKS`"
            );

            thread_local! {
                static SHELL: $crate::Shell<$filter> = $crate::Shell::default();
            }

            fn shell<T>(event: impl FnOnce(&$crate::Shell<$filter>) -> T) -> T {
                SHELL.with(event)
            }

            $crate::proxy_wasm::main! {{
                $crate::proxy_wasm::set_log_level($crate::proxy_wasm::types::LogLevel::Info);
            }}

            #[unsafe(no_mangle)]
            extern "C" fn postern_on_context_create(id: u32, parent: u32) {
                shell(|shell| shell.on_context_create(id, parent));
            }

            #[unsafe(no_mangle)]
            extern "C" fn postern_on_vm_start(_root: u32, _size: usize) -> bool {
                true
            }

            #[unsafe(no_mangle)]
            extern "C" fn postern_on_configure(root: u32, _size: usize) -> bool {
                shell(|shell| shell.on_configure(root))
            }

            #[unsafe(no_mangle)]
            extern "C" fn postern_on_tick(root: u32) {
                shell(|shell| shell.on_tick(root));
            }

            #[unsafe(no_mangle)]
            extern "C" fn postern_on_delete(id: u32) {
                shell(|shell| shell.on_delete(id));
            }

            #[unsafe(no_mangle)]
            extern "C" fn postern_on_http_call_response(
                _root: u32,
                token: u32,
                headers: usize,
                body: usize,
                trailers: usize,
            ) {
                let sizes = $crate::AnswerSizes { headers, body, trailers };
                shell(|shell| shell.on_http_call_response(token, sizes));
            }

            #[unsafe(no_mangle)]
            extern "C" fn postern_on_request_headers(id: u32, _count: usize, end: bool) -> Action {
                shell(|shell| shell.on_request_headers(id, end))
            }

            $($more)*
        }
    };
    // What a filter says of itself has to fit what it exports.
    (@no_waits $filter:ty) => {
        const _: () = assert!(!<$filter as $crate::Filter>::WAITS, "`WAITS` needs `waits`");
        $crate::export!(@no_holds $filter);
    };
    (@no_holds $filter:ty) => {
        const _: () =
            assert!(!<$filter as $crate::Filter>::HOLDS_BODIES, "`HOLDS_BODIES` needs `bodies`");
    };
    (@responses) => {
        #[unsafe(no_mangle)]
        extern "C" fn postern_on_response_headers(id: u32, _count: usize, end: bool) -> Action {
            shell(|shell| shell.on_response_headers(id, end))
        }
    };
    (@request_bodies) => {
        #[unsafe(no_mangle)]
        extern "C" fn postern_on_request_body(id: u32, size: usize, end: bool) -> Action {
            shell(|shell| shell.on_request_body(id, size, end))
        }

        #[unsafe(no_mangle)]
        extern "C" fn postern_on_request_trailers(id: u32, _count: usize) -> Action {
            shell(|shell| shell.on_request_trailers(id))
        }
    };
    (@response_bodies) => {
        #[unsafe(no_mangle)]
        extern "C" fn postern_on_response_body(id: u32, size: usize, end: bool) -> Action {
            shell(|shell| shell.on_response_body(id, size, end))
        }

        #[unsafe(no_mangle)]
        extern "C" fn postern_on_response_trailers(id: u32, _count: usize) -> Action {
            shell(|shell| shell.on_response_trailers(id))
        }
    };
}
