//! The root context: takes a configuration and makes streams.

use std::rc::Rc;

use log::{error, info, warn};
use postern_core::config::{Errors, parse_json};
use postern_core::{Filter, digest, identity};
use proxy_wasm::hostcalls;
use proxy_wasm::traits::{Context, HttpContext, RootContext};
use proxy_wasm::types::{ContextType, LogLevel, MetricType};

use crate::signature::push_field;
use crate::stream::Stream;

/// Sets a filter up as this module's only one.
pub fn start<F: Filter>() {
    proxy_wasm::set_log_level(LogLevel::Info);
    proxy_wasm::set_root_context(|_| Box::new(Root::<F> { compiled: None }));
}

struct Root<F: Filter> {
    compiled: Option<Rc<Compiled<F>>>,
}

/// A filter with its policy, and the names it goes by.
pub(crate) struct Compiled<F> {
    pub(crate) filter: F,
    pub(crate) plugin: String,
    pub(crate) version: String,
    /// The filter state that takes the decision records.
    pub(crate) record_state: String,
    pub(crate) counters: Vec<u32>,
}

impl<F: Filter> Context for Root<F> {}

impl<F: Filter> RootContext for Root<F> {
    fn on_configure(&mut self, _size: usize) -> bool {
        let rendered = self.get_plugin_configuration().unwrap_or_default();
        let plugin = plugin_name();
        let version = digest::version(&rendered);
        match compile::<F>(&rendered) {
            Ok(filter) => {
                if F::PUBLISHES_IDENTITY {
                    declare_read_only(identity::STATE);
                }
                let counters = define_counters(&plugin, F::COUNTERS);
                info!("{plugin}: configuration {version} is in force");
                self.compiled = Some(Rc::new(Compiled {
                    filter,
                    record_state: format!("postern.{plugin}"),
                    plugin,
                    version,
                    counters,
                }));
                true
            }
            Err(errors) => {
                for problem in errors.problems() {
                    error!("{plugin}: configuration {version} refused: {problem}");
                }
                false
            }
        }
    }

    fn create_http_context(&self, _context_id: u32) -> Option<Box<dyn HttpContext>> {
        Some(Box::new(Stream::<F>::new(self.compiled.clone())))
    }

    fn get_type(&self) -> Option<ContextType> {
        Some(ContextType::HttpContext)
    }
}

fn compile<F: Filter>(rendered: &[u8]) -> Result<F, Errors> {
    F::configure(&parse_json(rendered)?, &|name| std::env::var(name).ok())
}

fn plugin_name() -> String {
    let name = hostcalls::get_property(vec!["plugin_name"]).ok().flatten().unwrap_or_default();
    String::from_utf8(name).unwrap_or_default()
}

fn define_counters(plugin: &str, names: &[&str]) -> Vec<u32> {
    let define = |name: &&str| {
        hostcalls::define_metric(MetricType::Counter, &format!("postern.{plugin}.{name}"))
            .unwrap_or(u32::MAX)
    };
    names.iter().map(define).collect()
}

/// Only a declaration from the root's configuration makes a filter state
/// read-only; a later filter that writes it traps.
fn declare_read_only(state: &str) {
    let mut arguments = Vec::new();
    push_field(&mut arguments, 1, state.as_bytes());
    arguments.extend_from_slice(&[2 << 3, 1]);
    if hostcalls::call_foreign_function("declare_property", Some(&arguments)).is_err() {
        warn!("the host cannot declare `{state}` read-only");
    }
}
