//! A certificate authority for one run, and what it signed: a certificate for
//! the gateway, and some for clients. All of it is made anew at each start; the
//! authority's own key is never written, so nobody signs with it later.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::time::{Duration, SystemTime};

use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa,
    Issuer, KeyPair, KeyUsagePurpose, SanType,
};

use crate::Result;

/// Whom clients and the gateway trust.
pub const CA: &str = "ca.pem";
/// A partner's certificate, with a URI, a DNS name and a subject.
pub const PARTNER: &str = "partner.pem";
/// Its private key.
pub const PARTNER_KEY: &str = "partner.key";

const SERVER: &str = "server.pem";
const SERVER_KEY: &str = "server.key";

/// Where the demo's gateway is met; `envoy` in a network of containers.
const SERVER_NAMES: [&str; 5] =
    ["localhost", "127.0.0.1", "api.example.com", "marketplace.example.com", "envoy"];

/// A client, and the names in its certificate: whoever reads those may find one
/// kind, or none beside the subject.
struct Client {
    file: &'static str,
    uri: Option<&'static str>,
    dns: Option<&'static str>,
    organisation: &'static str,
    name: &'static str,
}

const CLIENTS: [Client; 3] = [
    Client {
        file: "partner",
        uri: Some("spiffe://partners.example.com/bluefin"),
        dns: Some("bluefin.partners.example.com"),
        organisation: "Bluefin Ltd",
        name: "bluefin",
    },
    Client {
        file: "partner-dns",
        uri: None,
        dns: Some("emberline.partners.example.com"),
        organisation: "Emberline, Inc.",
        name: "emberline",
    },
    Client {
        file: "partner-subject",
        uri: None,
        dns: None,
        organisation: "Quillhaven + Söhne",
        name: "quillhaven",
    },
];

const HOUR: Duration = Duration::from_secs(3600);

/// From an hour ago, for clocks that are behind, for a week.
const LIFE: Duration = Duration::from_secs(7 * 24 * 3600);

/// Makes certificates and keys in a folder, in place of those of an earlier run.
///
/// # Errors
/// A file that cannot be written.
pub fn make(folder: &Path) -> Result<()> {
    let failed = |e: rcgen::Error| format!("the demo's certificates cannot be made: {e}");
    let authority = Authority::new().map_err(failed)?;
    write(folder, CA, &authority.certificate, 0o644)?;

    let mut server = short_lived(&SERVER_NAMES).map_err(failed)?;
    server.distinguished_name.push(DnType::CommonName, "Postern demo gateway");
    server.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    let (certificate, key) = authority.sign(server).map_err(failed)?;
    write(folder, SERVER, &certificate, 0o644)?;
    write(folder, SERVER_KEY, &key, 0o600)?;

    for client in &CLIENTS {
        let (certificate, key) =
            client.params().and_then(|it| authority.sign(it)).map_err(failed)?;
        write(folder, &format!("{}.pem", client.file), &certificate, 0o644)?;
        write(folder, &format!("{}.key", client.file), &key, 0o600)?;
    }
    Ok(())
}

impl Client {
    fn params(&self) -> std::result::Result<CertificateParams, rcgen::Error> {
        let mut params = short_lived(self.dns.as_slice())?;
        if let Some(uri) = self.uri {
            params.subject_alt_names.push(SanType::URI(uri.try_into()?));
        }
        params.distinguished_name.push(DnType::OrganizationName, self.organisation);
        params.distinguished_name.push(DnType::CommonName, self.name);
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        Ok(params)
    }
}

struct Authority {
    issuer: Issuer<'static, KeyPair>,
    certificate: String,
}

impl Authority {
    fn new() -> std::result::Result<Self, rcgen::Error> {
        let mut params = short_lived(&[])?;
        params.distinguished_name.push(DnType::CommonName, "Postern demo CA");
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let key = KeyPair::generate()?;
        let certificate = params.self_signed(&key)?.pem();
        Ok(Authority { issuer: Issuer::new(params, key), certificate })
    }

    /// A certificate and its private key, both PEM.
    fn sign(
        &self,
        mut params: CertificateParams,
    ) -> std::result::Result<(String, String), rcgen::Error> {
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.use_authority_key_identifier_extension = true;
        let key = KeyPair::generate()?;
        let certificate = params.signed_by(&key, &self.issuer)?;
        Ok((certificate.pem(), key.serialize_pem()))
    }
}

/// For these names and addresses, of no subject yet.
fn short_lived(names: &[&str]) -> std::result::Result<CertificateParams, rcgen::Error> {
    let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    let mut params = CertificateParams::new(names)?;
    let begin = SystemTime::now() - HOUR;
    params.not_before = begin.into();
    params.not_after = (begin + LIFE).into();
    params.distinguished_name = DistinguishedName::new();
    Ok(params)
}

/// A new file: the mode of one that is there would stay.
fn write(folder: &Path, name: &str, text: &str, mode: u32) -> Result<()> {
    let path = folder.join(name);
    let failed = |e| format!("`{}` cannot be written: {e}", path.display());
    match fs::remove_file(&path) {
        Err(e) if e.kind() != std::io::ErrorKind::NotFound => return Err(failed(e)),
        _ => {}
    }
    let mut options = OpenOptions::new();
    let mut file = options.write(true).create_new(true).mode(mode).open(&path).map_err(failed)?;
    file.write_all(text.as_bytes()).map_err(failed)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;
    use std::path::PathBuf;

    use super::*;

    fn folder(name: &str) -> PathBuf {
        let folder = std::env::temp_dir().join(format!("postern-{name}-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        folder
    }

    #[test]
    fn keys_are_private_and_each_start_has_its_own() {
        let folder = folder("tls");
        // Left open to all by somebody else.
        fs::write(folder.join(PARTNER_KEY), "old").unwrap();
        make(&folder).unwrap();
        let read = |name: &str| fs::read_to_string(folder.join(name)).unwrap();
        let mode =
            |name: &str| fs::metadata(folder.join(name)).unwrap().permissions().mode() & 0o777;
        let names = [
            CA,
            SERVER,
            SERVER_KEY,
            PARTNER,
            PARTNER_KEY,
            "partner-dns.pem",
            "partner-dns.key",
            "partner-subject.pem",
            "partner-subject.key",
        ];
        let before = names.map(read);
        for (name, text) in names.iter().zip(&before) {
            let key = name.ends_with(".key");
            let label = if key { "PRIVATE KEY" } else { "CERTIFICATE" };
            assert_eq!(text.matches(&format!("-----BEGIN {label}-----")).count(), 1, "{name}");
            assert_eq!(text.matches("-----BEGIN").count(), 1, "{name}");
            assert_eq!(mode(name), if key { 0o600 } else { 0o644 }, "{name}");
        }
        make(&folder).unwrap();
        for (name, old) in names.iter().zip(&before) {
            assert_ne!(read(name), *old, "{name}");
        }
        fs::remove_dir_all(&folder).unwrap();
    }

    #[test]
    fn a_folder_that_is_not_there_is_named() {
        let error = make(Path::new("/nowhere")).unwrap_err();
        assert!(error.starts_with("`/nowhere/ca.pem` cannot be written: "), "{error}");
    }
}
