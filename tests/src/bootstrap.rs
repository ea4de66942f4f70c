//! The configuration of an Envoy with one listener and one filter, for tests that have
//! gateways of their own.

use std::path::PathBuf;

use serde_json::{Value, json};

use crate::corpus::workspace;

/// The filter.
#[derive(Clone, Copy, Debug)]
pub struct Wasm<'a> {
    /// Its name, and that of its module.
    pub name: &'a str,
    /// Its policy, as JSON.
    pub policy: &'a str,
    /// The variables of the environment that it may read.
    pub variables: &'a [&'a str],
}

/// Where the modules are: `$POSTERN_MODULES`, or `target/modules`.
#[must_use]
pub fn modules() -> PathBuf {
    std::env::var_os("POSTERN_MODULES")
        .map_or_else(|| workspace().join("target/modules"), PathBuf::from)
}

/// An Envoy whose admin interface and listener are at these ports of this machine. What no
/// route takes goes to the cluster `upstream`.
#[must_use]
pub fn bootstrap(
    [admin, gateway]: [u16; 2],
    filter: Wasm<'_>,
    mut routes: Vec<Value>,
    clusters: &[Value],
) -> Value {
    for route in &mut routes {
        route["route"] = json!({"cluster": "upstream"});
    }
    routes.push(json!({"match": {"prefix": "/"}, "route": {"cluster": "upstream"}}));
    json!({
        "admin": {"address": at(admin)},
        "static_resources": {
            "listeners": [{
                "name": "http",
                "address": at(gateway),
                "filter_chains": [{"filters": [{
                    "name": "envoy.filters.network.http_connection_manager",
                    "typed_config": {
                        "@type": kind("network.http_connection_manager.v3.HttpConnectionManager"),
                        "stat_prefix": "http",
                        "stream_idle_timeout": "10s",
                        "route_config": {"virtual_hosts": [{
                            "name": "all",
                            "domains": ["*"],
                            "routes": routes,
                        }]},
                        "http_filters": [
                            wasm(filter),
                            {"name": "router", "typed_config": {
                                "@type": kind("http.router.v3.Router"),
                            }},
                        ],
                    },
                }]}],
            }],
            "clusters": clusters,
        },
    })
}

/// A cluster of one endpoint at a port of this machine, with the settings of `more`.
#[must_use]
pub fn cluster(name: &str, port: u16, more: &Value) -> Value {
    let mut cluster = json!({
        "name": name,
        "type": "STATIC",
        "connect_timeout": "1s",
        "load_assignment": {
            "cluster_name": name,
            "endpoints": [{"lb_endpoints": [{"endpoint": {"address": at(port)}}]}],
        },
    });
    if let (Value::Object(cluster), Value::Object(more)) = (&mut cluster, more) {
        cluster.extend(more.clone());
    }
    cluster
}

/// The settings of a cluster that speaks HTTP/2.
#[must_use]
pub fn http2() -> Value {
    let options = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions";
    json!({"typed_extension_protocol_options": {options: {
        "@type": format!("type.googleapis.com/{options}"),
        "explicit_http_config": {"http2_protocol_options": {}},
    }}})
}

fn at(port: u16) -> Value {
    json!({"socket_address": {"address": "127.0.0.1", "port_value": port}})
}

fn kind(name: &str) -> String {
    format!("type.googleapis.com/envoy.extensions.filters.{name}")
}

fn wasm(filter: Wasm<'_>) -> Value {
    let Wasm { name, policy, variables } = filter;
    json!({"name": name, "typed_config": {
        "@type": kind("http.wasm.v3.Wasm"),
        "config": {
            "name": name,
            "failure_policy": "FAIL_RELOAD",
            "reload_config": {"backoff": {"base_interval": "0.005s"}},
            "configuration": {
                "@type": "type.googleapis.com/google.protobuf.StringValue",
                "value": policy,
            },
            "vm_config": {
                "vm_id": name,
                "environment_variables": {"host_env_keys": variables},
                "runtime": "envoy.wasm.runtime.v8",
                "code": {"local": {"filename": modules().join(format!("{name}.wasm"))}},
            },
        },
    }})
}
