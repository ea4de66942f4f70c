//! The clusters that policies ask: each has to be one of the bootstrap's, to speak TLS
//! where the address says so, and HTTP/2 where gRPC does.

use std::collections::{BTreeMap, BTreeSet};

use postern_core::config::{At, Errors, Key, Node, Value};

use crate::finding::Finding;
use crate::policy::{Kind, Policy, text_of};

/// Under these keys a filter is told whom to ask, and under those by which
/// cluster.
const ASKED: [&str; 3] = ["remote", "discovery", "introspection"];
const NAMED: [&str; 2] = ["cluster", "jwks_cluster"];

/// A bootstrap's clusters.
#[derive(Debug, Default)]
pub struct Clusters {
    /// By name: does all that goes there go in the clear?
    clear: BTreeMap<String, bool>,
    /// Those that cannot speak HTTP/2.
    old: BTreeSet<String>,
    /// It gets more elsewhere.
    more: bool,
}

/// The clusters of a bootstrap.
#[must_use]
pub fn of_bootstrap(node: &Node) -> Clusters {
    let dynamic = node.get("dynamic_resources");
    let more = dynamic.is_some_and(|dynamic| dynamic.get("cds_config").is_some());
    let clusters = node.get("static_resources").and_then(|resources| resources.get("clusters"));
    let Some(Node { value: Value::List(clusters), .. }) = clusters else {
        return Clusters { more, ..Clusters::default() };
    };
    let name = |cluster: &Node| Some(text_of(cluster.get("name")?)?.to_owned());
    let one = |cluster: &Node| Some((name(cluster)?, in_clear(cluster)));
    let old = clusters.iter().filter(|cluster| !speaks_http2(cluster));
    let old = old.filter_map(name).collect();
    Clusters { clear: clusters.iter().filter_map(one).collect(), old, more }
}

/// By what is written: a protocol that is negotiated, or the client's, may be HTTP/2.
fn speaks_http2(cluster: &Node) -> bool {
    let either = |node: &Node, snake: &str, camel: &str| {
        node.get(snake).is_some() || node.get(camel).is_some()
    };
    let options = cluster
        .get("typed_extension_protocol_options")
        .or_else(|| cluster.get("typedExtensionProtocolOptions"))
        .and_then(|all| all.get("envoy.extensions.upstreams.http.v3.HttpProtocolOptions"));
    let Some(options) = options else {
        return either(cluster, "http2_protocol_options", "http2ProtocolOptions");
    };
    let explicit =
        options.get("explicit_http_config").or_else(|| options.get("explicitHttpConfig"));
    explicit.is_none_or(|own| either(own, "http2_protocol_options", "http2ProtocolOptions"))
}

fn in_clear(cluster: &Node) -> bool {
    let socket = cluster.get("transport_socket");
    // Which of several an endpoint gets is not to be seen here.
    cluster.get("transport_socket_matches").is_none() && socket.is_none_or(is_clear)
}

/// A socket without TLS, or one that has such a one in it.
fn is_clear(socket: &Node) -> bool {
    let config = socket.get("typed_config");
    let kind = config.and_then(|config| text_of(config.get("@type")?)).unwrap_or_default();
    kind.ends_with(".RawBuffer")
        || config.and_then(|config| config.get("transport_socket")).is_some_and(is_clear)
}

/// The places at which a policy names a cluster that is not there, or that does
/// not speak as the address says.
#[must_use]
pub fn unfit(policy: &Policy, clusters: &Clusters) -> Vec<Finding> {
    let mut errors = Errors::default();
    if policy.kind == Kind::Auth {
        walk(At::root(&policy.node), "", "", clusters, &mut errors);
    }
    if policy.kind == Kind::RateLimit
        && let Some(service) = policy.node.get("service")
        && let Some(node) = service.get("cluster")
        && let Some(name) = text_of(node)
    {
        let (root, place) = (At::root(&policy.node), service);
        let at = root.key("service", place);
        let at = at.key("cluster", node);
        if !clusters.clear.contains_key(name) && !clusters.more {
            let expected = expected(clusters);
            at.error(&mut errors, format!("the bootstrap has no cluster `{name}`, {expected}"));
        } else if clusters.old.contains(name) {
            let message = format!(
                "the bootstrap's cluster `{name}` does not speak HTTP/2, which gRPC needs: expected \
                 `explicit_http_config: {{http2_protocol_options: {{}}}}` in its `HttpProtocolOptions`"
            );
            at.error(&mut errors, message);
        }
    }
    Finding::all_of(&policy.file, &errors)
}

/// `issuer`: the one above, whose document `discovery` asks for by default.
fn walk(at: At<'_>, under: &str, issuer: &str, clusters: &Clusters, errors: &mut Errors) {
    match &at.node().value {
        Value::Map(entries) => {
            let text = |key: &str| at.node().get(key).and_then(text_of);
            let issuer = text("issuer").unwrap_or(issuer);
            if ASKED.contains(&under) {
                let address = text("uri").unwrap_or(issuer);
                asked(at, entries, address.starts_with("https://"), clusters, errors);
            }
            for (key, node) in entries {
                walk(at.key(&key.text, node), &key.text, issuer, clusters, errors);
            }
        }
        Value::List(items) => {
            for (i, item) in items.iter().enumerate() {
                walk(at.index(i, item), "", issuer, clusters, errors);
            }
        }
        _ => {}
    }
}

fn asked(at: At<'_>, entries: &[(Key, Node)], tls: bool, known: &Clusters, errors: &mut Errors) {
    for (key, node) in entries.iter().filter(|(key, _)| NAMED.contains(&key.text.as_str())) {
        let Some(cluster) = text_of(node) else { continue };
        let message = match known.clear.get(cluster) {
            None if !known.more => {
                format!("the bootstrap has no cluster `{cluster}`, {}", expected(known))
            }
            Some(true) if tls => format!(
                "the bootstrap's cluster `{cluster}` has no TLS, and what is meant for an `https` \
                 address would go in the clear, secrets too: expected a `transport_socket` with an \
                 `UpstreamTlsContext`, or an address with `http://`"
            ),
            None | Some(_) => continue,
        };
        at.key(&key.text, node).error(errors, message);
    }
}

fn expected(known: &Clusters) -> String {
    let names: Vec<String> = known.clear.keys().take(8).map(|name| format!("`{name}`")).collect();
    match names.as_slice() {
        [] => "and none at all".to_owned(),
        names => format!("expected one of {}", names.join(", ")),
    }
}
