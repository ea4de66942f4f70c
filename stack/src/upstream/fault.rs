//! Misbehaviour on request: every way in which an upstream can fail the gateway.
//!
//! Any request may ask for it in `x-demo-fault: delay=200, cut=10`; `/__fault?delay=200&cut=10`
//! asks in its query and answers `{"fault":"…"}`.

use std::time::Duration;

use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{ConnectInfo, Request};
use axum::http::header::{
    ACCEPT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, TRAILER, TRANSFER_ENCODING,
};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use ct_codecs::{Base64, Decoder as _};
use serde_json::json;

use crate::broken_body::{BrokenBody, Ending, TRAILING};
use crate::reply::{Failure, Fields, json_reply, with_status};
use crate::server::Connection;

/// The header that asks for faults.
const HEADER: &str = "x-demo-fault";
/// The header that asks for a field of the answer, `name: value`; as often as one likes.
const SAY: &str = "x-demo-say";
/// The header that asks for a body of `/__echo`,
const BODY: &str = "x-demo-body";
/// or of one that no header can hold, in Base64,
const BASE64: &str = "x-demo-base64";
/// and that for its content type.
const TYPE: &str = "x-demo-type";
/// The longest wait that can be asked for.
const LONGEST: Duration = Duration::from_secs(600);
/// The largest body that can be asked for, in bytes.
const LARGEST: usize = 64 << 20;

/// `/__fault…`: what is to happen to it anyway.
pub(super) async fn described(request: Request) -> Response {
    json_reply(&json!({"fault": request.uri().query().unwrap_or_default()}))
}

/// `/__echo…`: the body and the content type that came; or those that the request asks
/// for in `x-demo-body` or `x-demo-base64`, and `x-demo-type`.
pub(super) async fn echo(request: Request) -> Response {
    let (head, body) = request.into_parts();
    let Ok(body) = to_bytes(body, LARGEST).await else {
        return Failure::bad_request("the body is too large, or cut").into_response();
    };
    let text = head.headers.get(BODY).map(|text| text.as_bytes().to_vec());
    let packed = head.headers.get(BASE64);
    let wanted = match packed.map(|text| Base64::decode_to_vec(text.as_bytes(), None)) {
        Some(Err(_)) => return Failure::bad_request("no Base64").into_response(),
        Some(Ok(bytes)) => Some(bytes),
        None => text,
    };
    let is_wanted = wanted.is_some();
    let body = wanted.map_or(body, Bytes::from);
    let (own, other) = match (is_wanted, body.is_empty()) {
        (true, _) => (None, "application/json"),
        (false, false) => (head.headers.get(CONTENT_TYPE), "text/plain"),
        (false, true) => return json_reply(&json!({"echo": null})),
    };
    let other = HeaderValue::from_static(other);
    let content_type = head.headers.get(TYPE).or(own).unwrap_or(&other).clone();
    let mut reply = Response::new(Body::from(body));
    reply.headers_mut().insert(CONTENT_TYPE, content_type);
    reply
}

/// Answers otherwise where the request asks for that: before the answer is compressed.
pub(super) async fn replace(request: Request, next: Next) -> Response {
    let faults = request.extensions().get::<Faults>().cloned().unwrap_or_default();
    faults.replace(next.run(request).await)
}

/// Does to the answer what the request asks for.
pub(super) async fn inject(mut request: Request, next: Next) -> Response {
    let faults = match wanted(&request) {
        Ok(faults) => faults,
        Err(failure) => return failure.into_response(),
    };
    if let Some(delay) = faults.delay {
        tokio::time::sleep(delay).await;
    }
    let connection = request.extensions().get::<ConnectInfo<Connection>>().cloned();
    if faults.reset {
        if let Some(ConnectInfo(connection)) = connection {
            connection.reset();
        }
        // Where there is no connection, in tests without one, the broken body stands for it.
        return Response::new(Body::new(BrokenBody::cut(Bytes::new())));
    }
    if faults.gzip {
        request.headers_mut().insert(ACCEPT_ENCODING, HeaderValue::from_static("gzip"));
    }
    request.extensions_mut().insert(faults.clone());
    let no_body = request.method() == Method::HEAD;
    let said = said(request.headers());
    let mut reply = next.run(request).await;
    for (name, value) in said {
        reply.headers_mut().append(name, value);
    }
    if no_body { reply } else { faults.spoil(reply).await }
}

/// What can be asked for; several at once where they fit together.
#[derive(Clone, Default)]
struct Faults {
    /// `delay=ms`: wait before the answer.
    delay: Option<Duration>,
    /// `status=n`: this status and an error's body instead of the answer; 204 and 304 have none.
    status: Option<StatusCode>,
    /// `big=n`: a JSON body of n bytes instead of the answer's.
    big: Option<usize>,
    /// `gzip`: compressed, whatever was accepted, if it has more than some bytes.
    gzip: bool,
    /// `empty`: the answer's status and headers with a body of 0 bytes.
    empty: bool,
    /// `chunked`: no `content-length`.
    chunked: bool,
    /// `bytes[=ms]`: one byte per chunk, so many milliseconds apart.
    bytes: Option<Duration>,
    /// `cut[=n]`: the connection closes after n bytes of the body; default: half of it.
    cut: Option<Option<usize>>,
    /// `stall[=n]`: nothing comes after n bytes of the body, and the connection stays.
    stall: Option<Option<usize>>,
    /// `trailers`: a trailer follows the body, where the request has `te: trailers`.
    trailers: bool,
    /// `reset`: the connection is reset instead of an answer.
    reset: bool,
}

/// The fields that are asked for; what is none is left out.
fn said(asked: &HeaderMap) -> Vec<(HeaderName, HeaderValue)> {
    let field = |value: &HeaderValue| {
        let at = value.as_bytes().iter().position(|b| *b == b':')?;
        let (name, value) = value.as_bytes().split_at(at);
        let value = value.get(1..).unwrap_or_default().trim_ascii();
        Some((HeaderName::from_bytes(name).ok()?, HeaderValue::from_bytes(value).ok()?))
    };
    asked.get_all(SAY).iter().filter_map(field).collect()
}

/// What the header asks for and, under `/__fault`, the query.
fn wanted(request: &Request) -> Result<Faults, Failure> {
    let mut faults = Faults::default();
    for value in request.headers().get_all(HEADER) {
        let value = String::from_utf8_lossy(value.as_bytes()).into_owned();
        for fault in value.split(',').map(str::trim).filter(|fault| !fault.is_empty()) {
            let (name, value) = fault.split_once('=').unwrap_or((fault, ""));
            faults.add(name.trim(), value.trim())?;
        }
    }
    let path = request.uri().path();
    if path == "/__fault" || path.starts_with("/__fault/") {
        for (name, value) in Fields::of_query(request).iter() {
            faults.add(name, value)?;
        }
    }
    Ok(faults)
}

impl Faults {
    fn add(&mut self, name: &str, value: &str) -> Result<(), Failure> {
        match (name, value) {
            ("reset", "") => self.reset = true,
            ("empty", "") => self.empty = true,
            ("gzip", "") => self.gzip = true,
            ("chunked", "") => self.chunked = true,
            ("trailers", "") => self.trailers = true,
            ("cut", "") => self.cut = Some(None),
            ("stall", "") => self.stall = Some(None),
            ("bytes", "") => self.bytes = Some(Duration::ZERO),
            ("cut", count) => self.cut = Some(Some(number(name, count)?)),
            ("stall", count) => self.stall = Some(Some(number(name, count)?)),
            ("bytes", ms) => self.bytes = Some(milliseconds(name, ms)?),
            ("delay", ms) => self.delay = Some(milliseconds(name, ms)?),
            ("big", count) => self.big = Some(number(name, count)?.min(LARGEST)),
            ("status", code) => {
                let status = code.parse().ok().filter(|code| (200..600).contains(code));
                let status = status.and_then(|code: u16| StatusCode::from_u16(code).ok());
                self.status = Some(status.ok_or_else(|| not_understood(name, code))?);
            }
            (name, value) => return Err(not_understood(name, value)),
        }
        Ok(())
    }

    /// Another answer than the resource's.
    fn replace(&self, reply: Response) -> Response {
        let mut reply = reply;
        if let Some(status) = self.status {
            let body = json!({"error": status.as_u16(), "description": "injected fault"});
            reply = with_status(status, &body);
            if matches!(status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED) {
                *reply.body_mut() = Body::empty();
                reply.headers_mut().remove(CONTENT_TYPE);
            }
        }
        if let Some(size) = self.big {
            // The members' names and marks take 13 bytes.
            let filler = "a".repeat(size.saturating_sub(13));
            let body = format!("{{\"filler\":\"{filler}\"}}");
            reply = with_status(reply.status(), &serde_json::Value::Null);
            *reply.body_mut() = Body::from(body);
        }
        reply
    }

    /// The same answer, sent badly.
    async fn spoil(&self, reply: Response) -> Response {
        let ending = match (self.cut, self.stall) {
            (Some(after), _) => Some((after, Ending::Cut)),
            (None, Some(after)) => Some((after, Ending::Stall(LONGEST))),
            (None, None) => None,
        };
        // What is compressed on the way has no length yet.
        if !(self.empty || self.chunked || self.trailers || self.gzip)
            && self.bytes.is_none()
            && ending.is_none()
        {
            return reply;
        }
        let (mut head, body) = reply.into_parts();
        let Ok(body) = to_bytes(body, LARGEST + 64).await else {
            return Failure::new(StatusCode::INTERNAL_SERVER_ERROR, "the answer is too large")
                .into_response();
        };
        let mut body = if self.empty { Bytes::new() } else { body };
        let length = body.len();
        let mut end = if self.trailers { Ending::Trailers } else { Ending::Complete };
        if let Some((after, how)) = ending {
            body.truncate(after.unwrap_or(length / 2));
            end = how;
        }
        let chunked = self.chunked || self.trailers || self.bytes.is_some();
        if self.trailers {
            head.headers.insert(TRAILER, HeaderValue::from_static(TRAILING));
        }
        frame(&mut head.headers, if chunked { None } else { Some(length) });
        Response::from_parts(head, Body::new(BrokenBody::new(body, self.bytes, end)))
    }
}

/// By its length, or in chunks.
fn frame(headers: &mut HeaderMap, length: Option<usize>) {
    headers.remove(TRANSFER_ENCODING);
    match length {
        Some(length) => headers.insert(CONTENT_LENGTH, HeaderValue::from(length)),
        None => headers.remove(CONTENT_LENGTH),
    };
}

fn number(name: &str, text: &str) -> Result<usize, Failure> {
    text.parse().map_err(|_| not_understood(name, text))
}

fn milliseconds(name: &str, text: &str) -> Result<Duration, Failure> {
    let count = text.parse().map_err(|_| not_understood(name, text))?;
    Ok(Duration::from_millis(count).min(LONGEST))
}

fn not_understood(name: &str, value: &str) -> Failure {
    Failure::bad_request(format!("fault `{name}={value}` is not understood"))
}
