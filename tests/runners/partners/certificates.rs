//! Partners by the certificate of their connection.

use std::fs;
use std::path::Path;

use postern_tests::client::{PATIENCE, Wire};
use postern_tests::observe::Answer;
use postern_tests::tls::{Client, Identity};
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, IsCa, Issuer, KeyPair, SanType,
};
use rustls::version::{TLS12, TLS13};

use super::{Partners, same};

/// As Envoy writes it: RFC 2253, the last part first, bytes that are not ASCII
/// and signs of the grammar escaped.
pub(super) const SUBJECT: &str = "CN=quillhaven,O=Quillhaven \\+ S\\C3\\B6hne\\, Inc.";

/// Somebody who signs certificates.
pub(super) struct Authority {
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    /// Writes `ca.pem`, and what the gateway presents, into a folder.
    pub(super) fn new(folder: &Path) -> Result<Self, Box<dyn std::error::Error>> {
        let (authority, certificate) = Authority::unknown()?;
        fs::write(folder.join("ca.pem"), certificate)?;
        let names = vec!["127.0.0.1".to_owned()];
        let key = KeyPair::generate()?;
        let server = CertificateParams::new(names)?.signed_by(&key, &authority.issuer)?;
        fs::write(folder.join("server.pem"), server.pem())?;
        fs::write(folder.join("server.key"), key.serialize_pem())?;
        Ok(authority)
    }

    /// One that nobody knows, and its certificate.
    fn unknown() -> Result<(Self, String), rcgen::Error> {
        let mut params = CertificateParams::new(Vec::new())?;
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate()?;
        let certificate = params.self_signed(&key)?.pem();
        Ok((Authority { issuer: Issuer::new(params, key) }, certificate))
    }

    fn sign(&self, of: &Names<'_>) -> Result<Identity, rcgen::Error> {
        let dns = of.dns.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        let mut params = CertificateParams::new(dns)?;
        for uri in of.uris {
            params.subject_alt_names.push(SanType::URI((*uri).try_into()?));
        }
        params.distinguished_name = DistinguishedName::new();
        for (kind, value) in of.subject {
            params.distinguished_name.push(kind.clone(), *value);
        }
        let key = KeyPair::generate()?;
        let certificate = params.signed_by(&key, &self.issuer)?;
        let key = rustls::pki_types::PrivatePkcs8KeyDer::from(key.serialize_der());
        Ok(Identity { chain: vec![certificate.der().clone()], key: key.into() })
    }
}

/// What stands in a certificate.
#[derive(Default)]
struct Names<'n> {
    uris: &'n [&'n str],
    dns: &'n [&'n str],
    subject: &'n [(DnType, &'n str)],
}

const BLUEFIN: &str = "spiffe://partners.example.com/bluefin";

fn send(on: &Partners, of: Option<&Names<'_>>, lines: &[&str]) -> Result<Answer, String> {
    let identity = of.map(|names| on.authority.sign(names)).transpose();
    let identity = identity.map_err(|e| e.to_string())?;
    let versions = [&TLS13, &TLS12];
    let ca = on.folder.join("ca.pem");
    let client = Client::new(&ca, identity.as_ref(), &["http/1.1"], &versions)?;
    client.send(on.tls, &Wire::get("api.example.com", "/a", lines), PATIENCE)
}

pub(super) fn known(on: &Partners) -> Result<(), String> {
    let subject: &[(DnType, &str)] = &[
        (DnType::OrganizationName, "Quillhaven + S\u{f6}hne, Inc."),
        (DnType::CommonName, "quillhaven"),
    ];
    let dns = "Emberline.Partners.example.com";
    let uri = &[BLUEFIN, "spiffe://partners.example.com/second"][..];
    for (names, expected) in [
        (Names { uris: uri, ..Names::default() }, ["bluefin", "bluefin"]),
        (Names { uris: uri, dns: &[dns], subject }, ["bluefin", "bluefin"]),
        (Names { dns: &[dns], ..Names::default() }, [dns, "by-dns"]),
        (Names { subject, ..Names::default() }, [SUBJECT, "by-subject"]),
    ] {
        // What a client says of itself does not count.
        let lines = ["x-postern-subject: root", "x-forwarded-client-cert: URI=spiffe://x/y"];
        let answer = send(on, Some(&names), &lines)?;
        let [who, id] = expected;
        same("status", (who, 200), (who, answer.status))?;
        same("subject", Some(who), answer.text("x-subject"))?;
        let credential = format!("certificate:{id}");
        same("credential", Some(credential.as_str()), answer.text("x-credential"))?;
        let scopes = (id == "bluefin").then_some("orders:read");
        same("scopes", scopes, answer.text("x-scopes"))?;
    }
    Ok(())
}

pub(super) fn missing(on: &Partners) -> Result<(), String> {
    let said = format!("x-forwarded-client-cert: Hash=00;URI={BLUEFIN}");
    let plain = Wire::get("api.example.com", "/a", &[&said]);
    for answer in
        [send(on, None, &[&said])?, postern_tests::client::send(on.plain, &plain, PATIENCE)?]
    {
        same("status", 401, answer.status)?;
        same("subject", None, answer.text("x-subject"))?;
        let code = answer.json().map(|problem| problem["code"].to_string());
        same("code", Some("\"missing_credential\"".to_owned()), code)?;
    }
    Ok(())
}

pub(super) fn unknown(on: &Partners) -> Result<(), String> {
    for names in [
        Names { uris: &["spiffe://partners.example.com/other"], ..Names::default() },
        // The first URI alone is shown.
        Names { uris: &["spiffe://partners.example.com/other", BLUEFIN], ..Names::default() },
        Names { dns: &["partners.example.com"], ..Names::default() },
        Names { subject: &[(DnType::CommonName, "quillhaven")], ..Names::default() },
        Names::default(),
    ] {
        let answer = send(on, Some(&names), &[])?;
        same("status", 401, answer.status)?;
        same("subject", None, answer.text("x-subject"))?;
        let code = answer.json().map(|problem| problem["code"].to_string());
        same("code", Some("\"invalid_token\"".to_owned()), code)?;
    }
    Ok(())
}

pub(super) fn untrusted(on: &Partners) -> Result<(), String> {
    let (other, _) = Authority::unknown().map_err(|e| e.to_string())?;
    let names = Names { uris: &[BLUEFIN], ..Names::default() };
    let identity = other.sign(&names).map_err(|e| e.to_string())?;
    for version in [&TLS13, &TLS12] {
        let ca = on.folder.join("ca.pem");
        let client = Client::new(&ca, Some(&identity), &["http/1.1"], &[version])?;
        let refusal = client.refusal(on.tls, PATIENCE)?;
        if !refusal.contains("alert") {
            return Err(format!("expected an alert, but got `{refusal}`"));
        }
    }
    Ok(())
}
