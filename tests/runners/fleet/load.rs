//! Requests that come all the time.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use postern_tests::client::{Connection, PATIENCE};

/// Connections to each gateway.
const CONNECTIONS: usize = 4;

const REQUEST: &[u8] = b"GET /empty HTTP/1.1\r\nHost: api.example.com\r\nX-Caller: load\r\n\r\n";

/// An answer: its status, and how long it took.
pub type Answered = (u16, Duration);

/// Clients that send one request after the other until they are stopped.
pub struct Load {
    stop: Arc<AtomicBool>,
    sent: Arc<AtomicUsize>,
    clients: Vec<JoinHandle<Result<Vec<Answered>, String>>>,
}

impl Load {
    pub fn start(gateways: &[SocketAddr]) -> Result<Self, String> {
        let (stop, sent) = (Arc::<AtomicBool>::default(), Arc::<AtomicUsize>::default());
        let mut clients = Vec::new();
        for to in gateways.iter().flat_map(|to| [*to; CONNECTIONS]) {
            let mut connection = Connection::open(to, PATIENCE)?;
            let (stop, sent) = (stop.clone(), sent.clone());
            clients.push(std::thread::spawn(move || {
                let mut answered = Vec::new();
                while !stop.load(Ordering::Relaxed) {
                    let begun = Instant::now();
                    connection.write(REQUEST)?;
                    answered.push((connection.read(false)?.status, begun.elapsed()));
                    sent.fetch_add(1, Ordering::Relaxed);
                }
                Ok(answered)
            }));
        }
        Ok(Load { stop, sent, clients })
    }

    /// Requests that were answered so far.
    pub fn sent(&self) -> usize {
        self.sent.load(Ordering::Relaxed)
    }

    /// Ends it; all answers.
    pub fn stop(mut self) -> Result<Vec<Answered>, String> {
        self.stop.store(true, Ordering::Relaxed);
        let mut all = Vec::new();
        for client in self.clients.drain(..) {
            all.extend(client.join().unwrap_or_else(|_| Err("a client panicked".to_owned()))?);
        }
        Ok(all)
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}
