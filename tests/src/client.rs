//! A client that sends exactly the bytes it is given: odd targets, headers of
//! any bytes, HTTP/1.0. Every wait has a deadline.

use std::fmt::Debug;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use crate::observe::Answer;

/// How long an answer may take unless a test says otherwise.
pub const PATIENCE: Duration = Duration::from_secs(15);

/// A request for [`send`]: the bytes, and what the answer's framing depends on.
#[derive(Clone, Debug, Default)]
pub struct Wire {
    /// The whole request.
    pub bytes: Vec<u8>,
    /// Is it a `HEAD`?
    pub head: bool,
}

impl Wire {
    /// An HTTP/1.1 request with `connection: close`. Header lines as given.
    #[must_use]
    pub fn new(
        method: &str,
        target: &[u8],
        host: &[u8],
        lines: &[Vec<u8>],
        body: Option<&[u8]>,
    ) -> Self {
        let mut bytes = format!("{method} ").into_bytes();
        bytes.extend_from_slice(target);
        bytes.extend_from_slice(b" HTTP/1.1\r\n");
        if !host.is_empty() {
            bytes.extend_from_slice(b"Host: ");
            bytes.extend_from_slice(host);
            bytes.extend_from_slice(b"\r\n");
        }
        for line in lines {
            bytes.extend_from_slice(line);
            bytes.extend_from_slice(b"\r\n");
        }
        if let Some(body) = body {
            bytes.extend_from_slice(format!("Content-Length: {}\r\n", body.len()).as_bytes());
        }
        bytes.extend_from_slice(b"Connection: close\r\n\r\n");
        bytes.extend_from_slice(body.unwrap_or_default());
        Wire { bytes, head: method == "HEAD" }
    }

    /// A plain `GET` with header lines.
    #[must_use]
    pub fn get(host: &str, target: &str, lines: &[&str]) -> Self {
        let lines: Vec<Vec<u8>> = lines.iter().map(|l| l.as_bytes().to_vec()).collect();
        Wire::new("GET", target.as_bytes(), host.as_bytes(), &lines, None)
    }
}

/// Sends one request on a connection of its own and reads the answer.
///
/// # Errors
/// When there is no answer: not connected, closed without a byte, too late.
pub fn send(to: SocketAddr, request: &Wire, patience: Duration) -> Result<Answer, String> {
    let mut connection = Connection::open(to, patience)?;
    connection.write(&request.bytes)?;
    connection.read(request.head)
}

/// The same from an address of this machine.
///
/// # Errors
/// When there is no answer, or the address is not this machine's.
pub fn send_from(
    from: Ipv4Addr,
    to: SocketAddr,
    request: &Wire,
    patience: Duration,
) -> Result<Answer, String> {
    let mut connection = Connection::open_from(from, to, patience)?;
    connection.write(&request.bytes)?;
    connection.read(request.head)
}

/// A TCP connection from an address of this machine.
fn connect_from(from: Ipv4Addr, to: SocketAddr, patience: Duration) -> Result<TcpStream, String> {
    if from == Ipv4Addr::LOCALHOST {
        return connect(to, patience);
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let connected = runtime.and_then(|runtime| {
        runtime.block_on(async {
            let socket = tokio::net::TcpSocket::new_v4()?;
            socket.bind(SocketAddr::from((from, 0)))?;
            tokio::time::timeout(patience, socket.connect(to)).await??.into_std()
        })
    });
    let stream = connected.map_err(|e| format!("{from} to {to}: {e}"))?;
    let set = stream.set_nonblocking(false).and_then(|()| stream.set_nodelay(true));
    set.map(|()| stream).map_err(|e| e.to_string())
}

/// A TCP connection.
///
/// # Errors
/// When nobody listens.
pub fn connect(to: SocketAddr, patience: Duration) -> Result<TcpStream, String> {
    let stream = TcpStream::connect_timeout(&to, patience).map_err(|e| format!("{to}: {e}"))?;
    stream.set_nodelay(true).map_err(|e| e.to_string())?;
    Ok(stream)
}

/// What a connection runs over: TCP, or TLS on it.
pub trait Stream: Read + Write + Send + Debug {
    /// The socket, whose timeouts bound each read and write.
    fn socket(&self) -> &TcpStream;
}

impl Stream for TcpStream {
    fn socket(&self) -> &TcpStream {
        self
    }
}

/// One connection.
#[derive(Debug)]
pub struct Connection {
    stream: Box<dyn Stream>,
    buffer: Vec<u8>,
    patience: Duration,
}

impl Connection {
    /// Connects; `patience` bounds each later step too.
    ///
    /// # Errors
    /// When nobody listens.
    pub fn open(to: SocketAddr, patience: Duration) -> Result<Self, String> {
        Ok(Connection::over(Box::new(connect(to, patience)?), patience))
    }

    /// The same from an address of this machine.
    ///
    /// # Errors
    /// When nobody listens, or the address is not this machine's.
    pub fn open_from(from: Ipv4Addr, to: SocketAddr, patience: Duration) -> Result<Self, String> {
        Ok(Connection::over(Box::new(connect_from(from, to, patience)?), patience))
    }

    /// A connection that is open already.
    #[must_use]
    pub fn over(stream: Box<dyn Stream>, patience: Duration) -> Self {
        Connection { stream, buffer: Vec::new(), patience }
    }

    /// Writes bytes. A peer that already answered and closed is no error: its
    /// answer is still to be read.
    ///
    /// # Errors
    /// When they cannot be written in time.
    pub fn write(&mut self, bytes: &[u8]) -> Result<(), String> {
        self.stream.socket().set_write_timeout(Some(self.patience)).map_err(|e| e.to_string())?;
        match self.stream.write_all(bytes) {
            Err(e) if matches!(e.kind(), std::io::ErrorKind::WouldBlock) => {
                Err(format!("the request could not be written within {:?}", self.patience))
            }
            _ => Ok(()),
        }
    }

    /// Reads one final answer.
    ///
    /// # Errors
    /// When there is no head in time. A body that ends early is an answer with
    /// `cut` set.
    pub fn read(&mut self, to_head: bool) -> Result<Answer, String> {
        let deadline = Instant::now() + self.patience;
        loop {
            let head = self.head(deadline)?;
            let mut answer = parse_head(&head)?;
            answer.to_head = to_head;
            if answer.status / 100 == 1 && answer.status != 101 {
                continue;
            }
            self.body(&mut answer, deadline);
            return Ok(answer);
        }
    }

    fn head(&mut self, deadline: Instant) -> Result<Vec<u8>, String> {
        loop {
            if let Some(end) = find(&self.buffer, b"\r\n\r\n") {
                let rest = self.buffer.split_off(end + 4);
                return Ok(std::mem::replace(&mut self.buffer, rest));
            }
            match self.more(deadline) {
                More::Bytes => {}
                More::End if self.buffer.is_empty() => {
                    return Err("the connection was closed without an answer".to_owned());
                }
                More::End => return Err("the connection was closed within the headers".to_owned()),
                More::Late => return Err(format!("no answer within {:?}", self.patience)),
            }
        }
    }

    fn body(&mut self, answer: &mut Answer, deadline: Instant) {
        if answer.to_head || matches!(answer.status, 204 | 304) {
            return;
        }
        let chunked = answer
            .text("transfer-encoding")
            .is_some_and(|v| v.to_ascii_lowercase().ends_with("chunked"));
        let length: Option<usize> = answer.text("content-length").and_then(|v| v.parse().ok());
        if chunked {
            answer.cut = !self.chunks(&mut answer.body, deadline);
        } else if let Some(length) = length {
            answer.cut = !self.exactly(length, &mut answer.body, deadline);
        } else {
            loop {
                match self.more(deadline) {
                    More::Bytes => {}
                    More::End => break,
                    More::Late => {
                        answer.cut = true;
                        break;
                    }
                }
            }
            answer.body = std::mem::take(&mut self.buffer);
        }
    }

    fn exactly(&mut self, length: usize, out: &mut Vec<u8>, deadline: Instant) -> bool {
        while self.buffer.len() < length {
            if !matches!(self.more(deadline), More::Bytes) {
                out.append(&mut self.buffer);
                return false;
            }
        }
        let rest = self.buffer.split_off(length);
        out.extend(std::mem::replace(&mut self.buffer, rest));
        true
    }

    fn line(&mut self, deadline: Instant) -> Option<Vec<u8>> {
        loop {
            if let Some(end) = find(&self.buffer, b"\r\n") {
                let rest = self.buffer.split_off(end + 2);
                let mut line = std::mem::replace(&mut self.buffer, rest);
                line.truncate(end);
                return Some(line);
            }
            if !matches!(self.more(deadline), More::Bytes) {
                return None;
            }
        }
    }

    fn chunks(&mut self, out: &mut Vec<u8>, deadline: Instant) -> bool {
        loop {
            let Some(line) = self.line(deadline) else { return false };
            let text = String::from_utf8_lossy(&line);
            let size = text.split(';').next().unwrap_or_default().trim();
            let Ok(size) = usize::from_str_radix(size, 16) else { return false };
            if size == 0 {
                // Trailers, up to the empty line.
                while let Some(line) = self.line(deadline) {
                    if line.is_empty() {
                        return true;
                    }
                }
                return false;
            }
            if !self.exactly(size, out, deadline) || self.line(deadline).is_none() {
                return false;
            }
        }
    }

    /// Has the peer answered, or closed?
    pub fn has_answer(&mut self) -> bool {
        let soon = Instant::now() + Duration::from_millis(10);
        !matches!(self.more(soon), More::Late)
    }

    fn more(&mut self, deadline: Instant) -> More {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() || self.stream.socket().set_read_timeout(Some(left)).is_err() {
            return More::Late;
        }
        let mut chunk = [0; 16 * 1024];
        match self.stream.read(&mut chunk) {
            Ok(0) => More::End,
            Ok(n) => {
                self.buffer.extend_from_slice(&chunk[..n]);
                More::Bytes
            }
            Err(e) if matches!(e.kind(), std::io::ErrorKind::Interrupted) => More::Bytes,
            Err(e)
                if matches!(
                    e.kind(),
                    std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut
                ) =>
            {
                More::Late
            }
            Err(_) => More::End,
        }
    }
}

enum More {
    Bytes,
    End,
    Late,
}

fn find(hay: &[u8], needle: &[u8]) -> Option<usize> {
    hay.windows(needle.len()).position(|w| w == needle)
}

fn parse_head(head: &[u8]) -> Result<Answer, String> {
    let mut lines = head.split(|b| *b == b'\n').map(|l| l.strip_suffix(b"\r").unwrap_or(l));
    let first = String::from_utf8_lossy(lines.next().unwrap_or_default()).into_owned();
    let mut words = first.split(' ');
    let status = match (words.next(), words.next().map(str::parse)) {
        (Some(version), Some(Ok(status))) if version.starts_with("HTTP/1.") => status,
        _ => return Err(format!("not an answer of HTTP/1: `{first}`")),
    };
    let headers = lines
        .take_while(|l| !l.is_empty())
        .map(|line| {
            let colon = line.iter().position(|b| *b == b':').unwrap_or(line.len());
            let name = String::from_utf8_lossy(&line[..colon]).to_ascii_lowercase();
            let value = line.get(colon + 1..).unwrap_or_default().trim_ascii();
            (name, value.to_vec())
        })
        .collect();
    Ok(Answer { status, headers, ..Answer::default() })
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    /// What the client makes of `answer`, written by a server that then closes.
    fn read(answer: &'static [u8]) -> Result<Answer, String> {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let to = listener.local_addr().unwrap();
        let server = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut request = [0; 1024];
            let _ = stream.read(&mut request).unwrap();
            stream.write_all(answer).unwrap();
        });
        let got = send(to, &Wire::get("a", "/", &[]), Duration::from_secs(5));
        server.join().unwrap();
        got
    }

    #[test]
    fn every_framing_is_read_and_a_cut_is_seen() {
        let ok =
            read(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nab");
        let ok = ok.unwrap();
        assert_eq!((ok.status, ok.body.as_slice(), ok.cut), (200, &b"ab"[..], false));
        let chunked = read(
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n1;x=y\r\nb\r\n0\r\nt: 1\r\n\r\n",
        );
        assert_eq!(chunked.unwrap().body, b"ab");
        let until_close = read(b"HTTP/1.0 200 OK\r\nX-A: \xff\r\n\r\nab").unwrap();
        assert_eq!((until_close.body.as_slice(), until_close.cut), (&b"ab"[..], false));
        assert_eq!(until_close.all("x-a").collect::<Vec<_>>(), [b"\xff"]);
        assert!(read(b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nab").unwrap().cut);
        assert!(
            read(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n").unwrap().cut
        );
        assert_eq!(read(b"").unwrap_err(), "the connection was closed without an answer");
        assert!(read(b"garbage\r\n\r\n").is_err());
    }
}
