//! A policy that knows callers by certificate, and the listeners that verify them.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

use std::fs;
use std::path::PathBuf;

use postern_cli::check::check;

const POLICY: &str = "\
filter: auth
providers:
  partners:
    certificate:
      allow: [{id: a, match: {uri_san: 'spiffe://a/b'}}]
";

/// A listener that verifies, and forgets.
const GOOD: &str = "
          common_tls_context: {validation_context: {trusted_ca: {filename: ca.pem}}}
          disable_stateless_session_resumption: true
          disable_stateful_session_resumption: true
";

const UNDERSCORES: &str = "{headers_with_underscores_action: DROP_HEADER}";
const BOUNDED: &str =
    "{headers_with_underscores_action: DROP_HEADER, max_connection_duration: 3600s}";

/// The bootstrap of the broken examples, with this TLS and these options of
/// connections.
fn files(name: &str, policy: &str, tls: &str, options: &str) -> Vec<PathBuf> {
    let folder = std::env::temp_dir().join(format!("postern-{name}-{}", std::process::id()));
    fs::create_dir_all(&folder).unwrap();
    let broken = include_str!("broken/bootstrap-untrusted-client-certificates.yaml");
    let (good, _) = broken.split_once("          require_client_certificate").unwrap();
    let bootstrap = format!("{good}{tls}").replace(UNDERSCORES, options);
    let files = [("auth.yaml", policy.to_owned()), ("envoy.yaml", bootstrap)];
    files
        .map(|(file, text)| {
            fs::write(folder.join(file), text).unwrap();
            folder.join(file)
        })
        .to_vec()
}

fn found(name: &str, policy: &str, tls: &str, options: &str) -> Vec<String> {
    let files = files(name, policy, tls, options);
    let found = check(&files, &|_| None).err().unwrap_or_default();
    fs::remove_dir_all(files[0].parent().unwrap()).unwrap();
    found.iter().map(|finding| finding.to_string()).collect()
}

#[track_caller]
fn finds(found: &[String], expected: &[&str]) {
    assert_eq!(found.len(), expected.len(), "{found:#?}");
    for (found, expected) in found.iter().zip(expected) {
        assert!(found.ends_with(expected), "{found}\n  expected {expected}");
    }
}

#[test]
fn a_listener_has_to_verify() {
    let none = found("cert-none", POLICY, "          common_tls_context: {}\n", BOUNDED);
    let expected = "`providers.partners` of `auth.yaml` knows callers by their certificate, but no \
                    listener verifies any: expected a `DownstreamTlsContext` with a `trusted_ca` in \
                    its `validation_context`";
    finds(&none, &[expected]);
    for (n, good) in [
        "{validation_context: {trusted_ca: {filename: ca.pem}}}",
        "{combined_validation_context: {default_validation_context: {trusted_ca: {filename: a}}}}",
        "{validation_context_sds_secret_config: {name: ca}}",
        "{validationContextSdsSecretConfig: {name: ca}}",
    ]
    .into_iter()
    .enumerate()
    {
        let tls = GOOD.replace("{validation_context: {trusted_ca: {filename: ca.pem}}}", good);
        finds(&found(&format!("cert-{n}"), POLICY, &tls, BOUNDED), &[]);
    }
}

/// Envoy looks at a certificate in the handshake, and never again.
#[test]
fn a_certificate_does_not_live_on_in_a_connection() {
    let at = "static_resources.listeners[1].filter_chains[0]";
    let manager = format!("{at}.filters[0].typed_config.common_http_protocol_options");
    let why = "`providers.partners` of `auth.yaml` knows callers by their certificate, at which \
               Envoy looks once per connection";
    let missing = format!(
        "{manager}: missing key `max_connection_duration`, expected a time over zero, 3600s at \
         most: {why}"
    );
    finds(&found("conn-none", POLICY, GOOD, UNDERSCORES), &[&missing]);
    let wrong = format!(
        "{manager}.max_connection_duration: expected a time over zero, 3600s at most: {why}"
    );
    for (n, bad) in ["3601s", "0s", "1", "1h"].into_iter().enumerate() {
        let options = BOUNDED.replace("3600s", bad);
        finds(&found(&format!("conn-{n}"), POLICY, GOOD, &options), &[&wrong]);
    }
    // In a session that is resumed the certificate is that of the first handshake.
    let socket = format!("{at}.transport_socket.typed_config");
    let why = "`providers.partners` of `auth.yaml` knows callers by their certificate, and in a \
               resumed session Envoy does not look at it";
    let both: Vec<String> = ["stateless", "stateful"]
        .iter()
        .map(|kind| {
            format!(
                "{socket}: missing key `disable_{kind}_session_resumption`, expected `true`: {why}"
            )
        })
        .collect();
    let (tls, _) = GOOD.split_once("          disable").unwrap();
    finds(&found("resume", POLICY, tls, BOUNDED), &[&both[0], &both[1]]);
    let tls =
        GOOD.replace("stateful_session_resumption: true", "stateful_session_resumption: false");
    let wrong = format!("{socket}.disable_stateful_session_resumption: expected `true`: {why}");
    finds(&found("resume-false", POLICY, &tls, BOUNDED), &[&wrong]);
    // Where nobody is known by a certificate, it does not matter.
    let keys = "filter: auth\nproviders:\n  a:\n    api_key: {keys: []}\n";
    let keys =
        found("conn-unused", keys, tls.split_once("          disable").unwrap().0, UNDERSCORES);
    assert!(keys.iter().all(|finding| !finding.contains("certificate")), "{keys:?}");
}
