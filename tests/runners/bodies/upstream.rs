//! An upstream that answers with trailers, and one that waits with the rest of its answers
//! until it is told to go on. One request a connection.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

/// How long anything may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// An answer in JSON, and what it says of its bytes.
const TRAILED: &str = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\
    Transfer-Encoding: chunked\r\nTrailer: Digest, X-End, ETag\r\nConnection: close\r\n\r\n\
    7\r\n{\"a\":1}\r\n0\r\nDigest: sha-256=old\r\nX-End: 1\r\nETag: \"old\"\r\n\r\n";

/// Serves until the process ends.
pub struct Upstream {
    port: u16,
    gate: Arc<Gate>,
}

/// What those wait at who answered in part.
#[derive(Default)]
struct Gate {
    open: Mutex<bool>,
    changed: Condvar,
}

/// Starts it.
pub fn start() -> std::io::Result<Upstream> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let port = listener.local_addr()?.port();
    let gate = Arc::new(Gate::default());
    let shared = Arc::clone(&gate);
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let gate = Arc::clone(&shared);
            // A peer that leaves is no concern of the others.
            std::thread::spawn(move || serve(stream, &gate).unwrap_or_default());
        }
    });
    Ok(Upstream { port, gate })
}

impl Upstream {
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Lets those go on who wait, or lets them wait from now on.
    pub fn open(&self, open: bool) {
        *self.gate.open.lock().unwrap_or_else(PoisonError::into_inner) = open;
        self.gate.changed.notify_all();
    }
}

fn serve(mut stream: TcpStream, gate: &Gate) -> std::io::Result<()> {
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    let request = read_request(&mut stream)?;
    let text = String::from_utf8_lossy(&request).into_owned();
    let path = text.split(' ').nth(1).unwrap_or_default();
    let size = path.rsplit('/').next().and_then(|size| size.parse::<usize>().ok());
    match size {
        // A document of that size, all but its end at once.
        Some(size) => {
            let filler = "a".repeat(size.saturating_sub(8));
            let head = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\
                        Transfer-Encoding: chunked\r\nConnection: close\r\n\r\n";
            stream.write_all(
                format!("{head}{:x}\r\n{{\"a\":\"{filler}\r\n", filler.len() + 6).as_bytes(),
            )?;
            let open = gate.open.lock().unwrap_or_else(PoisonError::into_inner);
            let waited = gate.changed.wait_timeout_while(open, PATIENCE, |open| !*open);
            drop(waited);
            stream.write_all(b"2\r\n\"}\r\n0\r\n\r\n")
        }
        None if path.ends_with("/echo") => {
            let head = "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nConnection: close\r\n";
            stream
                .write_all(format!("{head}Content-Length: {}\r\n\r\n", request.len()).as_bytes())?;
            stream.write_all(&request)
        }
        None => stream.write_all(TRAILED.as_bytes()),
    }
}

/// A whole request as it came: to the end of its head, its length, or its trailers.
fn read_request(stream: &mut TcpStream) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let mut chunk = [0; 16 * 1024];
    loop {
        let text = String::from_utf8_lossy(&bytes).to_ascii_lowercase();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
            let length = length.and_then(|length| length.parse::<usize>().ok()).unwrap_or(0);
            let chunked = head.contains("transfer-encoding: chunked");
            let is_whole = match chunked {
                true => body.contains("0\r\n") && body.ends_with("\r\n\r\n"),
                false => body.len() >= length,
            };
            if is_whole {
                return Ok(bytes);
            }
        }
        match stream.read(&mut chunk)? {
            0 => return Ok(bytes),
            n => bytes.extend_from_slice(chunk.get(..n).unwrap_or_default()),
        }
    }
}
