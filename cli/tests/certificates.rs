//! A policy that knows callers by certificate, and listeners that verify none.

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

/// The bootstrap of the broken examples, made good, with this `common_tls_context`.
fn files(name: &str, common: &str) -> Vec<PathBuf> {
    let folder = std::env::temp_dir().join(format!("postern-{name}-{}", std::process::id()));
    fs::create_dir_all(&folder).unwrap();
    let broken = include_str!("broken/bootstrap-untrusted-client-certificates.yaml");
    let (good, _) = broken.split_once("          require_client_certificate").unwrap();
    let bootstrap = format!("{good}          common_tls_context: {common}\n");
    let files = [("auth.yaml", POLICY.to_owned()), ("envoy.yaml", bootstrap)];
    files
        .map(|(file, text)| {
            fs::write(folder.join(file), text).unwrap();
            folder.join(file)
        })
        .to_vec()
}

fn found(name: &str, common: &str) -> Vec<String> {
    let files = files(name, common);
    let found = check(&files, &|_| None).err().unwrap_or_default();
    fs::remove_dir_all(files[0].parent().unwrap()).unwrap();
    found.iter().map(|finding| finding.to_string()).collect()
}

#[test]
fn a_listener_has_to_verify() {
    let none = found("cert-none", "{}");
    let expected = "`providers.partners` of `auth.yaml` knows callers by their certificate, but no \
                    listener verifies any: expected a `DownstreamTlsContext` with a `trusted_ca` in \
                    its `validation_context`";
    assert_eq!(none.len(), 1, "{none:?}");
    assert!(none[0].ends_with(expected), "{none:?}");
    for (n, good) in [
        "{validation_context: {trusted_ca: {filename: ca.pem}}}",
        "{combined_validation_context: {default_validation_context: {trusted_ca: {filename: a}}}}",
        "{validation_context_sds_secret_config: {name: ca}}",
    ]
    .into_iter()
    .enumerate()
    {
        assert_eq!(found(&format!("cert-{n}"), good), Vec::<String>::new(), "{good}");
    }
}
