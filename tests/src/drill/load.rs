//! Callers that go on whatever happens, and note what they were answered.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use postern_stack::keys::Keys;
use postern_stack::mint::{MintRequest, mint, now};
use serde_json::json;

use crate::gateway::Gateway;

/// So many callers come, and so many attackers: each with a token of its own that no limit counts.
pub const CALLERS: usize = 200;
/// Connections at once, and between two requests on one of them.
const CONNECTIONS: usize = 8;
const PACE: Duration = Duration::from_millis(15);
/// Between two requests of those who watch.
const WATCH: Duration = Duration::from_millis(4);

/// Private routes of the demo that answer each caller with 200.
pub const PRIVATE: [&str; 2] = ["/v3/market/author/sales", "/whoami"];
const PUBLIC: &str = "/v1/market/total-items.json";

/// An answer.
#[derive(Clone, Copy, Debug)]
pub struct Sample {
    /// When it was there.
    pub at: Instant,
    /// Whose it is; of an attack, the number.
    pub caller: usize,
    /// Does the route need a credential?
    pub private: bool,
    /// Its status.
    pub status: u16,
    /// How long it took.
    pub took: Duration,
}

impl Sample {
    /// The policy that is in force without a candidate would have let it pass.
    #[must_use]
    pub fn is_refused(&self) -> bool {
        self.status == 403
    }
}

/// What the callers send, made beforehand.
#[derive(Clone, Debug)]
pub struct Callers {
    requests: Arc<[[Vec<u8>; 3]]>,
    attacks: Arc<[Vec<u8>]>,
}

impl Callers {
    /// Mints their tokens, and those of attackers.
    ///
    /// # Errors
    /// When the demo's keys cannot.
    pub fn new() -> Result<Self, String> {
        let keys = Keys::embedded().map_err(|e| e.to_string())?;
        let token = |sub: String, scopes: Option<Vec<String>>| {
            let mut request = MintRequest::for_subject(&sub);
            request.claims.insert("plan".to_owned(), json!("load"));
            request.scopes = scopes;
            mint(&keys, request, now())
        };
        let requests: Result<Vec<_>, String> = (0..CALLERS)
            .map(|n| {
                let token = token(format!("drill-{n}"), None)?;
                Ok([PRIVATE[0], PRIVATE[1], PUBLIC].map(|path| get(path, &token)))
            })
            .collect();
        let mut attacks = Vec::new();
        for n in 0..CALLERS {
            let good = token(format!("mallory-{n}"), None)?;
            let narrow = token(format!("mallory-{n}"), Some(vec!["user:email".to_owned()]))?;
            // Not known; not allowed to; of no rule; nobody. The first and the last are
            // refused by `auth`.
            attacks.push(get(PRIVATE[0], &format!("{good}x")));
            attacks.push(get(PRIVATE[0], &narrow));
            attacks.push(get(&format!("/v9/nothing/{n}"), &good));
            attacks.push(get(PRIVATE[1], ""));
        }
        Ok(Callers { requests: requests?.into(), attacks: attacks.into() })
    }

    /// The callers come, to stay until the load is stopped.
    ///
    /// # Errors
    /// When nobody listens, or one worker has all of them.
    pub fn come(&self, to: &Gateway) -> Result<Load, String> {
        let requests = Arc::clone(&self.requests);
        Load::start(to, PACE, move |n| {
            let caller = n % requests.len();
            // One in four requests is public, of each caller.
            let kind = [0, 1, 0, 2][(n / requests.len() + n) % 4];
            (caller, kind != 2, requests[caller][kind].clone())
        })
    }

    /// Callers come one upon the other, so that no worker stands still unnoticed.
    ///
    /// # Errors
    /// When nobody listens, or one worker has all of them.
    pub fn watch(&self, to: &Gateway) -> Result<Load, String> {
        let requests = Arc::clone(&self.requests);
        Load::start(to, WATCH, move |n| (n, true, requests[n % requests.len()][1].clone()))
    }

    /// Attackers come, in a greater hurry.
    ///
    /// # Errors
    /// When nobody listens, or one worker has all of them.
    pub fn attack(&self, to: &Gateway) -> Result<Load, String> {
        let attacks = Arc::clone(&self.attacks);
        Load::start(to, PACE / 3, move |n| (n, true, attacks[n % attacks.len()].clone()))
    }
}

fn get(path: &str, token: &str) -> Vec<u8> {
    let credential = match token {
        "" => String::new(),
        token => format!("authorization: Bearer {token}\r\n"),
    };
    format!("GET {path} HTTP/1.1\r\nhost: api.example.com\r\n{credential}\r\n").into_bytes()
}

/// Does `authz` judge this one of the attacks?
#[must_use]
pub fn is_judged(attack: &Sample) -> bool {
    matches!(attack.caller % 4, 1 | 2)
}

/// Requests that are sent on and on; ends when stopped or dropped.
#[derive(Debug)]
pub struct Load {
    stop: Arc<AtomicBool>,
    samples: Arc<Mutex<Vec<Sample>>>,
    threads: Vec<JoinHandle<Result<(), String>>>,
}

impl Load {
    fn start(
        to: &Gateway,
        pace: Duration,
        request: impl Fn(usize) -> (usize, bool, Vec<u8>) + Send + Sync + 'static,
    ) -> Result<Self, String> {
        let connections = to.connections(CONNECTIONS)?;
        let mut load = Load { stop: Arc::default(), samples: Arc::default(), threads: Vec::new() };
        let (next, request) = (Arc::new(AtomicUsize::new(0)), Arc::new(request));
        for mut connection in connections {
            let (stop, samples) = (Arc::clone(&load.stop), Arc::clone(&load.samples));
            let (next, request) = (Arc::clone(&next), Arc::clone(&request));
            load.threads.push(std::thread::spawn(move || {
                while !stop.load(Ordering::Relaxed) {
                    let begun = Instant::now();
                    let (caller, private, bytes) = request(next.fetch_add(1, Ordering::Relaxed));
                    connection.write(&bytes)?;
                    let answer = connection.read(false)?;
                    let status = if answer.cut { 0 } else { answer.status };
                    let (at, took) = (Instant::now(), begun.elapsed());
                    let sample = Sample { at, caller, private, status, took };
                    samples.lock().unwrap_or_else(PoisonError::into_inner).push(sample);
                    std::thread::sleep(pace.saturating_sub(begun.elapsed()));
                }
                Ok(())
            }));
        }
        Ok(load)
    }

    /// Looks at the answers so far.
    pub fn seen<T>(&self, look: impl FnOnce(&[Sample]) -> T) -> T {
        look(&self.samples.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Stops it; all answers.
    ///
    /// # Errors
    /// A request that was lost.
    pub fn stop(mut self) -> Result<Vec<Sample>, String> {
        self.stop.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            thread.join().map_err(|_| "a client panicked")??;
        }
        let mut samples = self.seen(<[Sample]>::to_vec);
        samples.sort_by_key(|sample| sample.at);
        Ok(samples)
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}
