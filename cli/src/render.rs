//! The resource that Envoy's extension discovery (ECDS) loads.

use std::path::Path;

use postern_core::digest;
use serde_json::{Value, json};

use crate::policy::Checked;

/// After a trap the VM is made anew after this long. At Envoy's default of a
/// second ten traps a second would refuse most innocent requests; 1 ms kills
/// Envoy.
const RELOAD_INTERVAL: &str = "0.005s";

/// Renders one plugin: a `DiscoveryResponse` with one `TypedExtensionConfig`.
/// `module` is the module's path as Envoy sees it. The version is the digest
/// of the policy alone, as the filter computes it.
#[must_use]
pub fn resource(checked: &Checked, module: &Path) -> Value {
    let plugin = checked.policy.plugin.as_str();
    let policy = checked.rendered();
    let mut config = json!({
        "name": plugin,
        "configuration": {
            "@type": "type.googleapis.com/google.protobuf.StringValue",
            "value": policy,
        },
        "failure_policy": "FAIL_RELOAD",
        "reload_config": {"backoff": {"base_interval": RELOAD_INTERVAL}},
        "vm_config": {
            "vm_id": plugin,
            "runtime": "envoy.wasm.runtime.v8",
            "code": {"local": {"filename": module.to_string_lossy()}},
            "environment_variables": {"host_env_keys": checked.environment},
        },
    });
    if checked.policy.kind.holds_bodies()
        && let Some(members) = config.as_object_mut()
    {
        members.insert("allow_on_headers_stop_iteration".to_owned(), true.into());
    }
    json!({
        "version_info": version(checked),
        "resources": [{
            "@type": "type.googleapis.com/envoy.config.core.v3.TypedExtensionConfig",
            "name": plugin,
            "typed_config": {
                "@type": "type.googleapis.com/envoy.extensions.filters.http.wasm.v3.Wasm",
                "config": config,
            },
        }],
    })
}

/// The version of a policy.
#[must_use]
pub fn version(checked: &Checked) -> String {
    digest::version(checked.rendered().as_bytes())
}
