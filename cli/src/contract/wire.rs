//! HTTP/1.1 as it stands on the wire: requests go out byte for byte, answers come
//! back with the names of their headers as they were written. One deadline bounds
//! connecting, the handshake, sending and the whole answer.

use std::fmt::Debug;
use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream, ToSocketAddrs};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

/// The longest head of an answer.
const MAX_HEAD: usize = 256 * 1024;

/// The longest body of an answer.
const MAX_BODY: usize = 64 * 1024 * 1024;

/// A request to send.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sent {
    /// The method.
    pub method: String,
    /// The target.
    pub target: Vec<u8>,
    /// The header lines.
    pub lines: Vec<Vec<u8>>,
    /// The body.
    pub body: Option<Vec<u8>>,
}

/// An answer as it came.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Answer {
    /// The status.
    pub status: u16,
    /// The reason phrase.
    pub reason: Vec<u8>,
    /// The headers in order, names as they were written.
    pub headers: Vec<(String, Vec<u8>)>,
    /// The body, its framing undone.
    pub body: Vec<u8>,
    /// Why the body ended before its end.
    pub cut: Option<String>,
}

/// Where a gateway listens.
#[derive(Clone, Debug)]
pub struct Gateway {
    address: SocketAddr,
    /// As it stands in a `Host` header.
    host: String,
    tls: Option<(Arc<ClientConfig>, ServerName<'static>)>,
}

impl Gateway {
    /// Of `http://host:port` or `https://host:port`. `ca`: a file of the certificates
    /// (PEM) that the gateway's has to go back to; TLS needs it.
    ///
    /// # Errors
    /// What is wrong with them.
    pub fn new(url: &str, ca: Option<&Path>) -> Result<Gateway, String> {
        let expected = "expected `http://HOST:PORT` or `https://HOST:PORT`";
        let wrong = || format!("{expected}, but found `{}`", url.escape_debug());
        let (scheme, rest) = url.split_once("://").ok_or_else(wrong)?;
        let host = rest.strip_suffix('/').unwrap_or(rest);
        if host.is_empty() || host.contains(['/', '?', '#', '@', ' ']) {
            return Err(wrong());
        }
        let port = match scheme {
            "http" => 80,
            "https" => 443,
            _ => return Err(wrong()),
        };
        let has_port = host.rsplit_once(':').is_some_and(|(_, port)| port.parse::<u16>().is_ok());
        let with_port = if has_port { host.to_owned() } else { format!("{host}:{port}") };
        let found = with_port.to_socket_addrs().map_err(|e| format!("`{host}`: {e}"))?.next();
        let address = found.ok_or_else(|| format!("`{host}` has no address"))?;
        let tls = match (scheme, ca) {
            ("https", Some(ca)) => {
                let name = with_port.rsplit_once(':').map_or(host, |(name, _)| name);
                let name = name.trim_matches(['[', ']']).to_owned();
                let name = ServerName::try_from(name).map_err(|e| format!("`{host}`: {e}"))?;
                Some((Arc::new(trusting(ca)?), name))
            }
            ("https", None) => {
                return Err("over TLS, `--ca FILE` says which certificates count".to_owned());
            }
            _ => None,
        };
        Ok(Gateway { address, host: host.to_owned(), tls })
    }

    /// Sends a request on a connection of its own and reads the answer.
    ///
    /// # Errors
    /// Why there is none.
    pub fn send(&self, request: &Sent, deadline: Duration) -> Result<Answer, String> {
        let clock = Clock { end: Instant::now() + deadline, deadline };
        let left = clock.left()?;
        let socket = TcpStream::connect_timeout(&self.address, left)
            .map_err(|e| format!("{}: {}", self.address, clock.said(&e)))?;
        socket.set_nodelay(true).map_err(|e| e.to_string())?;
        let stream: Box<dyn Stream> = match &self.tls {
            None => Box::new(Plain(socket)),
            Some((config, name)) => {
                let connection = ClientConnection::new(Arc::clone(config), name.clone());
                let connection = connection.map_err(|e| e.to_string())?;
                Box::new(Tls(StreamOwned::new(connection, socket)))
            }
        };
        let mut exchange = Exchange { stream, clock, buffer: Vec::new() };
        exchange.write(&self.bytes(request))?;
        exchange.read(request.method == "HEAD")
    }

    fn bytes(&self, request: &Sent) -> Vec<u8> {
        let has = |name: &str| {
            request.lines.iter().any(|line| {
                let end = line.iter().position(|b| *b == b':').unwrap_or(line.len());
                line.get(..end).is_some_and(|n| n.eq_ignore_ascii_case(name.as_bytes()))
            })
        };
        let mut out = format!("{} ", request.method).into_bytes();
        out.extend_from_slice(&request.target);
        out.extend_from_slice(b" HTTP/1.1\r\n");
        if !has("host") {
            out.extend_from_slice(format!("Host: {}\r\n", self.host).as_bytes());
        }
        for line in &request.lines {
            out.extend_from_slice(line);
            out.extend_from_slice(b"\r\n");
        }
        let framed = has("content-length") || has("transfer-encoding");
        if let (Some(body), false) = (&request.body, framed) {
            out.extend_from_slice(format!("Content-Length: {}\r\n", body.len()).as_bytes());
        }
        out.extend_from_slice(b"\r\n");
        out.extend_from_slice(request.body.as_deref().unwrap_or_default());
        out
    }
}

fn trusting(ca: &Path) -> Result<ClientConfig, String> {
    let failed = |e: &dyn std::fmt::Display| format!("{}: {e}", ca.display());
    let mut roots = RootCertStore::empty();
    let all = CertificateDer::pem_file_iter(ca).map_err(|e| failed(&e))?;
    for certificate in all {
        roots.add(certificate.map_err(|e| failed(&e))?).map_err(|e| failed(&e))?;
    }
    if roots.is_empty() {
        return Err(failed(&"no certificate in it"));
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder =
        ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let mut config =
        builder.map_err(|e| e.to_string())?.with_root_certificates(roots).with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(config)
}

#[derive(Debug)]
struct Clock {
    end: Instant,
    deadline: Duration,
}

impl Clock {
    fn left(&self) -> Result<Duration, String> {
        let left = self.end.saturating_duration_since(Instant::now());
        if left.is_zero() { Err(self.late()) } else { Ok(left) }
    }

    fn late(&self) -> String {
        format!("not within {:?}", self.deadline)
    }

    fn said(&self, error: &std::io::Error) -> String {
        match error.kind() {
            ErrorKind::WouldBlock | ErrorKind::TimedOut => self.late(),
            _ => error.get_ref().map_or_else(|| error.to_string(), ToString::to_string),
        }
    }
}

trait Stream: Read + Write + Debug {
    fn socket(&self) -> &TcpStream;
}

#[derive(Debug)]
struct Plain(TcpStream);

#[derive(Debug)]
struct Tls(StreamOwned<ClientConnection, TcpStream>);

impl Read for Plain {
    fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
        self.0.read(into)
    }
}

impl Write for Plain {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.0.flush()
    }
}

impl Stream for Plain {
    fn socket(&self) -> &TcpStream {
        &self.0
    }
}

impl Read for Tls {
    fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
        self.0.read(into)
    }
}

impl Write for Tls {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.0.flush()
    }
}

impl Stream for Tls {
    fn socket(&self) -> &TcpStream {
        &self.0.sock
    }
}

/// One request and its answer on a connection.
#[derive(Debug)]
struct Exchange {
    stream: Box<dyn Stream>,
    clock: Clock,
    buffer: Vec<u8>,
}

impl Exchange {
    fn write(&mut self, mut bytes: &[u8]) -> Result<(), String> {
        while !bytes.is_empty() {
            let left = self.clock.left()?;
            let socket = self.stream.socket();
            socket.set_write_timeout(Some(left)).map_err(|e| e.to_string())?;
            socket.set_read_timeout(Some(left)).map_err(|e| e.to_string())?;
            match self.stream.write(bytes) {
                Ok(n) => bytes = bytes.get(n..).unwrap_or_default(),
                Err(e) if e.kind() == ErrorKind::Interrupted => {}
                Err(e) if matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                    return Err(format!("the request could not be sent: {}", self.clock.late()));
                }
                Err(e) if e.kind() == ErrorKind::InvalidData => return Err(self.clock.said(&e)),
                // It may have answered already, and closed.
                Err(_) => return Ok(()),
            }
        }
        let _ = self.stream.flush();
        Ok(())
    }

    /// Reads more; false at the end.
    fn more(&mut self) -> Result<bool, String> {
        loop {
            let left = self.clock.left()?;
            self.stream.socket().set_read_timeout(Some(left)).map_err(|e| e.to_string())?;
            let mut chunk = [0; 16 * 1024];
            match self.stream.read(&mut chunk) {
                Ok(0) => return Ok(false),
                Ok(n) => {
                    self.buffer.extend_from_slice(chunk.get(..n).unwrap_or_default());
                    return Ok(true);
                }
                Err(e) if e.kind() == ErrorKind::Interrupted => {}
                Err(e) if e.kind() == ErrorKind::UnexpectedEof => return Ok(false),
                Err(e) => return Err(self.clock.said(&e)),
            }
        }
    }

    fn read(&mut self, to_head: bool) -> Result<Answer, String> {
        loop {
            let head = self.head()?;
            let mut answer = parsed(&head)?;
            // 100 Continue, 103 Early Hints.
            if answer.status < 200 && answer.status != 101 {
                continue;
            }
            if !to_head && !matches!(answer.status, 101 | 204 | 304) {
                answer.cut = self.body(&mut answer).err();
            }
            return Ok(answer);
        }
    }

    fn head(&mut self) -> Result<Vec<u8>, String> {
        loop {
            let end = self.buffer.windows(4).position(|w| w == b"\r\n\r\n");
            if let Some(end) = end {
                let rest = self.buffer.split_off(end + 4);
                return Ok(std::mem::replace(&mut self.buffer, rest));
            }
            if self.buffer.len() > MAX_HEAD {
                return Err(format!("its head is longer than {MAX_HEAD} bytes"));
            }
            if !self.more()? {
                let where_ = if self.buffer.is_empty() { "without a byte" } else { "in the head" };
                return Err(format!("the connection was closed {where_}"));
            }
        }
    }

    fn body(&mut self, answer: &mut Answer) -> Result<(), String> {
        let value = |name: &str| {
            let found = answer.headers.iter().find(|(n, _)| n.eq_ignore_ascii_case(name));
            found.map(|(_, v)| String::from_utf8_lossy(v).trim().to_ascii_lowercase())
        };
        if value("transfer-encoding").is_some_and(|v| v.ends_with("chunked")) {
            return self.chunks(&mut answer.body);
        }
        if let Some(length) = value("content-length") {
            let length = length.parse().map_err(|_| "its `content-length` is no number")?;
            return self.exactly(length, &mut answer.body);
        }
        while self.buffer.len() <= MAX_BODY {
            let more = self.more();
            if !matches!(more, Ok(true)) {
                answer.body = std::mem::take(&mut self.buffer);
                return more.map(drop);
            }
        }
        Err(too_long())
    }

    fn exactly(&mut self, length: usize, out: &mut Vec<u8>) -> Result<(), String> {
        if length > MAX_BODY || out.len() > MAX_BODY {
            return Err(too_long());
        }
        while self.buffer.len() < length {
            let more = self.more();
            if !matches!(more, Ok(true)) {
                let got = self.buffer.len();
                out.append(&mut self.buffer);
                more?;
                return Err(format!("closed after {got} of {length} bytes"));
            }
        }
        let rest = self.buffer.split_off(length);
        out.append(&mut std::mem::replace(&mut self.buffer, rest));
        Ok(())
    }

    fn line(&mut self) -> Result<Vec<u8>, String> {
        loop {
            if let Some(end) = self.buffer.windows(2).position(|w| w == b"\r\n") {
                let rest = self.buffer.split_off(end + 2);
                let mut line = std::mem::replace(&mut self.buffer, rest);
                line.truncate(end);
                return Ok(line);
            }
            if self.buffer.len() > MAX_HEAD || !self.more()? {
                return Err("closed within its chunks".to_owned());
            }
        }
    }

    fn chunks(&mut self, out: &mut Vec<u8>) -> Result<(), String> {
        loop {
            let line = self.line()?;
            let text = String::from_utf8_lossy(&line).into_owned();
            let size = text.split(';').next().unwrap_or_default().trim();
            let size = usize::from_str_radix(size, 16)
                .map_err(|_| format!("a chunk's size is `{}`", text.escape_debug()))?;
            if size == 0 {
                while !self.line()?.is_empty() {}
                return Ok(());
            }
            self.exactly(size, out)?;
            if !self.line()?.is_empty() {
                return Err("a chunk is longer than it says".to_owned());
            }
        }
    }
}

fn too_long() -> String {
    format!("it is longer than {MAX_BODY} bytes")
}

fn parsed(head: &[u8]) -> Result<Answer, String> {
    let mut lines = head.split(|b| *b == b'\n').map(|l| l.strip_suffix(b"\r").unwrap_or(l));
    let first = lines.next().unwrap_or_default();
    let mut words = first.splitn(3, |b| *b == b' ');
    let version = words.next().unwrap_or_default();
    let status = words.next().and_then(|w| std::str::from_utf8(w).ok()?.parse().ok());
    let (true, Some(status)) = (version.starts_with(b"HTTP/1."), status) else {
        return Err(format!("no answer of HTTP/1: {}", super::compare::shown(first)));
    };
    let reason = words.next().unwrap_or_default().to_vec();
    let header = |line: &[u8]| {
        let colon = line.iter().position(|b| *b == b':').unwrap_or(line.len());
        let name = String::from_utf8_lossy(line.get(..colon).unwrap_or_default()).into_owned();
        (name, line.get(colon + 1..).unwrap_or_default().trim_ascii().to_vec())
    };
    let headers = lines.take_while(|l| !l.is_empty()).map(header).collect();
    Ok(Answer { status, reason, headers, ..Answer::default() })
}
