//! Who asked for what, how often: for tests that say how often a gateway may ask.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::middleware::Next;
use axum::response::Response;
use serde::Serialize;
use serde_json::{Value, json};

use super::is_control;

/// Paths counted at most; those that come later are not.
const MOST: usize = 100;

/// Requests since the start or the last reset. Clones share them.
#[derive(Clone, Default)]
pub(super) struct Counters(Arc<Mutex<BTreeMap<String, Count>>>);

/// What was asked of one path.
#[derive(Clone, Copy, Default, Serialize)]
struct Count {
    /// Counted as they come, so those that nobody waited for are in it.
    requests: u64,
    /// Answered 304.
    not_modified: u64,
    /// Open now.
    open: u64,
    /// Open at once at most.
    most_open: u64,
}

impl Counters {
    fn with(&self, path: &str, change: impl FnOnce(&mut Count)) {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = counts.get_mut(path) {
            change(count);
        } else if counts.len() < MOST {
            change(counts.entry(path.to_owned()).or_default());
        }
    }

    /// `{"jwks":…,"introspections":…,"minted":…,"paths":{"/…":{…}}}`
    pub(super) fn shown(&self) -> Value {
        let counts = self.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let requests = |path: &str| counts.get(path).map_or(0, |count| count.requests);
        json!({
            "jwks": requests(super::JWKS),
            "introspections": requests("/introspect"),
            "minted": requests("/mint"),
            "paths": counts,
        })
    }

    /// Begins anew; what is open stays open.
    pub(super) fn reset(&self) {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        counts.retain(|_, count| count.open > 0);
        for count in counts.values_mut() {
            *count = Count { open: count.open, most_open: count.open, ..Count::default() };
        }
    }
}

/// One request that is open; the client may leave before it is answered.
struct Open<'c> {
    counters: &'c Counters,
    path: &'c str,
}

impl<'c> Open<'c> {
    fn new(counters: &'c Counters, path: &'c str) -> Self {
        counters.with(path, |count| {
            count.requests += 1;
            count.open += 1;
            count.most_open = count.most_open.max(count.open);
        });
        Self { counters, path }
    }
}

impl Drop for Open<'_> {
    fn drop(&mut self) {
        self.counters.with(self.path, |count| count.open = count.open.saturating_sub(1));
    }
}

pub(super) async fn count(
    State(counters): State<Counters>,
    request: Request,
    next: Next,
) -> Response {
    if is_control(&request) {
        return next.run(request).await;
    }
    let path = request.uri().path().to_owned();
    let open = Open::new(&counters, &path);
    let reply = next.run(request).await;
    if reply.status() == StatusCode::NOT_MODIFIED {
        counters.with(&path, |count| count.not_modified += 1);
    }
    drop(open);
    reply
}
