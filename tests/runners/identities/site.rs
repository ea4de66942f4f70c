//! Three ways to an identity that `auth` did not publish. Envoy answers itself and says
//! what it would have told an upstream.

use std::path::Path;

use serde_json::{Value, json};

use super::{headers, payload};

/// Ports of the admin interface and of the listeners.
pub(super) struct Ports {
    pub(super) admin: u16,
    pub(super) payload: u16,
    pub(super) hop: u16,
    pub(super) open: u16,
}

pub(super) fn bootstrap(ports: &Ports, module: &Path, keys: &str) -> Value {
    let authz = |policy: Value| wasm(&policy.to_string(), &module.to_string_lossy());
    let of_all = jwt_authn(keys, json!({"prefix": "/"}));
    // Who calls is known on some routes alone. The headers that it writes itself it removes
    // first, on every route; no others.
    let of_private = jwt_authn(keys, json!({"safe_regex": {"regex": "/(private|gold)"}}));
    // A hop that clients cannot pass by: what they send of its headers goes first, on every
    // route, and then it says who calls.
    let removal = filter(
        "remove",
        "header_mutation",
        json!({
            "mutations": {"request_mutations": [
                {"remove_on_match": {"key_matcher": {"prefix": "x-user"}}},
            ]},
        }),
    );
    json!({
        "node": {"id": "identities", "cluster": "identities"},
        "admin": {"address": at(ports.admin)},
        "static_resources": {"listeners": [
            listener("payload", ports.payload, 0, vec![of_all, authz(payload::policy())]),
            listener("hop", ports.hop, 1, vec![removal, of_private, authz(headers::policy())]),
            // No hop: what `postern check` warns of.
            listener("open", ports.open, 0, vec![authz(headers::policy())]),
        ]},
    })
}

fn at(port: u16) -> Value {
    json!({"socket_address": {"address": "127.0.0.1", "port_value": port}})
}

fn filter(name: &str, kind: &str, config: Value) -> Value {
    let message = match kind {
        "header_mutation" => "HeaderMutation",
        "jwt_authn" => "JwtAuthentication",
        "router" => "Router",
        _ => "Wasm",
    };
    let mut config = config;
    config["@type"] =
        json!(format!("type.googleapis.com/envoy.extensions.filters.http.{kind}.v3.{message}"));
    json!({"name": name, "typed_config": config})
}

/// Tokens are optional, and have to be good.
fn jwt_authn(keys: &str, requests: Value) -> Value {
    let config = json!({
        "providers": {"idp": {
            "issuer": "https://id.example.com",
            "audiences": ["marketplace-api"],
            "local_jwks": {"inline_string": keys},
            "payload_in_metadata": "token",
            "claim_to_headers": [
                {"header_name": "x-user", "claim_name": "sub"},
                {"header_name": "x-user-scopes", "claim_name": "scope"},
            ],
        }},
        "rules": [{
            "match": requests,
            "requires": {"requires_any": {
                "requirements": [{"provider_name": "idp"}, {"allow_missing": {}}],
            }},
        }],
    });
    filter("envoy.filters.http.jwt_authn", "jwt_authn", config)
}

fn wasm(policy: &str, module: &str) -> Value {
    filter(
        "authz",
        "wasm",
        json!({"config": {
            "name": "authz",
            "failure_policy": "FAIL_RELOAD",
            "reload_config": {"backoff": {"base_interval": "0.005s"}},
            "configuration": {
                "@type": "type.googleapis.com/google.protobuf.StringValue",
                "value": policy,
            },
            "vm_config": {
                "vm_id": "identities",
                "runtime": "envoy.wasm.runtime.v8",
                "code": {"local": {"filename": module}},
            },
        }}),
    )
}

/// `trusted_hops`: so many proxies stand before this one.
fn listener(name: &str, port: u16, trusted_hops: u32, mut filters: Vec<Value>) -> Value {
    filters.push(filter("router", "router", json!({"suppress_envoy_headers": true})));
    let told = |name: &str| json!({"header": {"key": name, "value": format!("%REQ({})%", name.to_uppercase())}});
    json!({
        "name": name,
        "address": at(port),
        "filter_chains": [{"filters": [{
            "name": "envoy.filters.network.http_connection_manager",
            "typed_config": {
                "@type": "type.googleapis.com/envoy.extensions.filters.network\
                          .http_connection_manager.v3.HttpConnectionManager",
                "stat_prefix": name,
                "normalize_path": true,
                "merge_slashes": true,
                "path_with_escaped_slashes_action": "REJECT_REQUEST",
                "strip_any_host_port": true,
                "strip_trailing_host_dot": true,
                "use_remote_address": true,
                "xff_num_trusted_hops": trusted_hops,
                "common_http_protocol_options": {
                    "headers_with_underscores_action": "DROP_HEADER",
                },
                "http_protocol_options": {"accept_http_10": true},
                "request_headers_timeout": "5s",
                "stream_idle_timeout": "10s",
                "http_filters": filters,
                "route_config": {"virtual_hosts": [{
                    "name": "all",
                    "domains": ["*"],
                    "response_headers_to_add": [told("x-user"), told("x-user-scopes")],
                    "routes": super::routes::named(),
                }]},
            },
        }]}],
    })
}

/// A route that Envoy answers itself.
pub(super) fn direct(prefix: &str) -> Value {
    json!({
        "match": {"prefix": prefix},
        "direct_response": {"status": 200, "body": {"inline_string": "good"}},
    })
}
