//! The upstream: one constant answer on connections that stay open, or one of the size that
//! the path asks for. It runs in the bench's process, so that it is in no Envoy's account.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};

use crate::observe::Seen;

/// A page of sales as the demo's API answers, which legacy-compat can translate.
const BODY: &str = r#"[{"id":1,"amount":"87.27","sold_at":"2016-03-07T12:00:00+00:00","item":{"id":22705624,"name":"Plain theme"}}]"#;

/// A running upstream; it serves until the process ends.
#[derive(Debug)]
pub struct Upstream {
    /// Where it listens.
    pub address: SocketAddr,
    last: Arc<Mutex<Vec<u8>>>,
}

impl Upstream {
    /// Starts it.
    ///
    /// # Errors
    /// When it cannot listen.
    pub fn start() -> Result<Self, String> {
        let listener = TcpListener::bind("127.0.0.1:0").map_err(|e| e.to_string())?;
        let address = listener.local_addr().map_err(|e| e.to_string())?;
        let last: Arc<Mutex<Vec<u8>>> = Arc::default();
        let noted = Arc::clone(&last);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let noted = Arc::clone(&noted);
                // A peer that leaves is no concern of the others.
                std::thread::spawn(move || serve(stream, &noted).unwrap_or_default());
            }
        });
        Ok(Upstream { address, last })
    }

    /// The last request that came, if one came since the last look.
    #[must_use]
    pub fn seen(&self) -> Option<Seen> {
        let head = std::mem::take(&mut *self.last.lock().unwrap_or_else(PoisonError::into_inner));
        let head = String::from_utf8_lossy(&head);
        let lines: Vec<&str> = head.lines().take_while(|line| !line.is_empty()).collect();
        let mut words = lines.first()?.split(' ');
        let (method, path) = (words.next()?.to_owned(), words.next()?.as_bytes().to_vec());
        let headers = lines.iter().skip(1).filter_map(|line| line.split_once(':'));
        let headers = headers
            .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().as_bytes().to_vec()));
        Some(Seen { method, path, headers: headers.collect() })
    }
}

fn answer(body: &str) -> Vec<u8> {
    let length = body.len();
    format!(
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n{body}"
    )
    .into_bytes()
}

/// `/json/N` and `/plain/N`: some N bytes of JSON.
fn sized(head: &[u8]) -> Option<Vec<u8>> {
    let rest = ["/json/", "/plain/"]
        .into_iter()
        .find_map(|start| head.strip_prefix(b"GET ".as_slice())?.strip_prefix(start.as_bytes()))?;
    let digits = rest.split(|b| *b == b' ').next()?;
    let size: usize = std::str::from_utf8(digits).ok()?.parse().ok()?;
    let one = BODY.trim_matches(['[', ']']);
    let many = vec![one; (size / one.len()).clamp(1, 100_000)];
    Some(answer(&format!("[{}]", many.join(","))))
}

fn serve(mut stream: TcpStream, last: &Mutex<Vec<u8>>) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    let constant = answer(BODY);
    let mut head = Vec::with_capacity(2048);
    let mut chunk = [0; 8192];
    loop {
        let read = stream.read(&mut chunk)?;
        if read == 0 {
            return Ok(());
        }
        head.extend_from_slice(chunk.get(..read).unwrap_or_default());
        // The requests have no bodies, and the next one comes after the answer.
        if head.ends_with(b"\r\n\r\n") {
            let sized = sized(&head);
            let mut last = last.lock().unwrap_or_else(PoisonError::into_inner);
            std::mem::swap(&mut *last, &mut head);
            drop(last);
            head.clear();
            stream.write_all(sized.as_deref().unwrap_or(&constant))?;
        }
    }
}
