//! Partners on a real Envoy, known by the certificate of their connection or by
//! the signature of their request, which an independent library made.

mod certificates;
mod signatures;

use std::fmt::Debug;
use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use postern_tests::bootstrap::modules;
use postern_tests::corpus::workspace;
use postern_tests::envoy::{Envoy, free_ports};
use postern_tests::python;
use serde_json::{Value, json};

use certificates::Authority;
use signatures::Case;

/// An Envoy, what it trusts, and signed requests.
pub struct Partners {
    envoy: Envoy,
    folder: PathBuf,
    authority: Authority,
    plain: SocketAddr,
    tls: SocketAddr,
    cases: Vec<Case>,
}

/// A test of partners.
pub type Test = fn(&Partners) -> Result<(), String>;

/// All of them.
pub const ALL: &[(&str, Test)] = &[
    ("a_partner_is_known_by_its_certificate", certificates::known),
    ("without_a_certificate_nobody_is_known", certificates::missing),
    ("a_certificate_that_no_entry_knows_is_refused", certificates::unknown),
    ("a_certificate_of_another_authority_fails_the_handshake", certificates::untrusted),
    ("requests_that_a_library_signed_are_accepted", signatures::good),
    ("mutations_of_them_are_refused", signatures::mutations),
    ("a_replay_is_refused_on_both_workers", signatures::replays),
    ("nothing_trapped", nothing_trapped),
];

impl Partners {
    /// Signs the requests, makes the certificates, and starts Envoy.
    pub fn start() -> Result<Self, String> {
        let python = python::with("libraries", "tests/libraries/requirements.txt")?;
        let printed = python::script(&python, "tests/libraries/signed_requests.py")?;
        let mut lines = printed.lines();
        let keys: Value = serde_json::from_str(lines.next().unwrap_or_default())
            .map_err(|e| format!("no keys: {e}"))?;
        let cases = lines.map(Case::parse).collect::<Result<_, _>>()?;
        let folder = workspace().join("target/test-runs/partners");
        fs::create_dir_all(&folder).map_err(|e| e.to_string())?;
        let authority = Authority::new(&folder).map_err(|e| e.to_string())?;
        let modules = modules();
        let [admin, plain, tls] = free_ports()?;
        let bootstrap = include_str!("../../libraries/partners.yaml")
            .replace("$ADMIN", &admin.to_string())
            .replace("$PLAIN", &plain.to_string())
            .replace("$TLS", &tls.to_string())
            .replace("$POLICY", &policy(&keys).to_string().replace('\'', "''"))
            .replace("$FOLDER", &folder.to_string_lossy())
            .replace("$MODULE", &modules.join("auth.wasm").to_string_lossy());
        let secret = keys["secret"].as_str().ok_or("no secret")?.to_owned();
        let words = ["--concurrency", "2"];
        let environment = [("PARTNER_SECRET", secret)];
        let envoy = Envoy::start_with(&folder, &bootstrap, admin, &words, &environment)?;
        let at = |port| SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        Ok(Partners { envoy, folder, authority, plain: at(plain), tls: at(tls), cases })
    }
}

fn policy(keys: &Value) -> Value {
    json!({
        "wasm_checks_per_second": 100_000,
        "providers": {
            "certificates": {"certificate": {"allow": [
                {"id": "bluefin", "match": {"uri_san": "spiffe://partners.example.com/bluefin"},
                 "subject": "bluefin", "scopes": ["orders:read"]},
                {"id": "by-dns", "match": {"dns_san_suffix": ".partners.example.com"}},
                {"id": "by-subject", "match": {"subject": certificates::SUBJECT}},
            ]}},
            "signatures": {"signature": {"keys": [
                {"id": "hmac", "keyid": "hmac", "key": {"secret_env": "PARTNER_SECRET"},
                 "subject": "hmac-partner"},
                {"id": "ed25519", "keyid": "ed25519", "key": {"ed25519": keys["ed25519"]},
                 "subject": "ed25519-partner"},
            ]}},
        },
    })
}

fn same<T: PartialEq + Debug>(what: &str, expected: T, found: T) -> Result<(), String> {
    if expected == found {
        return Ok(());
    }
    Err(format!("{what}: expected {expected:?}, found {found:?}"))
}

fn nothing_trapped(on: &Partners) -> Result<(), String> {
    let reloads = on.envoy.stats("vm_reload")?;
    match reloads.iter().find(|(_, n)| *n > 0) {
        None => Ok(()),
        Some((name, n)) => Err(format!("{name}: {n}\n{}", on.envoy.printed())),
    }
}
