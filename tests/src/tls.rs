//! A client over TLS, with or without a certificate of its own.

use std::io::{Error, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{
    ClientConfig, ClientConnection, RootCertStore, StreamOwned, SupportedProtocolVersion,
};

use crate::client::{Connection, Stream, Wire, connect};
use crate::observe::Answer;

/// A certificate with its private key.
#[derive(Debug)]
pub struct Identity {
    /// The certificate, and those that lead from it to the authority.
    pub chain: Vec<CertificateDer<'static>>,
    /// The private key.
    pub key: PrivateKeyDer<'static>,
}

impl Identity {
    /// `NAME.pem` and `NAME.key` of a folder.
    ///
    /// # Errors
    /// What cannot be read.
    pub fn read(folder: &Path, name: &str) -> Result<Self, String> {
        let chain = certificates(&folder.join(format!("{name}.pem")))?;
        let key = PrivateKeyDer::from_pem_file(folder.join(format!("{name}.key")));
        Ok(Identity { chain, key: key.map_err(|e| format!("{name}.key: {e}"))? })
    }

    fn copy(&self) -> (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>) {
        (self.chain.clone(), self.key.clone_key())
    }
}

/// A client that trusts one authority.
#[derive(Clone, Debug)]
pub struct Client {
    pub(crate) config: Arc<ClientConfig>,
}

impl Client {
    /// `ca` is a file; `protocols` are offered by ALPN.
    ///
    /// # Errors
    /// What cannot be read or used.
    pub fn new(
        ca: &Path,
        identity: Option<&Identity>,
        protocols: &[&str],
        versions: &[&'static SupportedProtocolVersion],
    ) -> Result<Self, String> {
        let mut roots = RootCertStore::empty();
        for certificate in certificates(ca)? {
            roots.add(certificate).map_err(|e| e.to_string())?;
        }
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(versions)
            .map_err(|e| e.to_string())?
            .with_root_certificates(roots);
        let mut config = match identity.map(Identity::copy) {
            None => builder.with_no_client_auth(),
            Some((chain, key)) => {
                builder.with_client_auth_cert(chain, key).map_err(|e| e.to_string())?
            }
        };
        config.alpn_protocols = protocols.iter().map(|p| p.as_bytes().to_vec()).collect();
        Ok(Client { config: Arc::new(config) })
    }

    /// Connects and shakes hands.
    ///
    /// # Errors
    /// Why there is no connection.
    pub fn open(&self, to: SocketAddr, patience: Duration) -> Result<Tls, String> {
        let mut socket = connect(to, patience)?;
        socket.set_read_timeout(Some(patience)).map_err(|e| e.to_string())?;
        socket.set_write_timeout(Some(patience)).map_err(|e| e.to_string())?;
        let mut tls =
            ClientConnection::new(Arc::clone(&self.config), server()).map_err(|e| e.to_string())?;
        while tls.is_handshaking() {
            tls.complete_io(&mut socket).map_err(|e| shown(&e))?;
        }
        Ok(Tls { stream: StreamOwned::new(tls, socket) })
    }

    /// Sends one request as it is on a connection of its own, over HTTP/1.
    ///
    /// # Errors
    /// When there is no answer.
    pub fn send(&self, to: SocketAddr, wire: &Wire, patience: Duration) -> Result<Answer, String> {
        let mut connection = Connection::over(Box::new(self.open(to, patience)?), patience);
        connection.write(&wire.bytes)?;
        connection.read(wire.head)
    }

    /// Why the server refuses this client; an error if it does not. In TLS 1.3
    /// that comes after the client's part of the handshake is done.
    ///
    /// # Errors
    /// That the server went on.
    pub fn refusal(&self, to: SocketAddr, patience: Duration) -> Result<String, String> {
        let mut tls = match self.open(to, patience) {
            Err(refusal) => return Ok(refusal),
            Ok(tls) => tls,
        };
        let wire = Wire::get("api.example.com", "/v1/market/total-items.json", &[]);
        // It may have closed already; what it said is still to be read.
        let _ = tls.write_all(&wire.bytes);
        let mut first = [0; 64];
        match tls.read(&mut first) {
            Ok(n) => Err(format!("the server answered `{}`", String::from_utf8_lossy(&first[..n]))),
            Err(e) => Ok(shown(&e)),
        }
    }
}

/// A connection whose handshake is done.
#[derive(Debug)]
pub struct Tls {
    stream: StreamOwned<ClientConnection, TcpStream>,
}

impl Tls {
    /// The protocol that the server picked.
    #[must_use]
    pub fn protocol(&self) -> Option<&str> {
        self.stream.conn.alpn_protocol().and_then(|p| std::str::from_utf8(p).ok())
    }

    /// Does it go on from an earlier one, without a look at the certificates?
    #[must_use]
    pub fn is_resumed(&self) -> bool {
        self.stream.conn.handshake_kind() == Some(rustls::HandshakeKind::Resumed)
    }
}

impl Read for Tls {
    fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
        self.stream.read(into)
    }
}

impl Write for Tls {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.stream.write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.stream.flush()
    }
}

impl Stream for Tls {
    fn socket(&self) -> &TcpStream {
        &self.stream.sock
    }
}

/// The gateway by its address: the certificate has to name it.
pub(crate) fn server() -> ServerName<'static> {
    ServerName::IpAddress(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST).into())
}

fn certificates(file: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    let failed = |e| format!("{}: {e}", file.display());
    let all = CertificateDer::pem_file_iter(file).map_err(failed)?;
    all.map(|certificate| certificate.map_err(failed)).collect()
}

fn shown(error: &Error) -> String {
    error.get_ref().map_or_else(|| error.to_string(), ToString::to_string)
}
