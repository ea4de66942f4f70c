//! Parsers under bytes that an attacker makes: see `postern_core::fuzz`.

mod documents;
mod keys;
mod policies;
mod requests;
mod tokens;

use std::time::Duration;

use postern_core::challenge::is_scope;
use postern_core::config::{At, Decode, Errors, parse_json};
use postern_core::fake::FakeHost;
use postern_core::{Host, Identity, Request, Target, grammar};
use serde_json::Value;

use crate::budget::Budget;
use crate::checked::Checked;
use crate::verdict::{Asked, Known};
use crate::{introspection, remote, signature};

postern_core::fuzz_targets! {
    /// Base64url.
    base64url: 6_000, tokens::base64url_seeds, &[], tokens::base64url;
    /// A token in its compact form.
    jws: 4_000, tokens::seeds, tokens::WORDS, tokens::jws;
    /// A JOSE header.
    jose_header: 4_000, tokens::header_seeds, tokens::WORDS, tokens::jose_header;
    /// The claims of a token whose signature is good.
    claims: 3_000, tokens::claims_seeds, tokens::WORDS, tokens::claims;
    /// A request with credentials in any place.
    request: 4_000, requests::seeds, requests::WORDS, requests::request;
    /// A `Cookie` header.
    cookies: 4_000, requests::cookie_seeds, requests::WORDS, requests::cookies;
    /// HTTP Basic.
    basic: 4_000, requests::basic_seeds, &[], requests::basic;
    /// An API key where one may stand.
    api_key: 4_000, requests::api_key_seeds, &[], requests::api_key;
    /// What the proxy shows of a client's certificate.
    certificate: 3_000, policies::certificate_seeds, policies::NAMES, policies::certificate;
    /// A policy.
    policy: 400, policies::policy_seeds, requests::WORDS, policies::policy;
    /// A JWK Set that an issuer publishes.
    jwks: 600, keys::jwks_seeds, documents::WORDS, keys::jwks;
    /// A public key in PEM.
    pem: 1_000, keys::pem_seeds, documents::WORDS, keys::pem;
    /// A public key in DER.
    der: 1_000, keys::der_seeds, &[], keys::der;
    /// A list of API keys.
    key_list: 2_000, documents::key_list_seeds, documents::WORDS, documents::key_list;
    /// A set of API keys as workers hand it on.
    key_list_bytes: 3_000, documents::key_list_bytes_seeds, &[], documents::key_list_bytes;
    /// A list of what is revoked.
    revocations: 3_000, documents::revocations_seeds, documents::WORDS, documents::revocations;
    /// What an issuer says of itself.
    discovery: 3_000, documents::discovery_seeds, documents::WORDS, documents::discovery;
    /// A time.
    instant: 4_000, documents::instant_seeds, &[], documents::instant;
    /// What an introspection service answers.
    introspection_answer: 3_000, introspection::fuzz::answer_seeds, introspection::fuzz::WORDS, introspection::fuzz::answer;
    /// A slot of the answers that workers share.
    introspection_slot: 3_000, introspection::fuzz::slot_seeds, &[], introspection::fuzz::slot;
    /// What workers tell each other of a token.
    introspection_essentials: 3_000, introspection::fuzz::essentials_seeds, introspection::fuzz::WORDS, introspection::fuzz::essentials;
    /// A structured field.
    signature_fields: 6_000, signature::fuzz::seeds, signature::fuzz::WORDS, signature::fuzz::fields;
    /// `Signature-Input` and `Signature`.
    signature_input: 4_000, signature::fuzz::input_seeds, signature::fuzz::WORDS, signature::fuzz::input;
    /// A slot of used nonces.
    nonces: 3_000, signature::fuzz::nonce_seeds, &[], signature::fuzz::nonces;
    /// The record of a document that workers share.
    remote_state: 3_000, remote::fuzz::state_seeds, &[], remote::fuzz::state;
    /// What an answer says of its age, and its entity tag.
    remote_headers: 3_000, remote::fuzz::header_seeds, remote::fuzz::WORDS, remote::fuzz::headers;
    /// An address.
    uri: 4_000, remote::fuzz::uri_seeds, remote::fuzz::WORDS, remote::fuzz::uri;
}

/// Seconds since the Unix epoch.
pub(crate) const NOW: i64 = 1_795_478_430;

/// What no message may quote: the documents hold it as a value.
pub(crate) const HIDDEN: &str = "hidden-0451";

pub(crate) fn host() -> FakeHost {
    FakeHost::at(Duration::from_secs(NOW.unsigned_abs()))
}

/// Asks a provider about a request with a good path.
pub(crate) fn asking<T>(
    provider: &str,
    request: &Request<'_>,
    host: &FakeHost,
    ask: impl FnOnce(&Asked<'_>) -> T,
) -> T {
    let target = Target::parse(request.path()).expect("a good path");
    let (budget, now) = (Budget::per_second(1), host.now());
    ask(&Asked { provider, request, target: &target, host, budget: &budget, now, since: None })
}

pub(crate) fn texts(list: &[&str]) -> Vec<Vec<u8>> {
    list.iter().map(|text| text.as_bytes().to_vec()).collect()
}

/// A part of a policy.
pub(crate) fn decoded<T: Decode>(json: &Value) -> T {
    let node = parse_json(json.to_string().as_bytes()).unwrap();
    let mut errors = Errors::default();
    T::decode(At::root(&node), &mut errors).unwrap_or_else(|| panic!("{errors}"))
}

/// What is told of a good credential: it is whole, it can be read by others, and it
/// can stand where it is written.
#[track_caller]
pub(crate) fn is_fit_to_tell(checked: &Checked) {
    let caller = &checked.caller;
    for text in [Some(&caller.sub), caller.client.as_ref(), caller.plan.as_ref()] {
        let Some(text) = text else { continue };
        assert!((1..=256).contains(&text.len()) && text.trim_matches([' ', '\t']) == text);
        assert!(!text.contains(char::is_control), "{}", text.escape_debug());
    }
    assert!(caller.scopes.iter().all(is_scope));
    assert!(caller.credential.bytes().all(|b| b.is_ascii_graphic()));
    let known = Known::new(checked.clone());
    let read = Identity::from_json(&known.identity).expect("others read it");
    assert_eq!(read, Identity::Known(Box::new(caller.clone())));
    assert!(serde_json::from_slice::<Value>(&known.identity).is_ok());
    assert_eq!(known.headers.bad(), None);
    for (name, value) in known.headers.iter() {
        assert!(name.starts_with("x-postern-") && grammar::may_write(name, value));
    }
}
