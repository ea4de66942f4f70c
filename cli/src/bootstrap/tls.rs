//! Which certificates are taken: of clients by a listener, of servers by a cluster.

use std::time::Duration;

use postern_core::config::{At, Node, Value};

use super::{Checker, MANAGER, TLS, seconds, text};

/// Where TLS says which certificates are good.
const CONTEXTS: [&[&str]; 2] = [
    &["common_tls_context", "validation_context"],
    &["common_tls_context", "combined_validation_context", "default_validation_context"],
];

/// What a server's certificate may be held to. (Envoy takes no names alone.)
const VERIFYING: [&str; 6] = [
    "trusted_ca",
    "system_root_certs",
    "verify_certificate_hash",
    "verify_certificate_spki",
    "ca_certificate_provider_instance",
    "custom_validator_config",
];

/// What makes the next request of a caller a new handshake.
const FORGETTING: [&str; 2] =
    ["disable_stateless_session_resumption", "disable_stateful_session_resumption"];

/// The longest that a connection may go on, and with it the certificate that was
/// looked at when it began.
const LONGEST_CONNECTION: Duration = Duration::from_secs(3600);

impl Checker<'_> {
    /// A listener's TLS.
    pub(super) fn tls(&mut self, at: At<'_>) {
        for way in CONTEXTS {
            self.within(at, way, &mut Self::client_certificates);
        }
        self.authority(at);
    }

    /// A cluster's TLS. Without an authority Envoy takes any certificate, and what
    /// goes to a service goes to whoever stands between.
    pub(super) fn servers(&mut self, at: At<'_>) {
        let key = "trust_chain_verification";
        for way in CONTEXTS {
            self.within(at, way, &mut |checker, at| {
                if let Some(node) = at.node().get(key)
                    && !matches!(&node.value, Value::Text(text) if text == "VERIFY_TRUST_CHAIN")
                {
                    let message = "expected `VERIFY_TRUST_CHAIN`: `ACCEPT_UNTRUSTED` takes \
                                   anybody's certificate for the server's";
                    at.key(key, node).error(&mut checker.errors, message);
                }
            });
        }
        if !verifies_servers(at.node()) {
            let message = "takes anybody's certificate for the server's: expected a `trusted_ca` in \
                           the `validation_context`";
            at.error(&mut self.errors, message);
        }
    }

    /// What stands under the way of keys, if it does.
    fn within(&mut self, at: At<'_>, way: &[&str], look: &mut dyn FnMut(&mut Self, At<'_>)) {
        match way.split_first() {
            None => look(self, at),
            Some((key, rest)) => {
                if let Some(node) = at.node().get(key) {
                    self.within(at.key(key, node), rest, look);
                }
            }
        }
    }

    /// Names in a client's certificate are worth something only if somebody who
    /// is trusted put them there, and still stands by it.
    fn client_certificates(&mut self, at: At<'_>) {
        let key = "trust_chain_verification";
        if let Some(node) = at.node().get(key)
            && !matches!(&node.value, Value::Text(text) if text == "VERIFY_TRUST_CHAIN")
        {
            let message = "expected `VERIFY_TRUST_CHAIN`: `ACCEPT_UNTRUSTED` takes a client's \
                           certificate that anybody made, with whatever names stand in it";
            at.key(key, node).error(&mut self.errors, message);
        }
        let key = "allow_expired_certificate";
        if let Some(node) = at.node().get(key)
            && node.value != Value::Bool(false)
        {
            let message = "expected `false`: a client's certificate that ran out would be good for \
                           ever";
            at.key(key, node).error(&mut self.errors, message);
        }
    }

    /// Where callers are known by their certificate: a chain of filters whose
    /// connections outlive it. Envoy looks at a certificate in the handshake only,
    /// and not at all where a session is resumed, for up to a week (seen on
    /// Envoy 1.40, with tickets and without).
    pub(super) fn chain(&mut self, at: At<'_>) {
        let Some(provider) = self.certificates else { return };
        let (Some(socket), Some(filters)) =
            (at.node().get("transport_socket"), at.node().get("filters"))
        else {
            return;
        };
        let at_socket = at.key("transport_socket", socket);
        if let Some(tls) = typed(socket, TLS).filter(|tls| verifies(tls)) {
            let at_tls = at_socket.key("typed_config", tls);
            for key in FORGETTING {
                let why = format!(
                    "{provider} knows callers by their certificate, and in a resumed session Envoy \
                     does not look at it"
                );
                self.because(at_tls, key, "`true`", &why, |value| *value == Value::Bool(true));
            }
            let Value::List(items) = &filters.value else { return };
            let at_filters = at.key("filters", filters);
            for (i, filter) in items.iter().enumerate() {
                let at_filter = at_filters.index(i, filter);
                if let Some(manager) = typed(filter, MANAGER) {
                    self.connections(at_filter.key("typed_config", manager), provider);
                }
            }
        }
    }

    fn connections(&mut self, at: At<'_>, provider: &str) {
        let why = format!(
            "{provider} knows callers by their certificate, at which Envoy looks once per connection"
        );
        let expected = format!("a time over zero, {LONGEST_CONNECTION:?} at most");
        let options = "common_http_protocol_options";
        let at_options = at.node().get(options).map(|node| at.key(options, node));
        let good = |value: &Value| {
            let Value::Text(text) = value else { return false };
            seconds(text).is_some_and(|time| !time.is_zero() && time <= LONGEST_CONNECTION)
        };
        self.because(at_options.unwrap_or(at), "max_connection_duration", &expected, &why, good);
    }

    /// A value that something else makes necessary.
    fn because(
        &mut self,
        at: At<'_>,
        key: &str,
        expected: &str,
        why: &str,
        good: impl Fn(&Value) -> bool,
    ) {
        match at.node().get(key) {
            Some(node) if good(&node.value) => {}
            Some(node) => {
                at.key(key, node).error(&mut self.errors, format!("expected {expected}: {why}"));
            }
            None => {
                let message = format!("missing key `{key}`, expected {expected}: {why}");
                at.error(&mut self.errors, message);
            }
        }
    }

    /// Without an authority Envoy takes any certificate that it asks for.
    fn authority(&mut self, at: At<'_>) {
        if verifies(at.node()) {
            self.verifying += 1;
        } else if let Some(node) = at.node().get("require_client_certificate")
            && node.value != Value::Bool(false)
        {
            let message = "expected a `trusted_ca` in the `validation_context`: without one, a \
                           client's certificate that anybody made is good";
            at.key("require_client_certificate", node).error(&mut self.errors, message);
        }
    }
}

/// Does a listener with this TLS verify the certificates of clients?
fn verifies(tls: &Node) -> bool {
    discovered(tls) || contexts(tls).any(|context| context.get("trusted_ca").is_some())
}

/// Does a cluster with this TLS verify the certificates of servers?
fn verifies_servers(tls: &Node) -> bool {
    let says = |context: &Node, key: &str| match context.get(key) {
        Some(node) => !matches!(&node.value, Value::List(items) if items.is_empty()),
        None => false,
    };
    discovered(tls) || contexts(tls).any(|context| VERIFYING.iter().any(|key| says(context, key)))
}

/// What is discovered is not here to be looked at.
fn discovered(tls: &Node) -> bool {
    let common = tls.get("common_tls_context");
    let combined = common.and_then(|common| common.get("combined_validation_context"));
    let key = "validation_context_sds_secret_config";
    [common, combined].into_iter().flatten().any(|node| node.get(key).is_some())
}

/// What stands there under [`CONTEXTS`].
fn contexts(tls: &Node) -> impl Iterator<Item = &Node> {
    let found = move |way: &&[&str]| way.iter().try_fold(tls, |node, key| node.get(key));
    CONTEXTS.iter().filter_map(found)
}

/// The configuration of an extension, if it is of this type.
fn typed<'n>(extension: &'n Node, kind: &str) -> Option<&'n Node> {
    let config = extension.get("typed_config")?;
    text(config.get("@type"))?.ends_with(kind).then_some(config)
}
