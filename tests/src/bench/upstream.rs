//! The upstream: one constant answer on connections that stay open. It runs in
//! the bench's process, so that it is in no Envoy's account.

use std::io::{BufRead, BufReader, Write};
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
    last: Arc<Mutex<Vec<String>>>,
}

impl Upstream {
    /// Starts it.
    ///
    /// # Errors
    /// When it cannot listen.
    pub fn start() -> Result<Self, String> {
        let listener = TcpListener::bind("127.0.0.1:0").map_err(|e| e.to_string())?;
        let address = listener.local_addr().map_err(|e| e.to_string())?;
        let last: Arc<Mutex<Vec<String>>> = Arc::default();
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
        let lines = std::mem::take(&mut *self.last.lock().unwrap_or_else(PoisonError::into_inner));
        let mut words = lines.first()?.split(' ');
        let (method, path) = (words.next()?.to_owned(), words.next()?.as_bytes().to_vec());
        let headers = lines.iter().skip(1).filter_map(|line| line.split_once(':'));
        let headers = headers
            .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().as_bytes().to_vec()));
        Some(Seen { method, path, headers: headers.collect() })
    }
}

fn serve(stream: TcpStream, last: &Mutex<Vec<String>>) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    let mut out = stream.try_clone()?;
    let mut lines = BufReader::new(stream).lines();
    let length = BODY.len();
    let answer = format!(
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n{BODY}"
    );
    loop {
        let mut head = Vec::with_capacity(16);
        loop {
            match lines.next().transpose()? {
                None => return Ok(()),
                Some(line) if line.is_empty() => break,
                Some(line) => head.push(line),
            }
        }
        *last.lock().unwrap_or_else(PoisonError::into_inner) = head;
        out.write_all(answer.as_bytes())?;
    }
}
