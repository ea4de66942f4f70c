//! `authz` with an identity from elsewhere than `auth`, on a real Envoy: the payload of the
//! stock filter `jwt_authn`, and headers of a hop that clients cannot pass by. And rules by
//! the names of the proxy's routes, which the demo has none of.

mod addresses;
mod headers;
mod payload;
mod routes;
mod site;

use std::fmt::Debug;
use std::fs;
use std::net::{Ipv4Addr, SocketAddr};

use postern_stack::keys::Keys;
use postern_stack::mint::{MintRequest, mint, now};
use postern_tests::bootstrap::modules;
use postern_tests::client::{PATIENCE, Wire, send};
use postern_tests::corpus::workspace;
use postern_tests::envoy::{Envoy, free_ports};
use postern_tests::observe::{Answer, values};
use serde_json::{Map, Value, json};

use site::{Ports, bootstrap};

/// An Envoy with its three listeners.
pub struct Identities {
    envoy: Envoy,
    keys: Keys,
    payload: SocketAddr,
    hop: SocketAddr,
    open: SocketAddr,
}

/// A test of them.
pub type Test = fn(&Identities) -> Result<(), String>;

/// All of them.
pub const ALL: &[(&str, Test)] = &[
    ("a_token_that_jwt_authn_checked_is_an_identity", payload::known),
    ("without_a_token_jwt_authn_leaves_anonymous_callers", payload::anonymous),
    ("a_bad_token_gets_no_further_than_jwt_authn", payload::refused),
    ("claims_are_read_as_what_they_are", payload::claims),
    ("a_hop_says_who_calls", headers::known),
    ("what_a_client_says_of_itself_does_not_pass_the_hop", headers::smuggled),
    ("without_the_hop_anybody_is_anybody", headers::open),
    ("rules_know_the_names_of_routes", routes::names),
    ("the_address_is_the_one_that_the_trusted_hop_saw", addresses::hop),
    ("without_a_trusted_hop_the_address_is_the_peer", addresses::peer),
    ("nothing_trapped", nothing_trapped),
];

/// The rule that let it pass or came nearest, and why; as `explain_header` says it.
const WHY: &str = "x-why";

impl Identities {
    /// Starts Envoy.
    pub fn start() -> Result<Self, String> {
        let folder = workspace().join("target/test-runs/identities");
        fs::create_dir_all(&folder).map_err(|e| e.to_string())?;
        let modules = modules();
        let [admin, payload, hop, open] = free_ports()?;
        let ports = Ports { admin, payload, hop, open };
        let keys = include_str!("../../../stack/keys/jwks.json");
        let bootstrap = bootstrap(&ports, &modules.join("authz.wasm"), keys).to_string();
        let envoy = Envoy::start(&folder, &bootstrap, admin)?;
        let keys = Keys::embedded().map_err(|e| e.to_string())?;
        let at = |port| SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        Ok(Identities { envoy, keys, payload: at(payload), hop: at(hop), open: at(open) })
    }

    /// The line with a token of these claims beside the usual ones.
    fn bearer(&self, claims: &Value) -> Result<String, String> {
        let mut request = MintRequest::for_subject("amy");
        request.scopes = Some(Vec::new());
        request.claims = claims.as_object().cloned().unwrap_or_default();
        Ok(format!("Authorization: Bearer {}", mint(&self.keys, request, now())?))
    }
}

/// A rule for one path.
fn rule(path: &str, subject: Value, more: Value) -> Value {
    let mut rule = json!({"name": path, "match": {"paths": [format!("/{path}")]}});
    let more = more.as_object().cloned().unwrap_or_default();
    if let Value::Object(members) = &mut rule {
        members.insert("subject".to_owned(), subject);
        members.extend::<Map<_, _>>(more);
    }
    rule
}

/// Status, and what `authz` says why; nothing where it was not asked.
fn ask(to: SocketAddr, path: &str, lines: &[&str]) -> Result<(u16, String), String> {
    answer(to, path, lines).map(|answer| (answer.status, said(&answer, WHY)))
}

fn answer(to: SocketAddr, path: &str, lines: &[&str]) -> Result<Answer, String> {
    send(to, &Wire::get("api.example.com", &format!("/{path}"), lines), PATIENCE)
}

fn said(answer: &Answer, name: &str) -> String {
    let all: Vec<_> = values(&answer.headers, name).map(String::from_utf8_lossy).collect();
    all.join("|")
}

fn why(reason: &str, rule: &str) -> String {
    format!("{reason}; rule={rule}")
}

fn same<T: PartialEq + Debug>(what: &str, expected: T, found: T) -> Result<(), String> {
    if expected == found {
        return Ok(());
    }
    Err(format!("{what}: expected {expected:?}, found {found:?}"))
}

fn nothing_trapped(on: &Identities) -> Result<(), String> {
    let reloads = on.envoy.stats("vm_reload")?;
    match reloads.iter().find(|(_, n)| *n > 0) {
        None => Ok(()),
        Some((name, n)) => Err(format!("{name}: {n}\n{}", on.envoy.printed())),
    }
}
