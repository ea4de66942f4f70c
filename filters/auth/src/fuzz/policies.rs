//! Policies, and certificates before one.

use postern_core::config::{At, Errors, parse_json};
use postern_core::{Filter, Headers, Request};
use serde_json::json;

use super::requests::{SECRET, environment, judge, lines, rich};
use super::{asking, decoded, host, is_fit_to_tell, texts, tokens};
use crate::Auth;
use crate::carrier::Taken;
use crate::certificate::{CertificateConfig, Certificates};
use crate::verdict::{Kind, Verdict};

pub(super) const NAMES: &[&str] =
    &[".partners.example.com", "spiffe://example.com/", "CN=quillhaven", "\n"];

pub(super) fn certificate_seeds() -> Vec<Vec<u8>> {
    texts(&[
        "spiffe://example.com/bluefin\n\n\n",
        "\nA.Partners.example.com\n\n",
        "\n\nCN=quillhaven,O=Quill \\+ S\\C3\\B6hne\\, Inc.\n",
        "\n\n\n1f9cbd6c7a4a9d5b2b9c6e8d4f0a1b2c3d4e5f60718293a4b5c6d7e8f9012345",
        "spiffe://other.example/x\nx.example\nCN=x\nzz",
    ])
}

/// Who is known is on the list, by what the proxy shows, and can be told on.
pub(super) fn certificate(text: &[u8]) {
    let mut parts = text.splitn(4, |b| *b == b'\n');
    let [uri, dns, subject, sha256] = [(); 4].map(|()| parts.next().unwrap_or_default());
    let host = host();
    host.set_property("connection.mtls", [1]);
    for (name, value) in [
        ("uri_san_peer_certificate", uri),
        ("dns_san_peer_certificate", dns),
        ("subject_peer_certificate", subject),
        ("sha256_peer_certificate_digest", sha256),
    ] {
        if !value.is_empty() {
            host.set_property(&format!("connection.{name}"), value);
        }
    }
    let list = json!({"allow": [
        {"id": "uri", "match": {"uri_san_prefix": "spiffe://example.com/"}},
        {"id": "dns", "match": {"dns_san_suffix": ".partners.example.com"}},
        {"id": "subject", "match": {"subject": "CN=quillhaven,O=Quill \\+ S\\C3\\B6hne\\, Inc."}},
        {"id": "digest", "subject": "d", "match": {"sha256":
            "1f9cbd6c7a4a9d5b2b9c6e8d4f0a1b2c3d4e5f60718293a4b5c6d7e8f9012345"}},
    ]});
    let node = parse_json(list.to_string().as_bytes()).unwrap();
    let at = At::root(&node);
    let config: CertificateConfig = decoded(&list);
    let known = Certificates::compile(&config, "partners", at, &mut Errors::default());
    let request = Request::new(Headers::new([(":path", "/")]), true);
    let ends = |text: &[u8], end: &str| {
        text.len() > end.len() && text.to_ascii_lowercase().ends_with(end.as_bytes())
    };
    match asking("partners", &request, &host, |asked| known.verify(&Taken::nothing(), asked)) {
        Verdict::Known(known) => {
            is_fit_to_tell(&known.checked);
            let caller = &known.checked.caller;
            let (shown, good): (&[u8], bool) = match caller.credential.as_str() {
                "certificate:uri" => (uri, uri.starts_with(b"spiffe://example.com/")),
                "certificate:dns" => (dns, ends(dns, ".partners.example.com")),
                "certificate:subject" => (subject, subject.starts_with(b"CN=quillhaven,")),
                "certificate:digest" => (b"d", sha256.len() == 64),
                other => panic!("{other}"),
            };
            assert!(good);
            assert_eq!(caller.sub.as_bytes(), shown);
        }
        Verdict::Bad(_) => {}
        other => panic!("{other:?}"),
    }
}

pub(super) fn policy_seeds() -> Vec<Vec<u8>> {
    let remote = json!({"cluster": "idp", "uri": "https://id.example.com/list"});
    let other = json!({
        "realm": "a", "preflights": "pass", "wasm_checks_per_second": 5,
        "revoked": {"subjects": ["x"], "remote": remote,
                    "issued_before": [{"client": "c", "at": "2026-01-31T12:00:00Z"}]},
        "providers": {
            "idp": {"jwt": {
                "issuer": "https://id.example.com", "audiences": ["api"], "algorithms": ["EdDSA", "ES256"],
                "keys": [{"discovery": {"cluster": "idp"}},
                         {"jwks": {"keys": [{"kty": "OKP", "crv": "Ed25519", "kid": "ed",
                            "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}}],
                "headers": [{"name": "x-postern-a", "claim": "a.b", "encoding": "percent"}],
                "claims_match": [{"claim": "a", "is": {"pattern": "(a|b)*"}}],
            }},
            "personal": {"introspection": {
                "cluster": "idp", "uri": "https://id.example.com/introspect", "token_prefix": "pt_",
                "client": {"id": "g", "secret_env": "SECRET"}, "cache": {"ttl": "5s", "negative_ttl": "5s"},
            }},
            "keys": {"api_key": {"remote": remote}},
            "partners": {"certificate": {"allow": [{"id": "a", "match": {"dns_san": "a.example"}}]}},
        },
        "rules": [{"name": "r", "match": {"paths": ["/{a}/**"], "hosts": ["*.a.example"], "methods": ["GET"]},
                   "require": {"any_of": ["idp"]}, "report_only": true}],
    });
    vec![rich().to_string().into_bytes(), other.to_string().into_bytes()]
}

/// A policy is taken or refused with reasons, and quotes no secret. One that is
/// taken judges a request.
pub(super) fn policy(text: &[u8]) {
    let Ok(node) = parse_json(text) else { return };
    match Auth::configure(&node, &environment) {
        Ok(auth) => {
            judge(
                &auth,
                &lines(b"/a?api_key=b\nauthorization: Bearer a.b.c\nx-api-key: k\ncookie: key=a"),
            );
            auth.tick(&host());
        }
        Err(errors) => {
            assert!(!errors.is_empty());
            let said = errors.to_string();
            assert!(!said.contains(&tokens::encode(SECRET)), "{said}");
            let again = Auth::configure(&node, &environment).map(drop).unwrap_err();
            assert_eq!(again.to_string(), said);
        }
    }
}
