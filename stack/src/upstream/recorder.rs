//! What the upstream was asked, for the tests to look at.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::middleware::Next;
use axum::response::Response;
use serde::Serialize;

use crate::reply::json_reply;

/// Requests kept at most.
const KEPT: usize = 100;

/// The last 100 requests, the oldest first. Clones share one memory.
#[derive(Clone, Default)]
pub struct Recorder(Arc<Mutex<VecDeque<Seen>>>);

/// One request as it came.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Seen {
    /// As sent.
    pub method: String,
    /// The request target as sent, query included.
    pub path: String,
    /// Names in lower case, values with `\u{fffd}` for what is not UTF-8. Names come in the order
    /// of their first field; all fields of one name stand together, in their order.
    pub headers: Vec<(String, String)>,
}

impl Recorder {
    /// The requests so far, the oldest first.
    #[must_use]
    pub fn seen(&self) -> Vec<Seen> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).iter().cloned().collect()
    }

    /// Empties the memory.
    pub fn clear(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    fn add(&self, seen: Seen) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() == KEPT {
            kept.pop_front();
        }
        kept.push_back(seen);
    }
}

impl Seen {
    fn of(request: &Request) -> Self {
        let headers = request
            .headers()
            .iter()
            .map(|(name, value)| {
                let value = String::from_utf8_lossy(value.as_bytes()).into_owned();
                (name.as_str().to_owned(), value)
            })
            .collect();
        Self { method: request.method().to_string(), path: request.uri().to_string(), headers }
    }
}

pub(super) async fn record(
    State(recorder): State<Recorder>,
    request: Request,
    next: Next,
) -> Response {
    recorder.add(Seen::of(&request));
    next.run(request).await
}

/// `GET /__requests`
pub(super) async fn list(State(recorder): State<Recorder>) -> Response {
    json_reply(&recorder.seen())
}

/// `DELETE /__requests`
pub(super) async fn forget(State(recorder): State<Recorder>) -> StatusCode {
    recorder.clear();
    StatusCode::NO_CONTENT
}
