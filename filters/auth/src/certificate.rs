//! Callers known by the certificate of their connection, which Envoy verified.

use std::cell::OnceCell;

use postern_core::Host;
use postern_core::challenge::Scope;
use postern_core::config::schema::Schema;
use postern_core::config::{At, Decode, Errors, Name, Node, Text, Value, decode_text};
use postern_core::digest::hex;
use postern_core::identity::Caller;

use crate::api_key::{Digest, Printable};
use crate::carrier::Taken;
use crate::checked::Checked;
use crate::claims::is_printable;
use crate::reason::Reason;
use crate::verdict::{Asked, Kind, Verdict};

postern_core::config! {
    /// Callers by the client certificate that Envoy verified in the handshake.
    /// A certificate counts only where the request itself presents nothing, and
    /// is asked for only where a rule takes this provider; one that no entry
    /// knows is refused, also where a credential is optional. Of several names
    /// in a certificate Envoy shows the first URI and the first DNS name.
    ///
    /// The listener has to verify (`trust_chain_verification:
    /// VERIFY_TRUST_CHAIN` with a `trusted_ca`). Envoy looks at a certificate in
    /// the handshake only: connections have to end (`max_connection_duration`,
    /// an hour at most), and sessions may not be resumed. `postern check` sees to
    /// it. The
    /// connection is that of the next hop: behind a proxy that ends TLS it is
    /// the proxy's, since `x-forwarded-client-cert` is never read.
    pub struct CertificateConfig {
        /// Whose certificates are known. The first entry that matches counts:
        /// `[{id: bluefin, match: {uri_san: "spiffe://example.com/bluefin"}}]`.
        allow: Vec<PartnerConfig>,
    }

    /// One partner, or several of one kind.
    pub struct PartnerConfig {
        /// Its name in logs and headers (`certificate:<id>`); unique: `bluefin`.
        id: Name,
        /// Which certificates it is: `{dns_san: bluefin.partners.example.com}`.
        r#match: CertificateMatch,
        /// Who they belong to; the name that matched, if this is not said. With
        /// `sha256` it has to be: `bluefin`.
        subject: Option<Printable>,
        /// The client that calls with them: `bluefin-app`.
        client: Option<Printable>,
        /// What they are good for: `[orders:read]`.
        scopes: Vec<Scope> = Vec::new(),
        /// The owner's plan: `gold`.
        plan: Option<Printable>,
    }

    /// A condition on a client certificate.
    pub oneof CertificateMatch {
        /// The first URI in it: `spiffe://partners.example.com/bluefin`.
        uri_san: Uri(Text),
        /// What the first URI begins with, up to a slash:
        /// `spiffe://partners.example.com/`.
        uri_san_prefix: UriPrefix(UriPrefix),
        /// The first DNS name in it, in any case:
        /// `bluefin.partners.example.com`.
        dns_san: Dns(Text),
        /// What the first DNS name ends with, from a dot on, in any case:
        /// `.partners.example.com`.
        dns_san_suffix: DnsSuffix(DnsSuffix),
        /// Its subject as Envoy writes it (RFC 2253, the last part first):
        /// `CN=bluefin,O=Bluefin Ltd`.
        subject: Subject(Text),
        /// The SHA-256 digest of the certificate (DER), as 64 hexadecimal
        /// digits: this certificate alone, until it is renewed.
        sha256: Sha256(Digest),
    }
}

/// Compiled entries.
#[derive(Debug)]
pub(crate) struct Certificates {
    partners: Vec<Partner>,
}

#[derive(Debug)]
struct Partner {
    known_by: CertificateMatch,
    /// Its `sub` is empty where the certificate says it.
    caller: Caller,
}

impl Certificates {
    /// Compiles a decoded configuration; `at` is its place.
    pub(crate) fn compile(
        config: &CertificateConfig,
        provider: &str,
        at: At<'_>,
        errors: &mut Errors,
    ) -> Self {
        let mut partners = Vec::with_capacity(config.allow.len());
        let Some(list) = at.node().get("allow") else { return Certificates { partners } };
        let at = at.key("allow", list);
        let nodes: &[Node] = if let Value::List(nodes) = &list.value { nodes } else { &[] };
        if config.allow.is_empty() {
            at.error(errors, "expected at least one");
        }
        for (i, (partner, node)) in config.allow.iter().zip(nodes).enumerate() {
            let at = at.index(i, node);
            let same = |p: &PartnerConfig| p.id == partner.id;
            let first = config.allow.iter().position(same).unwrap_or(i);
            if first < i
                && let Some(node) = node.get("id")
            {
                let message = format!("the entry at `allow[{first}]` has the same `id`");
                at.key("id", node).error(errors, message);
            }
            match partner.caller(provider) {
                Ok(caller) => partners.push(Partner { known_by: partner.r#match.clone(), caller }),
                Err(message) => at.error(errors, message),
            }
        }
        Certificates { partners }
    }

    fn check(&self, host: &dyn Host) -> Result<Checked, Reason> {
        let shown = Shown::of(host);
        let mut found =
            self.partners.iter().filter_map(|p| Some((p, p.known_by.matching(&shown)?)));
        let (partner, name) = found.next().ok_or(Reason::Certificate)?;
        let mut caller = partner.caller.clone();
        if caller.sub.is_empty() {
            let name = String::from_utf8(name.to_vec()).ok().filter(|name| is_printable(name));
            caller.sub = name.ok_or(Reason::Certificate)?;
        }
        Ok(caller.into())
    }
}

impl Kind for Certificates {
    fn verify(&self, _: &Taken<'_>, asked: &Asked<'_>) -> Verdict {
        // True, as the proxy writes it: one byte.
        if asked.host.property(&["connection", "mtls"]).as_deref() != Some(&[1]) {
            return Verdict::Absent;
        }
        self.check(asked.host).into()
    }
}

impl PartnerConfig {
    fn caller(&self, provider: &str) -> Result<Caller, &'static str> {
        let text = |t: &Printable| t.as_str().to_owned();
        let exact = match &self.r#match {
            CertificateMatch::Uri(text)
            | CertificateMatch::Dns(text)
            | CertificateMatch::Subject(text) => Some(text.as_str()),
            _ => None,
        };
        let sub = match &self.subject {
            Some(subject) => text(subject),
            None if matches!(self.r#match, CertificateMatch::Sha256(_)) => {
                return Err("missing key `subject`: a digest names nobody");
            }
            None if exact.is_some_and(|text| !is_printable(text)) => {
                return Err("missing key `subject`: what is matched cannot stand in a header");
            }
            None => String::new(),
        };
        Ok(Caller {
            sub,
            iss: None,
            client: self.client.as_ref().map(text),
            scopes: self.scopes.as_slice().into(),
            provider: provider.to_owned(),
            credential: format!("certificate:{}", self.id.as_str()),
            plan: self.plan.as_ref().map(text),
            claims: serde_json::Map::new(),
        })
    }
}

impl CertificateMatch {
    /// The name that fulfils this, if one does.
    fn matching<'s>(&self, shown: &'s Shown<'_>) -> Option<&'s [u8]> {
        let found = match self {
            CertificateMatch::Uri(_) | CertificateMatch::UriPrefix(_) => shown.uri(),
            CertificateMatch::Dns(_) | CertificateMatch::DnsSuffix(_) => shown.dns(),
            CertificateMatch::Subject(_) => shown.subject(),
            CertificateMatch::Sha256(_) => shown.sha256(),
        };
        found.filter(|found| !found.is_empty() && self.holds(found))
    }

    fn holds(&self, found: &[u8]) -> bool {
        match self {
            CertificateMatch::Uri(text) | CertificateMatch::Subject(text) => {
                found == text.as_str().as_bytes()
            }
            CertificateMatch::UriPrefix(prefix) => {
                found.strip_prefix(prefix.0.as_bytes()).is_some_and(|rest| !rest.is_empty())
            }
            CertificateMatch::Dns(text) => found.eq_ignore_ascii_case(text.as_str().as_bytes()),
            CertificateMatch::DnsSuffix(suffix) => {
                let at = found.len().checked_sub(suffix.0.len()).filter(|at| *at > 0);
                let end = at.and_then(|at| found.get(at..));
                end.is_some_and(|end| end.eq_ignore_ascii_case(suffix.0.as_bytes()))
            }
            CertificateMatch::Sha256(digest) => {
                found.eq_ignore_ascii_case(hex(digest.bytes()).as_bytes())
            }
        }
    }
}

/// What Envoy shows of the certificate, each asked for once and when needed:
/// an attribute costs over a microsecond.
struct Shown<'h> {
    host: &'h dyn Host,
    uri: OnceCell<Option<Vec<u8>>>,
    dns: OnceCell<Option<Vec<u8>>>,
    subject: OnceCell<Option<Vec<u8>>>,
    sha256: OnceCell<Option<Vec<u8>>>,
}

impl<'h> Shown<'h> {
    fn of(host: &'h dyn Host) -> Self {
        let none = OnceCell::new;
        Shown { host, uri: none(), dns: none(), subject: none(), sha256: none() }
    }

    fn uri(&self) -> Option<&[u8]> {
        self.ask(&self.uri, "uri_san_peer_certificate")
    }

    fn dns(&self) -> Option<&[u8]> {
        self.ask(&self.dns, "dns_san_peer_certificate")
    }

    fn subject(&self) -> Option<&[u8]> {
        self.ask(&self.subject, "subject_peer_certificate")
    }

    fn sha256(&self) -> Option<&[u8]> {
        self.ask(&self.sha256, "sha256_peer_certificate_digest")
    }

    fn ask<'s>(&self, kept: &'s OnceCell<Option<Vec<u8>>>, name: &str) -> Option<&'s [u8]> {
        kept.get_or_init(|| self.host.property(&["connection", name])).as_deref()
    }
}

/// A URI up to a slash: what follows cannot be the rest of a longer name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UriPrefix(String);

const PREFIX: &str = "a URI that ends with a slash behind its host";

impl Decode for UriPrefix {
    fn decode(at: At<'_>, errors: &mut Errors) -> Option<Self> {
        decode_text(at, errors, PREFIX, |text| {
            let inner = text.strip_suffix('/').and_then(|t| t.split_once("://"));
            let good = inner.is_some_and(|(scheme, rest)| {
                !scheme.is_empty() && !rest.is_empty() && !rest.starts_with('/')
            });
            if good && text.bytes().all(|b| b.is_ascii_graphic()) {
                Ok(UriPrefix(text.to_owned()))
            } else {
                Err(format!("expected {PREFIX}"))
            }
        })
    }

    fn schema() -> Schema {
        Schema::Text { expected: PREFIX, pattern: Some("^[!-.0-~]+://[!-.0-~][!-~]*/$") }
    }
}

/// The end of a DNS name, from a dot on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DnsSuffix(String);

const SUFFIX: &str = "the end of a DNS name from a dot on, such as `.example.com`";

impl Decode for DnsSuffix {
    fn decode(at: At<'_>, errors: &mut Errors) -> Option<Self> {
        decode_text(at, errors, SUFFIX, |text| {
            let inner = text.strip_prefix('.').filter(|t| t.len() <= 253);
            let label = |l: &str| {
                (1..=63).contains(&l.len())
                    && l.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
            };
            if inner.is_some_and(|t| t.split('.').all(label)) {
                Ok(DnsSuffix(text.to_owned()))
            } else {
                Err(format!("expected {SUFFIX}"))
            }
        })
    }

    fn schema() -> Schema {
        Schema::Text { expected: SUFFIX, pattern: Some(r"^(\.[A-Za-z0-9_-]{1,63})+$") }
    }
}
