//! Which exports a finished module has, and under which names.

/// The prefix of the callbacks that a filter really has; the shell's.
const OURS: &str = "postern_on_";
/// That of the callbacks that the proxy looks for; the SDK exports them all.
const PROXYS: &str = "proxy_on_";
/// No callback of an event: the proxy's way to hand bytes over.
const ALLOCATE: &str = "proxy_on_memory_allocate";

/// The shell's own comparison, which has a name for the linker alone.
const COMPARE: &str = "memcmp";

/// What no proxy calls on a filter of HTTP.
const NEVER: [&str; 11] = [
    "proxy_on_new_connection",
    "proxy_on_downstream_data",
    "proxy_on_downstream_connection_close",
    "proxy_on_upstream_data",
    "proxy_on_upstream_connection_close",
    "proxy_on_queue_ready",
    "proxy_on_grpc_receive_initial_metadata",
    "proxy_on_grpc_receive",
    "proxy_on_grpc_receive_trailing_metadata",
    "proxy_on_grpc_close",
    "proxy_on_foreign_function",
];

/// The rule for one module's exports.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Exports {
    /// It names its own callbacks, so the SDK's dispatcher goes.
    named: bool,
}

impl Exports {
    pub(crate) fn of<'n>(names: impl IntoIterator<Item = &'n str>) -> Self {
        Exports { named: names.into_iter().any(|name| name.starts_with(OURS)) }
    }

    /// The name under which an export stays, if it does.
    pub(crate) fn name(self, export: &str) -> Option<String> {
        if let Some(event) = export.strip_prefix(OURS) {
            return Some(format!("{PROXYS}{event}"));
        }
        let callback = export.starts_with(PROXYS) && export != ALLOCATE;
        let goes = callback && (self.named || NEVER.contains(&export)) || export == COMPARE;
        (!goes).then(|| export.to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_callbacks_of_the_shell_replace_those_of_the_sdk() {
        let exports = Exports::of(["memory", "proxy_on_log", "postern_on_request_headers"]);
        let names = [
            ("postern_on_request_headers", Some("proxy_on_request_headers")),
            ("postern_on_delete", Some("proxy_on_delete")),
            ("proxy_on_request_headers", None),
            ("proxy_on_log", None),
            ("proxy_on_memory_allocate", Some("proxy_on_memory_allocate")),
            ("proxy_abi_version_0_2_1", Some("proxy_abi_version_0_2_1")),
            ("_initialize", Some("_initialize")),
            ("memory", Some("memory")),
            ("memcmp", None),
        ];
        for (before, after) in names {
            assert_eq!(exports.name(before).as_deref(), after, "{before}");
        }
    }

    #[test]
    fn a_module_on_the_sdk_alone_keeps_the_callbacks_of_http() {
        let exports = Exports::of(["memory", "proxy_on_log"]);
        for kept in ["proxy_on_log", "proxy_on_request_headers", "proxy_on_memory_allocate"] {
            assert_eq!(exports.name(kept).as_deref(), Some(kept));
        }
        for gone in NEVER {
            assert_eq!(exports.name(gone), None, "{gone}");
        }
    }
}
