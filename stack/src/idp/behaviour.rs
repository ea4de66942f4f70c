//! Drills: a path that answers late, wrongly, or not at all, until told otherwise.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{Request, State};
use axum::http::header::{CACHE_CONTROL, CONTENT_LENGTH, CONTENT_TYPE, ETAG};
use axum::http::{HeaderValue, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{LARGEST, is_control};
use crate::broken_body::{BrokenBody, Ending};
use crate::reply::{Failure, json_reply, with_status};

/// Drills at once at most.
const MOST: usize = 100;
/// The longest wait.
const LONGEST: Duration = Duration::from_secs(600);

/// How a path behaves. What is not named stays as it is.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Behaviour {
    /// Of which path.
    path: String,
    /// Waits before it answers.
    delay_ms: Option<u64>,
    /// Answers this status; without a body of its own, with an error's.
    status: Option<u16>,
    /// Answers this text, whatever it is.
    body: Option<String>,
    /// Answers a JSON object of so many bytes.
    size: Option<usize>,
    /// Answers nothing: a body of no bytes.
    #[serde(default)]
    empty: bool,
    /// Only the first so many bytes of the body, as if they were all.
    truncate: Option<usize>,
    /// The connection closes in the middle of the body.
    #[serde(default)]
    cut: bool,
    /// Nothing comes after the middle of the body, and the connection stays.
    #[serde(default)]
    stall: bool,
    /// `Cache-Control: max-age`, in seconds.
    max_age: Option<u64>,
    /// The whole `Cache-Control`; empty: none.
    cache_control: Option<String>,
    /// No `ETag`, and no 304.
    #[serde(default)]
    no_etag: bool,
    /// Whoever sends no client credentials is refused (401), here where they may be left out.
    #[serde(default)]
    pub(super) authenticate: bool,
    /// For so many requests; without: for all.
    times: Option<u64>,
}

/// The drills that are on, by path. Clones share them.
#[derive(Clone, Default)]
pub(super) struct Behaviours(Arc<Mutex<BTreeMap<String, Behaviour>>>);

impl Behaviours {
    fn next(&self, path: &str) -> Option<Behaviour> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let behaviour = all.get_mut(path)?;
        if let Some(times) = &mut behaviour.times {
            let Some(left) = times.checked_sub(1) else {
                all.remove(path);
                return None;
            };
            *times = left;
        }
        Some(behaviour.clone())
    }
}

/// `PUT /__behaviour`: one path's, in place of what it was told before.
pub(super) async fn put(
    State(behaviours): State<Behaviours>,
    body: Bytes,
) -> Result<StatusCode, Failure> {
    let behaviour: Behaviour =
        serde_json::from_slice(&body).map_err(|error| Failure::bad_request(error.to_string()))?;
    behaviour.check().map_err(Failure::bad_request)?;
    let mut all = behaviours.0.lock().unwrap_or_else(PoisonError::into_inner);
    if all.len() >= MOST && !all.contains_key(&behaviour.path) {
        return Err(Failure::bad_request(format!("there are {MOST} drills already")));
    }
    all.insert(behaviour.path.clone(), behaviour);
    Ok(StatusCode::NO_CONTENT)
}

/// `GET /__behaviour`: what is on, with the times that are left.
pub(super) async fn list(State(behaviours): State<Behaviours>) -> Response {
    let all = behaviours.0.lock().unwrap_or_else(PoisonError::into_inner);
    json_reply(&all.values().collect::<Vec<_>>())
}

/// `DELETE /__behaviour`: every path as it was.
pub(super) async fn reset(State(behaviours): State<Behaviours>) -> StatusCode {
    behaviours.0.lock().unwrap_or_else(PoisonError::into_inner).clear();
    StatusCode::NO_CONTENT
}

/// Answers as told; handlers see the [`Behaviour`] in the request's extensions.
pub(super) async fn behave(
    State(behaviours): State<Behaviours>,
    mut request: Request,
    next: Next,
) -> Response {
    let told = if is_control(&request) { None } else { behaviours.next(request.uri().path()) };
    let Some(behaviour) = told else {
        return next.run(request).await;
    };
    if let Some(ms) = behaviour.delay_ms {
        tokio::time::sleep(Duration::from_millis(ms).min(LONGEST)).await;
    }
    if behaviour.no_etag {
        request.headers_mut().remove(axum::http::header::IF_NONE_MATCH);
    }
    let reply = match behaviour.replacement() {
        Some(reply) => reply,
        None => {
            request.extensions_mut().insert(behaviour.clone());
            next.run(request).await
        }
    };
    behaviour.spoil(reply).await
}

impl Behaviour {
    fn check(&self) -> Result<(), String> {
        if !self.path.starts_with('/') || self.path.starts_with("/__") {
            return Err(format!("path: `{}` is none that could be told to behave", self.path));
        }
        if let Some(status) = self.status.filter(|status| !(200..600).contains(status)) {
            return Err(format!("status: `{status}` is none of 200 to 599"));
        }
        if let Some(size) = self.size.filter(|size| *size > LARGEST) {
            return Err(format!("size: `{size}` is over {LARGEST}"));
        }
        if let Some(text) = &self.cache_control
            && HeaderValue::from_str(text).is_err()
        {
            return Err("cache_control: not a header's value".to_owned());
        }
        Ok(())
    }

    /// What is answered instead of what the path would say.
    fn replacement(&self) -> Option<Response> {
        let status = self.status.and_then(|status| StatusCode::from_u16(status).ok());
        let body = if self.empty {
            Some(Body::empty())
        } else if let Some(text) = &self.body {
            Some(Body::from(text.clone()))
        } else {
            // The member's name and the marks take 13 bytes.
            let filler = |size: usize| "a".repeat(size.saturating_sub(13));
            self.size.map(|size| Body::from(format!("{{\"filler\":\"{}\"}}", filler(size))))
        };
        let mut reply = match (body, status) {
            (None, None) => return None,
            (None, Some(status)) => {
                let problem = json!({"error": status.as_u16(), "description": "as told"});
                with_status(status, &problem)
            }
            (Some(body), status) => {
                let mut reply = Response::new(body);
                *reply.status_mut() = status.unwrap_or_default();
                let json = HeaderValue::from_static("application/json");
                reply.headers_mut().insert(CONTENT_TYPE, json);
                reply
            }
        };
        if matches!(reply.status(), StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED) {
            *reply.body_mut() = Body::empty();
            reply.headers_mut().remove(CONTENT_TYPE);
        }
        Some(reply)
    }

    /// The answer with other headers, or sent badly.
    async fn spoil(&self, reply: Response) -> Response {
        let (mut head, body) = reply.into_parts();
        if self.no_etag {
            head.headers.remove(ETAG);
        }
        let max_age = self.max_age.map(|seconds| format!("public, max-age={seconds}"));
        if let Some(text) = max_age.as_ref().or(self.cache_control.as_ref()) {
            head.headers.remove(CACHE_CONTROL);
            if let Ok(value) = HeaderValue::from_str(text)
                && !text.is_empty()
            {
                head.headers.insert(CACHE_CONTROL, value);
            }
        }
        if !self.cut && !self.stall && self.truncate.is_none() {
            return Response::from_parts(head, body);
        }
        let Ok(mut body) = to_bytes(body, LARGEST).await else {
            return Failure::new(StatusCode::INTERNAL_SERVER_ERROR, "the answer is too large")
                .into_response();
        };
        body.truncate(self.truncate.unwrap_or(body.len()));
        let length = body.len();
        head.headers.insert(CONTENT_LENGTH, HeaderValue::from(length));
        let ending = match (self.cut, self.stall) {
            (true, _) => Ending::Cut,
            (false, true) => Ending::Stall(LONGEST),
            (false, false) => return Response::from_parts(head, Body::from(body)),
        };
        body.truncate(length / 2);
        Response::from_parts(head, Body::new(BrokenBody::new(body, None, ending)))
    }
}
