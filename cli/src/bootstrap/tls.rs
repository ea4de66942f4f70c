//! Which certificates of clients a listener takes.

use postern_core::config::{At, Value};

use super::Checker;

/// Where a listener's TLS says which certificates of clients are good.
const TRUST: [&[&str]; 2] = [
    &["common_tls_context", "validation_context", "trust_chain_verification"],
    &[
        "common_tls_context",
        "combined_validation_context",
        "default_validation_context",
        "trust_chain_verification",
    ],
];

impl Checker<'_> {
    /// A listener's TLS.
    pub(super) fn tls(&mut self, at: At<'_>) {
        for way in TRUST {
            self.client_certificates(at, way);
        }
        self.authority(at);
    }

    /// Names in a client's certificate are worth something only if somebody who
    /// is trusted put them there.
    fn client_certificates(&mut self, at: At<'_>, way: &[&str]) {
        let Some((key, rest)) = way.split_first() else {
            if !matches!(&at.node().value, Value::Text(text) if text == "VERIFY_TRUST_CHAIN") {
                let message = "expected `VERIFY_TRUST_CHAIN`: `ACCEPT_UNTRUSTED` takes a client's \
                               certificate that anybody made, with whatever names stand in it";
                at.error(&mut self.errors, message);
            }
            return;
        };
        if let Some(node) = at.node().get(key) {
            self.client_certificates(at.key(key, node), rest);
        }
    }

    /// Without an authority Envoy takes any certificate that it asks for.
    fn authority(&mut self, at: At<'_>) {
        let common = at.node().get("common_tls_context");
        let inner = |name: &str| common.and_then(|common| common.get(name));
        let combined = inner("combined_validation_context");
        let within = |name: &str| combined.and_then(|combined| combined.get(name));
        let contexts = [inner("validation_context"), within("default_validation_context")];
        let mut contexts = contexts.into_iter().flatten();
        // What is discovered is not here to be looked at.
        let discovered = "validation_context_sds_secret_config";
        if inner(discovered).or(within(discovered)).is_some()
            || contexts.any(|context| context.get("trusted_ca").is_some())
        {
            self.verifying += 1;
        } else if let Some(node) = at.node().get("require_client_certificate")
            && node.value == Value::Bool(true)
        {
            let message = "expected a `trusted_ca` in the `validation_context`: without one, a \
                           client's certificate that anybody made is good";
            at.key("require_client_certificate", node).error(&mut self.errors, message);
        }
    }
}
